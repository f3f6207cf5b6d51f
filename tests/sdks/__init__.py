"""Real SDKs against a provider that replays what was recorded."""

from __future__ import annotations

import pytest

MARKS = [
    pytest.mark.usefixtures("untroubled"),
    # The SDKs know some of the recorded models as old.
    pytest.mark.filterwarnings("ignore:.*deprecated.*:DeprecationWarning"),
    # google-genai makes its own kind of session.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
]
"""Of all tests here."""
