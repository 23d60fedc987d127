"""What is left of documents and meetings whose important parts are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from penstock.policy.compress.sentences import sentences

__all__ = ["Asked", "Discussed", "Meeting", "is_kept", "relevant_share", "retention", "transcript"]

WORDS: Final = 4
"""Words from which a sentence of a meeting counts."""


class Asked(msgspec.Struct, frozen=True):
    """A question, and the documents one of which answers it. Natural Questions with distractors have this shape."""

    question: str
    answers: list[str]
    docs: list[dict[str, str]]


class Discussed(msgspec.Struct, frozen=True):
    """A question about a meeting, and the turns that answer it: the first and the last of each run."""

    query: str
    spans: list[tuple[int, int]]


class Meeting(msgspec.Struct, frozen=True):
    """A transcript in turns of (speaker, text), and questions about it. QMSum has this shape."""

    turns: list[tuple[str, str]]
    queries: list[Discussed]


def is_kept(asked: Asked, compressed: str) -> bool:
    """Whether any of the answers still stands in the compressed text, to the letter."""
    return any(answer in compressed for answer in asked.answers)


def retention(rows: Sequence[Asked], compressed: Iterable[str]) -> float:
    """The share of the questions whose answer is kept."""
    return sum(map(is_kept, rows, compressed)) / len(rows)


def transcript(meeting: Meeting) -> str:
    """A meeting as text: a line a turn."""
    return "".join(f"{speaker}: {text}\n" for speaker, text in meeting.turns)


def relevant_share(meeting: Meeting, query: Discussed, compressed: str, count: Callable[[str], int]) -> float:
    """The share of the tokens of the relevant turns that is kept, by sentences that stand there to the letter.

    Sentences of fewer than four words, such as "Yeah, OK.", are left out of the reckoning: they stand everywhere.
    """
    wanted = [meeting.turns[number][1] for first, last in query.spans for number in range(first, last + 1)]
    told = [text[start:end] for text in wanted for start, end in sentences(text)]
    sizes = {sentence: count(sentence) for sentence in told if len(sentence.split()) >= WORDS}
    whole = sum(sizes.get(sentence, 0) for sentence in told)
    return sum(sizes.get(sentence, 0) for sentence in told if sentence in compressed) / whole if whole else 1.0
