"""The message that stands for those left out."""

from __future__ import annotations

from typing import Any

from penstock.meter import count
from penstock.policy.prune.summary import NOTED, Summary, carried, is_noted, summarised
from penstock.policy.prune.turns import conversation

Json = dict[str, Any]


def told(*messages: Json, notes: int = 500) -> Summary:
    whole = conversation(messages, count)
    assert whole is not None
    return summarised(whole, range(len(messages)), notes, count)


def user(words: str) -> Json:
    return {"role": "user", "content": words}


def assistant(words: str) -> Json:
    return {"role": "assistant", "content": words}


def test_it_is_told_and_read_again() -> None:
    for summary in (
        Summary(1),
        Summary(1_234, ("Never push.\n\nOnly a.py.",)),
        Summary(2, (), ("found it", "ran f {}")),
        Summary(2, ("What was done:",), ("found it",)),
    ):
        assert carried(user(summary.told())) == summary
    assert carried(user("[some earlier messages left out]")) is None
    assert carried(assistant(Summary(1).told())) is None
    assert is_noted(NOTED)


def test_earlier_summaries_are_carried_over_whole() -> None:
    first = Summary(40, ("Never push. Only edit a.py.",), ("The cause was x.",))
    found = told(user(first.told()), NOTED, user("At most 3 files."), assistant("The bug was found in line 7 at last."))
    assert found.messages == 42
    assert found.user == ("Never push. Only edit a.py.", "At most 3 files.")
    assert found.work == ("The cause was x.", "The bug was found in line 7 at last.")


def test_findings_come_before_calls_and_talk_is_left_out() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "read", "arguments": '{"path": "' + "x" * 200 + '"}'}}
    messages: list[Json] = [
        user("Go."),
        {"role": "assistant", "content": "Let me look at it now, shall we?", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
        assistant("The test failed because of a missing colon. It is a long story that goes on. Great!"),
    ]
    (made, *found) = told(*messages).work
    assert made.startswith('read {"path": "xxx')
    assert made.endswith("…")
    assert found == ["The test failed because of a missing colon.", "It is a long story that goes on."]
    assert told(*messages, notes=20).work == ("The test failed because of a missing colon.",)
    assert told(*messages, notes=0).work == ()


def test_long_lines_are_told_once() -> None:
    rule = "You can only enter one command at a time."
    found = told(user(f"{rule}\nMend a.py."), assistant("Yes."), user(f"{rule}\nMend b.py."), user(rule))
    assert found.user == (f"{rule}\nMend a.py.", "Mend b.py.")


def test_where_the_user_said_too_much_strong_rules_remain() -> None:
    chat = [
        user(f"Look at file{at}.py and at line {at}, {at + 1} and {at + 2}. Never touch x{at}.") for at in range(300)
    ]
    assert told(*chat[:3]).user[0].startswith("Look at file0.py")
    found = told(*chat)
    assert found.user[0] == "Never touch x0."
    assert len(found.user) == 300


def test_what_tools_wrote_in_the_users_name_is_none_of_his_words() -> None:
    log = "total 8\n-rw-r--r-- 1 a a 12 must.py\n$ "
    assert told(user("Never push."), assistant("ls"), user(log)).user == ("Never push.",)
