"""Every field is in the key, or is named as out."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.values.test_call import BODIES, JSON

from penstock.values import Call, Credential, Edit, Scope, identity
from penstock.values.identity import BODY_OUT, CALL_IN, CALL_OUT, HEADERS_OUT


def key(body: object, **fields: Any) -> bytes:
    return identity(Call.parse(msgspec.json.encode(body), **{"dialect": "openai", "provider": "p", **fields}))


def shuffled(node: Any, chance: random.Random) -> Any:
    if isinstance(node, dict):
        items = [(name, shuffled(value, chance)) for name, value in node.items()]
        chance.shuffle(items)
        return dict(items)
    return [shuffled(value, chance) for value in node] if isinstance(node, list) else node


def test_every_field_of_a_call_is_in_the_key_or_named_as_out() -> None:
    assert set(Call.__struct_fields__) == CALL_IN | set(CALL_OUT)
    assert not CALL_IN & set(CALL_OUT)
    assert all(reason for reason in [*CALL_OUT.values(), *BODY_OUT.values()])


@given(BODIES, st.randoms(use_true_random=False))
def test_the_order_of_keys_never_changes_the_key(body: dict[str, Any], chance: random.Random) -> None:
    assert key(body) == key(shuffled(body, chance))


@given(BODIES, st.text(max_size=12), JSON)
def test_any_change_of_any_field_changes_the_key(body: dict[str, Any], name: str, value: Any) -> None:
    assume(name not in BODY_OUT)
    changed = {**body, name: value}
    same = msgspec.json.encode(body, order="deterministic") == msgspec.json.encode(changed, order="deterministic")
    assert (key(body) == key(changed)) == same


@given(BODIES, st.data())
def test_any_change_deep_inside_changes_the_key(body: dict[str, Any], data: st.DataObject) -> None:
    nested = {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "extra": body}]}]}
    other = data.draw(
        BODIES.filter(
            lambda other: msgspec.json.encode(other, order="sorted") != msgspec.json.encode(body, order="sorted")
        )
    )
    assert key(nested) != key(
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "extra": other}]}]}
    )


@pytest.mark.parametrize(("one", "two"), [(1, 1.0), (1, True), ("1", 1), (10**30, 10**30 + 1), (None, ""), ([], {})])
def test_values_that_look_alike_are_different_calls(one: object, two: object) -> None:
    assert key({"seed": one}) != key({"seed": two})


@pytest.mark.parametrize("field", sorted(BODY_OUT))
def test_how_an_answer_travels_is_out(field: str) -> None:
    assert key({"model": "m"}) == key({"model": "m", field: {"include_usage": True}})


def test_fields_of_the_call() -> None:
    base = key({"model": "m"})
    assert base != key({"model": "m"}, dialect="anthropic")
    assert base != key({"model": "m"}, provider="q")
    assert base != key({"model": "m"}, origin="https://other.example/v1")
    assert base == key({"model": "m"}, scope=Scope("t", "s"), fresh=True, reuse="always", deadline=1.0)
    assert base == key({"model": "m"}, credential=Credential("k"), again=True)
    assert base != key({"model": "m"}, query="beta=true")
    assert base != identity(
        Call.parse(b'{"model":"m"}', dialect="openai", provider="p").edited(Edit("x", ("y",), "set", 1))
    )


def test_headers_that_change_behaviour_are_in_and_those_of_the_transport_are_out() -> None:
    base = key({"model": "m"})
    assert base != key({"model": "m"}, headers=(("anthropic-beta", "context-1m"),))
    assert base != key({"model": "m"}, headers=(("x-unheard-of", "1"),))
    out = (*((name, "1") for name in sorted(HEADERS_OUT)), ("x-stainless-retry-count", "2"))
    assert base == key({"model": "m"}, headers=out)
    pair = (("b", "2"), ("a", "1"))
    assert key({}, headers=pair) == key({}, headers=pair[::-1])


def test_a_credential_is_never_shown() -> None:
    shown = repr(Call.parse(b"{}", dialect="openai", provider="p", credential=Credential("sk-secret", "x-api-key")))
    assert "Credential(x-api-key)" in shown
    assert "sk-secret" not in shown


def test_who_leaves_a_mechanism_out_that_changes_answers_asks_something_else() -> None:
    plain = Call.parse(b'{"model": "m"}', dialect="openai", provider="p")
    same = [frozenset[str](), frozenset({"layout"}), frozenset({"reuse", "bundle"})]
    assert len({identity(msgspec.structs.replace(plain, off=off)) for off in same}) == 1
    others = [*same[:1], frozenset({"compress"}), frozenset({"prune"}), frozenset({"all"})]
    assert len({identity(msgspec.structs.replace(plain, off=off)) for off in others}) == 4
