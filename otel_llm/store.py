"""The embedded store: one SQLite file with a table of spans, whole traces and not LLM calls alone.

Each batch opens its own connection and closes it again, so nothing is held across a fork, and any number of threads
and processes may write to one file: SQLite itself keeps them apart (write-ahead log, busy timeout). What is looked
for often has a column of its own, made from the record of the call; everything else is JSON text.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from otel_llm import semconv
from otel_llm.errors import ConfigError
from otel_llm.record import CallRecord, Failure
from otel_llm.shield import shielded

SETTING: Final = "OTEL_LLM_SQLITE_PATH"
SCHEMA_VERSION: Final = 1
BUSY_SECONDS: Final = 5.0
"""How long a writer waits for the others."""

_CREATE: Final = """
CREATE TABLE IF NOT EXISTS spans (
    id INTEGER PRIMARY KEY,
    trace_id TEXT NOT NULL,
    span_id TEXT NOT NULL,
    parent_id TEXT,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    status TEXT NOT NULL,
    status_message TEXT,
    service TEXT,
    scope TEXT,
    call_id TEXT UNIQUE,
    operation TEXT,
    provider TEXT,
    model TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    cost_usd REAL,
    first_chunk_seconds REAL,
    outcome TEXT,
    error TEXT,
    user TEXT,
    session TEXT,
    team TEXT,
    attributes TEXT NOT NULL,
    events TEXT NOT NULL,
    links TEXT NOT NULL,
    resource TEXT NOT NULL,
    stored_ns INTEGER NOT NULL,
    UNIQUE (trace_id, span_id)
);
CREATE INDEX IF NOT EXISTS spans_by_start ON spans (start_ns);
CREATE INDEX IF NOT EXISTS spans_by_session ON spans (session, start_ns) WHERE session IS NOT NULL;
CREATE INDEX IF NOT EXISTS spans_by_team ON spans (team, start_ns) WHERE team IS NOT NULL;
"""
_PLAIN: Final = (
    "trace_id",
    "span_id",
    "parent_id",
    "name",
    "kind",
    "start_ns",
    "end_ns",
    "status",
    "status_message",
    "service",
    "scope",
)
_JSON: Final = ("attributes", "events", "links", "resource")
_CALL: Final = (
    "call_id",
    "operation",
    "provider",
    "model",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost_usd",
    "first_chunk_seconds",
    "outcome",
    "error",
    "user",
    "session",
    "team",
)
_COLUMNS: Final = (*_PLAIN, *_CALL, *_JSON, "stored_ns")
_INSERT: Final = (
    f"INSERT OR IGNORE INTO spans ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608  (names of our own columns)
)
_NOTHING: Final = (None,) * len(_CALL)


class StoredSpan(msgspec.Struct, frozen=True, kw_only=True):
    """One finished span as plain values. Ids are lower-case hex, times nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_id: str | None = None
    name: str = ""
    kind: str = "INTERNAL"
    start_ns: int
    end_ns: int
    status: str = "UNSET"
    status_message: str | None = None
    service: str | None = None
    scope: str | None = None
    attributes: Mapping[str, Any] = {}
    events: Sequence[Mapping[str, Any]] = []
    links: Sequence[Mapping[str, Any]] = []
    resource: Mapping[str, Any] = {}

    def record(self) -> CallRecord | None:
        """The LLM call that this span is; None for every other span."""
        attributes = self.attributes
        if semconv.OPERATION not in attributes and semconv.CALL_ID not in attributes:
            return None
        record = shielded("read span", semconv.from_attributes, attributes, self.start_ns, self.end_ns)
        if record is None or record.response.failure is None or self.status_message is None:
            return record
        failure = Failure(record.response.failure.type, self.status_message)
        return msgspec.structs.replace(
            record, response=msgspec.structs.replace(record.response, failure=failure)
        )


