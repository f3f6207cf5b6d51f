"""Where credentials stand in a text: keys with a known beginning, values with a label, key blocks, JSON web tokens.

All that is here runs in linear time, also on a text that was made to be slow: no expression is searched for; each is
matched at a place that a plain search has found, and either is bounded or consumes what it has looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple


class Found(NamedTuple):
    """A stretch of text, and what it is."""

    start: int
    end: int
    kind: str


class Key(NamedTuple):
    """A credential that tells by its beginning what it is."""

    prefix: str
    pattern: re.Pattern[str]
    kind: str


def _key(prefix: str, rest: str, kind: str) -> Key:
    return Key(prefix, re.compile(rf"(?<![A-Za-z0-9]){re.escape(prefix)}{rest}"), kind)


KEYS: Final = (
    _key(
        "sk-", r"[A-Za-z0-9_-]{16,}", "api_key"
    ),  # OpenAI, Anthropic, OpenRouter, DeepSeek, LiteLLM, Langfuse
    _key("AKIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])", "aws_key"),
    _key("ASIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])", "aws_key"),
    _key("AIza", r"[A-Za-z0-9_-]{33,}", "google_key"),
    _key("GOCSPX-", r"[A-Za-z0-9_-]{20,}", "google_key"),
    _key("gh", r"[pousr]_[A-Za-z0-9]{30,}", "github_token"),
    _key("github_pat_", r"[A-Za-z0-9_]{20,}", "github_token"),
    _key("glpat-", r"[A-Za-z0-9_-]{18,}", "gitlab_token"),
    _key("xox", r"[a-z]-[A-Za-z0-9-]{10,}", "slack_token"),
    _key("xapp-", r"[A-Za-z0-9-]{16,}", "slack_token"),
    _key("sk_live_", r"[A-Za-z0-9]{16,}", "stripe_key"),
    _key("sk_test_", r"[A-Za-z0-9]{16,}", "stripe_key"),
    _key("rk_live_", r"[A-Za-z0-9]{16,}", "stripe_key"),
    _key("rk_test_", r"[A-Za-z0-9]{16,}", "stripe_key"),
    _key("whsec_", r"[A-Za-z0-9+/]{24,}={0,2}", "stripe_key"),
    _key("hf_", r"[A-Za-z0-9]{30,}", "huggingface_token"),
    _key("gsk_", r"[A-Za-z0-9]{32,}", "api_key"),
    _key("xai-", r"[A-Za-z0-9]{32,}", "api_key"),
    _key("pplx-", r"[A-Za-z0-9]{32,}", "api_key"),
    _key("nvapi-", r"[A-Za-z0-9_-]{32,}", "api_key"),
    _key("csk-", r"[A-Za-z0-9]{32,}", "api_key"),
    _key("tgp_v1_", r"[A-Za-z0-9_-]{32,}", "api_key"),
    _key("npm_", r"[A-Za-z0-9]{36}", "npm_token"),
    _key("pypi-", r"AgE[A-Za-z0-9_-]{32,}", "pypi_token"),
    _key("dapi", r"[0-9a-f]{32}", "databricks_token"),
)
"""No prefix says more than one thing; where one is the beginning of another, both are tried."""

_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TOKEN: Final = bytes(97 if byte in _LETTERS + b"0123456789-_" else 32 for byte in range(256))
_RUN: Final = b"a" * 16
"""No credential that is found by its beginning is shorter, and hardly a word of any language is as long."""

_DIGIT: Final = re.compile(r"[0-9]")
_JWT_REST: Final = re.compile(r"(?:\.[A-Za-z0-9_-]{4,}){1,4}\.?")
_BEARER: Final = re.compile(r"(?i)bearer[\"'\\:]{0,3}[ \t]{1,4}([A-Za-z0-9._~+/=-]{16,})")
_BLOCK: Final = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_BLOCK_REST: Final = re.compile(r"[A-Za-z0-9+/=\s\\]*(?:-{1,5}END[A-Z ]{0,40})?")
_BLOCK_END: Final = "-----END "
_MAX_BLOCK: Final = 16_384
"""Characters of the longest key block."""

_SAYS: Final = r"""["'\\\])]{0,4}[ \t]{0,8}(?:=>|:=|=|:)[ \t\r\n]{0,8}"""
_VALUE: Final = re.compile(r"""\\{0,3}["'`](?P<quoted>[^\r\n"'`]+)|(?P<bare>[^\s"'`,;&<>(){}\[\]\\]+)""")
_SECRETIVE: Final = (
    r"(?:api|access|private|secret|auth|encryption|signing|master|account|storage|subscription|shared)"
)
_TOKENS: Final = r"(?:access|refresh|auth|id|bearer|api|session|security|bot|app|user|personal|csrf)"


class Label(NamedTuple):
    """A word that says that the value behind it is secret; `before` must stand right before it, where it is set.

    Without `before` a weak label counts too, but only for a long value: `token` is also a word of our trade.
    """

    word: bytes
    pattern: re.Pattern[str]
    before: re.Pattern[str] | None = None
    weak: bool = False


def _label(word: str, rest: str, before: str | None = None, weak: bool = False) -> Label:
    found = re.compile(rf"(?i)(?:{before})[_. -]?\Z") if before else None
    return Label(word.encode(), re.compile(rf"(?i){word}{rest}{_SAYS}"), found, weak)


LABELS: Final = (
    _label("pass", r"(?:word|wd|phrase|code)s?"),
    _label("pwd", ""),
    _label("secret", r"(?:[_. -]?access)?(?:[_. -]?(?:key|token|value))?s?"),
    _label("key", r"s?", before=_SECRETIVE),
    _label("token", r"s?", before=_TOKENS, weak=True),
    _label("credential", r"s?"),
)
_AUTHORIZATION: Final = re.compile(
    r"(?i)authorization[\"'\\\])]{0,4}[ \t]{0,8}[:=][ \t]{0,8}[\"'\\]{0,4}"
    r"(?:(?:bearer|basic|token|digest|apikey|negotiate|aws4-hmac-sha256)[ \t]{1,4})?([^\s\"',;\\]{6,})"
)
_SYMBOL: Final = re.compile(r"[0-9!@#$%^*+=~?]")
_MIXED: Final = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])\S+")
_NAMES_SECRET: Final = re.compile(
    rf"(?i).*(?:pass(?:word|wd|phrase|code)|pwd|secret(?:_?(?:access_?)?key)?|{_SECRETIVE}[_ -]?key"
    rf"|{_TOKENS}[_ -]?token|authorization|credential)s?\Z"
)
_SECRET_ENDS: Final = (
    "word",
    "words",
    "wd",
    "phrase",
    "code",
    "secret",
    "secrets",
    "key",
    "keys",
    "token",
    "tokens",
    "ation",
    "ial",
    "ials",
)
_URL_USER: Final = 300
"""Characters before the @ of an address in which its user and password stand."""


