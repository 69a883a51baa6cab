"""docs/conventions.md, from the record of what the tools printed and from archc's tables of rules."""

from __future__ import annotations

from typing import Any

import archc
from archc.analyses.conventions import conventions, count_as

TOOLS = ("torch", "fvcore", "thop", "ptflops", "torchinfo")

HEAD = """# One network, many counts

Tools disagree about the cost of the same network: whether a multiply-add is one or two, whether norms, biases,
activations and pools count, and which layers they see at all. `archc count NETWORK --as TOOL` gives the number
that tool prints, from the graph, without building the network; `--explain` lists what makes the difference.

```console
$ archc count nfnet_f0 --as ptflops --explain
nfnet_f0, as timm 1.0.31 writes it: ptflops prints 36,288,360 multiply-adds
archc counts 6,977,003,520 multiply-adds; the difference is -6,940,715,160 (-99.48%)
ws_conv … missed: a subclass of nn.Conv2d, and classes are looked up exactly … -6,952,108,032
```

This page is written by `python -m benchmarks.conventions`: every number in a tool's column was printed by that tool,
on {date}, with {versions}, on batch 1 in eval mode at the network's declared input. **{exact} of {n} numbers are
reproduced to the unit** ({networks} networks, {tools} tools, each for the reference implementation and for the module
archc emits); a number that is not is marked with archc's figure beside it.
"""

NOTES = """
## What to make of them

- torch is right wherever it sees the operators, in FLOPs: twice archc's multiply-adds.
- fvcore adds norms at two (batch) or five (layer) an element, adaptive average pools, and for timm's normaliser-free
  networks the standardisation of the kernels.
- thop and ptflops look classes up exactly. timm's `ScaledStdConv2d` is a subclass of `nn.Conv2d`, so of NFNet-F0 they
  see the squeeze-and-excitation and the classifier only; the same happens to timm's `BatchNormAct2d` and `Conv2dSame`.
- ptflops also counts every `nn.ReLU` twice, as the module and as the function it calls, and every pool module too.
- torchinfo multiplies parameters by pixels only where the class name has `Conv` in it, so it takes ConvNeXt's linear
  layers over every pixel for one pixel each.

| convention | network | what agrees |
|---|---|---|
| pycls | its 24 published RegNets | flops and activations, to the unit, with pycls 5719de6's own |
| nasbench201 | all 15,625 cells | the FLOPs of the NATS-Bench API, to the unit; the rule was inferred from them |
"""


def page(record: dict[str, Any]) -> str:
    """The page as text."""
    counts = {
        (name, what, tool): (row[what][tool], count_as(graph, tool, style).total)
        for name, row in record["networks"].items()
        for graph in [archc.load(name)]
        for what, style in (("reference", None), ("emitted", "emitted"))
        for tool in TOOLS
    }
    exact = sum(theirs == ours for theirs, ours in counts.values())
    versions = ", ".join(f"{tool} {version}" for tool, version in record["versions"].items())
    lines = [
        HEAD.format(
            date=record["date"], versions=versions, exact=exact, n=len(counts), networks=len(record["networks"]),
            tools=len(TOOLS),
        )
    ]  # fmt: skip
    titles = {
        "reference": "The reference implementations",
        "emitted": "The modules archc emits for the same networks",
    }
    for what, title in titles.items():
        lines += [f"## {title}", "", "| network | archc | " + " | ".join(TOOLS) + " |", "|---|" + "---:|" * 6]
        for name, row in record["networks"].items():
            of = row["of"].replace(".models", "").replace(":", ".") if what == "reference" else ""
            label = f"{name}<br><small>{of}</small>" if of else name
            cells = [_cell(*counts[name, what, tool]) for tool in TOOLS]
            lines.append(f"| {label} | {archc.load(name).cost.macs:,} | {' | '.join(cells)} |")
        lines.append("")
    lines += [NOTES.strip(), "", "## The rules", ""]
    for rules in conventions().values():
        lines += [f"**{rules.name}** ({rules.source}), in {rules.unit}: {rules.about}.", ""]
        lines += ["| seen | counts |", "|---|---|"]
        for seen, rule in rules.rules.items():
            text = " + ".join(f"{times} {what}" if times > 1 else what for times, what in rule)
            lines.append(f"| {seen.replace('op.', 'the node ')} | {text} |")
        lines.append("")
    lines.append(
        "`macs` multiply-adds; `in`, `out` elements of the first input and of the output; `bias`, `affine` the same "
        "where there is a bias or a learnable scale; `params`, `biases`, `kernel` learnable elements; `window` kernel "
        "area × out; `larger` in, had it one more row and column; `spread` out × kernel area × input channels of a group."
    )
    return "\n".join(lines) + "\n"


def _cell(theirs: int, ours: int) -> str:
    return f"{theirs:,}" if theirs == ours else f"{theirs:,} (archc: {ours:,})"
