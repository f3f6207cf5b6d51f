"""Each call of a real SDK is one span with the numbers of its provider, and the SDK's user notices nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Instrument
from tests.replay import Provider
from tests.sdks import MARKS
from tests.sdks.calls import Case, at_once, cases, settled
from tests.sdks.table import RECORDINGS, ROWS
from tests.sdks.telling import check

CASES = cases(ROWS, RECORDINGS)

pytestmark = MARKS


def _plain() -> list[Any]:
    return [pytest.param(case, id=case.name) for case in CASES if case.row.sdk.client is not None]


def _async() -> list[Any]:
    return [pytest.param(case, id=case.name) for case in CASES if case.row.sdk.async_client is not None]


def test_every_row_has_a_recording() -> None:
    assert set(ROWS) == {case.row for case in CASES}


@pytest.mark.parametrize("case", _plain())
def test_a_call_is_one_span(case: Case, provider: Provider, port: int, instrumented: Instrument) -> None:
    pytest.importorskip(case.row.sdk.module)
    assert case.row.sdk.client is not None
    place = case.place(port)
    client = case.row.sdk.client(place)

    def call() -> Any:
        try:
            return at_once(settled(case.call(client, place), asynchronous=False))
        except Exception as error:
            return type(error).__name__, str(error)

    before, sent = call(), list(provider.served)
    assert sent, before
    provider.served.clear()
    seen = instrumented()
    assert call() == before
    case.row.sdk.close(client, False)
    check(case, sent, provider.served, seen.llm(case.row.spans))


@pytest.mark.parametrize("case", _async())
async def test_an_async_call_is_one_span(
    case: Case, provider: Provider, port: int, instrumented: Instrument
) -> None:
    pytest.importorskip(case.row.sdk.module)
    assert case.row.sdk.async_client is not None
    place = case.place(port)
    client = case.row.sdk.async_client(place)

    async def call() -> Any:
        try:
            return await settled(case.call(client, place, case.row.sdk.async_suffix), asynchronous=True)
        except Exception as error:
            return type(error).__name__, str(error)

    before, sent = await call(), list(provider.served)
    assert sent, before
    provider.served.clear()
    seen = instrumented()
    assert await call() == before
    await settled(case.row.sdk.close(client, True), asynchronous=True)
    check(case, sent, provider.served, seen.llm(case.row.spans))
