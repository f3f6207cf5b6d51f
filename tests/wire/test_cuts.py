"""Every recorded stream, cut at every byte, gives the same answer.

`Reader` hands on what it holds once it has enough; here that is every single byte, so that each cut reaches the framer.
The first few bytes come together, as they do in a program: they tell the framing.
"""

from __future__ import annotations

import pytest

from otel_llm.wire import exchange
from tests import corpus

HEAD = 16
STREAMS = [one for one in corpus.recordings() if one.stream and one.status < 400]


@pytest.mark.parametrize("recording", STREAMS, ids=lambda one: one.id)
def test_a_recorded_stream_cut_at_every_byte_gives_the_same_answer(
    recording: corpus.Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = corpus.decode(recording)
    monkeypatch.setattr(exchange, "_BATCH", 1)
    body = recording.response_body
    cut = corpus.decode(recording, cuts=[body[:HEAD], *(body[at : at + 1] for at in range(HEAD, len(body)))])
    assert (whole is None) == (cut is None)
    if whole is not None and cut is not None:
        assert cut.response == whole.response
