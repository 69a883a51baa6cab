"""Comparing a compiled network with another implementation of it, operator by operator.

Both run on the same input. Whenever a module of ours is about to run, the module of theirs that read the
same values is looked up, and its weights are copied: the order of branches does not matter, and the first
operator that reads or makes something else is known by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from archc.backends.torch_plan import module_paths, plan
from archc.ir import Graph
from archc.measure.recording import Call, Recorder
from archc.measure.weights import Keymap, Target, randomise

TOLERANCE = 1e-6
"""Largest relative error that counts as equal, in float64."""

NEAR = 0.2  # relative error up to which a differing input still tells which module is meant

ATTRIBUTES = (
    "kernel_size", "stride", "padding", "dilation", "groups", "output_padding", "eps", "momentum", "num_groups",
    "affine", "track_running_stats", "negative_slope",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """An attribute that two matched modules do not share."""

    ours: str
    theirs: str
    attribute: str
    our_value: object
    their_value: object


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first place where the networks part.

    where: "input" (something before the module differs) or "output" (the module itself does). error: relative.
    our_ops, their_ops: what ran just before, as far as known; attributes: the module's own differences.
    """

    ours: str
    theirs: str
    where: str
    error: float
    attributes: tuple[Difference, ...]
    our_ops: tuple[str, ...]
    their_ops: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What `parity` found. error: the largest relative error of the main outputs, in float64."""

    error: float
    matched: int
    keymap: Keymap
    differences: tuple[Difference, ...]
    first: Divergence | None
    only_ours: tuple[str, ...]
    only_theirs: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Equal to the tolerance, with every tensor on both sides accounted for."""
        return self.error <= TOLERANCE and not self.only_ours and not self.only_theirs


@dataclass
class _Matching:
    """Their calls not yet spoken for, and what the matched ones gave."""

    waiting: list[Call]
    keymap: Keymap = field(default_factory=dict)
    pairs: list[tuple[Call, Call]] = field(default_factory=list)
    errors: dict[str, float] = field(default_factory=dict)

    def take(self, ours: Call) -> None:
        """Match one of our modules about to run, and copy the weights into it."""
        found = self._find(ours)
        if found is None:
            return
        error, theirs, assigned = found
        for mine, other in assigned.items():
            here, there = ours.tensors[mine], theirs.tensors.pop(other)
            with torch.no_grad():
                here.copy_(there.reshape(here.shape))
            target = Target(_key(ours, mine), None if here.shape == there.shape else tuple(here.shape))
            self.keymap[_key(theirs, other)] = target
        if theirs.leaf or not theirs.tensors:
            self.waiting.remove(theirs)
        self.pairs.append((ours, theirs))
        self.errors[ours.name] = error

    def _find(self, ours: Call) -> tuple[float, Call, dict[str, str]] | None:
        """Their module that read what ours reads, else the nearest, else the next of the same tensors."""
        fits = [(t, a) for t in self.waiting if (a := assign(ours.tensors, t)) is not None]
        scored = [(ours.read.distance(t.read), t, a) for t, a in fits if ours.read and t.read]
        # branches may begin with tensors of one shape (RegNet's projection): their attributes tell them apart
        equals = [row for row in scored if row[0] <= TOLERANCE]
        equal = min(equals, key=lambda row: len(list(_differences(ours, row[1]))), default=None)
        # a parameter of a module around others (a layer scale): what that module read says nothing
        outer = next(((0.0, t, a) for t, a in fits if not t.leaf), None)
        nearest = min(scored, key=lambda row: row[0], default=None)
        close = nearest if nearest and nearest[0] <= NEAR else None
        apart = nearest[0] if nearest else float("inf")
        return equal or outer or close or next(((apart, t, a) for t, a in fits), None)


