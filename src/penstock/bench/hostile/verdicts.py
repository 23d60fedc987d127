"""What an answer is worth: is it in the words that its client reads, and whose fault is it if it is a failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from penstock.bench.hostile.shot import Answer, Shot
from penstock.values.shape import mapping

__all__ = ["MISHAP", "WRONG", "Tally", "verdict"]

MISHAP = "a mishap of the upstream's own"
"""What the upstream says when it fails, so that its failures are told from ours."""

WRONG = ("5xx of our own", "4xx in no shape", "silence", "dropped")
"""Verdicts that must not be given."""

_SHED = "the gateway is at its limit"


def verdict(answer: Answer, shot: Shot) -> str:
    """One word or two for an answer; those in `WRONG` are findings.

    A client that set a deadline of its own asked for 504. Before there is a request there is no client whose shape an
    answer could have: what is no HTTP is refused in plain words, or dropped.
    """
    if answer.status <= 0:
        if answer.status == 0 and not shot.framed:
            return "dropped, no HTTP"
        return "silence" if answer.status else "dropped"
    if answer.status < 400:
        return "2xx"
    message = _message(answer)
    if answer.status < 500:
        shaped = message is not None or shot.headless
        return "4xx" if shaped else "4xx in no shape" if shot.framed else "refused, no HTTP"
    if message is not None and MISHAP in message:
        return "5xx of the upstream"
    if answer.status == 503 and message is not None and _SHED in message:
        return "503 shed"
    return "504 as asked" if answer.status == 504 and shot.timed else "5xx of our own"


def _message(answer: Answer) -> str | None:
    """The message of an error in the shape of OpenAI or of Anthropic; None when it is in neither."""
    try:
        body: dict[str, Any] = mapping(msgspec.json.decode(answer.body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    error = mapping(body.get("error"))
    message, kind = error.get("message"), error.get("type")
    openai = "code" in error and "param" in error
    anthropic = body.get("type") == "error"
    return message if isinstance(message, str) and isinstance(kind, str) and (openai or anthropic) else None


class Tally:
    """The verdicts of a run, and its findings in words."""

    def __init__(self) -> None:
        self.sent = 0
        """Shots fired."""
        self.counts: Counter[str] = Counter()
        self.findings: list[str] = []

    def add(self, shot: Shot, answers: Iterable[Answer], kind: str) -> None:
        """Judge what came back."""
        self.sent += 1
        for answer in answers:
            said = verdict(answer, shot)
            self.counts[said] += 1
            if said in WRONG:
                asked = b"".join(shot.pieces)
                self.findings.append(f"{kind}: {said}: {answer.status} {answer.body[:300]!r} to {asked[:2000]!r}")

    def wrong(self, *verdicts: str) -> int:
        """How many answers got one of these verdicts."""
        return sum(self.counts[each] for each in verdicts)
