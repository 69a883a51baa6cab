"""Every syntax diagnostic: its code, where it points, what it says."""

from __future__ import annotations

import pytest

from archc.diagnostics import render
from tests.syntax.support import codes, errors

# (text with the span between « and », code, message, label, a part of the help)
CASES = [
    # characters and literals
    ("a = b «&» c", "E0101", "unexpected character `&`", "has no meaning here", "write `and`"),
    ("a = «\u00d7»", "E0101", "unexpected character `\u00d7`", "has no meaning here", "write `x`"),
    ("a = b«\u00a0»+ 1", "E0101", "unexpected character `U+00A0`", "has no meaning here", "no-break space"),
    ('a = «"b»', "E0102", "this string does not end on its line", 'expected a closing `"`', "close it"),
    (r'a = «"b\"»', "E0102", "this string does not end on its line", 'expected a closing `"`', "close it"),
    ('«"""»doc\n', "E0103", "this docstring never ends", "opened here", 'close it with `"""`'),
    (r'a = "b«\d»"', "E0104", r"`\d` is not an escape", "unknown escape", r"\n, \t"),
    ("a = «3x»", "E0105", "the number `3` runs into `x`", "not a number", "leave a blank before `x`"),
    ("a = «3x224x224»", "E0105", "the number `3` runs into `x224x224`", "not a number", "`3 x 224 x 224`"),
    ("a = «1.6Gx»", "E0105", "the number `1.6G` runs into `x`", "not a number", "before `x`"),
    ("a = «5m»", "E0105", "the number `5` runs into `m`", "not a number", "suffixes are K, M, G and T"),
    ("a = «1__0»", "E0105", "the number `1` runs into `__0`", "not a number", "between two digits"),
    ("a = «1e»", "E0105", "the number `1` runs into `e`", "not a number", "an exponent needs digits"),
    ("a = «1.2.3»", "E0105", "the number `1.2` runs into `.3`", "not a number", "one decimal point"),
    ("a = «1if» b else c", "E0105", "the number `1` runs into `if`", "not a number", "`1 if`"),
    ("a = «9007199254740992»", "E0106", "the number 9007199254740992 is too large", "beyond what", "2^53"),
    (
        "a = «" + "9" * 5000 + "»",
        "E0106",
        "the number of 5000 characters is too large",
        "beyond what",
        "1e300",
    ),
    ("a = «1e301»", "E0106", "the number 1e301 is too large", "beyond what", "1e300"),
    ("a = «1e99999999999»", "E0106", "the number 1e99999999999 is too large", "beyond what", "1e300"),
    ("a = «1e20K»", "E0106", "the number 1e20K is too large", "beyond what", "2^53"),
    ("«" + "a" * 65 + "» = 1", "E0107", "a name of 65 characters is too long", "at most 64", None),
    (
        "«na\u00efve» = 1",
        "E0108",
        "the name `na\u00efve` has the character `\u00ef`",
        "not an ASCII letter",
        "A-Z",
    ),
    (
        "a = 1 # b«\u202e»c",
        "E0109",
        "the invisible character U+202E is not allowed in a spec",
        "not allowed",
        "delete",
    ),
    (
        'a = "b«\x00»"',
        "E0109",
        "the invisible character U+0000 is not allowed in a spec",
        "not allowed",
        "delete",
    ),
    ("a = 1«\r»b = 2", "E0109", "a lone carriage return is not allowed in a spec", "not allowed", "delete"),
    (
        "a = 1\n«\ufeff»b = 2",
        "E0109",
        "the invisible character U+FEFF is not allowed in a spec",
        "not allowed",
        None,
    ),
    # brackets
    ("a = f«(»1\n", "E0121", "this `(` is never closed", "opened here", "close it with `)`"),
    ("block f(x) «{»\n  return x\n", "E0121", "this `{` is never closed", "opened here", "close it with `}`"),
    ("a = («[»1)", "E0121", "this `[` is never closed", "opened here", "close it with `]`"),
    ("a = 1«)»", "E0122", "`)` closes nothing", "no open `(`", "delete it"),
    ("block f(x) {}\n«}»", "E0122", "`}` closes nothing", "no open `{`", "delete it"),
    (
        "block f(x) {\n  if a {\n  }\n  «else» {\n  }\n}",
        "E0123",
        "`else` stands on the line",
        "begins a line",
        "} else {",
    ),
    # names
    ("«block» = 3", "E0124", "`block` is a keyword and cannot be a name", "reserved", "`block_`"),
    ("a = f(«set» = 3)", "E0124", "`set` is a keyword and cannot be a name", "reserved", "`set_`"),
    ("block f(«input») {}", "E0124", "`input` is a keyword and cannot be a name", "reserved", "`input_`"),
    (
        "block f(x) {\n  «head» = x\n}",
        "E0124",
        "`head` is a keyword and cannot be a name",
        "reserved",
        "`head_`",
    ),
    ("a = b + «stage»", "E0124", "`stage` is a keyword and cannot be a name", "reserved", "`stage_`"),
    ("block f(x) {\n  for «in» = 3 in x {}\n}", "E0124", "`in` is a keyword", "reserved", "`in_`"),
    # misplaced
    (
        'a = 1\n«"""»late"""',
        "E0125",
        "a docstring stands first or not at all",
        "not first here",
        "write a comment",
    ),
    (
        "arch a() {\n  expect params = «b»\n}",
        "E0126",
        "`expect` compares with a number",
        "expected a number",
        "25.6M",
    ),
    (
        "arch a() {\n  expect params «>» 3\n}",
        "E0126",
        "`expect` states a figure",
        "expected `=` or `~`",
        "`require",
    ),
    (
        "arch a() {\n  stage 3 x «{»\n    b = 1\n  }\n}",
        "E0127",
        "a repeated stage has no body",
        "an op",
        "my_block",
    ),
    ("«f(1)» = 2", "E0128", "this cannot be assigned to", "not a name", "assign to a name"),
    (
        "arch a() {\n  «b[0]» += 2\n}",
        "E0128",
        "this cannot be assigned to",
        "not a name",
        "lists do not change",
    ),
    ("(a, «1») = 2", "E0128", "this cannot be assigned to", "not a name", "assign to a name"),
    ("arch a(b: int in «c») {}", "E0129", "this is not a domain", "a range, a set or", "`in {1, 2, 4}`"),
    (
        "a = f(b = 1, «2»)",
        "E0130",
        "an argument without a name follows one with a name",
        "which parameter",
        "name it",
    ),
    ("a = f(b = 1, «b = 2»)", "E0131", "`b` is given twice", "given again", "keep one"),
    ("arch a() {\n  set b = 1, «b = 2»\n}", "E0131", "`b` is given twice", "given again", "keep one"),
    ("block f(x, «x: int») {}", "E0132", "two parameters are named `x`", "named again", "rename"),
    (
        "arch a() {\n  «block» f(x) { return x }\n}",
        "E0133",
        "`block` stands at the top level",
        "inside a body",
        "move it",
    ),
    ("«stage» 3 x f", "E0134", "`stage` stands in a body", "outside any body here", "`arch name(…)"),
    (
        "variant a = b() {\n  «stage» f\n}",
        "E0135",
        "unexpected keyword `stage` in a variant",
        "`set`, `expect`",
        "arch",
    ),
    # unexpected tokens
    (
        "a = 1 +«»\nb = 1",
        "E0120",
        "unexpected end of the line",
        "expected an expression",
        "go on in the same line",
    ),
    ("a = «*» 2", "E0120", "unexpected `*`", "expected an expression", None),
    ("a = f(1 «b»)", "E0120", "unexpected name `b`", "expected `,` or `)`", "separate the two by `,`"),
    ("a = [1 «2»]", "E0120", "unexpected number `2`", "expected `,`, `]` or `for`", "separate the two"),
    ("a = 1 «2»", "E0120", "unexpected number `2`", "expected the end of the line", None),
    ("block f(x) {\n  if a «=» 1 {}\n}", "E0120", "unexpected `=`", "expected `{`", "`==` compares"),
    ("block f(x) {\n  for a«,» b in x {}\n}", "E0120", "unexpected `,`", "expected `in`", "in parentheses"),
    (
        "block f(x) {\n  return a«,» b\n}",
        "E0120",
        "unexpected `,`",
        "expected the end of the line",
        "`(a, b)`",
    ),
    ("block f(x)«:»\n  a = 1\n", "E0120", "unexpected `:`", "expected `{`", "a body stands in braces"),
    ("block f(x) «->» int {}", "E0120", "unexpected `->`", "expected `{`", "result type"),
    (
        "arch a() {\n  stgae «3» x f\n}",
        "E0120",
        "unexpected number `3`",
        "`=` or the end",
        "did you mean `stage`?",
    ),
    ("blok «f»(x) {}", "E0120", "unexpected name `f`", "expected `=`", "did you mean `block`?"),
    ("def «f»(x)", "E0120", "unexpected name `f`", "expected `=`", "`block name(x) { … }`"),
    (
        "block f(x) {\n  while «x» {}\n}",
        "E0120",
        "unexpected name `x`",
        "`=` or the end",
        "every loop is bounded",
    ),
    ("arch a() {\n  stage b: «{» c }\n}", "E0120", "unexpected `{`", "an expression", "takes no colon"),
    ("a = 0..1«..»2", "E0120", "unexpected `..`", "expected the end of the line", "range(a, b, stride)"),
    (
        "from a «imprt» b",
        "E0120",
        "unexpected name `imprt`",
        "expected `.` or `import`",
        "did you mean `import`?",
    ),
    ("a = b if c«»\n", "E0120", "unexpected end of the file", "expected `else`", None),
    ("variant a =«»", "E0120", "unexpected end of the file", "expected a name", None),
    ("variant «3» = b()", "E0120", "unexpected number `3`", "expected a name", None),
]


