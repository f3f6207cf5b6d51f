"""One provider for all tests of the hooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.hooks.server import Provider


@pytest.fixture(scope="session")
def _provider() -> Iterator[Provider]:
    made = Provider()
    thread = threading.Thread(target=made.serve_forever, args=(0.05,), name="provider", daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def provider(_provider: Provider) -> Iterator[Provider]:
    """The local provider, with nothing left in it of earlier tests."""
    _provider.reset()
    yield _provider
    _provider.let_all_go()
    assert not _provider.troubles
