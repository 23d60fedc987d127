"""What comes first, and that it always does."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from penstock.relevance import Document, rank
from penstock.relevance import rank as ranking
from penstock.relevance.rank import SPLIT_AT_MOST

USE = "def {0}(request):\n    token = request.token\n    check_token(token)\n    return token\n"
DEFINITION = (
    'def check_token(token):\n    """Check a session token."""\n    if not token.valid:\n        raise Refused\n'
)


def paths(question: str, *documents: Document, limit: int = 5) -> list[str]:
    return [hit.path for hit in rank(question, documents, limit)]


def test_the_definition_comes_before_its_uses() -> None:
    users = [Document(f"view{i}.py", USE.format(f"view{i}")) for i in range(4)]
    found = rank("Where is the session token checked?", [*users, Document("auth.py", DEFINITION)])
    assert (found[0].path, found[0].title, found[0].first, found[0].last) == ("auth.py", "check_token", 1, 4)


def test_a_hit_tells_its_place() -> None:
    text = "# One\n\nNothing here.\n\n# Two\n\nThe gate opens at noon.\n"
    (hit,) = rank("When does the gate open?", [Document("x.md", "nothing"), Document("a.md", text)])
    assert (hit.path, hit.title, hit.first, hit.last, hit.best_line, hit.column) == ("a.md", "Two", 5, 7, 7, 4)
    assert hit.text == "# Two\n\nThe gate opens at noon."
    assert hit.document == 1


def test_the_title_of_a_document_counts() -> None:
    band = Document("1", "They were formed in Las Vegas.", "Imagine Dragons")
    other = Document("2", "They were formed in a garage in Las Vegas, Nevada.", "The Killers")
    hits = rank("where were imagine dragons formed", [other, band])
    assert (hits[0].path, hits[0].title) == ("1", "Imagine Dragons")


def test_nothing_is_found_where_nothing_is_said() -> None:
    assert rank("Where is the token?", [Document("a.py", "x = 1"), Document("b.py", "")]) == []
    assert rank("Where is it?", [Document("a.py", "it is")]) == []
    assert rank("token", []) == []
    assert rank("token", [Document("token.py", "")]) == []


def test_tests_and_copies_stand_behind_unless_they_are_asked_for() -> None:
    code = "def gate_opens():\n    gate = 1\n    return gate\n"
    inner, outer = (
        Document("tests/gate.py", code),
        Document("src/gate.py", code + "\n# a gate of another kind\nx = 1\n"),
    )
    assert paths("Where does the gate open?", inner, outer)[0] == "src/gate.py"
    assert paths("Which tests open the gate?", inner, outer)[0] == "tests/gate.py"


def test_copies_are_told_once() -> None:
    assert paths("gate", Document("a.py", DEFINITION + "gate = 1\n"), Document("b.py", DEFINITION + "gate = 1\n")) == [
        "a.py"
    ]


def test_a_long_function_is_cited_once() -> None:
    text = "def gate():\n" + "".join(f"    gate_{i} = open(gate, {i})\n" for i in range(120))
    other = Document("b.py", "def other():\n    return gate\n")
    assert sorted(paths("gate open", Document("a.py", text), other)) == ["a.py", "b.py"]


def test_a_large_corpus_is_searched_whole_and_cut_in_part() -> None:
    filler = "the gate is shut and nothing else is said of it here\n" * 2000
    crowd = [Document(f"{i}.txt", filler) for i in range(SPLIT_AT_MOST // len(filler) + 5)]
    needle = Document("needle.txt", "The gate opens for the postman at noon.\n")
    assert paths("When does the gate open for the postman?", *crowd, needle)[0] == "needle.txt"


def test_one_document_larger_than_all_that_is_cut_is_cut_all_the_same() -> None:
    text = "no word of it\n" * (SPLIT_AT_MOST // 14 + 1) + "the postman\n"
    assert rank("postman", [Document("a.txt", text)])[0].best_line == text.count("\n")


@given(
    st.text(), st.lists(st.tuples(st.sampled_from(["a.py", "b.md", "c.js"]), st.text()), max_size=4), st.integers(0, 6)
)
def test_any_question_and_any_text_do(question: str, texts: list[tuple[str, str]], limit: int) -> None:
    documents = [Document(path, text) for path, text in texts]
    hits = rank(question, documents, limit)
    assert len(hits) <= limit
    assert hits == rank(question, documents, limit)
    for hit in hits:
        assert hit.first <= hit.best_line <= hit.last
        assert hit.text in documents[hit.document].text


def test_the_order_of_documents_changes_only_ties() -> None:
    documents = [Document(f"f{i}.py", USE.format(f"f{i}") + "token\n" * i) for i in range(12)]
    shuffled = random.Random(7).sample(documents, len(documents))
    one = [(hit.path, hit.score) for hit in ranking("token check", documents, 3)]
    other = [(hit.path, hit.score) for hit in ranking("token check", shuffled, 3)]
    assert [score for _, score in one] == [score for _, score in other]
