"""Tools in a steady order."""

from __future__ import annotations

import itertools
from typing import Any

from penstock.policy.layout.tools import SteadyTools

ONE: dict[str, Any] = {"name": "read", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}
TWO: dict[str, Any] = {"name": "write", "input_schema": {"type": "object", "properties": {}}}


def names(tools: list[Any]) -> list[str]:
    return [next(iter(tool)) + ":" + tool["name"] for tool in tools]


def test_a_set_that_was_sent_is_sent_as_it_was() -> None:
    memory = SteadyTools()
    assert memory.steady("t", {"tools": [ONE, TWO]}) is None
    assert memory.steady("t", {"tools": [ONE, TWO]}) is None
    again = memory.steady("t", {"tools": [TWO, ONE]})
    assert again is not None
    assert names(again) == names([ONE, TWO])


def test_a_definition_stays_as_it_came() -> None:
    memory = SteadyTools()
    memory.steady("t", {"tools": [ONE, TWO]})
    turned = {"input_schema": ONE["input_schema"], "name": "read"}
    assert memory.steady("t", {"tools": [TWO, turned]}) is None  # another order of fields is another tool


def test_what_differs_is_another_set() -> None:
    memory = SteadyTools()
    memory.steady("t", {"tools": [ONE, TWO]})
    assert memory.steady("t", {"tools": [TWO]}) is None
    assert memory.steady("t", {"tools": [{**ONE, "description": "Reads."}, TWO]}) is None
    assert memory.steady("t", {"tools": [TWO, ONE, ONE]}) is None
    assert memory.steady("t", {}) is None
    assert memory.steady("t", {"tools": "none"}) is None


def test_tenants_do_not_see_each_others_tools() -> None:
    memory = SteadyTools()
    memory.steady("t", {"tools": [ONE, TWO]})
    assert memory.steady("other", {"tools": [TWO, ONE]}) is None


def test_it_forgets_the_set_that_was_not_sent_for_longest() -> None:
    memory = SteadyTools(most=2)
    sets = [[{"name": f"{n}a"}, {"name": f"{n}b"}] for n in range(3)]
    memory.steady("t", {"tools": sets[0]})
    memory.steady("t", {"tools": sets[1]})
    memory.steady("t", {"tools": sets[0]})
    memory.steady("t", {"tools": sets[2]})
    assert memory.steady("t", {"tools": sets[0][::-1]}) == sets[0]
    assert memory.steady("t", {"tools": sets[1][::-1]}) is None


def test_every_order_becomes_the_first_one() -> None:
    memory = SteadyTools()
    tools = [{"name": str(n)} for n in range(4)]
    memory.steady("t", {"tools": tools})
    assert all(
        (memory.steady("t", {"tools": list(order)}) or list(order)) == tools for order in itertools.permutations(tools)
    )