def parity(ours: nn.Module, theirs: nn.Module, *inputs: Tensor, seed: int = 0) -> Report:
    """Fill `theirs` with random weights, copy them into `ours` and compare everything on the way.

    inputs: batches for both. Runs in eval mode and float64; `theirs` gets its weights, types and mode back,
    ours keeps the copied weights. Modules that run in training only (auxiliary heads) are matched by order.
    """
    with _borrowed(theirs), _mode(ours):
        ours.double()
        theirs.double()
        randomise(theirs, seed)
        arguments = [x.double() for x in inputs]
        theirs_run = Recorder(theirs)
        with theirs_run.running(), torch.no_grad():
            expected = _main(theirs.eval()(*arguments))
        matching = _Matching([replace(call, tensors=dict(call.tensors)) for call in theirs_run.calls])
        ours_run = Recorder(ours, matching.take)
        with ours_run.running(), torch.no_grad():
            result = _main(ours.eval()(*arguments))
        if any(key.rpartition(".")[0] not in {c.name for c in ours_run.calls} for key in ours.state_dict()):
            _match_training(ours_run, theirs_run, arguments, matching)
        return _report(ours, theirs, ours_run.calls, matching, _error(result, expected))


def assign(ours: dict[str, Tensor], theirs: Call) -> dict[str, str] | None:
    """Which tensor of theirs each of ours takes: the same name if it fits, else the first left that does.

    Counters they lack are left out. None when one of ours finds no partner.
    """
    found: dict[str, str] = {}
    free = dict(theirs.tensors)
    for exact in (True, False):
        for name, tensor in ours.items():
            if name not in found:
                names = [name] if exact else list(free)
                other = next((n for n in names if n in free and _alike(tensor, free[n])), None)
                if other is not None:
                    found[name] = other
                    del free[other]
    lacking = ours.keys() - found.keys() - {"num_batches_tracked"}
    return found if found and not lacking else None


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.squeeze().shape == b.squeeze().shape and a.is_floating_point() == b.is_floating_point()


def _key(call: Call, name: str) -> str:
    return f"{call.name}.{name}" if call.name else name


def _match_training(
    ours_run: Recorder, theirs_run: Recorder, inputs: list[Tensor], matching: _Matching
) -> None:
    """Match modules that run in training mode alone (auxiliary heads), by execution order and shapes."""
    sides: list[list[Call]] = []
    for run in (ours_run, theirs_run):
        before = {name: tensor.clone() for name, tensor in run.network.state_dict().items()}
        recorder = Recorder(run.network)
        with recorder.running(), torch.no_grad():
            # two examples, or a normalisation over 1x1 maps has nothing to average
            run.network.train()(*(torch.cat([x, x]) for x in inputs))
        run.network.load_state_dict(before)
        in_eval = {call.name for call in run.calls}
        sides.append([call for call in recorder.calls if call.name not in in_eval])
    matching.waiting = sides[1]
    for mine in sides[0]:
        mine.read = None  # dropout makes values differ, so the order decides
        matching.take(mine)


def _report(
    ours: nn.Module, theirs: nn.Module, calls: list[Call], matching: _Matching, error: float
) -> Report:
    partner = {mine.name: other for mine, other in matching.pairs}
    readers = _readers(ours)
    matching.errors[""] = error
    differences = tuple(d for mine, other in matching.pairs for d in _differences(mine, other))
    first = next(
        (d for call in calls if (d := _divergence(ours, call, partner, matching, differences, readers))),
        None,
    )
    reached = {target.key for target in matching.keymap.values()}
    return Report(
        error,
        len(matching.pairs),
        matching.keymap,
        differences,
        first,
        tuple(k for k in ours.state_dict() if k not in reached and not k.endswith("num_batches_tracked")),
        tuple(k for k in theirs.state_dict() if k not in matching.keymap),
    )


