"""The embedded reader: a provider without a model. It quotes the passages of a call that answer its question best.

It is there when no key is. What it says is true or nothing: every line is from the context, with its place, and the
first line says that no model was asked. The same call gives the same bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec

from penstock.context.files import File
from penstock.context.prompt import outside, parse
from penstock.errors import Rejected
from penstock.providers.port import Answer, Billed, Slot, anywhere, ignore
from penstock.relevance import Document, Hit, rank
from penstock.values import Call

__all__ = ["EmbeddedReader"]

PASSAGES = 4
"""Passages that an answer quotes at most."""

LINES = 8
"""Lines of a passage that are quoted at most, one of them the one that names it."""

WIDTH = 400
"""Characters of a line that are quoted at most."""

ASIDE = 1000
"""Text beside files that is shorter is an instruction or an earlier question; what is longer is context like them."""

QUESTION = 500
"""A paragraph longer than this is not taken for the question while there is a shorter one."""

SLOW = 200_000
"""Characters of context from which the ranking runs in a thread, so that other calls go on meanwhile (about 30 ms)."""

EXTRACTIVE = "No model was asked. These passages match the question best, quoted as they are:"
NOTHING = (
    "No model was asked, and no passage matches the question. Name what the text itself names, add the files that may"
    " hold the answer, or set a key so that a model can read them."
)
EMPTY = (
    "No model was asked, and there is nothing to quote from: the call holds a question but no context. Name files or"
    " folders to read, or set a key so that a model can answer."
)


class EmbeddedReader:
    r"""A `penstock.providers.port.Provider` that ranks instead of asking a model.

    ``count`` says how many tokens a text has, for the usage that is reported. The question is the last thing a user
    said, outside of file blocks; the context is every file block (`penstock.context.render`) and other long text.

    >>> import asyncio
    >>> door = '<file path="door.py">\ndef shut(door):\n    door.locked = True\n</file>'
    >>> async def ask() -> bytes:
    ...     raw = msgspec.json.encode({"messages": [{"role": "user", "content": door + "Where is it locked?"}]})
    ...     reader = EmbeddedReader(count=len)
    ...     async with reader.send(Call.parse(raw, dialect="openai", provider="embedded")) as answer:
    ...         return b"".join([chunk async for chunk in answer.chunks])
    >>> print(msgspec.json.decode(asyncio.run(ask()))["choices"][0]["message"]["content"])
    No model was asked. These passages match the question best, quoted as they are:
    <BLANKLINE>
    door.py:1 shut
    <BLANKLINE>
        def shut(door):
            door.locked = True
    """

    name = "embedded"
    dialect = "openai"
    dialects = ("openai",)
    origin = "embedded:1"
    """Raise the number when the answers change: stored ones are then not found again."""

    def __init__(self, *, count: Callable[[str], int]) -> None:
        self._count = count

    @asynccontextmanager
    async def send(self, call: Call, billed: Billed = ignore, slot: Slot = anywhere) -> AsyncGenerator[Answer]:
        """Answers at once. Raises `Rejected` when no user asks anything."""
        async with slot():
            size = len(call.raw)
            chunks = await asyncio.to_thread(self._answer, call) if size > SLOW else self._answer(call)
            kind = "text/event-stream" if call.stream else "application/json"
            yield Answer(_each(chunks), {"content-type": kind})

    async def close(self) -> None:
        """There is nothing to give back."""

    def _answer(self, call: Call) -> list[bytes]:
        """The body, or the events of the stream."""
        prompt = [segment.text for segment in call.segments() if segment.role]
        parts, finish = self._fitted(_parts(*_reading(call)), call.max_tokens)
        text = "".join(parts)
        used, made = sum(map(self._count, prompt)), self._count(text)
        shared = {
            "id": "chatcmpl-embedded-" + hashlib.blake2b(call.wire() + text.encode(), digest_size=12).hexdigest(),
            "object": "chat.completion",
            "created": 0,
            "model": call.model or self.name,
        }
        usage = {"prompt_tokens": used, "completion_tokens": made, "total_tokens": used + made}
        if call.stream:
            return list(_events(shared, parts, finish, usage if _usage_wanted(call) else None))
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return [msgspec.json.encode({**shared, "choices": [choice], "usage": usage})]

    def _fitted(self, parts: list[str], most: int | None) -> tuple[list[str], str]:
        """As many whole parts as ``most`` tokens allow, and why they end there."""
        if most is None:
            return parts, "stop"
        kept: list[str] = []
        for part in parts:
            if self._count("".join(kept) + part) <= most:
                kept.append(part)
                continue
            if not kept:
                kept.append(self._start(part, most))
            return kept, "length"
        return kept, "stop"

    def _start(self, text: str, most: int) -> str:
        """The longest run of words from the start that fits, found by halving."""
        words = re.findall(r"\s*\S+", text)
        low, high = 0, len(words)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._count("".join(words[:middle])) <= most else (low, middle - 1)
        return "".join(words[:low])


def _reading(call: Call) -> tuple[str, list[File]]:
    """The question, and what to answer it from."""
    said = [(segment.role, segment.text) for segment in call.segments() if segment.kind in {"text", "tool_result"}]
    asked = _last_message(call)
    if not outside(asked).strip():
        raise Rejected("the call asks nothing", status=400, mend="end it with a user message that holds a question")
    files = [file for _, text in said for file in parse(text)]
    question, rest = outside(asked).strip(), ""
    if not files or len(question) > ASIDE:
        question, rest = _question(question)
    others = [outside(text).strip() for _, text in said if text not in asked]
    least = ASIDE if files else 0
    context = [text for text in (*others, rest) if len(text) > least]
    return question, [*files, *(File("context", text) for text in context)]


def _last_message(call: Call) -> str:
    """The text of the last user message, its blocks joined."""
    said = [s for s in call.segments() if s.role == "user" and s.kind == "text"]
    last = said[-1].path[:2] if said else ()
    return "\n\n".join(segment.text for segment in said if segment.path[:2] == last)


def _question(text: str) -> tuple[str, str]:
    """The paragraph that asks, and the others: the last with a question mark, else the last or first short one."""
    paragraphs = [paragraph.strip() for paragraph in re.split(r"\n[ \t]*\n", text)]
    short = [i for i, paragraph in enumerate(paragraphs) if len(paragraph) <= QUESTION]
    asking = [i for i in short if paragraphs[i].endswith("?")]
    ends = [i for i in short if i in {0, len(paragraphs) - 1}]
    chosen = (asking or ends or [len(paragraphs) - 1])[-1]
    return paragraphs[chosen], "\n\n".join(paragraphs[:chosen] + paragraphs[chosen + 1 :])


def _parts(question: str, files: Sequence[File]) -> list[str]:
    """The answer, in the pieces that a stream brings."""
    if not files:
        return [EMPTY]
    hits = rank(question, [Document(file.path, file.text) for file in files], PASSAGES)
    return [EXTRACTIVE, *(_quoted(hit, files[hit.document]) for hit in hits)] if hits else [NOTHING]


def _quoted(hit: Hit, file: File) -> str:
    """A passage with its place: the line that names it, and those around the best one."""
    lines = hit.text.split("\n")
    best = hit.best_line - hit.first
    first = max(0, min(best - 1, len(lines) - LINES))
    shown = lines[first : first + LINES]
    shown[best - first] = _clipped(shown[best - first], hit.column)
    margin = min((len(line) - len(line.lstrip()) for line in shown if line.strip()), default=0)
    place = f"{hit.path}:{hit.first + first + file.first_line - 1}"
    head = f"{place} {hit.title}".rstrip()
    quote = "\n".join(f"    {_clipped(line[margin:])}".rstrip() for line in shown)
    return f"\n\n{head}\n\n{quote}"


def _clipped(line: str, column: int = 0) -> str:
    """A line that is not too long, with what stands at the column in it."""
    if len(line) > WIDTH and column > WIDTH // 2:
        line = "…" + line[column - WIDTH // 4 :]
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _usage_wanted(call: Call) -> bool:
    options: Any = call.body.get("stream_options") or {}
    return call.stream and isinstance(options, dict) and cast("dict[str, Any]", options).get("include_usage") is True


def _events(shared: dict[str, Any], parts: list[str], finish: str, usage: dict[str, int] | None) -> list[bytes]:
    """The answer as a live stream would bring it; the usage only where it was asked for."""
    chunk = {**shared, "object": "chat.completion.chunk"}
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": part}, None) for part in parts]
    deltas.append(({}, finish))
    bodies = [{**chunk, "choices": [{"index": 0, "delta": d, "finish_reason": why}]} for d, why in deltas]
    if usage is not None:
        bodies.append({**chunk, "choices": [], "usage": usage})
    return [*(b"data: " + msgspec.json.encode(body) + b"\n\n" for body in bodies), b"data: [DONE]\n\n"]


async def _each(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
