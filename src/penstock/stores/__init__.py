"""Where state is kept: replies, holds, records. Narrow ports, each with a memory and a SQLite form under one law-suite.

    holds.py    Holds     the numbers of the budgets, changed all or nothing    MemoryHolds, holds_sqlite.SqliteHolds
    replies.py  Replies   answers by (tenant, key), bounded in bytes            MemoryReplies, TieredReplies,
                                                                                replies_sqlite.SqliteReplies
    contexts.py Contexts  sessions of a token window, their texts apart         MemoryContexts,
                                                                                contexts_sqlite.SqliteContexts
    originals.py Originals  texts that were compressed, by their names            MemoryOriginals,
                                                                                originals_sqlite.SqliteOriginals
    prefixes.py Registry  what is known of prompts that were sent              prefixes_sqlite.SqliteRegistry
    records.py  Records   what became of each call; Learned: small facts        records.MemoryRecords, SqliteRecords

`sqlite` opens a file and says, in one line, when it cannot be used; no state file ever fails a run. What needs SQLite
is imported from its own module, so that importing this one does not load it.
"""

from penstock.stores.holds import Hold, Holds, MemoryHolds
from penstock.stores.replies import MemoryReplies, Replies, TieredReplies

__all__ = ["Hold", "Holds", "MemoryHolds", "MemoryReplies", "Replies", "TieredReplies"]
