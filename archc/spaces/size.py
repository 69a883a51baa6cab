"""How many networks a design space holds.

Without requirements that is the product of its domains and picks. Requirements that mention parameters only are
counted exactly, by eliminating one parameter after the other. What requires more than that, a width computed or the
cost of the network, is estimated from uniform draws.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from archc.diagnostics import ArchError
from archc.elaborate.arch import draw
from archc.elaborate.arch_statements import METRICS
from archc.elaborate.builder import Body
from archc.elaborate.choosers import Chooser, DomainValues, Stream
from archc.elaborate.expressions import Closure, ExpressionCompiler
from archc.elaborate.frame import ElabFrame
from archc.elaborate.run import FUEL, Run
from archc.elaborate.statements import assigned_names, free_names
from archc.elaborate.values import Failure, Rejected
from archc.spaces.points import ChoicePoint, PointChooser
from archc.spaces.space import Space
from archc.syntax import ast

MAX_TABLE = 4_000_000
"""Combinations of values looked at to eliminate one parameter; beyond, the size is estimated."""
PROBES = 8
"""Draws that must meet the same choice points for their number to be a fact."""


@dataclass(frozen=True, slots=True)
class Size:
    """choices: every choice point. free: the product of their answers. exact: how many meet the requirements;
    None where that is estimated. share: of uniform draws that do, `draws` of them.

    fixed: every sample meets the same choice points, so that the product means something.
    """

    choices: tuple[ChoicePoint, ...]
    free: int
    exact: int | None
    share: float | None = None
    draws: int = 0
    fixed: bool = True

    @property
    def estimate(self) -> float:
        """The number of networks, exact or not."""
        return float(self.exact) if self.exact is not None else self.free * (self.share or 0.0)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of the estimate (Wilson); the exact number twice where that is known."""
        if self.exact is not None:
            return float(self.exact), float(self.exact)
        share, n, z = self.share or 0.0, max(self.draws, 1), 1.96
        centre = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return self.free * (centre - half), self.free * (centre + half)


class UniformChooser:
    """Every value of a domain as likely, whatever its distribution."""

    def __init__(self, seed: int, index: int) -> None:
        self.stream = Stream(b"uniform:%d:%d" % (seed, index))

    def domain(self, path: str, values: DomainValues) -> Any:
        return values.at(self.stream.below(values.count()))

    def pick(self, path: str, count: int, k: int) -> tuple[int, ...]:
        left = list(range(count))
        return tuple(sorted(left.pop(self.stream.below(len(left))) for _ in range(k)))


def size(space: Space, *, draws: int = 2_000, seed: int = 0) -> Size:
    """The size of a space, its own requirements and those of the request met. Raises ArchError."""
    choices, domains, fixed = choice_points(space)
    free = math.prod(c.answers for c in choices)
    requires = _requirements(space)
    if not requires:
        return Size(choices, free, free if fixed else None, 1.0, 0, fixed)
    exact = _count(space, requires, domains) if fixed else None
    if exact is not None:
        others = math.prod(c.answers for c in choices if c.path not in domains)
        return Size(choices, free, exact * others)
    met = sum(_meets(space, UniformChooser(seed, index)) for index in range(draws))
    return Size(choices, free, None, met / draws, draws, fixed)


def choice_points(space: Space) -> tuple[tuple[ChoicePoint, ...], dict[str, DomainValues], bool]:
    """The choice points of a space, the domains of the parameters among them, and whether they are fixed.

    A rejected draw meets the first of them only.
    """
    found = []
    for index in range(PROBES):
        chooser = PointChooser({}, UniformChooser(0, index))
        _meets(space, chooser)
        found.append(chooser.choices)
    longest = max(found, key=len)
    domains = {c.path: c.values for c in longest if c.values is not None}
    fixed = all(choices == longest[: len(choices)] for choices in found)
    return tuple(longest), domains, fixed


def _meets(space: Space, chooser: Chooser) -> bool:
    try:
        draw(space.target, chooser, arguments=space.given, input=space.request.input, requires=space.requires)
    except Rejected:
        return False
    return True


