"""An answer as the library's users see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from penstock.errors import BadInput, PenstockError
from penstock.flow import Done
from penstock.ledger import Receipt
from penstock.ticket import Outcome, Ticket
from penstock.values import Money, Usage

__all__ = ["Reply", "conversation", "replied"]


class Reply(msgspec.Struct, frozen=True):
    """What a model answered, and what it cost.

    ``str(reply)`` is its text. ``after=reply`` in a further call goes on with the conversation.
    """

    id: str
    """Ask ``penstock why ID`` how it came about."""
    text: str
    model: str
    source: str
    """The provider's name, ``reuse`` (stored) or ``joined`` (asked by someone else at the same moment)."""
    finish: str
    """The provider's own word for why the answer ended."""
    usage: Usage | None
    """Tokens; None when the provider did not report them."""
    receipt: Receipt
    messages: tuple[Mapping[str, Any], ...] = ()
    """The conversation up to and with this answer."""
    raw: bytes = b""
    """The body as the upstream sent it."""

    @property
    def cost(self) -> Money | None:
        """What was spent; None when the price is not known."""
        return None if self.receipt.unpriced else self.receipt.spent

    @property
    def saved(self) -> Mapping[str, Money]:
        """What each mechanism saved; negative where it lost."""
        return self.receipt.saved

    def __str__(self) -> str:
        return self.text

    @classmethod
    def of(cls, outcome: Outcome, messages: tuple[Mapping[str, Any], ...]) -> Reply:
        """The reply of a call that was answered. Raises the error of one that was not."""
        done: Done = outcome.done()
        reply = done.reply
        said = {"role": "assistant", "content": reply.text}
        return cls(
            id=outcome.id,
            text=reply.text,
            model=reply.model or done.call.model,
            source=done.source,
            finish=reply.finish,
            usage=reply.usage,
            receipt=done.receipt,
            messages=(*messages, said),
            raw=reply.raw,
        )


async def replied(ticket: Ticket, messages: tuple[Mapping[str, Any], ...]) -> Reply:
    """The reply of a call that is asked. An error tells the id of the call."""
    try:
        return Reply.of(await ticket.outcome(), messages)
    except PenstockError as error:
        error.call_id = ticket.id
        raise


def conversation(prompt: str, context: str | None, after: Reply | None) -> tuple[Mapping[str, Any], ...]:
    """What was said before, then the context and the prompt. Raises `BadInput` when the prompt is empty.

    They are two texts of one message: the first may be asked about again, and what is cached ends with a block.
    """
    if not isinstance(prompt, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(f"the prompt is of type {type(prompt).__name__}", mend="pass a text")
    if not prompt.strip():
        raise BadInput("the question is empty", mend="ask something")
    said = after.messages if after is not None else ()
    content = [{"type": "text", "text": text} for text in (context, prompt)] if context else prompt
    return (*said, {"role": "user", "content": content})
