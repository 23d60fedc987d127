"""A text in fewer tokens: its own lines first, and where what must be kept of them is too much, a model's words."""

from __future__ import annotations

import asyncio
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from penstock.client.reply import conversation
from penstock.errors import PenstockError
from penstock.flow import Done
from penstock.meter import count, price
from penstock.policy.compress.compressed import Compressed, compress
from penstock.policy.compress.markers import name_in
from penstock.policy.compress.protect import missing, protected
from penstock.values import Call, Usage

if TYPE_CHECKING:
    from penstock.client.lm import LM
    from penstock.policy.compress.likeness import Similar

__all__ = ["shorter"]

_ASKED = (
    "Shorten the text above to at most {tokens} tokens, for a reader who will not see it. Keep what happened, every "
    "error, number, name, path and decision, in the words of the text; leave out what repeats. Add nothing."
)

_ABOUT = " The reader wants to know: {query}"

_VERIFIED = 0.05
"""The share of the text that is looked for in the model's words afterwards."""


async def shorter(
    lm: LM,
    text: str,
    *,
    query: str | None,
    target_tokens: int,
    kind: str | None,
    uses: int,
    similar: bool | str | os.PathLike[str],
) -> Compressed:
    """What `LM.compress` says."""

    def in_its_own_lines() -> Compressed:
        look = None if similar is False else _second_look(lm.runtime.home, None if similar is True else Path(similar))
        return compress(text, query=query, target_tokens=target_tokens, kind=kind, tenant=lm.scope.tenant, similar=look)

    found = await asyncio.to_thread(in_its_own_lines)
    name = name_in(found.marker)
    if name is None:
        return found
    await lm.runtime.originals.put({name: text}, lm.runtime.engine.clock.now())
    if not found.over_target:
        return found
    told = await _in_other_words(lm, found, query, target_tokens, uses)
    return found if told is None else told


@lru_cache(maxsize=1)
def _second_look(home: Path, folder: Path | None) -> Similar:
    from penstock.embedding import minilm, similar

    return similar(minilm(home, folder))


async def _in_other_words(
    lm: LM, found: Compressed, query: str | None, target_tokens: int, uses: int
) -> Compressed | None:
    """The original in a small model's words; None where that does not pay, or comes to nothing."""
    prompt = _ASKED.format(tokens=target_tokens) + (_ABOUT.format(query=query) if query else "")
    call = _asked(lm, found.original, prompt, target_tokens)
    if call is None or not _worth(lm, call, (found.tokens_after - target_tokens) * uses):
        return None
    outcome = await lm.runtime.engine.run(call)
    if not isinstance(outcome.state, Done):
        return None
    said = outcome.state.reply.text.strip()
    lost = missing(protected(found.original, query, _VERIFIED), said)
    text = "\n".join([said, *dict.fromkeys(span.text for span in lost), found.marker])
    after = count(text)
    if not said or after >= found.tokens_after:
        return None
    return msgspec.structs.replace(found, text=text, tokens_after=after, over_target=after > target_tokens)


def _asked(lm: LM, original: str, prompt: str, target_tokens: int) -> Call | None:
    """The call of the small model; None: there is none."""
    try:
        call = lm.call(
            conversation(prompt, original, None),
            model="small",
            max_tokens=target_tokens,
            scope=lm.scope.child("compress"),
        )
    except PenstockError:
        return None
    return msgspec.structs.replace(call, charged_to="compress", off=frozenset({"compress"}))


def _worth(lm: LM, call: Call, tokens: int) -> bool:
    """Whether so many tokens less for the usual model are worth more than the call costs at worst."""
    rules, at = lm.runtime.engine.rules, lm.runtime.engine.clock.now()
    cost = rules.quote(call, at)
    usual = rules.rates(lm.call(conversation("?", None, None), max_tokens=1), at)
    return cost.firm and usual is not None and (price(Usage(input=tokens), usual) or 0) > cost.worst_nano
