from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone
from datetime import time as clock
from decimal import Decimal

import pytest
import trio
from genai_prices import data_snapshot, types
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import (
    ClauseEquals,
    ClauseStartsWith,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)
from hypothesis import given
from hypothesis import strategies as st

from otel_llm import cost
from otel_llm.cost import Pricer
from otel_llm.price_library import Import, Library
from otel_llm.record import NO_USAGE, CallRecord, Cost, Request, Response, Usage
from tests import corpus

SECOND = 1_000_000_000
NOON = int(datetime(2026, 6, 1, 12, tzinfo=timezone.utc).timestamp()) * SECOND
MILLION = 1_000_000


def dollars(**prices: str) -> ModelPrice:
    return ModelPrice(**{key: Decimal(price) for key, price in prices.items()})


def model(name: str, prices: ModelPrice | list[ConditionalPrice], *variants: PriceVariant) -> ModelInfo:
    return ModelInfo(name, ClauseStartsWith(name), prices=prices, price_variants=list(variants))


LONG = ModelPrice(
    input_mtok=TieredPrices(Decimal(3), [Tier(200_000, Decimal(6))]),
    output_mtok=TieredPrices(Decimal(15), [Tier(200_000, Decimal(22))]),
    cache_read_mtok=TieredPrices(Decimal("0.3"), [Tier(200_000, Decimal("0.6"))]),
)
NIGHT = TimeOfDateConstraint(clock(16, 30, tzinfo=timezone.utc), clock(0, 30, tzinfo=timezone.utc))
CHEAPER = StartDateConstraint(date(2026, 6, 2))
TABLE = [
    Provider(
        "openai",
        "OpenAI",
        "https://api.openai.com",
        models=[
            model(
                "chat",
                dollars(input_mtok="2", output_mtok="8", cache_read_mtok="0.5"),
                PriceVariant({"service_tier": "flex"}, dollars(input_mtok="1", output_mtok="4")),
                PriceVariant({"processing": "batch"}, dollars(input_mtok="1", output_mtok="4")),
            ),
            model(
                "voice",
                dollars(
                    input_mtok="2",
                    output_mtok="8",
                    cache_read_mtok="1",
                    input_audio_mtok="32",
                    cache_audio_read_mtok="4",
                    output_audio_mtok="64",
                ),
            ),
            model(
                "picture",
                dollars(input_mtok="5", input_image_mtok="10", output_mtok="8", output_image_mtok="40"),
            ),
            model("embed", dollars(input_mtok="0.02")),
            model("speech", dollars(input_mchars="15")),
            model("pages", dollars(input_document_kpages="1")),
            model("silent", ModelPrice()),
            model("gratis:free", ModelPrice()),
            model("zero", dollars(input_mtok="0", output_mtok="0")),
            model("search", dollars(input_mtok="1", output_mtok="1", requests_kcount="12")),
            model("think", dollars(input_mtok="2", output_mtok="8", output_reasoning_mtok="3")),
            model("tongue", dollars(input_mtok="2", output_mtok="8", audio_hours="4.8")),
        ],
    ),
    Provider("azure", "Azure", "https://azure", fallback_model_providers=["openai"]),
    Provider(
        "anthropic",
        "Anthropic",
        "https://api.anthropic.com",
        models=[
            model("long", LONG),
            model(
                "cached",
                dollars(
                    input_mtok="3",
                    output_mtok="15",
                    cache_read_mtok="0.3",
                    cache_write_mtok="3.75",
                    cache_write_1h_mtok="6",
                ),
                PriceVariant({"speed": "fast"}, dollars(input_mtok="30", output_mtok="150")),
            ),
        ],
    ),
    Provider(
        "deepseek",
        "DeepSeek",
        "https://api.deepseek.com",
        models=[
            model(
                "night",
                [
                    ConditionalPrice(prices=dollars(input_mtok="2", output_mtok="4")),
                    ConditionalPrice(NIGHT, prices=dollars(input_mtok="1", output_mtok="2")),
                ],
            ),
            model(
                "falling",
                [
                    ConditionalPrice(prices=dollars(input_mtok="2", output_mtok="4")),
                    ConditionalPrice(CHEAPER, prices=dollars(input_mtok="1", output_mtok="2")),
                ],
            ),
        ],
    ),
    *(
        Provider(
            name,
            name,
            f"https://{name}",
            models=[ModelInfo("m", ClauseEquals("m"), prices=dollars(input_mtok=p))],
        )
        for name, p in (
            ("aws", "1"),
            ("google", "2"),
            ("mistral", "3"),
            ("x-ai", "4"),
            ("moonshotai", "5"),
            ("together", "6"),
            ("fireworks", "7"),
            ("voyageai", "8"),
            ("zai", "9"),
            ("openrouter", "10"),
            ("groq", "11"),
            ("huggingface_groq", "12"),
            ("cohere", "13"),
        )
    ),
]


