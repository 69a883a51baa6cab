import threading
import time
from collections.abc import Callable, Generator
from functools import partial

import torch
import torch.nn.functional as F

from archc.backends.prelude.winograd import Winograd


class Fastest:
    """A convolution with the sum and the activation after it, as the fastest of several calls: CPUs, float32, no gradients.

    The calls: oneDNN's fused one with a prepacked kernel, torch's own convolution, for pointwise kernels a matrix product,
    for 3×3 kernels Winograd's form. The first calls for a shape of input go through all of them in turn, each timed
    where it stands; those far behind drop out, and after a few rounds the fastest stays. After a few shapes those that
    follow use the first one's call. With `torch.use_deterministic_algorithms(True)` it is oneDNN's at once.
    """

    rounds, margin, hopeless, most_shapes = 6, 0.95, 1.4, 8

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        dilation: tuple[int, ...],
        groups: int,
        act: str,
    ) -> None:
        self.weight = weight.detach().contiguous(memory_format=torch.channels_last)
        self.bias = None if bias is None else bias.detach()
        self.geometry = (list(padding), list(stride), list(dilation), groups)
        plain = groups == 1 and tuple(dilation) == (1, 1)
        self.pointwise = plain and weight.shape[2:] == (1, 1) and tuple(padding) == (0, 0)
        wide = min(weight.shape[:2]) >= 32
        self.winograd = plain and weight.shape[2:] == (3, 3) and tuple(stride) == (1, 1) and wide
        fused: dict[str, tuple[str, list[float], str]] = {
            "relu6": ("hardtanh", [0.0, 6.0], ""),
            "silu": ("swish", [], ""),
            "gelu": ("gelu", [], "none"),
        }
        self.fused = fused.get(act, (act, [], ""))
        after: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
            "none": lambda x: x,
            "relu": torch.relu_,
            "sigmoid": torch.sigmoid_,
            "tanh": torch.tanh_,
            "gelu": F.gelu,
        }
        self.after = after.get(act) or partial(getattr(F, act), inplace=True)
        self.calls: dict[torch.Size, Callable[..., torch.Tensor]] = {}
        self.choosing: set[torch.Size] = set()  # shapes of which calls are still being timed

    def start(self, shape: torch.Size) -> Callable[..., torch.Tensor]:
        """A call for a shape seen for the first time, kept in `calls`."""
        if len(self.calls) >= self.most_shapes:
            return next(iter(self.calls.values()))
        packed = self._packed(shape)
        self.calls[shape] = packed
        if not torch.are_deterministic_algorithms_enabled():
            self._try(shape, [packed, self._plain, *self._others(shape)])
        return self.calls[shape]

    def _try(self, shape: torch.Size, ways: list[Callable[..., torch.Tensor]]) -> None:
        """Let the calls for a shape be those that time all ways and then leave the fastest."""
        turns = self._turns(ways)
        way = next(turns)
        free = threading.Lock()
        self.choosing.add(shape)

        def trial(input: torch.Tensor, other: torch.Tensor | None) -> torch.Tensor:
            nonlocal way
            if not free.acquire(blocking=False):  # another thread has its turn, or had the last one
                return ways[0](input, other)
            start = time.perf_counter()
            result = way(input, other)
            try:
                way = turns.send(time.perf_counter() - start)
                free.release()
            except StopIteration as end:
                self.calls[shape] = end.value
                self.choosing.discard(shape)
            return result

        self.calls[shape] = trial

    def _turns(
        self, ways: list[Callable[..., torch.Tensor]]
    ) -> Generator[Callable[..., torch.Tensor], float, Callable[..., torch.Tensor]]:
        """The way to time next, again and again; in the end the one that stays."""
        best = dict.fromkeys(ways, float("inf"))
        left = ways
        for turn in range(self.rounds):
            for way in left:
                taken = yield way
                if turn:  # the first round warms up
                    best[way] = min(best[way], taken)
            if turn > 1:
                left = [way for way in left if best[way] <= self.hopeless * min(best.values())]
        quickest = min(ways, key=lambda way: best[way])
        return quickest if best[quickest] < self.margin * best[ways[0]] else ways[0]

    def _others(self, shape: torch.Size) -> list[Callable[..., torch.Tensor]]:
        """Further ways that the kernel has."""
        if self.pointwise:
            return [self._product]
        tiles = shape[0] * (shape[2] // 4) * (shape[3] // 4)
        if not self.winograd or tiles < 16:
            return []
        padding = self.geometry[0]
        forms = [Winograd(self.weight, self.bias, padding, shape, grouped) for grouped in (False, True)]
        return [partial(self._finished, form) for form in forms]

    def _packed(self, shape: torch.Size) -> Callable[..., torch.Tensor]:
        """oneDNN's call with a kernel laid out for inputs of that shape."""
        kernel = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self.geometry, list(shape))
        given = (kernel, self.bias, *self.geometry)
        name, scalars, algorithm = self.fused
        summed = ("add", 1.0, None if name == "none" else name, scalars, algorithm)
        calls = torch.ops.mkldnn._convolution_pointwise
        alone, with_sum = calls.default, calls.binary

        def call(input: torch.Tensor, other: torch.Tensor | None) -> torch.Tensor:
            found: torch.Tensor
            if other is None:
                found = alone(input, *given, name, scalars, algorithm)
            else:
                found = with_sum(input, other, *given, *summed)
            return found

        return call

    def _finished(
        self, way: Callable[[torch.Tensor], torch.Tensor], input: torch.Tensor, other: torch.Tensor | None
    ) -> torch.Tensor:
        """A way to convolve, then the sum and the activation."""
        found = way(input)
        return self.after(found if other is None else found.add_(other))

    def _plain(self, input: torch.Tensor, other: torch.Tensor | None) -> torch.Tensor:
        padding, stride, dilation, groups = self.geometry
        found = torch.conv2d(input, self.weight, self.bias, stride, padding, dilation, groups)
        return self.after(found if other is None else found.add_(other))

    def _product(self, input: torch.Tensor, other: torch.Tensor | None) -> torch.Tensor:
        down, across = self.geometry[1]
        pixels = input.permute(0, 2, 3, 1)[:, ::down, ::across]
        found = F.linear(pixels, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)
        return self.after(found if other is None else found.add_(other))
