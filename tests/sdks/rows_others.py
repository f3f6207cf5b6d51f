"""The SDKs of Mistral, Google, Cohere, Groq, Together, Ollama, Hugging Face and Voyage, and Bedrock's of AWS."""

from __future__ import annotations

import importlib
import json
from typing import Any, Final
from urllib.parse import unquote

from tests.corpus import Recording
from tests.sdks import said
from tests.sdks.calls import Place, Row, Sdk, close_itself, known
from tests.sdks.rows_openai import CHAT, KEY, stainless, unstreamed


def _mistral(place: Place) -> Any:
    httpx2: Any = importlib.import_module("httpx2")
    sdk: Any = importlib.import_module("mistralai.client")
    return sdk.Mistral(
        api_key="test",
        server_url=place.base,
        client=httpx2.Client(verify=False),
        async_client=httpx2.AsyncClient(verify=False),
    )


def _close_mistral(client: Any, asynchronous: bool) -> Any:
    used = client.sdk_configuration
    return used.async_client.aclose() if asynchronous else used.client.close()


def _ollama(place: Place) -> Any:
    sdk: Any = importlib.import_module("ollama")
    return sdk.Client(place.base, verify=False)


def _async_ollama(place: Place) -> Any:
    sdk: Any = importlib.import_module("ollama")
    return sdk.AsyncClient(place.base, verify=False)


def _cohere(place: Place) -> Any:
    httpx: Any = importlib.import_module("httpx")
    sdk: Any = importlib.import_module("cohere")
    return sdk.Client("test", base_url=place.base, httpx_client=httpx.Client(verify=False))


def _async_cohere(place: Place) -> Any:
    httpx: Any = importlib.import_module("httpx")
    sdk: Any = importlib.import_module("cohere")
    return sdk.AsyncClient("test", base_url=place.base, httpx_client=httpx.AsyncClient(verify=False))


def _close_cohere(client: Any, asynchronous: bool) -> Any:
    return close_itself(client._client_wrapper.httpx_client.httpx_client, asynchronous)


def _voyage(place: Place) -> Any:
    sdk: Any = importlib.import_module("voyageai")
    return sdk.Client(api_key="test", base_url=place.base)


def _async_voyage(place: Place) -> Any:
    sdk: Any = importlib.import_module("voyageai")
    return sdk.AsyncClient(api_key="test", base_url=place.base)


def _hugging_face(place: Place) -> Any:
    sdk: Any = importlib.import_module("huggingface_hub")
    return sdk.InferenceClient(base_url=place.base, token="test")


def _async_hugging_face(place: Place) -> Any:
    sdk: Any = importlib.import_module("huggingface_hub")
    return sdk.AsyncInferenceClient(base_url=place.base, token="test")


def _close_hugging_face(client: Any, asynchronous: bool) -> Any:
    sdk: Any = importlib.import_module("huggingface_hub")
    return client.close() if asynchronous else sdk.close_session()


def _endpoint(place: Place) -> Any:
    """A model that has a host of its own answers at any path, so that a name in the path would be no stranger."""
    sdk: Any = importlib.import_module("huggingface_hub")
    url = place.url.replace(f"/{place.id}", "")
    return sdk.InferenceClient(base_url=url, token="test", headers={"x-replay-id": place.id})


def _async_endpoint(place: Place) -> Any:
    sdk: Any = importlib.import_module("huggingface_hub")
    url = place.url.replace(f"/{place.id}", "")
    return sdk.AsyncInferenceClient(base_url=url, token="test", headers={"x-replay-id": place.id})


def _bedrock(place: Place, service: str = "bedrock-runtime") -> Any:
    boto3: Any = importlib.import_module("boto3")
    config: Any = importlib.import_module("botocore.config")
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=place.base,
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="secret",
        config=config.Config(retries={"total_max_attempts": 1}),
    )


def _bedrock_agent(place: Place) -> Any:
    return _bedrock(place, "bedrock-agent-runtime")


