"""What one caller leaves behind is not another's: keys, errors, money, and the turn that a fallback would take."""

from __future__ import annotations

import asyncio

import aiohttp
from gatehouse import CHAT, Gatehouse, gatehouse
from test_standing_in import pair

from penstock.config import ProviderSettings, Settings
from penstock.gateway.serve import serving
from penstock.runtime import build
from penstock.testing import Plan, Upstream


def test_a_clients_key_does_not_stand_in_for_the_configured_one_where_models_are_listed() -> None:
    async def main() -> None:
        async with Upstream("Because.", key="configured") as up, aiohttp.ClientSession() as web:
            runtime = await build(
                Settings(providers={"openai": ProviderSettings("openai", up.url)}), keys={"openai": "configured"}
            )
            async with serving(runtime, given=frozenset({"openai"})) as url:
                own = {"authorization": "Bearer sk-own"}
                for method, path in (("POST", "/v1/chat/completions"), ("GET", "/v1/models")):
                    async with web.request(method, url + path, json=CHAT, headers=own) as response:
                        assert (path, response.status) == (path, 200)
            await runtime.close()

    asyncio.run(main())


def test_what_an_upstream_said_to_one_is_not_told_to_another_while_it_is_left_alone() -> None:
    async def main() -> None:
        failing = Plan(
            "about org-of-a", status=500, headers={"x-should-retry": "false", "openai-organization": "org-of-a"}
        )
        async with gatehouse(failing, keyed=False) as gate:
            for _ in range(5):
                _, _, said = await gate.post(CHAT, headers={"authorization": "Bearer sk-a"})
                assert b"org-of-a" in said
            status, headers, said = await gate.post(CHAT, headers={"authorization": "Bearer sk-b"})
            assert len(gate.up.exchanges) == 5
            assert (status, b"left alone" in said, b"org-of-a" in said) == (500, True, False)
            assert not {"openai-organization", "x-penstock-upstream-id"} & {name.lower() for name in headers}

    asyncio.run(main())


async def money(gate: Gatehouse) -> str:
    _, _, text = await gate.get("/metrics")
    return next(line for line in text.decode().splitlines() if line.startswith("penstock_spent_nanodollars_total "))


def test_what_a_caller_that_left_has_set_off_is_counted_when_it_has_ended() -> None:
    async def main() -> None:
        async with gatehouse("Because.", latency=0.3) as gate:
            first = asyncio.ensure_future(gate.post(CHAT))
            await gate.up.until(lambda: len(gate.up.exchanges) == 1)
            second = asyncio.ensure_future(gate.post(CHAT))
            await asyncio.sleep(0.05)
            first.cancel()
            assert (await second)[1]["x-penstock-source"] == "joined"
            await gate.quiet()
            assert await money(gate) != "penstock_spent_nanodollars_total 0"
            assert len(gate.up.exchanges) == 1

    asyncio.run(main())


def test_who_leaves_while_the_first_upstream_fails_has_the_second_one_left_alone() -> None:
    async def main() -> None:
        async with pair() as (url, first, second, (runtime, web)):
            first.reply = Plan("busy", status=529, latency=0.2, headers={"x-should-retry": "false"})
            second.reply = Plan("Because.", hang=True)
            asking = asyncio.ensure_future(web.post(url, json=CHAT))
            await second.until(lambda: len(second.exchanges) == 1)
            asking.cancel()
            await second.until(lambda: second.disconnects == 1)  # also what stands in is called off
            await first.until(lambda: not runtime.engine._flights)
            account = await runtime.engine.admission.holds.account(("local",))
            assert account.held.nano == 0

    asyncio.run(main())
