"""A step recorded as a CUDA graph: one launch in place of thousands, so that small networks keep a GPU busy."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from archc.train.ranks import Ranks
from archc.train.recipe import Recipe

WARM_UP = 3
"""Steps before the recording: compilers, algorithm searches and lazily made state are done by then."""

Update = Callable[..., None]
"""Takes the tensors of a batch."""


def can_capture(recipe: Recipe, ranks: Ranks) -> bool:
    """Whether steps are the same launches every time and look at no value on the host.

    Not so with loss scaling, two gradients a step, several micro-batches or processes, RandAugment, and our own
    optimizers.
    """
    return (
        recipe.run.cuda_graph
        and ranks.device.type == "cuda"
        and ranks.world == 1
        and recipe.data.accumulate == 1
        and recipe.run.precision != "fp16"
        and not recipe.run.checkpoint
        and not recipe.augment.rand_layers  # looks at which images an operation is for
        and not recipe.optim.sam
        and recipe.optim.name in ("sgd", "adamw")
    )


class Captured:
    """`update(*batch)`, recorded; called with tensors of the same shapes.

    changing: gives all tensors that `update` changes. Those that exist are left as they were by the recording,
    those it makes (an optimizer's) are zero, which is how torch's SGD and AdamW begin. generators: what it draws
    from beside the device's own.
    """

    def __init__(
        self,
        update: Update,
        batch: tuple[Tensor, ...],
        changing: Callable[[], dict[str, Tensor]],
        generators: tuple[torch.Generator, ...] = (),
    ) -> None:
        self.update = update  # keeps alive what the recording reads and writes
        before = {name: value.clone() for name, value in changing().items()}
        random = torch.cuda.get_rng_state()
        seeds = [generator.get_state() for generator in generators]
        self.batch = tuple(part.clone() for part in batch)
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's is untyped
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                update(*self.batch)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        for generator in generators:
            self.graph.register_generator_state(generator)
        with torch.cuda.graph(self.graph):
            update(*self.batch)
        with torch.no_grad():
            for name, value in changing().items():
                if name in before:
                    value.copy_(before[name])
                else:
                    value.zero_()
        torch.cuda.set_rng_state(random)
        for generator, state in zip(generators, seeds, strict=True):
            generator.set_state(state)

    def __call__(self, *batch: Tensor) -> None:
        """One step with this batch."""
        for own, part in zip(self.batch, batch, strict=True):
            own.copy_(part)
        self.graph.replay()
