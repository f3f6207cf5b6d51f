"""What a call cost, in US dollars, by the prices of `genai-prices`.

The library is asked for the price of a model at a time and in a service tier; the multiplication is ours, because we
tell the four parts of a cost apart and the library tells two, and because it takes a tenth of the time. A test holds
every price of the library against its own arithmetic. A cost is absent when anything that it needs is unknown.

https://github.com/pydantic/genai-prices
"""

from __future__ import annotations

import math
from bisect import bisect_left
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_llm.price_library import LIBRARY, Import, Library
from otel_llm.record import CallRecord, Cost, Request, Usage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice

PROVIDERS: Final = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "aws",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "gcp.gen_ai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "voyage_ai": "voyageai",
    "z_ai": "zai",
}
"""Our names of providers, where the library has others. What is not here goes by its own name."""

PASS_ON: Final = {"vercel_ai_gateway"}
"""Gateways that charge what the maker of `maker/model` charges."""

MAX_MODELS: Final = 1024
"""Models whose prices are kept at hand; a proxy's callers may name any number of them."""
MAX_TIERS: Final = 16
"""Service tiers of a model whose prices are kept at hand; a provider may say anything."""
MAX_NAME: Final = 256
"""Characters of a model's name; no real one is longer, and the library tries some hundred patterns on each."""

MINUTE: Final = 60_000_000_000
MISSPELT: Final = {"standard": "default", "on_demand": "default"}
"""Service tiers in the words of some providers, and the word of the library's price variants."""


class Rates(NamedTuple):
    """Dollars a token, and dollars a call. What the library has no price for is not a number."""

    input: float
    cache_read: float
    cache_write: float
    cache_write_1h: float
    audio_input: float
    image_input: float
    audio_cache_read: float
    image_cache_read: float
    output: float
    reasoning: float
    audio_output: float
    image_output: float
    call: float


class Tariff(NamedTuple):
    """The rates of a model at one time. `bands[i]` holds up to and with `bounds[i]` tokens of input."""

    bounds: tuple[int, ...]
    bands: tuple[Rates, ...]
    audio_by_the_hour: bool


def warm() -> None:
    """Begin to import the price library in the background; cheap when that was done before."""
    LIBRARY.start()


def problem() -> str | None:
    """Why costs are absent in this process, as one clear line; None while all is well."""
    why = LIBRARY.problem
    return why and f"No cost is recorded: genai-prices is not there, {why}."


def price(record: CallRecord) -> Cost | None:
    """What the call cost; None when that is not known.

    What the provider itself says is the total; the parts are then given only where they add up to it. The first calls
    may wait for the price library, `price_library.PATIENCE` at most; in an event loop nothing waits, and what ends
    before the library is there has no cost.
    """
    return _PRICER.price(record)


class _Recent(NamedTuple):
    """What the last call of a kind was priced by, for the minute that it was found in."""

    minute: int
    limit: float
    """Tokens of input up to which the rates hold."""
    rates: Rates


