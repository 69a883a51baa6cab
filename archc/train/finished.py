"""A finished run, read back from its directory: the network, its weights, and what it was told of its data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from archc.backends import torch_module
from archc.ir import Graph
from archc.ir.fingerprint import spec_hash
from archc.ir.json_graph import from_json
from archc.train.decoding import View, decode
from archc.train.directory import weights_file
from archc.train.faults import DataError
from archc.train.feeds import HeldOut
from archc.train.loading import load_dataset
from archc.train.network import logits_of
from archc.train.recipe import Recipe, load_recipe
from archc.train.session import SessionError
from archc.train.stream import NONE


@dataclass(frozen=True)
class Finished:
    """graph and module in eval mode; result: what `result.json` holds."""

    graph: Graph
    module: nn.Module
    recipe: Recipe
    result: dict[str, Any]
    device: torch.device

    @property
    def test_shape(self) -> tuple[int, ...]:
        """Channels, height, width of the images it was tested on."""
        return tuple(self.result.get("test_shape") or self.graph.inputs[0].shape)

    def normalised(self, images: Tensor) -> Tensor:
        """(N, C, H, W) uint8 as the network was trained to see them."""
        moments = [
            torch.tensor(self.result["normalisation"][k], device=self.device).reshape(1, -1, 1, 1)
            for k in ("mean", "std")
        ]
        return (images.to(self.device).float() / 255 - moments[0]) / moments[1]

    def probabilities(self, images: Tensor) -> Tensor:
        """(N, classes) of uint8 images."""
        logits = logits_of(self.module, self.normalised(images))
        return logits.float().softmax(1)


def open_run(directory: Path, device: torch.device, weights: str = "") -> Finished:
    """The run in a directory. weights: "model" or "ema"; default: the average where there is one.

    Raises SessionError where the run is not finished or its files do not belong together.
    """
    result = directory / "result.json"
    if not result.exists():
        raise SessionError(f"{directory} holds no finished run: there is no result.json")
    file = weights_file(directory, weights)
    if not file.exists():
        why = ": its recipe keeps no average, as ema is 0" if weights == "ema" else ""
        raise SessionError(f"{directory} holds no {file.name}{why}")
    try:
        found = json.loads(result.read_text())
        graph = from_json(json.loads((directory / "network.json").read_text()))
        if spec_hash(graph) != found["spec_sha256"]:
            raise SessionError(f"{directory}: network.json is not the network of result.json")
        module = torch_module.compile(graph)
        module.load_state_dict(safetensors.torch.load_file(file))
    except (ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise SessionError(f"{directory} is damaged: {error}") from None
    recipe = load_recipe(directory / "recipe.toml")
    return Finished(graph, module.to(device).eval(), recipe, found, device)


@dataclass(frozen=True)
class Evaluation:
    """Shares of right answers: of all examples, within the best five, and of each class."""

    examples: int
    accuracy: float
    top5: float
    classes: dict[str, float]
    unreadable: tuple[str, ...] = ()


def evaluate(
    run: Finished, recipe: Recipe, watch: Callable[[int, int], None] = lambda done, of: None
) -> Evaluation:
    """How a run does on the held-out examples of the data a recipe names. Raises DataError.

    watch: called after each batch with how many examples are done, of how many.
    """
    about = recipe.data
    # a validation share depends on which training images can be read; else those need not be decoded
    if not about.validation:
        about = about.model_copy(update={"stream": True})
    data = load_dataset(about, run.graph.inputs[0].shape, recipe.seed)
    known = run.result["classes"]
    if len(data.classes) != len(known):
        raise DataError(f"the data has {len(data.classes)} classes, the network {len(known)}")
    if list(data.classes) != known and set(data.classes) == set(known):
        raise DataError(
            f"the data has the network's classes in another order: {', '.join(data.classes[:5])}, …"
        )
    examples = HeldOut(data.test, recipe.data, run.device)
    return score(run, examples, data.classes, lambda done: watch(done, len(data.test)))


def score(
    run: Finished,
    examples: HeldOut,
    classes: tuple[str, ...],
    watch: Callable[[int], None] = lambda done: None,
) -> Evaluation:
    """The scores of held-out examples. Raises DataError where none can be read. watch: told how many are done."""
    best, labels, done = [], [], 0
    for images, own in examples:
        there = own.cpu() != NONE
        best.append(run.probabilities(images).topk(min(5, len(classes))).indices.cpu()[there])
        labels.append(own.cpu()[there])
        done += len(own)
        watch(done)
    truth = torch.cat(labels)
    right = torch.cat(best) == truth[:, None]
    by_class = {}
    for number, name in enumerate(classes):
        of_class = right[truth == number, 0]
        if len(of_class):
            by_class[name] = float(of_class.float().mean())
    return Evaluation(
        len(truth), float(right[:, 0].float().mean()), float(right.any(1).float().mean()), by_class,
        tuple(examples.bad.values()),
    )  # fmt: skip


def predict(run: Finished, image: bytes) -> list[tuple[str, float]]:
    """Classes and probabilities of an encoded image, likeliest first. Raises decoding.Unreadable."""
    about = run.recipe.data
    view = View(run.test_shape, about.test_crop, bicubic=about.interpolation == "bicubic")
    chances = run.probabilities(decode(image, view)[None])[0]
    names = run.result["classes"]
    order = chances[: len(names)].argsort(descending=True).tolist()
    return [(names[i], float(chances[i])) for i in order]
