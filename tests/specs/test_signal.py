"""β, the division before every block without normalisation, comes out of the dataflow alone."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

import archc.elaborate
from archc.ops.scale import Scale

SPECS = archc.elaborate.library().root

F0 = [1, 0.98058, 0.98058, 0.96225, 0.98058, 0.96225, 0.94491, 0.92848, 0.91287, 0.89803, 0.98058, 0.96225]
"""deepmind-research/nfnets: β of NFNet-F0's twelve blocks, to five digits."""

DEPTHS = {
    "nfnet_f1": (2, 4, 12, 6),
    "nfnet_f6": (7, 14, 42, 21),
    "nfnet_f0_gamma_in_conv": (1, 2, 6, 3),
    "nf_resnet50": (3, 4, 6, 3),
    "nf_regnet_b1": (2, 4, 7, 7),
    "cifar_nf_resnet_16": (5, 5, 5),
}


def betas(name: str) -> list[float]:
    """The factor each block multiplies its pre-activation by, in order."""
    graph = archc.elaborate.load(name)
    scaled = [n for n in graph.nodes if isinstance(n.op, Scale)]
    read_by_conv = {i for n in graph.nodes if n.op.name == "ws_conv" for i in n.inputs}
    pooled = {i for n in graph.nodes if n.op.name == "avg_pool" for i in n.inputs}
    return [n.op.factor for n in scaled if isinstance(n.op, Scale) and n.id in read_by_conv | pooled]


def test_twelve_betas_of_f0() -> None:
    assert [round(b, 5) for b in betas("nfnet_f0")] == F0


@pytest.mark.parametrize("name", DEPTHS)
def test_betas_follow_the_papers_rule(name: str) -> None:
    """Var starts at 1, and after the first block of a stage at 1 + α²; every further block adds α²."""
    expected, variance = [], 1.0
    projects_at_once = name != "cifar_nf_resnet_16"  # whose first stage keeps the width and so its input
    for stage, depth in enumerate(DEPTHS[name]):
        for block in range(depth):
            expected.append(1 / math.sqrt(variance))
            restart = block == 0 and (stage > 0 or projects_at_once)
            variance = (1.0 if restart else variance) + 0.2**2
    assert betas(name) == pytest.approx(expected, rel=1e-12)


def test_no_beta_is_written() -> None:
    """The specs hold no number near a β, and no assertion of a standard deviation but those of pairs and gates."""
    texts = [
        (SPECS / f"{name}.arch").read_text(encoding="utf-8") for name in ("std/nfnet", "nfnet_f0", "nfnet")
    ]
    numbers = {float(n) for text in texts for n in re.findall(r"(?<![\w.])\d+\.\d+(?!\w)", text)}
    assert not {n for n in numbers if 0.89 < n < 1 or 1 < n < 1.12}
    asserted = [line.strip() for text in texts for line in text.splitlines() if "with_std" in line]
    assert asserted == [
        "return with_std(x -> act, x.std)",
        "return with_std(2 * (x -> squeeze_excite(hidden = hidden)), x.std)",
    ]


def test_an_activation_without_gamma_is_refused(tmp_path: Path) -> None:
    spec = tmp_path / "plain.arch"
    spec.write_text(
        "from std.nfnet import nf_block\n"
        "arch plain() {\n"
        "  input 64 x 16 x 16\n"
        "  set act = relu\n"
        "  stage 2 x nf_block(64, group_width = 32)\n"
        "}\n",
        encoding="utf-8",
    )
    (problem,) = {d.code: d for d in archc.elaborate.check(str(spec))}.values()
    assert problem.code == "E0511"
    assert "relu" in problem.message
