"""Rows that break what holds between columns."""

from __future__ import annotations

from penstock.policy.compress.relations import contradictions


def broken(*columns: list[str]) -> list[int]:
    return [number for number, odd in enumerate(contradictions(columns)) if odd > 0]


def numbers(count: int, step: int) -> list[str]:
    return [str(3 + number * step % 97) for number in range(count)]


def test_a_wrong_product_sum_or_difference_is_told() -> None:
    first, second = numbers(60, 7), numbers(60, 31)
    for reckon in (int.__mul__, int.__add__, int.__sub__):
        third = [str(reckon(int(a), int(b))) for a, b in zip(first, second, strict=True)]
        third[41] = str(int(third[41]) + 5)
        assert broken(first, second, third) == [41]


def test_a_wrong_multiple_is_told() -> None:
    net = numbers(80, 13)
    tax = [f"{int(value) * 0.19 + 2:.2f}" for value in net]
    tax[17] = "1.00"
    assert broken(net, tax) == [17]


def test_a_value_that_does_not_go_with_its_partner_is_told() -> None:
    towns = {"Lyon": "FR", "Oslo": "NO", "Graz": "AT"}
    town = [list(towns)[number % 3] for number in range(90)]
    land = [towns[each] for each in town]
    land[50] = "NO"
    assert broken(town, land) == [50]


def test_what_holds_by_chance_or_everywhere_is_no_contradiction() -> None:
    assert broken(["a", "b"] * 20, ["x"] * 39 + ["y"]) == []
    assert broken(numbers(60, 7), numbers(60, 31), numbers(60, 5)) == []
    assert broken(["5"] * 30, numbers(30, 7)) == []
    assert broken(numbers(40, 7), numbers(40, 7)) == []
    assert broken(["a", "b", "c", "d"] * 10, ["x", "y", "x", "y"] * 10) == []
    often_not = [str(2 * int(value) + (3 if at % 10 == 3 else 0)) for at, value in enumerate(numbers(70, 8))]
    assert broken(numbers(70, 8), often_not) == []
    pairs = enumerate(zip(numbers(70, 7), numbers(70, 31), strict=True))
    sums = [str(int(a) + int(b) + (at % 10 == 3)) for at, (a, b) in pairs]
    assert broken(numbers(70, 7), numbers(70, 31), sums) == []
    assert broken([*numbers(28, 7), "", "n/a"], numbers(30, 31)) == []


def test_a_line_is_looked_for_in_two_places() -> None:
    first = ["8"] * 20 + numbers(60, 7)
    second = [str(int(value) * 2) for value in first]
    second[66] = "1000"
    assert broken(first, second) == [66]
    gaps = ["" if number == 40 else str(number * 3) for number in range(80)]
    doubled = [str(int(value or 0) * 2 + 1) for value in gaps]
    doubled[12] = "7"
    assert 12 in broken(gaps, doubled)


def test_few_rows_have_no_relations() -> None:
    assert contradictions([]) == []
    assert contradictions([["1", "2"], ["2", "5"]]) == [0.0, 0.0]
