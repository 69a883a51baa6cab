"""What a search is after: expressions of a network's figures and results, and conditions on its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archc.diagnostics import did_you_mean
from archc.elaborate.calculation import calculation, number
from archc.elaborate.statements import free_names
from archc.search.strategy import SearchError
from archc.syntax import ast
from archc.syntax.parse import parse_expression


@dataclass(frozen=True)
class Objective:
    """An expression to be made as large as can be. metric, smaller: of `macs` and `-macs`, how to show it."""

    text: str
    metric: str
    smaller: bool
    score: Callable[[Mapping[str, Any]], float] = field(compare=False, repr=False)

    def shown(self, score: float) -> float:
        """The figure behind a score: `-macs` is shown as macs."""
        return -score if self.smaller else score


def objectives(texts: Sequence[str], metrics: Iterable[str]) -> tuple[Objective, ...]:
    """The objectives some expressions state, of metrics with these names. Raises SearchError or ArchError.

    MnasNet's reward (arXiv:1807.11626) is one: `accuracy * (latency / 0.08) ** -0.07`.
    """
    known = tuple(metrics)
    return tuple(_objective(text, known) for text in texts)


def _objective(text: str, known: tuple[str, ...]) -> Objective:
    tree = parse_expression(text, "--objective")
    check_names(tree, known, f"--objective {text}")
    plain = tree.operand if isinstance(tree, ast.Unary) and tree.op == "-" else tree
    smaller = plain is not tree and isinstance(plain, ast.Name)
    metric = plain.id if smaller and isinstance(plain, ast.Name) else " ".join(text.split())
    return Objective(" ".join(text.split()), metric, smaller, number(text, known, "--objective"))


def check_names(tree: ast.Expr, known: Sequence[str], where: str) -> None:
    """Raises SearchError where an expression speaks of metrics there are none of."""
    builtins = {"min", "max", "sqrt", "log", "log2", "round", "abs", "floor", "ceil"}
    for name in free_names(tree):
        if name not in known and name not in builtins:
            hint = did_you_mean(name, known) or (f"there are {', '.join(known)}",)
            raise SearchError(f"{where}: no metric `{name}`: {hint[0]}")


@dataclass(frozen=True)
class Condition:
    """A requirement on figures that the space itself does not know, such as a latency."""

    text: str
    met: Callable[[Mapping[str, Any]], Any] = field(compare=False, repr=False)


def split_conditions(
    texts: Sequence[str], own: Sequence[str], figures: Sequence[str]
) -> tuple[tuple[str, ...], tuple[Condition, ...]]:
    """Requirements for the space to test, and conditions for the search: those that mention one of `own`.

    figures: all that conditions may speak of. Raises SearchError or ArchError.
    """
    spaces, conditions = [], []
    for text in texts:
        tree = parse_expression(text, "--require")
        if set(free_names(tree)) & set(own):
            check_names(tree, figures, f"--require {text}")
            conditions.append(Condition(" ".join(text.split()), calculation(text, figures, "--require")))
        else:
            spaces.append(text)
    return tuple(spaces), tuple(conditions)


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether a is nowhere worse and somewhere better; higher is better."""
    return all(x >= y for x, y in zip(a, b, strict=True)) and tuple(a) != tuple(b)


def front(scores: Sequence[Sequence[float]]) -> list[int]:
    """Indices of those that none dominates, best in the first objective first; of equal ones the earliest."""
    order = sorted(range(len(scores)), key=lambda i: (*(-s for s in scores[i]), i))
    found: list[int] = []
    for i in order:
        if not any(tuple(scores[j]) == tuple(scores[i]) or dominates(scores[j], scores[i]) for j in found):
            found.append(i)
    return found
