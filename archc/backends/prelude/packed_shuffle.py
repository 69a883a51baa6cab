import torch

from archc.backends.prelude.channel_shuffle import channel_shuffle
from archc.backends.prelude.shuffle_order import shuffle_order


def packed_shuffle(x: torch.Tensor, groups: int) -> torch.Tensor:
    """`channel_shuffle` that keeps channels_last, on CPUs without gradients: channels are gathered within each pixel."""
    if torch.is_grad_enabled() or not x.is_cpu or x.stride(1) != 1 or torch.compiler.is_compiling():
        return channel_shuffle(x, groups)
    n, c, h, w = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(-1, c)
    found = torch.index_select(pixels, 1, shuffle_order(c, groups))
    return found.view(n, h, w, c).permute(0, 3, 1, 2)
