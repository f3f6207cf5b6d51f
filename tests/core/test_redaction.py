from __future__ import annotations

import copy
import json
import logging
import string
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_llm import shield
from otel_llm.content import MAX_DEPTH, TOO_DEEP
from otel_llm.personal_data import IBAN_LENGTHS, luhn
from otel_llm.record import (
    Caller,
    CallRecord,
    Failure,
    Request,
    Response,
    file,
    message,
    reasoning,
    text,
    tool_call,
    tool_result,
    uri,
)
from otel_llm.redaction import FAILED, KINDS, Redactor, mark

ALL = Redactor(KINDS)

# Written in two pieces, so that no scanner takes them for real ones.
SK = "sk-" + "proj-Ab1_cdefGhijklmnopqrstuvwxyz0123456789"
ANT = "sk-" + "ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz-0123456789_AA"
AKIA = "AKIA" + "IOSFODNN7EXAMPLE"
GOOGLE = "AIza" + "SyA1234567890abcdefghijklmnopqrstuv"
GITHUB = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"
GITHUB_PAT = "github_pat_" + "11AAAAAAA0abcdefghijkl_ABCDEFGHIJKLMNOP"
SLACK = "xoxb-" + "123456789012-abcdefABCDEF"
STRIPE = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
HF = "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYz012345"
JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
)
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1234567890abcdef\n+/=abc\n-----END RSA PRIVATE KEY-----"
)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        pytest.param(f"use {SK} now", "use [REDACTED:api_key] now", id="OpenAI project key"),
        pytest.param("k=" + "sk-" + "a1" * 24, "k=[REDACTED:api_key]", id="OpenAI key"),
        pytest.param(f'"{ANT}"', '"[REDACTED:api_key]"', id="Anthropic key"),
        pytest.param(f"id {AKIA}.", "id [REDACTED:aws_key].", id="AWS key id"),
        pytest.param(f"ASIA{AKIA[4:]},", "[REDACTED:aws_key],", id="temporary AWS key id"),
        pytest.param(
            f"aws_secret_access_key = {AWS_SECRET}",
            "aws_secret_access_key = [REDACTED:secret]",
            id="AWS secret with its label",
        ),
        pytest.param(f"({GOOGLE})", "([REDACTED:google_key])", id="Google key"),
        pytest.param(f"{GITHUB} {GITHUB_PAT}", "[REDACTED:github_token] [REDACTED:github_token]", id="GitHub"),
        pytest.param(SLACK, "[REDACTED:slack_token]", id="Slack"),
        pytest.param(STRIPE, "[REDACTED:stripe_key]", id="Stripe"),
        pytest.param(f"\n{HF}\n", "\n[REDACTED:huggingface_token]\n", id="Hugging Face"),
        pytest.param(f"see {JWT}!", "see [REDACTED:jwt]!", id="JWT"),
        pytest.param(f"/x?t={JWT}&u=1", "/x?t=[REDACTED:jwt]&u=1", id="JWT in a query"),
        pytest.param(
            "Authorization: Bearer abcdefgh.ijkl/mnop+qrst==",
            "Authorization: Bearer [REDACTED:secret]",
            id="authorization header",
        ),
        pytest.param("bearer  " + "A1b2" * 6, "bearer  [REDACTED:bearer_token]", id="bearer alone"),
        pytest.param("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [REDACTED:secret]", id="basic"),
        pytest.param(f"a\n{PEM}\nb", "a\n[REDACTED:private_key]\nb", id="private key"),
        pytest.param(PEM[:80], "[REDACTED:private_key]", id="private key that was cut"),
        pytest.param("api_key=abcdef123456", "api_key=[REDACTED:secret]", id="label ="),
        pytest.param("X-API-Key: abcdef123456", "X-API-Key: [REDACTED:secret]", id="label in a header"),
        pytest.param('{"password": "hunter"}', '{"password": "[REDACTED:secret]"}', id="label in JSON"),
        pytest.param(
            '{\\"password\\": \\"hunter\\"}', '{\\"password\\": \\"[REDACTED:secret]\\"}', id="label in escaped JSON"
        ),
        pytest.param('passphrase: "correct horse battery"', 'passphrase: "[REDACTED:secret]"', id="blanks in quotes"),
        pytest.param("DB_PASSWORD=hunter2!", "DB_PASSWORD=[REDACTED:secret]", id="label in an environment"),
        pytest.param('os.environ["OPENAI_API_KEY"] = "abcdefgh"', 'os.environ["OPENAI_API_KEY"] = "[REDACTED:secret]"',
                     id="label in code"),
        pytest.param("token=abcdefghij0123456789", "token=[REDACTED:secret]", id="a long token"),
        pytest.param("access_token: ab12cd34", "access_token: [REDACTED:secret]", id="a labelled token"),
        pytest.param(
            "postgres://me:s3cr3t@db.example.com/x", "postgres://me:[REDACTED:password]@db.example.com/x", id="in a URL"
        ),
        pytest.param("postgres://me:p@ss@db/x", "postgres://me:[REDACTED:password]@db/x", id="an @ in a password"),
        pytest.param("to joe.o'neil+x@mail.example.co.uk.", "to [REDACTED:email].", id="e-mail"),
        pytest.param("<joe@example.com>", "<[REDACTED:email]>", id="e-mail in brackets"),
        pytest.param("'joe@example.com'", "'[REDACTED:email]'", id="e-mail in quotes"),
        pytest.param("jörg@exämple.de", "[REDACTED:email]", id="e-mail of another script"),
        pytest.param("日本joe@example.com", "[REDACTED:email]", id="e-mail without a blank before it"),
        pytest.param("mailto:joe@example.com?x", "mailto:[REDACTED:email]?x", id="e-mail address as URL"),
        pytest.param("call +49 30 901820 now", "call [REDACTED:phone] now", id="phone with a country code"),
        pytest.param("+4915112345678", "[REDACTED:phone]", id="phone without blanks"),
        pytest.param("+1 (415) 555-2671", "[REDACTED:phone]", id="American phone with a country code"),
        pytest.param("+1\u00a0415\u2011555\u20112671", "[REDACTED:phone]", id="typographic blanks and hyphens"),
        pytest.param("(415) 555-2671", "[REDACTED:phone]", id="American phone"),
        pytest.param("415-555-2671 x4", "[REDACTED:phone] x4", id="with hyphens"),
        pytest.param("tel:+1-201-555-0123;", "tel:[REDACTED:phone];", id="as URL"),
        pytest.param("1-800-555-0199", "[REDACTED:phone]", id="with the long-distance one"),
        pytest.param("0044 20 7946 0958", "[REDACTED:phone]", id="dialled abroad"),
        pytest.param("Visa 4111 1111 1111 1111 ok", "Visa [REDACTED:card] ok", id="card"),
        pytest.param("4111111111111111", "[REDACTED:card]", id="card without blanks"),
        pytest.param("4111-1111-1111-1111 123", "[REDACTED:card] 123", id="card and code"),
        pytest.param("1 4111 1111 1111 1111", "1 [REDACTED:card]", id="card behind a number"),
        pytest.param("3782 822463 10005", "[REDACTED:card]", id="American Express"),
        pytest.param("5555555555554444;", "[REDACTED:card];", id="Mastercard"),
        pytest.param("DE89 3704 0044 0532 0130 00 and", "[REDACTED:iban] and", id="IBAN"),
        pytest.param("DE89370400440532013000", "[REDACTED:iban]", id="IBAN without blanks"),
        pytest.param("gb82 west 1234 5698 7654 32.", "[REDACTED:iban].", id="IBAN with letters"),
        pytest.param("12 NL91 ABNA 0417 1643 00", "12 [REDACTED:iban]", id="IBAN behind a number"),
    ],
)  # fmt: skip
def test_what_is_secret_or_personal_is_replaced_by_a_mark(said: str, kept: str) -> None:
    assert ALL.known(said) == kept
    assert ALL.known(kept) == kept


