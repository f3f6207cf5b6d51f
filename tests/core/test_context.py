"""What a program says about its calls reaches exactly those calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from opentelemetry import baggage
from opentelemetry import context as otel_context

from otel_llm.context import MAX_METADATA, caller, context, use_baggage
from otel_llm.record import NOBODY


@pytest.fixture(autouse=True)
def _no_baggage() -> Iterator[None]:
    yield
    use_baggage("none")


def test_outside_nobody_calls() -> None:
    assert caller() is NOBODY


def test_blocks_nest_and_end() -> None:
    with context(user="ada", session="s", tags=["a"], metadata={"k": 1}):
        with context(team="t", tags="b", metadata={"l": [1, 2]}, prompt="greet"):
            inner = caller()
        outer = caller()
    assert (inner.user, inner.session, inner.team, inner.prompt_name) == ("ada", "s", "t", "greet")
    assert inner.tags == ("a", "b")
    assert inner.metadata == {"k": 1, "l": [1, 2]}
    assert (outer.user, outer.team, outer.tags, outer.metadata) == ("ada", None, ("a",), {"k": 1})
    assert caller() is NOBODY


def test_a_prompt_has_a_name_a_version_and_variables() -> None:
    with context(prompt={"name": "greet", "version": 3, "variables": {"who": "you", "n": 2}}):
        found = caller()
    assert (found.prompt_name, found.prompt_version) == ("greet", "3")
    assert found.prompt_variables == {"who": "you", "n": "2"}


def test_a_prompt_with_another_field_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"prompt has no label; it takes name, version and variables"):
        context(prompt={"label": "x"})


def test_metadata_is_what_a_span_takes_and_not_without_end() -> None:
    with context(metadata={"o": object, "m": [1, "a"], "n": None, **{str(i): i for i in range(100)}}):
        found = caller().metadata
    assert len(found) == MAX_METADATA
    assert found["m"] == ["1", "a"]
    assert found["n"] == "None"


def test_a_decorated_function_and_coroutine_say_it() -> None:
    @context(user="ada")
    def plain(n: int) -> tuple[str | None, int]:
        return caller().user, n

    @context(user="bob")
    async def later() -> str | None:
        await asyncio.sleep(0)
        return caller().user

    async def both() -> list[str | None]:
        return list(await asyncio.gather(later(), later()))

    assert plain(3) == ("ada", 3)
    assert asyncio.run(both()) == ["bob", "bob"]
    assert caller() is NOBODY


def test_a_generator_cannot_be_decorated() -> None:
    with pytest.raises(TypeError, match="is a generator"):

        @context(user="ada")
        def numbers() -> Iterator[int]:
            yield 1


def test_tasks_do_not_hear_each_other() -> None:
    async def one(name: str) -> str | None:
        with context(user=name):
            await asyncio.sleep(0.001)
            return caller().user

    async def all_of_them() -> list[str | None]:
        return await asyncio.gather(*(one(str(i)) for i in range(20)))

    assert asyncio.run(all_of_them()) == [str(i) for i in range(20)]


def test_tasks_may_share_a_block() -> None:
    shared = context(user="ada")

    async def one(seconds: float) -> list[str | None]:
        with shared:
            await asyncio.sleep(seconds)
            inside = caller().user
        return [inside, caller().user]

    async def all_of_them() -> list[list[str | None]]:
        return await asyncio.gather(*(one(i / 500) for i in range(5)))

    assert asyncio.run(all_of_them()) == [["ada", None]] * 5


def test_it_follows_into_threads_that_carry_the_context() -> None:
    async def main() -> str | None:
        with context(user="ada"):
            return await asyncio.to_thread(lambda: caller().user)

    assert asyncio.run(main()) == "ada"
    heard: list[str | None] = []
    with context(user="ada"):
        thread = threading.Thread(target=lambda: heard.append(caller().user))
        thread.start()
        thread.join()
    assert heard == [None]


@pytest.mark.parametrize(("mode", "read"), [("none", None), ("out", None), ("in", "ada"), ("both", "ada")])
def test_baggage_is_read_only_when_asked(mode: str, read: str | None) -> None:
    use_baggage(mode)
    token = otel_context.attach(baggage.set_baggage("user.id", "ada"))
    try:
        assert caller().user == read
        with context(user="bob"):
            assert caller().user == "bob"
    finally:
        otel_context.detach(token)


@pytest.mark.parametrize(("mode", "written"), [("none", None), ("in", None), ("out", "t"), ("both", "t")])
def test_baggage_is_written_only_when_asked(mode: str, written: str | None) -> None:
    use_baggage(mode)
    with context(team="t"):
        assert baggage.get_baggage("otel_llm.team.id") == written
    assert baggage.get_all() == {}
