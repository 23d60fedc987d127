"""What is kept of a text when the text itself is not in memory: what it defines, what it speaks of, what it demands.

About a tenth of the text. Search and links see nothing else, so where a text lies never changes what is chosen.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice

import msgspec

from penstock.context.window.sketch import sketch
from penstock.relevance.english import commonness
from penstock.relevance.outline import CODE, Entry, is_code, outline
from penstock.relevance.words import stem, terms

__all__ = ["Tags", "endings", "is_name", "mentioned", "tags"]

FEWEST, MOST, EACH = 8, 32, 24
"""Words that are kept of a text: one for so many tokens, at least and at most so many."""

NAME, HEAD = 2.0, 3.0
"""What a name or a number counts when words are chosen beside an ordinary word, and a word at the head of the text."""

OPENING = 400
"""Characters that are the head of a text: they tell what it is about."""

_WORD = re.compile(r"[^\W\d]\w+|\d{2,}")
_NAME = re.compile(r"[A-Za-z]\w*_\w+|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|[A-Za-z]{1,12}[-#]?\d{2,}|#\d{2,}")
_TICKET = re.compile(r"\b[A-Za-z]{2,12}[-#]\d{2,}\b|#\d{2,}\b")
_CALLED = re.compile(r"\b([^\W\d]\w{3,60})\(")
_FILE = re.compile(
    rf"(?<![\w@.~/-])[\w@.~-]*(?:/[\w@.~-]+)*\.(?:{'|'.join(sorted(CODE))}|md|rst|txt|json|toml|ya?ml|cfg|ini|html)\b"
)
_FROM = re.compile(r"^[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]{0,2000}\)|[^\n]*)", re.MULTILINE)
_NAMES = re.compile(r"(\w+)(?:[ \t]+as[ \t]+\w+)?")
_IMPORT = re.compile(
    r"^[ \t]*(?:import|use|mod|pub use|using|open|require)[ \t]+(?:static[ \t]+)?([\w.:, ]+)", re.MULTILINE
)
_QUOTED = re.compile(
    r"""(?:\b(?:from|import|require)\b|#[ \t]*include)[ \t(]*["'<]([\w@./-]+)["'>]|^[ \t]+"([\w./-]+)"$""", re.MULTILINE
)
_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,}")
_FOLDERS = ("__init__", "index", "mod")
"""Files that stand for the folder they lie in."""

_RULE = re.compile(
    r"\b(?:never|always|must(?:n't)?|do not|don['\u2019]t|only ever|make sure|under no circumstances|from now on)\b",
    re.IGNORECASE,
)
_ERROR = re.compile(r"(?:Error|Exception)\b: |\b(?:FAILED|panicked at|fatal|Traceback)\b|\berror(?:\[\w{1,9}\])?: ")
_SHOWN = 160
"""Characters that are kept of a demand or a failure."""

_LONGEST = 60
"""Characters of a word: what is longer is data."""


class Tags(msgspec.Struct, frozen=True, gc=False):
    """What a text is found by. Words stand in one string, since many small objects would outweigh the text."""

    defines: str = ""
    """Names that it gives a meaning: functions and classes of code, headings of prose."""
    speaks: str = ""
    """What it mentions: files (``/auth/token``, and ``+check`` for what is imported from the one before), names, words;
    the most telling first."""
    rule: str = ""
    """The first thing that it demands, if it is something a user said."""
    error: str = ""
    """The first failure that it tells of, if it is something a tool said."""
    sketch: bytes = b""
    """All its words: see `penstock.context.window.sketch`."""


