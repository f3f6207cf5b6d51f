"""One line about an endpoint that does not answer."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from otel_llm import outage

TRY = "Transient error %s encountered while exporting %s batch, retrying in %.2fs."
LOST = "Failed to export %s batch due to timeout, max retries or shutdown."


class _Refused(Exception):
    """As requests wraps what urllib3 wraps."""

    def __init__(self) -> None:
        super().__init__(SimpleNamespace(reason=None))
        self.args = (OSError("HTTPConnection(host='c', port=1): Failed: [Errno 111] Connection refused"),)
        self.request = SimpleNamespace(url="http://user:secret@c:1/v1/traces")


@pytest.fixture
def logger(caplog: pytest.LogCaptureFixture) -> logging.Logger:
    made = logging.getLogger(f"test.outage.{id(caplog)}")
    made.addFilter(outage.Outage())
    return made


def test_tries_are_silent_and_the_loss_is_one_line(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        logger.warning(TRY, _Refused(), "spans", 1.0)
        logger.warning(TRY, _Refused(), "metrics", 1.0)
    logger.error(LOST, "spans")
    logger.error(LOST, "metrics")
    logger.error(LOST, "spans")
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "otel-llm: http://c:1 is not reached ([Errno 111] Connection refused): a batch of spans was not sent."
    )
    assert "secret" not in caplog.text


def test_other_lines_stay(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    logger.error("Failed to export %s batch code: %s, reason: %s", "spans", 401, "Unauthorized")
    assert caplog.messages == ["Failed to export spans batch code: 401, reason: Unauthorized"]


def test_an_outage_that_lasts_is_told_again(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("otel_llm.outage.time.monotonic", lambda: now[0])
    for seconds in (0, 30, 61):
        now[0] = 1000.0 + seconds
        logger.warning(TRY, "Service Unavailable", "spans", 1.0)
        logger.error(LOST, "spans")
    assert len(caplog.records) == 2
    assert "Service Unavailable" in caplog.text
