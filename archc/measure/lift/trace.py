"""A module, exported by torch.export on one input, as a program of archc's primitives."""

from __future__ import annotations

import re
import warnings
from typing import Any

import torch
from torch import Tensor, fx, nn

from archc.diagnostics import NOWHERE, ArchError, Diagnostic
from archc.measure.lift.program import Program, Step
from archc.measure.weights import COUNTER
from archc.ops.base import Op, OpError, Shape
from archc.ops.registry import registry


class Value:
    """A tensor of the network: `id` and shape as archc has them. last: stored with the channels last."""

    def __init__(self, id: int, shape: Shape, last: bool = False) -> None:
        self.id = id
        self.shape = shape
        self.last = last


class Unsupported(Exception):
    """What a node does has no primitive; says why."""


def trace(module: nn.Module, shapes: tuple[Shape, ...]) -> Program:
    """Export the module in eval mode for inputs of these shapes, and read every operator.

    Raises ArchError: E0631 torch.export cannot trace it, E0632 an operator has no primitive.
    """
    module = module.eval()
    dtype = next((p.dtype for p in module.parameters()), torch.float32)
    inputs = tuple(torch.zeros(2, *shape, dtype=dtype) for shape in shapes)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(module, inputs, strict=False)
    except Exception as error:  # whatever foreign code raises is what a user wants to be told
        told = str(error).strip().split("\n")[0]
        raise _error(
            "E0631", f"torch.export cannot trace the module: {type(error).__name__}: {told}"
        ) from error
    return Tracer(module, program).run(shapes)