def _divergence(
    ours: nn.Module,
    call: Call,
    partner: dict[str, Call],
    matching: _Matching,
    differences: tuple[Difference, ...],
    readers: dict[str, set[str]],
) -> Divergence | None:
    other = partner.get(call.name)
    if other is None:
        return Divergence(call.name, "", "input", float("inf"), (), _ops_before(ours, call.name), ())
    where, error = "input", matching.errors[call.name]
    if error <= TOLERANCE and call.made and other.made:
        where, error = "output", call.made.distance(other.made)
        if call.name in readers and all(matching.errors.get(r, 1.0) <= TOLERANCE for r in readers[call.name]):
            return None  # theirs holds the activation too
    if error <= TOLERANCE:
        return None
    own = tuple(d for d in differences if d.ours == call.name)
    return Divergence(call.name, other.name, where, error, own, _ops_before(ours, call.name), other.between)


def _readers(ours: nn.Module) -> dict[str, set[str]]:
    """For each module with state, those that read what it made, through stateless ops; "" is the network's output."""
    graph: Graph | None = getattr(ours, "archc_graph", None)
    if graph is None:
        return {}
    paths = module_paths(plan(graph))
    found: dict[str, set[str]] = {}
    carried: dict[int, set[str]] = {}
    for node in graph.nodes:
        sources = set().union(*(carried[i] for i in node.inputs))
        path = paths.get(node.id)
        for source in sources if path is not None else ():
            found.setdefault(source, set()).add(str(path))
        carried[node.id] = sources if path is None else {path}
    for source in carried[graph.outputs[0].node]:
        found.setdefault(source, set()).add("")
    return found


def _ops_before(ours: nn.Module, name: str) -> tuple[str, ...]:
    """The stateless ops on the way into one of our modules, from the nearest modules with state."""
    graph: Graph | None = getattr(ours, "archc_graph", None)
    if graph is None:
        return ()
    paths = module_paths(plan(graph))
    waiting = [i for node in graph.nodes if paths.get(node.id) == name for i in node.inputs]
    found: set[int] = set()
    while waiting:
        at = waiting.pop()
        if at not in paths and at not in found and graph.nodes[at].op.kind != "input":
            found.add(at)
            waiting += graph.nodes[at].inputs
    return tuple(graph.nodes[i].op.label() for i in sorted(found))


def _differences(mine: Call, other: Call) -> Iterator[Difference]:
    for name in ATTRIBUTES:
        if hasattr(mine.module, name) and hasattr(other.module, name):
            a, b = getattr(mine.module, name), getattr(other.module, name)
            if _plain(a) != _plain(b):
                yield Difference(mine.name, other.name, name, a, b)


def _plain(value: object) -> object:
    """(3, 3) and 3 alike."""
    if isinstance(value, tuple | list) and len(set(value)) == 1:
        return value[0]
    return value


def _main(result: object) -> Tensor:
    """The first tensor of whatever a network returns."""
    while not isinstance(result, Tensor):
        if isinstance(result, dict):
            result = next(iter(result.values()))
        elif isinstance(result, tuple | list):
            result = result[0]
        else:
            raise TypeError(f"a network returned {type(result).__name__}, not a tensor")
    return result


def _error(result: Tensor, expected: Tensor) -> float:
    """Largest absolute difference over the largest absolute value; infinite where the shapes differ."""
    if result.shape != expected.shape:
        return float("inf")
    apart = float((result - expected).abs().max() / expected.abs().max().clamp_min(1e-30))
    return apart if apart == apart else float("inf")


@contextmanager
def _mode(module: nn.Module) -> Iterator[None]:
    """Give the module its training flag and number types back afterwards."""
    training = module.training
    types = {name: tensor.dtype for name, tensor in module.state_dict().items()}
    try:
        yield
    finally:
        module.train(training)
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if name in types:
                tensor.data = tensor.data.to(types[name])


@contextmanager
def _borrowed(module: nn.Module) -> Iterator[None]:
    """Give the module its weights back too."""
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with _mode(module):
        try:
            yield
        finally:
            module.load_state_dict(before)
