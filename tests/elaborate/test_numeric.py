"""Code written for arithmetic gives what the closures do, for the same fuel."""

from __future__ import annotations

import random
from typing import Any

import pytest

from archc.diagnostics import Source
from archc.elaborate import library, numeric
from archc.elaborate.builder import Body
from archc.elaborate.expressions import ExpressionCompiler
from archc.elaborate.frame import ElabFrame
from archc.elaborate.module import Module
from archc.elaborate.run import Run
from archc.elaborate.values import Failure
from archc.syntax.parse import parse, parse_expression

FUNCTIONS = """
fn double(v) = 2 * v
fn nearest(v, of) = max(of, round(v / of) * of)
fn pick_one(v, w, flag) = double(v) if flag else nearest(w, 8)
fn powers(n, w0, wa, wm) = [round(log((w0 + wa * j) / w0) / log(wm)) for j in 0..n]
fn table(n) = [(i, double(i), i / 2) for i in 0..n if i % 2 == 0]
half = 0.5
"""
VARIABLES = ("a", "b", "c", "s", "flag", "xs", "ys")
EXPRESSIONS = (
    "a + b * c - 3", "a // b + a % b", "a / b", "-a * c", "c ** 2 + c ** a", "round(c * 10)", "floor(c) + ceil(c)",
    "int(c * a)", "sqrt(a) + log(b) + log2(c)", "abs(a - b)", "max(a, b, c) - min(a, 2)", "lcm(a, b)",
    "make_divisible(a * c, 8)", "double(a) + nearest(b, 8)", "pick_one(a, b, flag)", "powers(a, b, 36.4, 2.2)",
    "table(a)", "len(xs) + count(xs, a)", "unique(xs)", "max(xs) + min(xs) + sum(xs)", "xs[0] + xs[a]",
    "[x * half for x in xs]", "[x + y for x in xs for y in 0..a if x > y]", "[i for i in 0..=a]", "sum(ys) / len(ys)",
    "a if a < b and not flag else b", 's == "yes" or a == b', "a in 2..9", "c not in 0..=1", "a * a * a * a * a",
    "c * 1e300 * 1e300", "[a, b, c][1]", "(a, (b, c))", "[[a, b], [b, a]]", "double(s)", "a + s", "flag + 1",
    "undefined_name + a", "double(a, b)", "a == s", "[0 for i in 0..a * 100000]", "unique(ys)", "len([[1], [2, 3]])",
    "zip(xs, xs)", "sum(xs[1:a]) + xs[a:][0]", "s[:a] == s", "table(a)[1:-1]", "len([0 for i in 0..4000][a:])",
    "zip(table(a), [i for i in 0..a if i % 2 == 0])",
    "zip(xs, ys)",
    "[p for p in zip([(a, b) for i in 0..a], [(i, (a, i)) for i in 0..a])]",
    "8 * (a * a * a * a * a)", "2.0 * (c * 1e300 * 1e300)", "0.5 * (a * b * b * b)", "(a * b * b * b) * 1000",
    "[8 * round(c * x * 1e18) for x in xs]", "[y for y in [8 * round(c * x * 1e18) for x in xs]]",
    "[c ** x for x in xs]", "[y for y in [c ** x for x in xs] if y > 1]", "(c + 1) ** a", "[double(x * x) for x in [double(a * b * b)]]",
    "double(double(double(a)))", "1 if a > 100000 else [1]",
)  # fmt: skip


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numeric, "OFTEN", 0)


def module() -> Module:
    tree, problems = parse(Source("numeric.arch", FUNCTIONS))
    return Module(library(), Source("numeric.arch", FUNCTIONS), tree, problems, 0, False)


def values(rng: random.Random) -> dict[str, Any]:
    small = rng.random() < 0.7
    whole = (1, 12) if small else (-(10**6), 10**10)
    return {
        "a": rng.randint(*whole),
        "b": rng.choice([rng.randint(*whole), rng.randint(0, 3), 2.0]),
        "c": rng.choice([0.5, 1.0, rng.uniform(-3, 40), 1e18, 1e308]),
        "s": rng.choice(["yes", "no"]),
        "flag": rng.random() < 0.5,
        "xs": [rng.randint(1, 6) for _ in range(rng.randint(1, 9))],
        "ys": [rng.choice([0.5, 1.5, 2.0]) for _ in range(rng.randint(1, 5))],
    }


def outcome(closure: Any, variables: dict[str, Any], priced: bool) -> tuple[Any, ...]:
    run = Run(library().caches, None, "numeric.arch", fuel=100_000, priced=priced)
    frame = ElabFrame(run, dict(variables), library().caches.ambient, Body(()))
    try:
        found = closure(frame)
    except Failure as failure:
        return ("failed", failure.diagnostic and failure.diagnostic.message, frame.vars)
    except Exception as error:
        return (type(error).__name__, str(error), frame.vars)
    return (repr(found), run.fuel, frame.vars)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_code_does_what_closures_do(text: str) -> None:
    compiler = ExpressionCompiler(module(), frozenset(VARIABLES))
    node = parse_expression(text, "numeric.arch")
    closure = compiler.compile(node)
    fast = numeric.often(compiler, node, closure)
    rng = random.Random(text)
    for _ in range(60):
        variables = values(rng)
        assert outcome(fast, variables, True) == outcome(closure, variables, False), variables


UNFIT = {
    "a + s",
    "flag + 1",
    "undefined_name + a",
    "double(a, b)",
    "a == s",
    "double(s)",
    "s[:a] == s",
    "len([[1], [2, 3]])",
    "1 if a > 100000 else [1]",
}


@pytest.mark.parametrize("text", [t for t in EXPRESSIONS if t not in UNFIT])
def test_code_is_written(text: str) -> None:
    compiler = ExpressionCompiler(module(), frozenset(VARIABLES))
    node = parse_expression(text, "numeric.arch")
    variables = {"a": 3, "b": 5, "c": 1.5, "s": "no", "flag": False, "xs": [4, 1, 4, 2], "ys": [0.5, 2.0]}
    names = numeric._read(compiler, node)
    code = numeric._written(compiler, node, names, tuple(numeric._type_of(variables[name]) for name in names))
    assert code is not None


def test_only_samples_have_code_written() -> None:
    compiler = ExpressionCompiler(module(), frozenset(VARIABLES))
    node = parse_expression("a + 1", "numeric.arch")
    calls = []
    fast = numeric.often(compiler, node, lambda f: calls.append(1) or 7)  # type: ignore[func-returns-value]
    variables = {"a": 1}
    assert outcome(fast, variables, False)[0] == "7"
    assert calls == [1]
    assert outcome(fast, variables, True)[0] == "2"
    assert calls == [1]
