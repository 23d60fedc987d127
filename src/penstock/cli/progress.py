"""How far a long command has come: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from penstock.cli.run import say
from penstock.client.reading import Progress

__all__ = ["shown"]


@contextmanager
def shown(*, quiet: bool) -> Generator[Callable[[Progress], None]]:
    """A callable that shows `Progress` on standard error until the context ends; ``quiet``: on a terminal only."""
    if not sys.stderr.isatty():
        yield (lambda _: None) if quiet else _lines()
        return
    from rich.console import Console

    with Console(stderr=True).status("loading") as status:
        yield lambda progress: status.update(_words(progress))


def _lines() -> Callable[[Progress], None]:
    last = ""

    def show(progress: Progress) -> None:
        nonlocal last
        words = _words(progress)
        if progress.total > 1 and words != last:
            last = words
            say(words)

    return show


def _words(progress: Progress) -> str:
    return f"{progress.stage} {progress.done}/{progress.total}" if progress.total > 1 else progress.stage
