"""Comparing a compiled network with another implementation of it, operator by operator.

Both run on the same input. Whenever a module of ours is about to run, the module of theirs that read the
same values is looked up, and its weights are copied: the order of branches does not matter, and the first
operator that reads or makes something else is known by name.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from archc.backends.torch_plan import module_paths, plan
from archc.diagnostics import NOWHERE, ArchError, Diagnostic
from archc.ir import Graph, Node
from archc.measure.matching import TOLERANCE, Matching, unlike
from archc.measure.recording import Call, Recorder, first_tensor, own_tensors
from archc.measure.weights import COUNTER, Keymap, randomise


@dataclass(frozen=True, slots=True)
class Difference:
    """A parameter that two matched modules do not share.

    ours, theirs: the modules' paths. op: ours, as specs write it, such as `batch_norm`; for a module that was
    not compiled, its class. parameter: as specs write it, such as `eps`.
    """

    ours: str
    theirs: str
    op: str
    parameter: str
    our_value: object
    their_value: object


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first place where the networks part.

    ours, theirs: modules; "" is the network itself, after its last module, or for theirs that none matches.
    where: "input" (something before the module differs) or "output" (the module itself does). error: relative.
    our_ops, their_ops: what ran just before, as far as known; differences: the module's own.
    """

    ours: str
    theirs: str
    where: str
    error: float
    differences: tuple[Difference, ...]
    our_ops: tuple[str, ...]
    their_ops: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What `parity` found. error: the largest relative error of the main outputs, in float64.

    our_shape, their_shape: of the main outputs, batch first. matched: modules with weights that found a
    partner, of `modules`. only_ours, only_theirs: state-dict keys without one.
    """

    error: float
    our_shape: tuple[int, ...]
    their_shape: tuple[int, ...]
    matched: int
    modules: int
    keymap: Keymap
    differences: tuple[Difference, ...]
    first: Divergence | None
    only_ours: tuple[str, ...]
    only_theirs: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Equal to the tolerance, with every tensor on both sides accounted for."""
        return self.error <= TOLERANCE and not self.only_ours and not self.only_theirs


def parity(ours: nn.Module, theirs: nn.Module, *inputs: Tensor, seed: int = 0) -> Report:
    """Fill `theirs` with random weights, copy them into `ours` and compare everything on the way.

    inputs: batches for both. Runs in eval mode and float64; `theirs` gets its weights, types and mode back,
    ours keeps the copied weights. Modules that run in training only (auxiliary heads) are matched by order.
    Raises ArchError: E0610 when theirs cannot run on the inputs or gives no tensor.
    """
    with _borrowed(theirs), _mode(ours):
        ours.double()
        theirs.double()
        randomise(theirs, seed)
        arguments = [x.double() for x in inputs]
        theirs_run = Recorder(theirs)
        with theirs_run.running():
            expected = _run_theirs(theirs.eval(), arguments)
        matching = Matching([replace(call, tensors=dict(call.tensors)) for call in theirs_run.calls])
        ours_run = Recorder(ours, matching.take)
        with ours_run.running(), torch.no_grad():
            result = first_tensor(ours.eval()(*arguments))
        assert result is not None, "a compiled network gives tensors"
        matching.errors[""] = _error(result, expected)
        if any(key.rpartition(".")[0] not in {c.name for c in ours_run.calls} for key in ours.state_dict()):
            _match_training(ours_run, theirs_run, arguments, matching)
        return _report(ours_run, theirs_run, matching, tuple(result.shape), tuple(expected.shape))


