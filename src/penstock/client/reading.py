"""Answering a question from files: in one call when they fit the model, else in parts whose findings are combined."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.client.reply import Reply, conversation
from penstock.config import EMBEDDED
from penstock.context import Citation, File, Loaded, Piece, Skipped, citations, load, render, split
from penstock.errors import BadInput, BudgetExceeded, Cancelled, PenstockError
from penstock.flow import Done
from penstock.ledger import Receipt, named, total
from penstock.meter import FALLBACK_WINDOW, count
from penstock.runtime import new_id
from penstock.stores.holds import above
from penstock.stores.records import CallRecord
from penstock.ticket import Outcome, Ticket
from penstock.values import Money

if TYPE_CHECKING:
    from penstock.client.lm import LM

__all__ = ["Progress", "Reading", "read"]

ANSWER_TOKENS = 8192
"""Kept free in the window for the answer when the caller sets no ``max_tokens``."""

NOTES_TOKENS = 4096
"""The most that one part may contribute, a model's reasoning among it."""

PART_TOKENS = 60_000
"""The size of a part: small enough that a model overlooks little, large enough that parts stay few."""

_SECRET = re.compile(
    r"\.env(\..+)?|\.netrc|\.pgpass|\.npmrc|\.pypirc|id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|key|p12|pfx|keystore)"
)
"""Names of files that hold keys and passwords."""

SLACK = 1.5
"""How many tokens of an unfamiliar model one token of ours may be: the same bound that holds are made with."""

DIRECT = (
    "Answer the question at the end from the files before it, and from nothing else. Lines are numbered. Support every "
    "claim with a citation in the form path:line. If the files do not hold the answer, say so."
)

NOTE = (
    "The files are one part of several. Note everything in them that helps to answer the question at the end: quote "
    "what matters, and give each note a citation in the form path:line. Lines are numbered. If nothing helps, reply "
    "with exactly NOTHING."
)

COMBINE = (
    "The notes were taken from the parts of a set of files. Answer the question at the end from them, and from nothing "
    "else. Keep the citations in the form path:line. If the notes do not hold the answer, say so."
)


class Progress(msgspec.Struct, frozen=True):
    """How far a reading has come."""

    stage: str
    """``loading``, ``asking`` or ``combining``."""
    done: int = 0
    total: int = 0
    about: Money | None = None
    """What the whole reading will cost at least, where that is known."""


class Reading(msgspec.Struct, frozen=True):
    """An answer from files."""

    reply: Reply
    """Its receipt holds all calls that were made for it."""
    citations: Sequence[Citation]
    """The places in the files that the answer names."""
    files: int
    skipped: Sequence[Skipped]
    parts: int
    """1 when everything fitted one call."""


async def read(
    lm: LM,
    question: str,
    paths: Sequence[str | os.PathLike[str]],
    *,
    context: str | None = None,
    after: Reply | None = None,
    timeout: float | None = None,  # noqa: ASYNC109  the deadline of all calls together
    progress: Callable[[Progress], None] = lambda _: None,
    **options: Any,
) -> Reading:
    """The answer to ``question`` from the files at ``paths``. ``options`` are those of a call of the `LM`.

    Raises `BadInput` when a path is missing or nothing there can be read, and what a call of the `LM` raises.
    """
    if not question.strip():
        raise BadInput("the question is empty", mend="ask something")
    progress(Progress("loading"))
    deadline = _Deadline(lm, timeout)
    loaded = _without_secrets(await asyncio.to_thread(load, [os.fspath(path) for path in paths]), paths)
    if not loaded.files:
        reasons = "; ".join(f"{skipped.path}: {skipped.reason}" for skipped in loaded.skipped[:3])
        raise BadInput(
            f"there is nothing to read in {', '.join(map(str, paths))}", mend=reasons or "the folder is empty"
        )
    asking = _Asking(lm, question, context, after, deadline, options)
    parts = await asyncio.to_thread(asking.parts, loaded.files)
    if len(parts) == 1:
        progress(Progress("asking", 0, 1))
        reply = await asking.ask(parts[0], DIRECT, "read")
    else:
        reply = await _in_parts(asking, parts, progress)
    cited = citations(reply.text, [file.path for file in loaded.files])
    return Reading(reply, cited, len(loaded.files), loaded.skipped, len(parts))


