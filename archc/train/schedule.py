"""The learning rate as a function of the step, so that resuming needs no state of it."""

from __future__ import annotations

import math

from archc.train.recipe import Schedule


def learning_rate(step: int, steps: int, epoch_steps: int, peak: float, schedule: Schedule) -> float:
    """The rate of step 0 … steps - 1: a linear warm-up ending at `peak`, then down to `final` of it."""
    warm = min(round(schedule.warmup * epoch_steps), steps)
    if step < warm:
        return peak * (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    if schedule.kind == "constant":
        left = 1.0
    elif schedule.kind == "linear":
        left = 1.0 - done
    else:
        left = (1 + math.cos(math.pi * done)) / 2
    return peak * (schedule.final + (1 - schedule.final) * left)
