"""Sampling RegNets: archc beside pycls's own sampler, drawn in turn in one run, on one core.

    python -m benchmarks.sampling [--pycls DIRECTORY] [--seconds 5] [--acceptance 50000]

DIRECTORY is a checkout of facebookresearch/pycls whose requirements are installed; without it archc is measured alone.
Prints a Markdown table of networks per CPU second. `drawn`: parameters drawn, widths quantised, stages checked.
`costed`: of those with four stages, multiply-adds known. Then the share of draws with 360 to 400 M multiply-adds.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from itertools import count

from archc.elaborate.values import Rejected
from archc.spaces.space import Request, Space


def ours(space: Space) -> tuple[Callable[[int], bool], Callable[[int], int]]:
    """Draw and check the i-th sample; cost it."""

    def drawn(index: int) -> bool:
        try:
            space.possible(index)
        except Rejected:
            return False
        return True

    return drawn, lambda index: space.cost(index).macs


def theirs(directory: str) -> tuple[Callable[[int], bool], Callable[[int], int]]:
    """The body of pycls's tools/sweep_setup.py for one configuration: the same draws, rules and cost."""
    import os

    os.environ.setdefault("CONDA_PREFIX", "")
    sys.path.insert(0, directory)
    import numpy
    import pycls.core.builders as builders
    import pycls.core.net as net
    import pycls.models.scaler as scaler
    import pycls.sweep.samplers as samplers
    from pycls.core.config import cfg, reset_cfg
    from pycls.sweep.config import SAMPLERS, sweep_cfg

    base = cfg.clone()
    base.MODEL.TYPE = "regnet"
    sampler = SAMPLERS.REGNET_SAMPLER.clone()

    def drawn(index: int) -> bool:
        numpy.random.seed(index)
        parameters = samplers.sample_parameters({"REGNET": sampler})
        reset_cfg()
        cfg.merge_from_other_cfg(base)
        cfg.merge_from_list(parameters)
        return bool(samplers.check_regnet_constraints(sweep_cfg.SETUP.CONSTRAINTS))

    def costed(index: int) -> int:
        drawn(index)
        scaler.scale_model()
        return int(net.complexity(builders.get_model())["flops"])

    return drawn, costed


def rates(
    drawn: Callable[[int], bool], costed: Callable[[int], int], seconds: float, start: int
) -> tuple[float, float]:
    """Draws, and costed networks, per CPU second."""
    accepted, began = [], time.process_time()
    for index in count(start):
        if drawn(index):
            accepted.append(index)
        if index % 64 == 0 and time.process_time() - began > seconds:
            break
    drawing = (index - start + 1) / (time.process_time() - began)
    began = time.process_time()
    done = 0
    for index in accepted:
        costed(index)
        done += 1
        if time.process_time() - began > seconds:
            break
    return drawing, done / (time.process_time() - began)


def acceptance(draws: int) -> tuple[float, float]:
    """The share of draws with four stages, and of those with 360 to 400 M multiply-adds too."""
    space = Space(Request("regnet"))
    staged = met = 0
    for index in range(draws):
        try:
            macs = space.cost(index).macs
        except Rejected:
            continue
        staged += 1
        met += 360e6 <= macs <= 400e6
    return staged / draws, met / draws


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pycls")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--acceptance", type=int, default=50_000)
    arguments = parser.parse_args()
    gc.disable()  # as `archc sample` does
    samplers = {"archc": ours(Space(Request("regnet")))}
    if arguments.pycls:
        samplers["pycls"] = theirs(arguments.pycls)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in samplers}
    for turn in range(3):
        for name, (drawn, costed) in samplers.items():
            found[name].append(rates(drawn, costed, arguments.seconds / 3, turn * 1_000_000))
    print("| | drawn/s | costed/s |\n|---|---|---|")
    for name, measured in found.items():
        best = [max(m[i] for m in measured) for i in range(2)]
        worst = [min(m[i] for m in measured) for i in range(2)]
        print(f"| {name} | {worst[0]:,.0f} to {best[0]:,.0f} | {worst[1]:,.0f} to {best[1]:,.0f} |")
    if arguments.acceptance:
        staged, met = acceptance(arguments.acceptance)
        print(
            f"\n{staged:.2%} of {arguments.acceptance:,} draws have four stages, {met:.3%} 360 to 400 M too."
        )


if __name__ == "__main__":
    main()