@pytest.mark.parametrize(("marked", "code", "message", "label", "hint"), CASES, ids=lambda v: str(v)[:40])
def test_diagnostic(marked: str, code: str, message: str, label: str, hint: str | None) -> None:
    start, end = marked.index("«"), marked.index("»") - 1
    (found,) = errors(marked.replace("«", "").replace("»", ""))
    assert (found.code, found.span.start, found.span.end) == (code, start, end), render(found)
    assert message in found.message
    assert label in found.label
    assert (hint or "") in " ".join(found.help)


def test_rendered_whole() -> None:
    (found,) = errors("arch a() {\n  input 3x32x32\n}\n")
    assert render(found) == (
        "error[E0105]: the number `3` runs into `x32x32`\n"
        " --> test.arch:2:9\n"
        "  |\n"
        "2 |   input 3x32x32\n"
        "  |         ^^^^^^^ not a number\n"
        "  = help: leave a blank on both sides of `x`: `3 x 32 x 32`"
    )


# ---------------------------------------------------------------- all errors in one run


def test_independent_errors_come_in_one_run() -> None:
    text = """\
from std.nfnet import
block f(x {
  return x
}
arch a() {
  input 3 x 32 x 32
  stage 3 f
  stage g(1, )
  if b = 2 {
    c = d +
  } else {
    e = f)
  }
  for g in h {
    2 = i
  }
}
variant b = a(
"""
    found = [(d.code, d.span.source.position(d.span.start)[0]) for d in errors(text)]
    assert found == [
        ("E0120", 1),
        ("E0121", 2),
        ("E0120", 7),
        ("E0120", 9),
        ("E0120", 10),
        ("E0122", 12),
        ("E0128", 15),
        ("E0121", 18),
    ]


