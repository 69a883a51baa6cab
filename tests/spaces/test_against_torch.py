"""Random samples of every space, run: what was counted is what the torch module has and does."""

from __future__ import annotations

from pathlib import Path

import pytest

import archc
from archc.diagnostics import Source
from archc.measure.verify import verify
from archc.spaces.files import row, spec_text
from archc.spaces.sample import sample
from archc.spaces.space import Request, Space
from archc.syntax.format import format_source

# each with what keeps it small enough to run by the hundred
SPACES = {
    "regnetx": ("macs < 2G",),
    "regnety": ("macs < 2G",),
    "anynetx_a": ("macs < 1G",),
    "anynetx_c": ("macs < 1G",),
    "anynetx_d": ("macs < 1G",),
    "mobile": (),
    "nb201": (),
    "nb301": (),
    "nasnet": ("macs < 600M",),
    "macro": (),
}


def agree(name: str, number: int, tmp_path: Path) -> None:
    request = Request(name, seed=11, requires=SPACES[name])
    space = Space(request)
    population = sample(request, number)
    assert len(population.draws) == number
    for draw in population.draws:
        text = spec_text(space, draw)
        path = tmp_path / f"{row(space, draw)['name']}.arch"
        path.write_text(text)
        assert format_source(Source(path.name, text)) == text
        assert archc.check(str(path)) == []
        graph, drawn = archc.load(path), space.graph(draw.index)
        assert [(n.op, n.inputs, n.shape) for n in graph.nodes] == [
            (n.op, n.inputs, n.shape) for n in drawn.nodes
        ]
        report = verify(graph)
        assert report.ok, (path.name, report.mismatches[:3])
        assert (report.params, report.macs) == (draw.params, draw.macs)
        assert elements_out_of_convolutions(graph) == draw.activations


def elements_out_of_convolutions(graph: archc.Graph) -> int:
    """Of an image, as the module makes them: what activations are."""
    import torch
    from torch import nn

    module = archc.compile(graph).to("meta").eval()
    counted: list[int] = []
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_hook(lambda made, inputs, output: counted.append(output.numel()))
    module(torch.empty(1, *graph.inputs[0].shape, device="meta"))
    return sum(counted)


@pytest.mark.parametrize("name", ["regnetx", "nb301", "macro"])
def test_some_samples(name: str, tmp_path: Path) -> None:
    agree(name, 2, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_two_hundred_samples(name: str, tmp_path: Path) -> None:
    """Twenty of each of ten spaces."""
    agree(name, 20, tmp_path)
