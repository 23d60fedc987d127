"""The tool `penstock_retrieve`: what an agent calls to see what was left out of a compressed text."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.errors import BadInput
from penstock.mcp.server import Tool
from penstock.retrieval import Asked, retrieve
from penstock.stores.originals import MemoryOriginals, Originals

if TYPE_CHECKING:
    import asyncio

__all__ = ["Retrieve"]

_DESCRIPTION: Mapping[str, Any] = {
    "name": "penstock_retrieve",
    "title": "Get back what was left out",
    "description": (
        "Returns the original of a text that ends with a line like "
        "[penstock_retrieve 5f0c1d2e3a4b: 18,300 more tokens (log)]. With the name alone it returns the whole text, "
        "exactly as it was. When that is long, pass a query to get what matters for it, or the lines you need."
    ),
    "inputSchema": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "the 12 digits and letters in the line, or the whole line"},
            "query": {"type": "string", "description": "what you look for: only what matters for it is returned"},
            "max_tokens": {"type": "integer", "minimum": 1, "description": "how much to return (with a query 2000)"},
            "first": {"type": "integer", "minimum": 1, "description": "the first line to return, counted from 1"},
            "last": {"type": "integer", "minimum": 1, "description": "the last line to return"},
        },
        "required": ["name"],
        "additionalProperties": False,
    },
    "annotations": {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
}


class Retrieve:
    """The tool over the originals in a file, which is opened when it is there and asked for: most agents never ask."""

    def __init__(self, file: Path, *, warn: Callable[[str], None]) -> None:
        self._file = file
        self._warn = warn
        self._loop: asyncio.Runner | None = None
        self._originals: Originals | None = None

    @property
    def tool(self) -> Tool:
        """It, for a `Server`."""
        return Tool(_DESCRIPTION, self.__call__)

    def __call__(self, arguments: Mapping[str, Any]) -> str:
        """The text that is asked for. Raises `BadInput`."""
        import asyncio

        asked = _asked(arguments)
        self._loop = self._loop or asyncio.Runner()
        return self._loop.run(self._retrieved(asked))

    async def _retrieved(self, asked: Asked) -> str:
        if self._originals is None and self._file.exists():
            from penstock.stores.originals_sqlite import SqliteOriginals

            self._originals = await SqliteOriginals.at(self._file, warn=self._warn)
        return await retrieve(self._originals or MemoryOriginals(), asked, time.time())

    def close(self) -> None:
        """Give the file back."""
        if self._loop is not None:
            if self._originals is not None:
                self._loop.run(self._originals.close())
            self._loop.close()


def _asked(arguments: Mapping[str, Any]) -> Asked:
    """The arguments, read as models write them: a number may be a string."""
    try:
        return msgspec.convert(arguments, Asked, strict=False)
    except msgspec.ValidationError as error:
        takes = "name, and if need be query, max_tokens, first and last"
        raise BadInput(f"these arguments cannot be used: {error}", mend=f"it takes {takes}") from None