def test_what_parsed_is_kept() -> None:
    from archc.diagnostics import Source
    from archc.syntax import ast, parse

    text = "a = 1\nb = = 2\nc = 3\narch d() {\n  e = 1\n  f = )\n  g = (2\n  head h\n}\ni = 4\n"
    file, diagnostics = parse(Source("test.arch", text))
    assert [d.code for d in diagnostics] == ["E0120", "E0122", "E0120", "E0121"]
    names = [
        s.target.id
        for s in file.statements
        if isinstance(s, ast.Assign) and isinstance(s.target, ast.NameTarget)
    ]
    assert names == ["a", "c", "i"]
    (arch,) = [s for s in file.statements if isinstance(s, ast.ArchDef)]
    assert [type(s) for s in arch.body] == [ast.Assign, ast.Section]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        # an error in a header does not hide those in its body, nor make its brace a mistake
        ("block f(x, 3) {\n  a = = 1\n}\nb = = 2\n", [1, 2, 4]),
        ("arch a() {\n  if = {\n    b = *\n  } else if c = {\n    d = *\n  }\n}\n", [2, 3, 4, 5]),
        ("arch a() {\n  stage 3 x {\n    b = *\n  }\n  c = *\n}\n", [2, 3, 5]),
        # one mistake, one message
        ("a = {1, 2, 3}\nb = *\n", [1, 2]),
        ("a = 1 2 3 4 5\n", [1]),
        ("arch a() {\n  b = [1, 2\n  c = 3\n  head d\n}\n", [2]),
        ("block f(x, y {\n  return x\n}\n", [1]),
        ("arch a() {\n  head f(\n}\nblock f(x) { return x }\n", [2]),
        ("block f(x) {\n  return x\nblock g(x) {\n  return x\n}\n", [1]),
        ("arch a() {\n  if b {\n  }\n  }\n}\n", [4]),
        ('arch a() {\n  b = "c\n  d = "e\n}\n', [2, 3]),
    ],
)
def test_recovery(text: str, lines: list[int]) -> None:
    assert [d.span.source.position(d.span.start)[0] for d in errors(text)] == lines


