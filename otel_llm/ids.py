"""Ids of calls: sortable by time, unique across processes."""

from __future__ import annotations

import random

_random = random.SystemRandom()


def new_id(now_ns: int) -> str:
    """A version 7 UUID of the given time (RFC 9562)."""
    milliseconds = (now_ns // 1_000_000) & ((1 << 48) - 1)
    noise = _random.getrandbits(74)
    value = milliseconds << 80 | 7 << 76 | (noise >> 62) << 64 | 0b10 << 62 | noise & ((1 << 62) - 1)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
