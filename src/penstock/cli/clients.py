"""What the clients of a gateway read: the variables that lead them to it, and the words where they read none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from penstock.gateway.clients import PLACEHOLDER

__all__ = ["BYPASSES", "KEYS", "POINTERS", "adapted", "environment", "program"]

_OPENAI = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
_ANTHROPIC = ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_URL", "ANTHROPIC_API_BASE")
"""The official SDKs read the first; what else clients read wins over it there."""

KEYS = {"openai": ("OPENAI_API_KEY",), "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")}

POINTERS = (*_OPENAI, *_ANTHROPIC)
"""All of them."""

BYPASSES = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
"""Variables with which Claude Code asks a cloud, whatever its base URL says."""


def environment(address: str, given: Mapping[str, str], families: Collection[str], named: str = "") -> dict[str, str]:
    """The environment of a program ``named`` so whose model calls go to the gateway at ``address``.

    An SDK insists on a key: where the gateway serves a family of clients and they have none, a placeholder stands in.
    Proxies are for hosts elsewhere. A penstock inside of it asks this one.

    >>> environment("http://127.0.0.1:1", {}, ["openai"])["OPENAI_BASE_URL"]
    'http://127.0.0.1:1/v1'
    """
    root = address.rstrip("/")
    made = {**given, **dict.fromkeys(_OPENAI, f"{root}/v1"), **dict.fromkeys(_ANTHROPIC, root)}
    for family, names in KEYS.items():
        if given.get(own := f"PENSTOCK_{family.upper()}_BASE_URL"):
            made[own] = root
        if family in families and not any(given.get(name) for name in names):
            # Claude Code asks whether it may use an API key that it finds, and not whether it may use a token.
            made[names[-1] if named == "claude" else names[0]] = PLACEHOLDER
    for name in ("NO_PROXY", "no_proxy"):
        made[name] = ",".join([*filter(None, [given.get(name)]), "127.0.0.1", "localhost"])
    return made


def adapted(words: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """The command with what it has to be told in words, since it reads no variable for it: that is codex alone.

    A provider of its own, because the built-in one tries a WebSocket five times before it asks over HTTP.

    >>> adapted(["codex", "exec"], {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_API_KEY": "k"})[1:3]
    ['-c', 'model_provider="penstock"']
    """
    if program(words) != "codex":
        return list(words)
    named = next((name for name in ("CODEX_API_KEY", "OPENAI_API_KEY") if variables.get(name)), "")
    login = f'env_key="{named}"' if named else "requires_openai_auth=true"
    provider = f'{{name="Penstock",base_url="{variables[_OPENAI[0]]}",wire_api="responses",{login}}}'
    told = ["-c", 'model_provider="penstock"', "-c", f"model_providers.penstock={provider}"]
    return [words[0], *told, *words[1:]]


def program(words: Sequence[str]) -> str:
    """The name of the program that is run.

    >>> program(["/usr/local/bin/codex", "exec"])
    'codex'
    """
    return Path(words[0]).stem
