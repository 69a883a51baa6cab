import torch
import torch.nn.functional as F

from archc.backends.prelude.same_pad import same_pad


def avg_pool2d_same(
    x: torch.Tensor, kernel_size: tuple[int, int], stride: tuple[int, int], count_include_pad: bool = True
) -> torch.Tensor:
    """Average pooling with TensorFlow's SAME padding; TensorFlow leaves the padding out of the mean."""
    mean = F.avg_pool2d(same_pad(x, kernel_size, stride), kernel_size, stride)
    if count_include_pad:
        return mean
    inside = same_pad(x.new_ones(1, 1, x.shape[2], x.shape[3]), kernel_size, stride)
    return mean / F.avg_pool2d(inside, kernel_size, stride)
