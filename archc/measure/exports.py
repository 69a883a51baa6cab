"""Networks as files of other tools: ONNX, torch.export programs and safetensors, each checked after it was written.

The checks read the very bytes that are handed back, run them and compare with the module they were made from.
"""

from __future__ import annotations

import io
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from archc.backends import torch_module
from archc.diagnostics import NOWHERE, ArchError, Diagnostic
from archc.ir import Graph
from archc.ir.fingerprint import spec_hash
from archc.ir.json_graph import to_json

Format = Literal["onnx", "torch_export", "safetensors"]

OPSET = 18
"""What the ONNX exporter writes by itself: others are converted from it."""

BATCHES = (1, 3)
"""Sizes the results are compared at; the network is traced at another one, 2."""

TOLERANCES = {torch.float32: 1e-4, torch.float64: 1e-9, torch.float16: 5e-2, torch.bfloat16: 2e-1}
"""Largest difference of an output, over its largest value, that passes."""

INSIDE = 2**31 - 2**20  # bytes of weights; a protobuf ends at 2 GiB, so larger ones lie beside the model

NO_FACTS: Mapping[str, str] = MappingProxyType({})

Runner = Callable[[Sequence[Tensor]], Sequence[Tensor]]


@dataclass(frozen=True, slots=True)
class Check:
    """One run of what was written: the batch, the outputs' shapes, and their largest relative difference."""

    batch: int
    shapes: tuple[tuple[int, ...], ...]
    error: float


@dataclass(frozen=True, slots=True)
class Exported:
    """The files, by name, the first being the main one; what the checks showed; the opset where it is ONNX."""

    files: dict[str, bytes]
    checks: tuple[Check, ...]
    opset: int | None = None

    @property
    def error(self) -> float:
        """The largest of the checks."""
        return max(check.error for check in self.checks)


def metadata(graph: Graph, version: str) -> dict[str, str]:
    """What goes into every file: the network's name, arguments and inputs, the spec's text, its hash, archc's version.

    The hash is `archc.ir.fingerprint.spec_hash`, that of a run of `archc train`.
    """
    span = graph.scopes[0].span
    return {
        "archc_network": graph.name,
        "archc_arguments": json.dumps(to_json(graph)["arguments"]),
        "archc_inputs": json.dumps({node.name: node.shape for node in graph.inputs}),
        "archc_spec": span.source.text if span else "",
        "archc_spec_sha256": spec_hash(graph),
        "archc_version": version,
    }


def export(
    graph: Graph,
    module: nn.Module,
    to: Format,
    name: str,
    *,
    opset: int = OPSET,
    version: str = "",
    facts: Mapping[str, str] = NO_FACTS,
) -> Exported:
    """A module made from the graph as a file called `name`, in the module's dtype, its outputs those of eval mode.

    facts: what is to be inside beside `metadata`. The batch is dynamic. Raises ArchError: E0621 the tool cannot express
    the network, E0622 what was written gives other numbers or shapes. Raises ImportError where the format's packages are not installed.
    """
    module = module.eval()
    inside = {**metadata(graph, version), **facts}
    with _quiet():
        if to == "onnx":
            return _checked(graph, module, *_onnx(graph, module, name, inside, opset), opset)
        if to == "torch_export":
            return _checked(graph, module, *_torch_export(graph, module, name, inside))
        return _checked(graph, module, *_safetensors(graph, module, name, inside))


def _safetensors(
    graph: Graph, module: nn.Module, name: str, facts: dict[str, str]
) -> tuple[dict[str, bytes], Runner]:
    from safetensors.torch import load, save

    state = {key: tensor.contiguous() for key, tensor in module.state_dict().items()}
    data = save(state, facts)

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        again = torch_module.compile(graph).to(_dtype(module)).eval()
        again.load_state_dict(load(data))
        return _outputs(again(*inputs))

    return {name: data}, run


def _torch_export(
    graph: Graph, module: nn.Module, name: str, facts: dict[str, str]
) -> tuple[dict[str, bytes], Runner]:
    buffer = io.BytesIO()
    extra: dict[str, Any] = {f"{key}.txt": value for key, value in facts.items()}
    torch.export.save(_program(graph, module), buffer, extra_files=extra)
    data = buffer.getvalue()
    again = torch.export.load(io.BytesIO(data)).module()
    return {name: data}, lambda inputs: _outputs(again(*inputs))


