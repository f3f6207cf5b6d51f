"""The last word of processes that leave without exit handlers."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

from otel_llm.farewell import Farewell, within


class _Server:
    async def shutdown(self, sockets: object = None) -> str:
        return f"closed {sockets}"


def _farewell(said: list[str]) -> Farewell:
    made = Farewell()
    made._flush = lambda: said.append("flushed")
    return made


async def test_uvicorn_is_followed_to_the_end_of_its_shutdown() -> None:
    said: list[str] = []
    module = SimpleNamespace(Server=type("Server", (_Server,), {"shutdown": _Server.shutdown}))
    _farewell(said)._uvicorn(module)
    assert await module.Server().shutdown(sockets=1) == "closed 1"
    assert said == ["flushed"]


def test_celery_tells_its_workers_end() -> None:
    said: list[str] = []
    heard: list[Any] = []
    signal = SimpleNamespace(connect=lambda receiver, weak: heard.append((receiver, weak)))
    _farewell(said)._celery(SimpleNamespace(worker_process_shutdown=signal))
    ((receiver, weak),) = heard
    receiver(sender=None, pid=1, exitcode=0)
    assert (said, weak) == (["flushed"], False)


def test_a_module_that_has_changed_is_no_trouble() -> None:
    made = _farewell([])
    made._celery(SimpleNamespace())
    made._uvicorn(SimpleNamespace())
    made._fork_aware(SimpleNamespace())
    made.in_child(SimpleNamespace())


def test_a_destination_that_hangs_does_not_hold_a_process() -> None:
    release = threading.Event()
    start = time.monotonic()
    assert not within(0.1, lambda: release.wait(30))
    assert time.monotonic() - start < 5
    release.set()


def test_nothing_is_said_once_nothing_is_observed() -> None:
    said: list[str] = []
    made = _farewell(said)
    made.forget()
    made.now()
    assert said == []
