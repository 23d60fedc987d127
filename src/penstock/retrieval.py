"""Getting originals back: whole, some lines of them, or what of them matters for a question."""

from __future__ import annotations

import msgspec

from penstock.errors import BadInput
from penstock.policy.compress.markers import name_in
from penstock.stores.originals import Originals

__all__ = ["Asked", "original", "retrieve"]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for."""

    name: str
    """The marker of the compressed text, or the name in it."""
    query: str | None = None
    """Of the text, what matters for this."""
    max_tokens: int | None = None
    """The size of that; absent: the size that a text is compressed to."""
    first: int | None = None
    last: int | None = None
    """The lines from the first to the last, counted from 1; absent: from the beginning, to the end."""

    @property
    def whole(self) -> bool:
        """Whether that is all of the original, byte for byte."""
        return not self.query and self.max_tokens is None and self.first is None and self.last is None


async def original(originals: Originals, told: str, now: float) -> str:
    """The text that ``told`` is the marker of, or the name, as it was. Raises `BadInput` if it is not known."""
    name = _name(told)
    text = await originals.get(name, now)
    if text is None:
        raise BadInput(
            f"no original {name} is known, or not any more",
            mend="run again what wrote the text; if it was compressed just now, check that PENSTOCK_HOME is the same",
        )
    return text


async def retrieve(originals: Originals, asked: Asked, now: float) -> str:
    """The original, or the part of it that is asked for.

    A part by query ends with a marker of the same name, so that the rest can be asked for as well. Raises `BadInput`.
    """
    text = await original(originals, asked.name, now)
    if asked.whole:
        return text
    if asked.first is not None or asked.last is not None:
        text = _lines(text, 1 if asked.first is None else asked.first, asked.last)
    if asked.query or asked.max_tokens is not None:
        text = _matter(text, asked)
    return text


def _name(told: str) -> str:
    name = name_in(told)
    if name is None:
        raise BadInput(
            f"there is no name of an original in {told[:80]!r}",
            mend="pass the last line of the compressed text, or the 12 digits and letters in it",
        )
    return name


def _lines(text: str, first: int, last: int | None) -> str:
    # Not `splitlines`: that also parts lines where an editor, or `grep -n`, does not.
    lines = text.removesuffix("\n").split("\n")
    if not 1 <= first <= len(lines) or (last is not None and last < first):
        asked = f"lines {first} to {len(lines) if last is None else last}"
        raise BadInput(f"{asked} are asked for", mend=f"the text has the lines 1 to {len(lines)}")
    return "\n".join(lines[first - 1 : last])


def _matter(text: str, asked: Asked) -> str:
    """What matters for the query. The marker bears the name that was asked for: that of a tenant is another one."""
    from penstock.policy.compress.compressed import TARGET_TOKENS, compress

    size = TARGET_TOKENS if asked.max_tokens is None else asked.max_tokens
    if size < 1:
        raise BadInput(f"{size} tokens are asked for", mend="at least 1, or leave it out")
    found = compress(text, query=asked.query or None, target_tokens=size)
    name = name_in(found.marker)
    if name is None:
        return found.text
    return found.text.removesuffix(found.marker) + found.marker.replace(name, _name(asked.name))
