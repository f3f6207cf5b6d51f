"""The last spans of processes that leave without Python's exit handlers.

Forked children of `multiprocessing` (and so of process pools) and Celery's prefork workers leave by `os._exit`; uvicorn
cleans up on a signal and then lets the signal kill it. Each of them has a place of its own where a word can be said
before the end; we wait for these modules and import none of them. Signals are left alone: a program that SIGTERM
kills outright loses the batch that it had not sent.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Final

import wrapt

from otel_llm.shield import shielded

SECONDS: Final = 5.0
"""How long a child's end may be delayed when its destination does not answer."""

_BEFORE_OTHERS: Final = 100
"""Priority among the finalizers of multiprocessing."""


class Farewell:
    """Calls `flush` where this process, or a child of it, is about to leave unseen. One for a process."""

    def __init__(self) -> None:
        self._flush: Callable[[], Any] | None = None
        self._attending = False

    def attend(self, flush: Callable[[], Any]) -> None:
        """From now on, or when one of the modules is imported."""
        self._flush = flush
        if self._attending:
            return
        self._attending = True
        for module in ("multiprocessing.util", "billiard.util"):
            wrapt.register_post_import_hook(self._fork_aware, module)
        wrapt.register_post_import_hook(self._celery, "celery.signals")
        wrapt.register_post_import_hook(self._uvicorn, "uvicorn.server")

    def forget(self) -> None:
        """Nothing is observed any more."""
        self._flush = None

    def now(self, *_: Any, **__: Any) -> None:
        """Flush within bounds; on a thread of its own, because the SDK's flush has no end of its own."""
        flush = self._flush
        if flush is not None:
            within(SECONDS, flush)

    def _fork_aware(self, util: Any) -> None:
        # multiprocessing forgets all finalizers in its own children, and then asks those who registered for forks;
        # a plain fork of such a child is told by the operating system's hook alone.
        shielded("farewell", lambda: util.register_after_fork(self, lambda mine: mine.in_child(util)))
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: self.in_child(util))

    def in_child(self, util: Any) -> None:
        """Have the last word in this process too."""
        shielded("farewell", lambda: util.Finalize(None, self.now, exitpriority=_BEFORE_OTHERS))

    def _celery(self, signals: Any) -> None:
        shielded("farewell", lambda: signals.worker_process_shutdown.connect(self.now, weak=False))

    def _uvicorn(self, server: Any) -> None:
        async def shutdown(original: Any, _: Any, args: Any, kwargs: Any) -> Any:
            try:
                return await original(*args, **kwargs)
            finally:
                self.now()

        shielded("farewell", wrapt.wrap_function_wrapper, server, "Server.shutdown", shutdown)


def within(seconds: float, work: Callable[[], Any]) -> bool:
    """Whether `work` ended in time; if not, it goes on alone."""
    thread = threading.Thread(target=shielded, args=("flush", work), name="otel-llm-flush", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


farewell: Final = Farewell()
"""The one of this process."""
