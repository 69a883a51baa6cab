"""Start-up: CPU time of small commands beyond a bare Python."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from benchmarks.counting import cold

ROOT = Path(__file__).parents[1]
REPEAT = 9
SPEC = str(ROOT / "examples" / "my_network.arch")
COMMANDS = {
    "archc --help": ["--help"],
    "archc check examples/my_network.arch": ["check", SPEC],
    "archc count resnet50": ["count", "resnet50"],
    "archc fmt --check examples/my_network.arch": ["fmt", "--check", SPEC],
}


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    bare: list[float] = []
    for _ in range(REPEAT):
        bare.append(cold("print(1)"))
        for name, words in COMMANDS.items():
            times[name].append(cold(f"import archc.cli.main as m; m.main({words!r})"))
    floor = statistics.median(bare)
    print(f"A bare Python takes {floor * 1000:.0f} ms of CPU.\n")
    print("| command | CPU ms beyond it (median) |\n|---|--:|")
    for name, found in times.items():
        print(f"| {name} | {(statistics.median(found) - floor) * 1000:.0f} |")


if __name__ == "__main__":
    sys.exit(main())
