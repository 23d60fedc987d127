"""The signs by which kinds of text are told: how the lines of tools, logs, code and speech begin or look.

A form is matched at the start of a line, unless it is said to be looked for in a whole text (``re.MULTILINE``).
"""

from __future__ import annotations

import re

__all__ = [
    "BUILD",
    "BUILT",
    "CODE",
    "DIFF",
    "DIFF_LINE",
    "DIGITS",
    "FENCED",
    "FUNCTION_WORDS",
    "GREPPED",
    "ISLAND",
    "JSON",
    "KEYED",
    "LEVEL",
    "MOMENT",
    "OPENS",
    "PARAGRAPH",
    "PROMPT",
    "PROMPTED",
    "SESSION",
    "SPEAKER",
    "TESTED",
    "TESTS",
    "TIMED",
    "TOP",
    "TRACE",
    "WORD",
]


def _any(*forms: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    return re.compile("|".join(forms), flags)


DIFF = _any(
    r"^@@+ -\d+(?:,\d+)? .*@@",
    r"^diff --(?:git|cc) ",
    r"^--- \S+.*\n\+\+\+ \S+",
    flags=re.MULTILINE,
)
"""What every diff has."""

DIFF_LINE = _any(
    r"[-+ @]|[<>] |diff |index |(?:new|deleted|old) |rename |similarity |\\ No newline",
    r"commit |Author: |Date: |From |Subject: |Merge: ",
)

JSON = _any(
    r"\s*\{\s*(?://[^\n]*(?:\n\s*|$))*+(?:\"(?:[^\"\\]|\\.)*\"\s*:|\}\s*$)",
    r"\s*\[\s*(?:[\"{\[]|-?\d+(?:\.\d+)?\s*[,\]]|true|false|null|\]\s*$)",
)
"""The start of a JSON text."""

TIMED = _any(
    r"\{.{0,80}?\"(?:@?time(?:stamp)?|ts|t|date|asctime)\" ?:.*\"(?:msg|message|event|text|log|level|lvl|severity)\" ?:"
)
"""A JSON line of a log."""

KEYED = _any(
    r"[ ]*(?:- +)*(?:[\w./$@%~-][^:#\n\"']{0,60}|\"[^\"\n]*\"|'[^'\n]*'):(?: |$)", r"[ ]*- \S", "---$", r"[ ]*#"
)
"""A line of YAML."""

OPENS = _any(r"^([ ]*)(?:- +)?[\w./\"'-]+:[ ]*\n(?:\1[ ]+\S|\1- )", flags=re.MULTILINE)
"""A key of YAML with lines further in below it."""

TESTS = _any(
    r"=+ (?:test session starts|FAILURES|ERRORS|short test summary info|.*\b\d+ (?:passed|failed|errors?)\b.*) =+$",
    r"TAP version \d+|(?:not )?ok \d+ |# Subtest: |# (?:tests|pass|fail) \d+$",
    r"test \S+ \.\.\. (?:ok|FAILED|ignored)|running \d+ tests?$|test result: ",
    r"=== RUN |\s*--- (?:PASS|FAIL|SKIP): |(?:ok|FAIL)\s+\S+\s+\(?(?:[\d.]+s|cached)",
    r"Ran \d+ tests? in |Tests:? +\d+ |Tests run: \d|\[INFO\] Tests run:|\w+ \([\w.]+\)(?: \.\.\.|$)",
    r"(?:PASS|FAIL) +\S+\.\w+|\s+\d+ (?:passing|failing|pending)\b|\[ +(?:OK|RUN|PASSED|FAILED) +\]|\s*[✓✔✗✘✖√] \S",
    r"\S+::\S+ (?:PASSED|FAILED|SKIPPED|ERROR|XFAIL)|(?:PASSED|FAILED|ERROR) \S+::|E   |\S+\.py [.FEsx]+ +\[ *\d+%\]",
)
TESTED = _any(
    r"^=+ (?:test session starts|FAILURES|ERRORS|warnings summary) =+$",
    r"^(?:=+ )?\d+ (?:passed|failed)[^\n]* in [\d.]+s",
    r"^(?:TAP version \d+|running \d+ tests?)$",
    r"^(?:test result: |=== RUN |Ran \d+ tests? in |\[=+\] Running|Test Suites: )",
    flags=re.MULTILINE,
)
"""What only the output of tests has."""

BUILD = _any(
    r"(?:[\w./@+\\-]+|[A-Z]:\\\S+):\d+(?::\d+)?:?(?: -)? ?(?:(?:fatal )?error|warning|note|info|hint|remark)\b",
    r"(?:[\w./@+\\-]+|[A-Z]:\\\S+):\d+(?::\d+)?: ?[A-Z]{1,6}\d{1,5}\b",
    r"\S+: (?:error|warning|note): |\s*\S+:\d+:\d+ - (?:error|warning|info)|\S+\(\d+(?:,\d+)?\): (?:error|warning)",
    r"\s+\d+:\d+ +(?:warning|error) |\d+ errors?, \d+ warnings?|✖ \d+ problems?|Found \d+ errors?|\*{5,} Module ",
    r"(?:gcc|g\+\+|cc|c\+\+|clang(?:\+\+)?|ld|ar|ranlib|rustc|javac|cmake|nvcc|libtool)\b.* -",
    r"make(?:\[\d+\])?: |CMake |-- (?:Check|Look|Found|Perform)|\[ *\d+%\] |BUILD (?:SUCCESS|FAIL)|> Task :",
    r"(?:error|warning)(?:\[\w+\])?: |In file included from |\s+from \S+:\d+[,:]|.*undefined reference to ",
    r"(?:\S+: )?In (?:function|member function|instantiation of)|.*(?:/ld|collect2): ",
    r"\s+\d* *\|  |\s*\| +[\^~]|\s+[\^~]+$",
    r"\[(?:INFO|ERROR|WARNING)\] |npm (?:ERR!|error|warn) |asset \S+ [\d.]+ |chunk |Entrypoint ",
    r"\s+(?:Compiling|Checking|Building|Downloaded|Downloading|Finished|Linking) |Step \d+/\d+ :|#\d+ \[",
    r"Collecting |Requirement already|Installing collected|Obtaining |Get:\d+ |Setting up |Unpacking ",
)
BUILT = _any(
    r"^(?:make(?:\[\d+\])?: |(?:\[\w+\] )?BUILD (?:SUCCESS|FAIL)|npm ERR! |error: could not compile|collect2: error)",
    r"^(?:ninja: |> Task :|\[ERROR\] Failed to execute goal|\[INFO\] Scanning for projects|exit=[1-9]\d*$)",
    r"^(?:.{0,30} )?webpack [\d.]+ compiled ",
    flags=re.MULTILINE,
)
"""What only the output of a build has."""

TRACE = _any(
    r"^[ \t]*(?:Traceback \(most recent call last\)|thread '.*' panicked at|goroutine \d+ \[|panic: |Caused by: )",
    r"^[ \t]*(?:Exception in thread |Unhandled (?:exception|rejection))",
    r"^[ \t]+at [^\n]{1,300}:\d+\)?[ \t]*\n[ \t]+at ",
    r'^  File "[^"\n]+", line \d+, in ',
    flags=re.MULTILINE,
)

MOMENT = re.compile(
    r"(?:[\w.-]{1,60} |- )?[^\w\s]?(?:"
    r"\d{4}[-/.]\d\d[-/.]\d\d\b|\d{8}-\d+:|\d\d:\d\d:\d\d\b|[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d"
    r"|\d{1,2}/[A-Z][a-z]{2}/\d{4}"
    r"|\d\d[-/]\d\d[-/ ]\d\d(?:\d\d)? |\d\d-\d\d \d\d:|\d{6} \d{6} |\d{9,13}(?:\.\d+)? |\[ *\d+\.\d{3,}\]"
    r"|- \d{10} |\d+ \w+ unix\.|\d+\.\d{5,}[ ,])"
)
"""A line of a log: a point in time first, or behind one word."""

LEVEL = _any(r".{0,90}?\b(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b")

_SQL_TYPES = r"(?:bigint|integer|int|text|varchar|numeric|timestamp\w*|bool\w*|jsonb?|uuid|serial)"

CODE = _any(
    r"\s*(?:(?:async )?def \w+\(|class \w+|import [\w{*\"]|from \S+ import |return\b|else:|try:|@\w+|raise |yield )",
    r"\s*(?:if|for|while|elif|with|except)\b.*:$|\s*(?:def [\w.]+[?!]?|end|begin|rescue\b.*|unless .*|require .*)$",
    r"\s*(?:pub |export |public |private |protected |static |async |func |fn |let |const |var |package |use |struct )",
    r"\s*(?:impl |type |interface |namespace |using |template ?<|typedef |enum |extern |unsigned |int |void |mod )",
    r"\s*(?:char |double |#include|#define|#!/|//|/\*|\*/?(?: |$)|# |\"\"\")",
    r".*[;{}](?: *(?://|/\*).*)?$|\s*[\])}]+[,;)]*$",
    r"\s*+[\w.\[\]\"'()*, ]+ (?:[-+*/|]?=|:=) \S|\s*+\w[\w.]*\(.*\)$",
    r"(?i:\s*(?:create|alter|select|from|where|join|left join|insert|values|group by|order by)\b)",
    rf"(?i:\s*\w+ {_SQL_TYPES}\b)",
)
"""A line that looks like code."""

TOP = _any(
    r"(?:async )?def \w+\(|class \w+.*[:{]?$|@\w+|import (?:[\w.{*]+|\".+\")(?:[ ,].*)?;?$|from \S+ import |__all__ = ",
    r"(?:pub(?:\(\w+\))? )?(?:fn|struct|enum|impl|mod|use|trait) \w|func .*[{(]|package [\w.]+;?$",
    r"(?:export |async |default |declare )*(?:function\b|(?:const|let|var) [\w{\[]|interface \w+ \{)",
    r"export (?:\{|default |\*)|\"use strict\"|module\.exports|require\(|#(?:include|define|ifn?def|pragma)\b|#!/",
    r"(?:public|private|protected|static|typedef|extern|namespace|using) \w|(?:require|require_relative) ['\"]",
    r"[\w*]+ [\w*]+\([^;]*\) ?\{$|\w[\w ]*\w\(\) ?\{$",
    r"(?i:create (?:or replace )?(?:table|index|view|function|type|unique|trigger|materialized) \S)",
    r"(?i:(?:alter table|insert into|drop table|grant) \S)",
)
"""What begins a line of code at the margin: definitions and imports."""

PROMPT = _any(r"(?:\([\w.-]+\) )?(?:\$|\w[\w.-]*@[\w.-]+[: ][^$#\n]*[$#]|PS [^>\n]*>|>>>|\u276f|%) \S")
PROMPTED = re.compile(rf"^{PROMPT.pattern}", re.MULTILINE)

SESSION = _any(
    r"(?:INSERT \d+ \d+|UPDATE \d+|DELETE \d+|COPY \d+|BEGIN|COMMIT|ROLLBACK|SET|(?:CREATE|ALTER|DROP) [A-Z]+)$",
    r"psql:\S+|Query OK,|[<>] \S|[{}] \[\d+ bytes data\]|% Total |\+ \S",
    r"\* (?:[ ]+Trying|Connected|Connection|ALPN|TLS|SSL|Server|Host|Mark|Using) ",
)
"""What a database, curl, or a traced shell says of its own work."""

SPEAKER = re.compile(
    r"(?:\[?\(?\d{1,2}:\d\d(?::\d\d)?(?: ?[AP]M)?\)?\]?[ -]*)?(?:\*\*|<|@)?"
    r"([^\W\d_][\w .'\u2019()/-]{0,40}?)(?:\*\*|>)?(?: \(?\d\d?:\d\d\)?)?(?:\*\*)?: ?\S"
)
FUNCTION_WORDS = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "to",
        "in",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "that",
        "this",
        "it",
        "he",
        "she",
        "they",
        "we",
        "you",
        "i",
        "and",
        "or",
        "but",
        "for",
        "on",
        "with",
        "as",
        "at",
        "by",
        "from",
        "not",
        "have",
        "has",
        "had",
        "do",
        "does",
        "did",
        "will",
        "would",
        "can",
        "could",
        "so",
        "if",
        "there",
        "their",
        "his",
        "her",
        "its",
        "our",
        "your",
        "my",
        "what",
        "which",
        "who",
        "when",
        "how",
        "about",
        "just",
        "like",
        "yeah",
        "okay",
        "um",
        "uh",
        "well",
        "then",
        "than",
        "also",
        "into",
        "more",
        "some",
        "all",
        "one",
    ]
)
"""Words that only bind others together: a third of prose, next to none of what machines write."""

WORD = re.compile(r"(?<![\w./-])[^\W\d_]+(?:['\u2019][a-z]+)?(?![\w/-]|\.\w)")
DIGITS = re.compile(r"[0-9a-f]*\d[0-9a-f]*")

GREPPED = re.compile(r"\S+\.\w+[:-]\d+[:-]")
"""A line that was found in a file."""

FENCED = re.compile(r"^(```|~~~)", re.MULTILINE)
ISLAND = _any(
    r"^(?P<fence>```+|~~~+)[ \t]*(?P<info>[\w+.-]*)[^\n`]*\n(?P<fenced>(?:(?!(?P=fence)).*\n)*+)(?P=fence)",
    r"^(?:diff --git .*\n|--- \S.*\n\+\+\+ )"
    r"(?:(?:[-+ @\\]|diff |index |new |deleted |old |rename |similarity ).*(?:\n|\Z)|\n(?=[ @+-]))+",
    r"^[\[{][ \t]*\n(?:[ \t\]}].*\n)*?[\]}][ \t]*$\n?",
    flags=re.MULTILINE,
)
"""What lies in another text with signs of its own around it: a fenced block, a diff, JSON."""

PARAGRAPH = re.compile(r"\n[ \t]*\n(?=\S)")
