"""The price library, imported on a thread of its own, because that takes half a second.

`genai_prices` builds some two thousand price objects when it is imported, and brings pydantic and httpx2 along. So it is
imported neither with this package nor in a thread of the application: `Import.start` begins when the first LLM
request is seen, and the answer of a model takes longer than that.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelPrice, TieredPrices

T = TypeVar("T")

PATIENCE: Final = 2.0
"""Seconds that all threads of a process together wait for the import, counted from the first that needs it.

A thread that runs an event loop never waits: all tasks of the loop would.
"""


class Library(NamedTuple):
    """What we use of `genai_prices`."""

    snapshot: Callable[[], DataSnapshot]
    """The price table in force; a program that runs `UpdatePrices` gets another one now and then."""
    flat: type[ModelPrice]
    tiered: type[TieredPrices]


def load() -> Library:
    """Import the library. Raises whatever its import raises."""
    from genai_prices import data_snapshot, types

    data_snapshot.get_snapshot()
    return Library(data_snapshot.get_snapshot, types.ModelPrice, types.TieredPrices)


class Import(Generic[T]):
    """A slow import, done once, in the background.

    A process that forks meanwhile waits for the import to end, `patience` at most: a child that is born in the middle
    has import locks that nobody will release, and would hang at its own import of a half imported module. When even
    that is not enough, the child never gets the value and never waits for it.
    """

    def __init__(self, load: Callable[[], T], patience: float = PATIENCE) -> None:
        self._load = load
        self._patience = patience
        self._value: T | None = None
        self._problem: str | None = None
        self._thread: threading.Thread | None = None
        self._deadline: float | None = None
        self._lost = False
        self._renew_locks()

    @property
    def problem(self) -> str | None:
        """Why there is no value although somebody asked for it; None while all is well."""
        return None if self._value is not None else self._problem

    def start(self) -> None:
        """Begin to import, unless that was begun before."""
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="otel-llm-prices", daemon=True)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(before=self._before_fork, after_in_child=self._after_fork)
            self._thread = thread
            thread.start()

    def get(self) -> T | None:
        """The value; None when it failed, did not come in time, or is not there yet and an event loop runs here."""
        if self._value is not None or self._lost:
            return self._value
        self.start()
        if not self._done.is_set() and not _in_event_loop():
            now = time.monotonic()
            if self._deadline is None:
                self._deadline = now + self._patience
            self._done.wait(max(0.0, self._deadline - now))
            if not self._done.is_set():
                self._problem = f"it was not imported within {self._patience:g} seconds"
        return self._value

    def _run(self) -> None:
        try:
            self._value = self._load()
        except Exception as error:  # noqa: BLE001 - nobody stands above this thread; `problem` carries it to the caller
            self._problem = f"its import failed: {type(error).__name__}: {error}"
        finally:
            self._done.set()

    def _renew_locks(self) -> None:
        self._lock = threading.Lock()
        self._done = threading.Event()

    def _before_fork(self) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._done.wait(self._patience)

    def _after_fork(self) -> None:
        ended = self._done.is_set()
        self._renew_locks()
        if ended:
            self._done.set()
        else:
            self._lost = True
            self._problem = "the process was forked while it was being imported"


def _in_event_loop() -> bool:
    """Whether this thread runs an event loop; neither library is imported for the question, old ones may lack the answer."""
    running = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)
    if running is not None and running() is not None:
        return True
    in_trio = getattr(getattr(sys.modules.get("trio"), "lowlevel", None), "in_trio_run", None)
    return in_trio is not None and bool(in_trio())


LIBRARY: Final = Import(load)
