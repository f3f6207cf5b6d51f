"""Which protocol a request speaks, by its path and the shape of its body; the host has no say.

The last two segments of the path find the rows, or the last one; a row counts when the body looks as its protocol
demands. So an unknown OpenAI-compatible host is understood, and a POST to somebody else's `/messages` is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from otel_llm.record import Json
from otel_llm.wire import (
    anthropic_complete,
    anthropic_messages,
    bedrock_agents,
    bedrock_converse,
    bedrock_invoke,
    cohere_chat,
    cohere_embed,
    cohere_legacy,
    dashscope,
    deepgram,
    gemini,
    gemini_embeddings,
    gemini_interactions,
    mistral_agents,
    mistral_classifications,
    mistral_ocr,
    ollama,
    openai_audio,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_images,
    openai_moderations,
    openai_responses,
    replicate,
    rerank,
    text_generation,
    voyage,
    watsonx,
)
from otel_llm.wire.protocol import Ask, Wire


class Row(NamedTuple):
    """One way to recognise a protocol: the shape of the body, and a hint from the path where bodies are alike."""

    wire: Wire
    fits: Callable[[Ask], bool]


def _has(*names: str) -> Callable[[Ask], bool]:
    def fits(ask: Ask) -> bool:
        body = ask.body
        return isinstance(body, dict) and all(name in body for name in names)

    return fits


def _messages(body: Json) -> bool:
    """A list of objects that have a role; a long history is known by its first."""
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list):
        return False
    for one in messages[:4]:  # noqa: SIM110  (a generator would cost more than it checks, on every call)
        if not (isinstance(one, dict) and "role" in one):
            return False
    return True


ROWS: Final[dict[str, Sequence[Row]]] = {
    "chat/completions": (Row(openai_chat.WIRE, lambda ask: _messages(ask.body)),),
    "completions": (Row(openai_completions.WIRE, openai_completions.fits),),
    "embeddings": (
        Row(openai_embeddings.WIRE, openai_embeddings.fits),
        Row(ollama.EMBED, ollama.fits_older_embed),
    ),
    "images": (Row(openai_images.WIRE, openai_images.fits),),
    "images/generations": (Row(openai_images.WIRE, openai_images.fits),),
    "images/edits": (Row(openai_images.WIRE, openai_images.fits_given),),
    "images/variations": (Row(openai_images.WIRE, openai_images.fits_given),),
    "audio/speech": (Row(openai_audio.SPEECH, openai_audio.fits_speech),),
    "audio/transcriptions": (Row(openai_audio.TRANSCRIPTION, openai_audio.fits_transcription),),
    "audio/translations": (Row(openai_audio.TRANSCRIPTION, openai_audio.fits_transcription),),
    "moderations": (Row(openai_moderations.WIRE, openai_moderations.fits),),
    "responses": (Row(openai_responses.WIRE, openai_responses.fits),),
    "responses/compact": (Row(openai_responses.WIRE, openai_responses.fits),),
    "messages": (Row(anthropic_messages.WIRE, anthropic_messages.fits),),
    ":rawPredict": (
        Row(anthropic_messages.WIRE, anthropic_messages.fits_vertex),
        Row(openai_chat.WIRE, lambda ask: "/publishers/mistralai/" in ask.path and _messages(ask.body)),
    ),
    ":streamRawPredict": (
        Row(anthropic_messages.WIRE, anthropic_messages.fits_vertex),
        Row(openai_chat.WIRE, lambda ask: "/publishers/mistralai/" in ask.path and _messages(ask.body)),
    ),
    "converse": (Row(bedrock_converse.WIRE, bedrock_converse.fits),),
    "converse-stream": (Row(bedrock_converse.WIRE, bedrock_converse.fits),),
    "invoke": (Row(bedrock_invoke.WIRE, bedrock_invoke.fits),),
    "invoke-with-response-stream": (Row(bedrock_invoke.WIRE, bedrock_invoke.fits),),
    "text": (Row(bedrock_agents.AGENT, bedrock_agents.fits_agent),),
    "retrieve": (Row(bedrock_agents.RETRIEVE, bedrock_agents.fits_retrieve),),
    "retrieveAndGenerate": (Row(bedrock_agents.GENERATE, bedrock_agents.fits_generate),),
    "retrieveAndGenerateStream": (Row(bedrock_agents.GENERATE, bedrock_agents.fits_generate),),
    "complete": (Row(anthropic_complete.WIRE, anthropic_complete.fits),),
    ":generateContent": (Row(gemini.WIRE, gemini.fits),),
    ":streamGenerateContent": (Row(gemini.WIRE, gemini.fits),),
    ":embedContent": (Row(gemini_embeddings.WIRE, gemini_embeddings.fits_one),),
    ":batchEmbedContents": (Row(gemini_embeddings.WIRE, gemini_embeddings.fits_batch),),
    ":predict": (
        Row(gemini_embeddings.IMAGEN, gemini_embeddings.fits_imagen),
        Row(gemini_embeddings.PREDICT, gemini_embeddings.fits_predict),
    ),
    "interactions": (Row(gemini_interactions.WIRE, gemini_interactions.fits),),
    "v2/chat": (Row(cohere_chat.WIRE, cohere_chat.fits),),
    "v1/chat": (
        Row(cohere_legacy.CHAT, cohere_legacy.fits_chat),
        Row(openai_chat.WIRE, cohere_chat.fits),  # Writer
    ),
    "v1/generate": (Row(cohere_legacy.GENERATE, cohere_legacy.fits_generate),),
    "v1/embed": (Row(cohere_embed.WIRE, cohere_embed.fits),),
    "v2/embed": (Row(cohere_embed.WIRE, cohere_embed.fits),),
    "rerank": (Row(rerank.WIRE, rerank.fits),),
    "api/chat": (Row(ollama.CHAT, ollama.fits_chat),),
    "api/generate": (Row(ollama.GENERATE, ollama.fits_generate),),
    "api/embed": (Row(ollama.EMBED, ollama.fits_embed),),
    "ocr": (Row(mistral_ocr.WIRE, mistral_ocr.fits),),
    "conversations": (Row(mistral_agents.CONVERSATION, mistral_agents.fits_conversation),),
    "conversations/*": (Row(mistral_agents.CONVERSATION, mistral_agents.fits_conversation),),
    "agents/completions": (Row(mistral_agents.AGENT, mistral_agents.fits_agent),),
    "multimodalembeddings": (Row(voyage.WIRE, voyage.fits),),
    "contextualizedembeddings": (Row(voyage.WIRE, voyage.fits),),
    "": (Row(text_generation.WIRE, text_generation.fits),),
    "/generate": (Row(text_generation.WIRE, text_generation.fits_server),),
    "/generate_stream": (Row(text_generation.WIRE, text_generation.fits_server),),
    "invocations": (
        Row(openai_chat.WIRE, lambda ask: _messages(ask.body)),  # Databricks, SageMaker
        Row(text_generation.WIRE, text_generation.fits),
    ),
    "models/*/*": (Row(text_generation.WIRE, text_generation.fits),),
    "text-generation/generation": (Row(dashscope.WIRE, dashscope.fits),),
    "multimodal-generation/generation": (Row(dashscope.WIRE, dashscope.fits),),
    "text-embedding/text-embedding": (Row(dashscope.EMBEDDING, dashscope.fits_embedding),),
    "predictions": (Row(replicate.WIRE, replicate.fits),),
    "text/chat": (Row(watsonx.CHAT, watsonx.fits_chat),),
    "text/chat_stream": (Row(watsonx.CHAT, watsonx.fits_chat),),
    "text/generation": (Row(watsonx.GENERATION, watsonx.fits_generation),),
    "text/generation_stream": (Row(watsonx.GENERATION, watsonx.fits_generation),),
    "text/embeddings": (Row(watsonx.EMBEDDING, watsonx.fits_embedding),),
    "v1/speak": (Row(deepgram.SPEAK, deepgram.fits_speak),),
    "v1/listen": (Row(deepgram.LISTEN, deepgram.fits_listen),),
    "restart": (Row(mistral_agents.CONVERSATION, mistral_agents.fits_restart),),
    "classifications": (Row(mistral_classifications.WIRE, mistral_classifications.fits),),
}
"""By the end of the path: its last segment, its last two, what stands behind the last colon, or the segment before
the last one and a star; `models/*/*` is for paths that end with a model's name."""