def _onnx(
    graph: Graph, module: nn.Module, name: str, facts: dict[str, str], opset: int
) -> tuple[dict[str, bytes], Runner]:
    import onnxruntime

    if _dtype(module) == torch.bfloat16:
        message = (
            f"{graph.name} in bfloat16 cannot be checked: onnxruntime has no such convolution for the CPU"
        )
        raise _error("E0621", message, "use --half, or export float32 and convert at the target")
    program = _program(graph, module)
    sizes = tuple({0: "batch"} for _ in graph.inputs)
    with _failing(graph, f"ONNX opset {opset}"):
        made = torch.onnx.export(
            program,
            dynamo=True,
            external_data=False,
            opset_version=opset,
            dynamic_shapes=sizes,
            verbose=False,
            input_names=[n.name for n in graph.inputs],
            output_names=[o.name for o in graph.outputs if not o.train_only],
        )
    assert made is not None
    found = made.model.opset_imports[""]
    if found != opset:
        raise _error("E0621", f"{graph.name} cannot be written in ONNX opset {opset}, only in {found}")
    made.model.metadata_props.update(facts)
    made.model.doc_string = graph.doc
    large = sum(t.nbytes for t in module.state_dict().values()) > INSIDE
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        made.save(path, external_data=large)
        files = {p.name: p.read_bytes() for p in sorted(Path(folder).iterdir())}
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # its warnings are about its own optimiser
        options.intra_op_num_threads = torch.get_num_threads()
        with _failing(graph, "onnxruntime"):
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        given = {node.name: x.numpy() for node, x in zip(graph.inputs, inputs, strict=True)}
        return [torch.from_numpy(value) for value in session.run(None, given)]

    return files, run


def _program(graph: Graph, module: nn.Module) -> torch.export.ExportedProgram:
    """The module as torch.export sees it, with a dynamic batch."""
    batch = torch.export.Dim("batch")
    with _failing(graph, "torch.export"):
        return torch.export.export(
            module, _inputs(graph, module, 2), dynamic_shapes=tuple({0: batch} for _ in graph.inputs)
        )


def _inputs(graph: Graph, module: nn.Module, batch: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(batch)
    return tuple(torch.randn(batch, *n.shape, generator=generator).to(_dtype(module)) for n in graph.inputs)


def _dtype(module: nn.Module) -> torch.dtype:
    return next((p.dtype for p in module.parameters()), torch.float32)


def _outputs(result: Tensor | tuple[Tensor, ...]) -> Sequence[Tensor]:
    return result if isinstance(result, tuple) else (result,)


def _checked(
    graph: Graph, module: nn.Module, files: Mapping[str, bytes], run: Runner, opset: int | None = None
) -> Exported:
    """Runs what was written beside the module; raises ArchError (E0622) where they differ."""
    checks = []
    for batch in BATCHES:
        inputs = _inputs(graph, module, batch)
        with torch.no_grad(), _failing(graph, f"the check with a batch of {batch}"):
            expected, found = _outputs(module(*inputs)), run(inputs)
        shapes = [tuple(t.shape) for t in expected]
        if [tuple(t.shape) for t in found] != shapes:
            other = [tuple(t.shape) for t in found]
            raise _error(
                "E0622", f"{graph.name}: a batch of {batch} gives the shapes {other}, the module {shapes}"
            )
        errors = [_difference(a, b) for a, b in zip(found, expected, strict=True)]
        wrong = [error for error in errors if not error <= TOLERANCES[_dtype(module)]]  # nan too
        if wrong:
            raise _error(
                "E0622",
                f"{graph.name}: a batch of {batch} gives outputs that differ by {wrong[0]:.1e} (relative)",
            )
        checks.append(Check(batch, tuple(shapes), max(errors)))
    return Exported(dict(files), tuple(checks), opset)


def _difference(found: Tensor, expected: Tensor) -> float:
    apart = float((found.double() - expected.double()).abs().max())
    return apart / max(float(expected.double().abs().max()), 1e-30)


@contextmanager
def _failing(graph: Graph, tool: str) -> Iterator[None]:
    try:
        yield
    except ArchError:
        raise
    except Exception as error:  # whatever the tool raises is what a user wants to be told
        told = str(error).strip().split("\n")[0]
        raise _error(
            "E0621", f"{graph.name} does not go through {tool}: {type(error).__name__}: {told}"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' own warnings and progress."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    before = [log.level for log in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for log in loggers:
            log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for log, level in zip(loggers, before, strict=True):
                log.setLevel(level)


def _error(code: str, message: str, *help: str) -> ArchError:
    return ArchError([Diagnostic(code, message, NOWHERE, help=help)])
