"""What expressions evaluate to."""

from __future__ import annotations

import pytest

from tests.elaborate.support import codes, value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("-2 ** 2", -4),
        ("2 ** 3 ** 2", 512),
        ("7 // 2 + 7 % 4", 6),
        ("1 / 4", 0.25),
        ("round(2.5)", 2),
        ("round(3.5)", 4),
        ("floor(2.9) + ceil(2.1)", 5),
        ("make_divisible(33 * 0.75, 8)", 24),
        ("make_divisible(10, 8)", 16),
        ("make_divisible(18, 8, limit = 0)", 16),
        ("lcm(6, 4.0)", 12),
        ("len([i for i in 0..10 if i % 3 == 0])", 4),
        ("sum([i * j for i in 0..=3 for j in 0..2])", 6),
        ("max([1, 5, 3]) + min(4, 2)", 7),
        ("[1, 2, 3][-1]", 3),
        ("len([1, 2, 3][5:])", 0),
        ("[1, 2, 3][1:][0]", 2),
        ("sum([1, 2, 3, 4][1:-1])", 5),
        ("sum([1, 2, 3, 4][-3:99])", 9),
        ("len([1, 2, 3][2:1]) + len([1, 2][:])", 2),
        ("sum((1, 2, 3)[:2])", 3),
        ("sum((0..10)[7:])", 24),
        ("[1, 2, 3][2.0:][0]", 3),
        ('"größe"[1:3] + "größe"[-1]', "röe"),
        ("(1 if 2 > 3 else 4)", 4),
        ("1 < 2 < 3 and not 3 in [1, 2]", True),
        ("5 not in 0..5", True),
        ("5 in 0..=5", True),
        ("2.5 in 2..=3", True),
        ("len(unique([1, 1, 2])) + count([1, 1, 2], 1)", 4),
        ("sorted([3, 1, 2])[0]", 1),
        ("len(flatten([[1], [2, 3]]))", 3),
        ('"a" + "b"', "ab"),
        ("1.6G", 1_600_000_000),
        ("25.6M", 25_600_000),
        ("sqrt(16) + log2(8)", 7.0),
        ("all([true, 1 == 1]) or any([false])", True),
    ],
)
def test_expressions(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_enumerate_zip_and_unpacking() -> None:
    total = "for (i, (a, b)) in enumerate(zip([1, 2], [10, 20])) { t = t + i * a * b }"
    assert value("t", f"t = 0\n  {total}") == 40


def test_functions_close_over_their_scope() -> None:
    assert value("double(4)", "k = 2\n  fn double(a, b = k) = a * b * width", params="width: int = 3") == 24


@pytest.mark.parametrize(
    "text", ["conv(0..3)", "conv(8, 0..=3)", "conv(-4000000000000000..4000000000000000)"]
)
def test_ranges_as_arguments_are_refused(text: str) -> None:
    assert len(codes(f"  head {text}")) == 1


def test_comprehension_variables_stay_inside() -> None:
    assert value("i + len([i for i in 0..5])", "i = 100") == 105
