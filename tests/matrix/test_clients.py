"""httpx alone, httpx2 alone, and httpx2 under the name of httpx, in programs of their own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests import replay
from tests.house.source import ROOT
from tests.matrix import expected


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("client", "loaded"),
    [
        pytest.param("httpx", ["httpx"], id="httpx alone"),
        pytest.param("httpx2", ["httpx2"], id="httpx2 alone"),
        pytest.param("alias", ["httpx", "httpx2"], id="httpx2 as httpx"),
    ],
)
def test_each_call_is_one_span_whichever_client_and_whenever_it_is_imported(
    client: str, loaded: list[str], when: str, provider: replay.Provider
) -> None:
    plain, stream = expected.OPENAI_CHAT, expected.OPENAI_CHAT_STREAM
    addresses = [f"{provider.base}/{want.recording}/v1/chat/completions" for want in (plain, stream)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.matrix.client_program", client, when, *addresses],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    one = [plain.answered, plain.input, plain.output, None]
    other = [stream.answered, stream.input, stream.output, "completed"]
    assert json.loads(done.stdout) == {"loaded": loaded, "calls": [one, other, one, other]}
    assert done.stderr == ""
