import torch
import torch.nn.functional as F


def same_pad(
    x: torch.Tensor,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
    value: float = 0.0,
) -> torch.Tensor:
    """Pads (N, C, H, W) as TensorFlow's SAME: ceil(size / stride) windows, any odd pixel right and below."""
    total = [
        max(
            (-(-x.shape[2 + d] // stride[d]) - 1) * stride[d]
            + dilation[d] * (kernel[d] - 1)
            + 1
            - x.shape[2 + d],
            0,
        )
        for d in (0, 1)
    ]
    top, left = total[0] // 2, total[1] // 2
    return F.pad(x, (left, total[1] - left, top, total[0] - top), value=value)
