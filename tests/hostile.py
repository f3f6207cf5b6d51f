"""Bodies with a wrong type somewhere: what a decoder meets when a provider changes its mind, or means harm."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

JUNK: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**30, math.inf, "", "x", "{"),
    *([], [None], [[]], ["x"], [{}], {}, {"type": []}, {"x": None}),
)
"""One of each kind, and those that lie about what is inside."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value in this one; of a long list, the first four."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for place in range(min(len(value), 4)):
            yield from places(value[place], (*path, place))


def spoiled(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    """A copy with `junk` at `path`."""
    if not path:
        return copy.deepcopy(junk)
    made = copy.deepcopy(value)
    at = made
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = copy.deepcopy(junk)
    return made


def variants(value: Any) -> Iterator[Any]:
    """The value with each kind of junk in each place."""
    for path in places(value):
        for junk in JUNK:
            yield spoiled(value, path, junk)
