"""The window of a session: of everything it knows, what a request needs, within a token budget and with reasons.

segment.py      Segment: a file, a message, a call of a tool; its text, or what loads it
tags.py         what is kept of a text while the text is elsewhere: search and links see nothing else
graph.py        how segments hang together, and how many hops each is from the focus
search.py       how well each answers a request: BM25 over the tags
importance.py   the rules that make a segment critical, important, supporting or cached, with their evidence
allocation.py   the budget in shares of 20, 40, 30 and 10%, with borrowing
tiers.py        primary, secondary, archive by use; how far a request has to reach
selection.py    what fits, whole or shortened, and the reason for each
checkpoints.py  what stands for the older parts of a session that no longer fits
summary.py      the passages that say most of a text, by their vectors
prediction.py   what is likely to be used next
quality.py      how well selections did
state.py        all of it as bytes, for `penstock.stores.contexts`
window.py       Window: one session
"""

from penstock.context.window.segment import Importance, Segment
from penstock.context.window.selection import Chosen, LeftOut, Selection
from penstock.context.window.summary import by_vectors
from penstock.context.window.tiers import Tier
from penstock.context.window.window import Window

__all__ = ["Chosen", "Importance", "LeftOut", "Segment", "Selection", "Tier", "Window", "by_vectors"]
