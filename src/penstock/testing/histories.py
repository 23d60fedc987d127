"""Random histories of agents that call tools, as OpenAI's chat completions and as Anthropic's messages.

They hold what real ones hold: parallel calls, calls and text in one message, thinking with signatures, tools of the
provider, attachments, repeated outputs, rules of the user in the midst of talk. Each is valid by `invalid`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec

from penstock.testing.validity import Json, Shape, broken, invalid

__all__ = ["History", "Shape", "broken", "history", "invalid", "long_history"]

_NOUNS = (
    "parser",
    "cache",
    "login page",
    "scheduler",
    "importer",
    "invoice",
    "test suite",
    "router",
    "index",
    "report",
)
_FILES = ("src/app/main.py", "db/schema.sql", "README.md", "tests/test_router.py", "conf/prod.toml", "web/login.tsx")
_VERBS = ("read", "run", "search", "edit", "list")
_RULES = (
    "Never touch {file}.",
    "The {noun} must stay under {number} ms.",
    "Do not rename anything in {file}!",
    "Always run the tests before you say it works.",
    "Only change the {noun}, nothing else.",
    "Use at most {number} lines for the {noun}.",
    "Write the answer to {file}.",
    "You cannot use more than {number} MB of memory.",
)
_TALK = (
    "Thanks, that looks fine.",
    "Hello again!",
    "What do you think of the {noun}?",
    "That was quick.",
    "I wonder why the {noun} is so slow.",
)
_EXPLAINED = (
    "Let me look at the {noun} first.",
    "The {noun} fails because {file} is read twice.",
    "I found the cause in {file}, line {number}.",
    "Now I will check whether the {noun} works.",
    "All {number} tests pass now.",
)


class History(msgspec.Struct, frozen=True):
    """A history, and what the user laid down in it."""

    shape: Shape
    messages: list[Json]
    constraints: tuple[str, ...]
    """Sentences that must outlive the messages in which they stand."""


def history(seed: int, shape: Shape, *, turns: int | None = None) -> History:
    """The random history of this number: always the same. ``turns``: requests of the user; None: up to twelve."""
    writer = _Writer(random.Random(f"{shape} {seed}"), shape)
    writer.begin()
    for _ in range(writer.chance.randint(1, 12) if turns is None else turns):
        writer.turn()
    writer.end()
    return History(shape, writer.messages, tuple(writer.constraints))


def long_history(seed: int, shape: Shape, *, characters: int, said: int = 200) -> History:
    """A history of about so many characters, most of them in results of tools, with ``said`` requests of the user."""
    writer = _Writer(random.Random(f"long {shape} {seed}"), shape)
    writer.begin()
    each = characters // max(said, 1)
    for _ in range(said):
        writer.turn(rounds=writer.chance.randint(1, 4), size=each // 3)
    writer.end()
    return History(shape, writer.messages, tuple(writer.constraints))


class _Writer:
    def __init__(self, chance: random.Random, shape: Shape) -> None:
        self.chance, self.shape = chance, shape
        self.messages: list[Json] = []
        self.constraints: list[str] = []
        self._calls = 0
        self._thinks = chance.random() < 0.5
        self._repeated = self._output(2_000)

    def begin(self) -> None:
        if self.shape == "openai" and self.chance.random() < 0.8:
            role = self.chance.choice(("system", "system", "developer"))
            self.messages.append({"role": role, "content": "You are careful. " * self.chance.randint(1, 9)})

    def end(self) -> None:
        """Sometimes the last turn is not finished, and sometimes the client has begun the answer."""
        ending = self.chance.random()
        if self.messages[-1]["role"] == "assistant" and ending < 0.9:
            self._request()
            for _ in range(self.chance.choice((0, 1, 2, 3, 25))):
                self._round(self.chance.randint(50, 3_000))
        if self.messages[-1]["role"] == "user" and ending < 0.05:
            self.messages.append({"role": "assistant", "content": "The answer is"})

    def turn(self, rounds: int | None = None, size: int = 0) -> None:
        """A request, calls with their results, and an answer."""
        self._request()
        for _ in range(self.chance.randint(0, 6) if rounds is None else rounds):
            self._round(size or self.chance.choice((40, 400, 4_000, 30_000)))
        if self.shape == "anthropic" and self.chance.random() < 0.2:
            self._served()
        else:
            self.messages.append({"role": "assistant", "content": self._said()})
        if self.shape == "openai" and self.chance.random() < 0.05:
            self.messages.append({"role": "system", "content": f"The user has opened {self._file()}."})

    def _text(self, template: str) -> str:
        number = self.chance.randint(2, 9_999)
        return template.format(file=self._file(), noun=self.chance.choice(_NOUNS), number=number)

    def _file(self) -> str:
        return self.chance.choice(_FILES)

    def _request(self) -> None:
        sentences = [self._text(self.chance.choice(_TALK)) for _ in range(self.chance.randint(0, 3))]
        for _ in range(self.chance.choice((0, 0, 1, 1, 2))):
            rule = self._text(self.chance.choice(_RULES))
            self.constraints.append(rule)
            sentences.insert(self.chance.randint(0, len(sentences)), rule)
        words = self.chance.choice((" ", " ", "\n", "\n\n")).join(sentences) or "Go on."
        content: Any = words
        if self.chance.random() < 0.4:
            content = [{"type": "text", "text": words}]
            if self.chance.random() < 0.3:
                content.insert(0, self._picture())
        self.messages.append({"role": "user", "content": content})

    def _picture(self) -> Json:
        if self.shape == "openai":
            return {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
        return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}

    def _said(self) -> str:
        return " ".join(self._text(self.chance.choice(_EXPLAINED)) for _ in range(self.chance.randint(1, 8)))

    def _output(self, size: int) -> str:
        lines: list[str] = []
        while size > 0:
            lines.append(f"{self.chance.randrange(10**6):06d} {self._text('{noun} {file}: {number}')} ok")
            size -= len(lines[-1])
        return "\n".join(lines)

    def _id(self, prefix: str) -> str:
        self._calls += 1
        return f"{prefix}_{self._calls:05d}"

    def _arguments(self) -> Json:
        return {"path": self._file(), "line": self.chance.randint(1, 3)}

    def _result(self, size: int) -> str:
        return self._repeated if self.chance.random() < 0.1 else self._output(self.chance.randint(size // 2, size + 1))

    def _round(self, size: int) -> None:
        """Calls of the assistant, in parallel or not, and their results."""
        calls = self.chance.choice((1, 1, 1, 2, 4))
        if self.shape == "openai":
            self._legacy(size) if self.chance.random() < 0.05 else self._openai_round(calls, size)
        else:
            self._anthropic_round(calls, size)

    def _openai_round(self, calls: int, size: int) -> None:
        made: list[Json] = [
            {
                "id": self._id("call"),
                "type": "function",
                "function": {
                    "name": self.chance.choice(_VERBS),
                    "arguments": msgspec.json.encode(self._arguments()).decode(),
                },
            }
            for _ in range(calls)
        ]
        message: Json = {"role": "assistant", "content": self.chance.choice((None, self._said())), "tool_calls": made}
        if self._thinks and self.chance.random() < 0.5:
            message["reasoning_content"] = self._said()
        self.messages.append(message)
        for call in self.chance.sample(made, len(made)):
            content: Any = self._result(size)
            if self.chance.random() < 0.2:
                content = [{"type": "text", "text": content}]
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})

    def _legacy(self, size: int) -> None:
        call: Json = {"name": "search", "arguments": "{}"}
        self.messages.append({"role": "assistant", "content": None, "function_call": call})
        self.messages.append({"role": "function", "name": "search", "content": self._result(size)})

    def _thinking(self) -> list[Json]:
        if not self._thinks or self.chance.random() < 0.3:
            return []
        if self.chance.random() < 0.1:
            return [{"type": "redacted_thinking", "data": "b3BhcXVl" * self.chance.randint(1, 5)}]
        return [{"type": "thinking", "thinking": self._said(), "signature": f"c2ln{self.chance.randrange(10**9)}"}]

    def _anthropic_round(self, calls: int, size: int) -> None:
        content: list[Json] = self._thinking() if self.messages[-1]["role"] == "user" else []
        if self._thinks and not content and self._fresh():
            content.append({"type": "thinking", "thinking": self._said(), "signature": "c2lnbmVk"})
        if self.chance.random() < 0.5:
            content.append({"type": "text", "text": self._said()})
        results: list[Json] = []
        for _ in range(calls):
            if self._thinks and self.chance.random() < 0.1:
                content += self._thinking()
            call = self._id("toolu")
            content.append(
                {"type": "tool_use", "id": call, "name": self.chance.choice(_VERBS), "input": self._arguments()}
            )
            results.append({"type": "tool_result", "tool_use_id": call, **self._answer(size)})
        self.messages.append({"role": "assistant", "content": content})
        self.chance.shuffle(results)
        if self.chance.random() < 0.05:
            rule = self._text(self.chance.choice(_RULES))
            self.constraints.append(rule)
            results.append({"type": "text", "text": rule})
        elif self.chance.random() < 0.1:
            results[-1]["cache_control"] = {"type": "ephemeral"}
        self.messages.append({"role": "user", "content": results})

    def _fresh(self) -> bool:
        """Whether the assistant answers a request, and not results."""
        content = self.messages[-1]["content"]
        return isinstance(content, str) or any(block["type"] != "tool_result" for block in content)

    def _answer(self, size: int) -> Json:
        ways: tuple[Callable[[], Json], ...] = (
            lambda: {"content": self._result(size)},
            lambda: {"content": [{"type": "text", "text": self._result(size)}]},
            lambda: {"content": [{"type": "text", "text": self._result(size)}, self._picture()]},
            lambda: {"content": [{"type": "tool_reference", "tool_name": "edit"}]},
            lambda: {"content": "no such file", "is_error": True},
            lambda: {},
        )
        return self.chance.choices(ways, (10, 3, 1, 1, 2, 1))[0]()

    def _served(self) -> None:
        """An answer for which the provider searched by itself."""
        content: list[Json] = self._thinking() if not self._fresh() else []
        if self._thinks and not content:
            content.append({"type": "thinking", "thinking": self._said(), "signature": "c2ln"})
        call = self._id("srvtoolu")
        content.append({"type": "server_tool_use", "id": call, "name": "web_search", "input": {"query": self._file()}})
        found = [{"type": "web_search_result", "url": "https://example.org", "title": "x", "encrypted_content": "eA=="}]
        content.append({"type": "web_search_tool_result", "tool_use_id": call, "content": found})
        content.append({"type": "text", "text": self._said()})
        self.messages.append({"role": "assistant", "content": content})
