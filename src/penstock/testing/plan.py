"""What a scripted upstream answers: one value, and its bytes in the wire formats.

Written apart from the codecs of `penstock.providers`, so that a mistake there is not mirrored here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import msgspec
from msgspec import UNSET, UnsetType

from penstock.values import Usage, segments

__all__ = ["Plan", "Question", "ToolCall", "body", "error_body", "events", "quarter", "split"]


_PROMPT = ("tools", "system", "messages")


class ToolCall(msgspec.Struct, frozen=True):
    """A call of a tool that the model makes; ``arguments`` is JSON text."""

    name: str
    arguments: str = "{}"
    id: str = "call_1"


class Plan(msgspec.Struct, frozen=True):
    """One answer and how it travels. Seconds pass on the clock of whoever carries the plan out.

    >>> Plan("Hello")                                                           # doctest: +SKIP
    >>> Plan(status=429, headers={"retry-after": "2"})                          # doctest: +SKIP
    >>> Plan("a long text", gap=0.05, cut_after_event=3)                        # doctest: +SKIP
    """

    text: str | None = None
    """The visible answer; None: a short text derived from the prompt, the same for the same prompt."""
    tools: tuple[ToolCall, ...] = ()
    thinking: str = ""
    usage: Usage | UnsetType | None = UNSET
    """What is reported and billed; unset: counted from the texts; None: not reported."""
    finish: str = ""
    """The reason to end, in the provider's word; empty: the usual one."""
    status: int = 200
    """Anything but 200 answers with ``text`` as the message of an error."""
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    """These very bytes instead of a body made from the fields above."""
    content_type: str = ""
    gzip: bool = False
    latency: float = 0.0
    """Seconds before the status line."""
    gap: float = 0.0
    """Seconds before each event of a stream."""
    piece: int = 16
    """Characters in one event of a stream."""
    split: int = 0
    """Write in pieces of this many bytes, wherever that cuts; 0: event by event."""
    drip: float = 0.0
    """Seconds before each such piece."""
    hang: bool = False
    """Never answer, though the connection stays open."""
    drop: bool = False
    """Close the connection instead of answering."""
    hang_after_event: int | None = None
    """Stop sending after this many events, though the connection stays open."""
    cut_after: int | None = None
    """Close the connection after this many bytes of the body."""
    cut_after_event: int | None = None
    """Close the connection after this many events."""
    error_after_event: int | None = None
    """Go on with an error event after this many events, and end the stream in good order."""


class Question(msgspec.Struct, frozen=True):
    """What was asked, as far as an answer depends on it."""

    dialect: str
    body: Mapping[str, Any]
    number: int = 0
    """How many came before it."""

    @property
    def model(self) -> str:
        """The model asked for."""
        return str(self.body.get("model", ""))

    @property
    def stream(self) -> bool:
        """Whether events are wanted."""
        return self.body.get("stream") is True

    @property
    def prompt(self) -> str:
        """All text that the model reads, in order: tools, system, messages. Parameters are not of it."""
        read = {field: self.body[field] for field in _PROMPT if field in self.body}
        return "\n".join(segment.text for segment in segments(read))

    def text(self, plan: Plan) -> str:
        """The visible answer: the plan's, or an echo of the prompt's last line under the digest of the whole prompt."""
        if plan.text is not None:
            return plan.text
        if plan.tools:
            return ""
        prompt = self.prompt
        digest = hashlib.blake2b(prompt.encode(), digest_size=4).hexdigest()
        return f"echo {digest}: {prompt.rpartition(chr(10))[2][:80]}"

    def usage(self, plan: Plan, count: Callable[[str], int], share: float = 1.0) -> Usage:
        """What the answer uses, or what a ``share`` of it does when the rest was never sent."""
        if isinstance(plan.usage, Usage):
            used = plan.usage
        else:
            said = self.text(plan) + "".join(tool.arguments for tool in plan.tools)
            used = Usage(input=count(self.prompt), output=count(said), reasoning=count(plan.thinking))
        if share >= 1:
            return used
        return msgspec.structs.replace(used, output=int(used.output * share), reasoning=int(used.reasoning * share))


def quarter(text: str) -> int:
    """A token for every four characters or part of them: a stand-in for a tokenizer, the same everywhere.

    >>> quarter(""), quarter("abcd"), quarter("abcde")
    (0, 1, 2)
    """
    return -(-len(text) // 4)


def body(question: Question, plan: Plan, count: Callable[[str], int] = quarter) -> bytes:
    """The JSON body of an answer that does not stream."""
    if plan.body is not None:
        return plan.body
    if plan.status != 200:
        return error_body(question.dialect, plan.status, plan.text or "the script says so")
    make = _openai_body if question.dialect == "openai" else _anthropic_body
    return msgspec.json.encode(make(question, plan, count))


def events(question: Question, plan: Plan, count: Callable[[str], int] = quarter) -> list[bytes]:
    """The events of an answer that streams, the terminal one among them."""
    if plan.body is not None:
        return [plan.body]
    openai = question.dialect == "openai"
    whole = list((_openai_events if openai else _anthropic_events)(question, plan, count))
    if plan.error_after_event is not None:
        data = error_body(question.dialect, 529, "overloaded in mid-stream")
        whole[plan.error_after_event :] = [(b"" if openai else b"event: error\n") + b"data: " + data + b"\n\n"]
    return whole


def error_body(dialect: str, status: int, message: str) -> bytes:
    """An error as the upstream of this dialect words it."""
    kinds = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error"}
    kinds |= {413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error"}
    kind = kinds.get(status, "api_error" if status >= 500 else "invalid_request_error")
    if dialect == "openai":
        return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": None}})
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})


