"""The library face: `penstock.open` gives an `LM` that is called like a function."""

from penstock.client.lm import LM, open
from penstock.client.reply import Reply
from penstock.client.sync import SyncLM, open_sync

__all__ = ["LM", "Reply", "SyncLM", "open", "open_sync"]