class Pricer:
    """Prices calls, and remembers the models that it has found."""

    def __init__(self, library: Import[Library] = LIBRARY) -> None:
        self._library = library
        self._book: _Book | None = None
        self._recent: dict[tuple[str | None, ...], _Recent] = {}

    def price(self, record: CallRecord) -> Cost | None:
        """As the function `price`."""
        request, response = record.request, record.response
        usage = response.usage
        said = response.cost
        kind = (record.provider, request.model, response.model, response.service_tier, request.service_tier)
        recent = self._recent.get(kind)
        if (
            recent is not None
            and said is None
            and recent.minute == record.start_ns // MINUTE
            and (plain := _plain(recent, usage, request)) is not None
        ):
            return plain
        if said is not None and not (said >= 0 and math.isfinite(said)):
            said = None
        counted = None
        if usage.input is not None or usage.output is not None:
            counted = self._count(record, usage)
        if said is None:
            return counted
        if counted is not None and math.isclose(counted.total, said, rel_tol=1e-6, abs_tol=1e-10):
            return Cost(
                total=said,
                input=counted.input,
                output=counted.output,
                cache_read=counted.cache_read,
                cache_write=counted.cache_write,
            )
        return Cost(total=said)

    def _count(self, record: CallRecord, usage: Usage) -> Cost | None:
        library = self._library.get()
        if library is None:
            return None
        snapshot = library.snapshot()
        book = self._book
        if book is None or book.snapshot is not snapshot:
            book = self._book = _Book(library, snapshot)
        request, response = record.request, record.response
        tier = response.service_tier or request.service_tier
        found = book.model(record.provider, request.model, response.model)
        if found is None:
            return None
        tariff = found.tariff(record.start_ns, tier)
        if tariff is None:
            return None
        if not math.isnan(tariff.bands[0].input + tariff.bands[0].output):
            if len(self._recent) >= MAX_MODELS:
                self._recent.clear()
            kind = (
                record.provider,
                request.model,
                response.model,
                response.service_tier,
                request.service_tier,
            )
            limit = tariff.bounds[0] if tariff.bounds else math.inf
            self._recent[kind] = _Recent(record.start_ns // MINUTE, limit, tariff.bands[0])
        return _multiply(tariff, usage, request)


class _Book:
    """The models of one price table, found by our names; `model` is thread-safe and keeps the misses too."""

    def __init__(self, library: Library, snapshot: DataSnapshot) -> None:
        self.snapshot = snapshot
        self._library = library
        self._providers = {provider.id: provider for provider in snapshot.providers}
        self.model = lru_cache(maxsize=MAX_MODELS)(self._model)

    def _model(self, provider: str, asked: str | None, answered: str | None) -> _Model | None:
        """The model that a call is priced by."""
        model = answered or asked
        if model is None or len(model) > MAX_NAME:
            return None
        if provider == "huggingface":
            provider, model = _routed(asked or "")
        elif provider == "aws.bedrock" and asked is not None:
            model = asked[-MAX_NAME:]  # Its prices go by its own names; the answer has the maker's.
        return self._find(provider, model)

    def _find(self, name: str, model: str) -> _Model | None:
        if name in PASS_ON and "/" in model:
            name, _, model = model.partition("/")
        provider = self._providers.get(PROVIDERS.get(name) or name) or self._providers.get(
            name.replace("_", "-")
        )
        if provider is None:
            return None
        if provider.id == "google":
            model = model.removeprefix("models/")
        info = provider.find_model(model, all_providers=self.snapshot.providers)
        if info is None:
            return None
        return _Model(
            self._library, info, own=any(info is one for one in provider.models), free=":free" in model
        )


class _Model:
    """One model of the price table, and its tariffs, ready to multiply."""

    def __init__(self, library: Library, info: ModelInfo, own: bool, free: bool) -> None:
        self._library = library
        self._info = info
        self._free = free or info.id.endswith(":free")
        # A variant is the provider's own; it does not hold for a model that the library borrows from another one.
        variants = (info.price_variants or []) if own else []
        self._contexts = {(key, value) for variant in variants for key, value in variant.when.items()}
        self._timed = not isinstance(info.prices, library.flat) or any(one.constraint for one in variants)
        self._tariffs: dict[str | None, tuple[int, Tariff | None]] = {}

    def tariff(self, start_ns: int, tier: str | None) -> Tariff | None:
        """The tariff at a time; None when the library has no price. Prices change on the minute at the finest."""
        minute = start_ns // MINUTE if self._timed else 0
        known = self._tariffs.get(tier)
        if known is not None and known[0] == minute:
            return known[1]
        wanted = self._context(tier) if tier and self._contexts else {}
        moment = datetime.fromtimestamp(start_ns / 1e9, timezone.utc)
        made = _tariff(self._library, self._info.get_prices(moment, wanted or None), self._free)
        if tier in self._tariffs or len(self._tariffs) < MAX_TIERS:
            self._tariffs[tier] = (minute, made)
        return made

    def _context(self, tier: str) -> dict[str, str]:
        """The tier in the words of the library: OpenAI's are tiers, a batch is a way of processing."""
        tier = MISSPELT.get(tier, tier)
        wanted = (("service_tier", tier), ("processing", tier), ("speed", tier))
        return dict(pair for pair in wanted if pair in self._contexts)


def _tariff(library: Library, prices: ModelPrice, free: bool) -> Tariff | None:
    said = {
        key: value for key, value in vars(prices).items() if value is not None and not key.startswith("_")
    }
    if not said and free:
        return Tariff((), (Rates(*[0.0] * len(Rates._fields)),), False)
    if not any(key.endswith("_mtok") for key in said):
        return None  # Nothing, or prices for pages, characters or hours alone: nobody tells us their number.
    tiers = [
        tier.start for value in said.values() if isinstance(value, library.tiered) for tier in value.tiers
    ]
    bounds = tuple(sorted(set(tiers)))

    def rate(key: str, tokens: float) -> float:
        """Dollars a token when a call has this much input; not a number where there is no price."""
        value = said.get(key)
        if value is None:
            return math.nan
        if not isinstance(value, library.tiered):
            return float(value) / 1e6
        step = value.base
        for tier in value.tiers:
            if tokens > tier.start:
                step = tier.price
        return float(step) / 1e6

    def band(tokens: float) -> Rates:
        plain, out = rate("input_mtok", tokens), rate("output_mtok", tokens)
        read, write = rate("cache_read_mtok", tokens), rate("cache_write_mtok", tokens)
        audio, image = rate("input_audio_mtok", tokens), rate("input_image_mtok", tokens)
        # What has no price of its own has the price of the next larger kind, as in the library.
        return Rates(
            input=plain,
            cache_read=_first(read, plain),
            cache_write=_first(write, plain),
            cache_write_1h=_first(rate("cache_write_1h_mtok", tokens), write, plain),
            audio_input=_first(audio, plain),
            image_input=_first(image, plain),
            audio_cache_read=_first(rate("cache_audio_read_mtok", tokens), read, audio, plain),
            image_cache_read=_first(rate("cache_image_read_mtok", tokens), read, image, plain),
            output=out,
            reasoning=_first(rate("output_reasoning_mtok", tokens), out),
            audio_output=_first(rate("output_audio_mtok", tokens), out),
            image_output=_first(rate("output_image_mtok", tokens), out),
            call=_first(rate("requests_kcount", tokens) * 1e3, 0.0),
        )

    return Tariff(
        bounds, tuple(band(bound) for bound in (*bounds, math.inf)), any("_hours" in key for key in said)
    )


def _plain(recent: _Recent, usage: Usage, request: Request) -> Cost | None:
    """The cost of text in and text out, which most calls are; None for all that needs `_multiply`."""
    given, made, rates = usage.input, usage.output, recent.rates
    read, write = usage.cache_read or 0, usage.cache_write or 0
    if (
        given is None
        or made is None
        or not read + write <= given <= recent.limit
        or usage.audio_input
        or usage.image_input
        or usage.audio_output
        or usage.image_output
        or usage.cache_write_1h
        or (usage.reasoning and rates.reasoning != rates.output)
        or request.output_type in {"image", "speech"}
        or (read and math.isnan(rates.cache_read))
        or (write and math.isnan(rates.cache_write))
    ):
        return None
    plain = round(rates.input * (given - read - write) + rates.call, 12)
    reading = round(rates.cache_read * read, 12) if read else 0.0
    writing = round(rates.cache_write * write, 12) if write else 0.0
    making = round(rates.output * made, 12)
    return Cost(
        total=round(plain + reading + writing + making, 12),
        input=plain,
        output=making,
        cache_read=reading if read else None,
        cache_write=writing if write else None,
    )


def _multiply(tariff: Tariff, usage: Usage, request: Request) -> Cost | None:
    """The cost of these counts; None when a count that has a price is missing, or the counts contradict each other."""
    given, made = usage.input, usage.output
    rates = tariff.bands[bisect_left(tariff.bounds, given or 0)] if tariff.bounds else tariff.bands[0]
    if (given is None and rates.input != 0.0) or (made is None and rates.output > 0.0):
        return None
    if tariff.audio_by_the_hour and (usage.audio_input or usage.audio_output):
        return None
    read, write, hour = usage.cache_read or 0, usage.cache_write or 0, usage.cache_write_1h or 0
    text = (given or 0) - read - write
    if usage.audio_input or usage.image_input:
        shares = _shares(usage, text)
        if shares is None:
            return None
        text, audio, image, text_read, audio_read, image_read = shares
        plain = (
            _times(rates.input, text) + _times(rates.audio_input, audio) + _times(rates.image_input, image)
        )
        reading = (
            _times(rates.cache_read, text_read)
            + _times(rates.audio_cache_read, audio_read)
            + _times(rates.image_cache_read, image_read)
        )
    elif text >= 0:
        plain, reading = _times(rates.input, text), _times(rates.cache_read, read)
    else:
        return None
    writing = _times(rates.cache_write, max(write - hour, 0)) + _times(rates.cache_write_1h, min(hour, write))
    making = _making(rates, usage, request, made or 0)
    plain, reading = round(plain + rates.call, 12), round(reading, 12)
    writing, making = round(writing, 12), round(making, 12)
    total = round(plain + reading + writing + making, 12)
    if math.isnan(total):
        return None
    return Cost(
        total=total,
        input=None if given is None else plain,
        output=None if made is None else making,
        cache_read=reading if usage.cache_read else None,
        cache_write=writing if usage.cache_write else None,
    )


def _shares(usage: Usage, fresh: int) -> tuple[int, int, int, int, int, int] | None:
    """Uncached text, audio and image tokens, then cached ones; `fresh` is all that is neither read nor written.

    Where the provider does not say of what kind the cached tokens were, they were text, as far as there was text.
    """
    audio, image = usage.audio_input or 0, usage.image_input or 0
    audio_read = min(usage.audio_cache_read or 0, audio)
    image_read = min(usage.image_cache_read or 0, image)
    text_read = (usage.cache_read or 0) - audio_read - image_read
    text = fresh - (audio - audio_read) - (image - image_read)
    if text < 0:
        moved = min(-text, audio - audio_read, text_read)
        audio_read, text_read, text = audio_read + moved, text_read - moved, text + moved
        moved = min(-text, image - image_read, text_read)
        image_read, text_read, text = image_read + moved, text_read - moved, text + moved
    if text < 0 or text_read < 0:
        return None
    return text, audio - audio_read, image - image_read, text_read, audio_read, image_read


def _making(rates: Rates, usage: Usage, request: Request, made: int) -> float:
    """Dollars for output; not a number when that is not known."""
    plain, spent = made, 0.0
    audio, image, reasoned = usage.audio_output, usage.image_output, usage.reasoning
    if usage.text_output is None:
        # An answer that is one image or one recording tells its tokens, and not that they are all of that kind.
        if image is None and request.output_type == "image":
            image = made
        elif audio is None and request.output_type == "speech":
            audio = made
    for count, rate in (
        (audio, rates.audio_output),
        (image, rates.image_output),
        (reasoned, rates.reasoning),
    ):
        if count and rate != rates.output:
            plain -= count
            spent += count * rate
    if plain < 0:
        return math.nan
    return spent + _times(rates.output, plain)


def _times(rate: float, count: int) -> float:
    """What costs nothing when there is none of it, even where the price is not known."""
    return rate * count if count else 0.0


def _first(*rates: float) -> float:
    """The first rate that is known."""
    for rate in rates:
        if rate == rate:  # noqa: PLR0124 - false for what is not a number alone
            return rate
    return math.nan


def _routed(model: str) -> tuple[str, str]:
    """Hugging Face routes `model:provider` to that provider, at its prices."""
    name, _, provider = model.rpartition(":")
    return f"huggingface_{provider}", name


_PRICER: Final = Pricer()
