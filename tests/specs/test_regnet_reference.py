"""The 24 networks pycls publishes, and the two rules that make widths divisible by groups."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

import archc.elaborate
from archc.ir import Graph
from archc.ops.base import elements
from tests.peers import import_torchvision

REFERENCE = json.loads((Path(__file__).parent.parent / "data" / "regnet_reference.json").read_text("utf-8"))


def library_name(name: str) -> str:
    """`RegNetX-400MF` is regnetx_004 and `RegNetY-6.4GF` regnety_064: hundreds of megaflops."""
    family, _, size = name.lower().partition("-")
    hundreds = float(size[:-2]) / 100 if size.endswith("mf") else float(size[:-2]) * 10
    return f"{family}_{round(hundreds):03d}"


def stages(graph: Graph) -> list[tuple[int, int, int]]:
    """(depth, width, group width) of each stage, as built."""
    found = []
    for section in graph.sections:
        path = graph.scope_path(section)
        nodes = [n for n in graph.nodes if graph.path(n).startswith(f"{path}.")]
        if path.startswith("s") and path[1:].isdigit():
            depth = len({graph.path(n).split(".")[1] for n in nodes})
            (inner,) = {n.op.channels // n.op.groups for n in nodes if getattr(n.op, "kernel", 0) == (3, 3)}
            found.append((depth, nodes[-1].shape[0], inner))
    return found


def flops_of_pycls(graph: Graph) -> int:
    """Multiply-adds and the additions of biases."""
    return graph.cost.macs + sum(elements(n.shape) for n in graph.nodes if getattr(n.op, "bias", False))


def acts_of_pycls(graph: Graph) -> int:
    """Outputs of convolutions, max-pools and linear layers."""
    counted = [n for n in graph.nodes if n.op.name in ("conv", "max_pool", "linear")]
    return sum(elements(n.shape) for n in counted)


def test_all_are_here() -> None:
    assert len(REFERENCE["models"]) == 24
    assert len({library_name(m["name"]) for m in REFERENCE["models"]}) == 24


@pytest.mark.parametrize("model", REFERENCE["models"], ids=lambda m: library_name(m["name"]))
def test_equals_pycls(model: dict[str, Any]) -> None:
    graph = archc.elaborate.load(library_name(model["name"]))
    expected = zip(model["depths"], model["widths"], model["group_widths"], strict=True)
    assert stages(graph) == list(expected)
    assert graph.cost.params == model["params"]
    assert flops_of_pycls(graph) == model["flops"]
    assert acts_of_pycls(graph) == model["acts"]
    arguments = dict(graph.arguments)
    assert [arguments[k] for k in ("d", "w0", "wa", "wm", "g", "b", "se")] == [
        model[k] for k in ("d", "w0", "wa", "wm", "g", "b", "se_r")
    ]


def pycls_stages(d: int, w0: int, wa: float, wm: float, g: int, b: float) -> list[tuple[int, int, int]]:
    """generate_regnet and adjust_block_compatibility of pycls, without numpy."""
    powers = [round(math.log((w0 + wa * j) / w0) / math.log(wm)) for j in range(d)]
    blocks = [round(w0 * wm**k / 8) * 8 for k in powers]
    found = []
    for width in sorted(set(blocks)):
        inner = int(max(1, width * b))
        group = int(min(g, inner))
        multiple = math.lcm(group, int(b)) if b > 1 else group
        inner = max(multiple, int(round(inner / multiple) * multiple))
        found.append((blocks.count(width), int(inner / b), group))
    return found


def torchvision_stages(found: list[tuple[int, int]], g: int, b: float) -> list[tuple[int, int, int]]:
    """(depth, width) of the stages, adjusted by torchvision."""
    import_torchvision()
    from torchvision.models.regnet import BlockParams

    depths, widths = zip(*found, strict=True)
    adjust: Any = BlockParams._adjust_widths_groups_compatibilty
    adjusted, groups = adjust(list(widths), [b] * len(widths), [g] * len(widths))
    return list(zip(depths, adjusted, groups, strict=True))


def draws(count: int) -> list[dict[str, Any]]:
    """Arguments over the whole design space, bottlenecks of every kind included."""
    rng = random.Random(2)
    return [
        {
            "d": rng.randint(4, 28),
            "w0": 8 * rng.randint(1, 32),
            "wa": round(rng.uniform(8, 256), 1),
            "wm": round(rng.uniform(2, 3), 3),
            "g": rng.choice((1, 2, 4, 8, 16, 24, 48, 64, 96, 128)),
            "b": rng.choice((1, 1, 2, 4, 0.25, 0.5)),
        }
        for _ in range(count)
    ]


def test_both_roundings_over_the_space() -> None:
    different = 0
    for draw in draws(200):
        pycls = archc.elaborate.load("regnet", **draw)
        torchvision = archc.elaborate.load("regnet", **draw, rounding="torchvision")
        assert stages(pycls) == pycls_stages(**draw), draw
        raw = [(depth, width) for depth, width, _ in pycls_stages(**{**draw, "g": 1, "b": 1})]
        assert stages(torchvision) == torchvision_stages(raw, draw["g"], draw["b"]), draw
        different += stages(pycls) != stages(torchvision)
    assert 20 < different < 180
