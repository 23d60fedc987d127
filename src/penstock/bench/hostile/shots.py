"""The shots of a run: so many of each kind, the same for the same seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from penstock.bench.hostile.bodies import PATHS, VALID, bodies, packed
from penstock.bench.hostile.framing import framing
from penstock.bench.hostile.heads import Header, headers, targets
from penstock.bench.hostile.shot import Shot, request

__all__ = ["KINDS", "drawn", "shots"]

_T = TypeVar("_T")

_CLOSE: tuple[Header, ...] = (("connection", "close"),)


def _post(path: str, given: list[Header], body: bytes) -> Shot:
    timed = any(name in {"x-penstock-by", "x-stainless-read-timeout"} for name, _ in given)
    return Shot((request("POST", f"/v1/{path}", given, body),), timed=timed)


@st.composite
def _bodily(draw: st.DrawFn) -> Shot:
    path = draw(st.sampled_from(PATHS))
    return _post(path, [], draw(bodies(path)))


@st.composite
def _packed(draw: st.DrawFn) -> Shot:
    path = draw(st.sampled_from(PATHS))
    coding, body = draw(packed(path))
    return _post(path, [("content-encoding", coding)], body)


@st.composite
def _headed(draw: st.DrawFn) -> Shot:
    path = draw(st.sampled_from(PATHS))
    body = draw(bodies(path)) if draw(st.integers(0, 3)) == 0 else _valid(path, draw(st.booleans()))
    return _post(path, draw(headers()), body)


@st.composite
def _aimed(draw: st.DrawFn) -> Shot:
    method, target, body = draw(targets())
    whole = request(method, target, draw(headers()) if draw(st.booleans()) else (), body)
    odd = not method.isupper() or any(not 33 <= ord(letter) < 127 for letter in target) or not target.startswith("/")
    framed = not odd and method in {"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"}
    return Shot((whole,), framed=framed, headless=method == "HEAD", ends=not framed, timed=True)


def _valid(path: str, stream: bool) -> bytes:
    import json

    return json.dumps({**VALID[path], **({"stream": True} if stream else {})}).encode()


KINDS: Mapping[str, st.SearchStrategy[Shot]] = {
    "bodies": _bodily(),
    "packed bodies": _packed(),
    "headers": _headed(),
    "paths and methods": _aimed(),
    "framing": framing(),
}


def shots(kind: str, number: int, chance: int) -> list[Shot]:
    """As many shots of a kind, drawn with the seed ``chance``."""
    return drawn(KINDS[kind], number, chance)


def drawn(strategy: st.SearchStrategy[_T], number: int, chance: int) -> list[_T]:
    """Examples of a strategy. Hypothesis draws few of them twice; those come again until there are enough."""
    found: list[_T] = []
    quiet: Any = list(HealthCheck)

    @seed(chance)
    @settings(max_examples=number, database=None, phases=[Phase.generate], suppress_health_check=quiet, deadline=None)
    @given(strategy)
    def draw(example: _T) -> None:
        found.append(example)

    draw()
    return [found[place % len(found)] for place in range(number)]
