"""Prose and documents compressed for a question, and without one."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from penstock.meter import count
from penstock.policy.compress.central import repeated
from penstock.policy.compress.extract import Extract, extract
from penstock.policy.compress.likely import likely, signals
from penstock.policy.compress.likeness import LOOKED_AT, READ, ROOM
from penstock.policy.compress.prose import cut, plan
from penstock.policy.compress.sections import joined, sections
from penstock.relevance.words import fold

DOCS = [
    {
        "title": "Garnet Bridge",
        "text": "It crosses the Lode. Work took six years. It opened in 1884. Ann Pell drew it.",
    },
    {"title": "Lode (river)", "text": "The Lode is a river. Barges went up it. Mills stood on both banks of it."},
    {"title": "Pell family", "text": "The Pells were builders. They came from Hull. They built many bridges of stone."},
    {"title": "Oak", "text": "Oaks are trees. They bear acorns. Jays bury them. Some live for a thousand years."},
]


def kept(query: str | None, room: int, docs: list[dict[str, str]] = DOCS) -> Extract:
    text, sources = joined(docs)
    return extract(text, plan(text, query, room, sources), room, count)


def test_the_answer_is_kept_under_its_title() -> None:
    assert kept("When did the Garnet Bridge open?", 14).text.startswith("Garnet Bridge\n… It opened in 1884.")


def test_the_titles_count_for_every_sentence() -> None:
    text, sources = joined(DOCS)
    parts = sections(text, sources)
    said = cut(text, parts)
    worths = likely(text, fold(text), "Garnet Bridge: how long?", parts, said)
    best = sorted(range(len(said)), key=lambda number: -worths[number])[:4]
    assert {said[number].section for number in best} == {0}


def test_titles_are_found_in_plain_text_as_well() -> None:
    text = joined(DOCS)[0]
    assert "1884" in extract(text, plan(text, "When did the Garnet Bridge open?", 14), 14, count).text


def test_a_text_that_speaks_of_nothing_in_the_query_is_told_by_what_is_central() -> None:
    text, sources = joined(DOCS)
    assert plan(text, "zzzz", 20, sources).pieces == plan(text, None, 20, sources).pieces


def test_a_title_alone_that_speaks_of_it() -> None:
    text = "# Oaks\n# Elms\nThey grow here.\n"
    parts = sections(text)
    found = signals(text, fold(text), "oaks", parts, cut(text, parts))
    assert [one.passage for one in found] == [0.0]
    assert plan("# Oaks", "oaks", 5).pieces[0].end == 6


def test_without_a_query_each_thing_is_told_once() -> None:
    birds = ["The heron eats frogs and fishes at the pond.", "A pond has frogs, fishes and a heron."]
    text = " ".join([birds[0], "Nobody came on Monday.", birds[1], "Acorns fall from oaks in autumn."])
    chosen = extract(text, plan(text, None, 22), 22, count).text
    assert "pond" in chosen
    assert "Acorns" in chosen


def test_what_is_said_twice_is_kept_once() -> None:
    said = "The bridge over the Lode was opened by the mayor in 1884."
    again = "The bridge over the Lode, was opened by the mayor in 1884!"
    text = f"{said} Nobody minds. {again} The bridge is painted green."
    worths = [piece.worth for piece in plan(text, "when was the bridge opened", 30).pieces]
    assert min(worths[0], worths[2]) < worths[1] < max(worths[0], worths[2])
    assert worths[3] > min(worths)


def test_only_what_may_be_kept_is_looked_at_for_repetition() -> None:
    assert repeated(["one two three four"] * 3, [0.0, 2.0, 1.0], 40) == [2]
    assert repeated(["one two three four", "one two three five"], [0.0, 0.0], 100) == []
    assert repeated(["one two"] * 2, [0.0, 0.0], 100) == []


def test_a_long_document_has_passages() -> None:
    paragraph = " ".join(["Trees grow slowly in the shade of other trees."] * 12)
    text = f"{paragraph}\n\n{paragraph}\n\nEnd of it. {'Much more is said here of nothing at all. ' * 30}"
    said = cut(text, sections(text))
    lengths = [max(b.end for b in said if b.passage == a.passage) - a.start for a in said if a.opens]
    assert max(one.passage for one in said) >= 3
    assert max(lengths) <= 1000
    assert [said[0].opens, said[1].opens] == [True, False]


def test_what_is_left_out_is_marked() -> None:
    other = "Nobody who lives around here minds them in the very least"
    text = f"# Oak\nThe oak is a tree. {other}. It bears acorns. {other}!\n\n{other}, ever. An elm has no acorns.\n"
    chosen = extract(text, plan(text, "acorns", 19), 19, count).text
    assert chosen == "# Oak\n… It bears acorns.\n\n… An elm has no acorns.\n"


def test_a_model_looks_again_at_what_words_put_first() -> None:
    asked: list[str] = []

    def similar(query: str, texts: Sequence[str]) -> list[float]:
        asked.extend([query, *texts])
        return [float("acorns" in text or "thousand" in text) for text in texts]

    text, sources = joined(DOCS)
    query = "Which of them get old, the builders or the trees?"
    worths = [piece.worth for piece in plan(text, query, 30, sources, similar).pieces]
    best = plan(text, query, 30, sources).pieces[worths.index(max(worths))]
    assert text[best.start : best.end] in {"They bear acorns.", "Some live for a thousand years."}
    assert asked[0] == query
    assert "Oak. They bear acorns." in asked
    assert DOCS[3]["text"] in asked


def test_only_the_best_are_looked_at_again() -> None:
    text = "The oak stands. " * 30 + "\n\n" + "Nobody has seen this bird. " * 40
    seen: list[int] = []

    def similar(_: str, texts: Sequence[str]) -> list[float]:
        seen.append(len(texts))
        return [0.0] * len(texts)

    plan(text, "the oak", 10, similar=similar)
    assert seen == [LOOKED_AT + 1]


def test_what_a_model_reads_has_a_bound_however_long_the_text_is() -> None:
    seen: list[int] = []

    def similar(_: str, texts: Sequence[str]) -> list[float]:
        seen.extend(map(len, texts))
        return [0.5] * len(texts)

    long = ", ".join(["the oak and its acorns"] * 25)
    docs = [{"title": f"Oak {at} {'x' * 99}", "text": f"{long} of {at}. {long} or {at}."} for at in range(40)]
    text, sources = joined(docs)
    assert len(plan(text, "the acorns of an oak", 100, sources, similar).pieces) > 80
    assert max(seen) <= READ
    assert ROOM - 2 * READ < sum(seen) <= ROOM


def test_gaps_within_and_between_paragraphs() -> None:
    gap = plan("", None, 1).gap
    assert [gap(stretch) for stretch in (" ", " a. ", "\na. ", " a.\n\n", " a.\n\nb. ", " a.\n")] == [
        " ",
        " … ",
        "\n… ",
        "\n\n",
        "\n\n… ",
        " …\n",
    ]


@given(st.lists(st.sampled_from([d["text"] for d in DOCS] + ["x" * 900, "\n\n", "# T\n", "a; b\n"]), max_size=8))
def test_whatever_is_kept_is_kept_to_the_letter_and_fits(parts: list[str]) -> None:
    text = "\n".join(parts)
    for query in ("When did the bridge open?", None):
        for room in (0, 9, 40):
            found = plan(text, query, room)
            chosen = extract(text, found, room, count)
            assert chosen.tokens <= max(room, count(found.gap(text)))
            at = 0
            for piece in found.pieces:
                assert at <= piece.start < piece.end
                at = piece.end