@pytest.mark.parametrize(
    "said",
    [
        "",
        "hello",
        "The tokens: 1234567890123456 of them, and the key: value pairs.",
        "sk-learn is a library, and so is sk-image-toolbox-for-everyone",
        "task-1234567890123456789 and risk-2024-10-11-12-13-14",
        "max_tokens=4096, top_k=40, key=primary_identifier_2",
        "password: required. Your secret is safe; passwords: see below",
        "def login(password=None, api_key=settings.key): ...",
        "secretary: Mr. Smith12",
        "compass=123456 passenger_count: 12345678",
        "0.4111111111111111 and 4111111111111112 and a4111111111111111",
        "550e8400-e29b-41d4-a716-446655440000",
        "2024-01-15T10:30:00.123456Z, 2024-01-15 10:30:00 +0000",
        "192.168.100.200 and 10.0.0.1:8080 and 255.255.255.0",
        "+3.14159265358979 or +10000000 or -12345678",
        "100 200 3000 400 500 6000",
        "212 555 1234",
        "DE89 3704 0044 0532 0130 01",
        "XX89370400440532013000",
        "@app.route and user@localhost and pkg@1.2.3 and @scope/name",
        "see http://example.com:8080/a?b=c#d and git@ and a://b",
        "eyJ is how tokens begin. eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9 alone is none",
        "1234567890 12345678901 123456789012",
        "ISBN 978-3-16-148410-0, order 4000-1234-567",
        "a bearer of good news and a very_long_identifier_name_in_code",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEA1234567890abcdef\n-----END CERTIFICATE-----",
    ],
)
def test_what_only_looks_alike_is_kept(said: str) -> None:
    assert ALL.known(said) is said


