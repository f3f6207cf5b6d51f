"""A fast provider for benchmarks: chat completions, plain and streamed, over plain asyncio.

    python benchmarks/upstream.py --port 9000

The prompt says what is wanted: `[[chunks=100]]` gives a stream of 100 chunks. Answers are made once and sent again.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import re

_CHUNKS = re.compile(rb"\[\[chunks=(\d+)\]\]")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_USAGE = {
    "prompt_tokens": 250,
    "completion_tokens": 100,
    "total_tokens": 350,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
_HEAD = {
    "id": "chatcmpl-bench",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "system_fingerprint": "fp_bench",
}


@functools.cache
def answer() -> bytes:
    """A whole completion, as an HTTP response."""
    message = {"role": "assistant", "content": "All is well. " * 40, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = {
        **_HEAD,
        "object": "chat.completion",
        "choices": [choice],
        "usage": _USAGE,
        "service_tier": "default",
    }
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        len(data),
        data,
    )


@functools.cache
def stream(chunks: int) -> list[bytes]:
    """A streamed completion: the head, then one HTTP chunk an event."""
    deltas = [{"role": "assistant", "content": ""}, *({"content": " well"} for _ in range(chunks - 2)), {}]
    events = [
        {
            **_HEAD,
            "object": "chat.completion.chunk",
            "choices": [
                {
                    "index": 0,
                    "delta": d,
                    "logprobs": None,
                    "finish_reason": "stop" if i == chunks - 1 else None,
                }
            ],
            "usage": None,
        }
        for i, d in enumerate(deltas)
    ]
    events.append({**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
    texts = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events] + [b"data: [DONE]\n\n"]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return [head, *(b"%x\r\n%s\r\n" % (len(text), text) for text in texts), b"0\r\n\r\n"]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, kept alive."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length.group(1))) if length else b""
            if b'"stream":true' in body or b'"stream": true' in body:
                wanted = _CHUNKS.search(body)
                for piece in stream(int(wanted.group(1)) if wanted else 100):
                    writer.write(piece)
                    await asyncio.sleep(0)  # a write of its own each, as a provider's chunks arrive
            else:
                writer.write(answer())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=9000)
    server = await asyncio.start_server(serve, "127.0.0.1", parser.parse_args().port)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
