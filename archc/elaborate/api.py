"""What other layers call."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from archc.diagnostics import ArchError, Diagnostic, Source, Span
from archc.diagnostics.record import record
from archc.elaborate.arch import Elaborated, elaborate
from archc.elaborate.arch_statements import METRICS
from archc.elaborate.check import Collected, check_module, claim_problems, in_order
from archc.elaborate.choosers import RandomChooser
from archc.elaborate.definition import Definition, definition
from archc.elaborate.library import Library
from archc.elaborate.module import Module
from archc.elaborate.values import Failure, Rejected
from archc.ir import Graph
from archc.syntax import ast

MAX_DRAWS = 10_000


@record
class Loaded:
    """A graph with the warnings met on the way and the answers a sample gave."""

    graph: Graph
    warnings: tuple[Diagnostic, ...]
    answers: tuple[tuple[str, Any], ...] = ()


@record
class Entry:
    """A line of `archc list`. Figures are None where the arch needs arguments to be built."""

    name: str
    file: str
    kind: str
    input: tuple[int, ...] | None
    params: int | None
    macs: int | None
    activations: int | None
    info: dict[str, Any]
    doc: str


@cache
def library() -> Library:
    """The library of this process."""
    return Library()


def load(
    spec: str | Path,
    *,
    input: tuple[int, ...] | None = None,
    sample: int | None = None,
    **arguments: Any,
) -> Graph:
    """The graph of a spec: a path, `path:variant`, or a library name.

    input: (channels, height, width) instead of the declared size. sample: a seed that answers the open
    choices of a design space. arguments: of the arch; ops may be given by name. Raises ArchError.
    """
    return load_all(spec, input=input, sample=sample, arguments=arguments).graph


def load_all(
    spec: str | Path,
    *,
    input: tuple[int, ...] | None = None,
    sample: int | None = None,
    arguments: dict[str, Any] | None = None,
    expects: bool = False,
) -> Loaded:
    """`load`, with warnings; `expects` also checks the spec's claims. Raises ArchError."""
    try:
        module, name = library().locate(str(spec))
        problems = module.all_problems()
        if any(d.severity == "error" for d in problems):
            raise ArchError(problems)
        target = definition(module, name or main_name(module))
        result = _elaborate(target, arguments or {}, input, sample)
    except Failure as failure:
        raise ArchError([failure.diagnostic] if failure.diagnostic else []) from None
    if result.graph is None:
        raise ArchError(in_order(result.diagnostics, module))
    if expects and input is None and sample is None and not arguments:
        problems = claim_problems(target, result)
        if problems:
            raise ArchError([*result.diagnostics, *problems])
    return Loaded(result.graph, tuple(result.diagnostics), tuple(result.answers.items()))


def _elaborate(
    target: Definition, arguments: dict[str, Any], input: tuple[int, ...] | None, sample: int | None
) -> Elaborated:
    if sample is None:
        return elaborate(target, arguments=arguments, input=input)
    rejected = ""
    for index in range(MAX_DRAWS):
        try:
            return elaborate(target, arguments=arguments, input=input, chooser=RandomChooser(sample, index))
        except Rejected as rejection:
            rejected = str(rejection)
    raise Failure(
        Diagnostic(
            "E0523", f"none of {MAX_DRAWS:,} samples meets the requirements", target.span,
            notes=(f"the last one failed `{rejected}`",),
        )
    )  # fmt: skip


def no_arch(name: str) -> Diagnostic:
    """What is said of a file without an arch."""
    return Diagnostic(
        "E0501", f"{name} declares no arch", Span(Source(name, ""), 0, 0),
        help=("a spec holds at least one `arch name() { … }`",),
    )  # fmt: skip


def main_name(module: Module) -> str:
    """What a file means when no name is given: the arch named like the file, else the only or last one.

    Raises Failure when the file declares none.
    """
    names = [n for n, d in module.declarations.items() if isinstance(d, ast.ArchDef | ast.VariantDef)]
    stem = Path(module.source.name).stem
    if stem in names:
        return stem
    archs = [n for n in names if isinstance(module.declarations[n], ast.ArchDef)]
    buildable = [n for n in archs if _buildable(module.declarations[n])]
    for candidates in (buildable, [n for n in names if n not in archs], archs):
        if candidates:
            return candidates[0]
    raise Failure(no_arch(module.source.name))


def _buildable(declaration: Any) -> bool:
    return all(p.default is not None for p in declaration.params)


def check(spec: str | Path) -> list[Diagnostic]:
    """Every diagnostic of a spec: all its archs and variants, or the one named. Never raises for mistakes."""
    try:
        module, name = library().locate(str(spec))
    except ArchError as error:
        return list(error.diagnostics)
    found = check_module(module, name)
    if not found and not module.tree.statements:  # one of blocks alone is for others to import
        return [no_arch(module.source.name)]
    return found


def check_text(text: str, name: str = "<text>") -> list[Diagnostic]:
    """`check` of text that is in no file; imports find the shipped library only."""
    from archc.syntax.parse import parse

    source = Source(name, text)
    tree, problems = parse(source)
    module = Module(library(), source, tree, problems, 0, False, beside=False)
    found = Collected()
    for statement in tree.statements:
        if isinstance(statement, ast.Import):
            try:
                library().import_module(module, statement)
            except Failure as failure:
                if failure.diagnostic is not None:
                    found.add([failure.diagnostic])
    found.add(check_module(module))
    return found.diagnostics


def library_names() -> list[str]:
    """Every name `load` finds in the shipped library."""
    return list(library().names())


def catalog(pattern: str = "*") -> Iterator[Entry]:
    """The library's archs and variants whose name matches, in order of file and declaration."""
    for name, path in library().names().items():
        if fnmatchcase(name, pattern):
            yield _entry(library().shipped(path), name)


def _entry(module: Module, name: str) -> Entry:
    target = definition(module, name)
    result = elaborate(target)
    graph = result.graph
    kind = "variant" if target.variants else "arch"
    if graph is None:
        return Entry(name, module.source.name, kind, None, None, None, None, {}, target.doc)
    return Entry(
        name, module.source.name, kind, graph.inputs[0].shape, METRICS["params"](graph), METRICS["macs"](graph),
        METRICS["activations"](graph), dict(graph.info), graph.doc,
    )  # fmt: skip
