"""CPU time of small commands beyond a bare Python, each a fresh process, run in turn. densenet.arch has 56 lines
and eight variants.

    python -m benchmarks.run startup
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.processes import in_turn

ROOT = Path(__file__).parents[1]
SPEC = ROOT / "examples" / "my_network.arch"
COMMANDS = {
    "archc --help": ["--help"],
    "archc check specs/densenet.arch": ["check", str(ROOT / "specs" / "densenet.arch")],
    "archc check examples/my_network.arch": ["check", str(SPEC)],
    "archc count resnet50": ["count", "resnet50"],
    "archc fmt --check examples/my_network.arch": ["fmt", "--check", str(SPEC)],
}


def main(quick: bool = False) -> None:
    codes = {name: f"import archc.cli.main as m; m.main({words!r})" for name, words in COMMANDS.items()}
    times = in_turn({"": "print(1)", **codes}, 5 if quick else 15)
    floor = times.pop("")
    print(f"A bare Python takes {floor * 1000:.0f} ms of CPU.\n")
    print("| command | CPU ms beyond it (median) |\n|---|--:|")
    for name, found in times.items():
        print(f"| {name} | {(found - floor) * 1000:.0f} |")


if __name__ == "__main__":
    main()
