"""When a history is cut: in steps, priced against the provider's prompt cache.

A cut changes the prompt from some message on. What follows was cached, and has to be written again at a price more
than ten times that of reading it; "keep the last ten" does that with every request. So nothing changes until a step
pays, and between two steps the bytes stay.

A step is taken when three things hold. The saved reads of the turns to come are worth more than the rewrite. As much
was paid already for reading what could have gone: the rule of ski rental, which needs no knowledge of the future
and never pays more than twice what the best moment would have. And the account stays above zero: what the conversation
has cost so far, this request included, is no more than it would have cost without pruning, even if it ends here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from penstock.policy.prune.cuts import Pruned

__all__ = ["Account", "Prices", "Step", "Warmth", "all_of", "decided"]

DISCOUNT = 0.5
"""As many turns are expected as there were so far (Lindy's law), less this: an end is never announced."""


MARGIN = 1.25
"""Nothing is cut to less than the provider's minimum times this: it counts tokens in its own way."""

CAUTION = 0.02
"""By what share a step may turn out dearer than it was counted, without the account falling below zero."""


class Prices(msgspec.Struct, frozen=True):
    """What a token of a prompt costs, as multiples of the price of uncached input; by default Anthropic's."""

    read: float = 0.1
    write: float = 1.25
    minimum: int = 0
    """Tokens below which a provider caches nothing; a prompt that is pruned to less pays in full."""

    def cost(self, total: int, warm: int) -> float:
        """What a prompt costs of which ``warm`` tokens at its start are cached, the rest being written."""
        if total < self.minimum:
            return float(total)
        read = min(warm, total) if warm >= self.minimum else 0
        return self.read * read + self.write * (total - read)

    @property
    def least(self) -> int:
        """Tokens that have to be left of a prompt, so that it is cached all the same."""
        return round(MARGIN * self.minimum)

    def again(self, total: int) -> float:
        """What it costs to send the same once more, shortly after."""
        return self.cost(total, total)


def all_of(tokens: int) -> int:
    """What a cache reads that finds the longest common prefix."""
    return tokens


class Account(msgspec.Struct, frozen=True):
    """What pruning has come to in one conversation. Amounts are in tokens of uncached input."""

    turns: int = 0
    won: float = 0.0
    """What the conversation would have cost without, less what it cost."""
    regret: float = 0.0
    """What was paid since the last step for reading what a step would have taken away."""


class Warmth(msgspec.Struct, frozen=True):
    """What the provider has of a conversation in its cache, in tokens."""

    head: int = 0
    """What stands before the messages in each prompt: tools, and the system's text where it has a place of its own."""
    read: int = 0
    """What will be read of the prompt, head and all, if it goes on as it was sent last."""
    without: int = 0
    """What would be read of it if nothing had ever been pruned."""
    readable: Callable[[int], int] = all_of
    """How much will be read of a prompt of which so many tokens at its start stay as they were sent. A cache that finds
    the longest common prefix reads all of them, one with marks only as far as a mark was set: perhaps nothing."""


class Step(msgspec.Struct, frozen=True):
    """What is sent, and what that does to the account."""

    sent: Pruned
    account: Account
    warm: int
    """Tokens at the beginning of the prompt, its head among them, that are expected to be read."""
    taken: bool
    """Whether the history was cut anew."""


def decided(
    stay: Pruned, offers: Iterable[Pruned], *, warmth: Warmth, account: Account, prices: Prices, allowance: float = 0.0
) -> Step:
    """The best of the cuts that are due, worth their price and affordable, or to leave the prompt as it is.

    ``stay``: the messages under the last cut. ``allowance``: tokens by which a conversation may be dearer than without
    pruning.
    """
    head = warmth.head
    without = prices.cost(head + stay.before, warmth.without)
    remaining = DISCOUNT * account.turns
    staying = prices.cost(head + stay.after, warmth.read)
    best, best_gain, most = Step(stay, account, min(warmth.read, head + stay.after), taken=False), 0.0, 0.0
    for offer in offers:
        if head + offer.after < prices.least:
            continue
        shared = warmth.readable(min(warmth.read, head + sum(stay.tokens[: stay.agrees(offer)])))
        cost = prices.cost(head + offer.after, shared)
        extra = cost - staying
        saves = prices.again(head + stay.after) - prices.again(head + offer.after)
        most = max(most, saves)
        gain = saves * remaining - extra
        affordable = account.won + without - cost >= CAUTION * cost - allowance
        if affordable and account.regret + saves >= extra and saves > 0 and gain > best_gain:
            best, best_gain = Step(offer, account, shared, taken=True), gain
    won = account.won + without - prices.cost(head + best.sent.after, best.warm)
    regret = 0.0 if best.taken else account.regret + most
    return msgspec.structs.replace(best, account=Account(account.turns + 1, won, regret))
