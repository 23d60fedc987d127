"""What is left of the logs and tool outputs whose important lines are known."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

__all__ = ["Kept", "LogLine", "Trap", "is_severe", "must_keep_share", "template_share"]

_COUNTED = re.compile(r" \(x [\d,]+\)$")
_SEVERE_LEVELS = frozenset(
    ("w", "e", "f", "warn", "warning", "err", "error", "severe", "fatal", "critical", "alert", "emerg")
)
_SEVERE_WORDS = re.compile(r"\b(?:error|fail(?:ed|ure)?|fatal|exception|critical|panic|warn(?:ing)?)\b", re.IGNORECASE)


class LogLine(msgspec.Struct, frozen=True):
    """A line of a log with the template it was made from."""

    line: str
    event: str
    level: str = ""


class Trap(msgspec.Struct, frozen=True):
    """An output of a tool, and what of it must be kept to the letter."""

    id: str
    kind: str
    text: str
    must_keep: list[str]
    query: str | None = None

    @property
    def family(self) -> str:
        """The id without the number of the member."""
        return self.id.rpartition("-")[0]


class Kept(msgspec.Struct, frozen=True):
    """Shares, 0 to 1, of the templates that have at least one line left."""

    all: float
    severe: float


def is_severe(line: LogLine) -> bool:
    """Whether its level says so; where logs have no level, whether a word of error or warning is in it."""
    return line.level.lower() in _SEVERE_LEVELS if line.level else bool(_SEVERE_WORDS.search(line.line))


def template_share(lines: Sequence[LogLine], compressed: str) -> Kept:
    """Of which templates a whole line is left, verbatim but for a count behind it."""
    left = {_COUNTED.sub("", line) for line in compressed.split("\n")} | set(compressed.split("\n"))
    every = {line.event for line in lines}
    severe = {line.event for line in lines if is_severe(line)}
    kept = {line.event for line in lines if line.line in left}
    return Kept(len(kept) / max(1, len(every)), len(kept & severe) / len(severe) if severe else 1.0)


def must_keep_share(
    traps: Iterable[Trap], outputs: Iterable[str], by: Callable[[Trap], str] = lambda trap: trap.kind
) -> dict[str, float]:
    """For each kind the share of texts of which everything is left that must be."""
    verdicts: defaultdict[str, list[bool]] = defaultdict(list)
    for trap, output in zip(traps, outputs, strict=True):
        verdicts[by(trap)].append(all(span in output for span in trap.must_keep))
    return {kind: sum(each) / len(each) for kind, each in verdicts.items()}