@pytest.mark.parametrize(
    ("kind", "said"),
    [("secrets", SK), ("jwt", JWT), ("email", "joe@example.com"), ("phone", "+1 415 555 2671"),
     ("card", "4111111111111111"), ("iban", "DE89370400440532013000")],
)  # fmt: skip
def test_only_what_is_asked_for_is_redacted(kind: str, said: str) -> None:
    assert said not in Redactor([kind]).known(f"x {said} y")
    others = Redactor([one for one in KINDS if one != kind])
    assert others.known(f"x {said} y") == f"x {said} y"
    assert Redactor().known(f"x {said} y") == f"x {said} y"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no redaction of names, teeth; there are secrets, jwt"):
        Redactor(["teeth", "email", "names"])


@pytest.mark.parametrize(
    "number",
    ["4012888888881881", "371449635398431", "30569309025904", "6011111111111117", "3530111333300000"],
)
def test_cards_of_all_issuers_are_found_with_any_separator(number: str) -> None:
    assert luhn(number)
    assert ALL.known(number) == mark("card")
    assert ALL.known(number[:-1] + str((int(number[-1]) + 1) % 10)) != mark("card")
    if len(number) == 16:
        for sign in " -.\u00a0":
            assert ALL.known(sign.join(number[i : i + 4] for i in range(0, 16, 4))) == mark("card")


@given(st.sampled_from(sorted(IBAN_LENGTHS)), st.data())
def test_accounts_of_all_countries_are_found_by_their_check_digits(country: str, data: st.DataObject) -> None:
    body = data.draw(
        st.text(string.digits, min_size=IBAN_LENGTHS[country] - 4, max_size=IBAN_LENGTHS[country] - 4)
    )
    number = int("".join(str(int(sign, 36)) for sign in body + country + "00"))
    right = country + f"{98 - number % 97:02}" + body
    wrong = country + f"{(98 - number % 97) % 97 + 1:02}" + body
    only = Redactor(["iban"])
    assert only.known(f"to {right} please") == "to [REDACTED:iban] please"
    grouped = " ".join(right[i : i + 4] for i in range(0, len(right), 4))
    assert only.known(f"to {grouped}, please") == "to [REDACTED:iban], please"
    if int("".join(str(int(sign, 36)) for sign in body + wrong[:4])) % 97 != 1:
        assert only.known(f"to {wrong} please") == f"to {wrong} please"


# Whole records.


CANARIES = [SK, JWT, "canary@example.com", "+49 30 901820", "4111 1111 1111 1111", "DE89370400440532013000"]


