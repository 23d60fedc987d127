"""The prompt caches of providers, simulated by their own rules: what would have been read, written and charged."""

from __future__ import annotations

from penstock.testing.caching.cache import PromptCache, Seen
from penstock.testing.caching.prompt import Block, Mark, Prompt, Wish
from penstock.testing.caching.simulated import Cached, SimulatedCache
from penstock.testing.caching.wire import prompt_of

__all__ = ["Block", "Cached", "Mark", "Prompt", "PromptCache", "Seen", "SimulatedCache", "Wish", "prompt_of"]