def split(part: bytes, size: int) -> Iterator[bytes]:
    """The part in pieces of ``size`` bytes; whole when ``size`` is 0."""
    for start in range(0, len(part), size or len(part) or 1):
        yield part[start : start + (size or len(part))]


def _pieces(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), max(size, 1)):
        yield text[start : start + max(size, 1)]


def _openai_usage(used: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": used.prompt + used.completion,
        "prompt_tokens_details": {"cached_tokens": used.cache_read},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    }


def _openai_frame(question: Question, kind: str) -> dict[str, Any]:
    number = f"chatcmpl-{question.number}"
    return {"id": number, "object": kind, "created": 1_800_000_000, "model": question.model}


def _openai_tool(tool: ToolCall) -> dict[str, Any]:
    return {"id": tool.id, "type": "function", "function": {"name": tool.name, "arguments": tool.arguments}}


def _openai_finish(plan: Plan) -> str:
    return plan.finish or ("tool_calls" if plan.tools else "stop")


def _openai_body(question: Question, plan: Plan, count: Callable[[str], int]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": question.text(plan) or None}
    if plan.thinking:
        message["reasoning_content"] = plan.thinking
    if plan.tools:
        message["tool_calls"] = [_openai_tool(tool) for tool in plan.tools]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _openai_finish(plan)}
    answer = {**_openai_frame(question, "chat.completion"), "choices": [choice]}
    if plan.usage is not None:
        answer["usage"] = _openai_usage(question.usage(plan, count))
    return answer


def _openai_events(question: Question, plan: Plan, count: Callable[[str], int]) -> Iterator[bytes]:
    frame = _openai_frame(question, "chat.completion.chunk")

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + msgspec.json.encode({**frame, "choices": [choice]}) + b"\n\n"

    yield event({"role": "assistant", "content": ""})
    for piece in _pieces(plan.thinking, plan.piece):
        yield event({"reasoning_content": piece})
    for piece in _pieces(question.text(plan), plan.piece):
        yield event({"content": piece})
    for index, tool in enumerate(plan.tools):
        yield event({"tool_calls": [{"index": index, **_openai_tool(msgspec.structs.replace(tool, arguments=""))}]})
        for piece in _pieces(tool.arguments, plan.piece):
            yield event({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield event({}, _openai_finish(plan))
    options = question.body.get("stream_options")
    wanted = isinstance(options, dict) and cast("dict[str, Any]", options).get("include_usage")
    if plan.usage is not None and wanted:
        usage = _openai_usage(question.usage(plan, count))
        yield b"data: " + msgspec.json.encode({**frame, "choices": [], "usage": usage}) + b"\n\n"
    yield b"data: [DONE]\n\n"


def _anthropic_usage(used: Usage) -> dict[str, Any]:
    return {
        "input_tokens": used.input,
        "cache_read_input_tokens": used.cache_read,
        "cache_creation_input_tokens": used.cache_write_5m + used.cache_write_1h,
        "cache_creation": {
            "ephemeral_5m_input_tokens": used.cache_write_5m,
            "ephemeral_1h_input_tokens": used.cache_write_1h,
        },
        "output_tokens": used.completion,
    }


def _anthropic_blocks(question: Question, plan: Plan) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if plan.thinking:
        blocks.append({"type": "thinking", "thinking": plan.thinking, "signature": "c2lnbmVk"})
    if text := question.text(plan):
        blocks.append({"type": "text", "text": text})
    for tool in plan.tools:
        arguments = msgspec.json.decode(tool.arguments)
        blocks.append({"type": "tool_use", "id": tool.id, "name": tool.name, "input": arguments})
    return blocks


def _anthropic_body(question: Question, plan: Plan, count: Callable[[str], int]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": f"msg_{question.number}",
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "content": _anthropic_blocks(question, plan),
        "stop_reason": plan.finish or ("tool_use" if plan.tools else "end_turn"),
        "stop_sequence": None,
    }
    if plan.usage is not None:
        answer["usage"] = _anthropic_usage(question.usage(plan, count))
    return answer


def _anthropic_events(question: Question, plan: Plan, count: Callable[[str], int]) -> Iterator[bytes]:
    def event(kind: str, **fields: Any) -> bytes:
        data = msgspec.json.encode({"type": kind, **fields})
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

    whole = _anthropic_body(question, plan, count)
    usage: dict[str, Any] | None = whole.get("usage")
    start: dict[str, Any] = {**whole, "content": [], "stop_reason": None}
    yield event("message_start", message={**start, "usage": {**usage, "output_tokens": 1}} if usage else start)
    for index, block in enumerate(whole["content"]):
        opening, deltas = _anthropic_block(block, plan)
        yield event("content_block_start", index=index, content_block=opening)
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    if usage:
        yield event("message_delta", delta=delta, usage={"output_tokens": usage["output_tokens"]})
    else:
        yield event("message_delta", delta=delta)
    yield event("message_stop")


def _anthropic_block(block: dict[str, Any], plan: Plan) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """A content block as it opens, and the deltas that fill it."""
    if block["type"] == "text":
        return {**block, "text": ""}, ({"type": "text_delta", "text": p} for p in _pieces(block["text"], plan.piece))
    if block["type"] == "thinking":
        return {**block, "thinking": "", "signature": ""}, _thinking(block, plan)
    arguments = _pieces(msgspec.json.encode(block["input"]).decode(), plan.piece)
    return {**block, "input": {}}, ({"type": "input_json_delta", "partial_json": p} for p in arguments)


def _thinking(block: dict[str, Any], plan: Plan) -> Iterator[dict[str, Any]]:
    for piece in _pieces(block["thinking"], plan.piece):
        yield {"type": "thinking_delta", "thinking": piece}
    yield {"type": "signature_delta", "signature": block["signature"]}
