"""Loads, each checked: every answer is right to the letter, and the upstream saw each question once."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Sequence

import msgspec

from penstock.bench.figure import Broken
from penstock.bench.gateway.gateways import Gateway
from penstock.bench.gateway.load import Order, Results, Target
from penstock.bench.gateway.processes import clean
from penstock.bench.gateway.questions import KINDS

__all__ = ["Bench"]


class Bench:
    """The upstream of a run, and the numbers of the questions in it: none is used twice."""

    def __init__(self, upstream: Gateway) -> None:
        self.upstream = upstream
        self.asked: Counter[str] = Counter()
        """Questions so far, by the name of the gateway."""
        self._next = 1

    def ask(self, kind: str, gateways: Sequence[Gateway], count: int, *, after: int = 0, rate: float = 0.0) -> Results:
        """The answers to ``count`` new questions of each gateway; ``after`` and ``rate`` are those of an `Order`.

        Raises `Broken` for a wrong answer, and when the upstream saw more or fewer than were asked.
        """
        first, self._next = self._next, self._next + count
        self.asked.update({gateway.name: count for gateway in gateways})
        return self._checked(Order(kind, _targets(kind, gateways), first, count, after=after, rate=rate), count)

    def again(self, gateway: Gateway, count: int) -> Results:
        """The answers to one new question and then to the same again, of which the upstream must not see any."""
        first, self._next = self._next, self._next + 1
        self.asked[gateway.name] += 1 + count
        targets = _targets("plain", [gateway])
        self._checked(Order("plain", targets, first, 1), 1)
        return self._checked(Order("plain", targets, first, count, same=True), 0)

    def cost(self, kind: str, gateway: Gateway, count: int) -> float:
        """CPU microseconds that a call takes in the gateway; the kind ``hit`` is `again`."""
        before = gateway.process.settled()
        if kind == "hit":
            self.again(gateway, count)
        else:
            self.ask(kind, [gateway], count)
        return (gateway.process.settled() - before) / count * 1e6

    def _checked(self, order: Order, seen: int) -> Results:
        before = self._seen()
        command = [sys.executable, "-m", "penstock.bench.gateway.load"]
        done = subprocess.run(
            command, input=msgspec.json.encode(order), stdout=subprocess.PIPE, env=clean(), check=True
        )
        results = msgspec.json.decode(done.stdout, type=Results)
        for target, result in zip(order.targets, results.targets, strict=True):
            if result.right != order.count:
                raise Broken(f"{target.url}: {result.wrong} of {order.count} answers are wrong: {result.problems}")
        if (asked := self._seen() - before) != seen * len(order.targets):
            raise Broken(f"the upstream saw {asked} questions of {seen * len(order.targets)}, {order.kind}")
        return results

    def _seen(self) -> int:
        with urllib.request.urlopen(f"{self.upstream.url}/stats", timeout=10) as response:
            return int(msgspec.json.decode(response.read())["asked"])


def _targets(kind: str, gateways: Sequence[Gateway]) -> list[Target]:
    return [gateway.target(KINDS[kind].family) for gateway in gateways]
