"""How long it takes from the start of a program to its first right answer."""

from __future__ import annotations

import http.client
import time
from pathlib import Path
from urllib.parse import urlsplit

from penstock.bench.figure import Broken, Figure, measured
from penstock.bench.gateway.gateways import Gateway, penstock
from penstock.bench.gateway.questions import KINDS, answer, request
from penstock.bench.gateway.wire import text_of

__all__ = ["first_answer", "starts"]

_PATIENCE = 120.0
"""Seconds that a start may take."""


def starts(folder: Path, upstream: str, rounds: int) -> list[Figure]:
    """The first answer of Penstock, each time with a new home; the first start warms up the disk and is not counted."""
    samples: list[float] = []
    for number in range(rounds + 1):
        with penstock(folder / f"start-{number}", upstream) as gateway:
            samples.append(first_answer(gateway))
    return [measured("penstock: from start to first answer", samples[1:], unit="s", goal=1.0)]


def first_answer(gateway: Gateway) -> float:
    """Ask until the answer is right: the seconds since the start. Raises `Broken` when that takes too long."""
    problem = ""
    while time.perf_counter() - gateway.process.began < _PATIENCE:
        gateway.process.check()
        try:
            problem = _problem(gateway)
        except (OSError, http.client.HTTPException) as error:
            problem = repr(error)
        if not problem:
            return time.perf_counter() - gateway.process.began
        time.sleep(0.005)
    raise Broken(f"{gateway.name} does not answer: {problem}\n{gateway.process.said()}")


def _problem(gateway: Gateway) -> str:
    """Ask question 0; what is wrong with the answer."""
    kind = KINDS["plain"]
    target = gateway.target(kind.family)
    before, behind = request(kind, target.model)
    connection = http.client.HTTPConnection(urlsplit(target.url).netloc, timeout=10)
    try:
        headers = {"content-type": "application/json", **target.headers}
        connection.request("POST", kind.path, b"%b%010d%b" % (before, 0, behind), headers)
        response = connection.getresponse()
        body = response.read()
        right = response.status == 200 and text_of(body, stream=False) == "".join(answer(0))
        return "" if right else f"{response.status}: {body[:300]!r}"
    finally:
        connection.close()
