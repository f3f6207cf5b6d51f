"""A span that would repeat another one: what is said to it is added to its host, and it never appears.

Where one library opens an LLM span inside the LLM span of another for the same call, both would bear the tokens. The
inner library gets this instead. It behaves like its host, takes attributes that the host lacks, and leaves the host's
name, status and end to the host's owner. https://github.com/open-telemetry/opentelemetry-python-genai nests its own
invocations by the same rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import wrapt

_ROOM: Final = 100
"""Attributes up to which a host takes more; at the SDK's limit of 128 the oldest would make way."""


class Guest(wrapt.ObjectProxy):  # type: ignore[misc, type-arg, unused-ignore]  # typed by some versions of wrapt only
    """The host span, seen by a library that is not its owner."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Add what the host lacks."""
        self.set_attributes({key: value})

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Add what the host lacks."""
        host = self.__wrapped__
        if host.is_recording():
            there = host.attributes or {}
            if len(there) < _ROOM:
                lacking = {name: value for name, value in attributes.items() if name not in there}
                if lacking:
                    host.set_attributes(lacking)

    def end(self, end_time: int | None = None) -> None:
        """The host's owner ends it."""

    def update_name(self, name: str) -> None:
        """The host's owner names it."""

    def set_status(self, status: Any, description: str | None = None) -> None:
        """The host's owner sees the same outcome."""

    def record_exception(self, *args: Any, **kwargs: Any) -> None:
        """The host's owner sees the same exception."""

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()