def pricer(table: list[Provider] = TABLE) -> Pricer:
    snapshot = DataSnapshot(table, from_auto_update=False)
    return Pricer(Import(lambda: Library(lambda: snapshot, ModelPrice, TieredPrices)))


@pytest.fixture(scope="module")
def small() -> Pricer:
    return pricer()


def call(
    model: str | None = "chat",
    provider: str = "openai",
    usage: Usage = NO_USAGE,
    *,
    asked: str | None = None,
    start_ns: int = NOON,
    tier: str | None = None,
    asked_tier: str | None = None,
    said: float | None = None,
    output_type: str | None = None,
) -> CallRecord:
    request = Request(operation="chat", model=asked, service_tier=asked_tier, output_type=output_type)  # type: ignore[arg-type]  # a table of words
    response = Response(model=model, usage=usage, service_tier=tier, cost=said)
    return CallRecord(
        id="1", provider=provider, request=request, response=response, start_ns=start_ns, end_ns=start_ns
    )


@pytest.mark.parametrize(
    ("model", "usage", "expected"),
    [
        pytest.param(
            "chat",
            Usage(input=MILLION, output=MILLION),
            Cost(total=10.0, input=2.0, output=8.0),
            id="input and output",
        ),
        pytest.param(
            "chat",
            Usage(input=1000, output=100, cache_read=400),
            Cost(total=0.0022, input=0.0012, output=0.0008, cache_read=0.0002),
            id="cached input is cheaper and counted once",
        ),
        pytest.param(
            "chat",
            Usage(input=1000, output=100, cache_read=0, cache_write=0),
            Cost(total=0.0028, input=0.002, output=0.0008),
            id="what there was none of has no price of its own",
        ),
        pytest.param(
            "chat", Usage(input=0, output=0), Cost(total=0.0, input=0.0, output=0.0), id="nothing used"
        ),
        pytest.param("chat", Usage(), None, id="no counts"),
        pytest.param("chat", Usage(input=10), None, id="an output that costs and was not counted"),
        pytest.param("chat", Usage(output=10), None, id="an input that costs and was not counted"),
        pytest.param("chat", Usage(input=10, output=1, cache_read=11), None, id="more cached than there was"),
        pytest.param("chat", Usage(input=-1, output=1), None, id="less than nothing"),
        pytest.param(
            "chat",
            Usage(input=1000, output=100, reasoning=90),
            Cost(total=0.0028, input=0.002, output=0.0008),
            id="reasoning is part of the output",
        ),
        pytest.param(
            "think",
            Usage(input=0, output=100, reasoning=90),
            Cost(total=0.00035, input=0.0, output=0.00035),
            id="reasoning with a price of its own",
        ),
        pytest.param("think", Usage(input=0, output=1, reasoning=2), None, id="more reasoning than output"),
        pytest.param(
            "chat",
            Usage(input=1000, output=100, estimated=True),
            Cost(total=0.0028, input=0.002, output=0.0008),
            id="an estimate is priced, and stays labelled in the usage",
        ),
        pytest.param(
            "embed", Usage(input=MILLION), Cost(total=0.02, input=0.02), id="embeddings have no output"
        ),
        pytest.param(
            "embed",
            Usage(input=MILLION, output=0),
            Cost(total=0.02, input=0.02, output=0.0),
            id="or an empty one",
        ),
        pytest.param("embed", Usage(input=MILLION, output=1), None, id="an output without a price"),
        pytest.param("speech", Usage(input=10, output=10), None, id="characters are not counted"),
        pytest.param("pages", Usage(input=10, output=10), None, id="pages are not counted"),
        pytest.param("silent", Usage(input=10, output=10), None, id="an empty price is no price"),
        pytest.param("none-such", Usage(input=10, output=10), None, id="an unknown model"),
        pytest.param(
            "gratis:free",
            Usage(input=9, output=9),
            Cost(total=0.0, input=0.0, output=0.0),
            id="free by its name",
        ),
        pytest.param(
            "zero", Usage(input=9, output=9), Cost(total=0.0, input=0.0, output=0.0), id="a price of zero"
        ),
        pytest.param(
            "search",
            Usage(input=1000, output=1000),
            Cost(total=0.014, input=0.013, output=0.001),
            id="a fee for the call is part of the input",
        ),
        pytest.param(
            "voice",
            Usage(input=100, output=50, audio_input=60, text_input=40, audio_output=30),
            Cost(total=0.00408, input=0.002, output=0.00208),
            id="audio tokens have their own price",
        ),
        pytest.param(
            "voice",
            Usage(input=100, output=0, cache_read=50, audio_input=60, audio_cache_read=20),
            Cost(total=0.00141, input=0.0013, output=0.0, cache_read=0.00011),
            id="cached audio tokens too",
        ),
        pytest.param(
            "voice",
            Usage(input=100, output=0, cache_read=50, audio_input=60),
            Cost(total=0.00168, input=0.0016, output=0.0, cache_read=0.00008),
            id="cached tokens of no kind are text, and audio where there is no more text",
        ),
        pytest.param("voice", Usage(input=10, output=0, audio_input=11), None, id="more audio than input"),
        pytest.param("voice", Usage(input=10, output=1, audio_output=2), None, id="more audio than output"),
        pytest.param(
            "picture",
            Usage(input=300, output=1000, text_input=100, image_input=200, image_output=1000),
            Cost(total=0.0425, input=0.0025, output=0.04),
            id="image tokens have their own price",
        ),
        pytest.param(
            "tongue", Usage(input=10, output=10, audio_input=5), None, id="audio by the hour is not counted"
        ),
        pytest.param(
            "tongue",
            Usage(input=10, output=10),
            Cost(total=0.0001, input=0.00002, output=0.00008),
            id="text is",
        ),
    ],
)
def test_cost_is_the_counts_times_their_prices(
    small: Pricer, model: str, usage: Usage, expected: Cost | None
) -> None:
    assert small.price(call(model, usage=usage)) == expected
    assert small.price(call(model, usage=usage)) == expected, (
        "the second time, from what was found at the first"
    )


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(
            Usage(input=1000, output=0, cache_read=100, cache_write=200),
            Cost(total=0.00288, input=0.0021, output=0.0, cache_read=0.00003, cache_write=0.00075),
            id="five minutes",
        ),
        pytest.param(
            Usage(input=1000, output=0, cache_read=100, cache_write=200, cache_write_1h=200),
            Cost(total=0.00333, input=0.0021, output=0.0, cache_read=0.00003, cache_write=0.0012),
            id="an hour",
        ),
    ],
)
def test_cache_writes_are_priced_by_how_long_they_are_kept(
    small: Pricer, usage: Usage, expected: Cost
) -> None:
    assert small.price(call("cached", "anthropic", usage)) == expected


