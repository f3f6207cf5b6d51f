"""The errors that a user of the library can meet.

OtelLlmError
├── ConfigError      a setting is wrong: says which, why, and what to do
└── WireError        bytes that no decoder understands; never leaves the shield
"""

from __future__ import annotations


class OtelLlmError(Exception):
    """Base of all errors of this project."""


class ConfigError(OtelLlmError):
    """A setting that cannot work.

    Args:
        setting: the name that the user wrote.
        problem: what is wrong with it, as the rest of a sentence.
        remedy: what to do, as a sentence.
    """

    def __init__(self, setting: str, problem: str, remedy: str) -> None:
        super().__init__(f"{setting} {problem}. {remedy}")
        self.setting = setting


class WireError(OtelLlmError):
    """Bytes that are not what their protocol says."""
