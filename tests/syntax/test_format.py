"""The canonical form: what it looks like, that it means the same, that it is stable and loses no comment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archc.diagnostics import ArchError, Source
from archc.syntax import ast, parse, parse_expression
from archc.syntax.express import format_expr
from archc.syntax.format import WIDTH, format_source
from archc.syntax.lexer import lex
from tests.syntax.programs import SPECS, programs, with_remarks
from tests.syntax.test_expressions import PRECEDENCE


def formatted(text: str) -> str:
    return format_source(Source("test.arch", text))


def _comments(text: str) -> list[str]:
    return sorted(text[start:end].rstrip() for start, end in lex(Source("test.arch", text)).comments)


def check(text: str) -> str:
    """The canonical form of a text, after checking all that it promises."""
    once = formatted(text)
    assert parse(Source("test.arch", once)) == (parse(Source("test.arch", text))[0], [])
    assert formatted(once) == once
    assert _comments(once) == _comments(text)
    assert not [line for line in once.splitlines() if line != line.rstrip() and '"""' not in once]
    return once


# Each: a text and its canonical form.
GOLDENS = {
    "blanks": ("a=b+c *-d\ne  =  [ 1,2 ]\n", "a = b + c * -d\ne = [1, 2]\n"),
    "arguments": ("a = f( b,c=1 , )", "a = f(b, c = 1)\n"),
    "parentheses": (
        "a = ((b)) + (c * d) - (e - f)\ng = (h -> i) if (j) else ((k))\nl = ((m,),)\n",
        "a = b + c * d - (e - f)\ng = (h -> i) if j else k\nl = ((m,),)\n",
    ),
    "ranges": ("a = (0 .. (n+1))\nb = 1 ..= c\n", "a = 0..n + 1\nb = 1..=c\n"),
    "slices": (
        "a = b [ 1 : ] [:-1]\nc = d[ e+1:] + d[ : f(g) ]\nh = i[j.k:l][ :]\nm = \"größe\"[1:3]\n",
        "a = b[1:][:-1]\nc = d[e + 1 :] + d[: f(g)]\nh = i[j.k:l][:]\nm = \"größe\"[1:3]\n",
    ),
    "a long slice": (
        f"a = b[{'c' * 50} + 1 : {'d' * 60} + 1]\n",
        f"a = b[\n  {'c' * 50} + 1 :\n  {'d' * 60} + 1\n]\n",
    ),
    "remarks in a slice": ("a = b[  # why\n  1 :\n  2]\n", "# why\na = b[1:2]\n"),
    "strings": ('a = "\\" \\\\ \\n é"', 'a = "\\" \\\\ \\n é"\n'),
    "numbers": ("a = [25.60M, 1_000, 1E5]", "a = [25.60M, 1_000, 1E5]\n"),
    "sections": (
        "arch a(){\ninput   x:3 x 32 x 32\nstem  f\nstage n : 2*m x g(1)\nstage{\nh\n}\nhead  i->j\n}",
        "arch a() {\n  input x: 3 x 32 x 32\n  stem  f\n  stage n: 2 * m x g(1)\n  stage {\n    h\n  }\n"
        "  head  i -> j\n}\n",
    ),
    "one line": (
        "block f(x){return x}\nblock g(x) { if a {b=1} else if c { d += [x] } else { e } }\nblock h(x) {\n}\n",
        "block f(x) { return x }\nblock g(x) { if a { b = 1 } else if c { d += [x] } else { e } }\nblock h(x) {}\n",
    ),
    "else": (
        "block f(x) {\n  if a {\n b = 1 } else if c { d = 1\n } else { if e { g = 1 }\n }\n}\n",
        "block f(x) {\n  if a {\n    b = 1\n  } else if c {\n    d = 1\n  } else {\n    if e { g = 1 }\n  }\n}\n",
    ),
    "parameters": (
        "arch a(d:int in 12 ..=28,w:float  in 8..256 step 0.1 log=16, b : float in {1,2}=1, ambient c:op=d, "
        "e:list[list[int]]) {}",
        "arch a(\n  d: int in 12..=28, w: float in 8..256 step 0.1 log = 16, b: float in {1, 2} = 1, "
        "ambient c: op = d,\n  e: list[list[int]]\n) {}\n",
    ),
    "declarations": (
        "import  a.b\nfrom c import (d as e,f)\nfn g( h )=h*2\nvariant i=j( k=1 )\nvariant l = j(){set m=1}\n",
        "import a.b\nfrom c import d as e, f\nfn g(h) = h * 2\nvariant i = j(k = 1)\nvariant l = j() { set m = 1 }\n",
    ),
    "statements": (
        'arch a() {\nset  b=c,d=1\ninfo e="f"\noutput  train_only g=h\nrequire i in 1..=2\n'
        'expect( input=(3,4) )params=1.50M,macs~2G  from "h"\nfor(a,(b,)) in c {\n}\n}',
        'arch a() {\n  set b = c, d = 1\n  info e = "f"\n  output train_only g = h\n  require i in 1..=2\n'
        '  expect (input = (3, 4)) params = 1.50M, macs ~ 2G from "h"\n  for (a, (b,)) in c {}\n}\n',
    ),
    "pipes break where the author broke them": (
        "block f(x) {\n  return x->a->b\n ->c  -> d\n}\n",
        "block f(x) {\n  return x -> a -> b\n      -> c -> d\n}\n",
    ),
    "long pipes break before an arrow": (
        "a = x" + " -> conv(width, 3)" * 8,
        "a = x" + " -> conv(width, 3)" * 5 + "\n    " + " ".join(["-> conv(width, 3)"] * 3) + "\n",
    ),
    "long calls break inside": (
        "a = f(" + ", ".join(f"argument_{i} = {i}" for i in range(8)) + ")",
        "a = f(\n  argument_0 = 0, argument_1 = 1, argument_2 = 2, argument_3 = 3, argument_4 = 4, argument_5 = 5,\n"
        "  argument_6 = 6, argument_7 = 7\n)\n",
    ),
    "tables keep their rows": (
        "a = [(1,   2),\n     (10, 20)]\nb = f(c,\n d, e)\n",
        "a = [\n  ( 1,  2),\n  (10, 20)\n]\nb = f(c, d, e)\n",
    ),
    "long operators break in parentheses": (
        "a = " + " + ".join(["a_rather_long_name"] * 6),
        "a = (\n  a_rather_long_name" + "\n  + a_rather_long_name" * 5 + "\n)\n",
    ),
    "long imports break in parentheses": (
        "from a import " + ", ".join(["a_rather_long_name"] * 6),
        "from a import (\n  " + ", ".join(["a_rather_long_name"] * 5) + ",\n  a_rather_long_name\n)\n",
    ),
    "comments": (
        "#top\n\n\n\na=1# beside\n# above\nblock f(x) {# open\n# first\n\n\n\nb=1   # b  \n\n# last\n\n}\n# end",
        "#top\n\n\na = 1  # beside\n\n# above\nblock f(x) {  # open\n  # first\n\n  b = 1  # b\n\n  # last\n}\n\n"
        "# end\n",
    ),
    "comments in brackets": (
        "a = f(b, # b\n c # c\n # after\n)\nd = [\n  # first\n  1, 2\n]\ne = g(\n# none\n)\n",
        "a = f(\n  b,  # b\n  c  # c\n  # after\n)\nd = [\n  # first\n  1,\n  2\n]\ne = g(\n  # none\n)\n",
    ),
    "comments in pipes": (
        "a = x # x\n  # one\n  # two\n  -> f # f\n\n  -> g\n",
        "a = x  # x\n    # one\n    # two\n    -> f  # f\n    -> g\n",
    ),
    "a comment amid an expression moves above its statement": (
        "a = (b # why\n + c)\n",
        "# why\na = b + c\n",
    ),
    "blank lines around long declarations": (
        'a = 1\narch b() {\n  head c\n}\nvariant d = b()\n# e\nvariant f = b() {\n  set g = 1\n}\nh = 1\n',
        "a = 1\n\narch b() {\n  head  c\n}\n\nvariant d = b()\n# e\nvariant f = b() {\n  set g = 1\n}\nh = 1\n",
    ),
    "docstrings": (
        '"""  One. """\nblock f(x) {\n\n  """Two.\n       Three\n\n         four.\n  """\n  return x\n}\n',
        '"""One."""\n\nblock f(x) {\n  """Two.\n  Three\n\n    four.\n  """\n  return x\n}\n',
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GOLDENS)
def test_golden(case: str) -> None:
    text, canonical = GOLDENS[case]
    assert check(text) == canonical


def test_nothing_stays_nothing() -> None:
    assert formatted("") == formatted("\n\n  \n") == ""


def test_syntax_errors_are_refused() -> None:
    with pytest.raises(ArchError) as caught:
        formatted("a = = 1\nb = )\n")
    assert [d.code for d in caught.value.diagnostics] == ["E0120", "E0122", "E0120"]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_spec(path: Path) -> None:
    text = re.sub(r'""".*?"""', "", check(path.read_text(encoding="utf-8")), flags=re.DOTALL)
    too_long = [
        line for line in text.splitlines() if len(line) > WIDTH and "#" not in line and '"' not in line
    ]
    assert too_long == []


@pytest.mark.parametrize("line", PRECEDENCE, ids=lambda line: line.split("|")[0].strip())
def test_format_expr_keeps_the_tree_with_no_more_parentheses(line: str) -> None:
    bare, explicit = (text.strip() for text in line.split("|"))
    text = format_expr(parse_expression(explicit))
    assert parse_expression(text) == parse_expression(bare)
    if " if " not in bare:  # pipes in conditionals keep theirs for the reader
        assert text.replace(" ", "") == bare.replace(" ", "")


def test_format_expr_of_a_made_tree() -> None:
    """Trees the elaborator makes have no text of their own."""
    tree = ast.Binary("*", ast.Binary("+", ast.Name("a"), ast.Number(1, "1")), ast.Unary("-", ast.Name("b")))
    assert format_expr(tree) == "(a + 1) * -b"
    assert format_expr(
        ast.Pipe(ast.Name("x"), ast.Call(ast.Name("f"), (ast.Arg("k", ast.String('"')),)))
    ) == ('x -> f(k = "\\"")')


_CHECKS = settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=40)


@_CHECKS
@given(programs(), st.integers(0, 1 << 30))
def test_programs_drawn_from_the_grammar(text: str, seed: int) -> None:
    for variant in (text, with_remarks(text, seed)):
        _, diagnostics = parse(Source("test.arch", variant))
        # the grammar cannot say these: targets of `=`, domains, names given twice
        assert {d.code for d in diagnostics} <= {"E0128", "E0129", "E0130", "E0131", "E0132"}
        if not diagnostics:
            check(variant)


@settings(_CHECKS, max_examples=20)
@given(programs("expression"))
def test_expressions_drawn_from_the_grammar(text: str) -> None:
    try:
        tree = parse_expression(text)
    except ArchError as error:
        assert {d.code for d in error.diagnostics} <= {"E0130", "E0131"}
    else:
        line = format_expr(tree)
        assert "\n" not in line
        assert parse_expression(line) == tree
