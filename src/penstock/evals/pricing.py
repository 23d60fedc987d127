"""What a trace of prompts costs with marks, priced block by block after the rules of a provider with marks.

Each mark makes an entry of the whole prefix up to it. A request reads the longest prefix that an earlier one made an
entry of, at most `look_back` blocks before one of its marks; it pays the premium from there up to its last mark, and
full price for the rest. An entry can be read by requests that begin later, until its time to live has passed since the
request that wrote or last read it began. Two requests that write the same prefix at once both pay.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from penstock.errors import BadInput
from penstock.evals.rows import read_rows
from penstock.values.caching import CacheRules, Ttl

__all__ = ["BLOCK", "Bill", "Block", "Pricing", "Request", "read_trace"]

BLOCK = 512
"""Tokens of a block of a trace. The last of a prompt holds what is left."""


class Block(msgspec.Struct, frozen=True, gc=False):
    """A block of a recorded prompt. Its digest stands for the prefix that ends with it."""

    digest: bytes
    tokens: int

    @property
    def markable(self) -> bool:
        """A block that is not full ends in the middle of what a later prompt goes on with: it is no good place."""
        return self.tokens >= BLOCK


class Request(msgspec.Struct, frozen=True):
    """A recorded prompt."""

    at: float
    """Seconds since the trace began."""
    blocks: tuple[Block, ...]
    tokens: int
    """Of the whole prompt."""


class Bill(msgspec.Struct, frozen=True):
    """What one request cost. Tokens; ``cost`` in tokens of uncached input."""

    total: int
    read: int
    written: int
    cost: float


class _Entry(msgspec.Struct, gc=False):
    written: float
    until: float
    ttl: float


class Pricing:
    """A provider's cache of one account, which no other traffic disturbs."""

    def __init__(self, rules: CacheRules) -> None:
        self._rules = rules
        self._entries: dict[bytes, _Entry] = {}
        self.bills: list[Bill] = []

    def send(self, request: Request, marks: Sequence[int], ttl: Ttl | None = None) -> Bill:
        """Price the next request in time. Marks below the minimum of tokens do nothing.

        Raises:
            BadInput: a mark outside the prompt, or more marks than may be set.
        """
        rules, ttl = self._rules, ttl or self._rules.ttl
        if len(set(marks)) > rules.most_marks or any(not 1 <= mark <= len(request.blocks) for mark in marks):
            raise BadInput(f"marks {list(marks)} on {len(request.blocks)} blocks, of which {rules.most_marks} may be")
        set_ = sorted({mark for mark in marks if _upto(request, mark) >= rules.minimum})
        found = self._longest(request, set_)
        read = _upto(request, found)
        written = max(_upto(request, set_[-1]) - read, 0) if set_ else 0
        if found and rules.refreshed:
            entry = self._entries[request.blocks[found - 1].digest]
            entry.until = max(entry.until, request.at + entry.ttl)
        for mark in set_:
            if mark != found:
                self._write(request.blocks[mark - 1].digest, request.at, float(ttl.seconds))
        total = request.tokens
        cost = total - (1 - rules.read) * read + (ttl.write - 1) * written
        self.bills.append(Bill(total, read, written, cost))
        return self.bills[-1]

    def _longest(self, request: Request, marks: Sequence[int]) -> int:
        for mark in reversed(marks):
            # The block of the mark is the first that is looked at.
            for at in range(mark, max(mark - (self._rules.look_back or mark), 0), -1):
                entry = self._entries.get(request.blocks[at - 1].digest)
                if entry is not None and entry.written < request.at <= entry.until:
                    return at
        return 0

    def _write(self, digest: bytes, at: float, ttl: float) -> None:
        entry = self._entries.get(digest)
        if entry is None or entry.until < at:
            self._entries[digest] = _Entry(at, at + ttl, ttl)
        else:
            entry.ttl = max(entry.ttl, ttl)
            entry.until = max(entry.until, at + entry.ttl)

    @property
    def relative(self) -> float:
        """The cost with marks over the cost without caching; 1.0 where nothing was sent."""
        total = sum(bill.total for bill in self.bills)
        return sum(bill.cost for bill in self.bills) / total if total else 1.0


def _upto(request: Request, at: int) -> int:
    return sum(block.tokens for block in request.blocks[:at])


def read_trace(path: Path) -> list[Request]:
    """The requests of a trace in the order of its rows, one JSON object a line: timestamp (ms), input_length, hash_ids.

    Raises:
        BadInput: the file cannot be read or holds no request, or a row is none; names the line.
    """
    requests: list[Request] = []
    for line, row in read_rows(path, _Row, shape='{"timestamp": ms, "input_length": n, "hash_ids": [...]}'):
        blocks = -(-row.input_length // BLOCK)
        if len(row.hash_ids) != blocks:
            raise BadInput(
                f"{path}, line {line}: {len(row.hash_ids)} hash_ids for {row.input_length} tokens, which take {blocks}",
                mend=f"one for each {BLOCK} tokens, and one for what is left",
            )
        requests.append(_request(row))
    return requests


class _Row(msgspec.Struct):
    timestamp: float
    input_length: Annotated[int, msgspec.Meta(ge=0)]
    hash_ids: list[int | str]


def _request(row: _Row) -> Request:
    full = max(len(row.hash_ids) - 1, 0)
    left = row.input_length - full * BLOCK
    digests = [str(each).encode() for each in row.hash_ids]
    # A block that is not full is another prefix than the full one of the same id would be.
    digests[-1:] = [digest if left == BLOCK else b"%b of %d" % (digest, left) for digest in digests[-1:]]
    sizes = [BLOCK] * full + [left]
    blocks = tuple(Block(digest, size) for digest, size in zip(digests, sizes, strict=False))
    return Request(row.timestamp / 1000, blocks, row.input_length)
