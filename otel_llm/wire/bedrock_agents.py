"""Bedrock's agents and knowledge bases: a call of an agent, a retrieval, and an answer from what was retrieved.

An answer from a knowledge base is a `chat`: a model writes it, and the conventions give inference spans on Bedrock
the id of a knowledge base. Only an agent's trace, where it was asked for, says what its models used.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_InvokeAgent.html
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_RetrieveAndGenerate.html
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Retrieve.html
"""

from __future__ import annotations

import base64
import re
from typing import Final
from urllib.parse import unquote

from otel_llm.record import Json, Part, Request, Response, Usage, message, text, tool_call
from otel_llm.wire import take
from otel_llm.wire.bedrock_path import plain_model
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire

_AGENT: Final = re.compile(r"/agents/([^/]+)/agentAliases/[^/]+/sessions/([^/]+)/text/*$")
_BASE: Final = re.compile(r"/knowledgebases/([^/]+)/retrieve/*$")
_MAX_CALLS = 128


def fits_agent(ask: Ask) -> bool:
    """A session with an agent."""
    return isinstance(ask.body, dict) and _AGENT.search(ask.path) is not None


def fits_retrieve(ask: Ask) -> bool:
    """A question to a knowledge base."""
    return _BASE.search(ask.path) is not None and bool(take.mapping(ask.body, "retrievalQuery"))


def fits_generate(ask: Ask) -> bool:
    """A question that a model answers from what it is given."""
    return isinstance(take.mapping(ask.body, "input").get("text"), str)


def read_agent_request(ask: Ask, content: bool) -> Request:
    """A call of an agent; its id and the session's stand in the path."""
    found = _AGENT.search(ask.path)
    asked = take.string(ask.body, "inputText")
    return Request(
        operation="invoke_agent",
        provider="aws.bedrock",
        stream=bool(take.flag(take.mapping(ask.body, "streamingConfigurations"), "streamFinalResponse")),
        agent_id=unquote(found[1]) if found else None,
        conversation_id=unquote(found[2]) if found else None,
        input_messages=[message("user", [text(asked)] if asked else [])] if content else None,
    )


def read_agent_response(answer: Answer, request: Request, content: bool) -> Response:
    """What the agent said, or the tools that it hands back to its caller; of an end it says nothing."""
    body = answer.body
    calls = [part for one in take.items(body, "returnControl") for part in _returned(one)]
    said = take.string(body, "text")
    finish = "tool_call" if calls else None
    parts: list[Part] = ([text(said)] if said else []) + calls
    return Response(
        model=take.string(body, "model"),
        finish_reasons=[finish] if finish else None,
        usage=Usage(input=take.integer(body, "input"), output=take.integer(body, "output")),
        output_messages=[message("assistant", parts, finish)]
        if content and parts
        else []
        if content
        else None,
    )


def _returned(control: Json) -> list[Part]:
    """Functions and API operations that the caller must run, as tool calls of one invocation."""
    call_id = take.string(control, "invocationId")
    made: list[Part] = []
    for one in take.items(control, "invocationInputs"):
        wanted = take.mapping(one, "functionInvocationInput") or take.mapping(one, "apiInvocationInput")
        name = take.string(wanted, "function") or take.string(wanted, "apiPath") or ""
        given = {
            take.string(item, "name") or "": take.string(item, "value")
            for item in take.items(wanted, "parameters")
        }
        made.append(tool_call(call_id, name, given))
    return made


class AgentFold:
    """Frames of an agent's answer: its text in base64, traces of its models, control handed back."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._pieces: list[str] = []
        self._controls: list[Json] = []
        self._usage: dict[str, int] = {}
        self._model: str | None = None
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one frame."""
        if type(event) is not dict:
            return
        if name == "chunk":
            data = event.get("bytes")
            if self._content and type(data) is str and self._room > 0:
                try:
                    piece = base64.b64decode(data).decode("utf-8", "replace")
                except ValueError:
                    return
                self._room -= len(piece)
                self._pieces.append(piece)
        elif name == "returnControl":
            self._room -= len(str(event))
            if self._room > 0 and len(self._controls) < _MAX_CALLS:
                self._controls.append(event if self._content else {"invocationInputs": [{}]})
        elif name == "trace":
            self._trace(take.mapping(event, "trace"))

    def body(self) -> Json:
        """The answer so far."""
        return {
            "text": "".join(self._pieces),
            "returnControl": self._controls,
            "model": self._model,
            **self._usage,
        }

    def _trace(self, trace: dict[str, Json]) -> None:
        """Each call of a model has a trace of what went in, with the model's name, and one of what it used."""
        for stage in trace.values():
            asked = take.string(take.mapping(stage, "modelInvocationInput"), "foundationModel")
            if asked:
                self._model = plain_model(asked)
            metadata = take.mapping(take.mapping(stage, "modelInvocationOutput"), "metadata")
            for name, field in (("input", "inputTokens"), ("output", "outputTokens")):
                count = take.integer(take.mapping(metadata, "usage"), field)
                if count is not None:
                    self._usage[name] = self._usage.get(name, 0) + count


