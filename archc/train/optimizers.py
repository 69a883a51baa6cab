"""The optimizers of the recipes: torch's SGD and AdamW, and two that papers need."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from archc.train.groups import Groups
from archc.train.recipe import Optim
from archc.train.shards import is_sharded, local, total_norm


def make_optimizer(module: nn.Module, found: Groups, optim: Optim, captured: bool = False) -> Optimizer:
    """An optimizer of two groups: weights, which decay, and gains, biases and norms, which do not.

    captured: its steps will be recorded (see `captured.py`), so the rate is a tensor, and no step looks at a value.
    """
    weights = [p for name, p in module.named_parameters() if found.decayed(name)]
    others = [p for name, p in module.named_parameters() if not found.decayed(name)]
    # torch's loops over many tensors do not take sharded ones and others at once
    undecayed = [[p for p in others if is_sharded(p) == sharded] for sharded in (True, False)]
    named = [
        {"params": weights, "weight_decay": optim.weight_decay},
        *({"params": ps, "weight_decay": 0.0} for ps in undecayed),
    ]
    groups = [g for g in named if g["params"]]
    device = next(module.parameters()).device
    rate = torch.tensor(optim.lr, device=device) if captured else optim.lr
    fused = device.type in ("cpu", "cuda") and not any(map(is_sharded, module.parameters()))
    if optim.name == "sgd":
        nesterov = optim.nesterov and optim.momentum > 0
        return SGD(groups, lr=rate, momentum=optim.momentum, nesterov=nesterov, fused=fused)
    if optim.name == "adamw":
        return AdamW(groups, lr=rate, betas=optim.betas, eps=optim.eps, fused=fused, capturable=captured)
    if optim.name == "lamb":
        return Lamb(groups, optim.lr, optim.betas, optim.eps)
    return RMSprop(groups, optim.lr, optim.alpha, optim.eps, optim.momentum)


class Lamb(Optimizer):
    """LAMB (You et al. 2020, arXiv:1904.00962, algorithm 2): Adam's step, scaled to the norm of each weight.

    Tensors without weight decay take Adam's step as it is, as in timm.
    """

    def __init__(self, params: Iterable[Any], lr: float, betas: tuple[float, float], eps: float) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # no closure
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["step"] = torch.zeros(())
                    state["mean"], state["square"] = torch.zeros_like(p), torch.zeros_like(p)
                state["step"] += 1
                count = float(state["step"])
                state["mean"].lerp_(p.grad, 1 - first)
                state["square"].mul_(second).addcmul_(p.grad, p.grad, value=1 - second)
                root = (state["square"] / (1 - second**count)).sqrt_().add_(group["eps"])
                update = (state["mean"] / (1 - first**count)).div_(root)
                if group["weight_decay"]:
                    update.add_(p, alpha=group["weight_decay"])
                    weight, length = total_norm([p]), total_norm([update])
                    local(update).mul_(torch.where((weight > 0) & (length > 0), weight / length, 1.0))
                p.add_(update, alpha=-group["lr"])


class RMSprop(Optimizer):
    """RMSprop as TensorFlow has it: ε under the root, squares that start at 1, momentum on the scaled step.

    Weight decay is added to the gradient. What the papers of MnasNet and EfficientNet used.
    """

    def __init__(self, params: Iterable[Any], lr: float, alpha: float, eps: float, momentum: float) -> None:
        super().__init__(
            params, {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum, "weight_decay": 0.0}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # no closure
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["square"], state["momentum"] = torch.ones_like(p), torch.zeros_like(p)
                gradient = p.grad.add(p, alpha=group["weight_decay"])
                state["square"].lerp_(gradient.square(), 1 - group["alpha"])
                scaled = gradient.div_((state["square"] + group["eps"]).sqrt_()).mul_(group["lr"])
                p.sub_(state["momentum"].mul_(group["momentum"]).add_(scaled))
