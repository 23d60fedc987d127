"""Ten questions about the standard library, written before the ranking was: the right file has to be cited."""

from __future__ import annotations

import email
import http
import json
from pathlib import Path

import pytest

from penstock.relevance import Document, rank

QUESTIONS = [
    ("Where is the expiry date of a Set-Cookie line parsed?", "http/cookiejar.py"),
    ("How does the JSON encoder notice that an object contains itself?", "json/encoder.py"),
    ("Where are chunked response bodies read?", "http/client.py"),
    ("Which code decides whether a line of a mail starts a new MIME part?", "email/feedparser.py"),
    ("What happens when there is an invalid escape sequence in a JSON string?", "json/decoder.py"),
    ("How is a directory listing page produced for the browser?", "http/server.py"),
    ("Where is the Date header formatted for an outgoing mail?", "email/utils.py"),
    ("How are soft line breaks put into a quoted-printable body?", "email/quoprimime.py"),
    ("What command line options does the pretty printer for JSON have?", "json/tool.py"),
    ("Which status code means that a client sent too many requests?", "http/__init__.py"),
]
CITED = 5
"""How many passages an answer shows."""


@pytest.fixture(scope="module")
def corpus() -> list[Document]:
    """The sources of three packages of the running interpreter."""
    roots = [Path(str(package.__file__)).parent for package in (json, http, email)]
    paths = [(root.parent, path) for root in roots for path in sorted(root.rglob("*.py"))]
    return [Document(path.relative_to(library).as_posix(), path.read_text("utf-8")) for library, path in paths]


def test_the_right_file_is_cited(corpus: list[Document]) -> None:
    cited = [[hit.path for hit in rank(question, corpus, CITED)] for question, _ in QUESTIONS]
    missed = [q for (q, right), paths in zip(QUESTIONS, cited, strict=True) if right not in paths]
    first = sum(paths[0] == right for (_, right), paths in zip(QUESTIONS, cited, strict=True))
    assert len(missed) <= 1, missed
    assert first >= 8
