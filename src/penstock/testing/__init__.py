"""Public fakes, for the tests of penstock and of whoever builds on it. Real parts, scripted: nothing is patched."""

from __future__ import annotations

from penstock.testing.caching import PromptCache, SimulatedCache
from penstock.testing.clock import FakeClock
from penstock.testing.plan import Plan, ToolCall
from penstock.testing.scripted import Reaction, ScriptedProvider
from penstock.testing.upstream import Exchange, Script, Upstream

__all__ = [
    "Exchange",
    "FakeClock",
    "Plan",
    "PromptCache",
    "Reaction",
    "Script",
    "ScriptedProvider",
    "SimulatedCache",
    "ToolCall",
    "Upstream",
]
