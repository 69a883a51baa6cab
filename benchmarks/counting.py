"""Counting resnet50: archc beside fvcore, torchinfo and ptflops. CPU time at one thread; cold: a whole process, from
start to the printed count; in process: one more count of a network already there (the peers have its module built, archc
elaborates the spec again).

    python -m benchmarks.run counting [--quick]
"""

from __future__ import annotations

import contextlib
import io
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import archc
from benchmarks.processes import in_turn

MODEL = "from tests.peers import import_torchvision; net = import_torchvision().models.resnet50(weights=None).eval();"
COLD = {
    "archc": "import archc.cli.main as m; m.main(['count', 'resnet50'])",
    "fvcore": f"{MODEL} import torch; from fvcore.nn import FlopCountAnalysis as F;"
    " print(F(net, torch.zeros(1, 3, 224, 224)).total())",
    "torchinfo": f"{MODEL} import torchinfo; print(torchinfo.summary(net, (1, 3, 224, 224), verbose=0))",
    "ptflops": f"{MODEL} from ptflops import get_model_complexity_info as f;"
    " print(f(net, (3, 224, 224), print_per_layer_stat=False))",
}


def warm() -> dict[str, Callable[[], object]]:
    """One count each, everything imported and built."""
    import torch
    import torchinfo
    from fvcore.nn import FlopCountAnalysis

    from tests.peers import import_torchvision, peer

    net: Any = import_torchvision().models.resnet50(weights=None).eval()
    ptflops = peer("ptflops")  # after torchvision, which it imports
    image = torch.zeros(1, 3, 224, 224)
    return {
        "archc": lambda: archc.count(archc.load("resnet50")),
        "fvcore": lambda: FlopCountAnalysis(net, image).total(),
        "torchinfo": lambda: torchinfo.summary(net, (1, 3, 224, 224), verbose=0),
        "ptflops": lambda: ptflops.get_model_complexity_info(net, (3, 224, 224), print_per_layer_stat=False),
    }


def in_process(repeat: int) -> dict[str, float]:
    """Median CPU seconds of one count, counted in turn."""
    import torch

    torch.set_num_threads(1)
    works = warm()
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeat + 1):
        for name, work in works.items():
            runs = 20 if name == "archc" else 1
            start = time.process_time()
            for _ in range(runs):
                with contextlib.redirect_stdout(io.StringIO()):
                    work()
            if turn:  # the first warms up
                times[name].append((time.process_time() - start) / runs)
    return {name: statistics.median(found) for name, found in times.items()}


def networks_per_second(seconds: float = 3.0) -> tuple[float, float]:
    """RegNet-sized networks loaded and counted per CPU second: all different, and one again and again."""
    rng = random.Random(0)
    spec, arguments = "regnet", {"d": 16, "w0": 48, "wa": 36.97, "wm": 2.24, "g": 24}
    archc.load(spec, **arguments)
    rates = []
    for vary in (True, False):
        done, start = 0, time.process_time()
        while time.process_time() - start < seconds:
            if vary:
                arguments = {**arguments, "w0": 8 * rng.randint(2, 16), "wa": 10 + 60 * rng.random()}
            archc.count(archc.load(spec, **arguments))
            done += 1
        rates.append(done / (time.process_time() - start))
    return rates[0], rates[1]


def main(quick: bool = False) -> None:
    repeat = 3 if quick else 7
    cold = {
        name: statistics.median(times) for name, times in in_turn({**COLD, "": "print(1)"}, repeat).items()
    }
    bare = cold.pop("")
    again = in_process(repeat)
    print("| | cold, s | times archc's | in process, ms | times archc's |\n|---|--:|--:|--:|--:|")
    for name in COLD:
        print(
            f"| {name} | {cold[name]:.3f} | {cold[name] / cold['archc']:.1f} | {again[name] * 1e3:.2f} |"
            f" {again[name] / again['archc']:,.0f} |"
        )
    print(f"\nA bare Python takes {bare:.3f} s of CPU.")
    varied, same = networks_per_second(1.0 if quick else 3.0)
    print(
        f"\nload + count in process: {varied:,.0f} different RegNets a second, {same:,.0f} of the same one."
    )


if __name__ == "__main__":
    main()
