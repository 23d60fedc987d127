"""Recorded answers of both families through the gateway: byte for byte, and again from the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from gatehouse import Gatehouse
from sdks import ASKED, PATHS, final, through

from penstock.providers.sse import split
from penstock.testing import Exchange, Plan

GOLDEN = Path(__file__).parents[1] / "golden"
RECORDED = sorted(path for path in GOLDEN.iterdir() if ".request" not in path.name)
OFF = {"x-penstock-off": "all"}
BOTH_FORMS = pytest.mark.parametrize("wire", ["openai", "responses", "anthropic"])


def recorded(wire: str, suffix: str = "", *, broken: bool = False) -> list[Path]:
    """The recorded answers of a wire format: those that ended well, or those that broke off."""
    paths = [path for path in RECORDED if path.name.startswith(f"{wire}_") and path.name.endswith(suffix)]
    return [path for path in paths if path.stem.endswith(("_error_midway", "_failed")) is broken]


ALL = [(wire, path) for wire in PATHS for path in recorded(wire)]


def answer(exchange: Exchange) -> Plan:
    """The very bytes of the recorded answer that the question names, in small pieces."""
    path = GOLDEN / exchange.question.body["golden"]
    return Plan(body=path.read_bytes(), content_type="text/event-stream" if path.suffix == ".sse" else "", split=61)


def question(wire: str, path: Path, **more: Any) -> bytes:
    stream = {"stream": True} if path.suffix == ".sse" else {}
    return msgspec.json.encode({"golden": path.name, **ASKED[wire], **stream, **more})


@pytest.mark.parametrize("off", [True, False], ids=["all_off", "usage_asked"])
def test_what_the_upstream_said_arrives_byte_for_byte(off: bool) -> None:
    async def check(gate: Gatehouse) -> None:
        for wire, path in ALL:
            asked = question(wire, path, **({} if off else {"stream_options": {"include_usage": True}}))
            status, headers, said = await gate.post(asked, PATHS[wire], OFF if off else {})
            assert (path.name, status, said) == (path.name, 200, path.read_bytes())
            assert headers["content-type"].startswith("text/event-stream" if path.suffix == ".sse" else "application/")
            assert (gate.up.counts if wire == "count_tokens" else gate.up.exchanges)[-1].body == asked

    through(answer, check)


def test_recorded_requests_arrive_byte_for_byte() -> None:
    requests = {path.name: path.read_bytes() for path in sorted(GOLDEN.glob("*.request.json"))}

    async def check(gate: Gatehouse) -> None:
        for name, asked in requests.items():
            status, _, _ = await gate.post(asked, PATHS[name.partition("_")[0]], OFF)
            assert (name, status, gate.up.exchanges[-1].body) == (name, 200, asked)
        assert len(requests) == 3

    through("A picture.", check)


def test_the_usage_that_the_client_did_not_ask_for_is_all_that_it_does_not_see() -> None:
    async def check(gate: Gatehouse) -> None:
        for path in recorded("openai", ".sse"):
            _, _, said = await gate.post(question("openai", path), PATHS["openai"])
            assert gate.up.exchanges[-1].question.body["stream_options"] == {"include_usage": True}
            events = [event.raw for event in split(path.read_bytes())]
            unasked = [event.replace(b',"usage":null', b"") for event in events if b'"choices":[],' not in event]
            assert len(unasked) == len(events) - 1
            assert (path.name, said) == (path.name, b"".join(unasked))

    through(answer, check)


@BOTH_FORMS
def test_an_answer_that_broke_off_arrives_byte_for_byte_up_to_the_upstreams_own_last_word(wire: str) -> None:
    async def check(gate: Gatehouse) -> None:
        for path in recorded(wire, broken=True):
            _, _, said = await gate.post(question(wire, path), PATHS[wire], OFF)
            whole = path.read_bytes().removesuffix(b"data: [DONE]\n\n")
            if path.name != "responses_error_midway.sse":
                assert (path.name, said) == (path.name, whole)
                continue
            # No SDK raises from the bare event `error` of responses: it is said in the form that they raise from.
            sent, got = split(whole), split(said)
            assert [event.raw for event in got[:-1]] == [event.raw for event in sent[:-1]]
            assert got[-1].name == "error"
            assert "Our servers are overloaded" in msgspec.json.decode(got[-1].data)["error"]["message"]

    through(answer, check)


# Again, from the store ------------------------------------------------------------------------------------------------

UNREADABLE = {"openai_choices_logprobs", "responses_unknown", "anthropic_unknown"}
"""The SDKs raise from an answer of which a limit has cut one choice, and their types do not know all blocks."""
NOT_KEPT = {"responses_incomplete"}
"""An answer that a limit has cut is asked for again."""


async def last_word(gate: Gatehouse, wire: str, golden: str, *, stream: bool) -> Any:
    """What an SDK makes of a recorded answer, whichever way it asks."""
    usage = {"stream_options": {"include_usage": True}} if stream and wire == "openai" else {}
    return told((await final(gate, wire, stream=stream, extra_body={"golden": golden}, **usage)).model_dump())


OF_ONE_FORM = {"parsed", "parsed_arguments", "index", "content_filter_results"}
"""What an SDK adds to the final word of a stream, or leaves out there."""


def told(value: Any) -> Any:
    """What an answer says in either form, without empty fields."""
    if isinstance(value, dict):
        inner = {key: told(each) for key, each in value.items() if key not in OF_ONE_FORM}
        return {key: each for key, each in inner.items() if each is not None}
    return [told(each) for each in value] if isinstance(value, list) else value


@BOTH_FORMS
def test_a_reuse_hit_says_the_same_to_an_sdk_in_either_form(wire: str) -> None:
    async def check(gate: Gatehouse) -> None:
        names = [path.stem for path in recorded(wire, ".json") if path.stem not in NOT_KEPT | UNREADABLE]
        for stream in (True, False):
            for name in names:
                golden = f"{name}.{'sse' if stream else 'json'}"
                first = await last_word(gate, wire, golden, stream=stream)
                assert await last_word(gate, wire, golden, stream=stream) == first
                assert await last_word(gate, wire, golden, stream=not stream) == first
        assert len(gate.up.exchanges) == 2 * len(names)

    through(answer, check)


@BOTH_FORMS
def test_a_reuse_hit_keeps_what_no_sdk_knows_yet(wire: str) -> None:
    async def check(gate: Gatehouse) -> None:
        for path in recorded(wire, ".sse"):
            if path.stem in NOT_KEPT:
                continue
            asked = question(wire, path)
            await gate.post(asked, PATHS[wire])
            _, headers, said = await gate.post(asked.replace(b',"stream":true', b""), PATHS[wire])
            assert headers["x-penstock-source"] == "reuse"
            assert msgspec.json.decode(said) == msgspec.json.decode(path.with_suffix(".json").read_bytes())

    through(answer, check)


def test_a_second_ask_gets_the_very_bytes_of_the_first() -> None:
    async def check(gate: Gatehouse) -> None:
        for wire, path in ALL:
            first, second = [await gate.post(question(wire, path), PATHS[wire]) for _ in range(2)]
            assert (path.name, first[2]) == (path.name, second[2])
            assert (path.name, second[1]["x-penstock-source"] == "reuse") == (path.name, path.stem not in NOT_KEPT)

    through(answer, check)
