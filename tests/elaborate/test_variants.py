"""Variants in files of their own: what they write means what it means there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import archc
from archc.spaces.sample import sample
from archc.spaces.space import Request
from tests.elaborate.support import build

BASE = """block act_of(x) { return x -> relu }
factor = 2

arch base(width: int, act: op = act_of, kernel: int in {1, 3} = 3) {
  input 3 x 8 x 8
  stem conv(width * factor, kernel) -> act
  head global_avg_pool -> linear(4)
}
"""
OWN = """from base import base

block act_of(x, ambient bend: op = tanh) { return x -> bend }
factor = 5
fn wide(n) = n * factor

variant own = base(wide(2), act = act_of) {
  set bend = silu
  info factor = factor
}
variant further = own(act = silu)
"""


def ops(graph: archc.Graph) -> list[str]:
    return [node.op.name for node in graph.nodes if node.op.kind != "input"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "base.arch").write_text(BASE)
    (tmp_path / "own.arch").write_text(OWN)
    return tmp_path


def test_arguments_sets_and_info_of_a_variant_mean_what_they_mean_in_its_file(files: Path) -> None:
    assert archc.check(f"{files / 'own.arch'}:own") == []
    graph = archc.load(f"{files / 'own.arch'}:own")
    # 5 * 2 of its own file, times the 2 of the arch's; its own block, and the ambient that this declares
    assert graph.nodes[1].shape == (20, 8, 8)
    assert ops(graph) == ["conv", "silu", "global_avg_pool", "linear"]
    assert dict(graph.info) == {"factor": 5}


def test_each_variant_of_a_chain_has_its_own_file(files: Path) -> None:
    (files / "last.arch").write_text(
        "from own import further\nblock act_of(x) { return x -> elu }\nvariant last = further(act = act_of)\n"
    )
    assert ops(archc.load(files / "last.arch"))[1] == "elu"
    assert ops(archc.load(f"{files / 'own.arch'}:further"))[1] == "silu"


def test_an_op_given_by_name_is_looked_for_where_the_spec_is_then_where_its_arch_is(files: Path) -> None:
    own, base = f"{files / 'own.arch'}:further", f"{files / 'base.arch'}:base"
    # the file's own block, in whose body nothing is set but what the variants set
    assert ops(archc.load(own, act="act_of"))[1] == "silu"
    assert ops(archc.load(base, width=4, act="act_of"))[1] == "relu"
    assert ops(archc.load(own, act="gelu"))[1] == "gelu"


def test_a_name_of_the_archs_file_alone_is_unknown_in_a_variants(files: Path) -> None:
    (files / "bad.arch").write_text("from base import base\nvariant bad = base(factor)\n")
    (diagnostic,) = archc.check(files / "bad.arch")
    assert diagnostic.code == "E0201" and diagnostic.span.source.name.endswith("bad.arch")


def test_a_space_may_be_a_variant_with_blocks_of_its_own(files: Path) -> None:
    (files / "space.arch").write_text(
        "from base import base\nblock soft(x) { return x -> softplus_like }\n"
        "softplus_like = silu\nvariant space = base(act = pick([soft, tanh]))\n"
    )
    found = sample(Request(str(files / "space.arch"), arguments=(("width", 4),)), 2)
    assert len(found.draws) == 2


def test_an_arch_without_a_value_names_the_variants_that_have_one() -> None:
    text = "arch net(depth: int) {\n  input 3 x 8 x 8\n  stem depth * relu\n}\n"
    family = text + "".join(f"variant net_{c} = net(depth = 2)\n" for c in "abcd")
    with pytest.raises(archc.ArchError) as error:
        build(family)
    (help,) = error.value.diagnostics[0].help
    assert re.sub(r"`\S+/", "`", help) == (
        "pass `-p depth=…`, or take a variant instead: `net.arch:net_a`, `net.arch:net_b`, `net.arch:net_c`, …"
    )
    with pytest.raises(archc.ArchError) as error:
        build(text)
    assert error.value.diagnostics[0].help == ("pass `-p depth=…`",)