def test_a_mistake_of_lexing_is_not_reported_again_by_the_parser() -> None:
    assert codes("a = 3x + (@ * $\nb = 1\n") == ["E0105", "E0121", "E0101", "E0101"]


def test_errors_are_counted_beyond_a_hundred() -> None:
    found = errors("a b\n" * 1000)
    assert len(found) == 101
    assert (found[-1].code, found[-1].message) == ("E0114", "900 more syntax errors are not shown")


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("bracket", ["()", "[]"])
def test_nesting_is_bounded(bracket: str) -> None:
    assert codes("a = " + bracket[0] * 64 + "1" + bracket[1] * 64) == []
    assert codes("a = " + bracket[0] * 65 + "1" + bracket[1] * 65) == ["E0111"]


@pytest.mark.parametrize(
    ("first", "again", "last"),
    [
        ("a", " + b", ""),
        ("a", " -> b", ""),
        ("a", ".b", ""),
        ("a", "()", ""),
        ("a", "[b]", ""),
        ("", "-", "a"),
        ("", "not ", "a"),
        ("a", " ** b", ""),
        ("a", " or b", ""),
        ("a", " if b else a", ""),
    ],
)
def test_chains_are_bounded(first: str, again: str, last: str) -> None:
    assert codes(f"a = {first}{again * 60}{last}") == []
    assert codes(f"a = {first}{again * 129}{last}") == ["E0112"]


def test_breadth_is_not_depth() -> None:
    assert codes("a = [" + "f(1 + 2).b -> c, " * 5000 + "]") == []
    assert codes("a = 1 + 2\n" * 5000) == []
    assert codes("a = b" + " -> conv(1, 2).c[3]" * 100) == []


def test_else_if_chains_are_bounded() -> None:
    text = "block f(x) {{\n  if a {{}}{}\n}}"
    assert codes(text.format(" else if a {}" * 60)) == []
    assert codes(text.format(" else if a {}" * 200)) == ["E0112"]
