"""The OpenAPI description says what is served, and no more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from gatehouse import CHAT, Gatehouse, gatehouse

import penstock.gateway
from penstock.gateway.endpoints import ENDPOINTS, endpoint
from penstock.gateway.openapi import description

DOCUMENT: dict[str, Any] = msgspec.json.decode(description())
COMPONENTS: dict[str, Any] = DOCUMENT["components"]

_OWN = re.compile(r'"(x-penstock-[a-z-]+)"')
_TRANSPORT = {
    "date",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "cache-control",
    "x-accel-buffering",
}


def refs(node: Any) -> Iterator[str]:
    """Every reference below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from refs(child)
    elif isinstance(node, list):
        for child in node:
            yield from refs(child)


def at(ref: str) -> Any:
    node: Any = DOCUMENT
    for step in ref.removeprefix("#/").split("/"):
        node = node[step]
    return node


def resolved(node: Any) -> Any:
    return at(node["$ref"]) if "$ref" in node else node


def source() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in Path(penstock.gateway.__path__[0]).glob("*.py"))


def test_every_endpoint_is_described_and_no_more() -> None:
    described: set[tuple[str, str]] = set()
    for path, operations in DOCUMENT["paths"].items():
        found = endpoint(path)
        assert found is not None, path
        assert list(operations) == [found.method.lower()], path
        described.add((found.name, found.rest))
    assert described == {(each.name, "") for each in ENDPOINTS} | {("models", "{id}")}


def test_every_header_of_ours_is_described_and_no_more() -> None:
    asked = {each["name"] for each in COMPONENTS["parameters"].values() if each["in"] == "header"}
    told = set(COMPONENTS["headers"])
    ours = {name for name in asked | told if name.startswith("x-penstock-")}
    assert ours == set(_OWN.findall(source()))
    for name in asked | told:
        assert f'"{name}"' in source(), name
    for name, scheme in COMPONENTS["securitySchemes"].items():
        assert scheme.get("name", "authorization").encode() in source().encode(), name


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    found = set(refs(DOCUMENT))
    for ref in found:
        at(ref)
    made = {f"#/components/{kind}/{name}" for kind, group in COMPONENTS.items() for name in group}
    assert made - {ref for ref in made if ref.startswith("#/components/securitySchemes/")} == found


def check(path: str, method: str, status: int, headers: Mapping[str, str]) -> None:
    """Hold an answer to the description: its status, its content, and each of its headers."""
    responses = DOCUMENT["paths"][path][method.lower()]["responses"]
    assert str(status) in responses, (path, status)
    response = resolved(responses[str(status)])
    assert headers["content-type"].partition(";")[0] in response["content"], (path, status)
    unknown = {name.lower() for name in headers} - _TRANSPORT - set(response.get("headers", {}))
    assert not unknown, (path, status, unknown)


@pytest.mark.parametrize("path", [path for path in DOCUMENT["paths"] if "post" in DOCUMENT["paths"][path]])
def test_answers_of_calls_are_as_described(path: str) -> None:
    body: dict[str, Any] = {**CHAT, "input": "Why?"}
    ways: list[tuple[int, Any, dict[str, str]]] = [
        (200, body, {}),
        (200, {**body, "stream": True}, {}),
        (400, b"{", {}),
        (400, body, {"x-penstock-budget": "much"}),
        (401, body, {"authorization": "Bearer a b"}),
        (403, body, {"host": "evil.test"}),
        (413, b" " * 200_000, {}),
        (415, body, {"content-encoding": "br"}),
        (504, {**body, "user": "late"}, {"x-penstock-by": "0"}),
    ]
    if "embeddings" not in path and "count_tokens" not in path:
        ways.append((402, {**body, "user": "poor"}, {"x-penstock-budget": "$0.0000001"}))

    async def main() -> None:
        async with gatehouse("Because.", most_bytes=100_000) as gate:
            for expected, asked, headers in ways:
                status, told, said = await gate.post(asked, path, headers)
                assert status == expected, (headers, said)
                check(path, "post", status, told)
            status, told, _ = await gate.get(path)
            assert status == 405
            check(path, "post", status, told)

    asyncio.run(main())


def test_answers_without_a_call_are_as_described() -> None:
    async def looks(gate: Gatehouse) -> None:
        for path in ("/v1/models", "/health", "/metrics", "/openapi.json"):
            for expected, headers in ((200, {}), (403, {"host": "evil.test"}), (401, {"via": "1.1 proxy"})):
                if expected == 200 or DOCUMENT["paths"][path]["get"].get("security") != []:
                    status, told, _ = await gate.get(path, headers)
                    assert status == expected
                    check(path, "get", status, told)
            status, told, _ = await gate.post(b"", path)
            assert status == 405
            check(path, "get", status, told)
        for name, expected in (("mine", 200), ("a//b", 400), ("nobodys", 404)):
            status, told, _ = await gate.get(f"/v1/models/{name}")
            assert status == expected
            check("/v1/models/{id}", "get", status, told)

    async def main() -> None:
        async with gatehouse("Because.") as gate:
            await looks(gate)
            _, _, told = await gate.get("/openapi.json")
            assert told == description()

    asyncio.run(main())
