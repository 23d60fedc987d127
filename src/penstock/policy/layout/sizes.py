"""How many tokens prompts really have, as far as providers have told."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Sizes"]

_RECENT = 0.2
"""How much the newest report weighs in the scale of a model."""

_LEAST, _MOST = 0.5, 2.0
"""No text is further from a token for four bytes than this."""

_NEAR = 0.35
"""How far a read of a prefix that was never reported alone may be from its estimate and still be it: tool definitions
and prose differ by as much in characters for a token."""


class Sizes:
    """Scales for estimates, by model, and the reported sizes of the prefixes that were written last."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._scales: dict[str, float] = {}
        self._told: OrderedDict[bytes, int] = OrderedDict()

    def scale(self, model: str) -> float:
        """By what an estimate is to be multiplied."""
        return self._scales.get(model, 1.0)

    def learn(self, model: str, scale: float) -> None:
        """A provider has reported so many tokens of a prompt that this ``scale`` would have been right.

        That is by its bare estimate: many calls may have been laid out by one scale before the first is reported.
        """
        if len(self._scales) >= self._most:
            self._scales.clear()
        before = self.scale(model)
        self._scales[model] = before + _RECENT * (min(max(scale, _LEAST), _MOST) - before)

    def tell(self, prefix: bytes, tokens: int) -> None:
        """The provider has this prefix, and says how long it is."""
        self._told[prefix] = tokens
        self._told.move_to_end(prefix)
        if len(self._told) > self._most:
            self._told.popitem(last=False)

    def expected(self, prefix: bytes | None, estimate: float) -> tuple[int, float]:
        """How many tokens a read of this prefix will be told to have, and the least that is taken for it."""
        told = None if prefix is None else self._told.get(prefix)
        return (round(estimate), (1 - _NEAR) * estimate) if told is None else (told, float(told))