def record(secret: str) -> CallRecord:
    """A record that says the secret in every place where content can stand."""
    parts: list[dict[str, Any]] = [
        text(f"a {secret} b"),
        reasoning(secret),
        tool_call("call_1", "look_up", {"q": secret, secret: [1, {"deep": [secret]}], "n": 12345678}),
        tool_call("call_2", "raw", f"not json {secret}"),
        tool_result("call_1", {"rows": [[secret]], "ok": True}),
        tool_result("call_2", f'{{"x": "{secret}"}}'),
        uri("image", f"https://example.com/?who={secret}"),
        file("document", f"file-{secret}"),
        {"type": "odd", "anything": {"at": [secret]}},
    ]
    return CallRecord(
        id="1",
        provider="openai",
        request=Request(
            operation="chat",
            input_messages=[{"role": "user", "parts": parts, "name": secret}],
            system_instructions=[text(secret)],
            tool_definitions=[
                {
                    "type": "function",
                    "name": "look_up",
                    "description": secret,
                    "parameters": {
                        "type": "object",
                        "properties": {"password": {"type": "string", "description": f"not {secret}"}},
                        "required": ["password"],
                    },
                }
            ],
            retrieval_query=secret,
        ),
        response=Response(
            output_messages=[message("assistant", parts, "stop")],
            documents=[{"id": "7", "score": 0.5, "text": secret}],
            system_instructions=[text(secret)],
            tool_definitions=[{"type": "function", "name": "f", "description": secret}],
            failure=Failure("invalid_api_key", f"Incorrect key: {secret}"),
        ),
        start_ns=1,
        end_ns=2,
        caller=Caller(
            user="joe@example.com",
            tags=("plain", f"tag {secret}"),
            metadata={
                "who": secret,
                "deep": {"list": [secret]},
                "raw": secret.encode(),
                "count": 3,
                "pair": (secret,),
            },
            prompt_variables={"name": secret},
        ),
        raw_request=f"curl -d '{secret}'",
    )


def shown(record: CallRecord) -> str:
    return repr(msgspec.structs.replace(record, caller=msgspec.structs.replace(record.caller, user=None)))


@pytest.mark.parametrize("secret", CANARIES)
def test_a_secret_survives_in_no_place_of_a_record(secret: str) -> None:
    before = record(secret)
    untouched = copy.deepcopy(before)
    after = ALL(before)
    assert secret in shown(before)
    assert secret not in shown(after)
    assert before == untouched
    assert ALL(after) is after
    msgspec.json.encode(after)


def test_the_shape_of_a_message_is_kept() -> None:
    after = ALL(record("canary@example.com"))
    assert after.request.input_messages is not None
    (said,) = after.request.input_messages
    assert [part["type"] for part in said["parts"]] == [
        "text", "reasoning", "tool_call", "tool_call", "tool_call_response", "tool_call_response", "uri", "file", "odd",
    ]  # fmt: skip
    call = said["parts"][2]
    assert (call["id"], call["name"]) == ("call_1", "look_up")
    assert call["arguments"] == {
        "q": mark("email"),
        mark("email"): [1, {"deep": [mark("email")]}],
        "n": 12345678,
    }
    assert after.request.tool_definitions == [
        {
            "type": "function",
            "name": "look_up",
            "description": mark("email"),
            "parameters": {
                "type": "object",
                "properties": {"password": {"type": "string", "description": "not [REDACTED:email]"}},
                "required": ["password"],
            },
        }
    ]
    assert after.response.failure == Failure("invalid_api_key", "Incorrect key: [REDACTED:email]")
    assert after.caller.user == "joe@example.com"
    assert after.raw_request == "curl -d '[REDACTED:email]'"


def test_a_clean_record_is_the_same_record() -> None:
    clean = record("nothing special")
    assert ALL(clean) is clean
    assert Redactor(KINDS, lambda text: text)(clean) is clean


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("password", "x", mark("secret")),
        ("api_key", "short", mark("secret")),
        ("apiKey", "short", mark("secret")),
        ("userPassword", "short", mark("secret")),
        ("x-api-key", ["one", "two"], [mark("secret"), mark("secret")]),
        ("client_secret", {"any": "thing"}, {"any": "thing"}),
        ("access_token", "t", mark("secret")),
        ("Authorization", "Token t", mark("secret")),
        ("password", "", ""),
        ("password", 1234, 1234),
        ("token", "Paris", "Paris"),
        ("key", "value", "value"),
        ("max_tokens", "12", "12"),
        ("monkey", "banana", "banana"),
        ("secretary", "Smith", "Smith"),
    ],
)
def test_a_key_that_says_secret_makes_its_value_one(key: str, value: Any, kept: Any) -> None:
    before = CallRecord(
        id="1",
        provider="p",
        request=Request(
            operation="chat", input_messages=[message("assistant", [tool_call("1", "f", {key: value})])]
        ),
        response=Response(),
        start_ns=0,
        end_ns=0,
    )
    after = Redactor(["secrets"])(before)
    assert after.request.input_messages is not None
    assert after.request.input_messages[0]["parts"][0]["arguments"] == {key: kept}


def test_keys_that_become_one_are_told_apart() -> None:
    before = msgspec.structs.replace(
        record("x"), caller=Caller(metadata={"a@example.com": 1, "b@example.com": 2, "[REDACTED:email]": 3})
    )
    metadata = ALL(before).caller.metadata
    assert sorted(metadata.values()) == [1, 2, 3]
    assert all(key.startswith("[REDACTED:email]") for key in metadata)


