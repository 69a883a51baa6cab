"""A design space: where its samples come from, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from archc.analyses.sections import sections
from archc.diagnostics import ArchError, Diagnostic, Source, Span
from archc.elaborate import library
from archc.elaborate.api import main_name
from archc.elaborate.arch import Drawn, draw, elaborate
from archc.elaborate.choosers import RandomChooser
from archc.elaborate.definition import Definition, definition
from archc.elaborate.module import Module
from archc.elaborate.statements import free_names
from archc.elaborate.values import Failure, OpValue
from archc.ir import Graph
from archc.ops.base import Cost
from archc.spaces.canonical import canonical_hash
from archc.spaces.literal import literal, ops_in
from archc.spaces.point_text import to_line
from archc.syntax import ast
from archc.syntax.parse import parse_expression


@dataclass(frozen=True)
class Request:
    """What to draw: plain values, so that it travels to other processes and says all that a draw depends on.

    space: a file, `file:name` or a library name. requires: constraints beside the space's own. arguments:
    parameters that are not drawn.
    """

    space: str
    seed: int = 0
    requires: tuple[str, ...] = ()
    arguments: tuple[tuple[str, Any], ...] = ()
    input: tuple[int, ...] | None = None

    def __hash__(self) -> int:
        return hash((self.space, self.seed, self.requires, self.input))  # arguments may be lists


@dataclass(frozen=True, slots=True)
class Draw:
    """An accepted sample: the `index`-th draw of its space and seed.

    arguments: what was drawn or given, as expressions of the language. imports: ops these mention, by module.
    widths, depths: of the stages. digest: the canonical hash of its graph. complete: the arguments alone give the
    network again, as nothing was picked elsewhere. point: where something was picked, all answers on one line.
    """

    index: int
    arguments: tuple[tuple[str, str], ...]
    imports: tuple[tuple[str, str], ...]
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    params: int
    macs: int
    activations: int
    digest: str
    complete: bool
    point: str = ""


class Space:
    """A design space ready to be drawn from; raises ArchError where the request makes no sense."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.module, self.name = find(request.space)
        errors = [d for d in self.module.problems if d.severity == "error"]
        if errors:
            raise ArchError(self.module.problems)
        try:
            self.target = definition(self.module, self.name)
        except Failure as failure:
            raise ArchError([failure.diagnostic] if failure.diagnostic else []) from None
        self.requires = tuple(_requirement(text) for text in request.requires)
        self.given = dict(request.arguments)
        self.open = _open_parameters(self.target, self.given)
        if not self.open and not _picks(self.target):
            help = "a space has parameters with domains, `d: int in 1..=16`, or picks, and leaves them open"
            raise ArchError(
                [Diagnostic("E0524", f"{self.name} leaves nothing to draw", self.target.span, "", (help,))]
            )

    @property
    def parameters(self) -> frozenset[str]:
        """The parameters with domains: what a point answers by values."""
        return frozenset(p.name for p in self.target.arch.params if p.domain is not None)

    @property
    def requirements(self) -> list[str]:
        """The conditions a sample must meet, as written: the space's own, then those of the request."""
        own = [s for s in self.target.arch.body if isinstance(s, ast.Require)]
        return [" ".join(r.condition.span.text.split()) for r in (*own, *self.requires)]

    @cached_property
    def needs_all(self) -> bool:
        """Whether choices are met, or requirements tested, after the first tensor."""
        return bool(self.requirements) or _picks(self.target) or _picks_elsewhere(self.target.module)

    @property
    def published_size(self) -> str:
        """The size its `info published_size` states."""
        bindings = [b for s in self.target.arch.body if isinstance(s, ast.Info) for b in s.bindings]
        found = [b.value for b in bindings if b.name == "published_size"]
        return found[0].value if found and isinstance(found[0], ast.String) else ""

    def possible(self, index: int) -> None:
        """Draw, and check what can be checked before the first tensor; raises Rejected."""
        self._draw(index, False)

    def draw(self, index: int) -> Draw:
        """The draw of that index; raises Rejected, or ArchError where the network is invalid."""
        drawn = self._draw(index, True)
        return self.described(index, drawn.arguments, drawn.answers, self.graph(index))

    def described(self, index: int, arguments: dict[str, Any], answers: dict[str, Any], graph: Graph) -> Draw:
        """A network of the space as a Draw: the arguments and the answers that made it, and its graph."""
        values = {n: v for n, v in arguments.items() if n in self.open or n in self.given}
        places = [
            s for s in sections(graph) if s.scope and graph.scopes[s.scope].name not in ("stem", "head")
        ]
        return Draw(
            index,
            tuple((name, literal(value)) for name, value in values.items()),
            tuple(sorted({pair for value in values.values() for pair in _imports(value)})),
            tuple(s.shape[0] for s in places),
            tuple(s.repeats for s in places),
            graph.cost.params,
            graph.cost.macs,
            graph.cost.activations,
            canonical_hash(graph),
            all(path.partition("[")[0] in self.open for path in answers),
            to_line(answers) if any(isinstance(answer, tuple) for answer in answers.values()) else "",
        )

    def sampled(self, index: int) -> Drawn:
        """The arguments and cost of a draw, its graph not built; raises as `draw`."""
        return self._draw(index, True)

    def cost(self, index: int) -> Cost:
        """The cost of a draw, its graph not built; raises as `draw`."""
        return self.sampled(index).cost

    def graph(self, index: int) -> Graph:
        """The network of a draw that was accepted; raises ArchError where it is invalid."""
        chooser = RandomChooser(self.request.seed, index)
        made = elaborate(self.target, arguments=self.given, input=self.request.input, chooser=chooser)
        if made.graph is None:
            raise ArchError(made.diagnostics)
        return made.graph

    def build(self, arguments: dict[str, Any]) -> Graph:
        """The network of some arguments beside those given. Raises ArchError."""
        made = elaborate(self.target, arguments={**self.given, **arguments}, input=self.request.input)
        if made.graph is None:
            raise ArchError(made.diagnostics)
        return made.graph

    def _draw(self, index: int, cost: bool) -> Drawn:
        chooser = RandomChooser(self.request.seed, index)
        return draw(
            self.target,
            chooser,
            arguments=self.given,
            input=self.request.input,
            requires=self.requires,
            cost=cost,
        )


