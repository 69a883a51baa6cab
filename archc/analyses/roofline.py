"""Arithmetic intensity, and the least time a device needs for each op (Williams et al. 2009, the roofline).

An op takes the longer of its arithmetic at the device's peak and of its memory traffic at the device's bandwidth,
each tensor read or written once, plus the device's overhead of one call. A lower bound: what kernels lose is not
in it, so `archc roofline --measure` shows by how much a measurement is above.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from archc.analyses.memory import BYTES, VIEWS
from archc.diagnostics import NOWHERE, ArchError, Diagnostic
from archc.ir.graph import Graph, Node
from archc.ops.base import elements

PASSED_ON = frozenset({"add", "concat"})
"""Ops whose backward pass hands on the gradient as it is."""


@dataclass(frozen=True, slots=True)
class Device:
    """peak: floating-point operations a second, by dtype. bandwidth: bytes a second. overhead: seconds an op.

    reported: the names its driver gives it.
    """

    name: str
    about: str
    peak: Mapping[str, float]
    bandwidth: float
    overhead: float
    reported: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpTime:
    """One node: operations, bytes moved, operations a byte, and the bound in seconds. by: "compute", "memory" or
    "overhead", whichever is the largest part."""

    node: Node
    flops: int
    bytes: int
    seconds: float
    by: str

    @property
    def intensity(self) -> float:
        return self.flops / self.bytes if self.bytes else 0.0


def devices() -> tuple[str, ...]:
    """The names of the devices that come with archc."""
    return tuple(
        sorted(
            p.name[:-5] for p in (files("archc.analyses") / "devices").iterdir() if p.name.endswith(".toml")
        )
    )


def device(name: str) -> Device:
    """A device by name, or from a TOML file of the same form (docs/numbers.md). Raises ArchError (E0811)."""
    if name in devices():
        text = (files("archc.analyses") / "devices" / f"{name}.toml").read_text(encoding="utf-8")
    else:
        known = f"devices: {', '.join(devices())}"
        try:
            text = Path(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise _bad(f"there is no device or file {name!r}", known) from None
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise _bad(f"cannot read the device file {name}: {why}", known) from None
    try:
        row = tomllib.loads(text)
        peak = {dtype: _positive(value) for dtype, value in row["peak"].items()}
        overhead = float(row.get("overhead", 0.0))
        about, reported = str(row.get("about", "")), tuple(map(str, row.get("reported", ())))
        return Device(
            str(row.get("name", name)), about, peak, _positive(row["bandwidth"]), overhead, reported
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(
            f"{name} is no device file: {error}", "it holds bandwidth, overhead and a table [peak] of dtypes"
        ) from None


def device_reported_as(name: str) -> Device | None:
    """The device a driver gives this name, or None where archc has no figures for it."""
    return next((found for found in map(device, devices()) if name in found.reported), None)


def roofline(graph: Graph, on: Device, batch: int = 1, dtype: str = "float32") -> tuple[OpTime, ...]:
    """The bound of every op of a forward pass in eval mode, in order. Raises ArchError (E0811) where the device
    has no figure for the dtype."""
    _check(on, dtype)
    return tuple(
        _bound(node, on, dtype, node.cost.flops * batch, traffic(graph, node, batch, dtype))
        for node in graph.nodes
        if not node.train_only and not _is_free(node)
    )


def training_roofline(
    graph: Graph, on: Device, batch: int = 1, dtype: str = "float32"
) -> dict[int, tuple[OpTime, OpTime]]:
    """The bounds of every op's forward and backward pass in training, by node; train-only ops too.

    Backward, a convolution or linear layer does its arithmetic twice, any other op once; it reads the gradient of
    its output, its inputs and its parameters, and writes the gradients of these; a sum or concatenation passes the
    gradient on. Raises ArchError (E0811) as `roofline` does.
    """
    _check(on, dtype)
    found = {}
    for node in graph.nodes:
        if _is_free(node):
            continue
        flops, moved = node.cost.flops * batch, traffic(graph, node, batch, dtype)
        forward = _bound(node, on, dtype, flops, moved)
        twice = node.op.kind in ("conv", "linear")
        inside = moved - elements(node.shape) * batch * BYTES[dtype]
        back = (0, 0) if node.op.name in PASSED_ON else (flops * (1 + twice), moved + inside)
        found[node.id] = forward, _bound(node, on, dtype, *back)
    return found


def _bound(node: Node, on: Device, dtype: str, flops: int, moved: int) -> OpTime:
    parts = {"compute": flops / on.peak[dtype], "memory": moved / on.bandwidth}
    bound = max(parts, key=lambda k: parts[k])
    by = bound if parts[bound] >= on.overhead else "overhead"
    return OpTime(node, flops, moved, parts[bound] + on.overhead, by)


def traffic(graph: Graph, node: Node, batch: int = 1, dtype: str = "float32") -> int:
    """Bytes an op reads and writes: its inputs, its output and its parameters, each once."""
    read = sum(elements(graph.nodes[i].shape) for i in set(node.inputs))
    return ((read + elements(node.shape)) * batch + node.cost.params + node.cost.buffers) * BYTES[dtype]


def _check(on: Device, dtype: str) -> None:
    if dtype not in on.peak:
        raise _bad(f"{on.name} has no peak for {dtype}", f"it has: {', '.join(on.peak)}")


def _is_free(node: Node) -> bool:
    return node.op.name in VIEWS or node.op.kind in ("regularize", "input")


def _positive(value: Any) -> float:
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError(f"{value} is not a positive number")
    return number


def _bad(message: str, help: str) -> ArchError:
    return ArchError([Diagnostic("E0811", message, NOWHERE, help=(help,))])
