"""A beginning of their own for the prompts of each tenant."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.policy.layout.blocks import blocks
from penstock.policy.layout.salt import salted
from penstock.values import Call, Credential, Scope

ASKED = {"role": "user", "content": "Is the gate open?"}
SYSTEM = [{"type": "text", "text": "You help."}]


def call(body: dict[str, Any], tenant: str = "ann", dialect: str = "anthropic", **fields: Any) -> Call:
    raw = msgspec.json.encode(body)
    return Call.parse(raw, dialect=dialect, provider="p", scope=Scope(tenant=tenant), **fields)


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("anthropic", {"messages": [ASKED]}),
        ("anthropic", {"system": "You help.", "messages": [ASKED]}),
        ("anthropic", {"system": SYSTEM, "messages": [ASKED]}),
        ("openai", {"messages": [ASKED]}),
        ("openai", {"messages": [{"role": "system", "content": "You help."}, ASKED]}),
        ("openai", {"messages": [{"role": "developer", "content": SYSTEM}, ASKED]}),
        ("openai", {"messages": [{"role": "system"}, ASKED]}),
        ("responses", {"input": "Is the gate open?"}),
        ("responses", {"instructions": "You help.", "input": [ASKED]}),
    ],
)
def test_tenants_share_no_prefix_and_each_keeps_its_own(dialect: str, body: dict[str, Any]) -> None:
    ann, bob = (call(body, tenant, dialect) for tenant in ("ann", "bob"))
    first, other, again = (salted(each, b"s") for each in (ann, bob, ann))
    assert blocks(first.body)[0].digest == blocks(again.body)[0].digest
    assert blocks(first.body)[0].digest != blocks(other.body)[0].digest
    assert blocks(first.body)[0].digest != blocks(salted(ann, b"t").body)[0].digest  # nobody else can make it
    said = [segment.text for segment in ann.segments()]
    assert all(any(text in told.text for told in first.segments()) for text in said)
    roles = [message.get("role") for message in first.body.get("messages", [])]
    assert len([role for role in roles if role in {"system", "developer"}]) <= 1  # some servers take one alone
    (edit,) = first.edits
    assert -12 < edit.undo.input_tokens < 0  # it adds some, and the receipt says so
    assert salted(first, b"s") is first


def test_a_subscription_keeps_the_sentence_that_has_to_be_first() -> None:
    body = {"system": SYSTEM, "messages": [ASKED]}
    theirs = salted(call(body, credential=Credential("k", "authorization")), b"s")
    assert theirs.body["system"][0] == SYSTEM[0]
    assert len(theirs.body["system"]) == 2


def test_what_has_no_tenant_or_no_prompt_stays_as_it_is() -> None:
    for each in (
        call({"messages": [ASKED]}, tenant=""),
        call({"input": "a"}, dialect="embeddings"),
        call({"messages": [ASKED]}, off=frozenset({"all"})),
    ):
        assert salted(each, b"s") is each
    assert salted(call({"messages": [ASKED]}, off=frozenset({"layout"})), b"s").edits  # it is not theirs to leave out