class Tracer:
    """Walks the exported graph. env: what every fx node stands for: a Value, several, or None for weights.

    ahead: the same of nodes that were read together with one before them.
    """

    def __init__(self, module: nn.Module, program: torch.export.ExportedProgram) -> None:
        self.module = module
        self.graph = program.graph
        signature = program.graph_signature
        self.weights = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self.user_inputs = list(signature.user_inputs)
        self.user_outputs = list(signature.user_outputs)
        self.env: dict[fx.Node, Any] = {}
        self.ahead: dict[fx.Node, Any] = {}
        self.steps: dict[int, Step] = {}
        self.shapes: dict[int, Shape] = {}
        self.used: dict[str, str] = {}
        self.node: fx.Node

    def run(self, shapes: tuple[Shape, ...]) -> Program:
        """The program."""
        found: list[int] = []
        given = iter(shapes)
        for node in self.graph.nodes:
            self.node = node
            if node.op == "placeholder":
                if node.name in self.user_inputs:
                    value = self.new(next(given))
                    found.append(value.id)
                    self.env[node] = value
            elif node.op == "call_function":
                self.call(node)
        by_name = {node.name: node for node in self.graph.nodes}
        results = [self.env.get(by_name[name]) for name in self.user_outputs if name in by_name]
        outputs = tuple(v.id for v in results if isinstance(v, Value))
        if not outputs:
            raise _error("E0631", "the module gives no tensor that depends on its input")
        counters = [key for key in self.weights.values() if key.endswith(COUNTER)]
        read = frozenset(
            {*self.used, *(k for k in counters if k.replace(COUNTER, "running_mean") in self.used)}
        )
        return Program(tuple(found), _needed(self.steps, outputs), outputs, self.shapes, read)

    def new(self, shape: Shape, last: bool = False) -> Value:
        """A value not seen before."""
        value = Value(len(self.shapes), shape, last)
        self.shapes[value.id] = shape
        return value

    def call(self, node: fx.Node) -> None:
        """Read one operator; operators on weights alone are looked at when a convolution reads the result."""
        from archc.measure.lift import arrangements, layers  # noqa: F401  # entering their readers
        from archc.measure.lift.readers import OPERATORS

        data = [self.env[n] for n in node.all_input_nodes if self.env.get(n) is not None]
        if not data:
            return
        if node in self.ahead:
            self.env[node] = self.ahead[node]
            return
        packet = packet_of(node)
        inplace = packet.endswith("_") and not packet.endswith("__")
        name = packet.rstrip("_") if inplace else packet
        read = OPERATORS.get(
            name if str(node.target).startswith("aten.") else str(getattr(node.target, "__name__", ""))
        )
        if read is None:
            raise self.refusal(f"has no primitive for {node.target}")
        try:
            made = read(self, *node.args, **node.kwargs)
        except (Unsupported, OpError) as error:
            raise self.refusal(f"cannot express this {node.target}: {error}") from error
        except (TypeError, AttributeError, IndexError, KeyError) as error:
            raise self.refusal(f"cannot express this use of {node.target}") from error
        self.env[node] = made
        if inplace and isinstance(node.args[0], fx.Node):
            self.env[node.args[0]] = (
                made  # whoever reads the tensor from here on reads what was written into it
            )

    def refusal(self, what: str) -> ArchError:
        """The error for the operator at hand, with the path of its module."""
        path, classes = self.place()
        at = f"{'.'.join(path) or 'the module itself'} ({classes[-1] if classes else type(self.module).__name__})"
        return _error("E0632", f"archc {what}, in {at}")

    def place(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Path of the module that runs the node, and the classes on the way."""
        names: list[str] = []
        classes: list[str] = []
        for path, kind in (self.node.meta.get("nn_module_stack") or {}).values():
            parts = re.sub(r"@\d+", "", path).split(".") if path else []
            word = kind if isinstance(kind, str) else kind.__name__
            for part in parts[len(names) :]:
                names.append(part)
                classes.append("")
            if classes:
                classes[-1] = word.rpartition(".")[2]
        return tuple(names), tuple(classes)

    def value(self, node: Any) -> Value:
        """What a node stands for, where it is one tensor of the network."""
        found = self.env.get(node) if isinstance(node, fx.Node) else None
        if not isinstance(found, Value):
            raise Unsupported("an input is no tensor of the network")
        return found

    def is_weight(self, node: Any) -> bool:
        """Whether a node depends on weights and constants only."""
        return isinstance(node, fx.Node) and self.env.get(node) is None

    def weight(self, node: Any) -> Tensor | None:
        """The parameter or buffer that a node is; None for None; each may be used once."""
        if node is None:
            return None
        key = self.weights.get(node.name) if isinstance(node, fx.Node) else None
        if key is None:
            raise Unsupported("its weights are computed")
        user = self.node.name
        if self.used.setdefault(key, user) != user:
            raise Unsupported(f"{key} is used a second time, and archc does not share weights")
        return self.lookup(key)

    def viewed_weight(self, node: Any) -> Tensor:
        """The parameter or buffer that a node is, seen through views; each may be used once."""
        while isinstance(node, fx.Node) and node.name not in self.weights:
            if packet_of(node) not in ("view", "reshape", "unsqueeze"):
                raise Unsupported("its factor is computed from weights")
            node = node.args[0]
        found = self.weight(node)
        if found is None:
            raise Unsupported("it lacks a weight")
        return found

    def lookup(self, key: str) -> Tensor:
        """A tensor of the module by its key."""
        owner, _, name = key.rpartition(".")
        found: Tensor = getattr(self.module.get_submodule(owner), name)
        return found

    def apply(self, op: str, *inputs: Value, last: bool = False, **arguments: Any) -> Value:
        """A step: a primitive with these arguments."""
        made: Op = registry()[op].make(**arguments)
        value = self.new(made.shape(*(v.shape for v in inputs)), last)
        path, classes = self.place()
        self.steps[value.id] = Step(value.id, made, tuple(v.id for v in inputs), value.shape, path, classes)
        return value

    def replace(self, value: Value) -> tuple[Step, Value] | None:
        """The step that made a value and its input, where nothing else reads the value yet: it may be absorbed."""
        step = self.steps.get(value.id)
        if step is None or len(step.inputs) != 1 or any(value.id in s.inputs for s in self.steps.values()):
            return None
        source = step.inputs[0]
        return step, Value(source, self.shapes[source])


def packet_of(node: fx.Node) -> str:
    """The name of a node's operator without its overload."""
    return str(node.target).removeprefix("aten.").partition(".")[0]


def _needed(steps: dict[int, Step], outputs: tuple[int, ...]) -> tuple[Step, ...]:
    """The steps that reach an output, in order."""
    needed = set(outputs)
    for step in reversed(steps.values()):
        if step.id in needed:
            needed.update(step.inputs)
    return tuple(step for step in steps.values() if step.id in needed)


def _error(code: str, message: str) -> ArchError:
    return ArchError([Diagnostic(code, message, NOWHERE)])
