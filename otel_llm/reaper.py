"""A thread that ends the spans of streams that were garbage collected. It sleeps until there is one.

A collection can run inside any lock of the SDK, so nothing may be ended from within it; it is only noted there.
"""

from __future__ import annotations

import functools
import os
import queue
import threading
from collections.abc import Callable
from typing import Any, Final

from otel_llm.shield import shielded


class Reaper:
    """One for a process, whatever number of observers follow one another in it."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Have the thread ready; a destructor could not start it."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="otel-llm-reaper", daemon=True)
                self._thread.start()

    def later(self, work: Callable[..., Any], *args: Any) -> None:
        """Have this done by the thread. `SimpleQueue.put` may be called from a destructor, whatever lock is held."""
        self._waiting.put(functools.partial(shielded, "later", work, *args))

    def settle(self, seconds: float = 2.0) -> None:
        """Wait until all that was taken so far has been done."""
        if self._thread is not None and self._thread.is_alive():
            reached = threading.Event()
            self._waiting.put(reached.set)
            reached.wait(seconds)

    def forked(self) -> None:
        """A child has neither the thread nor what waits for it."""
        self.__init__()  # type: ignore[misc]  # it is a new one

    def _run(self) -> None:
        while True:
            self._waiting.get()()


reaper: Final = Reaper()
"""The one of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=reaper.forked)
