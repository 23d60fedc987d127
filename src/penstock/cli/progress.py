"""How far a long command has come: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from penstock.cli.run import say
from penstock.client.reading import Progress

__all__ = ["progressing"]


@contextmanager
def progressing(*, quiet: bool) -> Generator[Callable[[Progress], None]]:
    """A callable that shows `Progress` on standard error until the context ends; ``quiet``: on a terminal only."""
    if not sys.stderr.isatty():
        yield (lambda _: None) if quiet else _lines()
        return
    from rich.console import Console

    with Console(stderr=True).status("loading") as status:
        yield lambda progress: status.update(_words(progress))


def _lines() -> Callable[[Progress], None]:
    """Ten lines for a long work at the most, none for a short one."""
    tenths: set[tuple[str, int]] = set()

    def show(progress: Progress) -> None:
        tenth = (progress.stage, progress.done * 10 // max(progress.total, 1))
        if progress.total > 1 and tenth not in tenths:
            tenths.add(tenth)
            say(_words(progress))

    return show


def _words(progress: Progress) -> str:
    if progress.total < 2:
        return progress.stage
    about = "" if progress.about is None else f", {progress.about} at least"
    return f"{progress.stage} {progress.done}/{progress.total}{about}"
