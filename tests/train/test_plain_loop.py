"""The trainer against a loop of torch's own parts, written out: the same weights, average, log and scores.

The loop shares with the trainer only the emitted module, the order of the examples, and what the roles say of
weight decay; images are normalised, the rate scheduled, targets smoothed and weights averaged in other words.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from archc.backends import torch_module
from archc.elaborate import load
from archc.train import session
from archc.train.batches import Batches
from archc.train.datasets import Split
from archc.train.journal import read_journal
from archc.train.ranks import Ranks
from archc.train.seeds import seed_of
from benchmarks.plain_cifar import ResNet9
from tests.train.tiny import tiny_data, tiny_graph, tiny_recipe

PLAIN: dict[str, Any] = {"noise": 0, "flip": "none", "crop": 0, "mixup": 0}
PEAK, DECAY, SMOOTHING, MEMORY, WARM, EPOCHS, BATCH = 0.2, 5e-3, 0.2, 0.9, 0.5, 3, 16


def normalised(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return (images.float() / 255 - mean) / std


def scores(module: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Cross entropy without smoothing, and share of right answers."""
    module.eval()
    with torch.no_grad():
        logits = module(images)
    module.train()
    return float(F.cross_entropy(logits, labels)), float((logits.argmax(1) == labels).double().mean())


def clip(module: nn.Module, clipping: float) -> None:
    """Adaptive clipping, filter by filter, of all but the classifier's weight."""
    for name, parameter in module.named_parameters():
        gradient = parameter.grad
        if gradient is None or name == "head.linear.weight":
            continue
        whole = parameter.ndim < 2
        for weight, change in zip(
            *(([t] if whole else t) for t in (parameter.detach(), gradient)), strict=True
        ):
            limit = clipping * max(float(weight.norm()), 1e-3)
            if float(change.norm()) > limit:
                change.mul_(limit / float(change.norm()))


@pytest.mark.parametrize(
    ("kind", "clipping", "name"),
    [
        ("linear", 0.0, "tiny"), ("cosine", 0.0, "tiny"), ("cosine", 0.02, "tiny"),
        ("cosine", 0.02, "cifar_nf_resnet_16"),
    ],
)  # fmt: skip
def test_a_run_is_the_plain_loop(kind: str, clipping: float, name: str, tmp_path: Path) -> None:
    graph = tiny_graph(tmp_path, rate=0.0) if name == "tiny" else load(name, input=(3, 8, 8))
    recipe = tiny_recipe(
        epochs=EPOCHS, ema=MEMORY, label_smoothing=SMOOTHING, augment=PLAIN, schedule={"kind": kind, "warmup": WARM},
        optim={"lr": PEAK, "momentum": 0.9, "nesterov": True, "weight_decay": DECAY, "agc": clipping},
        data={"batch": BATCH, "examples": 70}, run={"log_every": 1},
    )  # fmt: skip
    data = tiny_data(recipe, graph)
    session.run(graph, recipe, data, tmp_path / "run", Ranks(0, 1, torch.device("cpu")))

    torch.manual_seed(seed_of(recipe.seed, "weights"))
    module = torch_module.compile(graph).train()
    weights = {n for n, p in module.named_parameters() if n.endswith(".weight") and p.ndim > 1}
    decayed = [p for n, p in module.named_parameters() if n in weights]
    others = [p for n, p in module.named_parameters() if n not in weights]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": DECAY}, {"params": others}],
        lr=PEAK, momentum=0.9, nesterov=True, foreach=False, fused=False,
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    average = copy.deepcopy(module)

    assert isinstance(data.train, Split)
    assert isinstance(data.test, Split)
    pixels = data.train.images.double() / 255
    mean = pixels.mean((0, 2, 3), keepdim=True).float()
    std = pixels.std((0, 2, 3), unbiased=False, keepdim=True).float()
    images, labels = normalised(data.train.images, mean, std), data.train.labels
    tests, answers = normalised(data.test.images, mean, std), data.test.labels
    order = Batches(len(labels), BATCH, recipe.seed)
    steps = EPOCHS * (len(labels) // BATCH)
    warm = WARM * (len(labels) // BATCH)
    losses, rates, found = [], [], []
    for step in range(steps):
        if step < warm:
            rate = float(np.interp(step + 1, [0, warm], [0, PEAK]))
        elif kind == "linear":
            rate = float(np.interp(step, [warm, steps], [PEAK, 0]))
        else:
            rate = PEAK * float(np.cos(np.pi / 2 * (step - warm) / (steps - warm))) ** 2
        for group in optimizer.param_groups:
            group["lr"] = rate
        chosen = order.indices(step)
        loss = criterion(module(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        if clipping:
            clip(module, clipping)
        optimizer.step()
        memory = min(MEMORY, (1 + step) / (10 + step))
        for old, new in zip(average.state_dict().values(), module.state_dict().values(), strict=True):
            old.copy_(memory * old + (1 - memory) * new if old.is_floating_point() else new)
        losses.append(float(loss.detach()))
        rates.append(rate)
        if (step + 1) % order.epoch_steps == 0:
            found.append((*scores(module, tests, answers), *scores(average, tests, answers)))

    log = read_journal(tmp_path / "run" / "log.jsonl")
    assert [x["loss"] for x in log if "loss" in x] == pytest.approx(losses, rel=1e-4)
    assert [x["lr"] for x in log if "lr" in x] == pytest.approx(rates, rel=1e-6)
    names = ("eval_loss", "eval_accuracy", "ema_loss", "ema_accuracy")
    logged = [tuple(x[n] for n in names) for x in log if "eval_loss" in x]
    assert len(logged) == EPOCHS
    for ours, theirs in zip(logged, found, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert losses[-1] < losses[0]
    for file, theirs in (("model", module), ("ema", average)):
        saved = load_file(tmp_path / "run" / f"{file}.safetensors")
        for key, value in theirs.state_dict().items():
            torch.testing.assert_close(saved[key], value, rtol=1e-4, atol=1e-6)


def test_resnet9_is_the_plain_network_and_starts_as_it_does() -> None:
    torch.manual_seed(0)
    ours = torch_module.compile(load("cifar_resnet9", width=4)).eval()
    torch.manual_seed(0)
    plain = ResNet9(4).eval()
    for value, same in zip(ours.state_dict().values(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(value, same)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(x), plain(x))
