from __future__ import annotations

import base64
import copy
import hashlib
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_llm.media import MIN_LENGTH, in_text, mark, without_media
from otel_llm.record import (
    CallRecord,
    Part,
    Request,
    Response,
    blob,
    message,
    text,
    tool_call,
    tool_result,
    uri,
)
from otel_llm.redaction import KINDS, Redactor

PNG = b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(3000)
PNG_64 = base64.b64encode(PNG).decode()
MARK = f"[media: {len(PNG)} bytes, sha256:{hashlib.sha256(PNG).hexdigest()}]"
PNG_MARK = MARK.replace("media: ", "media: image/png, ")


def record(*parts: Part) -> CallRecord:
    return CallRecord(
        id="1",
        provider="p",
        request=Request(operation="chat", input_messages=[message("user", list(parts))]),
        response=Response(output_messages=[message("assistant", list(parts), "stop")]),
        start_ns=0,
        end_ns=0,
    )


def parts_of(record: CallRecord) -> list[Part]:
    assert record.request.input_messages is not None
    assert record.response.output_messages is not None
    parts: list[Part] = record.request.input_messages[0]["parts"]
    assert record.response.output_messages[0]["parts"] == parts
    return parts


@pytest.mark.parametrize(
    ("part", "made"),
    [
        pytest.param(blob("image", "image/png", PNG_64), blob("image", "image/png", MARK), id="blob"),
        pytest.param(
            blob("image", None, "aGVsbG8="),
            blob("image", None, f"[media: 5 bytes, sha256:{hashlib.sha256(b'hello').hexdigest()}]"),
            id="small blob",
        ),
        pytest.param(
            blob("audio", "audio/wav", "aGVsbG8"),
            blob("audio", "audio/wav", f"[media: 5 bytes, sha256:{hashlib.sha256(b'hello').hexdigest()}]"),
            id="blob without padding",
        ),
        pytest.param(
            blob("image", None, "-_-_"),
            blob(
                "image",
                None,
                f"[media: 3 bytes, sha256:{hashlib.sha256(base64.b64decode('+/+/')).hexdigest()}]",
            ),
            id="blob in the alphabet of URLs",
        ),
        pytest.param(
            blob("document", "text/plain", "not base64!"),
            blob(
                "document",
                "text/plain",
                f"[media: 11 bytes as text, sha256:{hashlib.sha256(b'not base64!').hexdigest()}]",
            ),
            id="a blob that is no base64",
        ),
        pytest.param(
            uri("image", f"data:image/png;base64,{PNG_64}"),
            blob("image", "image/png", MARK),
            id="a data: URL as part",
        ),
        pytest.param(
            text(f"see data:image/png;base64,{PNG_64}!"), text(f"see {PNG_MARK}!"), id="data: URL in a text"
        ),
        pytest.param(
            tool_result("1", {"image_url": f"data:image/png;base64,{PNG_64}", "n": 1}),
            tool_result("1", {"image_url": PNG_MARK, "n": 1}),
            id="data: URL in a tool's result",
        ),
        pytest.param(
            tool_result("1", [PNG_64]), tool_result("1", [PNG_MARK]), id="base64 in a tool's result"
        ),
        pytest.param(
            tool_result("1", f'{{"shot": "{PNG_64}", "ok": true}}'),
            tool_result("1", f'{{"shot": "{PNG_MARK}", "ok": true}}'),
            id="base64 in JSON text",
        ),
        pytest.param(
            tool_call("1", "save", {"file": {"data": PNG_64}}),
            tool_call("1", "save", {"file": {"data": PNG_MARK}}),
            id="base64 in arguments",
        ),
        pytest.param(
            tool_result("1", base64.encodebytes(PNG).decode()),
            tool_result("1", PNG_MARK + "\n"),
            id="base64 in lines",
        ),
    ],
)
def test_media_becomes_type_size_and_digest(part: Part, made: Part) -> None:
    whole = record(part)
    untouched = copy.deepcopy(part)
    after = without_media(whole)
    assert parts_of(after) == [made]
    assert part == untouched
    assert without_media(after) is after


@pytest.mark.parametrize(
    "said",
    [
        "",
        "hello " * 500,
        "a" * 5000,
        "ACGT" * 1000,
        "日本語" * 2000,
        "0123456789" * 500,
        "data:text/plain,hello",
        "http://example.com/" + "path/" * 300,
        "x" * 511 + " " + "y" * 511,
        PNG_64[: MIN_LENGTH // 2],
        "\n" * 5000,
        " " * 5000,
    ],
)
def test_what_is_no_media_is_kept(said: str) -> None:
    assert in_text(said) is said


def test_several_in_one_text_are_all_replaced() -> None:
    said = f"one {PNG_64} two {PNG_64}, three data:image/png;base64,{PNG_64} end"
    assert in_text(said) == f"one {PNG_MARK} two {PNG_MARK}, three {PNG_MARK} end"


@settings(deadline=None)
@given(
    st.binary(min_size=MIN_LENGTH, max_size=3 * MIN_LENGTH),
    st.integers(0, 600),
    st.text(" .,;\"'é日", max_size=300),
)
def test_base64_is_found_wherever_it_begins(content: bytes, offset: int, after: str) -> None:
    content = random.Random(len(content)).randbytes(len(content))
    said = "," * offset + base64.b64encode(content).decode() + after
    made = in_text(said)
    assert hashlib.sha256(content).hexdigest() in made
    assert made.startswith("," * offset + "[media: ")
    assert made.endswith("]" + after)
    assert in_text(made) is made


@given(st.binary(max_size=100))
def test_a_mark_is_no_secret_to_redaction(content: bytes) -> None:
    made = mark(base64.b64encode(content).decode(), "image/png")
    assert Redactor(KINDS).known(made) is made


@pytest.mark.parametrize(
    "piece", ["a", "A1b", ";base64,", "data:a/b;base64,", "data:", "data:a;b=c;", "\n", "=", "日"]
)
def test_a_hostile_megabyte_takes_linear_time(piece: str) -> None:
    said = piece * ((1 << 20) // len(piece))
    start = time.process_time()
    in_text(said)
    assert time.process_time() - start < 30  # what is quadratic takes far longer


def test_hostile_shapes_are_kept_or_replaced_without_an_exception() -> None:
    odd: list[Any] = [
        {"type": "blob"},
        {"type": "blob", "content": None},
        {"type": "blob", "content": {"a": [1]}},
        {},
        7,
    ]
    whole = record(*odd)
    assert parts_of(without_media(whole)) == odd


def test_a_small_record_is_the_same_record() -> None:
    whole = record(text("hello"), tool_call("1", "f", {"a": [1, 2, {"b": None}]}))
    assert without_media(whole) is whole
