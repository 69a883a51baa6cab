"""CPU time of small commands beyond a bare Python, each a fresh process, run in turn: the least and the median.

    python -m benchmarks.run startup

Of the library's specs of at most 60 lines, the one that takes longest to check is found and named.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

from benchmarks.processes import in_turn

ROOT = Path(__file__).parents[1]
SPECS = ROOT / "specs"
SPEC = ROOT / "examples" / "my_network.arch"
LINES = 60
"""Lines of a spec that is short: a little more than the fifty of the target."""
COMMANDS = {
    "archc --help": ["--help"],
    "archc check specs/densenet.arch": ["check", str(SPECS / "densenet.arch")],
    "archc check examples/my_network.arch": ["check", str(SPEC)],
    "archc count resnet50": ["count", "resnet50"],
    "archc fmt --check examples/my_network.arch": ["fmt", "--check", str(SPEC)],
}


def main(quick: bool = False) -> None:
    short, path = slowest_to_check(1 if quick else 3)
    named = f"archc check {path.relative_to(ROOT)}"
    codes = {name: code(words) for name, words in {**COMMANDS, named: ["check", str(path)]}.items()}
    found = in_turn({"": "print(1)", **codes}, 5 if quick else 15)
    least, usual = (1000 * figure(found[""]) for figure in (min, median))
    print(f"A bare Python takes {usual:.0f} ms of CPU, {least:.0f} at the least.\n")
    print(f"Of {short} specs of at most {LINES} lines, {path.relative_to(ROOT)} takes longest to check.\n")
    print("| command | lines | CPU ms beyond it (median) | (least) |\n|---|--:|--:|--:|")
    for name in codes:
        beyond = 1000 * median(found[name]) - usual, 1000 * min(found[name]) - least
        print(f"| {name} | {lines(name)} | {beyond[0]:.0f} | {beyond[1]:.0f} |")


def slowest_to_check(repeat: int) -> tuple[int, Path]:
    """How many short specs there are, and the one of them that takes longest to check."""
    short = [p for p in sorted(SPECS.rglob("*.arch")) if line_count(p) <= LINES]
    times = in_turn({str(path): code(["check", str(path)]) for path in short}, repeat)
    return len(short), max(short, key=lambda path: min(times[str(path)]))


def code(words: list[str]) -> str:
    """What a process runs for a command line."""
    return f"import archc.cli.main as m; m.main({words!r})"


def lines(name: str) -> str:
    """The lines of the spec a command names by its path; nothing where it names none."""
    path = ROOT / name.split()[-1]
    return str(line_count(path)) if path.suffix == ".arch" else ""


def line_count(path: Path) -> int:
    return len(path.read_text().splitlines())


if __name__ == "__main__":
    main()
