"""A beginning of their own for the prompts of each tenant."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.policy.layout.blocks import blocks
from penstock.policy.layout.salt import salted
from penstock.values import Call, Scope

ASKED = {"role": "user", "content": "Is the gate open?"}


def call(body: dict[str, Any], tenant: str = "ann", dialect: str = "anthropic") -> Call:
    raw = msgspec.json.encode(body)
    return Call.parse(raw, dialect=dialect, provider="p", scope=Scope(tenant=tenant))


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("anthropic", {"messages": [ASKED]}),
        ("anthropic", {"system": "You help.", "messages": [ASKED]}),
        ("anthropic", {"system": [{"type": "text", "text": "You help."}], "messages": [ASKED]}),
        ("openai", {"messages": [{"role": "system", "content": "You help."}, ASKED]}),
        ("responses", {"input": "Is the gate open?"}),
        ("responses", {"instructions": "You help.", "input": [ASKED]}),
    ],
)
def test_tenants_share_no_prefix_and_each_keeps_its_own(dialect: str, body: dict[str, Any]) -> None:
    ann, bob = (call(body, tenant, dialect) for tenant in ("ann", "bob"))
    first, other, again = (each.edited(*salted(each)) for each in (ann, bob, ann))
    assert blocks(first.body)[0].digest == blocks(again.body)[0].digest
    assert blocks(first.body)[0].digest != blocks(other.body)[0].digest
    said = [segment.text for segment in call(body, "ann", dialect).segments()]
    assert all(any(text in told.text for told in first.segments()) for text in said)
    (edit,) = salted(ann)
    assert -12 < edit.undo.input_tokens < 0  # it adds some, and the receipt says so


def test_what_has_no_tenant_or_no_prompt_stays_as_it_is() -> None:
    assert salted(call({"messages": [ASKED]}, tenant="")) == []
    assert salted(call({"input": "a"}, dialect="embeddings")) == []