@pytest.mark.parametrize(
    ("tokens", "total"),
    [(200_000, 0.6), (200_001, 1.200006), (400_000, 2.4)],
    ids=["at the bound", "over", "far over"],
)
def test_long_context_costs_more_on_all_tokens(small: Pricer, tokens: int, total: float) -> None:
    made = small.price(call("long", "anthropic", Usage(input=tokens, output=0)))
    assert made is not None
    assert made.total == total


@pytest.mark.parametrize(
    ("tier", "asked", "total"),
    [
        (None, None, 0.01),
        ("default", None, 0.01),
        ("flex", None, 0.005),
        (None, "flex", 0.005),
        ("default", "flex", 0.01),
        ("batch", None, 0.005),
        ("unheard-of", None, 0.01),
    ],
)
def test_the_service_tier_counts_and_the_answer_is_right_about_it(
    small: Pricer, tier: str | None, asked: str | None, total: float
) -> None:
    made = small.price(call(usage=Usage(input=1000, output=1000), tier=tier, asked_tier=asked))
    assert made is not None
    assert made.total == total


def test_a_variant_does_not_hold_for_a_borrowed_model(small: Pricer) -> None:
    usage = Usage(input=1000, output=1000)
    made = small.price(call("chat", "azure.ai.openai", usage, tier="flex"))
    assert made is not None
    assert made.total == 0.01


