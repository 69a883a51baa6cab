import torch


def every_nth(x: torch.Tensor, stride: tuple[int, int]) -> torch.Tensor:
    """Every n-th row and column, from the first on: a view, where a max pool of single pixels would copy."""
    return x[:, :, :: stride[0], :: stride[1]]