_DIGITS: Final = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))


def names_secret(key: str) -> bool:
    """Whether the value under this key of an object is a secret, whatever it looks like."""
    return len(key) <= 64 and key.lower().endswith(_SECRET_ENDS) and _NAMES_SECRET.match(key) is not None


def tokens_of(latin: bytes) -> Iterator[tuple[int, int]]:
    """Where long runs of letters, digits, - and _ stand; `latin` has one byte a character."""
    flat = latin.translate(_TOKEN)
    start = flat.find(_RUN)
    while start >= 0:
        end = flat.find(b" ", start)
        if end < 0:
            end = len(flat)
        yield start, end
        start = flat.find(_RUN, end)


def has_digit(latin: bytes, start: int, end: int) -> bool:
    """Whether a run can hold a key at all: every one of them has a digit."""
    return latin[start:end].translate(_DIGITS).find(b"0") >= 0


def find_keys(text: str, start: int, end: int, found: list[Found]) -> None:
    """Keys that begin within one run."""
    for key in KEYS:
        at = text.find(key.prefix, start, end)
        while at >= 0:
            match = key.pattern.match(text, at)
            if match is not None and _DIGIT.search(text, at + len(key.prefix), match.end()):
                found.append(Found(at, match.end(), key.kind))
            at = text.find(key.prefix, match.end() if match is not None else at + len(key.prefix), end)