@pytest.mark.parametrize(
    ("name", "when", "total"),
    [
        ("night", datetime(2026, 6, 1, 16, 29, 59, tzinfo=timezone.utc), 2.0),
        ("night", datetime(2026, 6, 1, 16, 30, tzinfo=timezone.utc), 1.0),
        ("night", datetime(2026, 6, 2, 0, 29, 59, tzinfo=timezone.utc), 1.0),
        ("night", datetime(2026, 6, 2, 0, 30, tzinfo=timezone.utc), 2.0),
        ("falling", datetime(2026, 6, 1, 23, 59, 59, tzinfo=timezone.utc), 2.0),
        ("falling", datetime(2026, 6, 2, tzinfo=timezone.utc), 1.0),
    ],
)
def test_the_price_is_that_of_the_day_and_the_hour(
    small: Pricer, name: str, when: datetime, total: float
) -> None:
    start = int(when.timestamp()) * SECOND
    made = small.price(call(name, "deepseek", Usage(input=MILLION, output=0), start_ns=start))
    assert made is not None
    assert made.total == total


@pytest.mark.parametrize(
    ("provider", "model", "total"),
    [
        ("aws.bedrock", "m", 1.0),
        ("gcp.gemini", "m", 2.0),
        ("gcp.gemini", "models/m", 2.0),
        ("gcp.vertex_ai", "m", 2.0),
        ("gcp.gen_ai", "m", 2.0),
        ("mistral_ai", "m", 3.0),
        ("x_ai", "m", 4.0),
        ("moonshot_ai", "m", 5.0),
        ("together_ai", "m", 6.0),
        ("fireworks_ai", "m", 7.0),
        ("voyage_ai", "m", 8.0),
        ("z_ai", "m", 9.0),
        ("openrouter", "m", 10.0),
        ("groq", "m", 11.0),
        ("cohere", "m", 13.0),
        ("vercel_ai_gateway", "groq/m", 11.0),
        ("azure.ai.openai", "embed", 0.02),
        ("azure.ai.inference", "embed", 0.02),
        ("ollama", "m", None),
        ("", "m", None),
        ("openai-gateway", "chat", None),
    ],
)
def test_providers_are_found_by_our_names(
    small: Pricer, provider: str, model: str, total: float | None
) -> None:
    made = small.price(call(model, provider, Usage(input=MILLION)))
    assert (made and made.total) == total


