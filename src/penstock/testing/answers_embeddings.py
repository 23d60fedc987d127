"""Scripted answers as OpenAI's embeddings."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from penstock.testing.plan import Count, Plan, Question
from penstock.values.shape import entries

__all__ = ["body"]

_DIMENSIONS = 8


def body(question: Question, plan: Plan, count: Count) -> dict[str, Any]:
    """A vector for each input, the same for the same input: as numbers, or in base64 where that is asked for."""
    asked = question.body
    packed = asked.get("encoding_format") == "base64"
    size = asked.get("dimensions") or _DIMENSIONS
    vectors = [_vector(each, size) for each in _inputs(asked.get("input"))]
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
        for index, vector in enumerate(vectors)
    ]
    answer: dict[str, Any] = {"object": "list", "data": data, "model": question.model}
    if plan.usage is not None:
        used = question.usage(plan, count).prompt
        answer["usage"] = {"prompt_tokens": used, "total_tokens": used}
    return answer


def _inputs(asked: Any) -> list[Any]:
    """What is to be embedded: a text, tokens, or a list of either."""
    listed = entries(asked)
    return [asked] if all(isinstance(each, int) for each in listed) else listed


def _vector(of: Any, size: int) -> list[float]:
    """Numbers in [-1, 1) that single precision holds exactly, so that both forms say the same."""
    digest = hashlib.shake_128(msgspec.json.encode(of)).digest(size)
    return [byte / 128 - 1 for byte in digest]


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
