"""Sampling RegNets: archc beside pycls's own sampler, drawn in turn in one run, on one core.

    python -m benchmarks.sampling [--pycls DIRECTORY] [--seconds 5] [--acceptance 50000]

DIRECTORY is a checkout of facebookresearch/pycls whose requirements are installed; without it archc is measured alone.
Prints a Markdown table of networks per CPU second. `drawn`: parameters drawn, widths quantised, stages checked.
`drawn and costed`: those with four stages, their multiply-adds known. `costed`: the same from given parameters, as
pycls's closed form does it. Then the shares of `--acceptance` draws with four stages and
with so many multiply-adds, of each; and given pycls, whether its networks cost the same here, and how far the
distributions of the parameters are apart (Kolmogorov–Smirnov).
"""

from __future__ import annotations

import argparse
import gc
import math
import sys
import time
from bisect import bisect
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

from archc.elaborate.arch import draw
from archc.elaborate.choosers import RandomChooser
from archc.elaborate.values import Rejected
from archc.spaces.space import Request, Space


class Sampler(NamedTuple):
    """Draw and check the i-th sample; draw and cost it; make ready to cost it alone, and do."""

    drawn: Callable[[int], bool]
    costed: Callable[[int], int]
    ready: Callable[[int], Any]
    cost: Callable[[Any], int]


def ours(space: Space) -> Sampler:
    def drawn(index: int) -> bool:
        try:
            space.possible(index)
        except Rejected:
            return False
        return True

    def ready(index: int) -> dict[str, Any]:
        return draw(space.target, RandomChooser(0, index), cost=False).arguments

    def cost(arguments: dict[str, Any]) -> int:
        return draw(space.target, RandomChooser(0), arguments=arguments).cost.macs

    return Sampler(drawn, lambda index: space.cost(index).macs, ready, cost)


def theirs(directory: str) -> Sampler:
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

    def ready(index: int) -> None:
        drawn(index)
        scaler.scale_model()

    def cost(_: None) -> int:
        return int(net.complexity(builders.get_model())["flops"])

    def costed(index: int) -> int:
        ready(index)
        return cost(None)

    return Sampler(drawn, costed, ready, cost)


def rates(sampler: Sampler, seconds: float, start: int) -> tuple[float, float, float]:
    """Draws, networks drawn and costed, and networks costed, per CPU second."""
    accepted, began = [], time.process_time()
    for index in count(start):
        if sampler.drawn(index):
            accepted.append(index)
        if index % 64 == 0 and time.process_time() - began > seconds:
            break
    drawing = (index - start + 1) / (time.process_time() - began)
    began = time.process_time()
    done = 0
    for index in accepted:
        sampler.costed(index)
        done += 1
        if time.process_time() - began > seconds:
            break
    both = done / (time.process_time() - began)
    spent = 0.0
    for index in accepted[:done]:
        made = sampler.ready(index)
        began = time.process_time()
        sampler.cost(made)
        spent += time.process_time() - began
    return drawing, both, done / spent


def our_macs(draws: int) -> Iterator[tuple[tuple[float, ...], int]]:
    """(d, w0, wa, wm, g) and multiply-adds of the draws with four stages."""
    space = Space(Request("regnet"))
    for index in range(draws):
        try:
            found = space.sampled(index)
        except Rejected:
            continue
        yield tuple(found.arguments[name] for name in ("d", "w0", "wa", "wm", "g")), found.cost.macs


