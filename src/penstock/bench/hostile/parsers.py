"""What reads bytes from outside, each as a function of bytes that raises nothing but a finding.

An error of ours that says what is wrong with the input is an answer, not a finding.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from penstock.bench.hostile.bodies import VALID
from penstock.clock import SystemClock
from penstock.config import load
from penstock.errors import BrokenReply, PenstockError
from penstock.flow import Rules
from penstock.gateway.body import unpack
from penstock.gateway.endpoints import endpoint
from penstock.gateway.terms import terms
from penstock.meter import Factors, PriceBook
from penstock.providers.dialects import NAMES, dialect
from penstock.providers.port import Dialect
from penstock.stores.budgets import parse_budget
from penstock.stores.keys import id_of, is_whole, new_key
from penstock.values import Call, Money, parse_money

__all__ = ["TARGETS", "Target"]

_MOST = 1 << 20
_CLOCK = SystemClock()
_RULES = Rules(PriceBook({"mine": {"input": "1.00", "output": "2.00"}}), Factors())


class Target(msgspec.Struct, frozen=True):
    """A parser, and inputs that it accepts: where a fuzzer starts from."""

    read: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def _call(name: str) -> Callable[[bytes], None]:
    """A request body of one dialect: read, priced, keyed, and written again."""
    wire = dialect(name)

    def read(data: bytes) -> None:
        try:
            call = Call.parse(data, dialect=name, provider="p")
            _RULES.quote(call, _CLOCK.now())
            call.segments()
            assert call.wire() is data
            wire.ask_usage(call)
        except (PenstockError, RecursionError):  # too deep: `App` and `exchange` answer 400
            return

    return read


def _stream(name: str) -> Callable[[bytes], None]:
    """A stream of one dialect, whole and in two pieces: the same is seen of it, and it can be told again."""
    wire = dialect(name)

    def read(data: bytes) -> None:
        cut, stream = (data[0] * len(data) // 256 if data else 0), data[1:]
        whole = _heard(wire, [stream])
        assert whole == _heard(wire, [stream[:cut], stream[cut:]])

    return read


def _heard(wire: Dialect, chunks: list[bytes]) -> tuple[list[bytes], bytes | None]:
    """The events of a stream, and the reply that it amounts to as a body; None where it is none."""
    assembler = wire.assembler()
    seen: list[bytes] = []
    try:
        for chunk in chunks:
            seen += [delta.raw for delta in assembler.feed(chunk)]
        reply = assembler.end()
        for event in wire.events(reply):
            wire.hide_usage(event)
        return seen, wire.body(reply)
    except PenstockError as error:
        assert isinstance(assembler.text, str)  # what a broken stream is charged by
        wire.error_event(error)
        return seen, None


def _reply(name: str) -> Callable[[bytes], None]:
    """An answer of one dialect in one piece, and an error in its place."""
    wire = dialect(name)

    def read(data: bytes) -> None:
        with suppress(PenstockError):
            wire.events(wire.reply(data, streamed=False))
        wire.refusal(wire.error(400 + len(data) % 200, {}, data), request_id="c_1")

    return read


_TERMS = (
    "x-penstock-off",
    "x-penstock-budget",
    "x-penstock-by",
    "x-penstock-scope",
    "x-stainless-read-timeout",
    "cache-control",
)


def _terms(data: bytes) -> None:
    """Request headers, one to a line in a fixed order."""
    lines = data.decode("latin-1").split("\n")
    with suppress(PenstockError):
        wanted = terms({name: line for name, line in zip(_TERMS, lines, strict=False) if line}, _CLOCK)
        assert wanted.budget is None or wanted.budget >= 0


def _unpack(data: bytes) -> None:
    """A packed body; the first byte names the coding."""
    coding = ("gzip", "x-gzip", "deflate", "br")[data[0] % 4] if data else "gzip"
    with suppress(PenstockError):
        assert len(unpack(data[1:], coding, most=_MOST)) <= _MOST


def _key(data: bytes) -> None:
    """What stands where a virtual key should."""
    shown = data.decode("latin-1")
    if is_whole(shown):
        assert len(id_of(shown)) == 8


def _money(data: bytes) -> None:
    """Amounts and budgets as people write them, and amounts as they are shown."""
    said = data.decode(errors="replace")
    with suppress(PenstockError):
        amount = parse_money(said)
        assert amount >= 0
        assert parse_money(str(Money(amount))) == amount
    with suppress(PenstockError):
        parse_budget(said)


def _path(data: bytes) -> None:
    """What is asked for."""
    endpoint("/" + data.decode("latin-1"))


def _toml() -> Callable[[bytes], None]:
    """A configuration file that was named."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-fuzz-"))

    def read(data: bytes) -> None:
        file = folder / "penstock.toml"
        file.write_bytes(data)
        with suppress(PenstockError):
            settings = load(file)
            PriceBook(settings.prices).rates("mine", when=datetime(2026, 1, 1, tzinfo=UTC))
            for name in settings.providers:
                settings.choosing(name).resolve("mine")

    return read


