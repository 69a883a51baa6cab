"""Diagnostics as text and as JSON."""

from __future__ import annotations

import json

import pytest

from archc.diagnostics import NOWHERE, ArchError, Diagnostic, Frame, Source, Span, nearest, render
from archc.elaborate import check_text


def at(text: str, marked: str, name: str = "net.arch") -> Span:
    start = text.index(marked)
    return Span(Source(name, text), start, start + len(marked))


def test_all_parts() -> None:
    span = at("a\n  stage 3 x f(104, groups = 48)\n", "groups = 48")
    diagnostic = Diagnostic(
        "E0312", "what", span, "where", help=("one", "two"), notes=("fact",), frames=(Frame("in f, in stage s1"),)
    )  # fmt: skip
    assert render(diagnostic).split("\n") == [
        "error[E0312]: what",
        " --> net.arch:2:20",
        "  |",
        "2 |   stage 3 x f(104, groups = 48)",
        "  |                    ^^^^^^^^^^^ where",
        "  = in f, in stage s1",
        "  = note: fact",
        "  = help: one",
        "  = help: two",
    ]


def test_a_warning_says_so() -> None:
    assert render(Diagnostic("W0201", "what", at("abc", "b"))).startswith("warning[W0201]: what\n")


def test_a_place_without_text_has_no_excerpt() -> None:
    about_a_file = Diagnostic("E0601", "what", Span(Source("a.safetensors", ""), 0, 0))
    assert render(about_a_file) == "error[E0601]: what\n --> a.safetensors"
    assert render(Diagnostic("E0701", "what", NOWHERE, help=("do",))) == "error[E0701]: what\n  = help: do"


@pytest.mark.parametrize(
    ("line", "marked", "carets"),
    [
        ("\tstem conv(8)", "conv", " " * 9 + "^^^^"),
        ("a\tb", "\t", " ^^^^"),
        ("深い = x", "x", " " * 7 + "^"),
        ("深い = x", "深い", "^^^^"),
        ("a = é", "é", "    ^"),
        ("x", "", "^"),
    ],
)
def test_carets_stand_under_what_they_mark(line: str, marked: str, carets: str) -> None:
    shown = render(Diagnostic("E0101", "what", at(line, marked))).split("\n")
    assert shown[4] == "  | " + carets


def test_a_span_of_several_lines_is_marked_to_the_end_of_the_first() -> None:
    shown = render(Diagnostic("E0101", "what", at("f(1,\n  2)\n", "f(1,\n  2)"))).split("\n")
    assert shown[3:] == ["1 | f(1,", "  | ^^^^"]


def test_a_long_line_is_shown_around_the_mark() -> None:
    text = "a" * 5000 + "HERE" + "b" * 5000
    shown = render(Diagnostic("E0101", "what", at(text, "HERE"))).split("\n")
    assert all(len(line) < 200 for line in shown)
    begin = shown[4].index("^")
    assert shown[3][begin : begin + 4] == "HERE"
    assert shown[4][begin:] == "^^^^"


@pytest.mark.parametrize("char", ["\u202e", "\u200b", "\x1b", "\u2028", "\ufeff", "\x00"])
def test_characters_that_could_hide_or_command_are_spelt_out(char: str) -> None:
    """A message quotes what a stranger wrote: it must not reorder lines nor reach the terminal."""
    text = f"a{char}b = {char}1"
    said = render(
        Diagnostic("E0101", f"about {char}", at(text, "1", f"{char}.arch"), f"{char}", help=(char,))
    )
    assert char not in said
    assert said.count(f"<U+{ord(char):04X}>") == 6


def test_json_has_the_facts_of_the_text() -> None:
    (found,) = check_text("arch net() {\n  input 3 x 8 x 8\n  stem conv(8,\n    groups = 5)\n}\n", "net.arch")
    data = json.loads(json.dumps(found.to_dict()))
    assert data == {
        "code": "E0312",
        "severity": "error",
        "message": "conv: 8 output channels cannot be split into 5 groups",
        "label": "8 is not divisible by 5",
        "file": "net.arch",
        "line": 4,
        "column": 5,
        "end_line": 4,
        "end_column": 15,
        "help": ["divisors of 8 near 5: 2, 4, 8"],
        "notes": [],
        "frames": ["in conv (net.arch:3), in stem (net.arch:3)"],
    }


def test_positions_count_characters_and_cross_lines() -> None:
    diagnostic = Diagnostic("E0101", "what", at("é = f(1,\n  2)\n", "f(1,\n  2)"))
    data = diagnostic.to_dict()
    assert [data[k] for k in ("line", "column", "end_line", "end_column")] == [1, 5, 2, 5]


def test_the_exception_shows_all_it_carries() -> None:
    first, second = Diagnostic("E0101", "one", at("ab", "a")), Diagnostic("E0102", "two", at("ab", "b"))
    assert str(ArchError([first, second])) == f"{render(first)}\n\n{render(second)}"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("ReLU", "relu"),
        ("BatchNorm2d", "batch_norm"),
        ("cov", "conv"),
        ("maxpool", "max_pool"),
        ("max_pol", "max_pool"),
        ("glob", "global_avg_pool"),
        ("zzz", None),
        ("", None),
    ],
)
def test_nearest(word: str, meant: str | None) -> None:
    names = ["batch_norm", "conv", "elu", "global_avg_pool", "linear", "max_pool", "relu"]
    assert nearest(word, names) == meant