def test_hugging_face_charges_what_the_provider_behind_it_charges(small: Pricer) -> None:
    made = small.price(call("m", "huggingface", Usage(input=MILLION), asked="m:groq"))
    assert made is not None
    assert made.total == 12.0
    assert small.price(call("m", "huggingface", Usage(input=MILLION), asked="m")) is None


def test_the_model_that_answered_is_priced_and_else_the_one_that_was_asked(small: Pricer) -> None:
    usage = Usage(input=MILLION, output=0)
    for answered, asked, total in (
        ("cached", "long", 3.0),
        (None, "cached", 3.0),
        ("none-such", "cached", None),
    ):
        made = small.price(call(answered, "anthropic", usage, asked=asked))
        assert (made and made.total) == total
    made = small.price(call("the-maker-s-name", "aws.bedrock", usage, asked="m"))
    assert (made and made.total) == 1.0
    assert small.price(call(None, "anthropic", usage)) is None
    assert small.price(call("cached" * 100, "anthropic", usage)) is None


@pytest.mark.parametrize(
    ("said", "usage", "expected"),
    [
        pytest.param(0.5, Usage(), Cost(total=0.5), id="without counts"),
        pytest.param(0.0, Usage(), Cost(total=0.0), id="a free model"),
        pytest.param(
            0.0028,
            Usage(input=1000, output=100),
            Cost(total=0.0028, input=0.002, output=0.0008),
            id="parts that add up to it",
        ),
        pytest.param(0.003, Usage(input=1000, output=100), Cost(total=0.003), id="parts that do not"),
        pytest.param(math.nan, Usage(), None, id="not a number"),
        pytest.param(-1.0, Usage(), None, id="less than nothing"),
        pytest.param(math.inf, Usage(), None, id="infinite"),
    ],
)
def test_what_the_provider_says_is_the_total(
    small: Pricer, said: float, usage: Usage, expected: Cost | None
) -> None:
    assert small.price(call(usage=usage, said=said)) == expected


def test_an_answer_that_is_one_image_or_recording_needs_no_count_by_kind(small: Pricer) -> None:
    image = small.price(call("picture", usage=Usage(input=0, output=1000), output_type="image"))
    sound = small.price(call("voice", usage=Usage(input=0, output=1000), output_type="speech"))
    assert image is not None
    assert sound is not None
    assert (image.total, sound.total) == (0.04, 0.064)


def test_a_new_price_table_takes_effect_and_the_misses_of_the_old_are_forgotten() -> None:
    old, new = DataSnapshot([], from_auto_update=False), DataSnapshot(TABLE, from_auto_update=True)
    tables = [old]
    tested = Pricer(Import(lambda: Library(lambda: tables[-1], ModelPrice, TieredPrices)))
    record = call(usage=Usage(input=1000, output=1000))
    assert tested.price(record) is None
    tables.append(new)
    assert tested.price(record) is not None


# Against the library's own arithmetic.


def _models() -> Iterator[tuple[Provider, ModelInfo]]:
    for provider in data_snapshot.get_snapshot().providers:
        for info in provider.models:
            yield provider, info


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input=1000, output=300),
        Usage(input=1000, output=300, cache_read=200, cache_write=100, reasoning=30),
        Usage(input=500_000, output=300, cache_read=1000, cache_write=100),
    ],
    ids=["plain", "cached", "long"],
)
@pytest.mark.parametrize("tier", [None, "flex", "priority", "batch"])
def test_every_price_of_the_library_gives_the_library_s_own_total(usage: Usage, tier: str | None) -> None:
    compared = 0
    for provider, info in _models():
        prices = info.get_prices(datetime.fromtimestamp(NOON / SECOND, timezone.utc))
        if "input_mtok" not in vars(prices) or "output_mtok" not in vars(prices):
            continue
        if provider.find_model(info.id, all_providers=None) is not info:
            continue
        theirs = info.calc_price(
            types.Usage(
                input_tokens=usage.input,
                output_tokens=usage.output,
                cache_read_tokens=usage.cache_read,
                cache_write_tokens=usage.cache_write,
                output_reasoning_tokens=usage.reasoning,
            ),
            provider,
            genai_request_timestamp=datetime.fromtimestamp(NOON / SECOND, timezone.utc),
            price_context=None
            if tier is None
            else {"processing" if tier == "batch" else "service_tier": tier},
        )
        ours = cost.price(call(info.id, provider.id, usage, tier=tier, asked=info.id))
        assert cost.price(call(info.id, provider.id, usage, tier=tier, asked=info.id)) == ours
        if provider.id.startswith("huggingface_"):
            continue
        assert ours is not None, (provider.id, info.id)
        assert ours.total == pytest.approx(float(theirs.total_price), rel=1e-9, abs=1e-11), (
            provider.id,
            info.id,
        )
        compared += 1
    assert compared > 1000


