"""One hostile request as bytes on a socket, and what came back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence

import msgspec

__all__ = ["Answer", "Shot", "fire", "request"]

_PATIENCE = 60.0
"""Seconds after which a silent gateway is taken to hang: twice what it bears itself."""


class Shot(msgspec.Struct, frozen=True):
    """Bytes to send, and what is fair to expect of whoever gets them."""

    pieces: tuple[bytes, ...]
    """Written one after the other, each in a packet of its own where the system lets it."""
    answers: int = 1
    """How many answers are due."""
    framed: bool = True
    """Whether it is HTTP at all. What is not may be dropped without a word."""
    headless: bool = False
    """``HEAD``: the answers have no body."""
    ends: bool = False
    """The client closes its half of the connection after the last piece."""
    leaves: bool = False
    """The client closes everything after the last piece, and reads nothing."""
    timed: bool = False
    """The client set a deadline of its own, so 504 is what it asked for."""


class Answer(msgspec.Struct, frozen=True):
    """One answer. A status of 0: the connection ended without one. -1: it stayed open in silence."""

    status: int
    headers: dict[str, str] = {}
    """Names in lower case."""
    body: bytes = b""


def request(
    method: str, target: str, headers: Iterable[tuple[str | bytes, str | bytes]] = (), body: bytes | None = None
) -> bytes:
    """An HTTP/1.1 request. A name or value is written as it is, text in latin-1; a body is given its length."""
    given = [(_raw(name), _raw(value)) for name, value in headers]
    names = {name.lower() for name, _ in given}
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1", "replace")]
    if b"host" not in names:
        lines.append(b"host: localhost")
    lines += [name + b": " + value for name, value in given]
    if body is not None and not names & {b"content-length", b"transfer-encoding"}:
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


async def fire(address: tuple[str, int], shot: Shot) -> list[Answer]:
    """Send a shot on a connection of its own; the answers, as many as are due or as came."""
    reader, writer = await asyncio.open_connection(*address)
    found: list[Answer] = []
    try:
        writing = asyncio.create_task(_write(writer, shot))
        if not shot.leaves:
            async with asyncio.timeout(_PATIENCE):
                while len(found) < shot.answers and (not found or found[-1].status > 0):
                    found.append(await _answer(reader, headless=shot.headless))
        await writing
    except TimeoutError:
        found.append(Answer(-1))
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return found


def _raw(text: str | bytes) -> bytes:
    return text.encode("latin-1", "replace") if isinstance(text, str) else text


async def _write(writer: asyncio.StreamWriter, shot: Shot) -> None:
    with contextlib.suppress(OSError):  # it may have refused what it had seen by then, and closed
        for piece in shot.pieces:
            if writer.transport.is_closing():
                return
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if shot.ends:
            writer.write_eof()


async def _answer(reader: asyncio.StreamReader, *, headless: bool) -> Answer:
    """The next answer; interim ones (100 Continue) are skipped."""
    try:
        while True:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(first.split(" ")[1])
            if status >= 200:
                break
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = b"" if headless or status in {204, 304} else await _body(reader, headers)
    except (asyncio.IncompleteReadError, ConnectionError):
        return Answer(0)
    return Answer(status, headers, body)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    if headers.get("transfer-encoding") != "chunked":
        return await reader.read()
    parts: Sequence[bytes] = []
    while size := int(await reader.readline(), 16):
        parts = [*parts, (await reader.readexactly(size + 2))[:-2]]
    await reader.readline()
    return b"".join(parts)