def _requirements(space: Space) -> list[ast.Expr]:
    own = [s.condition for s in space.target.arch.body if isinstance(s, ast.Require)]
    return [part for c in (*own, *(r.condition for r in space.requires)) for part in _parts(c)]


def _parts(condition: ast.Expr) -> Iterator[ast.Expr]:
    """The conditions that make up one: of `a and b` two, of `a <= b <= c` two."""
    if isinstance(condition, ast.BoolOp) and condition.op == "and":
        yield from _parts(condition.left)
        yield from _parts(condition.right)
    elif isinstance(condition, ast.Compare) and len(condition.rest) > 1:
        left = condition.first
        for op, right in condition.rest:
            yield ast.Compare(left, ((op, right),), span=condition.span)
            left = right
    else:
        yield condition


# ---------------------------------------------------------------- exact


@dataclass(slots=True)
class _Factor:
    """A count for every combination of values of some parameters: 1 or 0 for a condition."""

    scope: tuple[str, ...]
    table: dict[tuple[int, ...], int] = field(default_factory=dict)
    condition: Closure | None = None


def _count(space: Space, conditions: list[ast.Expr], domains: dict[str, DomainValues]) -> int | None:
    """Combinations of the parameters that meet every condition; None where one needs more than parameters."""
    module = space.target.module
    assigned = set(assigned_names(space.target.arch.body))
    compiler = ExpressionCompiler(module, frozenset(domains))
    factors = []
    for condition in conditions:
        scope = tuple(sorted(set(free_names(condition)) & set(domains)))
        others = set(free_names(condition)) - set(domains)
        if (
            others & (assigned | {p.name for p in space.target.arch.params})
            or others & set(METRICS)
            or not scope
        ):
            return None
        factors.append(_Factor(scope, condition=compiler.compile(condition)))
    run = Run(module.library.caches, None, module.source.name, fuel=FUEL * 1_000)
    frame = ElabFrame(run, {}, module.library.caches.ambient, Body(()))
    total = 1
    left = set(domains)
    while left:
        name = min(left, key=lambda n: (_scope_size(factors, n, domains), n))
        touching = [f for f in factors if name in f.scope]
        factors = [f for f in factors if name not in f.scope]
        left.discard(name)
        if not touching:
            total *= domains[name].count()
            continue
        if _scope_size(touching, name, domains) > MAX_TABLE:
            return None
        summed = _sum_out(name, touching, domains, frame)
        if summed.scope:
            factors.append(summed)
        else:
            total *= summed.table.get((), 0)
    return total


def _scope_size(factors: list[_Factor], name: str, domains: dict[str, DomainValues]) -> int:
    names = {n for f in factors if name in f.scope for n in f.scope}
    return math.prod(domains[n].count() for n in names) if names else 0


def _sum_out(
    name: str, touching: list[_Factor], domains: dict[str, DomainValues], frame: ElabFrame
) -> _Factor:
    """One factor over the other parameters of some: for each of their values, the sum over one parameter's.

    Raises ArchError where a condition cannot be told for some values.
    """
    rest = tuple(sorted({n for f in touching for n in f.scope} - {name}))
    order = (*rest, name)
    values = [[domains[n].at(i) for i in range(domains[n].count())] for n in order]
    places = [tuple(order.index(n) for n in f.scope) for f in touching]
    found = _Factor(rest)
    for indices in product(*(range(len(v)) for v in values)):
        weight = 1
        for factor, place in zip(touching, places, strict=True):
            if factor.condition is not None:
                frame.vars.update(
                    {n: values[p][indices[p]] for n, p in zip(factor.scope, place, strict=True)}
                )
                try:
                    weight *= bool(factor.condition(frame))
                except Failure as failure:  # the draw of these values is no network either
                    raise ArchError([failure.diagnostic] if failure.diagnostic else []) from None
            else:
                weight *= factor.table.get(tuple([indices[p] for p in place]), 0)
            if not weight:
                break
        if weight:
            key = indices[:-1]
            found.table[key] = found.table.get(key, 0) + weight
    return found
