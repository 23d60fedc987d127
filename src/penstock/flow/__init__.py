"""The states a call walks through: frozen values, each with a pure ``next`` that takes what was observed.

    every caller          Lookup ──Hit──────────────────────────────> Done
                             └──InFlight, Miss──> Follow ──Landed───> Done, Refused
                                                     ┆
    once for all who      Shape ──> Admit ──> Send ──> Settle ──────> Done, Refused
    ask the same now                  └──Never──────────────────────> Refused

A provider that fails may have another one that stands in for it: then Settle leads to Shape once more.

`engine` performs what a state asks for and keeps the states: they are the explanation of the call. ``explain``
of a state is what a person would want to know of it, as JSON.
"""

from penstock.flow.observed import Answered, Failed, Granted, Hit, InFlight, Landed, Miss
from penstock.flow.rules import Fallback, Policy, Rules
from penstock.flow.states import (
    AMPLE_TOKENS,
    FEWEST_TOKENS,
    Admit,
    Done,
    Flying,
    Follow,
    Lookup,
    Refused,
    Send,
    Settle,
    Shape,
    State,
    begin,
)

__all__ = [
    "AMPLE_TOKENS",
    "FEWEST_TOKENS",
    "Admit",
    "Answered",
    "Done",
    "Failed",
    "Fallback",
    "Flying",
    "Follow",
    "Granted",
    "Hit",
    "InFlight",
    "Landed",
    "Lookup",
    "Miss",
    "Policy",
    "Refused",
    "Rules",
    "Send",
    "Settle",
    "Shape",
    "State",
    "begin",
]
