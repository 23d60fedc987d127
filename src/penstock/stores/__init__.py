"""Where state is kept: replies, holds, records. Narrow ports, each with a memory and a SQLite form under one law-suite.

    holds.py    Holds     the numbers of the budgets, changed all or nothing    MemoryHolds, holds_sqlite.SqliteHolds
    replies.py  Replies   answers by (tenant, key), bounded in bytes            MemoryReplies, TieredReplies,
                                                                                replies_sqlite.SqliteReplies
    records.py  Records   what became of each call; Learned: small facts        MemoryRecords, SqliteRecords

`sqlite` opens a file and says, in one line, when it cannot be used; no state file ever fails a run. The SQLite forms are
imported from their own modules, so that who keeps everything in memory never loads sqlite3.
"""

from penstock.stores.holds import Hold, Holds, MemoryHolds
from penstock.stores.replies import MemoryReplies, Replies, TieredReplies

__all__ = ["Hold", "Holds", "MemoryHolds", "MemoryReplies", "Replies", "TieredReplies"]
