"""Made sessions of which it is known what each request needs: a code base, and a long talk with tools.

What is needed follows from how the session is made, not from how anything is searched: a question about a function
needs the file that defines it and those whose functions it calls; one about a case needs all that was said and read
about that case, and whatever the user laid down for the whole work, in plain words as often as in strict ones.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from penstock.context.window import Segment

__all__ = ["Need", "Session", "code", "talk"]


class Need(msgspec.Struct, frozen=True):
    """A request, and the segments without which it cannot be answered."""

    kind: str
    request: str
    needed: frozenset[str]


class Session(msgspec.Struct, frozen=True):
    """What a window is given, and what is asked of it. Of a talk the last message is the request itself."""

    segments: Sequence[Segment]
    needs: Sequence[Need]


_AREAS = [
    "billing",
    "shipping",
    "accounts",
    "catalog",
    "search",
    "support",
    "payments",
    "inventory",
    "loyalty",
    "fraud",
]
_NOUNS = [
    "invoice", "refund", "parcel", "voucher", "address", "basket", "coupon", "ledger", "receipt", "warehouse",
    "courier", "ticket", "session", "profile", "discount", "subscription", "forecast", "supplier", "pallet", "tariff",
    "dispute", "balance", "statement", "reminder", "catalogue", "listing", "review", "rating", "quota", "segment",
    "campaign", "audit", "shipment", "label", "customs", "deposit", "mandate", "chargeback", "allowance", "threshold",
]  # fmt: skip
_VERBS = {
    "settle": "settles", "merge": "merges", "reserve": "reserves", "validate": "validates", "route": "routes",
    "expire": "expires", "archive": "archives", "rank": "ranks", "split": "splits", "convert": "converts",
    "approve": "approves", "cancel": "cancels", "import": "imports", "notify": "notifies", "allocate": "allocates",
    "reconcile": "reconciles", "schedule": "schedules", "round": "rounds", "escalate": "escalates", "print": "prints",
}  # fmt: skip
_HOW = ["overdue", "partial", "foreign", "duplicate", "stale", "pending", "disputed", "prepaid", "bundled", "fragile"]
_FILLER = [
    "value", "total", "item", "entry", "rows", "limit", "offset", "state", "amount", "batch", "index", "width",
    "label", "source", "target", "window", "margin", "factor",
]  # fmt: skip


class _Module(msgspec.Struct):
    path: str
    functions: dict[str, tuple[str, list[str]]]
    """By name: what its docstring says, and the functions of other modules that it calls."""
    text: str = ""


def code(seed: int, tokens: int, questions: int = 40) -> Session:
    """A code base of about so many tokens, with questions that name a function, a file, an error or what is done."""
    chance = random.Random(seed)
    modules: list[_Module] = []
    home: dict[str, _Module] = {}
    size = 0
    while size < tokens * 4:
        module = _module(chance, len(modules), home)
        modules.append(module)
        size += len(module.text)
    segments = [Segment(name=each.path, path=each.path, text=each.text) for each in modules]
    chance.shuffle(segments)
    return Session(segments, [_question(chance, modules, home, at) for at in range(questions)])


def _module(chance: random.Random, number: int, home: dict[str, _Module]) -> _Module:
    area, noun = chance.choice(_AREAS), chance.choice(_NOUNS)
    module = _Module(f"src/{area}/{noun}_{number}.py", {})
    earlier = list(home)
    borrowed = chance.sample(earlier, min(len(earlier), chance.randrange(2, 6)))
    verbs = chance.sample(sorted(_VERBS), chance.randrange(3, 8))
    parts = [f'"""The {noun} of {area}."""\n']
    parts += [f"from {home[name].path[4:-3].replace('/', '.')} import {name}" for name in borrowed]
    for verb in verbs:
        how, other = chance.choice(_HOW), chance.choice(_NOUNS)
        name = f"{verb}_{how}_{noun}"
        if name in home:
            continue
        says = f"{_VERBS[verb].capitalize()} the {how} {noun} against its {other}."
        calls = chance.sample(borrowed, min(len(borrowed), chance.randrange(1, 3)))
        module.functions[name] = (says, calls)
        parts.append(_function(chance, name, says, calls))
    for name in module.functions:
        home[name] = module
    module.text = "\n".join(parts)
    return module


def _function(chance: random.Random, name: str, says: str, calls: Sequence[str]) -> str:
    lines = [f"\n\ndef {name}({chance.choice(_FILLER)}, {chance.choice(_FILLER)}_limit):", f'    """{says}"""']
    lines += [_line(chance) for _ in range(chance.randrange(8, 40))]
    for call in calls:
        lines.insert(
            chance.randrange(2, len(lines)), f"    {chance.choice(_FILLER)} = {call}({chance.choice(_FILLER)})"
        )
    return "\n".join([*lines, f"    return {chance.choice(_FILLER)}"])


def _line(chance: random.Random) -> str:
    a, b, c = (chance.choice(_FILLER) for _ in range(3))
    return chance.choice(
        [
            f"    {a} = [{b} for {b} in {c} if {b} > {chance.randrange(100)}]",
            f"    if {a} is None or {b} >= {chance.randrange(1000)}: {c} += 1",
            f"    {a}, {b} = sorted(({b}, {c}), key=lambda {a}: -{a})",
            f"    # The {chance.choice(_NOUNS)} may be {chance.choice(_HOW)}, so the {a} comes before the {b}.",
        ]
    )


def _question(chance: random.Random, modules: Sequence[_Module], home: dict[str, _Module], at: int) -> Need:
    name = chance.choice(sorted(name for name in home if home[name].functions[name][1]))
    module = home[name]
    says, calls = module.functions[name]
    callees = {home[call].path for call in calls}
    kind = ("a function is named", "a file is named", "an error is shown", "it is described")[at % 4]
    if kind == "a function is named":
        return Need(kind, f"Why does {name} give the wrong total?", frozenset({module.path, *callees}))
    if kind == "a file is named" and at % 8 == 1:
        imported = {home[call].path for _, called in module.functions.values() for call in called}
        return Need(kind, f"What does {module.path} rest on?", frozenset({module.path, *imported}))
    if kind == "a file is named":
        calling = [
            each.path for each in modules for _, called in each.functions.values() if {*called} & {*module.functions}
        ]
        return Need(kind, f"What would break if {module.path} were rewritten?", frozenset({module.path, *calling}))
    if kind == "an error is shown":
        call = chance.choice(calls)
        trace = (
            "The nightly job died:\nTraceback (most recent call last):\n"
            f'  File "/srv/app/{module.path}", line 41, in {name}\n'
            f'  File "/srv/app/{home[call].path}", line 17, in {call}\n'
            "TypeError: unsupported operand type(s) for +: 'int' and 'NoneType'"
        )
        return Need(kind, trace, frozenset({module.path, home[call].path}))
    verb, how, noun = name.split("_")
    area, other = module.path.split("/")[1], says.split()[-1][:-1]
    asked = f"Which part of {area} {_VERBS[verb]} the {how} {noun} against the {other}?"
    return Need(kind, asked, frozenset({module.path}))


_RULES = [
    "Never push to the release branch.",
    "Always answer in full sentences, please.",
    "Amounts are in cents everywhere.",
    "We are on Python 3.9 in production.",
    "Do not touch the schema of the orders table.",
    "Keep the public API as it is.",
    "The audit team reads every log line, so no names of customers in there.",
    "Deployments happen on Thursdays only.",
    "Whatever you change, the importer has to stay idempotent.",
    "My colleague Ines owns the pricing service; ask her first.",
]
_TOOLS = ("read_log", "run_query", "search_code", "run_tests")
_FAULTS = [
    "was booked twice",
    "arrived without a customs form",
    "was paid in the wrong currency",
    "lost its discount",
    "was sent to the old address",
    "never left the warehouse",
    "shows a negative balance",
    "was cancelled after dispatch",
    "has no invoice",
    "was refunded to a closed card",
]


def talk(seed: int, tokens: int, questions: int = 6) -> Sequence[Session]:
    """A support talk about many cases, some of which come up again: each question ends a session of its own."""
    chance = random.Random(seed)
    segments = [Segment(name="system", role="system", text="You help the operations team of a shop. Be brief.")]
    laid_down = {"system"}
    about: dict[str, set[str]] = {}
    faults: dict[str, str] = {}
    size = 0
    rules = chance.sample(_RULES, 5)
    while size < tokens * 4:
        at, case = len(segments), f"ORD-{chance.randrange(10_000, 99_999)}"
        if case in about:
            continue
        noun, fault = f"{chance.choice(_HOW)} {chance.choice(_NOUNS)}", chance.choice(_FAULTS)
        faults[case] = f"{noun} that {fault}"
        texts = _case(chance, case, faults[case])
        about[case] = {f"m{at + number}" for number in range(len(texts))}
        segments += _turns(texts, at)
        if rules and chance.random() < 0.3:
            laid_down.add(f"m{len(segments)}")
            segments.append(_said(len(segments), "user", rules.pop()))
        size += sum(len(text) for _, text in texts)
    sessions: list[Session] = []
    for number, case in enumerate(chance.sample(sorted(about), questions)):
        kind = "a case is named" if number % 2 else "a case is described"
        request = f"Back to {case}: what was it, and what did we do?" if number % 2 else f"What of the {faults[case]}?"
        last = _said(len(segments), "user", request)
        same = {other for other in about if number % 2 == 0 and faults[other] == faults[case]} | {case}
        needed = frozenset({last.name, *laid_down}.union(*(about[each] for each in same)))
        sessions.append(Session([*segments, last], [Need(kind, request, needed)]))
    return sessions


def _case(chance: random.Random, case: str, fault: str) -> list[tuple[str, str]]:
    """What is said and read about one case: by whom, and the text."""
    noise = [_logged(chance) for _ in range(chance.randrange(10, 60))]
    noise.insert(chance.randrange(len(noise)), f"2026-11-20 {chance.choice(_AREAS)} {case} {fault}")
    tool = chance.choice(_TOOLS)
    return [
        ("user", f"Please look at {case}: the {fault}."),
        ("assistant", f'{tool}({{"case": "{case}"}})'),
        ("tool", "\n".join(noise)),
        ("assistant", f"{case} is a {fault}. I {chance.choice(sorted(_VERBS))} it with {chance.choice(_AREAS)}."),
    ]


def _logged(chance: random.Random) -> str:
    day, place, field = chance.randrange(1, 29), chance.choice(_AREAS), chance.choice(_FILLER)
    done = f"{chance.choice(sorted(_VERBS))} {chance.choice(_HOW)} {chance.choice(_NOUNS)} ok"
    return f"2026-11-{day:02d} {place} {field}={chance.randrange(9999)} {done}"


def _turns(texts: Sequence[tuple[str, str]], at: int) -> list[Segment]:
    turns = [_said(at + number, role, text) for number, (role, text) in enumerate(texts)]
    return [msgspec.structs.replace(each, call=f"call_{at}") if n in (1, 2) else each for n, each in enumerate(turns)]


def _said(at: int, role: str, text: str) -> Segment:
    return Segment(name=f"m{at}", role=role, text=text, after=f"m{at - 1}" if at > 1 else "")
