"""What statements, declarations and layouts parse to."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.diagnostics import ArchError
from archc.syntax import ast, parse, parse_expression, source_from_bytes
from archc.syntax.build import dedent
from tests.syntax.programs import SPECS
from tests.syntax.support import body, codes, errors, name, num, only, stmt, tree

A, B, C = name("a"), name("b"), name("c")


# ---------------------------------------------------------------- statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = b", ast.Assign(ast.NameTarget("a"), B)),
        ("a += b", ast.Assign(ast.NameTarget("a"), B, augmented=True)),
        ("(a, b) = c", ast.Assign(ast.TupleTarget((ast.NameTarget("a"), ast.NameTarget("b"))), C)),
        ("(a,) = c", ast.Assign(ast.TupleTarget((ast.NameTarget("a"),)), C)),
        ("a", ast.ExprStmt(A)),
        ("return a", ast.Return(A)),
        ("require a < b", ast.Require(ast.Compare(A, (("<", B),)))),
        ("set a = b, c = 1", ast.SetStmt((ast.Arg("a", B), ast.Arg("c", num(1))))),
        ('info a = "b"', ast.Info((ast.Arg("a", ast.String("b")),))),
        ("output a = b", ast.Output("a", B, False)),
        ("output train_only a = b", ast.Output("a", B, True)),
        ("input 3 x 224 x 224", ast.Input(None, (num(3), num(224), num(224)))),
        ("input x: 3 x a x a * 2", ast.Input("x", (num(3), A, ast.Binary("*", A, num(2))))),
        ("input x x x x x", ast.Input(None, (name("x"), name("x"), name("x")))),
        ("stem a", ast.Section("stem", None, None, A, None)),
        ("head a -> b", ast.Section("head", None, None, ast.Pipe(A, B), None)),
        ("stage a", ast.Section("stage", None, None, A, None)),
        ("stage a: b", ast.Section("stage", "a", None, B, None)),
        ("stage 3 x a", ast.Section("stage", None, num(3), A, None)),
        ("stage a: 3 x b", ast.Section("stage", "a", num(3), B, None)),
        ("stage a[b] x c", ast.Section("stage", None, ast.Index(A, B), C, None)),
        ("stage 2 * a x b", ast.Section("stage", None, ast.Binary("*", num(2), A), B, None)),
        ("stage x x x", ast.Section("stage", None, name("x"), name("x"), None)),
        ("stage x: x x x", ast.Section("stage", "x", name("x"), name("x"), None)),
        ("stage x", ast.Section("stage", None, None, name("x"), None)),
        ("stage { a }", ast.Section("stage", None, None, None, (ast.ExprStmt(A),))),
        ("stage x { a }", ast.Section("stage", "x", None, None, (ast.ExprStmt(A),))),
        ("stem {}", ast.Section("stem", None, None, None, ())),
        ("head {\n\n}", ast.Section("head", None, None, None, ())),
        ("for a in 0..b { c }", ast.For(ast.NameTarget("a"), parse_expression("0..b"), (ast.ExprStmt(C),))),
        ("if a { b }", ast.If(A, (ast.ExprStmt(B),), ())),
        ("if a { b } else { c }", ast.If(A, (ast.ExprStmt(B),), (ast.ExprStmt(C),))),
        ("if a {} else if b { c }", ast.If(A, (), (ast.If(B, (ast.ExprStmt(C),), ()),))),
        ("fn f(a, b = 1) = c", None),
        ("expect a = 1.50K", ast.Expect((), (ast.Claim("a", False, num(1500, "1.50K")),), None)),
        (
            'expect (input = (3, 4), b = 1) a = 1, b ~ 2 from "c"',
            ast.Expect(
                (ast.Arg("input", ast.TupleExpr((num(3), num(4)))), ast.Arg("b", num(1))),
                (ast.Claim("a", False, num(1)), ast.Claim("b", True, num(2))),
                "c",
            ),
        ),
    ],
)
def test_statement(text: str, expected: ast.Stmt | None) -> None:
    if expected is None:
        params = (ast.Param("a", None, None, None, False), ast.Param("b", None, None, num(1), False))
        expected = ast.FnDef("f", params, C)
    assert stmt(text) == expected


# ---------------------------------------------------------------- declarations


def _param(text: str) -> ast.Param:
    block = only("block b(" + text + ") {}")
    assert isinstance(block, ast.BlockDef)
    (param,) = block.params
    return param


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", ast.Param("x", None, None, None, False)),
        ("x,", ast.Param("x", None, None, None, False)),
        ("ambient act: op = relu", ast.Param("act", ast.TypeExpr("op"), None, name("relu"), True)),
        (
            "a: list[tensor]",
            ast.Param("a", ast.TypeExpr("list", (ast.TypeExpr("tensor"),)), None, None, False),
        ),
        (
            "d: int in 12..=28",
            ast.Param(
                "d",
                ast.TypeExpr("int"),
                ast.RangeDomain(ast.Range(num(12), num(28), True), None, False),
                None,
                False,
            ),
        ),
        (
            "w: int in 8..256 step 8 log = 16",
            ast.Param(
                "w",
                ast.TypeExpr("int"),
                ast.RangeDomain(ast.Range(num(8), num(256), False), num(8), True),
                num(16),
                False,
            ),
        ),
        (
            "w: float in a..=b log",
            ast.Param(
                "w", ast.TypeExpr("float"), ast.RangeDomain(ast.Range(A, B, True), None, True), None, False
            ),
        ),
        (
            "b: float in {1, 2,\n 4,} = 1",
            ast.Param("b", ast.TypeExpr("float"), ast.SetDomain((num(1), num(2), num(4))), num(1), False),
        ),
        (
            "g: int in f(8, step = a)",
            ast.Param(
                "g",
                ast.TypeExpr("int"),
                ast.CallDomain(ast.Call(name("f"), (ast.Arg(None, num(8)), ast.Arg("step", A)))),
                None,
                False,
            ),
        ),
    ],
)
def test_parameter(text: str, expected: ast.Param) -> None:
    assert _param(text) == expected


def test_type_with_several_arguments() -> None:
    integer = ast.TypeExpr("int")
    assert _param("a: tuple[int, list[int],]").type == ast.TypeExpr(
        "tuple", (integer, ast.TypeExpr("list", (integer,)))
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import std.nfnet", ast.Import(("std", "nfnet"), ())),
        ("from a import b", ast.Import(("a",), (ast.ImportName("b", None),))),
        (
            "from a.b import c as d, e",
            ast.Import(("a", "b"), (ast.ImportName("c", "d"), ast.ImportName("e", None))),
        ),
        (
            "from a import (b,\n c,)",
            ast.Import(("a",), (ast.ImportName("b", None), ast.ImportName("c", None))),
        ),
        ("a = b", ast.Assign(ast.NameTarget("a"), B)),
        ("fn f() = a", ast.FnDef("f", (), A)),
        ('block f() { """Doc.""" }', ast.BlockDef("f", (), "Doc.", ())),
        ('arch f() {\n  """Doc."""\n  a\n}', ast.ArchDef("f", (), "Doc.", (ast.ExprStmt(A),))),
        ("variant a = b()", ast.VariantDef("a", ast.Call(B, ()), None, ())),
        (
            'variant a = b.c(1, d = 2) {\n"""Doc."""\nset a = 1\nexpect a = 1\ninfo b = 2\n}',
            ast.VariantDef(
                "a",
                ast.Call(ast.Attribute(B, "c"), (ast.Arg(None, num(1)), ast.Arg("d", num(2)))),
                "Doc.",
                (
                    ast.SetStmt((ast.Arg("a", num(1)),)),
                    ast.Expect((), (ast.Claim("a", False, num(1)),), None),
                    ast.Info((ast.Arg("b", num(2)),)),
                ),
            ),
        ),
    ],
)
def test_declaration(text: str, expected: ast.Stmt) -> None:
    assert only(text) == expected


def test_file_docstring_may_follow_comments() -> None:
    assert tree('# c\n\n"""Doc."""\n\na = 1') == ast.File("Doc.", (ast.Assign(ast.NameTarget("a"), num(1)),))
    assert tree("") == tree("\n# c\n\n") == ast.File(None, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One.", "One."),
        (" One. ", "One."),
        ("One.\n\n  Two.\n    Three.\n  ", "One.\n\nTwo.\n  Three."),
        ("\n  One.\n    Two.\n", "One.\n  Two."),
        ("a\r\n\tb", "a\nb"),
        ('say "hi" ', 'say "hi"'),
    ],
)
def test_docstring_is_dedented(text: str, expected: str) -> None:
    assert dedent(text) == expected


# ---------------------------------------------------------------- layout


@pytest.mark.parametrize(
    "text",
    [
        "y = f(a,\n\n b)\nz = 1",
        "y = f( # c\n a, b # d\n)\nz = 1",
        "\n\ny = f(a, b) # c\n\n# d\n  z = 1\n",
        "y = f(a, b)\r\nz = 1\r\n",
    ],
)
def test_newlines_that_do_not_count(text: str) -> None:
    assert body(text) == body("y = f(a, b)\nz = 1")


@pytest.mark.parametrize("between", ["\n  ", "\n\n\n  ", "  # c\n\n # d\n", "\r\n"])
def test_arrow_continues_the_line_above(between: str) -> None:
    assert body(f"y = a{between}-> b{between}-> c\nz = 1") == body("y = a -> b -> c\nz = 1")


def test_spans_point_into_the_text() -> None:
    text = "y = (a + b) * f(c)\n"
    (assign,) = tree(text).statements
    assert isinstance(assign, ast.Assign)
    assert isinstance(assign.value, ast.Binary)
    spans = [
        assign.span,
        assign.target.span,
        assign.value.span,
        assign.value.left.span,
        assign.value.right.span,
    ]
    assert [span.text for span in spans] == [text.strip(), "y", "(a + b) * f(c)", "a + b", "f(c)"]


def test_name_span_of_a_declaration() -> None:
    block = only("block foo(x) { return x }")
    assert isinstance(block, ast.BlockDef)
    assert (block.name_span.text, block.span.text) == ("foo", "block foo(x) { return x }")


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_spec_parses(path: Path) -> None:
    assert errors(path.read_text(encoding="utf-8")) == []


def test_there_are_shipped_specs() -> None:
    assert SPECS


# ---------------------------------------------------------------- bytes


def test_source_from_bytes_takes_bom_and_crlf() -> None:
    source = source_from_bytes("a.arch", b"\xef\xbb\xbfa = 1\r\nb = 2\r\n")
    assert source.text == "a = 1\nb = 2\n"
    assert parse(source)[1] == []


def test_a_bom_and_crlf_in_text_are_taken_too() -> None:
    assert tree("\ufeffa = 1\r\n") == tree("a = 1\n")


def test_invalid_utf8_is_located() -> None:
    with pytest.raises(ArchError) as caught:
        source_from_bytes("a.arch", "é = 1\n".encode() + b"b\xff\n")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0113"
    assert diagnostic.span.source.position(diagnostic.span.start) == (2, 2)


def test_source_size_is_bounded() -> None:
    with pytest.raises(ArchError) as caught:
        source_from_bytes("a.arch", b"#" * (256 * 1024 + 1))
    assert [d.code for d in caught.value.diagnostics] == ["E0110"]
    assert codes("#" * (256 * 1024)) == []
    assert codes("#" * (256 * 1024 + 1)) == ["E0110"]
    assert codes("#" + "é" * (128 * 1024)) == ["E0110"]
