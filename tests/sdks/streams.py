"""A stream of an SDK that has begun: its first item is there, and there are ways to leave it."""

from __future__ import annotations

import inspect
from typing import Any


async def begun(value: Any, asynchronous: bool) -> Any:
    """Wait for the first item of a result; gives what has to be closed.

    For a plain program it never waits, so that `at_once` can run it without an event loop.
    """
    while inspect.isawaitable(value):
        value = await value
    if isinstance(value, dict):  # boto3 has the stream beside the headers
        value = next(one for one in value.values() if hasattr(one, "close"))
    if asynchronous and hasattr(value, "__aiter__"):
        await value.__aiter__().__anext__()
        return value
    if hasattr(value, "__iter__"):
        next(iter(value))
        return value
    inner = await value.__aenter__() if asynchronous else value.__enter__()
    return await begun(inner, asynchronous)


async def closed(stream: Any, asynchronous: bool) -> None:
    """Close it in the way that it has: streams, generators, and those that can only be left."""
    for name in ("aclose", "close"):
        if hasattr(stream, name):
            made = getattr(stream, name)()
            if inspect.isawaitable(made):
                await made
            return
    raise AssertionError(f"{type(stream)} cannot be closed")