async def _in_parts(asking: _Asking, parts: Sequence[str], progress: Callable[[Progress], None]) -> Reply:
    """An answer in several calls. What they took is kept as a whole, also where there is no answer."""
    about = await asking.affordable(parts)
    try:
        answer = await _mapped(asking, parts, about, progress)
    except asyncio.CancelledError:
        await asking.record(Cancelled("called off before the end"))
        raise
    except PenstockError as error:
        error.call_id = await asking.record(error)
        raise
    return msgspec.structs.replace(answer, id=await asking.record(), receipt=asking.receipt)


async def _mapped(
    asking: _Asking, parts: Sequence[str], about: Money | None, progress: Callable[[Progress], None]
) -> Reply:
    """Map and reduce: notes of every part at once, then one answer from the notes."""
    done = 0

    async def note(number: int, part: str) -> Reply:
        nonlocal done
        reply = await asking.ask(part, NOTE, f"part-{number}", max_tokens=NOTES_TOKENS)
        done += 1
        progress(Progress("asking", done, len(parts), about))
        return reply

    progress(Progress("asking", 0, len(parts), about))
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(note(number, part)) for number, part in enumerate(parts, 1)]
    except ExceptionGroup as failed:
        known = failed.subgroup(PenstockError)
        raise (known or failed).exceptions[0] from None
    notes = [task.result() for task in tasks]
    progress(Progress("combining", 0, 1))
    found = [
        f"Notes from part {n}:\n{reply.text}" for n, reply in enumerate(notes, 1) if reply.text.strip() != "NOTHING"
    ]
    return await asking.ask("\n\n".join(found) or "No part holds anything that helps.", COMBINE, "combine")


class _Deadline:
    """One time limit for however many calls."""

    def __init__(self, lm: LM, seconds: float | None) -> None:
        self._clock = lm.runtime.engine.clock
        self._until = None if seconds is None else self._clock.monotonic() + seconds

    def left(self) -> float | None:
        """The seconds that are left; None: no limit."""
        return None if self._until is None else self._until - self._clock.monotonic()