COUNT = st.integers(0, 10_000_000)


@given(
    name=st.sampled_from(["chat", "voice", "picture", "think", "search", "zero"]),
    audio=COUNT,
    image=COUNT,
    text=COUNT,
    read=COUNT,
    write=COUNT,
    output=st.tuples(COUNT, COUNT, COUNT),
)
def test_the_parts_add_up_to_the_total(
    name: str, audio: int, image: int, text: int, read: int, write: int, output: tuple[int, int, int]
) -> None:
    usage = Usage(
        input=audio + image + text + read + write,
        output=sum(output),
        cache_read=read,
        cache_write=write,
        audio_input=audio,
        image_input=image,
        reasoning=output[0],
        audio_output=output[1],
        image_output=output[2],
    )
    made = SMALL.price(call(name, usage=usage))
    if made is None:
        assert name == "think"
        return
    parts = [
        part for part in (made.input, made.output, made.cache_read, made.cache_write) if part is not None
    ]
    assert sum(parts) == pytest.approx(made.total, rel=1e-9, abs=1e-11)
    assert all(part >= 0 for part in parts)


SMALL = pricer()


@given(
    st.builds(
        Usage,
        **{name: st.none() | st.integers(-5, 50) for name in Usage.__struct_fields__ if name != "estimated"},
    ),
    st.sampled_from(["chat", "voice", "picture", "think", "embed", "search", "silent", "tongue"]),
    st.sampled_from([None, "text", "image", "speech"]),
)
def test_no_counts_however_wrong_raise_or_give_a_negative_cost(
    usage: Usage, name: str, output: str | None
) -> None:
    made = SMALL.price(call(name, usage=usage, output_type=output))
    if made is not None and all((getattr(usage, name) or 0) >= 0 for name in Usage.__struct_fields__):
        assert made.total >= 0
        assert math.isfinite(made.total)


def test_recorded_calls_have_costs() -> None:
    priced = unpriced = 0
    for recording in corpus.recordings():
        decoded = corpus.decode(recording, content=False)
        if decoded is None or decoded.wire.provider not in {"openai", "anthropic"}:
            continue
        usage = decoded.response.usage
        if not usage.input or not usage.output or decoded.response.cost is not None:
            continue
        host = recording.ask().host
        if host not in {"api.openai.com", "api.anthropic.com"}:
            continue
        provider = "openai" if host == "api.openai.com" else "anthropic"
        record = CallRecord(
            id="1",
            provider=provider,
            request=decoded.request,
            response=decoded.response,
            start_ns=NOON,
            end_ns=NOON,
        )
        if cost.price(record) is None:
            unpriced += 1
        else:
            priced += 1
    if not priced + unpriced:
        pytest.skip("no recording is at hand")
    assert priced >= 9 * unpriced


# The import.


