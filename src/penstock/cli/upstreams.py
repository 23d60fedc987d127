"""Who a gateway of ``penstock run`` or ``penstock serve`` is going to ask, where that is not what one may expect."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.cli.addresses import get, host, is_penstock, root, shown_address
from penstock.cli.clients import KEYS, POINTERS
from penstock.config import KNOWN, Settings
from penstock.gateway.server import is_loopback

__all__ = ["unfollowed", "without_key"]

_PATIENCE = 1.0
"""Seconds that a server is given to say whether it is a gateway: a command waits to begin meanwhile."""

_OWN_LOGIN = {"claude": "anthropic", "codex": "openai"}
"""Programs that can log in to their provider themselves."""


async def unfollowed(settings: Settings, variables: Mapping[str, str]) -> list[str]:
    """A line for each variable that leads to a server which the gateway is not going to ask.

    It is no sign of that where it leads to a gateway: that is what such a variable is for.
    """
    lines: list[str] = []
    for family, known in KNOWN.items():
        own = f"PENSTOCK_{family.upper()}_BASE_URL"
        named = next((name for name in POINTERS if name.startswith(family.upper()) and variables.get(name)), "")
        if not named or variables.get(own) or not _asks_the_vendor(settings, family):
            continue
        address = variables[named]
        if root(address) != root(known.base_url) and not await _may_be_a_gateway(root(address)):
            lines.append(
                f"{named} leads to {shown_address(address)} and is not followed: {family} models are asked at "
                f"{known.base_url} (to ask that server: {own}={shown_address(address)})"
            )
    return lines


def without_key(settings: Settings, variables: Mapping[str, str], program: str) -> str:
    """A line when no key is set for any vendor that ``program`` may ask; else empty."""
    login = _OWN_LOGIN.get(program)
    wanted = [login] if login else list(KNOWN)
    if any(_has_key(settings, variables, family) or not _asks_the_vendor(settings, family) for family in wanted):
        return ""
    names = " or ".join(KNOWN[family].key_env for family in wanted)
    if login:
        return f"no key is set for {login}: {program} has to be logged in there, or set {names}"
    return f"no key is set: set {names}, unless the command brings one of its own"


def _asks_the_vendor(settings: Settings, family: str) -> bool:
    """Whether nobody has named another server for the family."""
    described = [one for one in settings.providers.values() if one.dialect == family]
    return [one.base_url for one in described] == [KNOWN[family].base_url]


def _has_key(settings: Settings, variables: Mapping[str, str], family: str) -> bool:
    described = [one.key_env for one in settings.providers.values() if one.dialect == family]
    return any(variables.get(name) for name in (*described, *KEYS[family]))


async def _may_be_a_gateway(address: str) -> bool:
    """Whether a gateway answers there. On this machine nobody does where one was, or is about to be."""
    try:
        _, body = await get(f"{address}/health", patience=_PATIENCE)
    except OSError:
        return is_loopback(host(address))
    return is_penstock(body)
