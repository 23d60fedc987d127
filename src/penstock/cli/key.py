"""``penstock key``: virtual keys, by which the gateway knows who may use it, and how much."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from penstock.cli.run import print_json, say, shared
from penstock.config import home
from penstock.errors import BadInput
from penstock.gateway.clients import Place, places
from penstock.stores.budgets import parse_budget, parse_duration
from penstock.stores.keys import Key, Keyring, Keys, digest, id_of, name_of, new_key
from penstock.stores.keys_sqlite import SqliteKeys
from penstock.values import Money

__all__ = ["arguments", "run"]

EXAMPLES = """examples:
  penstock key add ci --budget '$5/day' --models 'gpt-5-mini,claude-haiku*' --rpm 60
  penstock key add alice --scope team-a --expires 30d
  penstock key scope team-a --budget '$50/month'
  penstock key change ci --budget '$8/day' --rpm none
  penstock key list --json

A virtual key stands for the keys of the providers, which stay with the gateway. It is shown once, when it is made. As
soon as there is one, the gateway serves nobody without."""

_OPTIONS = (
    ("--budget", "AMOUNT", "the most it may spend, such as '$5/day', 5c/hour or '$20'"),
    ("--models", "PATTERNS", "the models it may ask, with * for any characters, parted by commas"),
    ("--rpm", "N", "requests a minute"),
    ("--tpm", "N", "tokens a minute, prompt and longest answer together"),
    ("--expires", "TIME", "not accepted after that time, such as 12h or 30d"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (summary, _) in _ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name != "list":
            action.add_argument("name", metavar="SCOPE" if name == "scope" else "NAME")
        if name in {"add", "change"}:
            action.add_argument(
                "--scope", metavar="SCOPE", help="share stored replies, and a budget, with its other virtual keys"
            )
            for option, value, text in _OPTIONS:
                action.add_argument(option, metavar=value, help=text + ("; none: no limit" if name == "change" else ""))
        if name == "scope":
            action.add_argument("--budget", metavar="AMOUNT", required=True, help="such as '$50/month'; none: no limit")
        shared(action)


def run(options: argparse.Namespace) -> int:
    """Do what is asked with the keys."""
    asyncio.run(_run(options))
    return 0


async def _run(options: argparse.Namespace) -> None:
    async with _keys() as keys:
        await _ACTIONS[options.action][1](keys, options)


@asynccontextmanager
async def _keys() -> AsyncGenerator[Keys]:
    keys = SqliteKeys(home(), warn=say, patience=5.0)
    try:
        yield keys
    finally:
        await keys.close()


# The actions ----------------------------------------------------------------------------------------------------------


async def _add(keys: Keys, options: argparse.Namespace) -> None:
    text = new_key()
    made = Key(name=name_of(options.name), id=id_of(text), digest=b"", created=time.time())
    asked = _asked(made, options)
    await keys.add(msgspec.structs.replace(asked, digest=digest(await keys.pepper(), text)))
    _show_once(text, asked, await keys.ring(), options)


async def _change(keys: Keys, options: argparse.Namespace) -> None:
    changed = _asked((await keys.ring()).key(options.name), options)
    await keys.change(changed)
    _tell(f"virtual key {changed.name!r} is changed", _described(changed, None), options)


async def _rotate(keys: Keys, options: argparse.Namespace) -> None:
    text = new_key()
    old = (await keys.ring()).key(options.name)
    rotated = msgspec.structs.replace(old, id=id_of(text), digest=digest(await keys.pepper(), text))
    await keys.change(rotated)
    _show_once(text, rotated, await keys.ring(), options)


async def _remove(keys: Keys, options: argparse.Namespace) -> None:
    await keys.remove(options.name)
    left = len((await keys.ring()).keys)
    after = f"{left} left" if left else "none is left: from now on this machine, and it alone, is served without one"
    _tell(f"virtual key {options.name!r} is removed, {after}", {"removed": options.name, "left": left}, options)


async def _scope(keys: Keys, options: argparse.Namespace) -> None:
    budget = None if options.budget == "none" else parse_budget(options.budget)
    await keys.share(name_of(options.name), budget)
    told = f"the virtual keys of scope {options.name!r} share {budget or 'no budget'}"
    _tell(told, {"scope": options.name, "budget": None if budget is None else str(budget)}, options)


async def _list(keys: Keys, options: argparse.Namespace) -> None:
    ring, now = await keys.ring(), time.time()
    spent = await _spent([places(key, ring.scopes.get(key.scope), now)[-1] for key in ring.keys.values()])
    listed = [_described(key, amount) for key, amount in zip(ring.keys.values(), spent, strict=True)]
    scopes = [
        {"scope": name, "budget": str(budget), "budget_nano": budget.nano} for name, budget in ring.scopes.items()
    ]
    if options.json:
        print_json({"keys": listed, "scopes": scopes})
        return
    for told in listed:
        shown = ["pk-" + told["id"] + "…", *(f"{name} {told[name]}" for name in _SHOWN if told[name])]
        sys.stdout.write(f"{told['name']:<20} {'  '.join(shown)}\n")
    for told in scopes:
        sys.stdout.write(f"scope {told['scope']:<14} budget {told['budget']}\n")
    if not listed:
        say("there are no virtual keys: this machine alone is served (make one: penstock key add NAME)")


_ACTIONS: dict[str, tuple[str, Callable[[Keys, argparse.Namespace], Awaitable[None]]]] = {
    "add": ("make a virtual key, and show it once", _add),
    "list": ("tell which virtual keys there are, and what they have spent", _list),
    "change": ("give a virtual key other limits", _change),
    "rotate": ("make a virtual key anew under its name; the old one is refused at once", _rotate),
    "remove": ("take a virtual key away", _remove),
    "scope": ("give the virtual keys of one scope a budget to share", _scope),
}
_SHOWN = ("scope", "budget", "spent", "models", "rpm", "tpm", "expires")


# What was asked, and what is told -------------------------------------------------------------------------------------


def _asked(key: Key, options: argparse.Namespace) -> Key:
    """The key with those limits that were named."""
    read: dict[str, Callable[[str], Any]] = {
        "scope": name_of,
        "budget": parse_budget,
        "models": lambda text: tuple(part.strip() for part in text.split(",") if part.strip()),
        "rpm": _rate,
        "tpm": _rate,
        "expires": lambda text: time.time() + parse_duration(text),
    }
    none: dict[str, Any] = {"scope": "", "models": ()}
    given = {name: getattr(options, name) for name in read}
    named = {name: text for name, text in given.items() if text is not None}
    values = {name: none.get(name) if text == "none" else read[name](text) for name, text in named.items()}
    return msgspec.structs.replace(key, **values)


def _rate(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= 10 and int(text)):
        raise BadInput(f"{text!r} is not a number a minute", mend="1 or more; leave it out for no limit")
    return int(text)


def _show_once(text: str, key: Key, ring: Keyring, options: argparse.Namespace) -> None:
    if options.json:
        print_json({"key": text, **_described(key, None)})
        return
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    say(f"This is the virtual key {key.name!r}. It is shown this once, and cannot be shown again: keep it now.")
    if len(ring.keys) == 1 and options.action == "add":
        say("It is the first: from now on the gateway serves nobody without a virtual key.")


def _tell(line: str, value: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        print_json(value)
    else:
        say(line)


def _described(key: Key, spent: int | None) -> dict[str, Any]:
    expires = None if key.expires is None else datetime.fromtimestamp(key.expires, UTC).isoformat(" ", "minutes")
    return {
        "name": key.name,
        "id": key.id,
        "scope": key.scope,
        "budget": None if key.budget is None else str(key.budget),
        "budget_nano": None if key.budget is None else key.budget.nano,
        "spent": None if spent is None else str(Money(spent)),
        "spent_nano": spent,
        "models": ",".join(key.models),
        "rpm": key.rpm,
        "tpm": key.tpm,
        "created": key.created,
        "expires": expires,
    }


async def _spent(places: list[Place]) -> list[int | None]:
    """What each has spent in its present period, where that is known: on accounts that were opened."""
    file = home() / "holds.sqlite"
    if not file.exists():
        return [None] * len(places)
    from penstock.stores.holds_sqlite import SqliteHolds

    holds = await SqliteHolds.at(file, warn=say)
    try:
        accounts = [await holds.account(place.path) for place in places]
    finally:
        await holds.close()
    return [None if account is None else account.spent.nano for account in accounts]
