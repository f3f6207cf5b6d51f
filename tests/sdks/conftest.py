"""A replaying provider behind the real host names, for all tests of the SDKs."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import replay
from tests.replay import Provider

pytest.register_assert_rewrite("tests.sdks.telling")

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(scope="package")
def _provider() -> Iterator[Provider]:
    with replay.serve() as provider:
        yield provider
    gc.unfreeze()


@pytest.fixture
def provider(_provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """The local provider, which answers at every host name there is, as hosts tell providers apart."""
    found = socket.getaddrinfo

    def at_home(host: Any, *args: Any, **kwargs: Any) -> Any:
        return found("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", at_home)
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    gc.freeze()  # each test collects garbage, and shall not search all the SDKs for it
    _provider.served.clear()
    _provider.go.clear()
    yield _provider
    _provider.go.set()


@pytest.fixture
def port(provider: Provider) -> int:
    """Where it listens."""
    port = urlsplit(provider.base).port
    assert port is not None
    return port
