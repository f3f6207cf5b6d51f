"""Forked children: each call is exported once, by the process that made it, and none is lost at a normal end."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest

from tests.end_to_end.otlp import Collector
from tests.end_to_end.programs import Bench

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PRELUDE = """
import os, sys, time, warnings
import httpx
warnings.simplefilter("ignore")

def call(user):
    question = {"model": "gpt-4o-mini", "user": user, "messages": [{"role": "user", "content": "hi"}]}
    return httpx.post("http://api.openai.com/v1/chat/completions", json=question).status_code
"""
FORK = """
call("before")
child = os.fork()
if child == 0:
    call("child")
    sys.exit(0)
os.waitpid(child, 0)
call("after")
"""
PROCESS = """
import multiprocessing
if __name__ == "__main__":
    call("before")
    context = multiprocessing.get_context("%s")
    children = [context.Process(target=call, args=(f"child {number}",)) for number in range(2)]
    for one in children:
        one.start()
    for one in children:
        one.join()
    call("after")
"""
POOL = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        print(list(pool.map(call, ["child 0", "child 1"])))
    pool = context.Pool(1)
    print(pool.map(call, ["pooled"]))
    pool.close()
    pool.join()
"""
OPEN_STREAM = """
question = {"model": "gpt-5", "user": "stream", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
client = httpx.Client()
request = client.build_request("POST", "http://api.openai.com/v1/chat/completions", json=question)
response = client.send(request, stream=True)
chunks = response.iter_raw()
next(chunks)
child = os.fork()
if child == 0:
    call("child")
    sys.exit(0)
os.waitpid(child, 0)
for chunk in chunks:
    pass
"""
NESTED = """
import multiprocessing

def child():
    call("child")
    inner = os.fork()
    if inner == 0:
        call("grandchild")
        sys.exit(0)
    os.waitpid(inner, 0)

if __name__ == "__main__":
    one = multiprocessing.get_context("fork").Process(target=child)
    one.start()
    one.join()
"""


@pytest.mark.parametrize(
    ("code", "users"),
    [
        pytest.param(FORK, ["before", "child", "after"], id="os.fork"),
        pytest.param(PROCESS % "fork", ["before", "child 0", "child 1", "after"], id="multiprocessing fork"),
        pytest.param(
            PROCESS % "spawn", ["before", "child 0", "child 1", "after"], id="multiprocessing spawn"
        ),
        pytest.param(
            PROCESS % "forkserver", ["before", "child 0", "child 1", "after"], id="multiprocessing forkserver"
        ),
        pytest.param(POOL, ["child 0", "child 1", "pooled"], id="pools"),
        pytest.param(OPEN_STREAM, ["stream", "child"], id="a stream open at the fork"),
        pytest.param(NESTED, ["child", "grandchild"], id="a fork of a fork"),
    ],
)
@pytest.mark.parametrize("destination", ["otlp", "sqlite"])
def test_every_call_of_a_forking_program_is_exported_once(
    bench: Bench, collector: Collector, code: str, users: list[str], destination: str
) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint} if destination == "otlp" else {}
    done = bench.run(PRELUDE + code, env)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    if destination == "otlp":
        seen = [span.attributes.get("user.id") for span in collector.calls]
    else:
        seen = [record.caller.user for record in bench.store.calls()]
    assert Counter(seen) == Counter(users)


def test_sigterm_kills_as_it_would_without_us(bench: Bench) -> None:
    done = bench.run(
        PRELUDE + 'call("x")\nimport signal\nos.kill(os.getpid(), signal.SIGTERM)\nprint("alive")\n'
    )
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")


def test_a_handler_of_the_program_still_ends_it_cleanly(bench: Bench) -> None:
    code = """
    import signal
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    call("x")
    os.kill(os.getpid(), signal.SIGTERM)
    """
    import textwrap

    done = bench.run(PRELUDE + textwrap.dedent(code))
    assert done.returncode == 7
    assert len(bench.store.calls()) == 1
