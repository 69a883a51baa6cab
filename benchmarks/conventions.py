"""What counting tools print for networks of the library: measured, and written up beside archc's reproduction.

    python -m benchmarks.conventions            measure with the tools installed, write the record and the page
    python -m benchmarks.conventions --page     write the page from the record

The record, tests/data/conventions.json, holds each tool's own total for the reference implementation
(torchvision's, timm's) and for the module archc emits. docs/conventions.md is made from it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import logging
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "tests/data/conventions.json"
PAGE = ROOT / "docs/conventions.md"
TOOLS = ("torch", "fvcore", "thop", "ptflops", "torchinfo")

TORCHVISION, NFNET = "torchvision.models", "timm.models.nfnet"
NETWORKS: dict[str, str] = {
    **{
        name: f"{TORCHVISION}:{name}"
        for name in (
            "alexnet", "vgg11", "vgg11_bn", "resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2",
            "densenet121", "squeezenet1_1", "googlenet", "inception_v3", "mobilenet_v2", "mobilenet_v3_large",
            "mobilenet_v3_small", "efficientnet_b0", "efficientnet_v2_s", "shufflenet_v2_x1_0", "mnasnet1_0",
            "regnet_x_400mf", "regnet_y_400mf", "convnext_tiny",
        )
    },
    "nfnet_f0": f"{NFNET}:dm_nfnet_f0",
    "nfnet_f0_gamma_in_conv": f"{NFNET}:nfnet_f0",
    "nf_resnet50": f"{NFNET}:nf_resnet50",
    "nf_regnet_b1": f"{NFNET}:nf_regnet_b1",
    "regnetx_002": "timm.models.regnet:regnetx_002",
    "regnety_004": "timm.models.regnet:regnety_004",
    "mobilenetv1_100": "timm.models.efficientnet:mobilenetv1_100",
    "tf_efficientnet_b0": "timm.models.efficientnet:tf_efficientnet_b0",
}  # fmt: skip
"""Library name to reference implementation."""


def tool_total(tool: str, model: Any, size: tuple[int, ...]) -> int:
    """The total a tool gives for a module and one example, in its own units.

    torch: FLOPs, two a multiply-add. The others: multiply-adds, with what each adds to them.
    """
    import torch

    x = torch.zeros(1, *size)
    quiet = io.StringIO()
    with torch.no_grad(), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        if tool == "torch":
            from torch.utils.flop_counter import FlopCounterMode

            with FlopCounterMode(display=False) as counter:
                model(x)
            return int(counter.get_total_flops())
        if tool == "fvcore":
            from fvcore.nn import FlopCountAnalysis

            analysis = FlopCountAnalysis(model, x).unsupported_ops_warnings(False)
            return int(analysis.uncalled_modules_warnings(False).total())
        if tool == "thop":
            import thop

            return int(thop.profile(model, (x,), verbose=False)[0])
        if tool == "ptflops":
            from ptflops import get_model_complexity_info

            found, _ = get_model_complexity_info(model, size, as_strings=False, print_per_layer_stat=False)
            return int(found)
        import torchinfo

        return int(torchinfo.summary(model, input_data=x, verbose=0).total_mult_adds)


def reference(name: str) -> Any:
    """The reference implementation of a library network, in eval mode."""
    from tests.peers import import_timm, import_torchvision

    where, _, attribute = NETWORKS[name].partition(":")
    if where.startswith("torchvision"):
        import_torchvision()
    else:
        import_timm()
    make: Callable[..., Any] = getattr(importlib.import_module(where), attribute)
    kwargs = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return make(**kwargs).eval()


def measure(names: list[str]) -> dict[str, Any]:
    """Totals by network, then by "reference" and "emitted", then by tool."""
    import archc

    networks: dict[str, Any] = {}
    for name in names:
        graph = archc.load(name)
        size = graph.inputs[0].shape
        row: dict[str, Any] = {"of": NETWORKS[name], "input": list(size)}
        # some tools leave marks on a module: each gets a fresh one
        row["reference"] = {tool: tool_total(tool, reference(name), size) for tool in TOOLS}
        row["emitted"] = {
            tool: tool_total(tool, archc.compile(graph, form="plain").eval(), size) for tool in TOOLS
        }
        networks[name] = row
        print(name, row, file=sys.stderr)
    return networks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help="only write the page from the record")
    parser.add_argument("names", nargs="*", help="networks to measure; all when none is named")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if not options.page:
        record = json.loads(RECORD.read_text()) if options.names else {"networks": {}}
        record["versions"] = {p: version(p) for p in (*TOOLS, "torchvision", "timm")}
        record["date"] = "2026-11-21"
        record["networks"] |= measure(options.names or list(NETWORKS))
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    from benchmarks.conventions_page import page

    PAGE.write_text(page(json.loads(RECORD.read_text())), encoding="utf-8")


if __name__ == "__main__":
    main()
