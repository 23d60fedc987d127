"""The embedded reader: it quotes what is there, says that no model was asked, and invents nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.context import Citation, File, citations, render
from penstock.errors import Rejected
from penstock.providers.dialects import dialect
from penstock.providers.embedded import EXTRACTIVE, SLOW, EmbeddedReader
from penstock.providers.port import Provider
from penstock.values import Call, Reply

AUTH = File(
    "src/auth.py",
    'def check_token(token):\n    """Check a session token."""\n    if not token.valid:\n        raise Refused\n',
)
DOOR = File("src/door.py", "def shut(door):\n    door.open = False\n", 120)
FILES = render([AUTH, DOOR])
QUESTION = "Where is the session token checked?"


def words(text: str) -> int:
    return len(text.split())


READER: Provider = EmbeddedReader(count=words)


def user(*texts: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text} for text in texts]


def send(messages: Any, **fields: Any) -> bytes:
    body = msgspec.json.encode({"model": "embedded", "messages": messages, **fields})
    call = Call.parse(body, dialect="openai", provider="embedded", origin=READER.origin)

    async def run() -> bytes:
        async with READER.send(call) as answer:
            return b"".join([chunk async for chunk in answer.chunks])

    return asyncio.run(run())


def ask(messages: Any, **fields: Any) -> Reply:
    return dialect("openai").reply(send(messages, **fields), streamed=fields.get("stream") is True)


def test_the_passage_is_quoted_with_its_place() -> None:
    reply = ask(user(f"{FILES}\n\n{QUESTION}"))
    assert reply.text.splitlines()[:6] == [
        EXTRACTIVE,
        "",
        "src/auth.py:1 check_token",
        "",
        "    def check_token(token):",
        '        """Check a session token."""',
    ]
    assert citations(reply.text, ["src/auth.py", "src/door.py"])[0] == Citation("src/auth.py", 1)
    assert (reply.finish, reply.model) == ("stop", "embedded")


def test_a_piece_of_a_file_is_cited_by_its_true_line() -> None:
    assert "src/door.py:120 shut" in ask(user(f"{FILES}\n\nWhat shuts the door?")).text


def test_the_same_call_gives_the_same_bytes() -> None:
    messages = user(f"{FILES}\n\n{QUESTION}")
    assert send(messages) == send(messages)
    assert msgspec.json.decode(send(messages))["id"] != msgspec.json.decode(send(messages, seed=1))["id"]
    assert msgspec.json.decode(send(messages))["created"] == 0


def test_usage_is_counted() -> None:
    reply = ask(user("The gate opens at noon.\n\nWhen does the gate open?"))
    assert reply.usage is not None
    assert (reply.usage.prompt, reply.usage.completion) == (10, words(reply.text))


def test_a_stream_says_the_same() -> None:
    messages = user(f"{FILES}\n\n{QUESTION}")
    whole = ask(messages)
    raw = send(messages, stream=True, stream_options={"include_usage": True})
    streamed = dialect("openai").reply(raw, streamed=True)
    assert (streamed.text, streamed.finish, streamed.usage) == (whole.text, whole.finish, whole.usage)
    assert raw.count(b'"content":') > 2
    assert raw.endswith(b"data: [DONE]\n\n")
    assert b'"usage"' not in send(messages, stream=True)
    assert b'"usage"' not in send(messages, stream=True, stream_options={"include_usage": False})


def test_nothing_is_made_up() -> None:
    text = ask(user(f"{FILES}\n\nWho won the cup?")).text
    assert text.startswith("No model was asked, and no passage matches")
    assert citations(text, ["src/auth.py"]) == []
    assert "nothing to quote from" in ask(user(QUESTION)).text


@pytest.mark.parametrize(
    "messages",
    [
        user(f"{FILES}\n\nHello.", QUESTION),
        user(f"{QUESTION}\n\n{FILES}"),
        [{"role": "system", "content": f"Answer.\n{FILES}"}, *user(QUESTION)],
        [{"role": "user", "content": [{"type": "text", "text": FILES}, {"type": "text", "text": QUESTION}]}],
        [*user("Read."), {"role": "tool", "tool_call_id": "1", "content": FILES}, *user(QUESTION)],
        [*user(FILES + "\nWhat is a token?"), {"role": "assistant", "content": "a token"}, *user(QUESTION)],
    ],
)
def test_files_are_found_wherever_they_stand(messages: list[dict[str, Any]]) -> None:
    text = ask(messages).text
    assert citations(text, ["src/auth.py"]) == [Citation("src/auth.py", 1)]
    assert "context:" not in text


@pytest.mark.parametrize(
    "messages",
    [
        user("The gate opens at noon.\n\nWhen does the gate open?"),
        user("When does the gate open?\n\nThe gate opens at noon."),
        user("Tell me when the gate opens.\n\n" + "The gate opens at noon. " * 40),
        [{"role": "system", "content": "The gate opens at noon."}, *user("When does the gate open?")],
        user("The gate opens at noon. " * 60 + "\n\n" + "When the gate opens is asked. " * 40),
    ],
)
def test_plain_text_is_context_where_no_files_are(messages: list[dict[str, Any]]) -> None:
    text = ask(messages).text
    assert "context:1" in text
    assert "gate opens" in text


def test_long_text_is_context_beside_files() -> None:
    notes = "The token is a brass coin.\n" * 50
    text = ask(user(f"{notes}\n\n{FILES}\n\nWhat is the token made of, a brass coin?")).text
    assert "context:" in text


def test_a_long_line_is_quoted_where_it_matters() -> None:
    line = "filler words " * 200 + "the postman rings twice " + "other words " * 200
    text = ask(user(f"{render([File('a.txt', line)])}\n\nHow often does the postman ring?")).text
    assert "the postman rings twice" in text
    assert max(map(len, text.splitlines())) < 420


@given(st.integers(0, 80))
def test_the_answer_keeps_to_max_tokens(most: int) -> None:
    messages = user(f"{FILES}\n\nWhere is the session token checked, where the door shut?")
    reply, whole = ask(messages, max_tokens=most), ask(messages)
    assert words(reply.text) <= most or reply.text == whole.text
    assert whole.text.startswith(reply.text)
    assert reply.finish == ("stop" if reply.text == whole.text else "length")


@pytest.mark.parametrize(
    "messages", [[], None, user(""), user("  \n"), [{"role": "system", "content": "x"}], user(FILES)]
)
def test_a_call_that_asks_nothing_is_refused(messages: Any) -> None:
    with pytest.raises(Rejected, match="asks nothing"):
        send(messages)


def test_other_calls_go_on_while_a_long_context_is_ranked() -> None:
    crowd = [File(f"f{i}.py", "def gate():\n    token = 1\n" * 400) for i in range(2 * SLOW // 10_000)]
    messages = user(f"{render([*crowd, AUTH])}\n\n{QUESTION}")
    body = msgspec.json.encode({"messages": messages})
    call = Call.parse(body, dialect="openai", provider="embedded")

    async def run() -> list[str]:
        done: list[str] = []

        async def read() -> None:
            async with READER.send(call) as answer:
                done.append((await anext(answer.chunks)).decode())

        async def other() -> None:
            await asyncio.sleep(0)
            done.append("other")

        await asyncio.gather(read(), other())
        await READER.close()
        return done

    first, answer = asyncio.run(run())
    assert first == "other"
    assert "src/auth.py:1" in answer