MISTRAL: Final = Sdk("mistralai", _mistral, _mistral, "mistral_ai", "_async", close=_close_mistral)
OLLAMA: Final = Sdk("ollama", _ollama, _async_ollama, "ollama")
COHERE: Final = Sdk("cohere", _cohere, _async_cohere, "cohere", close=_close_cohere)
VOYAGE: Final = Sdk("voyageai", _voyage, _async_voyage, "voyage_ai")
HUGGING_FACE: Final = Sdk("huggingface_hub", _hugging_face, _async_hugging_face, close=_close_hugging_face)
ENDPOINT: Final = Sdk(
    "huggingface_hub", _endpoint, _async_endpoint, "huggingface", close=_close_hugging_face, by="/endpoint"
)
BEDROCK: Final = Sdk("boto3", _bedrock, None, "aws.bedrock")
BEDROCK_AGENT: Final = Sdk("boto3", _bedrock_agent, None, "aws.bedrock", by="/agent")
GROQ: Final = stainless("groq", ("Groq", "AsyncGroq"), **KEY)
TOGETHER: Final = stainless("together", ("Together", "AsyncTogether"), **KEY)


def _streams(recording: Recording) -> bool:
    return recording.stream


def _whole(recording: Recording) -> bool:
    return not recording.stream


def _embedded(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"model": body["model"], "inputs": body["input"]}


def _middle(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"model": "codestral-latest", "prompt": "def f(", "suffix": "return a + b"}