def test_the_library_is_not_imported_with_us() -> None:
    code = "import sys, otel_llm, otel_llm.cost; sys.exit('genai_prices' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_warming_up_imports_it_once_on_a_daemon_thread_and_returns_at_once() -> None:
    begun, seen = threading.Event(), list[threading.Thread]()

    def load() -> str:
        seen.append(threading.current_thread())
        assert begun.wait(10)
        return "loaded"

    slow = Import(load)
    for _ in range(5):
        slow.start()
    assert slow.problem is None
    begun.set()
    assert slow.get() == "loaded"
    assert slow.problem is None
    assert [one.daemon for one in seen] == [True]


def test_an_import_that_takes_too_long_is_waited_for_once_and_used_when_it_is_there() -> None:
    release = threading.Event()

    def load() -> str:
        assert release.wait(10)
        return "late"

    slow = Import(load, patience=0.1)
    start = time.monotonic()
    assert slow.get() is None
    waited = time.monotonic() - start
    assert 0.1 <= waited < 5
    start = time.monotonic()
    assert [slow.get() for _ in range(50)] == [None] * 50
    assert time.monotonic() - start < 0.1
    assert slow.problem == "it was not imported within 0.1 seconds"
    release.set()
    deadline = time.monotonic() + 10
    while slow.get() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert slow.get() == "late"
    assert slow.problem is None


@pytest.mark.parametrize("run", [asyncio.run, trio.run], ids=["asyncio", "trio"])
def test_an_event_loop_is_not_made_to_wait_for_the_import(run: Callable[..., str | None]) -> None:
    release = threading.Event()

    def load() -> str:
        assert release.wait(10)
        return "late"

    slow = Import(load, patience=5)

    async def call() -> str | None:
        return slow.get()

    start = time.monotonic()
    assert (run(call) if run is trio.run else run(call())) is None
    assert time.monotonic() - start < 2
    assert slow.problem is None  # nobody has waited in vain yet
    release.set()
    assert slow.get() == "late"


def test_an_import_that_fails_leaves_the_cost_absent_and_says_why_in_one_line() -> None:
    def load() -> Library:
        raise ImportError("no such thing")

    broken = Import(load)
    assert Pricer(broken).price(call(usage=Usage(input=1, output=1))) is None
    assert Pricer(broken).price(call(usage=Usage(input=1, output=1), said=1.0)) == Cost(total=1.0)
    assert broken.problem == "its import failed: ImportError: no such thing"
    assert cost.problem() is None


def test_a_call_without_counts_does_not_wait_for_the_library() -> None:
    def load() -> Library:
        raise AssertionError("not needed")

    unused = Import(load)
    assert Pricer(unused).price(call()) is None
    assert unused.problem is None


FORK = """
import os, sys, time
from otel_llm.price_library import Import
slow = Import(lambda: time.sleep({takes}) or "value", patience={patience})
slow.start()
child = os.fork()
if child == 0:
    start = time.monotonic()
    value = slow.get()
    quick = time.monotonic() - start < 0.1
    os._exit(0 if (value, quick) == ({expected!r}, True) and (value or slow.problem) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(
    not hasattr(sys, "getswitchinterval") or sys.platform == "win32", reason="there is no fork here"
)
@pytest.mark.parametrize(
    ("takes", "patience", "expected"),
    [
        pytest.param(0.3, 5, "value", id="the fork waits for it"),
        pytest.param(30, 0.2, None, id="the child never waits for a thread that it does not have"),
    ],
)
def test_a_fork_during_the_import_hangs_nobody(takes: float, patience: float, expected: str | None) -> None:
    code = FORK.format(takes=takes, patience=patience, expected=expected)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False, timeout=20)
    assert done.returncode == 0


def test_many_threads_get_the_same_prices() -> None:
    tested, results = pricer(), list[Cost | None]()

    def work() -> None:
        results.extend(tested.price(call(usage=Usage(input=1000, output=100))) for _ in range(200))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) == {Cost(total=0.0028, input=0.002, output=0.0008)}
    assert len(results) == 1600
