"""The window: what a request gets, why, and what becomes of the rest."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.context.window import Importance, Segment, Tier, Window, by_vectors
from penstock.context.window.held import Unreadable
from penstock.errors import BadInput
from penstock.stores.contexts import Contexts, MemoryContexts
from penstock.stores.contexts_sqlite import SqliteContexts


def words(text: str) -> int:
    return len(text.split())


def file(path: str, text: str, **more: object) -> Segment:
    return Segment(name=path, path=path, text=text, **more)  # type: ignore[arg-type]


def said(number: int, role: str, text: str, **more: object) -> Segment:
    after = f"m{number - 1}" if number else ""
    return Segment(name=f"m{number}", role=role, text=text, after=after, **more)  # type: ignore[arg-type]


def filled(*segments: Segment, budget: int = 200_000, **more: object) -> Window:
    window = Window(budget, count=words, **more)  # type: ignore[arg-type]
    for segment in segments:
        window.add(segment)
    return window


CHAIN = [
    file("app/main.py", "from app.shop import buy_basket\n\ndef run_main():\n    buy_basket()"),
    file("app/shop.py", "from app.stock import take_item\n\ndef buy_basket():\n    take_item()"),
    file("app/stock.py", "from app.store import read_rows\n\ndef take_item():\n    read_rows()"),
    file("app/store.py", "from app.disk import open_disk\n\ndef read_rows():\n    open_disk()"),
    file("app/disk.py", "def open_disk():\n    return 1"),
]


def test_what_is_more_than_three_hops_away_goes() -> None:
    window = filled(*CHAIN)
    found = window.select("Look at app/main.py")
    assert found.names == ["app/main.py", "app/shop.py", "app/stock.py", "app/store.py"]
    because = {each.name: each.because for each in [*found.chosen, *found.left_out]}
    assert because["app/main.py"] == "the request names app/main"
    assert because["app/shop.py"].startswith("1 hop from the focus: /app/shop with app/main.py")
    assert because["app/store.py"].startswith("3 hops from the focus: /app/store with app/stock.py, ")
    assert because["app/disk.py"].startswith("more than 3 hops from the focus")
    assert window.explain() == found.explain()
    assert "- app/disk.py: more than 3 hops" in window.explain()


def test_the_focus_is_what_the_client_says() -> None:
    window = filled(*CHAIN)
    window.focus("app/disk.py")
    assert window.select("").names == ["app/shop.py", "app/stock.py", "app/store.py", "app/disk.py"]
    with pytest.raises(BadInput):
        window.focus("nowhere.py")


def test_each_importance_tells_its_evidence() -> None:
    talk = [
        Segment(name="s", role="system", text="Be brief."),
        said(0, "user", "Hello. Never push to main."),
        *(said(number, "assistant", f"Step {number} is done.") for number in range(1, 30)),
        said(30, "tool", "ValueError: no such row"),
        *(said(number, "assistant", f"Step {number} is done.") for number in range(31, 40)),
        said(40, "user", "Go on."),
    ]
    found = {each.name: each for each in filled(*talk).select("Go on.").chosen}
    assert (found["s"].importance, found["s"].because) == (Importance.CRITICAL, "instructions")
    assert found["m0"].because == "the user demands: Hello. Never push to main."
    assert found["m30"].because == "a failure of late: ValueError: no such row"
    assert found["m40"].because == "the last message of the user"
    assert found["m39"].because == "one of the last 6 turns"
    assert "m20" not in found


def test_the_word_of_the_client_counts() -> None:
    window = filled(file("a.py", "x = 1", importance=Importance.CRITICAL), file("b.py", "y = 2"))
    (chosen,) = window.select("").chosen
    assert chosen.because == "the client says that it is critical"


def test_a_call_and_its_result_stay_together() -> None:
    calls = [
        said(0, "user", "Check order_77112 now"),
        said(1, "assistant", "lookup order_77112", call="c1"),
        said(2, "tool", "word " * 300, call="c1"),
        *(said(number, "assistant", "On it.") for number in range(3, 30)),
    ]
    for budget in (20, 100, 400):
        names = filled(*calls).select("What of order_77112?", budget).names
        assert ("m1" in names) == ("m2" in names) == (budget == 400)


def test_what_does_not_fit_is_shortened_or_left_out_with_a_reason() -> None:
    long = file("long.py", "header\n" + "body text here\n" * 400)
    left = filled(long).select("long.py", 500).left_out[0]
    assert "1,201 tokens do not fit, 500 are left" in left.because
    found = filled(long, shorten=lambda text, tokens, query: " ".join(text.split()[:tokens])).select("long.py", 500)
    assert [(each.tokens, each.shortened_from) for each in found.chosen] == [(500, 1201)]
    assert filled(long, shorten=lambda text, tokens, query: text).select("long.py", 500).names == []


def test_a_loader_is_called_only_when_its_segment_is_chosen() -> None:
    called: list[str] = []

    def loader(name: str) -> str:
        called.append(name)
        return "def check(): ..."

    window = filled(
        Segment(name="a.py", path="a.py", text=lambda: loader("a.py"), tags="token"),
        Segment(name="b.py", path="b.py", text=lambda: loader("b.py"), tokens=4),
        Segment(name="broken.py", path="broken.py", text=lambda: str(1 / 0), tokens=4),
    )
    assert called == []
    assert window.select("Where is the token checked?").names == ["a.py"]
    assert called == ["a.py"]
    found = window.select("broken.py and b.py")
    assert found.names == ["a.py", "b.py"]
    assert found.chosen[0].because == "much used of late"
    assert "it cannot be read: ZeroDivisionError: division by zero" in window.explain()
    with pytest.raises(Unreadable):
        window.read("broken.py")


def test_a_later_segment_takes_the_place_of_an_earlier_one() -> None:
    window = filled(file("a.py", "x = 1"), file("b.py", "y = 1"), file("a.py", "x = 2"))
    assert [(each.name, each.text) for each in window.select("a.py and b.py").chosen] == [
        ("b.py", "y = 1"),
        ("a.py", "x = 2"),
    ]


def test_expired_segments_are_collected() -> None:
    window = filled(file("a.py", "x", expires=5.0), file("b.py", "y", expires=9.0), file("c.py", "z"))
    window.focus("a.py")
    assert window.expire(now=5.0) == ["a.py"]
    assert (len(window), "a.py" in window, window.tokens) == (2, False, 2)
    with pytest.raises(BadInput):
        window.read("a.py")


def test_use_moves_segments_between_tiers() -> None:
    sizes = {Tier.PRIMARY: 10, Tier.SECONDARY: 10}
    window = filled(*(file(f"f{number}.py", "w " * 5) for number in range(6)), sizes=sizes)
    assert window.tiers() == {
        **dict.fromkeys(("f5.py", "f4.py"), Tier.PRIMARY),
        **dict.fromkeys(("f3.py", "f2.py"), Tier.SECONDARY),
        **dict.fromkeys(("f1.py", "f0.py"), Tier.ARCHIVE),
    }
    assert window.select("f0.py").route.tier is Tier.ARCHIVE
    assert window.tiers()["f0.py"] is Tier.PRIMARY
    assert window.select("f0.py").route.tier is Tier.PRIMARY
    for _ in range(3):
        window.read("f1.py")
    assert window.tiers()["f1.py"] is Tier.PRIMARY


def test_a_request_gets_no_more_than_it_needs() -> None:
    window = filled(*(file(f"src/f{number}.py", f"parse_part{number} " * 1000) for number in range(120)))
    route = window.select("src/f7.py").route
    assert (window.tokens, route.limit) == (120_000, 50_000)
    everything = window.select(" ".join(f"src/f{number}.py" for number in range(100))).route
    assert everything.limit == 200_000


def test_what_is_missed_widens_the_route() -> None:
    window = filled(*(file(f"src/f{number}.py", "word " * 1000) for number in range(60)))
    assert window.quality.fidelity is None
    assert window.select("src/f1.py").route.limit == 50_000
    for _ in range(30):
        window.read("src/f9.py")
    assert window.quality.fidelity == 0.0
    found = window.select("src/f1.py")
    assert found.route.limit == 100_000
    assert "too much was left out of late" in found.explain()
    assert window.quality.floor == 0.5


def test_what_comes_next_is_read_ahead_and_counted() -> None:
    read: list[str] = []
    window = Window(count=words)
    for name in ("a", "b", "c", "d"):
        window.add(Segment(name=name, text=lambda name=name: read.append(name) or "text", tokens=60_000))
    for name in ("a", "b", "c", "a", "b", "c", "a"):
        window.read(name)
    assert [(each.name, each.because) for each in window.expected(1)] == [("b", "used with or after a 2 of 3 times")]
    read.clear()
    assert [each.name for each in window.prefetch(1)] == ["b"]
    window.read("b")
    assert read == ["b"]
    window.prefetch(1)
    window.read("d")
    assert (window.couse.fetched, window.couse.hits, window.couse.hit_rate) == (2, 1, 0.5)
    window.remove("b")
    assert all(each.name != "b" for each in window.expected())


def long_talk(turns: int) -> list[Segment]:
    chance = random.Random(3)
    talk = [Segment(name="system", role="system", text="Be brief.")]
    for number in range(turns):
        role = ("user", "assistant", "tool")[number % 3]
        text = " ".join(chance.choice(["alpha", "beta", "gamma."]) for _ in range(20 if role == "user" else 400))
        talk.append(said(number, role, text if number % 9 != 2 else f"ValueError: {number}\n{text}"))
    return talk


def test_a_session_that_is_too_full_is_compacted_from_its_originals() -> None:
    talk = long_talk(900)
    window = filled(*talk, budget=100_000, shorten=by_vectors(words))
    found = window.compact()
    assert window.tokens > 200_000
    assert found.tokens <= 100_000
    assert found == window.compact()
    kept = {each.name: each.text for each in found.chosen}
    assert all(kept[each.name] == each.text for each in talk if each.role in ("user", "system"))
    assert any(each.shortened_from and "[...]" in each.text for each in found.chosen)
    window.add(said(900, "user", "And now?"))
    assert window.compact().chosen[:-1] == found.chosen
    without = filled(*talk, budget=100_000).compact()
    assert without.tokens <= 100_000
    assert without.left_out
    index = next(each for each in without.chosen if each.because == "index of what was left out")
    assert index.text.startswith("[part 1: ")
    assert "ask for them by name]\n- m" in index.text


def test_a_session_with_room_is_whole() -> None:
    talk = long_talk(90)
    found = filled(*talk, budget=100_000).compact()
    assert [each.text for each in found.chosen] == [each.text for each in talk]


def everywhere(tmp_path: Path) -> list[Contexts]:
    return [MemoryContexts(), asyncio.run(SqliteContexts.at(tmp_path / "contexts.db", warn=pytest.fail))]


def test_a_session_is_taken_up_where_it_was_left(tmp_path: Path) -> None:
    sizes = {Tier.PRIMARY: 10, Tier.SECONDARY: 10}
    for contexts in everywhere(tmp_path):
        window = filled(*CHAIN, Segment(name="lazy", text=lambda: "lazy text", tokens=2), sizes=sizes)
        window.focus("app/stock.py")
        window.read("lazy")
        before = window.select("What of app/main.py?")
        assert asyncio.run(window.save(contexts, "one", now=1.0))
        assert window.select("What of app/main.py?").names == before.names
        window.remove("app/disk.py")
        assert asyncio.run(window.save(contexts, "one", now=2.0))
        again = Window(count=words, sizes=sizes)
        assert not asyncio.run(again.restore(contexts, "two"))
        assert asyncio.run(again.restore(contexts, "one", loader=lambda name: f"{name} text"))
        assert again.tiers() == window.tiers()
        assert again.select("What of app/main.py?") == window.select("What of app/main.py?")
        assert again.read("lazy") == "lazy text"
        asyncio.run(contexts.close())


def test_without_the_store_a_text_is_told_as_unreadable() -> None:
    contexts = MemoryContexts()
    window = filled(file("a.py", "x = 1"), Segment(name="lazy", text=lambda: "x", tokens=1))
    asyncio.run(window.save(contexts, "one", now=1.0))
    again = Window(count=words)
    assert asyncio.run(again.restore(contexts, "one"))
    asyncio.run(contexts.forget(2.0))
    assert again.select("a.py").left_out[0].because == "it cannot be read: Missing: the text is not in the store"
    with pytest.raises(Unreadable):
        again.read("lazy")
    asyncio.run(contexts.save("one", b"of another version", {}, (), 3.0))
    assert not asyncio.run(Window(count=words).restore(contexts, "one"))


def test_when_the_store_fails_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "contexts.db").mkdir()
    contexts = asyncio.run(SqliteContexts.at(tmp_path / "contexts.db", warn=lambda message: None))
    window = filled(*CHAIN)
    assert not asyncio.run(window.save(contexts, "one", now=1.0))
    assert window.read("app/disk.py") == CHAIN[-1].text


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant", "tool", "system", ""]), st.integers(1, 90)), max_size=25),
    st.integers(0, 600),
    st.booleans(),
)
def test_never_over_the_budget_never_twice_always_a_reason(
    shapes: list[tuple[str, int]], budget: int, shortening: bool
) -> None:
    segments = [
        Segment(name=f"s{n}", role=role, text=f"part_{n % 7} " * size, call=f"c{n // 2}" if role == "tool" else "")
        for n, (role, size) in enumerate(shapes)
    ]
    window = filled(
        *segments, shorten=(lambda text, tokens, _: " ".join(text.split()[:tokens])) if shortening else None
    )
    found = window.select("What of part_3?", budget)
    assert found.tokens == sum(words(each.text) for each in found.chosen) <= budget
    assert sorted([*found.names, *(each.name for each in found.left_out)]) == sorted(each.name for each in segments)
    assert found.names == [each.name for each in segments if each.name in found.names]
    assert all(each.because for each in [*found.chosen, *found.left_out])
    assert filled(*segments, shorten=window._shorten).select("What of part_3?", budget) == found
