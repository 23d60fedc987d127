"""The prompts of one engine's calls on their way to the providers' caches.

    laying.py    Prefixes   lays a prompt out: where it is marked, and what is done for it
    laid.py      Laid       how one prompt was laid out, and what becomes of that if it has to wait
    passage.py   Passage    one call on its way: its turn, its first token, what the provider reported
    leaders.py   Leaders    who goes ahead with which prefix, and who waits for whom
    memory.py    Memory     what is known of prefixes, shared by all calls of the engine, and by processes
    warming.py   Warming    reads of prefixes that would expire

`policy.layout` decides; here its decisions meet the clock.
"""

from penstock.prefixes.laying import Prefixes
from penstock.prefixes.passage import Passage

__all__ = ["Passage", "Prefixes"]
