"""A network of a space as a spec: a variant of the space where its arguments tell all, else flat."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from archc.diagnostics import Source
from archc.elaborate import library
from archc.ir import Graph
from archc.spaces.flat import flat_text
from archc.spaces.literal import literal
from archc.spaces.point_text import to_line
from archc.spaces.space import Draw, Space
from archc.syntax import ast
from archc.syntax.format import format_source

_DOC = re.compile(r'\s*""".*?"""', re.DOTALL)


def written(
    space: Space,
    draw: Draw,
    graph: Callable[[], Graph],
    name: str,
    doc: str,
    source: str,
    *,
    expand: bool = False,
    alone: bool = False,
) -> str:
    """The spec, in canonical form, its figures expected.

    graph: makes the network; asked only where its ops are written. source: what the figures are said to come from.
    expand: without blocks and imports. alone: a space of the user's own is copied into the spec, not imported.
    """
    expect = (
        f"expect params = {draw.params:_}, macs = {draw.macs:_}, activations = {draw.activations:_} from "
        f'"{source}"'
    )
    flat = expand or not draw.complete or space.request.input is not None or not importable(space)
    alone = alone and is_local(space) and not flat
    statements = (_info(space, draw, alone), expect) if draw.point else (expect,)
    if flat:
        return flat_text(graph(), name, doc, statements)
    lines = [f'"""{doc}"""', *([_declarations(space)] if alone else _imports(space, draw))]
    arguments = ", ".join(f"{key} = {text}" for key, text in draw.arguments)
    lines += ["", f"variant {name} = {space.name}({arguments}) {{"]
    lines += [*(f"  {statement}" for statement in statements), "}"]
    return format_source(Source(name, "\n".join(lines) + "\n"))


def _imports(space: Space, draw: Draw) -> list[str]:
    imports: dict[str, set[str]] = {_module_of(space): {space.name}}
    for module, op in draw.imports:
        imports.setdefault(module, set()).add(op)
    return [f"from {module} import {', '.join(sorted(names))}" for module, names in imports.items()]


def _declarations(space: Space) -> str:
    """The text of a space's file without its docstring and variants, its comments included."""
    source, tree = space.module.source.text, space.module.tree
    gone = [s.span for s in tree.statements if isinstance(s, ast.VariantDef)]
    start = _DOC.match(source)
    kept, at = [], start.end() if start and tree.doc else 0
    for span in sorted(gone, key=lambda s: s.start):
        kept.append(source[at : span.start])
        at = span.end
    return "".join([*kept, source[at:]]).strip("\n")


def _info(space: Space, draw: Draw, alone: bool) -> str:
    """What tells `archc mutate` which point of which space this is: `:name` is one in the same file."""
    info = {"space": f":{space.name}" if alone else space.request.space, "point": draw.point}
    if space.given:
        info["arguments"] = to_line(
            {k: list(v) if isinstance(v, tuple) else v for k, v in space.given.items()}
        )
    return "info " + ", ".join(f"{key} = {literal(value)}" for key, value in info.items())


def _module_of(space: Space) -> str:
    source = space.module.source.name
    return Path(source).stem if is_local(space) else library().import_name(source)


def is_local(space: Space) -> bool:
    return Path(space.request.space.partition(":")[0]).suffix == ".arch"


def importable(space: Space) -> bool:
    """Whether a spec in another directory can name the space: a shipped one, or one file that stands alone."""
    if not is_local(space):
        return True
    stem = Path(space.module.source.name).stem
    root = library().root
    shipped = {p.relative_to(root).with_suffix("").parts for p in root.rglob("*.arch")}
    return stem.isidentifier() and all(s.module in shipped for s, _ in space.module.imports.values())