def their_macs(draws: int) -> Iterator[tuple[tuple[float, ...], int]]:
    """The same by pycls's sampler, quantisation and cost formula, called without its configuration between draws."""
    import numpy
    from pycls.core.config import cfg
    from pycls.models.anynet import AnyNet
    from pycls.models.regnet import RegNet, generate_regnet
    from pycls.sweep.config import SAMPLERS
    from pycls.sweep.samplers import sample_parameters

    numpy.random.seed(0)
    cfg.MODEL.TYPE, cfg.MODEL.NUM_CLASSES = "regnet", 1000
    for _ in range(draws):
        values = sample_parameters({"REGNET": SAMPLERS.REGNET_SAMPLER})
        drawn = {name.partition(".")[2]: value for name, value in zip(values[::2], values[1::2], strict=True)}
        _, _, stages, total, _, _ = generate_regnet(drawn["WA"], drawn["W0"], drawn["WM"], drawn["DEPTH"])
        if stages != total or stages != 4:
            continue
        for name, value in drawn.items():
            cfg.REGNET[name] = value
        cx = AnyNet.complexity({"h": 224, "w": 224, "flops": 0, "params": 0, "acts": 0}, RegNet.get_params())
        order = ("DEPTH", "W0", "WA", "WM", "GROUP_W")
        yield (
            tuple(drawn[name] for name in order),
            int(cx["flops"]) - cfg.MODEL.NUM_CLASSES,
        )  # less the biases


def acceptance(name: str, found: list[tuple[tuple[float, ...], int]], draws: int) -> None:
    """Prints the shares of draws with four stages, and of those within bands of multiply-adds, ± two standard errors."""
    bands = ((360e6, 400e6), (380e6, 420e6))
    counts = [len(found), *(sum(low <= macs <= high for _, macs in found) for low, high in bands)]
    shares = [f"{n / draws:.3%} ± {2 * (n / draws * (1 - n / draws) / draws) ** 0.5:.3%}" for n in counts]
    print(f"| {name} | {' | '.join(shares)} |", flush=True)


def same_costs(found: list[tuple[tuple[float, ...], int]]) -> int:
    """Of networks drawn by pycls, how many have the same multiply-adds here."""
    space = Space(Request("regnet"))
    names = ("d", "w0", "wa", "wm", "g")
    return sum(space.build(dict(zip(names, values, strict=True))).cost.macs == macs for values, macs in found)


def distances(
    ours: list[tuple[float, ...]], theirs: list[tuple[float, ...]]
) -> Iterator[tuple[str, float, float]]:
    """For each parameter, the largest distance between the two distributions, and what chance stays below in 95 %."""
    bound = 1.358 * math.sqrt(1 / len(ours) + 1 / len(theirs))
    for name, one, other in zip(("d", "w0", "wa", "wm", "g"), zip(*ours), zip(*theirs), strict=True):  # noqa: B905  # rows are of one length
        a, b = sorted(one), sorted(other)
        steps = sorted({*a, *b})
        gap = max(abs(bisect(a, v + 1e-9) / len(a) - bisect(b, v + 1e-9) / len(b)) for v in steps)
        yield name, gap, bound


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pycls")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--acceptance", type=int, default=50_000, help="draws")
    parser.add_argument("--checked", type=int, default=2_000, help="of pycls's networks costed here too")
    arguments = parser.parse_args()
    gc.disable()  # as `archc sample` does
    samplers = {"archc": ours(Space(Request("regnet")))}
    if arguments.pycls:
        samplers["pycls"] = theirs(arguments.pycls)
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in samplers}
    for turn in range(3):
        for name, sampler in samplers.items():
            found[name].append(rates(sampler, arguments.seconds / 3, turn * 1_000_000))
    print("| | drawn/s | drawn and costed/s | costed/s |\n|---|---|---|---|")
    for name, measured in found.items():
        spans = [f"{min(values):,.0f} to {max(values):,.0f}" for values in zip(*measured, strict=True)]
        print(f"| {name} | {' | '.join(spans)} |")
    if not arguments.acceptance:
        return
    draws = arguments.acceptance
    print("\n| | four stages | and 360 to 400 M | and 380 to 420 M |\n|---|---|---|---|")
    ours_found = list(our_macs(draws))
    acceptance("archc", ours_found, draws)
    if arguments.pycls:
        theirs_found = list(their_macs(draws))
        acceptance("pycls", theirs_found, draws)
        checked = theirs_found[: arguments.checked]
        print(f"\n{same_costs(checked):,} of {len(checked):,} networks drawn by pycls cost the same here.")
        for name, gap, bound in distances([v for v, _ in ours_found], [v for v, _ in theirs_found]):
            print(
                f"{name}: distributions at most {gap:.4f} apart; chance alone stays below {bound:.4f} in 95 %"
            )


if __name__ == "__main__":
    main()
