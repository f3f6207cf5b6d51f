from __future__ import annotations

import copy
import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_llm.limits import MIN_LIMIT, Limits, cut, size
from otel_llm.record import (
    Caller,
    CallRecord,
    Failure,
    Message,
    Request,
    Response,
    message,
    reasoning,
    server_tool_call,
    text,
    tool_call,
    tool_result,
)


def record(
    inputs: list[Message] | None = None, outputs: list[Message] | None = None, **request: Any
) -> CallRecord:
    return CallRecord(
        id="1",
        provider="p",
        request=Request(operation="chat", input_messages=inputs, **request),
        response=Response(output_messages=outputs),
        start_ns=0,
        end_ns=0,
    )


def contents(record: CallRecord) -> list[Any]:
    """Every content attribute that there is."""
    request, response, caller = record.request, record.response, record.caller
    found = [
        request.input_messages,
        request.system_instructions,
        request.tool_definitions,
        request.retrieval_query,
        response.output_messages,
        response.system_instructions,
        response.tool_definitions,
        response.documents,
        response.failure and response.failure.message,
        record.raw_request,
        caller.metadata,
        caller.prompt_variables,
        list(caller.tags),
    ]
    return [one for one in found if one]


def assert_fits(record: CallRecord, attribute: int, span: int) -> None:
    sizes = [size(one) for one in contents(record)]
    assert max(sizes, default=0) <= attribute
    assert sum(sizes) <= span
    for one in contents(record):
        json.loads(msgspec.json.encode(one))


REQUIRED: dict[str, dict[str, type]] = {
    "text": {"content": str},
    "reasoning": {"content": str},
    "tool_call": {"name": str},
    "tool_call_response": {"response": object},
    "server_tool_call": {"name": str, "server_tool_call": dict},
    "blob": {"modality": str, "content": str},
}


def assert_valid(messages: list[Any] | None) -> None:
    """The shape that the conventions demand of messages."""
    for one in messages or []:
        assert isinstance(one["role"], str)
        for part in one["parts"]:
            for field, kind in REQUIRED.get(part["type"], {}).items():
                assert isinstance(part[field], kind), part


@pytest.mark.parametrize(
    ("said", "room", "made"),
    [
        pytest.param("short", 100, "short", id="what fits is kept"),
        pytest.param("a" * 98, 100, "a" * 98, id="with its quotes"),
        pytest.param(
            "a" * 20_000, 100, "a" * 40 + "…[cut: 19,960 of 20,000 characters]", id="the beginning is kept"
        ),
        pytest.param(
            "\n" * 99, 100, "\n" * 20 + "…[cut: 79 of 99 characters]", id="a line feed is two characters"
        ),
        pytest.param(
            "\x00" * 99, 100, "\x00" * 6 + "…[cut: 93 of 99 characters]", id="a control character is six"
        ),
        pytest.param(
            "日" * 200, 100, "日" * 40 + "…[cut: 160 of 200 characters]", id="other scripts are as good"
        ),
        pytest.param("a" * 99, 60, "…[cut: 99 of 99 characters]", id="room for the mark alone"),
        pytest.param("a" * 99, 10, "…[cut: 9", id="not even that"),
        pytest.param("a" * 99, 2, "", id="nothing"),
    ],
)
def test_a_text_is_cut_with_a_visible_mark(said: str, room: int, made: str) -> None:
    assert cut(said, room) == made
    assert size(made) <= room


@given(st.text(max_size=500), st.integers(2, 400))
def test_a_cut_text_fits_in_any_room(said: str, room: int) -> None:
    assert size(cut(said, room)) <= room


def test_small_content_is_the_same_record() -> None:
    small = record([message("user", [text("hello")])], [message("assistant", [text("hi")], "stop")])
    assert Limits()(small) is small
    assert Limits(0, 0)(small) is small
    bare = record()
    assert Limits(MIN_LIMIT, MIN_LIMIT)(bare) is bare


def test_no_limit_is_no_limit() -> None:
    large = record([message("user", [text("a" * 1_000_000)])])
    assert Limits(0, 0)(large) is large


def test_a_limit_that_leaves_nothing_counts_as_the_smallest() -> None:
    made = Limits(1, 1)(record([message("user", [text("a" * 100_000)])]))
    assert made == Limits(MIN_LIMIT, MIN_LIMIT)(record([message("user", [text("a" * 100_000)])]))


def test_only_the_long_text_is_cut() -> None:
    before = record(
        [message("system", [text("be kind")]), message("user", [text("a" * 50_000), text("and now?")])]
    )
    untouched = copy.deepcopy(before)
    made = Limits(5_000, 50_000)(before)
    assert before == untouched
    assert made.request.input_messages is not None
    system, user = made.request.input_messages
    assert system == message("system", [text("be kind")])
    assert user["parts"][1] == text("and now?")
    said = user["parts"][0]["content"]
    assert said.startswith("aaaa")
    assert said.endswith(" of 50,000 characters]")
    assert 4_000 < size(made.request.input_messages) <= 5_000