def find_jwt(text: str, start: int, end: int, found: list[Found]) -> None:
    """A token whose header is this run."""
    if text[end : end + 1] == ".":
        at = text.find("eyJ", start, end)
        if at >= 0 and (match := _JWT_REST.match(text, end)):
            found.append(Found(at, match.end(), "jwt"))


def find_blocks(text: str, found: list[Found]) -> None:
    """Private keys in PEM form; one that is cut off ends where its letters end."""
    at = text.find("-----BEGIN ")
    while at >= 0:
        match = _BLOCK.match(text, at)
        if match is None:
            at = text.find("-----BEGIN ", at + 11)
            continue
        end = text.find(_BLOCK_END, match.end(), match.end() + _MAX_BLOCK)
        if end >= 0:
            close = text.find("-----", end + len(_BLOCK_END), end + 80)
            stop = close + 5 if close >= 0 else end + len(_BLOCK_END)
        else:
            rest = _BLOCK_REST.match(text, match.end())
            stop = rest.end() if rest is not None else match.end()
        found.append(Found(at, stop, "private_key"))
        at = text.find("-----BEGIN ", stop)


def find_bearers(text: str, lower: bytes, found: list[Found]) -> None:
    """What stands behind the word Bearer; `lower` is the text, one lower-case byte a character."""
    at = lower.find(b"bearer")
    while at >= 0:
        match = _BEARER.match(text, at)
        if match is not None:
            found.append(Found(match.start(1), match.end(1), "bearer_token"))
        at = lower.find(b"bearer", match.end() if match is not None else at + 6)


def find_labelled(text: str, lower: bytes, found: list[Found]) -> None:
    """Values behind a word that says that they are secret; `lower` as above."""
    for label in LABELS:
        at = lower.find(label.word)
        while at >= 0:
            match = label.pattern.match(text, at)
            after = at + len(label.word) if match is None else _labelled(text, at, match.end(), label, found)
            at = lower.find(label.word, after)
    at = lower.find(b"authorization")
    while at >= 0:
        match = _AUTHORIZATION.match(text, at)
        if match is not None:
            found.append(Found(match.start(1), match.end(1), "secret"))
        at = lower.find(b"authorization", match.end() if match is not None else at + 13)


def _labelled(text: str, at: int, value: int, label: Label, found: list[Found]) -> int:
    """The value that stands behind a label; gives back where to look for the next label."""
    after = at + len(label.word)
    weak = label.weak
    if label.before is not None:
        if label.before.search(text[max(0, at - 14) : at]):
            weak = False
        elif not weak:
            return after
    match = _VALUE.match(text, value)
    if match is None:
        return after
    quoted = match.group("quoted") is not None
    start, end = match.span("quoted" if quoted else "bare")
    while end > start and text[end - 1] == "\\":
        end -= 1
    if weak:
        secret = end - start >= 16 and _MIXED.fullmatch(text, start, end) is not None
    elif quoted:
        secret = end - start >= 4
    else:
        secret = end - start >= 6 and _SYMBOL.search(text, start, end) is not None
    if secret:
        found.append(Found(start, end, "secret"))
        return end
    # A long value that is no secret holds no other label either: that one's value would have made it one.
    return end if end - start >= 16 else after


def find_address_password(text: str, at: int, found: list[Found]) -> bool:
    """The password of `scheme://user:password@host`, at its @; whether there is one."""
    scheme = text.rfind("://", max(0, at - _URL_USER), at)
    if scheme < 0:
        return False
    user = text[scheme + 3 : at]
    colon = user.find(":")
    if colon < 0 or colon + 1 == len(user) or _ENDS_USER.search(user):
        return False
    found.append(Found(scheme + 3 + colon + 1, at, "password"))
    return True


_ENDS_USER: Final = re.compile(r"[\s/\"'<>]")
