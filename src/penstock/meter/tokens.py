"""Counting tokens offline.

The counts are exact for the two public OpenAI vocabularies. For every other family they are a measure that
`penstock.meter.factors` scales by what the provider was seen to report.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Literal, Protocol, TypeAlias

__all__ = ["Counter", "Encoding", "by_size", "count", "encoding_for"]

Encoding: TypeAlias = Literal["o200k", "cl100k"]

Counter: TypeAlias = Callable[[str, Encoding], int]
"""Whatever says how many tokens a text has: `count`, or `by_size` where a rough upper bound will do."""

_MEMO_FROM = 64
"""Characters from which a count is remembered: looking up costs about as much as counting 15 tokens."""

_MEMO_SIZE = 16_384
"""Counts remembered, about 2 MB. The oldest go first: a conversation counts its own history anew at worst."""

_memo: dict[tuple[int, int, Encoding], int] = {}


def count(text: str, encoding: Encoding = "o200k") -> int:
    """How many tokens a text has. Text that looks like a special token is text.

    The first use of a vocabulary loads it: 20 to 50 ms of CPU. Counts of texts from 64 characters are
    remembered by hash, length and vocabulary, so that a growing conversation is not counted over and over.

    >>> count("The gate is open."), count("<|endoftext|>")
    (5, 7)
    """
    if len(text) < _MEMO_FROM:
        return _count(text, encoding)
    key = (hash(text), len(text), encoding)
    found = _memo.get(key)
    if found is None:
        found = _count(text, encoding)
        if len(_memo) >= _MEMO_SIZE:
            with contextlib.suppress(RuntimeError):  # another thread counts at the same time
                _memo.pop(next(iter(_memo)), None)
        _memo[key] = found
    return found


def by_size(text: str, encoding: Encoding = "o200k") -> int:
    """An upper bound of `count` that needs no vocabulary: a token of a byte-level vocabulary has at least one byte.

    Three to five times too high on English. Good enough to let a call in where far more than that is left.

    >>> by_size("open"), by_size("ö")
    (4, 2)
    """
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def encoding_for(model: str) -> Encoding:
    """The vocabulary a model is counted with: cl100k for GPT-4, GPT-3.5 and the embeddings, o200k for all others.

    Source: the model table of OpenAI's tiktoken, read 2026-11.

    >>> encoding_for("gpt-4-0613"), encoding_for("gpt-4o"), encoding_for("claude-opus-5")
    ('cl100k', 'o200k', 'o200k')
    """
    name = model.lower().rpartition("/")[2].removeprefix("ft:")
    if name.startswith(("gpt-3.5", "text-embedding-3", "text-embedding-ada")):
        return "cl100k"
    return "cl100k" if name == "gpt-4" or name.startswith(("gpt-4-", "gpt-4:")) else "o200k"


class _Encoder(Protocol):
    def count(self, text: str) -> int: ...


@cache
def _encoder(encoding: Encoding) -> _Encoder:
    vocabularies = import_module("rs_bpe.bpe").openai
    encoder: _Encoder = vocabularies.o200k_base() if encoding == "o200k" else vocabularies.cl100k_base()
    return encoder


def _count(text: str, encoding: Encoding) -> int:
    try:
        return _encoder(encoding).count(text)
    except UnicodeEncodeError:
        return _encoder(encoding).count(_whole(text))


def _whole(text: str) -> str:
    """The text with its surrogate pairs joined and each lone surrogate replaced, as a JSON encoder would send it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
