"""The passes by name, and the orders in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from archc.diagnostics import NOWHERE, ArchError, Diagnostic, did_you_mean
from archc.ir.graph import Graph
from archc.passes.draft import Rewrite
from archc.passes.drop import drop_identities, drop_training
from archc.passes.fold_norm import fold_norm
from archc.passes.fold_scales import fold_scales, place_scales
from archc.passes.fold_weight_standardisation import fold_weight_standardisation
from archc.passes.merge import common_subexpressions, dead_code
from archc.passes.merge_convs import merge_branches, merge_parallel

Pass = Callable[[Graph], Rewrite]

DEPLOY: tuple[Pass, ...] = (
    drop_training,
    drop_identities,
    common_subexpressions,
    fold_weight_standardisation,
    fold_norm,
    fold_scales,
    merge_branches,
    merge_parallel,
    dead_code,
)
"""What makes a network for inference from a trained one."""

TRAINING: tuple[Pass, ...] = (place_scales,)
"""What keeps every parameter and every gradient: the form that trains fast."""

PASSES: dict[str, Pass] = {p.__name__: p for p in (*DEPLOY, place_scales)}
"""All passes by name."""


def optimize(graph: Graph, passes: Iterable[Pass] = DEPLOY) -> Rewrite:
    """The passes applied in order, as one rewrite; the graph's `info` names them."""
    passes = tuple(passes)
    made = _applied(graph, passes)
    named = ("passes", ", ".join(step.__name__ for step in passes))
    return replace(made, graph=replace(made.graph, info=(*graph.info, named)))


def training_form(graph: Graph) -> Graph:
    """The same network with the same parameters, cheaper to train: what `TRAINING` makes of it."""
    return _applied(graph, TRAINING).graph


def _applied(graph: Graph, passes: Iterable[Pass]) -> Rewrite:
    made = Rewrite(graph, (), (), tuple((n.id, n.id) for n in graph.nodes))
    for step in passes:
        made = made.then(step)
    return made


def passes_named(names: Iterable[str]) -> tuple[Pass, ...]:
    """Passes by name; `deploy` and `training` stand for all of theirs. Raises ArchError (E0721)."""
    pipelines = {"deploy": DEPLOY, "training": TRAINING}
    found: list[Pass] = []
    for name in names:
        if name not in PASSES and name not in pipelines:
            help = did_you_mean(name, [*PASSES, *pipelines]) or ("`archc optimize SPEC` lists the passes",)
            raise ArchError([Diagnostic("E0721", f"there is no pass `{name}`", NOWHERE, help=help)])
        found += pipelines.get(name) or (PASSES[name],)
    return tuple(found)
