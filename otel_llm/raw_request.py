"""The request as a curl command that shows what went out, without the credentials that went with it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Final

MASK: Final = "***"
MAX_BODY: Final = 65_536
"""Characters of the body that are kept."""
_SECRET_HEADER: Final = re.compile(
    r"auth|key|token|secret|cookie|signature|credential|password|session", re.IGNORECASE
)
_SECRET_QUERY: Final = re.compile(
    r"(?i)([?&][^=&]*(?:key|token|sig|signature|secret|credential|password|auth)[^=&]*=)[^&#]*"
)
_NOISE: Final = frozenset({"content-length", "connection", "accept-encoding", "host"})


def as_curl(method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes | None) -> str:
    """One command line; header and query values that may be credentials are masked."""
    address = re.sub(r"//[^/?#]*@", f"//{MASK}@", _SECRET_QUERY.sub(rf"\1{MASK}", url))
    words = ["curl", "-X", method, shlex.quote(address)]
    for name, value in headers:
        if name.lower() in _NOISE:
            continue
        shown = MASK if _SECRET_HEADER.search(name) else value
        words += ["-H", shlex.quote(f"{name}: {shown}")]
    if body:
        words += ["-d", shlex.quote(_text(body))]
    return " ".join(words)


def _text(body: bytes) -> str:
    """The beginning of a body; of one that is no text, such as a form with files, its size alone."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"[{len(body):,} bytes that are no text]"
    if len(text) > MAX_BODY:
        text = f"{text[:MAX_BODY]}…[cut: {MAX_BODY:,} of {len(text):,} characters]"
    return text
