"""Lifting other people's networks: the record of what was tried, and the table of docs/lift.md from it.

    python -m benchmarks.lift [PATTERN] [--seconds 540] [--again]
    python -m benchmarks.lift --page

Every module is traced, written as a spec, built from it and compared in float64 with random weights. The record is
tests/data/lift.json; a run that was cut short goes on.
"""

from __future__ import annotations

import gc
import time
import warnings
from pathlib import Path

import torch

from archc.diagnostics import ArchError
from archc.measure.foreign import make_foreign
from archc.measure.lift.lift import lift
from benchmarks.record import Row, asked_for, options, read, with_table, write
from tests.peers import import_timm

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "tests" / "data" / "lift.json"
PAGE = ROOT / "docs" / "lift.md"

TORCHVISION = (
    "alexnet", "vgg16", "vgg16_bn", "resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "densenet121",
    "densenet161", "squeezenet1_0", "squeezenet1_1", "googlenet", "inception_v3", "mobilenet_v2", "mobilenet_v3_large",
    "mobilenet_v3_small", "mnasnet1_0", "shufflenet_v2_x1_0", "efficientnet_b0", "efficientnet_v2_s", "regnet_x_400mf",
    "regnet_y_400mf", "convnext_tiny", "swin_t", "vit_b_16",
)  # fmt: skip
TIMM = (
    "resnet50d", "seresnet50", "legacy_seresnet50", "resnetrs50", "resnetv2_50", "nf_resnet50", "nf_regnet_b1",
    "dm_nfnet_f0", "regnety_004", "tf_efficientnet_b0", "mobilenetv3_large_100", "mobilenetv4_conv_small", "ghostnet_100",
    "dla34", "hrnet_w18_small", "res2net50_26w_4s", "skresnet18", "ecaresnet26t", "xception41", "inception_v4", "dpn68",
    "cspresnet50", "cspdarknet53", "darknet53", "repvgg_b0", "convnextv2_atto", "rexnet_100", "hardcorenas_a", "mixnet_s",
    "nasnetalarge", "pnasnet5large", "mobileone_s0", "lcnet_050", "tinynet_a", "fbnetc_100", "selecsls42b",
    "regnetz_b16", "resnest14d", "gernet_s", "vovnet39a", "fasternet_t0", "bat_resnext26ts", "vit_tiny_patch16_224",
)  # fmt: skip
SIZES = {"inception_v3": 96, "vit_b_16": 224, "vit_tiny_patch16_224": 224, "inception_v4": 96}
SIZE = 64


def names() -> list[str]:
    """All modules tried."""
    return [*(f"torchvision:{n}" for n in TORCHVISION), *(f"timm:{n}" for n in TIMM)]


def attempt(name: str) -> Row:
    """One module: what its row says."""
    model = name.partition(":")[2]
    size = SIZES.get(model, SIZE)
    row: Row = {"name": name, "size": size}
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = make_foreign(name)
        row["params"] = sum(p.numel() for p in module.parameters())
        try:
            found = lift(module, (3, size, size), model, name)
        except ArchError as error:
            return {**row, "reason": error.diagnostics[0].message}
    row |= {"nodes": len(found.graph.nodes), "lines": len(found.text.splitlines())}
    row |= {"seconds": round(time.process_time() - start, 1), "error": found.report.error}
    if not found.ok:
        lost = [key for key in found.report.only_theirs if key not in found.left_out]
        row["reason"] = f"differs: {[*found.report.only_ours, *lost][:2] or found.report.error}"
    return row


def table(rows: dict[str, Row]) -> str:
    """The results, and the table of them."""
    equal = [row for row in rows.values() if "reason" not in row]
    worst = max(row["error"] for row in equal)
    lines = [
        f"**{len(equal)} of {len(rows)}** come back equal; the largest relative difference of an output is {worst:.0e}"
        " (float64).",
        "",
        "| module | pixels | parameters | nodes | lines of text | result |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for name in names():
        row = rows.get(name)
        if row is None:
            lines.append(f"| {name} | | | | | not tried yet |")
            continue
        result = row.get("reason") or (f"equal, {row['error']:.0e}" if row["error"] else "equal, to the bit")
        cells = (
            name,
            row["size"],
            f"{row['params'] / 1e6:.1f} M",
            row.get("nodes", ""),
            row.get("lines", ""),
            result,
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def page(text: str, rows: dict[str, Row]) -> str:
    """The page with its table put in."""
    return with_table(text, table(rows))


def main() -> None:
    arguments = options(__doc__)
    torch.set_num_threads(1)
    import_timm()
    rows, start = read(RECORD), time.monotonic()
    for name in [] if arguments.page else [n for n in names() if asked_for(n, arguments.patterns)]:
        if name in rows and not arguments.again:
            continue
        if time.monotonic() - start > arguments.seconds:
            break
        row = attempt(name)
        print(row, flush=True)
        rows = {**read(RECORD), name: row}  # another run may have written meanwhile
        write(RECORD, (rows[name] for name in names() if name in rows))
        gc.collect()
    PAGE.write_text(page(PAGE.read_text(), rows))


if __name__ == "__main__":
    main()