def read_retrieve_request(ask: Ask, content: bool) -> Request:
    """A question to a knowledge base, whose id stands in the path."""
    found = _BASE.search(ask.path)
    return Request(
        operation="retrieval",
        provider="aws.bedrock",
        knowledge_base_id=unquote(found[1]) if found else None,
        retrieval_top_k=_top_k(take.mapping(ask.body, "retrievalConfiguration")),
        guardrail_id=take.string(take.mapping(ask.body, "guardrailConfiguration"), "guardrailId"),
        retrieval_query=take.string(take.mapping(ask.body, "retrievalQuery"), "text") if content else None,
    )


def read_retrieve_response(answer: Answer, request: Request, content: bool) -> Response:
    """What was found, the best first."""
    found = [_document(one) for one in take.items(answer.body, "retrievalResults")]
    return Response(documents=found if content else None)


def _document(source: Json) -> Json:
    made: dict[str, Json] = {}
    location = take.mapping(source, "location")
    for place in location.values():
        for name in ("uri", "url", "id"):
            if address := take.string(place, name):
                made.setdefault("id", address)
    score = take.number(source, "score")
    if score is not None:
        made["score"] = score
    if said := take.string(take.mapping(source, "content"), "text"):
        made["content"] = said
    return made


def _top_k(configuration: Json) -> int | None:
    vectors = take.mapping(configuration, "vectorSearchConfiguration")
    managed = take.mapping(configuration, "managedSearchConfiguration")
    count = take.integer(vectors, "numberOfResults")
    return count if count is not None else take.integer(managed, "numberOfResults")


def read_generate_request(ask: Ask, content: bool) -> Request:
    """A question that a model answers from a knowledge base, or from documents that the caller names."""
    body = ask.body
    configured = take.mapping(body, "retrieveAndGenerateConfiguration")
    base = take.mapping(configured, "knowledgeBaseConfiguration")
    source = base or take.mapping(configured, "externalSourcesConfiguration")
    generation = take.mapping(source, "generationConfiguration")
    config = take.mapping(take.mapping(generation, "inferenceConfig"), "textInferenceConfig")
    model = take.string(source, "modelArn")
    asked = take.string(take.mapping(body, "input"), "text")
    return Request(
        operation="chat",
        model=plain_model(model) if model else None,
        provider="aws.bedrock",
        stream=ask.path.rstrip("/").endswith("Stream"),
        max_tokens=take.integer(config, "maxTokens"),
        temperature=take.number(config, "temperature"),
        top_p=take.number(config, "topP"),
        stop_sequences=take.strings(config, "stopSequences"),
        conversation_id=take.string(body, "sessionId"),
        knowledge_base_id=take.string(base, "knowledgeBaseId"),
        guardrail_id=take.string(take.mapping(generation, "guardrailConfiguration"), "guardrailId"),
        retrieval_top_k=_top_k(take.mapping(base, "retrievalConfiguration")),
        input_messages=[message("user", [text(asked)] if asked else [])] if content else None,
    )


def read_generate_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer, or its folded stream; the session is a new one where none was asked for."""
    body = answer.body
    said = take.string(take.mapping(body, "output"), "text")
    finish = "content_filter" if take.string(body, "guardrailAction") == "INTERVENED" else None
    messages = None
    if content:
        messages = [message("assistant", [text(said)], finish)] if said else []
    return Response(
        finish_reasons=[finish] if finish else None,
        conversation_id=take.string(body, "sessionId"),
        output_messages=messages,
    )


class GenerateFold:
    """Frames of an answer from a knowledge base: texts; its citations repeat them."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._pieces: list[str] = []
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one frame."""
        if type(event) is not dict:
            return
        if name == "output":
            self._top["output"] = {}
            piece = event.get("text")
            if self._content and type(piece) is str and self._room > 0:
                self._room -= len(piece)
                self._pieces.append(piece)
        elif name == "guardrail":
            self._top["guardrailAction"] = event.get("action")
        if value := event.get("sessionId"):
            self._top["sessionId"] = value

    def body(self) -> Json:
        """The answer so far."""
        made = dict(self._top)
        if "output" in made:
            made["output"] = {"text": "".join(self._pieces)}
        return made


AGENT: Final = Wire("bedrock_invoke_agent", "aws.bedrock", read_agent_request, read_agent_response, AgentFold)
RETRIEVE: Final = Wire("bedrock_retrieve", "aws.bedrock", read_retrieve_request, read_retrieve_response)
GENERATE: Final = Wire(
    "bedrock_retrieve_and_generate",
    "aws.bedrock",
    read_generate_request,
    read_generate_response,
    GenerateFold,
)
