"""The file a user ships is the module the compiler runs: same source, no archc, bitwise the same outputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import archc
from archc.backends.torch_source import class_name
from tests.measure.test_library import FIRST, NETWORKS

ALONE = """
import importlib.util, sys
sys.modules["archc"] = None  # importing it raises
import torch
from safetensors.torch import save_file
torch.set_num_threads(1)
folder = sys.argv[1]
for word in sys.argv[2:]:
    name, kind, training, *size = word.split(",")
    spec = importlib.util.spec_from_file_location(name, f"{folder}/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    network = getattr(module, kind)().train(bool(training))
    x = torch.randn(2, *map(int, size))
    with torch.no_grad():
        found = network(x)
    found = found if isinstance(found, tuple) else (found,)
    save_file({str(i): t.contiguous() for i, t in enumerate(found)}, f"{folder}/{name}.safetensors")
"""

SMALL = [n for n in FIRST.values() if archc.load(n).cost.params < 12e6]
LARGE = [n for n in NETWORKS if n not in SMALL and archc.load(n).cost.params < 120e6]


DEEP = {"preact_resnet1001"}
"""Before any training their numbers overflow, but for statistics of the batch."""


def size_of(name: str) -> tuple[int, int, int]:
    """The declared input, or a smaller one where the network takes it."""
    channels, height, width = archc.load(name).inputs[0].shape
    small = (channels, min(height, 96), min(width, 96))
    try:
        archc.load(name, input=small)
    except archc.ArchError:
        return channels, height, width
    return small


def compare(names: list[str], folder: Path) -> None:
    words = []
    for name in names:
        size = size_of(name)
        graph = archc.load(name, input=size)
        (folder / f"{name}.py").write_text(archc.emit(graph), encoding="utf-8")
        words.append(",".join([name, class_name(graph), "training" * (name in DEEP), *map(str, size)]))
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, str(folder), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    torch.set_num_threads(1)
    for name in names:
        size = size_of(name)
        torch.manual_seed(0)
        network = archc.compile(archc.load(name, input=size)).train(name in DEEP)
        x = torch.randn(2, *size)
        with torch.no_grad():
            ours = network(x)
        theirs = load_file(folder / f"{name}.safetensors")
        for i, tensor in enumerate(ours if isinstance(ours, tuple) else (ours,)):
            assert torch.isfinite(tensor).all(), name
            assert torch.equal(tensor, theirs[str(i)]), name


def test_one_network_a_family(tmp_path: Path) -> None:
    assert len(SMALL) >= 15
    compare(SMALL, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, len(LARGE), 10))
def test_the_library(start: int, tmp_path: Path) -> None:
    compare(LARGE[start : start + 10], tmp_path)