def _spoken(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    """Ollama streams unless told not to; its SDK does not unless told to."""
    return {**known(method, body, place, recording), "stream": recording.stream}


def _online(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    """Cohere's SDK would rather fetch the tokenizer."""
    return {**body, "offline": False}


def _texts(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return known(method, {**body, "texts": body["input"]}, place, recording)


def _modelled(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    """Bedrock's SDK takes the model as an argument."""
    return {"modelId": unquote(place.names["model"]), **body}


def _opaque(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"modelId": unquote(place.names["model"]), "body": json.dumps(body)}


_MISTRALS: Final = ("/v1/chat/completions", "chat", said.chat)


def _of_mistral(recording: Recording) -> bool:
    return recording.provider == "mistral" and not recording.stream


def _streamed_by_mistral(recording: Recording) -> bool:
    return recording.provider == "mistral" and recording.stream


def _of_groq(recording: Recording) -> bool:
    """Its SDK leaves a stream open that fails on its way; that has a test of its own."""
    return recording.provider == "groq" and "in_body_error" not in recording.features


def _of_together(recording: Recording) -> bool:
    return recording.provider == "together"


def _of_hugging_face(recording: Recording) -> bool:
    return recording.provider == "huggingface"


def _of_voyage(recording: Recording) -> bool:
    return recording.provider == "voyage"


def _of_cohere(recording: Recording) -> bool:
    return recording.provider == "cohere"


def _whole_and_known(recording: Recording) -> bool:
    """Older SDKs sent what this one does not know."""
    return not recording.stream and b"num_generations" not in recording.request_body


def _whole_json(recording: Recording) -> bool:
    """One recorded request was broken on purpose."""
    return b'"promptVariables": {"leo"' not in recording.request_body


def _chats(recording: Recording) -> bool:
    """Claude's; other models are read by the same hook, and by decoders that have their own tests."""
    return b'"anthropic_version"' in recording.request_body


def _completes(recording: Recording) -> bool:
    return b'"max_tokens_to_sample"' in recording.request_body


def _generate(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return known(method, {"prompt": body["inputs"], **body["parameters"]}, place, recording)


def _generates(recording: Recording) -> bool:
    return recording.provider == "huggingface" and recording.operation == "text_generation"


def _agent(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {**place.names, **body}


def _as_agent(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"agent_id": "ag_1", "messages": body["messages"]}


_AGENT: Final = (
    "/agents/(?P<agentId>[^/]+)/agentAliases/(?P<agentAliasId>[^/]+)/sessions/(?P<sessionId>[^/]+)/text"
)
_MODEL: Final = "/model/(?P<model>[^/]+)"

ROWS: Final = (
    Row(MISTRAL, "chat.complete", *_MISTRALS, where=_of_mistral),
    Row(MISTRAL, "chat.stream", *_MISTRALS, where=_streamed_by_mistral),
    Row(
        MISTRAL,
        "embeddings.create",
        "/v1/embeddings",
        "embeddings",
        said.embeddings,
        _embedded,
        lambda r: r.provider == "mistral",
    ),
    Row(MISTRAL, "ocr.process", "/v1/ocr", "ocr", said.ocr),
    Row(MISTRAL, "fim.complete", "/v1/chat/completions", "text_completion", said.chat, _middle, _of_mistral),
    Row(GROQ, "chat.completions.create", "/openai/v1/chat/completions", "chat", said.chat, where=_of_groq),
    Row(TOGETHER, "chat.completions.create", *CHAT, where=_of_together),
    Row(HUGGING_FACE, "chat_completion", *CHAT, where=_of_hugging_face),
    Row(ENDPOINT, "text_generation", "", "text_completion", said.text_generation, _generate, _generates),
    Row(MISTRAL, "agents.complete", _MISTRALS[0], "invoke_agent", said.chat, _as_agent, _of_mistral),
    Row(MISTRAL, "agents.stream", _MISTRALS[0], "invoke_agent", said.chat, _as_agent, _streamed_by_mistral),
    Row(BEDROCK_AGENT, "invoke_agent", _AGENT, "invoke_agent", said.nothing, _agent),
    Row(BEDROCK_AGENT, "retrieve_and_generate", "/retrieveAndGenerate", "chat", said.nothing, _agent),
    Row(OLLAMA, "chat", "/api/chat", "chat", said.ollama, _spoken),
    Row(OLLAMA, "generate", "/api/generate", "text_completion", said.ollama, _spoken),
    Row(OLLAMA, "embed", "/api/embed", "embeddings", said.ollama),
    Row(COHERE, "v2.chat", "/v2/chat", "chat", said.cohere, unstreamed, _whole),
    Row(COHERE, "v2.chat_stream", "/v2/chat", "chat", said.cohere, unstreamed, _streams),
    Row(COHERE, "v2.embed", "/v2/embed", "embeddings", said.cohere_embed),
    Row(COHERE, "v2.rerank", "/v2/rerank", "rerank", said.rerank),
    Row(COHERE, "chat", "/v1/chat", "chat", said.cohere, unstreamed, _whole_and_known),
    Row(COHERE, "chat_stream", "/v1/chat", "chat", said.cohere, unstreamed, _streams),
    Row(COHERE, "generate", "/v1/generate", "text_completion", said.cohere, where=_of_cohere),
    Row(COHERE, "tokenize", "/v1/tokenize", "", said.nothing, _online, spans=0),
    Row(VOYAGE, "embed", "/embeddings", "embeddings", said.embeddings, _texts, _of_voyage),
    Row(VOYAGE, "rerank", "/rerank", "rerank", said.rerank, where=_of_voyage),
    Row(BEDROCK, "converse", f"{_MODEL}/converse", "chat", said.converse, _modelled, _whole_json),
    Row(BEDROCK, "converse_stream", f"{_MODEL}/converse-stream", "chat", said.converse, _modelled),
    Row(BEDROCK, "invoke_model", f"{_MODEL}/invoke", "chat", said.invoke, _opaque, _chats),
    Row(BEDROCK, "invoke_model", f"{_MODEL}/invoke", "text_completion", said.invoke, _opaque, _completes),
    Row(
        BEDROCK,
        "invoke_model_with_response_stream",
        f"{_MODEL}/invoke-with-response-stream",
        "chat",
        said.invoke,
        _opaque,
        _chats,
    ),
    Row(BEDROCK, "count_tokens", f"{_MODEL}/count-tokens", "", said.nothing, _modelled, spans=0),
)
