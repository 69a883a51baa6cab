"""A step recorded as a CUDA graph: one launch in place of thousands, so that small networks keep a GPU busy."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from archc.train.ranks import Ranks
from archc.train.recipe import Recipe

WARM_UP = 3
"""Steps before the recording: compilers, algorithm searches and lazily made state are done by then."""

Update = Callable[[Tensor, Tensor, Tensor], None]


def can_capture(recipe: Recipe, ranks: Ranks) -> bool:
    """Whether steps are the same launches every time and look at no value on the host.

    Not so with loss scaling, two gradients a step, several micro-batches or processes, and our own optimizers.
    """
    return (
        recipe.run.cuda_graph
        and ranks.device.type == "cuda"
        and ranks.world == 1
        and recipe.data.accumulate == 1
        and recipe.run.precision != "fp16"
        and not recipe.run.checkpoint
        and not recipe.optim.sam
        and recipe.optim.name in ("sgd", "adamw")
    )


class Captured:
    """`update(images, targets, labels)`, recorded; called with batches of the shapes of `batch`.

    changing: gives all tensors that `update` changes. Those that exist are left as they were by the recording,
    those it makes (an optimizer's) are zero, which is how torch's SGD and AdamW begin.
    """

    def __init__(
        self, update: Update, batch: tuple[Tensor, Tensor, Tensor], changing: Callable[[], dict[str, Tensor]]
    ) -> None:
        before = {name: value.clone() for name, value in changing().items()}
        random = torch.cuda.get_rng_state()
        self.images, self.targets, self.labels = (part.clone() for part in batch)
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's is untyped
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                update(self.images, self.targets, self.labels)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            update(self.images, self.targets, self.labels)
        with torch.no_grad():
            for name, value in changing().items():
                if name in before:
                    value.copy_(before[name])
                else:
                    value.zero_()
        torch.cuda.set_rng_state(random)

    def __call__(self, images: Tensor, targets: Tensor, labels: Tensor) -> None:
        """One step with this batch."""
        self.images.copy_(images)
        self.targets.copy_(targets)
        self.labels.copy_(labels)
        self.graph.replay()
