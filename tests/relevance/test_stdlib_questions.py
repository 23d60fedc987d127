"""Ten questions about the standard library, written before the ranking was: the right file has to be cited."""

from __future__ import annotations

import asyncio
import email
import http
import json
from pathlib import Path

import penstock
from penstock.client.reading import read

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


def test_the_right_file_is_cited() -> None:
    """Asked as a user asks, over three packages of the running interpreter, without a key."""
    packages = [Path(str(package.__file__)).parent for package in (json, http, email)]
    cited: list[list[str]] = []

    async def main() -> None:
        async with penstock.open(provider="embedded") as lm:
            for question, _ in QUESTIONS:
                reading = await read(lm, question, packages)
                cited.append([citation.path for citation in reading.citations])

    asyncio.run(main())
    found = [any(path.endswith(right) for path in paths) for (_, right), paths in zip(QUESTIONS, cited, strict=True)]
    assert sum(found) >= 9, [question for (question, _), right in zip(QUESTIONS, found, strict=True) if not right]
    assert sum(paths[0].endswith(right) for (_, right), paths in zip(QUESTIONS, cited, strict=True)) >= 7
