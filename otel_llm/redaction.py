"""Takes secrets and personal data out of a record's content, before anything leaves the process.

What is found is replaced by a visible mark, `[REDACTED:email]`. The built-in kinds are found in all texts, names and
keys; a function of the user gets all texts, after them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from otel_llm import credentials, personal_data
from otel_llm.content import Rewriter
from otel_llm.credentials import Found
from otel_llm.record import CallRecord
from otel_llm.shield import report

KINDS: Final = ("secrets", "jwt", "email", "phone", "card", "iban")
"""What can be found; `secrets` are API keys, tokens, passwords and private keys."""

FAILED: Final = "[REDACTED:error]"
"""Stands for a text that the user's function could not redact."""


def mark(kind: str) -> str:
    """What stands in the place of something of this kind."""
    return f"[REDACTED:{kind}]"


class Redactor:
    """A step of the pipeline.

    Args:
        kinds: names of `KINDS`; others raise ValueError.
        function: gets each text and gives the text to record. When it raises, the text is replaced by `FAILED`.
    """

    def __init__(self, kinds: Collection[str] = (), function: Callable[[str], str] | None = None) -> None:
        if unknown := sorted(set(kinds) - set(KINDS)):
            raise ValueError(f"There is no redaction of {', '.join(unknown)}; there are {', '.join(KINDS)}.")
        self._secrets = "secrets" in kinds
        self._jwt = "jwt" in kinds
        self._email = "email" in kinds
        self._phone = "phone" in kinds
        self._card = "card" in kinds
        self._iban = "iban" in kinds
        self._numbers = self._phone or self._card or self._iban
        self._function = function
        self._rewrite = Rewriter(self._labelled, self.known)

    def __call__(self, record: CallRecord) -> CallRecord:
        """The record without what is not to be recorded; the same record when there was nothing."""
        return self._rewrite(record)

    def _labelled(self, text: str, key: str) -> str:
        if key and self._secrets and text and credentials.names_secret(key):
            return mark("secret")
        text = self.known(text)
        return text if self._function is None else self._by_function(self._function, text)

    def known(self, text: str) -> str:
        """The text without the built-in kinds; the same object when there are none."""
        if len(text) < 6:
            return text
        found = self.find(text)
        return _replaced(text, found) if found else text

    def find(self, text: str) -> list[Found]:
        """Where something stands that is to be redacted, in no order; stretches may overlap."""
        found: list[Found] = []
        latin = text.encode("latin-1", "replace")
        if self._secrets or self._jwt:
            self._find_tokens(text, latin, found)
        if self._secrets and (":" in text or "=" in text):
            credentials.find_labelled(text, latin.lower(), found)
        if (self._secrets or self._email) and "@" in text:
            self._find_addresses(text, found)
        if self._numbers:
            personal_data.find_numbers(text, latin, self._phone, self._card, self._iban, found)
        return found

    def _find_tokens(self, text: str, latin: bytes, found: list[Found]) -> None:
        seen = False
        for start, end in credentials.tokens_of(latin):
            seen = True
            if self._secrets and credentials.has_digit(latin, start, end):
                credentials.find_keys(text, start, end, found)
            if self._jwt:
                credentials.find_jwt(text, start, end, found)
        if seen and self._secrets:
            credentials.find_blocks(text, found)
            credentials.find_bearers(text, latin.lower(), found)

    def _find_addresses(self, text: str, found: list[Found]) -> None:
        passwords = self._secrets and "://" in text
        at = text.find("@")
        while at >= 0:
            in_address = passwords and credentials.find_address_password(text, at, found)
            if self._email and not in_address:
                personal_data.find_email(text, at, found)
            at = text.find("@", at + 1)

    def _by_function(self, function: Callable[[str], str], text: str) -> str:
        try:
            made = function(text)
        except Exception as error:  # noqa: BLE001 - the user's code; a text that it could not redact must not leave
            _failed(type(error).__name__)
            return FAILED
        if isinstance(made, str):
            return text if made == text else made
        _failed(f"gave {type(made).__name__}")
        return FAILED


def unknown(text: str) -> str:  # noqa: ARG001  (the shape of a redaction function)
    """Stands for the user's function where that cannot be loaded: who knows what it would have masked?"""
    return FAILED


def _replaced(text: str, found: list[Found]) -> str:
    found.sort()
    pieces: list[str] = []
    done = 0
    start, end, kind = found[0]
    for one in found[1:]:
        if one.start < end:
            end = max(end, one.end)
            continue
        pieces += (text[done:start], mark(kind))
        done = end
        start, end, kind = one
    pieces += (text[done:start], mark(kind), text[end:])
    return "".join(pieces)


def _failed(what: str) -> None:
    """Said once to the log, and counted. Neither message nor traceback of the error: they may hold the text."""
    report("redaction function", RuntimeError(f"{what}; its texts are recorded as {FAILED}"))
