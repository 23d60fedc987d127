"""The Model Context Protocol over standard input and output, as far as one tool needs it.

JSON-RPC 2.0, one message a line. In the revisions up to 2025-11-25 a client and a server agree on one in a handshake;
from 2026-07-28 on there is none, and each request names its own. The server keeps no state, so it speaks both at once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import msgspec

from penstock.errors import PenstockError
from penstock.values.shape import Json, is_array, is_object, mapping

__all__ = ["HANDSHAKE", "STATELESS", "Server", "Tool", "serve"]

HANDSHAKE = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""The revisions that begin with ``initialize``, newest first."""

STATELESS = ("2026-07-28",)
"""The revisions in which each request names its own."""

_LONGEST = 1 << 20
"""Bytes of the longest line that is read: a request is a name and a question."""

_META = "io.modelcontextprotocol/"
_NOT_JSON, _NO_REQUEST, _NO_METHOD, _BAD_PARAMS, _MISTAKE, _NO_REVISION = -32700, -32600, -32601, -32602, -32603, -32022
_LASTING: Json = {"ttlMs": 3_600_000, "cacheScope": "public"}
"""What is told of the server and its tool stays the same for as long as it runs."""

_HALF = re.compile("[\ud800-\udfff]")
_log = logging.getLogger("penstock")


class Tool(msgspec.Struct, frozen=True):
    """What an agent may call."""

    description: Mapping[str, Any]
    """Its ``name``, its ``inputSchema`` and the rest that a model is told of it."""
    call: Callable[[Mapping[str, Any]], str]
    """The answer to the arguments. What it raises on purpose, the model is told as the tool's own error."""


class Server:
    """One tool, for one client."""

    def __init__(self, tool: Tool, version: str) -> None:
        self._tool = tool
        self._known: Json = {"name": "penstock", "version": version}

    def answer(self, line: bytes) -> bytes | None:
        """What is answered to a line; None: nothing is. Never raises on account of the line."""
        if not line.strip():
            return None
        try:
            told = msgspec.json.decode(line)
        except (ValueError, RecursionError):
            return msgspec.json.encode(_error(None, _NOT_JSON, "this line is no JSON"))
        if is_array(told) and told:
            replies = [reply for each in told if (reply := self._reply(each)) is not None]
            return msgspec.json.encode(replies) if replies else None
        reply = self._reply(told)
        return None if reply is None else msgspec.json.encode(reply)

    def _reply(self, message: object) -> Json | None:
        if not is_object(message):
            return _error(None, _NO_REQUEST, "a request is an object")
        id, method, params = message.get("id"), message.get("method"), mapping(message.get("params"))
        if method is None and ("result" in message or "error" in message):
            return None  # the answer to a question that nobody asked
        if not isinstance(method, str) or ("id" in message and (not isinstance(id, str | int) or isinstance(id, bool))):
            return _error(None, _NO_REQUEST, "a request has a method, and an id that is a string or a whole number")
        if "id" not in message:
            return None  # a notification: there is none that changes anything
        try:
            return {"jsonrpc": "2.0", "id": id, "result": self._result(method, params)}
        except _Refused as refused:
            return _error(id, refused.code, str(refused), refused.data)
        except Exception as mistake:  # noqa: BLE001  it has no other caller; the next request may go well
            _log.error("the MCP server failed at %s", method, exc_info=mistake)
            return _error(id, _MISTAKE, f"a mistake of penstock itself: {type(mistake).__name__}: {mistake}")

    def _result(self, method: str, params: Json) -> Json:
        revision = mapping(params.get("_meta")).get(_META + "protocolVersion")
        if revision is None:
            return self._performed(method, params)
        if revision not in STATELESS:
            told = {"supported": [*STATELESS, *HANDSHAKE], "requested": str(revision)}
            raise _Refused(_NO_REVISION, "this revision of the protocol is not spoken here", told)
        lasting = _LASTING if method in {"server/discover", "tools/list"} else {}
        stamp = {"resultType": "complete", "_meta": {_META + "serverInfo": self._known}}
        return {**stamp, **lasting, **self._performed(method, params)}

    def _performed(self, method: str, params: Json) -> Json:
        match method:
            case "initialize":
                asked = params.get("protocolVersion")
                agreed = asked if asked in HANDSHAKE else HANDSHAKE[0]
                return {"protocolVersion": agreed, "capabilities": {"tools": {}}, "serverInfo": self._known}
            case "server/discover":
                return {"supportedVersions": list(STATELESS), "capabilities": {"tools": {}}}
            case "ping":
                return {}
            case "tools/list":
                return {"tools": [self._tool.description]}
            case "tools/call":
                return self._called(params)
            case _:
                raise _Refused(_NO_METHOD, f"there is no method {method!r} here")

    def _called(self, params: Json) -> Json:
        """What the tool says. Its errors are told as results: so the model learns of them, and can do better."""
        own = self._tool.description["name"]
        if params.get("name") != own:
            raise _Refused(_BAD_PARAMS, f"the only tool is {own}")
        try:
            text, failed = self._tool.call(mapping(params.get("arguments"))), False
        except PenstockError as error:
            text, failed = f"{type(error).__name__}: {error}", True
        # Half a character, which tools cut off and store as such, is nothing that clients can read.
        return {"content": [{"type": "text", "text": _HALF.sub("\ufffd", text)}], "isError": failed}


def serve(server: Server, source: BinaryIO, sink: BinaryIO) -> None:
    """Answer the lines of ``source``, in order, until it ends."""
    for line in _lines(source):
        reply = server.answer(line)
        if reply is not None:
            sink.write(reply + b"\n")
            sink.flush()


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Each line; of one that is too long the beginning, which is no JSON."""
    while line := source.readline(_LONGEST):
        end = line
        while end and not end.endswith(b"\n"):
            end = source.readline(_LONGEST)
        yield line


class _Refused(Exception):
    """A request that cannot be answered."""

    def __init__(self, code: int, message: str, data: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


def _error(id: str | int | None, code: int, message: str, data: Json | None = None) -> Json:
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message, **({"data": data} if data else {})}}
