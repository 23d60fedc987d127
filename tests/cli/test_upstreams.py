"""What is said of the upstreams before a gateway begins: variables that it does not follow, keys that are not set."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from penstock.cli.upstreams import unfollowed, without_key
from penstock.config import ProviderSettings, Settings
from penstock.gateway.serve import reachable, serving
from penstock.runtime import build
from penstock.testing import Upstream

NOTHING = reachable(Settings())
WORK = reachable(Settings(providers={"work": ProviderSettings("openai", "http://127.0.0.1:8000", "WORK_KEY")}))


def said(settings: Settings, **variables: str) -> list[str]:
    return asyncio.run(unfollowed(settings, variables))


def test_a_server_that_is_not_asked_is_named_with_the_variable_that_names_it() -> None:
    async def main() -> None:
        async with Upstream("At nine.") as up:
            address = up.url.replace("//", "//me:secret@") + "/v1"
            (line,) = await unfollowed(NOTHING, {"OPENAI_API_BASE": address})
            assert line == (
                f"OPENAI_API_BASE leads to {up.url}/v1 and is not followed: openai models are asked at "
                f"https://api.openai.com/v1 (to ask that server: PENSTOCK_OPENAI_BASE_URL={up.url}/v1)"
            )
            both = {"OPENAI_BASE_URL": up.url, "OPENAI_API_BASE": up.url, "ANTHROPIC_BASE_URL": up.url}
            assert [line.split()[0] for line in await unfollowed(NOTHING, both)] == [
                "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL",
            ]  # fmt: skip
            assert await unfollowed(WORK, {"OPENAI_BASE_URL": up.url}) == []
            assert await unfollowed(NOTHING, {"OPENAI_BASE_URL": up.url, "PENSTOCK_OPENAI_BASE_URL": up.url}) == []

    asyncio.run(main())


def test_a_variable_that_leads_to_a_gateway_is_as_it_should_be(home: Path) -> None:
    async def main() -> None:
        runtime = await build(NOTHING, at=home)
        try:
            async with serving(runtime, at=home) as address:
                assert await unfollowed(NOTHING, {"OPENAI_BASE_URL": f"{address}/v1"}) == []
        finally:
            await runtime.close()

    asyncio.run(main())


def test_what_may_be_a_gateway_later_and_what_is_asked_anyway_are_no_news() -> None:
    assert said(NOTHING) == []
    assert said(NOTHING, OPENAI_BASE_URL="http://127.0.0.1:9/v1") == []
    assert said(NOTHING, ANTHROPIC_BASE_URL="https://api.anthropic.com/") == []
    assert len(said(NOTHING, OPENAI_BASE_URL="http://[::1")) == 1


@pytest.mark.parametrize(
    ("settings", "variables", "program", "line"),
    [
        (NOTHING, {}, "python", "no key is set: set OPENAI_API_KEY or ANTHROPIC_API_KEY, unless the command"),
        (NOTHING, {}, "claude", "no key is set for anthropic: claude has to be logged in there, or set ANTHROPIC_"),
        (NOTHING, {"ANTHROPIC_API_KEY": "k"}, "codex", "no key is set for openai: codex has to be logged in there"),
        (NOTHING, {"ANTHROPIC_AUTH_TOKEN": "k"}, "claude", ""),
        (NOTHING, {"OPENAI_API_KEY": "k"}, "python", ""),
        (WORK, {}, "python", ""),
        (WORK, {}, "claude", "no key is set for anthropic"),
        (Settings(provider="embedded"), {}, "python", ""),
    ],
)  # fmt: skip
def test_a_key_that_nobody_has_set(settings: Settings, variables: dict[str, str], program: str, line: str) -> None:
    told = without_key(settings, variables, program)
    assert told.startswith(line)
    assert bool(told) == bool(line)
