"""Thin hooks under the HTTP clients, all over one observer.

Each module here has `patch(module, door)`, which is called once the client's module is imported, by anybody, at any
time; nothing here imports a client itself.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, Final, NamedTuple

import wrapt

from otel_llm.observer import CANCELLED, Call, Observer
from otel_llm.shield import report, shielded

_logger = logging.getLogger("otel_llm")

TARGETS: Final = {
    "httpx": ("httpx", "otel_llm.hooks.httpx"),
    "httpx2": ("httpx2", "otel_llm.hooks.httpx"),
    "aiohttp": ("aiohttp.client", "otel_llm.hooks.aiohttp"),
    "requests": ("requests.sessions", "otel_llm.hooks.requests"),
    "botocore": ("botocore.httpsession", "otel_llm.hooks.botocore"),
    "tracer": ("opentelemetry.sdk.trace", "otel_llm.hooks.tracer"),
}
"""By the name in `OTEL_LLM_HOOKS`: the module that is awaited, and the hook for it. `tracer` goes with `OTEL_LLM_ADOPT`."""


class Attached(NamedTuple):
    """A hook at work: which, on what version of its client, and how to take it off."""

    hook: str
    version: str
    restore: Callable[[], None]


class Door:
    """Where the wrapped methods find the observer of the moment; None while nobody observes."""

    def __init__(self) -> None:
        self.observer: Observer | None = None
        self.attached: list[Attached] = []
        """The HTTP clients at work."""
        self.watched: list[Attached] = []
        """The tracer of other libraries' spans, where spans are adopted."""
        self._awaited: set[str] = set()
        self._wanted: frozenset[str] = frozenset()

    def open(self, observer: Observer, hooks: Iterable[str]) -> None:
        """Attach the hooks, now or when their client is imported."""
        self.observer = observer
        self._wanted = frozenset(hooks) if observer.adoption is None else frozenset((*hooks, "tracer"))
        for hook in self._wanted:
            awaited, _ = TARGETS[hook]
            if awaited in sys.modules:
                self._attach(hook, sys.modules[awaited])
            elif hook not in self._awaited:
                self._awaited.add(hook)
                wrapt.register_post_import_hook(_Awaiting(self, hook), awaited)

    def close(self) -> None:
        """Take off what was attached."""
        self.observer = None
        self._wanted = frozenset()
        for hooks in (self.attached, self.watched):
            while hooks:
                shielded("detach", hooks.pop().restore)

    def _attach(self, hook: str, module: ModuleType) -> None:
        if hook in self._wanted and self.observer is not None:
            shielded(f"attach {hook}", self._patch, hook, module)

    def _patch(self, hook: str, module: ModuleType) -> None:
        restore = importlib.import_module(TARGETS[hook][1]).patch(module, self)
        if restore is not None:
            root = sys.modules.get(module.__name__.partition(".")[0], module)
            version = str(getattr(root, "__version__", ""))
            (self.watched if hook == "tracer" else self.attached).append(Attached(hook, version, restore))
            _logger.debug("otel-llm observes %s %s", hook, version)


class _Awaiting:
    """What wrapt calls once the module is there."""

    def __init__(self, door: Door, hook: str) -> None:
        self._door = door
        self._hook = hook

    def __call__(self, module: Any) -> None:
        self._door._attach(self._hook, module)  # noqa: SLF001  (one idea in two classes)


MARK: Final = "__otel_llm_wraps__"


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> Callable[[], None] | None:
    """Put `make(original)` in the place of a method, unless that is ours already; gives back how to undo it.

    Where somebody else has wrapped ours since, ours stays inside of theirs and sleeps.
    """
    original = owner.__dict__.get(name)
    if original is None or getattr(original, MARK, None) is not None:
        return None
    made = make(original)
    setattr(made, MARK, original)
    setattr(owner, name, made)

    def restore() -> None:
        if owner.__dict__.get(name) is made:
            setattr(owner, name, original)

    return restore


def follow(place: str, watch: Callable[..., None], call: Call, *args: Any) -> None:
    """Run `watch(call, *args)`, which sees to it that the call ends; where that fails, the call ends here."""
    try:
        watch(call, *args)
    except Exception as error:  # noqa: BLE001  (as the shield does; the call has to end besides)
        report(place, error)
        call.end()


def leave(call: Call, leaving: BaseException | None) -> None:
    """The answer is closed, perhaps before its end; `leaving` is the exception under way as that happens."""
    if isinstance(leaving, GeneratorExit):  # perhaps a garbage collection, which may hold any lock
        call.abandon("closed_early")
    elif leaving is not None and type(leaving).__name__ in CANCELLED:
        call.end(error=leaving)
    else:
        call.end("closed_early")
