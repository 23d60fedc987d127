"""Penstock: a performance layer for LLM applications and agents.

    import penstock

    async with penstock.open(budget="$2.00") as lm:
        reply = await lm("Why did the nightly job fail?", files=["logs/", "src/"])
        print(reply.text, reply.cost, reply.saved)

Nothing is imported before it is used. The block of imports below is what type checkers see, and the map by which a name
is found on its first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.client import LM as LM
    from penstock.client import Reply as Reply
    from penstock.client import SyncLM as SyncLM
    from penstock.client import open as open
    from penstock.client import open_sync as open_sync
    from penstock.errors import BadInput as BadInput
    from penstock.errors import BrokenReply as BrokenReply
    from penstock.errors import BudgetExceeded as BudgetExceeded
    from penstock.errors import Cancelled as Cancelled
    from penstock.errors import ConfigError as ConfigError
    from penstock.errors import DeadlineExceeded as DeadlineExceeded
    from penstock.errors import KeyRefused as KeyRefused
    from penstock.errors import Overloaded as Overloaded
    from penstock.errors import PenstockError as PenstockError
    from penstock.errors import ProviderError as ProviderError
    from penstock.errors import Rejected as Rejected
    from penstock.errors import Unpriced as Unpriced
    from penstock.errors import Unreachable as Unreachable
    from penstock.ledger import Limits as Limits
    from penstock.ledger import Receipt as Receipt
    from penstock.policy.compress.compressed import Compressed as Compressed
    from penstock.policy.compress.compressed import compress as compress
    from penstock.values import Money as Money
    from penstock.values import Usage as Usage


__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    from penstock._lazy import find

    value = globals()[name] = find(__file__, __name__, name)
    return value


def __dir__() -> list[str]:
    from penstock._lazy import homes

    return sorted(homes(__file__))