FETCHES: Final[dict[str, Sequence[Row]]] = {
    "responses": (Row(openai_responses.FETCH, openai_responses.fits_fetch),),
    "interactions": (Row(gemini_interactions.FETCH, gemini_interactions.fits_fetch),),
    "predictions": (Row(replicate.FETCH, replicate.fits_fetch),),
}
"""For GET, by the segment before the id of what is fetched."""


def candidates(method: str, path: str) -> Sequence[Row]:
    """The rows that this path could mean; empty for all that is no LLM call. Cheap: it runs on every request."""
    if method == "POST":
        path = path.rstrip("/")
        cut = path.rfind("/")
        last = path[cut + 1 :]
        if rows := ROWS.get(path[path.rfind("/", 0, cut) + 1 :]):
            return rows
        if rows := ROWS.get(last):
            return rows
        colon = last.rfind(":")
        if colon >= 0:
            return ROWS.get(last[colon:], ())
        if rows := ROWS.get(f"{path[path.rfind('/', 0, cut) + 1 : cut]}/*"):
            return rows
        if "/models/" in path:
            return ROWS["models/*/*"]
    elif method == "GET":
        path = path.rstrip("/")
        cut = path.rfind("/")
        return FETCHES.get(path[path.rfind("/", 0, cut) + 1 : cut], ())
    return ()


def recognise(ask: Ask, rows: Sequence[Row]) -> Wire | None:
    """The protocol of a request whose body has been read."""
    for row in rows:
        if row.fits(ask):
            return row.wire
    return None
