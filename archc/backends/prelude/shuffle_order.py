from functools import cache

import torch


@cache
def shuffle_order(channels: int, groups: int) -> torch.Tensor:
    """Which channel comes where when the channels of `groups` groups are interleaved."""
    return torch.arange(channels).view(groups, -1).t().flatten()