def test_the_user_s_function_gets_all_texts_without_the_known_secrets_but_no_names() -> None:
    seen: list[str] = []

    def function(text: str) -> str:
        seen.append(text)
        return "***"

    after = Redactor(["email"], function)(record("canary@example.com"))
    assert "canary@example.com" not in seen
    assert mark("email") in seen
    assert not {"user", "text", "call_1", "look_up", "stop", "function", "object"} & set(seen)
    assert after.request.input_messages is not None
    (said,) = after.request.input_messages
    assert said["role"] == "user"
    assert said["parts"][0] == text("***")
    assert said["parts"][2]["arguments"]["q"] == "***"
    assert after.request.retrieval_query == "***"
    assert after.caller.tags == ("***", "***")


@pytest.mark.parametrize("wrong", [ValueError("canary-text"), RecursionError(), None, 7, b"bytes"])
def test_a_function_that_fails_leaks_nothing_and_is_reported_once(
    wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def function(said: str) -> str:
        if "canary-text" not in said:
            return said
        if isinstance(wrong, Exception):
            raise wrong
        return wrong  # type: ignore[no-any-return]  # what a user may do wrong

    shield.troubles.clear()
    with caplog.at_level(logging.WARNING):
        after = Redactor((), function)(record("canary-text"))
    keyless = after.request.input_messages
    assert keyless is not None
    assert keyless[0]["parts"][0] == text(FAILED)
    assert keyless[0]["parts"][2]["arguments"]["q"] == FAILED
    assert after.raw_request == FAILED
    assert len(caplog.records) == 1
    assert "canary-text" not in caplog.text
    assert sum(shield.troubles.values()) > 5


def test_an_interrupt_in_the_user_s_function_is_not_ours_to_stop() -> None:
    def function(_: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Redactor((), function)(record("x"))


def test_deep_nesting_is_cut_and_not_walked() -> None:
    deep: Any = SK
    for _ in range(900):
        deep = {"in": [deep]}
    before = msgspec.structs.replace(record("x"), caller=Caller(metadata={"deep": deep}))
    shallow = ALL(before).caller.metadata
    assert SK not in json.dumps(shallow)
    assert TOO_DEEP in json.dumps(shallow, ensure_ascii=False)
    assert json.dumps(shallow).count("in") <= MAX_DEPTH


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(JSON, st.sampled_from(CANARIES), st.text(max_size=20), st.text(max_size=20))
def test_a_secret_in_any_json_is_found_and_all_else_is_kept(
    around: Any, secret: str, before: str, after: str
) -> None:
    said = {"around": around, "here": [f"{before} {secret} {after}"]}
    whole = CallRecord(
        id="1",
        provider="p",
        request=Request(operation="chat", input_messages=[message("tool", [tool_result("1", said)])]),
        response=Response(),
        start_ns=0,
        end_ns=0,
    )
    untouched = copy.deepcopy(said)
    made = ALL(whole)
    assert said == untouched
    assert made.request.input_messages is not None
    result = made.request.input_messages[0]["parts"][0]["response"]
    assert secret not in json.dumps(result, ensure_ascii=False)
    assert ALL(made) == made


@settings(deadline=None)
@given(st.text())
def test_redaction_of_any_text_ends_and_is_idempotent(said: str) -> None:
    once = ALL.known(said)
    assert ALL.known(once) == once


MEGABYTE = 1 << 20
HOSTILE = ["a", " ", "1", "é", "日1", "sk-", "eyJ", "eyJhbGciOiJub25lIn0.", "@", "a@", "a.b@", "1 ", "4111 ", "+1", "pass",
           "apikey=", "apikey:", "password=a ", 'password="', "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "bearer ",
           "Bearer aaaaaaaaaaaaaaaaa ", "://a:b@", "://", "DE89 ", "DE8937040044", "ghp_", "authorization: ", "415-",
           "(415) ", 'secret="\\', "token:", "key=", "\ud800", "--------", "?1", "AKIA", "00 ", "+49 "]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_megabyte_takes_no_minutes(piece: str) -> None:
    start = time.thread_time()
    ALL.known(piece * (MEGABYTE // len(piece)))
    # What is quadratic takes hours for this, what is linear about a second; how fast it is, benchmarks tell.
    assert time.thread_time() - start < 30
