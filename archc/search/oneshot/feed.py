"""Batches for a search: one half of the training examples for the weights, the other for the choices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archc.train.augment import Augmenter, Place
from archc.train.batches import Batches
from archc.train.datasets import Dataset, Split
from archc.train.faults import DataError
from archc.train.recipe import Recipe
from archc.train.seeds import generator

Batch = tuple[Tensor, Tensor, Tensor]
"""Images (N, C, H, W), targets (N, classes), labels (N,)."""


@dataclass
class Half:
    """Examples by their place in the training split, and their order."""

    places: Tensor
    batches: Batches
    augmenter: Augmenter


class Feed:
    """Augmented batches of both halves, on the device, as functions of the step alone.

    share: of the examples that the weights get. layout: of the images in memory; may be set.
    """

    def __init__(self, data: Dataset, recipe: Recipe, device: torch.device, *, share: float = 0.5) -> None:
        self.device, self.layout = device, torch.contiguous_format
        self.classes = len(data.classes)
        if not isinstance(data.train, Split):
            raise DataError("a one-shot search needs its training examples in memory")
        self.split = data.train.to(device)
        self.batch = recipe.data.batch
        order = torch.randperm(len(data.train), generator=generator(recipe.seed, "halves"))
        cut = round(share * len(order))
        mean, std = data.statistics()
        self.halves = []
        for number, places in enumerate((order[:cut], order[cut:])):
            seed = recipe.seed * 2 + number
            augmenter = Augmenter(
                recipe.augment, mean, std, self.classes, seed, device, recipe.label_smoothing
            )
            batch = min(self.batch, len(places))
            self.halves.append(Half(places.to(device), Batches(len(places), batch, seed), augmenter))

    @property
    def epoch_steps(self) -> int:
        """Steps of an epoch of the first half."""
        return self.halves[0].batches.epoch_steps

    def weights(self, step: int) -> Batch:
        """A batch of the half that the weights are trained on."""
        return self._batch(self.halves[0], step)

    def choices(self, step: int) -> Batch:
        """A batch of the half that the choices are made on."""
        return self._batch(self.halves[1], step)

    def plain(self, number: int, size: int) -> Batch:
        """Examples of the second half as they are, in chunks of `size`; the last may be smaller, beyond it none."""
        half = self.halves[1]
        here = half.places[number * size : (number + 1) * size]
        labels = self.split.labels[here]
        images = half.augmenter.normalised(self.split.images[here]).contiguous(memory_format=self.layout)
        return images, torch.nn.functional.one_hot(labels, self.classes).float(), labels

    def _batch(self, half: Half, step: int) -> Batch:
        indices = half.batches.indices(step)
        here = half.places[indices.to(self.device, non_blocking=True)]
        labels = self.split.labels[here]
        half.augmenter.seed(step, step // half.batches.epoch_steps)
        place = Place(0, len(indices))
        images, targets = half.augmenter(self.split.images[here], labels, here, place)
        return images.contiguous(memory_format=self.layout), targets, labels