def test_the_oldest_messages_go_and_system_and_last_stay() -> None:
    history = [message("system", [text("be kind")])]
    history += [
        message("user" if i % 2 else "assistant", [text(f"turn {i}: " + "x" * 600)]) for i in range(100)
    ]
    history.append(message("user", [text("the question")]))
    made = Limits(10_000, 100_000)(record(history)).request.input_messages
    assert made is not None
    assert made[0] == history[0]
    assert made[-1] == history[-1]
    (mark,) = made[1]["parts"]
    assert made[1]["role"] == "system"
    assert (
        made[2:-2] == history[-len(made[2:]) : -2][: len(made[2:-2])] or made[3:] == history[-len(made[3:]) :]
    )
    kept = len(made) - 3
    assert mark == text(f"…[cut: {100 - kept} of 102 messages]")
    assert kept > 5
    assert 8_000 < size(made) <= 10_000


def test_two_large_messages_are_cut_and_none_is_dropped() -> None:
    history = [message("user", [text("a" * 9_000)]), message("assistant", [text("b" * 9_000)])]
    made = Limits(4_000, 50_000)(record(history)).request.input_messages
    assert made is not None
    assert [one["role"] for one in made] == ["user", "assistant"]
    assert all("characters]" in one["parts"][0]["content"] for one in made)


def test_tools_lose_their_schemas_before_messages_lose_their_text() -> None:
    tools = [
        {
            "type": "function",
            "name": f"tool_{i}",
            "description": "does " + "much " * 100,
            "parameters": {"type": "object", "properties": {f"p{j}": {"type": "string"} for j in range(30)}},
        }
        for i in range(20)
    ]
    history = [message("user", [text("a" * 8_000)])]
    before = record(history, tool_definitions=tools)
    made = Limits(50_000, 20_000)(before)
    assert made.request.input_messages == history
    assert made.request.tool_definitions is not None
    assert [tool["name"] for tool in made.request.tool_definitions] == [tool["name"] for tool in tools]
    first = made.request.tool_definitions[0]
    assert set(first) == {"type", "name", "description"}
    assert first["description"].startswith("does much")
    assert first["description"].endswith(" characters]")
    assert Limits(50_000, 40_000)(before) is before


def test_objects_stay_objects_and_lists_lists() -> None:
    arguments = {
        "path": "/tmp/x",
        "body": "b" * 9_000,
        "rows": list(range(5_000)),
        "deep": {"note": "c" * 9_000},
    }
    calls = [tool_call("1", "write", arguments), tool_result("1", ["d" * 9_000, {"ok": True}]),
             server_tool_call("2", "search", {"type": "web_search", "query": "e" * 9_000})]  # fmt: skip
    made = Limits(4_000, 50_000)(record([message("assistant", calls)])).request.input_messages
    assert made is not None
    call, result, server = made[0]["parts"]
    assert call["name"] == "write"
    assert call["id"] == "1"
    assert call["arguments"]["path"] == "/tmp/x"
    assert call["arguments"]["rows"][:3] == [0, 1, 2]
    assert call["arguments"]["rows"][-1].endswith(" of 5,000 items]")
    assert call["arguments"]["deep"]["note"].endswith(" of 9,000 characters]")
    assert result["response"][1] == {"ok": True}
    assert server["server_tool_call"]["type"] == "web_search"