def _run_theirs(theirs: nn.Module, inputs: list[Tensor]) -> Tensor:
    """Their first output."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # for the tensors a forward makes itself
    try:
        with torch.no_grad():
            found = first_tensor(theirs(*inputs))
    except Exception as error:  # whatever foreign code raises is told, not passed on
        text = f"{type(theirs).__name__} does not run on {_sizes(inputs)}: {type(error).__name__}: {error}"
        raise ArchError([Diagnostic("E0610", text, NOWHERE)]) from error
    finally:
        torch.set_default_dtype(before)
    if found is None:
        raise ArchError([Diagnostic("E0610", f"{type(theirs).__name__} returns no tensor", NOWHERE)])
    return found


def _sizes(inputs: Iterable[Tensor]) -> str:
    return " and ".join("×".join(map(str, x.shape)) for x in inputs)


def _match_training(
    ours_run: Recorder, theirs_run: Recorder, inputs: list[Tensor], matching: Matching
) -> None:
    """Match modules that run in training mode alone (auxiliary heads), by execution order and shapes."""
    # two examples at least, or a normalisation over 1x1 maps has nothing to average
    batch = [torch.cat([x, x]) if len(x) < 2 else x for x in inputs]
    sides: list[list[Call]] = []
    for run in (ours_run, theirs_run):
        before = copy.deepcopy(run.network.state_dict())
        recorder = Recorder(run.network)
        with recorder.running():
            _run_theirs(run.network.train(), batch)
        run.network.load_state_dict(before)
        in_eval = {call.name for call in run.calls}
        sides.append([call for call in recorder.calls if call.name not in in_eval])
    matching.waiting = sides[1]
    for mine in sides[0]:
        mine.read = None  # dropout makes values differ, so the order decides
        matching.take(mine)


def _report(
    ours_run: Recorder,
    theirs_run: Recorder,
    matching: Matching,
    our_shape: tuple[int, ...],
    their_shape: tuple[int, ...],
) -> Report:
    ours, theirs = ours_run.network, theirs_run.network
    structure = _Structure.of(ours)
    differences = tuple(
        Difference(
            mine.name, other.name, structure.op(mine), parameter, structure.given(mine, parameter, a), b
        )
        for mine, other in matching.pairs
        for parameter, a, b in unlike(mine, other)
    )
    error = matching.errors[""]
    first = _first_divergence(ours_run.calls, matching, differences, structure)
    if first is None and error > TOLERANCE:
        first = Divergence("", "", "output", error, (), structure.ops_before(""), tuple(theirs_run.stateless))
    reached = {target.key for target in matching.keymap.values()}
    only_ours = tuple(k for k in ours.state_dict() if k not in reached and not k.endswith(COUNTER))
    return Report(
        error,
        our_shape,
        their_shape,
        len(matching.pairs),
        sum(bool(own_tensors(module)) for module in ours.modules()),
        matching.keymap,
        differences,
        first,
        only_ours,
        tuple(k for k in theirs.state_dict() if k not in matching.keymap),
    )


def _first_divergence(
    calls: list[Call], matching: Matching, differences: tuple[Difference, ...], structure: _Structure
) -> Divergence | None:
    partner = {mine.name: other for mine, other in matching.pairs}
    for call in calls:
        name, other = call.name, partner.get(call.name)
        if other is None:
            return Divergence(name, "", "input", float("inf"), (), structure.ops_before(name), ())
        where, error = "input", matching.errors[name]
        if error <= TOLERANCE and call.made and other.made:
            readers = structure.readers.get(name)
            if readers and all(matching.errors.get(r, 1.0) <= TOLERANCE for r in readers):
                continue  # what it made may look different: theirs holds the activation too
            where, error = "output", call.made.distance(other.made)
        if error > TOLERANCE:
            own = tuple(d for d in differences if d.ours == name)
            return Divergence(name, other.name, where, error, own, structure.ops_before(name), other.between)
    return None


def modules_of(graph: Graph) -> dict[str, Node]:
    """The nodes with weights, by the path of the module that runs each."""
    paths = module_paths(plan(graph))
    return {
        path: node for i, path in paths.items() if (node := graph.nodes[i]).cost.params or node.cost.buffers
    }


@dataclass(frozen=True)
class _Structure:
    """What the graph of a compiled network knows of its modules with weights; empty for other modules.

    nodes: by module path. readers: for each module those that read what it made, through ops without weights;
    "" stands for the network's main output.
    """

    graph: Graph | None
    nodes: dict[str, Node]
    readers: dict[str, set[str]]

    @classmethod
    def of(cls, module: nn.Module) -> _Structure:
        graph: Graph | None = getattr(module, "archc_graph", None)
        if graph is None:
            return cls(None, {}, {})
        nodes = modules_of(graph)
        paths = {node.id: path for path, node in nodes.items()}
        readers: dict[str, set[str]] = {}
        carried: dict[int, set[str]] = {}
        for node in graph.nodes:
            sources: set[str] = set().union(*(carried[i] for i in node.inputs))
            path = paths.get(node.id)
            for source in sources if path is not None else ():
                readers.setdefault(source, set()).add(str(path))
            carried[node.id] = sources if path is None else {path}
        for source in carried[graph.outputs[0].node]:
            readers.setdefault(source, set()).add("")
        return cls(graph, nodes, readers)

    def op(self, call: Call) -> str:
        """The op of a module as specs write it."""
        node = self.nodes.get(call.name)
        return node.op.name if node else type(call.module).__name__

    def given(self, call: Call, parameter: str, value: object) -> object:
        """A parameter's value as specs write it: padding that depends on the input is 0 in torch's module."""
        node = self.nodes.get(call.name)
        return "same" if node and node.op.arguments().get(parameter) == "same" else value

    def ops_before(self, name: str) -> tuple[str, ...]:
        """The ops without weights that ran between the last one with weights and a module ("": the output)."""
        if self.graph is None:
            return ()
        stateful = {node.id for node in self.nodes.values()}
        node = self.nodes.get(name)
        waiting = list(node.inputs if node else (self.graph.outputs[0].node,))
        found: set[int] = set()
        last = 0
        while waiting:
            at = waiting.pop()
            if at in stateful or self.graph.nodes[at].op.kind == "input":
                last = max(last, at)
            elif at not in found:
                found.add(at)
                waiting += self.graph.nodes[at].inputs
        return tuple(self.graph.nodes[i].op.label() for i in sorted(found) if i > last)


def _error(result: Tensor, expected: Tensor) -> float:
    """Largest absolute difference over the largest absolute value; infinite where the shapes differ."""
    if result.shape != expected.shape:
        return float("inf")
    apart = float((result - expected).abs().max() / expected.abs().max().clamp_min(1e-30))
    return apart if apart == apart else float("inf")


@contextmanager
def _mode(module: nn.Module) -> Iterator[None]:
    """Give the module its training flags and number types back afterwards."""
    training = [(part, part.training) for part in module.modules()]
    types = {name: tensor.dtype for name, tensor in _tensors(module)}
    try:
        yield
    finally:
        for part, flag in training:
            part.training = flag
        for name, tensor in _tensors(module):
            if name in types:
                tensor.data = tensor.data.to(types[name])


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


@contextmanager
def _borrowed(module: nn.Module) -> Iterator[None]:
    """Give the module its weights back too."""
    # a deep copy keeps the versions that some modules' loading asks for
    before = copy.deepcopy(module.state_dict())
    with _mode(module):
        try:
            yield
        finally:
            module.load_state_dict(before)
