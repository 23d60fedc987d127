"""What all commands share: errors as one line with an exit code, and JSON that stands alone on standard output."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from penstock.errors import PenstockError

__all__ = ["guarded", "print_json", "say", "shared", "shown"]

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def shared(parser: argparse.ArgumentParser) -> None:
    """The options that every command takes."""
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--config", metavar="FILE", help="read FILE instead of ./penstock.toml")


def guarded(run: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Run a command. What it raises on purpose becomes one line on standard error and its exit code."""
    try:
        return run(options)
    except PenstockError as error:
        if options.json:
            told = {"type": type(error).__name__, "message": error.message, "mend": error.mend}
            print_json({"error": told, "spent_nano": error.spent_nano, "id": error.call_id or None})
        say(f"penstock: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        if options.json:
            print_json({"error": {"type": "Cancelled", "message": "interrupted", "mend": ""}})
        say("penstock: interrupted")
        return 130
    except BrokenPipeError:
        # The reader has gone (`| head`): what is left in the buffer has nowhere to go either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as mistake:
        if os.environ.get("PENSTOCK_DEBUG"):
            raise
        what = f"{type(mistake).__name__}: {mistake}"
        say(f"penstock: a mistake of penstock itself: {what} (PENSTOCK_DEBUG=1 shows where)")
        return 1


def print_json(value: dict[str, Any]) -> None:
    """The one object on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


def shown(text: str) -> str:
    """A model's text as it may go to a terminal: without the control characters that could drive it."""
    if not sys.stdout.isatty():
        return text
    return _CONTROL.sub("", text)


def say(line: str) -> None:
    """A line for the person, not for the pipe."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
