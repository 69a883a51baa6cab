"""What expressions parse to."""

from __future__ import annotations

import pytest

from archc.diagnostics import ArchError
from archc.syntax import ast, parse_expression
from tests.syntax.support import name, num, only

A, B, C = name("a"), name("b"), name("c")


# Each line: a text, and the same with all parentheses written.
PRECEDENCE = """
a if b else c if d else e          | a if b else (c if d else e)
a -> b if c else d -> e            | (a -> b) if c else (d -> e)
a -> b -> c                        | (a -> b) -> c
a -> b or c                        | a -> (b or c)
a or b or c                        | (a or b) or c
a or b and c                       | a or (b and c)
a and not b                        | a and (not b)
not a and b                        | (not a) and b
not not a                          | not (not a)
not a == b                         | not (a == b)
not a in b                         | not (a in b)
a in 0..3                          | a in (0..3)
a not in 0..=b + 1                 | a not in (0..=(b + 1))
0..n - 1                           | 0..(n - 1)
a + 1..b * 2                       | (a + 1)..(b * 2)
a - b - c                          | (a - b) - c
a - b + c                          | (a - b) + c
a + b * c                          | a + (b * c)
a * b / c // d % e                 | (((a * b) / c) // d) % e
-a * b                             | (-a) * b
a * -b                             | a * (-b)
-a ** b                            | -(a ** b)
a ** -b                            | a ** (-b)
a ** b ** c                        | a ** (b ** c)
- -a                               | -(-a)
+a - +b                            | (+a) - (+b)
-a.b                               | -(a.b)
a ** b[0]                          | a ** (b[0])
a.b(c)[0].d                        | (((a.b)(c))[0]).d
-f(a)                              | -(f(a))
3 * f -> g                         | (3 * f) -> g
x -> f + y                         | x -> (f + y)
""".strip().splitlines()


@pytest.mark.parametrize("line", PRECEDENCE, ids=lambda line: line.split("|")[0].strip())
def test_precedence(line: str) -> None:
    bare, explicit = line.split("|")
    assert parse_expression(bare.strip()) == parse_expression(explicit.strip())


def test_parentheses_change_the_tree_where_they_should() -> None:
    assert parse_expression("a - (b - c)") != parse_expression("a - b - c")
    assert parse_expression("(a ** b) ** c") != parse_expression("a ** b ** c")
    assert parse_expression("(-a) ** b") != parse_expression("-a ** b")
    assert parse_expression("a -> (b -> c)") != parse_expression("a -> b -> c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a < b <= c", ast.Compare(A, (("<", B), ("<=", C)))),
        ("a not in b", ast.Compare(A, (("not in", B),))),
        ("a == b != c", ast.Compare(A, (("==", B), ("!=", C)))),
        ("a if b else c", ast.Conditional(B, A, C)),
        ("a -> b", ast.Pipe(A, B)),
        ("a..b", ast.Range(A, B, False)),
        ("a..=b", ast.Range(A, B, True)),
        ("1..4", ast.Range(num(1), num(4), False)),
        ("1.5..2", ast.Range(num(1.5), num(2), False)),
        ("()", ast.TupleExpr(())),
        ("(a)", A),
        ("(a,)", ast.TupleExpr((A,))),
        ("(a, b,)", ast.TupleExpr((A, B))),
        ("[]", ast.ListExpr(())),
        ("[a, b,]", ast.ListExpr((A, B))),
        ("f()", ast.Call(name("f"), ())),
        ("f(a, b = c,)", ast.Call(name("f"), (ast.Arg(None, A), ast.Arg("b", C)))),
        ("a[b]", ast.Index(A, B)),
        ("a[b:c]", ast.Slice(A, B, C)),
        ("a[b:]", ast.Slice(A, B, None)),
        ("a[:c]", ast.Slice(A, None, C)),
        ("a[:]", ast.Slice(A, None, None)),
        ("a[-b:][c]", ast.Index(ast.Slice(A, ast.Unary("-", B), None), C)),
        ("a[b if c else a:]", ast.Slice(A, ast.Conditional(C, B, A), None)),
        ("x.std", ast.Attribute(name("x"), "std")),
        ("true", ast.Bool(True)),
        ("false", ast.Bool(False)),
        ("not a", ast.Unary("not", A)),
        ("-a", ast.Unary("-", A)),
        ('"a # b"', ast.String("a # b")),
        (r'"\"\\\n\t\r"', ast.String('"\\\n\t\r')),
        ("a and b or c", ast.BoolOp("or", ast.BoolOp("and", A, B), C)),
        (
            "[a for a in b if c if a]",
            ast.ListComp(A, (ast.Clause(ast.NameTarget("a"), B, (C, A)),)),
        ),
        (
            "[a for (a, (b, c)) in b for c in a -> b]",
            ast.ListComp(
                A,
                (
                    ast.Clause(
                        ast.TupleTarget(
                            (
                                ast.NameTarget("a"),
                                ast.TupleTarget((ast.NameTarget("b"), ast.NameTarget("c"))),
                            )
                        ),
                        B,
                        (),
                    ),
                    ast.Clause(ast.NameTarget("c"), ast.Pipe(A, B), ()),
                ),
            ),
        ),
    ],
)
def test_expression(text: str, expected: ast.Expr) -> None:
    assert parse_expression(text) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("71_489_284", 71_489_284),
        ("007", 7),
        ("1.0", 1.0),
        ("1_0.2_5", 10.25),
        ("1e3", 1000.0),
        ("2.5E-3", 0.0025),
        ("25.6M", 25_600_000),
        ("6.98G", 6_980_000_000),
        ("0.1K", 100),
        ("1.2345K", 1234.5),
        ("1T", 10**12),
        ("1e1K", 10_000),
        ("9007199254740991", 2**53 - 1),
        ("1e300", 1e300),
        ("1e-999", 0.0),
    ],
)
def test_number(text: str, value: float) -> None:
    number = parse_expression(text)
    assert isinstance(number, ast.Number)
    assert (number.value, type(number.value), number.text) == (value, type(value), text)


def test_x_step_and_log_are_names() -> None:
    assert parse_expression("x * step + log(log)") == parse_expression("(x * step) + (log(log))")
    assert only("x = 1") == ast.Assign(ast.NameTarget("x"), num(1))


def test_parse_expression_raises_with_the_diagnostic() -> None:
    with pytest.raises(ArchError) as caught:
        parse_expression("1 +", "-p width")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.span.source.name) == ("E0120", "-p width")
    assert diagnostic.message == "unexpected end of the file"


@pytest.mark.parametrize("text", ["", "  ", "# only a comment", "a b", "stage f", "@", "(", '"', "1\n2"])
def test_parse_expression_raises_nothing_else(text: str) -> None:
    with pytest.raises(ArchError):
        parse_expression(text)
