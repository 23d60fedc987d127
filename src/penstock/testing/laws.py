"""The laws of the stores, as test classes: whoever writes a store inherits them and says how to make one.

    class TestMyHolds(HoldsLaws):
        @asynccontextmanager
        async def make(self):
            yield MyHolds()

Needs hypothesis, which is no dependency of the package, so nothing else imports this module.
"""

from __future__ import annotations

from penstock.testing.laws_contexts import ContextsLaws
from penstock.testing.laws_holds import HoldsLaws, SharedHoldsLaws
from penstock.testing.laws_originals import OriginalsLaws
from penstock.testing.laws_prefixes import RegistryLaws
from penstock.testing.laws_records import LearnedLaws, RecordsLaws, record_of
from penstock.testing.laws_replies import RepliesLaws, reply_of

__all__ = [
    "ContextsLaws",
    "HoldsLaws",
    "LearnedLaws",
    "OriginalsLaws",
    "RecordsLaws",
    "RegistryLaws",
    "RepliesLaws",
    "SharedHoldsLaws",
    "record_of",
    "reply_of",
]
