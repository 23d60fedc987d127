"""What a model's name means at the gateway: which provider answers, under which name of its own."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.config import EMBEDDED, Settings
from penstock.errors import BadInput
from penstock.gateway.endpoints import Endpoint
from penstock.values import Call, Edit

__all__ = ["Names"]

_REMEMBERED = 1024
"""Names whose meaning is remembered: they come from outside, and must not grow without end."""

_LONGEST = 1000
"""Characters of a name; no model's is longer. Prices, gates and limits remember thousands of names as well."""


class Names:
    """The models behind one gateway.

    ``providers`` names the provider of each wire format. A name is a tier (``small``, ``large``) of that
    provider, ``provider/model``, a model that a provider of the family lists, or else the provider's own.
    """

    def __init__(self, providers: Mapping[str, str], settings: Settings | None = None) -> None:
        self._providers = providers
        self._settings = settings
        self._meant: dict[tuple[str, str], tuple[str, str]] = {}

    def place(self, at: Endpoint, model: str) -> tuple[str, str]:
        """The provider and its own name for ``model``. Raises `BadInput` when none is served at this endpoint."""
        meant = self._meant.get((at.dialect, model))
        if meant is None:
            if len(model) > _LONGEST:
                hint = "GET /v1/models lists what there is"
                raise BadInput(f"the name of the model is longer than {_LONGEST} characters", mend=hint)
            meant = self._place(at, model)
            if len(self._meant) >= _REMEMBERED:
                self._meant.clear()
            self._meant[at.dialect, model] = meant
        return meant

    def _place(self, at: Endpoint, model: str) -> tuple[str, str]:
        usual = self._providers.get(at.dialect)
        if usual is None:
            raise BadInput(f"no provider speaks the {at.dialect} format", mend="describe one in penstock.toml")
        if self._settings is None or usual == EMBEDDED or not model:
            return usual, model
        provider, name = self._settings.choosing(usual).resolve(model)
        if provider != usual and self._settings.providers[provider].dialect != at.family:
            spoken = self._settings.providers[provider].dialect
            hint = f"ask for it with a client of {spoken}, or name a model of {usual}"
            raise BadInput(f"model {model!r} is served in the {spoken} format only", mend=hint)
        return provider, name

    def aliased(self, call: Call, name: str) -> Call:
        """The call with the provider's own name of its model: the client's wish in other words, so nothing is saved."""
        if name == call.model:
            return call
        return call.edited(Edit("alias", ("model",), "set", name, evidence={"asked": call.model}))
