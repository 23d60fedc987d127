from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.meter import Tally, by_size, count, image_tokens, tally
from penstock.values import Call

PROSE = "The keeper walked along the wall and looked at the water for a long while. "
CODE = "def gate(level):\n    return {k: v for k, v in level.items() if v > (1 << 4)}\n"


def ask(*content: Any, model: str = "gpt-4o", dialect: str = "openai", **fields: Any) -> Call:
    messages = [{"role": "user", "content": each} for each in content]
    body = {"model": model, "messages": messages, **fields}
    return Call.parse(msgspec.json.encode(body), dialect=dialect, provider=dialect)


def test_a_simple_question() -> None:
    assert tally(ask("Open the gate.")) == Tally(text=4, messages=1, o200k=4)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (PROSE * 3, "text"),
        (CODE * 3, "code"),
        ('  {"a": [1, 2, 3], "b": "c"}', "json"),
        ("[1, 2]", "json"),
        ("", "text"),
    ],
)
def test_kinds_of_text(text: str, kind: str) -> None:
    found = tally(ask(text))
    assert found.counted == getattr(found, kind) == count(text)


def test_tools_and_parameters_have_their_kind() -> None:
    tool = {"type": "function", "function": {"name": "open_gate", "parameters": {"type": "object"}}}
    schema = {"type": "json_object"}
    found = tally(ask("Hi", tools=[tool], response_format=schema))
    assert found.tool == count(msgspec.json.encode(tool).decode())
    assert found.json == count(msgspec.json.encode(schema).decode())


def test_system_and_input_are_messages() -> None:
    assert tally(ask("Hi", "Ho", system="Be brief.")).messages == 3
    body = b'{"model": "gpt-5", "instructions": "Be brief.", "input": "Hi"}'
    assert tally(Call.parse(body, dialect="openai", provider="openai")).messages == 2
    assert tally(Call.parse(b"{}", dialect="openai", provider="openai")) == Tally()


def test_an_older_model_is_counted_in_its_own_vocabulary_and_in_o200k() -> None:
    text = "お誕生日おめでとう" * 9
    found = tally(ask(text, model="gpt-4"))
    assert (found.text, found.o200k) == (count(text, "cl100k"), count(text))
    assert found.least == count(text) + 6


def picture(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-sonnet-4-5", "llava"])
@pytest.mark.parametrize("size", [100, 3_000_000])
def test_an_image_is_bounded_by_its_model_not_its_bytes(model: str, size: int) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": picture(bytes(size))}
    url = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    found = tally(ask([{"type": "image", "source": source}, url], model=model))
    assert found == Tally(media=2 * image_tokens(model), messages=1)


def test_a_pdf_is_bounded_by_its_size() -> None:
    small = {"type": "document", "source": {"type": "base64", "data": picture(bytes(9_000))}}
    found = tally(ask([small], model="claude-sonnet-4-5"))
    assert 9_000 + 1_600 <= found.media < 9_000 + 1_600 + 100
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:;base64," + picture(bytes(9_000))}}
    assert 9_000 < tally(ask([file])).media < 11_500


def test_a_document_elsewhere_is_bounded_by_its_pages() -> None:
    far = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}
    huge = {"type": "document", "source": {"type": "base64", "data": picture(bytes(6_000_000))}}
    model = "claude-sonnet-4-5"
    assert tally(ask([far], model=model)).media == tally(ask([huge], model=model)).media == 600 * 4_600
    file = {"type": "file", "file": {"file_id": "file-1"}}
    assert tally(ask([file])).media == 600 * (3_000 + image_tokens("gpt-4o"))


def test_a_document_of_text_is_counted() -> None:
    plain = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": PROSE * 10}}
    found = tally(ask([plain], model="claude-sonnet-4-5"))
    assert found.media == 0
    assert found.counted >= count(PROSE * 10)


def test_audio_is_bounded_by_its_size() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": picture(bytes(25_000)), "format": "mp3"}}
    assert 1_000 <= tally(ask([sound])).media <= 1_010


def test_data_in_an_unknown_block_is_not_tokenised() -> None:
    block = {"type": "screenshot", "url": "data:image/png;base64," + picture(bytes(60_000))}
    found = tally(ask([block]))
    assert found.counted == 0
    assert found.media >= 60_000
    assert tally(ask("a data URL starts like data:;base64,AAAA")).media == 0


@given(st.lists(st.text(max_size=80), max_size=5), st.text(max_size=80))
def test_a_further_message_never_makes_it_less(texts: list[str], more: str) -> None:
    before, after = tally(ask(*texts)), tally(ask(*texts, more))
    assert after.counted >= before.counted
    assert after.least == before.least + 3 + count(more)
    assert before.least == sum(map(count, texts)) + 3 * len(texts) + 3


@given(st.lists(st.text(max_size=80), max_size=5))
def test_by_size_is_an_upper_bound(texts: list[str]) -> None:
    call = ask(*texts, tools=[{"name": "t"}])
    exact, rough = tally(call), tally(call, by_size)
    assert rough.least >= exact.least
    assert rough.counted >= exact.counted
