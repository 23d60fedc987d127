"""Results of tools: where they stand, and what may stand in their place."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.policy.prune.outputs import left_out, machine_made, marker, outputs, replaced, same_as


def test_results_in_both_shapes() -> None:
    (one,) = outputs({"role": "tool", "tool_call_id": "c", "content": "x"})
    assert (one.block, one.call, one.text, one.plain, one.marked) == (-1, "c", "x", True, False)
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    content: list[Any] = [
        {"type": "tool_result", "tool_use_id": "t", "content": parts},
        {"type": "tool_result", "tool_use_id": "u", "content": [{"type": "image"}]},
        {"type": "tool_result", "tool_use_id": "v", "content": [{"type": "tool_reference", "tool_name": "x"}]},
        {"type": "tool_result", "tool_use_id": "w"},
        {"type": "text", "text": "y"},
    ]
    first, second = outputs({"role": "user", "content": content})
    assert (first.block, first.call, first.text, first.plain) == (0, "t", "a\nb", True)
    assert (second.call, second.plain) == ("u", False)
    assert list(outputs({"role": "user", "content": "x"})) == []
    assert list(outputs({"role": "tool", "content": ""})) == []
    assert list(outputs({"role": "assistant", "content": "x"})) == []


def test_all_else_stays_in_place() -> None:
    marked = {"type": "tool_result", "tool_use_id": "t", "content": "x", "is_error": True, "cache_control": {}}
    other = {"type": "text", "text": "y"}
    found = replaced({"role": "user", "content": [marked, other], "name": "n"}, 0, "short")
    assert found == {"role": "user", "content": [{**marked, "content": "short"}, other], "name": "n"}
    assert replaced({"role": "tool", "tool_call_id": "c", "content": "x"}, -1, "s")["content"] == "s"


def test_markers_are_known_again() -> None:
    assert left_out(marker(12_345))
    assert left_out(same_as("call_1", 300))
    assert left_out(same_as("", 300))
    assert not left_out("[output left out: some tokens]")
    (found,) = outputs({"role": "tool", "tool_call_id": "c", "content": marker(7)})
    assert found.marked


@pytest.mark.parametrize(
    "words",
    [
        "Please look at the tests again.",
        "Fix main.py",
        "First do this.\nThen do that.\nUse at most 7865 lines for it.\nHello again!",
        "- never push\n- only edit a.py\n- keep it short\n- run tests before you stop, please, and say so",
        "",
    ],
)
def test_what_people_write(words: str) -> None:
    assert not machine_made(words)


@pytest.mark.parametrize(
    "words",
    [
        "total 8\n-rw-r--r-- 1 a a 12 x.py\n$ ",
        "\n".join(f"{at}: x = f({at});" for at in range(20)),
        'Traceback:\n  File "a.py", line 3, in <module>\n    f(x=1)\nTypeError: f() got x=1\nbash-$',
    ],
)
def test_what_tools_write(words: str) -> None:
    assert machine_made(words)