@lru_cache(maxsize=8)
def space(request: Request) -> Space:
    """The Space of a request, made once in a process."""
    return Space(request)


def find(name: str) -> tuple[Module, str]:
    """The module of a space and what it is called there: among the shipped spaces first, then as any spec.

    Raises ArchError.
    """
    shipped = library().root / "spaces" / f"{name}.arch"
    if name.isidentifier() and shipped.is_file():
        module = library().shipped(shipped)
        found: str | None = None
    else:
        module, found = library().locate(name)
    try:
        return module, found or main_name(module)
    except Failure as failure:
        raise ArchError([failure.diagnostic] if failure.diagnostic else []) from None


def _requirement(text: str) -> ast.Require:
    source = Source("--require", text)
    return ast.Require(parse_expression(text, "--require"), span=Span(source, 0, len(text)))


def _open_parameters(target: Definition, given: dict[str, Any]) -> frozenset[str]:
    """Parameters that every draw answers anew."""
    order = [p.name for p in target.arch.params]
    bound: dict[str, bool] = {}  # whether by something that picks
    for variant, _ in target.layers:
        for i, argument in enumerate(variant.base.args):
            name = argument.name or (order[i] if i < len(order) else "")
            bound[name] = "pick" in set(free_names(argument.value))
    bound |= dict.fromkeys(given, False)
    return frozenset(
        p.name
        for p in target.arch.params
        if bound.get(
            p.name,
            (p.default is None and p.domain is not None) or "pick" in set(free_names(p.default)),
        )
    )


def _picks(target: Definition) -> bool:
    """Whether something is picked in the arch's body; blocks and functions are taken at their word."""
    return "pick" in set(free_names(target.arch.body)) or _blocks_pick(target.module)


def _blocks_pick(module: Module) -> bool:
    declared = (d for d in module.declarations.values() if isinstance(d, ast.BlockDef | ast.FnDef))
    return any("pick" in d.span.text for d in declared)


def _picks_elsewhere(module: Module) -> bool:
    """Whether something may be picked in the blocks and functions of the modules that one imports."""
    known, left = {module.source.name}, [module]
    while left:
        at = left.pop()
        for statement, _ in at.imports.values():
            found = at.library.import_module(at, statement)
            if found.source.name not in known:
                known.add(found.source.name)
                left.append(found)
                if _blocks_pick(found):
                    return True
    return False


def _imports(value: Any) -> list[tuple[str, str]]:
    """(module, name) of the blocks a value mentions, as an import from elsewhere would say it."""
    found = []
    for op in ops_in(value):
        if isinstance(op, OpValue):
            definition_ = getattr(op.target, "definition", None)
            if definition_ is not None:
                found.append((library().import_name(definition_.name_span.source.name), op.target.name))
    return found