def tags(text: str, tokens: int, *, path: str = "", role: str = "") -> Tags:
    r"""What a text is found by.

    >>> tags("from auth.token import check\n\ndef login_user():\n    check()\n", 20, path="web.py").defines
    'login_user'
    """
    defines = list(dict.fromkeys(_defined(path, text))) if path else []
    own = set(defines)
    most = max(FEWEST, min(MOST, tokens // EACH))
    often = Counter(_WORD.findall(text))
    often.update(_TICKET.findall(text))
    for run in _WITHOUT_SPACES.findall(text):
        often.update(run[i : i + 2] for i in range(len(run) - 1))
    files = list(islice(dict.fromkeys(_files(path, text)), most // 2))
    speaks = dict.fromkeys(chain(files, _words(text, often, own.union(each[1:] for each in files))))
    rule = _RULE.search(text) if role == "user" else None
    error = _ERROR.search(text) if role == "tool" else None
    return Tags(
        " ".join(defines[:most]),
        " ".join(islice(speaks, most)),
        _shown(text, rule),
        _shown(text, error),
        sketch(often),
    )


def mentioned(text: str) -> Iterator[str]:
    """All files (``/auth/token``) and names that a text mentions, each once, the files first."""
    names = filter(is_name, chain(_TICKET.findall(text), _WORD.findall(text)))
    return iter(dict.fromkeys(chain(_files("", text), names)))


def _shown(text: str, found: re.Match[str] | None) -> str:
    """The line that something was found in, cut down around it."""
    if found is None:
        return ""
    start = max(text.rfind("\n", 0, found.start()) + 1, found.start() - _SHOWN // 2)
    end = text.find("\n", found.end())
    return text[start : end if end >= 0 else len(text)][:_SHOWN].strip()


def _defined(path: str, text: str) -> Iterator[str]:
    code = is_code(path)
    waiting: list[Entry] = outline(path, text, text.split("\n"))[::-1]
    while waiting:
        entry = waiting.pop()
        waiting += entry.inside[::-1]
        name = entry.name.rpartition(".")[2] if code else entry.name.rpartition(" > ")[2]
        if code and len(name) > 3 and not name.startswith("__"):
            yield name
        elif not code:
            yield from (word.lower() for word in _WORD.findall(name))


def _files(path: str, text: str) -> Iterator[str]:
    """The files that a text mentions or imports: ``/auth/token`` for ``auth/token.py`` and ``auth.token``.

    What is imported from a file comes after it, with a plus: it may be a file in that folder, or a name in that file.
    """
    folder = posixpath.dirname(path)
    for match in _FILE.finditer(text):
        yield _key(folder, posixpath.splitext(match[0])[0])
    if path and not is_code(path):
        return
    for module, names in _FROM.findall(text):
        if module == "__future__":
            continue
        base = _dotted(folder, module)
        yield base
        yield from (f"+{name}" for name in _NAMES.findall(names))
    for modules in _IMPORT.findall(text):
        yield from (_key("", each.replace("::", "/").replace(".", "/")) for each in modules.replace(",", " ").split())
    for quoted, alone in _QUOTED.findall(text):
        yield _key(folder, posixpath.splitext(quoted or alone)[0])


def _dotted(folder: str, module: str) -> str:
    """A module of Python as the key of its file; dots in front lead up from the folder."""
    inner = module.lstrip(".")
    up = len(module) - len(inner)
    start = "/".join(folder.split("/")[: len(folder.split("/")) - up + 1]) if up else ""
    return _key("", f"{start}/{inner.replace('.', '/')}")


def _key(folder: str, reference: str) -> str:
    if reference.startswith("."):
        reference = posixpath.normpath(f"{folder}/{reference}")
    head, _, last = reference.strip("./").rpartition("/")
    return f"/{head}" if last in _FOLDERS and head else f"/{head}/{last}" if head else f"/{last}"


def endings(path: str) -> Iterator[str]:
    """All keys by which a file may be meant, the longest first.

    >>> list(endings("src/auth/token.py")), list(endings("auth/__init__.py"))
    (['/src/auth/token', '/auth/token', '/token'], ['/auth'])
    """
    stem_of = path if path.startswith("/") else posixpath.splitext(path)[0]
    parts = _key("", stem_of).strip("/").split("/")
    return ("/" + "/".join(parts[i:]) for i in range(len(parts)))


def is_name(word: str) -> bool:
    """Whether a word is a name by its spelling: ``parse_header``, ``HttpClient``, ``PAY-1042``."""
    return bool(_NAME.fullmatch(word))


def _words(text: str, often: Counter[str], own: set[str]) -> list[str]:
    """Names and words by how telling they are: often said here, rarely elsewhere. One form of each word."""
    head = set(_WORD.findall(text[:OPENING]))
    called = set(_CALLED.findall(text))
    worth: dict[str, float] = {}
    shown: dict[str, str] = {}
    for word, count in often.items():
        if word in own or len(word) > _LONGEST:
            continue
        named = word in called or is_name(word) or word.isdigit()
        root = word if named else stem(word.lower())
        if not named and (len(word) < 3 or not _tells(word.lower())):
            continue
        shown.setdefault(root, word if named else word.lower())
        each = (NAME if named else commonness(root)) * (HEAD if word in head else 1.0)
        worth[root] = worth.get(root, 0.0) + each * count / (count + 1.0)
    return [shown[root] for root in sorted(worth, key=lambda root: (-worth[root], root))]


def _tells(word: str) -> bool:
    """Whether a question that has this word asks about something."""
    known = _ASKED.get(word)
    if known is None:
        known = _ASKED[word] = bool(terms(word))
        if len(_ASKED) > _MEMO:
            _ASKED.clear()
    return known


_ASKED: dict[str, bool] = {}
_MEMO = 16_384
