"""Text for prompts: drawn from plain words, so that each is one token of the model of this benchmark."""

from __future__ import annotations

import random

__all__ = ["WORDS", "context", "question"]

WORDS = (
    "a", "about", "after", "all", "and", "are", "at", "be", "because", "before", "book", "but", "by", "can", "city",
    "clear", "cold", "come", "day", "door", "down", "each", "early", "end", "every", "few", "find", "first", "for",
    "from", "garden", "go", "good", "green", "had", "hand", "has", "have", "here", "high", "house", "how", "in",
    "is", "it", "keep", "know", "large", "last", "late", "letter", "light", "little", "long", "look", "make", "man",
    "many", "may", "morning", "more", "most", "new", "night", "no", "not", "now", "number", "of", "off", "old",
    "on", "one", "open", "or", "other", "our", "out", "over", "paper", "part", "people", "place", "question",
    "quiet", "rain", "read", "red", "river", "road", "room", "say", "see", "she", "short", "side", "small", "so",
    "some", "stone", "street", "table", "take", "than", "that", "the", "their", "then", "there", "they", "this",
    "time", "to", "train", "tree", "two", "under", "until", "up", "was", "water", "way", "we", "well", "were",
    "what", "when", "where", "which", "who", "why", "will", "wind", "window", "with", "word", "work", "year", "yes",
    "yet", "you", "young",
)  # fmt: skip


def context(seed: int, words: int) -> str:
    """A text of so many words, another one for each seed."""
    return _text(random.Random(f"context {seed}"), words)


def question(seed: int, number: int) -> str:
    """One of the questions about a context."""
    return f"{_text(random.Random(f'question {seed} {number}'), 24)}?"


def _text(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(WORDS, k=words))
