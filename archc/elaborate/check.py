"""Everything that can be said about a spec: static mistakes, elaboration of each arch, its claims."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from archc.diagnostics import Diagnostic
from archc.diagnostics.record import record
from archc.elaborate.arch import Elaborated, elaborate
from archc.elaborate.arch_statements import METRICS, Claimed, Costs
from archc.elaborate.choosers import RandomChooser
from archc.elaborate.definition import Definition, definition
from archc.elaborate.module import Module
from archc.elaborate.run import FUEL, MAX_DIAGNOSTICS
from archc.elaborate.values import Failure, Rejected
from archc.syntax import ast

SAMPLES = 20
"""How many samples of a design space are tried to find one that meets its requirements."""


def check_module(module: Module, only: str | None = None) -> list[Diagnostic]:
    """All diagnostics of a module: of every arch and variant in it, or of one."""
    found, tank = Collected(), Tank()
    found.add(module.all_problems())
    if only is None:
        found.add(module.static_problems())
    if any(d.code == "E0212" for d in found.diagnostics):  # what the cycle touches would recur for ever
        return in_order(found.diagnostics, module)
    names = [
        n
        for n, d in module.declarations.items()
        if isinstance(d, ast.ArchDef | ast.VariantDef) and (only is None or n == only)
    ]
    if only is not None and not names:
        names = [only]
    for name in names:
        try:
            target = definition(module, name)
        except Failure as failure:
            if failure.diagnostic is not None:
                found.add([failure.diagnostic])
            continue
        if only is None and _is_base(module, target):
            continue
        result = try_elaborate(target, tank)
        found.add(result.diagnostics)
        if result.costs is not None:
            found.add(claim_problems(target, result, tank))
        if tank.left < 0 or len(found.diagnostics) > MAX_DIAGNOSTICS:
            break
    return in_order(found.diagnostics, module)


def in_order(diagnostics: list[Diagnostic], module: Module) -> list[Diagnostic]:
    """By place in the module's file; those of other files last."""
    name = module.source.name
    return sorted(diagnostics, key=lambda d: (d.span.source.name != name, d.span.start))


@record(frozen=False)
class Tank:
    """The evaluation fuel all the elaborations of one check share."""

    left: int = FUEL

    def elaborate(self, target: Definition, **options: Any) -> Elaborated:
        """`elaborate` on what is left, FUEL at the most; no graph, as costs are all that is claimed."""
        result = elaborate(target, fuel=min(self.left, FUEL), graph=False, **options)
        self.left -= result.spent
        return result


class Collected:
    """Diagnostics in order, each once."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._seen: set[tuple[str, str, int, int, str]] = set()

    def add(self, more: list[Diagnostic]) -> None:
        for d in more:
            # a name is undefined once, however often it is used
            at = (0, 0) if d.code == "E0201" else (d.span.start, d.span.end)
            key = (d.code, d.span.source.name, *at, d.message)
            if key not in self._seen:
                self._seen.add(key)
                self.diagnostics.append(d)


def _is_base(module: Module, target: Definition) -> bool:
    """An arch that cannot be built alone but whose variants can: checked through them.

    A variant whose base is unknown may be one of them.
    """
    if target.variants:
        return False
    open_ = any(p.default is None and p.domain is None for p in target.arch.params)
    return open_ and any(
        isinstance(d, ast.VariantDef)
        and isinstance(d.base.function, ast.Name)
        and (d.base.function.id == target.arch.name or d.base.function.id not in module.claimed)
        for d in module.declarations.values()
    )


def try_elaborate(target: Definition, tank: Tank) -> Elaborated:
    """Elaborate with defaults; a design space through the first of its samples that is accepted."""
    spaces = any(p.domain is not None and p.default is None for p in target.arch.params)
    result: Elaborated | None = None
    if not spaces:
        result = tank.elaborate(target)
        if not any(d.code == "E0507" for d in result.diagnostics):
            return result
    for index in range(SAMPLES):
        try:
            return tank.elaborate(target, chooser=RandomChooser(0, index))
        except Rejected:
            continue
    return result or Elaborated(None, None, [])


def claim_problems(target: Definition, result: Elaborated, tank: Tank | None = None) -> list[Diagnostic]:
    """The `expect`s that do not hold."""
    found: list[Diagnostic] = []
    tank = tank or Tank()
    assert result.costs is not None  # the caller checked
    for claimed in result.claims:
        costs: Costs | None = result.costs
        if claimed.overrides:
            arguments = {k: v for k, v in claimed.overrides.items() if k != "input"}
            other = tank.elaborate(target, arguments=arguments, input=claimed.overrides.get("input"))
            found += [_of_override(d, claimed) for d in other.diagnostics if d.severity == "error"]
            costs = other.costs
        if costs is not None:
            found += _differences(target.name, claimed, costs)
    return found


def _of_override(diagnostic: Diagnostic, claimed: Claimed) -> Diagnostic:
    """An error that shows only with the arguments of one `expect`, which it names."""
    given = claimed.statement.overrides
    span = given[0].span.to(given[-1].span)
    if diagnostic.code in ("E0401", "E0405", "E0504", "E0513", "E0512"):  # they are themselves what is wrong
        return replace(diagnostic, span=span, label="")
    line, _ = span.source.position(span.start)
    return replace(
        diagnostic, notes=(*diagnostic.notes, f"only with `{span.text}`, as line {line} expects it")
    )


def _differences(name: str, claimed: Claimed, costs: Costs) -> list[Diagnostic]:
    found = []
    for claim in claimed.statement.claims:
        actual = METRICS[claim.metric](costs)
        if holds(actual, claim.value, claim.truncated):
            continue
        source = f' ("{claimed.statement.source}")' if claimed.statement.source else ""
        found.append(
            Diagnostic(
                "E0522",
                f"{name}: {claim.metric} is {actual:,}, not {claim.value.text}{source}",
                claim.span,
                f"it is {actual:,}",
                notes=_off(actual, claim.value),
            )
        )
    return found


def _off(actual: int, written: ast.Number) -> tuple[str, ...]:
    if not written.value:
        return ()
    return (f"it is off by {actual - written.value:+,.0f} ({(actual / written.value - 1) * 100:+.2g} %)",)


def unit_of(text: str) -> float:
    """The value of one in the last digit written: 10 for `1.23K`, 1 for `71_489_284`."""
    digits = text.replace("_", "").lower()
    scale = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}.get(digits[-1], 1)
    if scale != 1:
        digits = digits[:-1]
    mantissa, _, exponent = digits.partition("e")
    decimals = len(mantissa.partition(".")[2])
    power = int(exponent or 0) - decimals
    return float(scale * 10**power) if power >= 0 else scale / 10**-power


def holds(actual: int, written: ast.Number, truncated: bool) -> bool:
    """Whether an exact figure rounds half up (or truncates) to the digits written."""
    unit = unit_of(written.text)
    target = written.value
    if unit <= 1:
        return actual == target
    low = target if truncated else target - unit / 2
    return bool(low <= actual < low + unit)
