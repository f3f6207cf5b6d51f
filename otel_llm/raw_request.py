"""The request as a curl command that shows what went out, without the credentials that went with it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Final

MASK: Final = "***"
MAX_BODY: Final = 65_536
_SECRET_HEADER: Final = re.compile(
    r"auth|key|token|secret|cookie|signature|credential|password|session", re.IGNORECASE
)
_SECRET_QUERY: Final = re.compile(
    r"(?i)([?&][^=&]*(?:key|token|sig|signature|secret|credential|password|auth)[^=&]*=)[^&#]*"
)
_NOISE: Final = frozenset({"content-length", "connection", "accept-encoding", "host"})


def as_curl(method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes | None) -> str:
    """One command line; header and query values that may be credentials are masked."""
    address = re.sub(r"//[^/@]*@", f"//{MASK}@", _SECRET_QUERY.sub(rf"\1{MASK}", url))
    words = ["curl", "-X", method, shlex.quote(address)]
    for name, value in headers:
        if name.lower() in _NOISE:
            continue
        shown = MASK if _SECRET_HEADER.search(name) else value
        words += ["-H", shlex.quote(f"{name}: {shown}")]
    if body:
        text = body[:MAX_BODY].decode("utf-8", "replace")
        if len(body) > MAX_BODY:
            text += f"…[cut: {MAX_BODY:,} of {len(body):,} bytes]"
        words += ["-d", shlex.quote(text)]
    return " ".join(words)
