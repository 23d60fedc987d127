"""The clients: what each of them asks, where it leaves, and how."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from penstock.bench.disconnects.stage import DIALECTS, ENDLESS, WORDS, Stage
from penstock.testing.raw import LAST_CHUNK

__all__ = ["Visit", "arrive", "turns", "visits"]

Place: TypeAlias = Literal["head", "body", "queue", "thinking", "first byte", "stream", "end", "nowhere"]
Manner: TypeAlias = Literal["close", "reset", "abort"]
"""In good order, with a reset, or with what has come left unread."""

_PLACES: tuple[Place, ...] = get_args(Place)
_SILENT: tuple[Place, ...] = ("queue", "thinking", "first byte")
"""Those where no answer is waited for."""
_MANNERS: tuple[Manner, ...] = get_args(Manner)
_RESET = struct.pack("ii", 1, 0)


class Visit(msgspec.Struct, frozen=True):
    """One client: what it asks, and where it leaves."""

    place: Place
    far: float
    """How far into that place, 0 to 1."""
    manner: Manner
    top: bytes
    body: bytes
    question: str

    @property
    def stays(self) -> bool:
        """Whether it waits for its answer."""
        return self.place == "nowhere"

    @property
    def endless(self) -> bool:
        """Whether nobody ever answers what it asks."""
        return self.question.endswith(ENDLESS)


def visits(chance: random.Random, wave: int, crowd: int, keys: tuple[str, ...]) -> list[Visit]:
    """A wave of clients. Several of them ask the same, so that some join the call of another.

    Each wave uses the first two keys, and one of the others.
    """
    keys = (*keys[:2], keys[2 + wave % (len(keys) - 2)])
    return [_visit(chance, wave * 1000 + chance.randrange(crowd // 2), keys) for _ in range(crowd)]


def _visit(chance: random.Random, number: int, keys: tuple[str, ...]) -> Visit:
    path = list(DIALECTS)[number % len(DIALECTS)]
    question = f"Question number {number:09d}?"
    if path == "/v1/responses":
        asked: dict[str, Any] = {"model": "mine", "max_output_tokens": 64, "input": question}
    else:
        asked = {"model": "mine", "max_tokens": 64, "messages": [{"role": "user", "content": question}]}
    body = msgspec.json.encode({**asked, "stream": True} if chance.random() < 0.7 else asked)
    key = keys[number // len(DIALECTS) % len(keys)]
    fields = [f"authorization: Bearer {key}"] if key else []
    if chance.random() < 0.2:
        fields.append("x-penstock-budget: $1")
    more = "".join(f"{field}\r\n" for field in fields)
    top = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n{more}\r\n".encode()
    places = _SILENT if question.endswith(ENDLESS) else _PLACES
    return Visit(chance.choice(places), chance.random(), chance.choice(_MANNERS), top, body, question)


async def arrive(stage: Stage, plan: Visit) -> bool:
    """Come, ask, and leave where the plan says. False for one who stayed and got no answer that may be."""
    reader, writer = await asyncio.open_connection(*stage.address)
    try:
        cut = {"head": len(plan.top) * plan.far, "body": len(plan.top) + len(plan.body) * plan.far}.get(plan.place)
        writer.write((plan.top + plan.body)[: None if cut is None else int(cut)])
        if plan.stays:
            return _whole(await _all(reader))
        if plan.place in {"stream", "end"}:
            await _part(reader, plan)
        elif plan.place in {"thinking", "first byte"}:
            known = stage.pacing.asked if plan.place == "thinking" else stage.pacing.begun
            await turns(lambda: plan.question in known, 2000)
        else:
            await turns(lambda: False, int(60 * plan.far))
        return True
    finally:
        _leave(writer, plan.manner)


async def _part(reader: asyncio.StreamReader, plan: Visit) -> None:
    """Listen as far as the plan says: to some events or bytes of the answer, or to the last of them and no further."""
    top = await _until(reader, b"\r\n\r\n")
    if b"\r\ncontent-length:" in top:
        size = _length(top)
        await reader.read(size if plan.place == "end" else int(size * plan.far) + 1)
        return
    for _ in range(10**6 if plan.place == "end" else int((WORDS + 3) * plan.far)):
        if not (event := await _until(reader, b"\n\n")) or _ends(event):
            return


async def _all(reader: asyncio.StreamReader) -> bytes:
    """A whole answer on a connection that is kept alive; less than that if it breaks off."""
    top = await _until(reader, b"\r\n\r\n")
    if b"\r\ncontent-length:" not in top:
        return top + await _until(reader, b"\r\n" + LAST_CHUNK)
    try:
        return top + await reader.readexactly(_length(top))
    except (asyncio.IncompleteReadError, ConnectionError):
        return top


async def _until(reader: asyncio.StreamReader, mark: bytes) -> bytes:
    try:
        return await reader.readuntil(mark)
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def _length(top: bytes) -> int:
    return int(top.partition(b"\r\ncontent-length: ")[2].split(b"\r\n")[0])


def _ends(event: bytes) -> bool:
    return any(mark in event for mark in (b"[DONE]", b"event: message_stop", b"event: response.completed"))


def _whole(heard: bytes) -> bool:
    """Whether this is all that was asked for, or a refusal that may be: no budget left, no seat."""
    if not heard.startswith(b"HTTP/1.1 200"):
        return heard.startswith((b"HTTP/1.1 402", b"HTTP/1.1 503"))
    return b" one" * WORDS in heard or (_ends(heard) and heard.count(b'" one"') >= WORDS)


def _leave(writer: asyncio.StreamWriter, manner: Manner) -> None:
    if manner == "close":
        return writer.close()
    if manner == "reset":
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    return writer.transport.abort()


async def turns(condition: Callable[[], bool], most: int) -> bool:
    """Let the loop turn until something is so, ``most`` times at most; whether it is."""
    for _ in range(most):
        if condition():
            return True
        await asyncio.sleep(0)
    return condition()