_CONFIG = b"""provider = "here"
max_concurrency = 5
[providers.here]
dialect = "openai"
base_url = "http://127.0.0.1:8000/v1"
models = ["mine"]
[prices.mine]
input = "1.00"
output = 2
[budget]
money = "$5"
seconds = 1.5
"""

_PATHS = {name: dialect(name).path for name in NAMES}


def _bodies(name: str) -> tuple[bytes, ...]:
    valid = msgspec.json.encode(VALID[_PATHS[name]])[:-1]
    said = (
        b',"messages":[{"role":"user","content":[{"type":"text","text":"Why?","cache_control":{"type":"ephemeral"}}]}]}'
    )
    tools = b',"stream":true,"tools":[{"type":"function","name":"f","function":{"name":"f","parameters":{}}}]}'
    return valid + b"}", valid + said, valid + tools


_ANSWERS: Mapping[str, bytes] = {
    "openai": b'{"id":"1","model":"mine","choices":[{"index":0,"message":{"role":"assistant","content":"Because.",'
    b'"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":1}}}',
    "responses": b'{"id":"1","object":"response","status":"completed","model":"mine","output":[{"id":"m","type":'
    b'"message","role":"assistant","content":[{"type":"output_text","text":"Because.","annotations":[]}]},{"id":"f",'
    b'"type":"function_call","call_id":"c","name":"f","arguments":"{}"}],"usage":{"input_tokens":3,"output_tokens":2}}',
    "embeddings": b'{"object":"list","data":[{"index":0,"embedding":[0.5]}],"usage":{"prompt_tokens":3}}',
    "anthropic": b'{"id":"1","type":"message","role":"assistant","model":"mine","content":[{"type":"thinking",'
    b'"thinking":"Well.","signature":"c2k="},{"type":"text","text":"Because."},{"type":"tool_use","id":"t","name":"f",'
    b'"input":{"a":1}}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}',
    "count_tokens": b'{"input_tokens":3}',
}
"""What an upstream answers."""

_ERRORS = (
    b'{"error":{"message":"no","type":"overloaded_error","code":null}}',
    b'{"detail":[{"msg":"no"}]}',
    b"<title>no</title>",
)


def _streams(name: str) -> tuple[bytes, ...]:
    """The same as a stream, whole and broken off by an error, with a byte before it that says where to cut."""
    wire = dialect(name)
    events = wire.events(wire.reply(_ANSWERS[name], streamed=False))
    broken = [*events[:2], wire.error_event(BrokenReply("cut"))]
    return b"\x40" + b"".join(events), b"\x80" + b"".join(broken)


def _target(
    kind: Callable[[str], Callable[[bytes], None]], seeds: Callable[[str], tuple[bytes, ...]], name: str
) -> Target:
    return Target(kind(name), seeds(name))


def _answers(name: str) -> tuple[bytes, ...]:
    return (_ANSWERS[name], *_ERRORS)


TARGETS: Mapping[str, Callable[[], Target]] = {
    **{f"body {name}": partial(_target, _call, _bodies, name) for name in NAMES},
    **{f"stream {name}": partial(_target, _stream, _streams, name) for name in NAMES},
    **{f"answer {name}": partial(_target, _reply, _answers, name) for name in NAMES},
    "terms": partial(Target, _terms, (b"all,reuse\n$1.50\n2026-01-01T00:00:00Z\nteam\n600\nno-cache", b"\n5c\n30")),
    "unpack": partial(Target, _unpack, (b"\x00\x1f\x8b\x08", b"\x02x\x9c\x03\x00\x00\x00\x00\x01")),
    "key": partial(Target, _key, (new_key().encode(), b"pk-")),
    "money": partial(Target, _money, (b"$2.00", b"5c", b"0.25 USD", b"$5/day")),
    "path": partial(Target, _path, (b"v1/models/mine", b"v1/v1/messages")),
    "toml": lambda: Target(_toml(), (_CONFIG,)),
}
"""Each made when it is asked for."""
