"""Networks learn: the quickstart reaches its accuracy, and every family's loss goes down."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from archc.backends import torch_module
from archc.cli.main import main
from archc.elaborate import load
from archc.ir import Graph
from archc.train.agc import clip
from archc.train.groups import groups
from archc.train.network import losses
from archc.train.optimizers import make_optimizer
from tests.train.tiny import tiny_recipe

FAMILIES: dict[str, tuple[int, int, int]] = {
    "alexnet": (3, 64, 64), "amoebanet_a_cifar": (3, 32, 32), "cifar_nf_resnet_16": (3, 16, 16),
    "cifar_resnet9": (3, 32, 32), "cifar_resnet20": (3, 16, 16), "convnext_tiny": (3, 32, 32), "convnext_ladder_00_resnet50": (3, 32, 32),
    "darts_v2_cifar": (3, 32, 32), "densenet121": (3, 32, 32), "efficientnet_b0": (3, 32, 32),
    "efficientnet_v2_s": (3, 32, 32), "enas_micro_cifar": (3, 32, 32), "googlenet": (3, 64, 64),
    "inception_v3": (3, 299, 299), "lenet5": (1, 32, 32), "mnasnet0_5": (3, 32, 32),
    "mobilenetv1_025": (3, 32, 32), "mobilenet_v2": (3, 32, 32), "mobilenet_v3_small": (3, 32, 32),
    "nasnet_a_cifar": (3, 32, 32), "nf_regnet_b1": (3, 32, 32), "nf_resnet50": (3, 32, 32),
    "nfnet_f0": (3, 32, 32), "preact_resnet18": (3, 32, 32), "regnetx_002": (3, 32, 32),
    "regnety_002": (3, 32, 32), "resnet18": (3, 32, 32), "resnetrs50": (3, 32, 32),
    "legacy_seresnet50": (3, 32, 32), "pnasnet5large": (3, 32, 32), "shufflenet_v1_g3_1x": (3, 32, 32), "shufflenet_v2_x0_5": (3, 32, 32),
    "squeezenet1_1": (3, 32, 32), "unet_256_padded_bn": (3, 32, 32), "vgg11_bn": (3, 32, 32),
    "wrn_16_8": (3, 8, 8),
}  # fmt: skip
QUICK = (
    "cifar_nf_resnet_16",
    "googlenet",
    "lenet5",
    "mobilenet_v3_small",
    "regnety_002",
    "shufflenet_v2_x0_5",
)
RATES = {"vgg11_bn": 1e-4}  # wide linear layers overshoot at 1e-3 with their dropout off
BATCH = 4
STEPS = 5


def fixed_batch_losses(graph: Graph, rate: float) -> list[float]:
    """The losses of five AdamW steps on one batch; dropout and stochastic depth off, evaluated before each."""
    torch.manual_seed(0)
    recipe = tiny_recipe(optim={"name": "adamw", "lr": rate, "weight_decay": 0, "agc": 0})
    module = torch_module.compile(graph).train()
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout) or type(part).__name__ == "DropPath":
            part.eval()
    optimizer = make_optimizer(module, groups(graph, module), recipe.optim)
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(BATCH, *graph.inputs[0].shape, generator=draw)
    shape = graph.nodes[graph.outputs[0].node].shape
    labels = torch.randint(shape[0], (BATCH, *shape[1:]), generator=draw)
    targets = F.one_hot(labels, shape[0]).float().movedim(-1, 1)
    found = []
    for _ in range(STEPS + 1):
        loss, _ = losses(module(images), targets, 0.3)
        found.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return found


def assert_loss_decreases(name: str) -> None:
    found = fixed_batch_losses(load(name, input=FAMILIES[name]), RATES.get(name, 1e-3))
    assert found[-1] < 0.98 * found[0], found


@pytest.mark.parametrize("name", QUICK)
def test_the_loss_decreases(name: str) -> None:
    assert_loss_decreases(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - set(QUICK)))
def test_the_loss_decreases_in_every_family(name: str) -> None:
    assert_loss_decreases(name)


def test_every_family_file_is_tried() -> None:
    specs = Path(__file__).parents[2] / "specs"
    tried = {Path(load(name, input=size).source_name).stem for name, size in FAMILIES.items()}
    files = {p.stem for p in specs.glob("*.arch")}
    assert files - tried == {"nfnet"}  # F1 to F6 are larger F0s; F0 has a file of its own, which is tried


def test_quickstart_reaches_97_percent_in_a_minute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.perf_counter()
    assert (
        main(["train", "lenet5", "--recipe", "quickstart", "-o", str(tmp_path / "run"), "--device", "cpu"])
        == 0
    )
    seconds = time.perf_counter() - start
    found = json.loads((tmp_path / "run" / "result.json").read_text())
    assert found["held_out_examples"] == 359
    assert found["eval_accuracy"] >= 0.97
    assert seconds < 60
    assert f"accuracy {found['eval_accuracy']:.2%}" in capsys.readouterr().out


def test_clipping_lets_a_network_without_normalisation_train_at_a_high_rate() -> None:
    """At lr 0.8 the narrow NF-ResNet's loss is lost within 20 steps; with λ = 0.02 it goes down."""
    graph = load("cifar_nf_resnet_16", input=(3, 16, 16))
    ends = {}
    for clipping in (0.0, 0.02):
        torch.manual_seed(0)
        recipe = tiny_recipe(optim={"lr": 0.8, "momentum": 0.9, "weight_decay": 0, "agc": clipping})
        module = torch_module.compile(graph).train()
        found = groups(graph, module)
        optimizer = make_optimizer(module, found, recipe.optim)
        clipped = [p for name, p in module.named_parameters() if name not in found.heads]
        draw = torch.Generator().manual_seed(1)
        images = torch.randn(16, 3, 16, 16, generator=draw)
        targets = F.one_hot(torch.randint(10, (16,), generator=draw), 10).float()
        for _ in range(20):
            loss, _ = losses(module(images), targets, 0.0)
            optimizer.zero_grad()
            loss.backward()
            if clipping:
                clip(clipped, clipping)
            optimizer.step()
        ends[clipping] = float(loss.detach())
    assert not ends[0.0] < 2.3
    assert ends[0.02] < 1.5