class Store:
    """The file at `path`. It is made when the first spans come, readable for its owner alone.

    Methods raise ConfigError when the file cannot serve, and sqlite3.Error when it fails.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, spans: Iterable[StoredSpan]) -> int:
        """Keep these spans; gives how many are new. A span that is there already is left as it is."""
        now = time.time_ns()
        rows = [_row(span, now) for span in spans]
        self._make()

        def insert(connection: sqlite3.Connection) -> int:
            connection.execute("BEGIN IMMEDIATE")
            before = connection.total_changes
            connection.executemany(_INSERT, rows)
            connection.execute("COMMIT")
            return connection.total_changes - before

        with self._plainly():
            deadline = time.monotonic() + BUSY_SECONDS
            while True:
                try:
                    with self._connection() as connection:
                        _prepare(connection, self.path)
                        return insert(connection)
                except sqlite3.OperationalError as error:  # noqa: PERF203  (one turn, unless others write)
                    # While another process opens or closes the file for the first or last time, SQLite answers
                    # "locked" at once, whatever the busy timeout.
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)

    def spans(
        self, limit: int = 100, *, calls_only: bool = False, trace_id: str | None = None
    ) -> list[StoredSpan]:
        """The newest spans, newest first; none where there is no file yet."""
        where = ["operation IS NOT NULL"] if calls_only else []
        values: list[Any] = []
        if trace_id is not None:
            where.append("trace_id = ?")
            values.append(trace_id)
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        query = (
            f"SELECT {', '.join((*_PLAIN, *_JSON))} FROM spans {condition} "  # noqa: S608  (our own columns and conditions)
            "ORDER BY start_ns DESC, id DESC LIMIT ?"
        )
        if not self.path.exists():
            return []
        with self._plainly(), self._connection() as connection:
            if _version(connection, self.path) == 0:
                return []
            return [_read(row) for row in connection.execute(query, (*values, limit))]

    def calls(self, limit: int = 100) -> list[CallRecord]:
        """The newest LLM calls, newest first."""
        records = (span.record() for span in self.spans(limit, calls_only=True))
        return [record for record in records if record is not None]

    def count(self) -> int:
        """How many spans there are."""
        if not self.path.exists():
            return 0
        with self._plainly(), self._connection() as connection:
            if _version(connection, self.path) == 0:
                return 0
            counted: int = connection.execute("SELECT count(*) FROM spans").fetchone()[0]
            return counted

    def _make(self) -> None:
        """The folder and the file, for the owner alone; SQLite gives its side files the same mode."""
        if self.path.exists():
            return
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise ConfigError(
                SETTING,
                f"is {str(self.path)!r}, which cannot be made: {error.strerror or error}",
                "Set it to a file in a folder that you may write to.",
            ) from error

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            yield connection
        finally:
            connection.close()

    @contextlib.contextmanager
    def _plainly(self) -> Iterator[None]:
        """SQLite's complaints about the file itself, in words that help."""
        try:
            yield
        except sqlite3.Error as error:
            said = str(error)
            if "not a database" in said:
                raise ConfigError(
                    SETTING,
                    f"is {str(self.path)!r}, which is no SQLite file",
                    "Name another file, or remove it.",
                ) from error
            if "readonly" in said or "unable to open" in said:
                raise ConfigError(
                    SETTING,
                    f"is {str(self.path)!r}, which cannot be written: {said}",
                    "Set it to a file that you may write to.",
                ) from error
            raise


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the table in a new file. Its pages can be given back in small steps, as retention will want."""
    if _version(connection, path) == SCHEMA_VERSION:
        return
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    for statement in _CREATE.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise ConfigError(
            SETTING,
            f"is {str(path)!r}, which a newer otel-llm has written (version {version})",
            "Update otel-llm, or name another file.",
        )
    return version


def _row(span: StoredSpan, now_ns: int) -> tuple[Any, ...]:
    plain = [getattr(span, name) for name in _PLAIN]
    texts = [_json(getattr(span, name)) for name in _JSON]
    record = span.record()
    call = _NOTHING if record is None else _call(record)
    return (*(_storable(value) for value in (*plain, *call)), *texts, now_ns)


def _call(record: CallRecord) -> tuple[Any, ...]:
    """The columns of `_CALL`. Spans of others may hold anything, so types are looked at."""
    usage, failure = record.response.usage, record.response.failure
    return (
        record.id or None,
        record.request.operation or None,
        record.provider or None,
        _word(record.response.model) or _word(record.request.model),
        _number(usage.input),
        _number(usage.output),
        _number(usage.cache_read),
        _number(record.cost.total) if record.cost is not None else None,
        _number(record.time_to_first_chunk),
        _word(record.stream_outcome),
        failure.type if failure is not None else None,
        _word(record.caller.user),
        _word(record.caller.session),
        _word(record.caller.team),
    )


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < 2**63 else None


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(_storable(value), enc_hook=str).decode()


def _storable(value: Any) -> Any:
    """Half of a surrogate pair, which no file takes, becomes a question mark."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_storable(key): _storable(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable(one) for one in value]
    return value


def _read(row: tuple[Any, ...]) -> StoredSpan:
    texts = {name: msgspec.json.decode(text) for name, text in zip(_JSON, row[len(_PLAIN) :], strict=True)}
    return StoredSpan(**dict(zip(_PLAIN, row, strict=False)), **texts)
