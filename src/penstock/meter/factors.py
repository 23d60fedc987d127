"""How many tokens a provider reports for a token counted here: learned by family and kind of content.

Two figures for each: the mean, for what is expected, and a high quantile, for what is held. Both start from a prior
and follow what the providers report.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import ceil

import msgspec

from penstock.meter.tallies import KINDS, Kind, Tally

__all__ = ["Factor", "Factors"]


class Factor(msgspec.Struct, frozen=True):
    """Reported tokens for each counted one."""

    mean: float
    upper: float
    seen: int = 0
    """Observations so far."""


class _Prior(msgspec.Struct, frozen=True):
    mean: float
    upper: float
    tool_upper: float
    tools: tuple[int, int] = (0, 0)
    """Prompt tokens that tools bring besides their definitions: expected, at most."""


_PRIORS: tuple[tuple[str, _Prior], ...] = (
    # OpenAI's own vocabularies: exact for text, tool definitions are rewritten into a shorter form.
    (r"gpt-[3-9]|o[134](-|$)|chatgpt", _Prior(1.0, 1.02, 1.1, (10, 20))),
    # Claude up to Opus 4.6 takes 10 to 30% more tokens than o200k, newer ones up to 35% more than those (release
    # notes of Opus 4.7). Tools bring a system prompt of 264 to 530 tokens (tool use guide, pricing), in newer ones
    # somewhat more.
    (r"claude-(3|2|opus-4(-[0-6])?$|sonnet-4|haiku-4|4)", _Prior(1.2, 1.5, 1.5, (350, 600))),
    (r"claude", _Prior(1.35, 1.8, 1.8, (500, 900))),
    (r"", _Prior(1.1, 1.5, 1.5, (50, 600))),
)

_MESSAGE = 4
"""Tokens around a message: 3 of its frame and the role (OpenAI's cookbook on counting; Claude's are no more)."""
_BEGIN = 3
"""Tokens that begin the answer."""

_PRIOR_WEIGHT = 4
_MEMORY = 60
"""Observations after which old ones fade: the mean moves by at least 1/64 of a difference."""
_MARGIN = 1.02
"""The upper figure stays this far above what is observed."""
_FADE = 0.05
"""The part of its distance to the observed that the upper figure gives up with each lower observation."""
_JUMP = 2.0
"""One observation counts as at most this many times the upper figure, and at least the mean through it."""
_ENOUGH = 64
"""Counted tokens below which frames and roundings outweigh what there is to learn."""
_MOST = 2_048
"""Factors kept; what would be one more is not learned."""


class Factors(msgspec.Struct, frozen=True):
    """All that was learned, as a value: `observe` gives the next one. A store can keep it as JSON."""

    learned: dict[str, Factor] = {}
    """By ``family kind``."""

    def of(self, family: str, kind: Kind) -> Factor:
        """The factor of one kind of content: learned, or the prior of the family."""
        found = self.learned.get(f"{family} {kind}")
        if found is not None:
            return found
        prior = _prior(family)
        return Factor(prior.mean, prior.tool_upper if kind == "tool" else prior.upper)

    def estimate(self, family: str, tally: Tally) -> int:
        """The prompt tokens to expect. Media count with their bound."""
        return round(self._mean(family, tally)) + tally.media

    def bound(self, family: str, tally: Tally) -> int:
        """The prompt tokens to hold: hardly ever exceeded, and never below `Tally.least` or the estimate."""
        total = _frame(family, tally, 1)
        for kind in KINDS:
            tokens: int = getattr(tally, kind)
            if tokens:
                factor = self.of(family, kind)
                total += ceil(tokens * max(factor.upper, factor.mean))
        return max(total, tally.least) + tally.media

    def observe(self, family: str, tally: Tally, reported: int) -> Factors:
        """What is known after a provider reported ``reported`` prompt tokens, cached ones included.

        One total says one thing: what is left of it after the frames and the other kinds at their means goes to the
        dominant kind. Nothing is learned from media, from very little text, or from a mixture without a dominant kind.
        """
        kind = max(KINDS, key=lambda kind: int(getattr(tally, kind)))
        counted: int = getattr(tally, kind)
        key = f"{family} {kind}"
        full = len(self.learned) >= _MOST and key not in self.learned
        if tally.media or counted < _ENOUGH or counted * 2 < tally.counted or full:
            return self
        factor = self.of(family, kind)
        others = self._mean(family, tally) - counted * factor.mean
        return Factors({**self.learned, key: _follow(factor, (reported - others) / counted)})

    def _mean(self, family: str, tally: Tally) -> float:
        total = float(_frame(family, tally, 0))
        for kind in KINDS:
            tokens: int = getattr(tally, kind)
            if tokens:
                total += tokens * self.of(family, kind).mean
        return total


def _follow(factor: Factor, ratio: float) -> Factor:
    ratio = min(max(ratio, factor.mean / _JUMP), factor.upper * _JUMP)
    mean = factor.mean + (ratio - factor.mean) / (_PRIOR_WEIGHT + min(factor.seen, _MEMORY))
    target = ratio * _MARGIN
    upper = target if target > factor.upper else factor.upper + (target - factor.upper) * _FADE
    return Factor(mean, max(upper, mean), factor.seen + 1)


def _frame(family: str, tally: Tally, which: int) -> int:
    """Tokens around the content: expected (0) or at most (1)."""
    return _MESSAGE * tally.messages + _BEGIN + (_prior(family).tools[which] if tally.tool else 0)


@lru_cache(maxsize=1024)
def _prior(family: str) -> _Prior:
    return next(prior for pattern, prior in _PRIORS if re.match(pattern, family))
