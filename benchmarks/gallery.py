"""The gallery: drawings of the library's networks, a picture of the report, and how long they take.

    python -m benchmarks.gallery

Writes docs/gallery/ and docs/gallery.md. Every figure is made by the `archc` command that stands below it.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "gallery"
PAGE = ROOT / "docs" / "gallery.md"
REPEATS = 3


@dataclass(frozen=True)
class Figure:
    """One drawing: `archc draw SPEC -o FILE OPTIONS`."""

    spec: str
    options: str
    caption: str

    @property
    def file(self) -> str:
        kind = re.sub(r"\W+", "_", self.options.replace("--level ", "").replace("--", "")).strip("_")
        return f"{self.spec}_{kind or 'network'}.svg"


FIGURES = (
    Figure("nfnet_f0", "", "The sections of a network, with the shapes between them and what each costs."),
    Figure("nfnet_f0", "--level block", "Each distinct block once, in rows that keep a page narrow; `256…768` is the range over all its places."),
    Figure("resnet152", "--level stage --color cost", "Equal blocks folded; the deeper the colour, the more multiply-adds."),
    Figure("densenet121", "", "A stage of 24 layers is one box."),
    Figure("googlenet", "--level block", "Inception blocks: convolutions with their norm and activation are one box."),
    Figure("mobilenet_v2", "--level block", "Depthwise convolutions are `dw`."),
    Figure("unet", "", "Skips between sections."),
    Figure("nasnetalarge", "", "Every cell reads the two before it; runs of equal cells are folded."),
    Figure("nasnetalarge", "--cells", "The two cells of NASNet-A, as in its paper's figure 4."),
    Figure("amoebanet_a_cifar", "--cells", "AmoebaNet-A."),
    Figure("pnasnet5large", "--cells", "PNASNet-5: one cell, with and without a stride."),
    Figure("darts_v2_cifar", "--cell-style edges", "DARTS V2, with operators on the edges as in its paper."),
    Figure("squeezenet1_1", "--level op", "Every op, clustered by the blocks that made it; a long network runs down several columns."),
)  # fmt: skip
OP_DRAWINGS = ("nasnetalarge", "efficientnet_b7")


def archc(*arguments: str) -> float:
    """Runs the command as a user would; seconds it took."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "archc", *arguments], check=True, cwd=ROOT)
    return time.perf_counter() - start


def draw_all() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.svg"):
        old.unlink()
    for figure in FIGURES:
        archc("draw", figure.spec, "-o", str(FOLDER / figure.file), *figure.options.split())


def measure_drawing() -> list[tuple[str, str, str]]:
    """(what, figure, command) of the drawings of every op."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for name in OP_DRAWINGS:
            target = Path(place) / f"{name}.svg"
            arguments = ("draw", name, "--level", "op", "-o", str(target))
            seconds = statistics.median(archc(*arguments) for _ in range(REPEATS))
            size = target.stat().st_size / 1e6
            rows.append(
                (
                    f"every op of {name}",
                    f"{seconds:.1f} s, {size:.1f} MB",
                    f"archc draw {name} --level op -o {name}.svg",
                )
            )
    return rows


def measure_report() -> list[tuple[str, str, str]]:
    """(what, figure, command) of the report in a browser; takes the gallery's picture of it on the way."""
    from tests.browser import chromium

    command = "archc report resnet152 -o report.html"
    with tempfile.TemporaryDirectory() as place, chromium(Path(place) / "profile", height=860) as context:
        page_file, picture_file = Path(place) / "report.html", Path(place) / "picture.html"
        seconds = statistics.median(
            archc("report", "resnet152", "-o", str(page_file)) for _ in range(REPEATS)
        )
        size = page_file.stat().st_size / 1e3
        archc("report", "nfnet_f0", "-o", str(picture_file))
        page = context.new_page()
        opened, unfolded, folded = [], [], []
        for _ in range(REPEATS):
            page.goto(page_file.as_uri())
            opened.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
            unfolded.append(_press(page, "unfold all"))
            folded.append(_press(page, "fold all"))
        archc("report", "preact_resnet1001", "-o", str(page_file))
        deep = []
        for _ in range(REPEATS):
            page.goto(page_file.as_uri())
            deep.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
        page.goto(picture_file.as_uri())
        page.dblclick('[aria-label="s2"]')
        page.click('[aria-label="s3"]')
        page.mouse.move(5, 850)
        page.screenshot(path=Path(place) / "report.png")
        _small_png(Path(place) / "report.png", FOLDER / "report.png")
    return [
        ("report of resnet152: written", f"{seconds:.2f} s, {size:.0f} kB", command),
        ("– opens in the browser, drawn", f"{statistics.median(opened):.0f} ms", "headless Chromium, from a file"),
        ("– unfolds all, then folds all", f"{statistics.median(unfolded):.0f} ms, {statistics.median(folded):.0f} ms", "likewise"),
        ("– of preact_resnet1001, 3,339 ops: opens, drawn", f"{statistics.median(deep):.0f} ms", "likewise"),
    ]  # fmt: skip


def _press(page: Any, text: str) -> float:
    """Milliseconds from a click on a button to the new picture, laid out."""
    taken: float = page.evaluate(
        "text => { const start = performance.now(); [...document.querySelectorAll('button')].find("
        "b => b.textContent === text).click(); document.body.getBoundingClientRect(); "
        "return performance.now() - start; }",
        text,
    )
    return taken


def _small_png(source: Path, target: Path) -> None:
    from PIL import Image

    Image.open(source).convert("RGB").quantize(64).save(target, optimize=True)


def write_page(rows: list[tuple[str, str, str]]) -> None:
    where = f"{os.cpu_count()} CPU cores ({platform.machine()}), Python {platform.python_version()}"
    parts = [
        "# Gallery\n\nEvery figure is drawn from the library by the command below it; all by `make gallery`.\n",
        "## The report\n\n![The report of nfnet_f0: diagram, spec and costs](gallery/report.png)\n\n"
        "    archc report nfnet_f0 -o report.html\n\n"
        "One file that needs no network: boxes unfold, hovering tells shape, cost and spec line, a click on a box "
        "marks its line and a click on a line its boxes; tables sort; several networks are compared.\n",
        "## Drawings\n",
    ]
    for figure in FIGURES:
        options = f" {figure.options}" if figure.options else ""
        parts.append(
            f"{figure.caption}\n\n![{figure.spec}{options}](gallery/{figure.file})\n\n"
            f"    archc draw {figure.spec} -o {figure.file}{options}\n"
        )
    parts.append(
        f"## How long it takes\n\nMeasured by `python -m benchmarks.gallery` on {datetime.date.today()}: {where}, no GPU; "
        f"median of {REPEATS}.\n\n| what | measured | command |\n|---|---|---|"
    )
    parts[-1] += "".join(
        f"\n| {what} | {figure} | {f'`{command}`' if command.startswith('archc') else command} |"
        for what, figure, command in rows
    )
    PAGE.write_text("\n".join(parts) + "\n", encoding="utf-8")


def main() -> None:
    draw_all()
    write_page([*measure_drawing(), *measure_report()])
    total = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"wrote {PAGE.relative_to(ROOT)} and {len(FIGURES) + 1} figures, {total / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
