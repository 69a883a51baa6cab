from typing import Any

import torch


class Standardise(torch.autograd.Function):
    """Kernels (out, in, h, w) centred and divided by their norm, times a gain (out, 1, 1, 1).

    `floor` bounds the norm from below; `extra` is added to its square. The backward pass is that of batch
    normalisation with the statistics kept, which reads the kernel half as often as autograd would.
    """

    @staticmethod
    def forward(
        ctx: Any, weight: torch.Tensor, gain: torch.Tensor, floor: float, extra: float
    ) -> torch.Tensor:
        mean = weight.mean((1, 2, 3), keepdim=True)
        centred = weight - mean
        norm = torch.linalg.vector_norm(centred, dim=(1, 2, 3), keepdim=True)
        scale = torch.rsqrt(norm.square() + extra) if extra else norm.clamp_min(floor).reciprocal()
        ctx.save_for_backward(weight, gain, mean, scale, norm >= floor)
        ctx.clamps = floor > 0
        return centred * (scale * gain)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        weight, gain, mean, scale, active = ctx.saved_tensors
        out, root = weight.shape[0], weight[0].numel() ** 0.5
        by_weight, by_gain, _ = torch.ops.aten.native_batch_norm_backward(
            grads[0].reshape(1, out, -1),
            weight.reshape(1, out, -1),
            gain.flatten() / root,
            None,
            None,
            mean.flatten(),
            scale.flatten() * root,
            True,
            0.0,
            [True, True, False],
        )
        by_weight, by_gain = by_weight.view_as(weight), by_gain.view_as(gain) / root
        if ctx.clamps:  # where the floor acts the norm is constant: give back the part through it
            part = torch.where(active, 0.0, by_gain * gain * scale * scale)
            by_weight.addcmul_(weight, part).sub_(part * mean)
        return by_weight, by_gain, None, None
