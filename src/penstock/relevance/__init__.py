"""Which passages of a text answer a question: cutting by structure and ranking by words. Pure, and without a model."""

from penstock.relevance.bm25 import Weights
from penstock.relevance.passages import Passage, passages
from penstock.relevance.rank import Document, Hit, rank

__all__ = ["Document", "Hit", "Passage", "Weights", "passages", "rank"]
