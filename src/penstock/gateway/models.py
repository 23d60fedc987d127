"""The list of models: what the upstream lists, and the names that the gateway adds to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from penstock.clock import Clock
from penstock.config import Settings
from penstock.errors import KeyRefused, ProviderError, Rejected
from penstock.providers.port import Fetcher
from penstock.values import Credential
from penstock.values.shape import mapping, objects, text

__all__ = ["Models"]

_SECONDS = 10.0
"""How long the upstream's list is waited for."""

_PASSED = frozenset({"anthropic-version", "anthropic-beta", "openai-organization", "openai-project", "user-agent"})


class Models:
    """What ``GET /v1/models`` answers. ``providers`` names the provider of each wire format, as for `Names`."""

    def __init__(
        self, providers: Mapping[str, str], settings: Settings, fetchers: Mapping[str, Fetcher], clock: Clock
    ) -> None:
        self._providers = providers
        self._settings = settings
        self._fetchers = fetchers
        self._clock = clock

    def provider(self, family: str) -> str:
        """Whose list it is."""
        return self._providers.get(family, "")

    async def every(
        self,
        family: str,
        headers: Iterable[tuple[str, str]],
        *,
        query: str = "",
        credential: Credential | None = None,
        allowed: Callable[[str], bool] = lambda name: True,
    ) -> bytes:
        """All that may be asked, as JSON that clients of either family read.

        Raises `KeyRefused` when the upstream wants another key; one that cannot be asked adds nothing.
        """
        try:
            upstream = await self._fetch(family, "models", headers, query, credential)
        except KeyRefused:
            raise
        except ProviderError:
            upstream = {}
        found = {model["id"]: model for model in self._named(family)}
        found |= {text(model.get("id")): model for model in objects(upstream.get("data")) if model.get("id")}
        data = [model for name, model in found.items() if allowed(name)]
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
        return msgspec.json.encode({"object": "list", "has_more": False, **upstream, **ends, "data": data})

    async def one(
        self, family: str, name: str, headers: Iterable[tuple[str, str]], *, credential: Credential | None = None
    ) -> bytes:
        """One model as JSON. Raises the `ProviderError` of the upstream, `Rejected` when nobody knows it."""
        for model in self._named(family):
            if model["id"] == name:
                return msgspec.json.encode(model)
        return msgspec.json.encode(await self._fetch(family, f"models/{name}", headers, "", credential))

    async def _fetch(
        self, family: str, path: str, headers: Iterable[tuple[str, str]], query: str, credential: Credential | None
    ) -> dict[str, Any]:
        fetcher = self._fetchers.get(self._providers.get(family, ""))
        if fetcher is None:
            raise Rejected(f"there is no {path!r} here", status=404, mend="GET /v1/models lists what there is")
        fetched = await fetcher.fetch(
            path,
            query=query,
            headers=[header for header in headers if header[0] in _PASSED],
            credential=credential,
            deadline=self._clock.monotonic() + _SECONDS,
        )
        try:
            return mapping(msgspec.json.decode(fetched.body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}

    def _named(self, family: str) -> list[dict[str, Any]]:
        """The names that the configuration gives to models of a family."""
        names: dict[str, str] = {}
        usual = self._settings.providers.get(self._providers.get(family, ""))
        for tier in ("small", "large"):
            if usual is not None and getattr(usual, tier):
                names[tier] = "penstock"
        for provider, described in self._settings.providers.items():
            for model in dict.fromkeys((described.small, described.large, *described.models)):
                if model and described.dialect == family:
                    names |= {model: provider, f"{provider}/{model}": provider}
        return [_model(name, owner) for name, owner in names.items()]


def _model(name: str, owner: str) -> dict[str, Any]:
    """One model, in the words of both families at once: neither minds the other's."""
    ours = {"id": name, "object": "model", "created": 0, "owned_by": owner}
    return {**ours, "type": "model", "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
