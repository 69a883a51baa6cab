import torch
import torch.nn.functional as F

from archc.backends.prelude.same_pad import same_pad


def max_pool2d_same(x: torch.Tensor, kernel_size: tuple[int, int], stride: tuple[int, int]) -> torch.Tensor:
    """Max pooling with TensorFlow's SAME padding, which never wins."""
    return F.max_pool2d(same_pad(x, kernel_size, stride, value=float("-inf")), kernel_size, stride)