class _Asking:
    """One question, however many calls it takes."""

    def __init__(
        self,
        lm: LM,
        question: str,
        context: str | None,
        after: Reply | None,
        deadline: _Deadline,
        options: dict[str, Any],
    ) -> None:
        self._lm = lm
        self._question = question
        self._context = context
        self._after = after
        self._deadline = deadline
        self._options = options
        self._tickets: list[Ticket] = []
        self._provider, self._model = lm.runtime.settings.resolve(options.get("model") or lm.model)

    def parts(self, files: Sequence[File]) -> list[str]:
        """The files as they go into prompts: one text when they fit one call, else as many as it takes."""
        if self._provider == EMBEDDED:
            return [render(files)]
        whole = render([_numbered(file) for file in files])
        room = self._room()
        if count(whole) * SLACK <= room:
            return [whole]
        size = min(int(room / SLACK), PART_TOKENS)
        return [render([_numbered(piece) for piece in group]) for group in split(files, size * 3 // 4, count)]

    def _room(self) -> int:
        """The tokens of prompt that the model takes, the question and the answer left out."""
        runtime = self._lm.runtime
        origin = runtime.engine.providers[self._provider].origin
        known = runtime.engine.rules.book.window(self._model, origin)
        window = runtime.settings.providers[self._provider].context_window or known or FALLBACK_WINDOW
        answer = self._options.get("max_tokens") or ANSWER_TOKENS
        room = int(window - answer - SLACK * (count(self._question) + count(self._context or "") + 500))
        if room < 1000:
            raise BadInput(
                f"the model {self._model!r} takes {window:,} tokens: too few for the question and an answer",
                mend="shorten the question, lower max_tokens, or set context_window for its provider",
            )
        return room

    async def affordable(self, parts: Sequence[str]) -> Money | None:
        """What the prompts of all parts cost at least; None when the price is not known.

        Raises `BudgetExceeded` before anything is sent when that is more than is left.
        """
        engine = self._lm.runtime.engine
        now = engine.clock.now()
        model = self._options.get("model")
        calls = [self._lm.call(conversation(self._question, part, None), model=model) for part in parts]
        quotes = [engine.rules.quote(call, now) for call in calls]
        if any(quote.unpriced for quote in quotes):
            return None
        least = sum(quote.floor_nano for quote in quotes)
        for path in above(self._lm.scope.path):
            account = await engine.admission.holds.account(path)
            left = None if account is None else account.left("nano")
            if left is not None and least > left:
                there = f"{named(path)} has {Money(left)} left"
                raise BudgetExceeded(
                    f"reading {len(parts)} parts costs at least {Money(least)} and {there}",
                    limit="nano",
                    needed=least,
                    left=left,
                    mend="raise the budget, name fewer files, or take a cheaper model",
                )
        return Money(least)

    @property
    def _calls(self) -> list[Outcome]:
        """Those that have ended, in the order in which they were asked."""
        return [ticket.ended for ticket in self._tickets if ticket.ended is not None]

    @property
    def receipt(self) -> Receipt:
        """What all of them cost together."""
        return total(call.state.receipt for call in self._calls)

    async def record(self, error: PenstockError | None = None) -> str:
        """Keep the calls so far as one record that names them, so that `penstock why` tells the whole; its id.

        ``error``: why there is no answer. Where nothing was asked there is nothing to keep, and no id.
        """
        calls, receipt = self._calls, self.receipt
        if not calls:
            return ""
        runtime, began = self._lm.runtime, min(call.at for call in calls)
        refused = [] if error is None else [{"state": "Refused", "error": type(error).__name__, "message": str(error)}]
        record = CallRecord(
            id=new_id(),
            at=began,
            model=self._model,
            provider=self._provider,
            source="refused" if refused else "parts",
            scope=self._lm.scope.path,
            asked=None if receipt.unpriced else int(receipt.asked),
            spent=None if receipt.unpriced else int(receipt.spent),
            saved={mechanism: int(amount) for mechanism, amount in receipt.saved.items()},
            seconds=max(call.at + call.seconds for call in calls) - began,
            steps=[*map(_part, calls), *refused],
        )
        await runtime.records.add(record)
        return record.id

    async def ask(self, text: str, task: str, name: str, *, max_tokens: int | None = None) -> Reply:
        """One call about one text, in a child scope of the same budget."""
        options = dict(self._options)
        if self._provider != EMBEDDED:
            options["system"] = "\n\n".join(filter(None, [options.get("system"), task]))
            options["max_tokens"] = max_tokens or options.get("max_tokens")
        whole = "\n\n".join(filter(None, [self._context, text]))
        after = None if task == NOTE else self._after
        scope, left = self._lm.scope.child(name), self._deadline.left()
        return await self._lm.converse(
            self._question, whole, scope, after=after, timeout=left, noted=self._tickets.append, **options
        )


def _part(call: Outcome) -> dict[str, Any]:
    """What the record of a whole tells of one call."""
    state, receipt = call.state, call.state.receipt
    return {
        "state": "Part",
        "id": call.id,
        "source": state.source if isinstance(state, Done) else "refused",
        "spent_nano": None if receipt.unpriced else int(receipt.spent),
    }


def _without_secrets(loaded: Loaded, named: Sequence[str | os.PathLike[str]]) -> Loaded:
    """What was met on the way and is made to hold secrets stays here, unless the user named the very file."""
    asked = {os.path.abspath(path) for path in named}
    kept: list[File] = []
    skipped = list(loaded.skipped)
    for file in loaded.files:
        if _SECRET.fullmatch(file.path.rpartition("/")[2]) and os.path.abspath(file.path) not in asked:
            skipped.append(Skipped(file.path, "may hold secrets; name the file to have it read"))
        else:
            kept.append(file)
    return Loaded(kept, skipped)


def _numbered(piece: Piece) -> Piece:
    """The piece with its line numbers written out: models cannot count lines."""
    lines = piece.text.split("\n")
    return Piece(
        piece.path, "\n".join(f"{n}\t{line}" for n, line in enumerate(lines, piece.first_line)), piece.first_line
    )
