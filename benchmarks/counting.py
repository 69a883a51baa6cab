"""Counting: archc beside fvcore and torchinfo, cold (a whole process) and in process.

    python -m benchmarks.counting [--repeat 5]

Prints a Markdown table of CPU seconds and ratios, measured in turn in one run. Needs `make bench`'s installs.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import time

import archc

PEERS = {
    "archc": "import archc.cli.main as m; m.main(['count', 'resnet50'])",
    "fvcore": (
        "import torch; from tests.peers import import_torchvision; tv = import_torchvision();"
        "from fvcore.nn import FlopCountAnalysis;"
        "print(FlopCountAnalysis(tv.models.resnet50(weights=None).eval(), torch.zeros(1, 3, 224, 224)).total())"
    ),
    "torchinfo": (
        "from tests.peers import import_torchvision; tv = import_torchvision(); import torchinfo;"
        "print(torchinfo.summary(tv.models.resnet50(weights=None), (1, 3, 224, 224), verbose=0))"
    ),
}


def cold(code: str) -> float:
    """CPU seconds of a fresh process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr.decode()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    bare = statistics.median(cold("print(1)") for _ in range(repeat))
    times: dict[str, list[float]] = {name: [] for name in PEERS}
    for _ in range(repeat):
        for name, code in PEERS.items():
            times[name].append(cold(code))
    ours = statistics.median(times["archc"])
    print(f"A bare Python takes {bare:.3f} s of CPU.\n")
    print("| count of resnet50, whole process | CPU s (median) | times archc's |\n|---|--:|--:|")
    for name, found in times.items():
        median = statistics.median(found)
        print(f"| {name} | {median:.3f} | {median / ours:.1f} |")
    varied, same = networks_per_second()
    print(
        f"\nload + count in process: {varied:,.0f} different RegNets a second, {same:,.0f} of the same one."
    )


if __name__ == "__main__":
    main()
