"""Tables of every make: the header, the odd rows, the asked ones, the totals."""

from __future__ import annotations

import pytest

from penstock.meter.tokens import count
from penstock.policy.compress.extract import extract
from penstock.policy.compress.tables import plan, rows

NAMES = ("keel", "mast", "rudder", "anchor", "hull", "deck", "galley", "bilge", "winch", "tiller", "boom", "stern")


def kept(text: str, query: str | None = None, ratio: float = 6) -> str:
    room = round(count(text) / ratio)
    return extract(text, plan(text, query, room), room, count).text


def body(form: str, odd: str, number: int = 90, at: int = 55) -> list[str]:
    lines = [form.format(n=n, name=NAMES[n * 5 % 12], small=n * 37 % 29, big=500 + n * 53 % 97) for n in range(number)]
    lines[at] = odd
    return lines


CASES: dict[str, tuple[list[str], list[str], list[str]]] = {
    "psql": (
        [" n  | part   | count | note \n----+--------+-------+------"],
        body(" {n:2} | {name:6} | {big:5} | new", " 55 | jib    |    -3 | new"),
        ["(90 rows)"],
    ),
    "markdown": (
        ["| part | seconds |\n|:---|---:|"],
        body("| {name} | {big} |", "| spinnaker | 91377 |"),
        ["| total | 50000 |"],
    ),
    "mysql": (
        ["+----+--------+\n| id | part   |\n+----+--------+"],
        body("| {n:2} | {name:6} |", "| 55 | ROTTEN |"),
        ["+----+--------+\n90 rows in set (0.01 sec)"],
    ),
    "csv": (["n,part,count"], body("{n},{name},{big}", "55,mast,-99120"), []),
    "quoted": (["n,part,street"], body('{n},{name},"Quay {small}, Riga"', '55,sloop,"Quay 9, Riga"'), []),
    "semicolons": (["n;part;count"], body("{n};{name};{big}", "55;;512"), []),
    "tabs": (["n\tpart\tcount"], body("{n}\t{name}\t{big}", "55\tmast\tNaN"), []),
    "columns": (
        ["PART          READY   RESTARTS"],
        body("{name:12}  1/1     {small}", "ketch         0/1     3"),
        [],
    ),
    "words": (
        ["USER PID %CPU COMMAND"],
        body("www {big} 0.{small} /usr/bin/{name} --serve", "www 519 98.7 /usr/bin/index --all --now"),
        [],
    ),
    "dashes": (
        ["part      count\n--------  -----"],
        body("{name:8}  {big}", "yawl      99120"),
        [],
    ),
}


@pytest.mark.parametrize("make", CASES)
def test_the_header_the_odd_row_and_the_totals_are_kept(make: str) -> None:
    head, lines, foot = CASES[make]
    told = kept("\n".join([*head, *lines, *foot]) + "\n")
    for line in (*head[0].split("\n")[:1], lines[55], *(foot[0].split("\n")[-1:] if foot else [])):
        assert line in told
    assert told.count("\n") < 60


def test_the_row_that_is_asked_for_is_kept_with_its_header() -> None:
    text = "n,part,count\n" + "\n".join(body("{n},{name}-{n},{big}", "55,mast-55,501"))
    told = kept(text, "how many of hull-44 are there?", 20)
    assert "hull-44" in told
    assert told.startswith("n,part,count\n")


def test_values_that_do_not_go_together_are_kept() -> None:
    lines = [f"{n},{NAMES[n * 5 % 12]},{n * 37 % 29},{n * 37 % 29 * 12}" for n in range(120)]
    lines[70] = "70,mast,10,121"
    assert lines[70] in kept("n,part,dozens,pieces\n" + "\n".join(lines))


EXPANDED = ["-[ RECORD {n} ]----\nid    | {n}\ndepth | {d}\n", "***** {n}. row *****\n   id: {n}\ndepth: {d}\n"]


@pytest.mark.parametrize("make", EXPANDED)
def test_an_odd_field_brings_its_record(make: str) -> None:
    text = "Expanded display is on.\n" + "".join(make.format(n=n, d=-3 if n == 61 else 4 + n % 9) for n in range(100))
    told = kept(text + "\nTime: 3.1 ms\n")
    assert make.format(n=61, d=-3) in told


def test_a_plan_that_is_unlike_the_others_is_kept() -> None:
    scans = [f" Index Scan on {NAMES[n % 12]} (actual time=0.{n})\n" for n in range(60)]
    scans[31] = " Seq Scan on ports (actual time=911.4)\n"
    head = "      QUERY PLAN      \n----------------------\n"
    text = "".join(f"{head}{scan} Execution Time: 0.{200 + n} ms\n(2 rows)\n\n" for n, scan in enumerate(scans))
    assert "Seq Scan on ports" in kept(text)


def test_lines_that_are_no_rows_stand_under_their_headings() -> None:
    text = (
        'Table "public.port"\n Column | Type \n--------+------\n id     | int\n\nIndexes:\n'
        + "".join(f'    "port_{n}" btree (id) WHERE id > {n}\n' for n in range(40))
        + 'Foreign-key constraints:\n    "port_sea" FOREIGN KEY (sea) REFERENCES sea(id)\n'
    )
    told = kept(text, "what does the table reference?", 5)
    assert 'Foreign-key constraints:\n    "port_sea" FOREIGN KEY (sea) REFERENCES sea(id)\n' in told


def roles(text: str) -> list[str]:
    return [row.role for row in rows(text)]


def test_what_is_no_table_has_loose_lines() -> None:
    assert roles("one\n\ntwo\n") == ["loose", "loose"]
    assert roles("Release notes\n------\nIt is out.\n") == ["loose"] * 3
    assert roles("a b c\nd e f\ng h i\nj k l\n") == ["loose"] * 4
    assert roles("NAME  AGE\nx  1\n") == ["loose", "loose"]
    assert roles("NAME  AGE\nx  1\ny\nz  3\nv\n") == ["loose"] * 5
    assert roles("a,b\nc,d,e\nf\ng\nh\n") == ["loose"] * 5
    assert roles("------\n\n------\n") == ["loose", "loose"]


def test_a_table_ends_where_its_bars_end() -> None:
    assert roles("a | b\n--+--\n1 | 2\nand so on\n") == ["header", "rule", "row", "loose"]
    assert roles("a | b\n--+--\n1 | 2\n--+--\n3 | 4\n") == ["header", "rule", "row", "rule", "row"]
    assert roles("PLAN\n----\nscan\n") == ["header", "rule", "line"]


def test_rows_without_a_header_are_rows() -> None:
    assert roles("x | 1 | 2\n\ny | 3 | 4\n\nz | 5 | 6\n") == ["row"] * 3
    assert roles("n,m\n1,2\n3\n4,5\n6,7\n") == ["header", "row", "loose", "row", "row"]


def test_a_row_of_another_width_is_loose_among_columns() -> None:
    assert roles("NAME  AGE\n" + "x  1\n" * 9 + "odd\n") == ["header", *["row"] * 9, "loose"]


def test_a_line_that_is_no_field_ends_a_record() -> None:
    assert roles("-[ RECORD 1 ]-\na | 1\nrest\nb | 2\n") == ["record", "field", "loose", "loose"]