def test_all_content_of_a_span_shares_its_room() -> None:
    before = CallRecord(
        id="1",
        provider="p",
        request=Request(
            operation="chat",
            input_messages=[message("user", [text("a" * 90_000)])],
            system_instructions=[text("s" * 90_000)],
            retrieval_query="q" * 90_000,
        ),
        response=Response(
            output_messages=[message("assistant", [text("b" * 500), reasoning("r" * 90_000)], "stop")],
            documents=[{"id": str(i), "score": 0.5, "text": "t" * 900} for i in range(100)],
            failure=Failure("boom", "f" * 90_000),
        ),
        start_ns=0,
        end_ns=0,
        caller=Caller(
            tags=tuple("tag" * 100 for _ in range(300)),
            metadata={f"key{i}": "m" * 1_000 for i in range(100)},
            prompt_variables={"v": "p" * 90_000},
        ),
        raw_request="curl " + "z" * 90_000,
    )
    made = Limits(20_000, 60_000)(before)
    assert_fits(made, 20_000, 60_000)
    assert len(contents(made)) == len(contents(before)) == 10
    assert made.response.failure is not None
    assert made.response.failure.type == "boom"
    assert all(3_500 < size(one) < 6_500 for one in contents(made))
    assert made.response.output_messages is not None
    assert made.response.output_messages[0]["parts"][0] == text("b" * 500)
    assert made.response.output_messages[0]["finish_reason"] == "stop"
    assert all(isinstance(one, str) for one in (*made.caller.tags, *made.caller.prompt_variables.values()))


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([message("user", [text("x")] * 30_000)], id="parts without number"),
        pytest.param([message("system", [text("x" * 50)])] * 30_000, id="system messages without number"),
        pytest.param([message("r" * 90_000, [text("x")])], id="a role without end"),
        pytest.param([{"role": "user", "parts": [], **{f"k{i}": i for i in range(20_000)}}], id="fields"),
        pytest.param([{"role": "user", "parts": [{"type": "t" * 90_000}]}], id="a type without end"),
        pytest.param([{"role": "user", "parts": [{"k" * 90_000: 1, "type": "x"}]}], id="a key without end"),
        pytest.param(
            [message("user", [tool_call("i" * 90_000, "n" * 90_000, 10**4000)])], id="names and numbers"
        ),
        pytest.param([message("user", [tool_result("1", {str(i): i for i in range(30_000)})])], id="keys"),
        pytest.param([message("user", [text("\x01" * 90_000)])] * 3, id="control characters"),
        pytest.param([{"odd": "x" * 90_000}], id="no message"),
        pytest.param([["x" * 90_000], "y" * 90_000, 7], id="nothing of the kind"),
    ],
)
@pytest.mark.parametrize("limit", [MIN_LIMIT, 3_000, 20_000])
def test_hostile_content_fits_and_is_json(history: list[Any], limit: int) -> None:
    before = record(history, history, system_instructions=[text("x")], retrieval_query="q" * 9_000)
    start = time.process_time()
    made = Limits(limit, limit)(before)
    assert time.process_time() - start < 30  # what is quadratic takes far longer
    assert_fits(made, limit, limit)
    assert Limits(limit, limit)(made) is made


def test_nesting_without_end_is_cut() -> None:
    deep: Any = "x"
    for _ in range(50_000):
        deep = [deep]
    made = Limits()(record([message("user", [tool_result("1", deep)])]))
    assert "nested deeper" in msgspec.json.encode(made.request.input_messages).decode()


def test_halves_of_surrogate_pairs_are_replaced_so_that_content_can_be_sent() -> None:
    pair = "\ud83d" + "\ude00"
    made = Limits()(record([message("user", [text(f"a\ud800b {pair}"), tool_result("1", {"\udfff": 1})])]))
    assert made.request.input_messages == [
        message("user", [text("a\ufffdb 😀"), tool_result("1", {"\ufffd": 1})])
    ]
    msgspec.json.encode(made)


def test_values_that_are_no_json_are_left_to_others() -> None:
    before = msgspec.structs.replace(record(), caller=Caller(metadata={"when": object(), "what": {1, 2}}))
    assert Limits()(before) is before


TEXT = st.text(max_size=30) | st.sampled_from(["x" * 700, "\n" * 900, "日" * 800, "word " * 2_000])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXT, inner, max_size=6),
    max_leaves=25,
)
PARTS = st.lists(
    st.builds(text, TEXT)
    | st.builds(reasoning, TEXT)
    | st.builds(tool_call, st.none() | TEXT, TEXT, JSON)
    | st.builds(tool_result, TEXT, JSON)
    | st.builds(lambda kind, rest: server_tool_call("1", "f", {**rest, "type": kind}), TEXT, st.dictionaries(TEXT, JSON, max_size=3)),
    max_size=8,
)  # fmt: skip
MESSAGES = st.lists(
    st.builds(message, st.sampled_from(["system", "user", "assistant", "tool"]), PARTS), max_size=12
)


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(
    MESSAGES, MESSAGES, PARTS, st.lists(JSON, max_size=5), st.dictionaries(st.text(max_size=9), JSON, max_size=5),
    st.integers(MIN_LIMIT, 9_000), st.integers(MIN_LIMIT, 12_000),
)  # fmt: skip
def test_any_content_fits_is_valid_and_stays_so(
    inputs: list[Message],
    outputs: list[Message],
    system: list[Any],
    documents: list[Any],
    metadata: dict[str, Any],
    attribute: int,
    span: int,
) -> None:
    tools = [{"type": "function", "name": "f", "parameters": one} for one in documents]
    before = msgspec.structs.replace(
        record(inputs, outputs, system_instructions=system, tool_definitions=tools),
        caller=Caller(metadata=metadata),
    )
    before = msgspec.structs.replace(
        before, response=msgspec.structs.replace(before.response, documents=documents)
    )
    untouched = copy.deepcopy(before)
    limits = Limits(attribute, span)
    made = limits(before)
    assert before == untouched
    assert_fits(made, attribute, span)
    assert_valid(made.request.input_messages)
    assert_valid(made.response.output_messages)
    assert limits(made) is made
    for tool in made.request.tool_definitions or []:
        assert isinstance(tool["type"], str)
        assert isinstance(tool["name"], str)
