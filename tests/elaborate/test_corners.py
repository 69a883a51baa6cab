"""Where caches, defaults and limits meet: each of these once gave a wrong network, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

import archc
from archc.diagnostics import ArchError
from archc.elaborate import check, check_text
from archc.elaborate.api import library
from archc.spaces.point_text import from_line
from archc.spaces.size import size
from archc.spaces.space import Request, Space
from archc.spaces.supernet import supernet


def written(folder: Path, text: str, name: str = "net") -> str:
    path = folder / f"{name}.arch"
    path.write_text(text, encoding="utf-8")
    return str(path)


def codes(text: str) -> list[str]:
    return [d.code for d in check_text(text)]


def space_of(domain: str, type_: str = "int") -> str:
    return f"arch net(w: {type_} in {domain}) {{\n  input 3 x 8 x 8\n  stem scale(w) -> conv(4)\n}}\n"


PICKED_IN_FN = """fn choose() = pick([3, 5, 7])
arch net(k: int = 3) {
  input 3 x 16 x 16
  stem conv(4, choose())
  stage 2 x conv(8, k)
}
variant other = net(k = choose())
"""


def test_picks_within_functions_are_drawn_for_each_sample(tmp_path: Path) -> None:
    spec = written(tmp_path, PICKED_IN_FN)
    for name, number in (("net", 3), ("other", 9)):
        found = [archc.load(f"{spec}:{name}", sample=seed) for seed in range(60)]
        assert len({graph.cost.params for graph in found}) == number


def test_a_pick_within_a_function_makes_a_space(tmp_path: Path) -> None:
    space = Space(Request(written(tmp_path, PICKED_IN_FN)))
    costs = [space.cost(index).params for index in range(60)]
    assert len(set(costs)) == 3
    assert costs == [space.graph(index).cost.params for index in range(60)]


@pytest.mark.parametrize(
    ("stride", "sides"),
    [("stride: int = 2", (32, 32)), ("stride: int = 1", (64, 64)), ("ambient stride: int = 2", (32, 32))],
)
def test_a_stage_strides_once_by_default_too(tmp_path: Path, stride: str, sides: tuple[int, int]) -> None:
    text = f"""block f(x, {stride}) {{ return x -> conv(8, 3, stride) }}
arch net() {{
  input 3 x 64 x 64
  stage 3 x f
}}
"""
    assert archc.load(written(tmp_path, text)).nodes[-1].shape[1:] == sides


@pytest.mark.parametrize(
    ("domain", "values"),
    [("1..4 step 2", {1, 3}), ("1..5 step 2", {1, 3}), ("1..=4 step 2", {1, 3}), ("0..2 step 1", {0, 1})],
)
def test_ranges_of_steps_reach_their_last_value(tmp_path: Path, domain: str, values: set[int]) -> None:
    space = Space(Request(written(tmp_path, space_of(domain))))
    assert {space.sampled(index).arguments["w"] for index in range(40)} == values


@pytest.mark.parametrize(
    ("domain", "type_"),
    [
        ("0..=1 step 1e-320", "float"), ("0..=1e-315", "float"), ("0..=1e20 step 1e-5", "float"), ("{4, 4}", "int"),
        ("1.5..=4", "int"), ("1..=4 step 0.5", "int"), ("pow2_or_log(8, 128, 8, 16)", "int"),
        ("pow2_or_log(8, 128, low = 16)", "int"),
    ],
)  # fmt: skip
def test_domains_that_make_no_sense_are_refused(domain: str, type_: str) -> None:
    assert codes(space_of(domain, type_)) == ["E0510"]


def test_an_import_that_changed_is_read_again(tmp_path: Path) -> None:
    spec = written(tmp_path, "from b import g\narch net() {\n  input 3 x 8 x 8\n  stem g\n}\n")
    written(tmp_path, "from c import f\nblock g(x) { return x -> f }\n", "b")
    for width in (4, 40):
        written(tmp_path, f"block f(x) {{ return x -> conv({width}) }}\n", "c")
        assert archc.count(archc.load(spec)).params == 3 * width
    (tmp_path / "c.arch").unlink()
    with pytest.raises(ArchError, match="E0211"):
        archc.load(spec)


def test_a_copy_of_a_shipped_file_imports_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    copy = tmp_path / "enas.arch"
    copy.write_text((library().root / "spaces" / "enas.arch").read_text())
    assert not check(str(copy))
    mine = written(tmp_path, "from mine import f\n", "mine")
    assert "E0212" in [d.code for d in check(mine)]


def test_text_in_no_file_imports_from_the_library_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "block f(x) { return x -> conv(4) }\n", "b")
    monkeypatch.chdir(tmp_path)
    text = "from {} import {}\narch net() {{\n  input 3 x 8 x 8\n  stem {}\n}}\n"
    assert "E0211" in codes(text.format("b", "f", "f"))
    assert codes(text.format("std.residual", "basic_block", "basic_block(8)")) == []


def test_a_supernet_that_does_not_meet_its_requirements_says_so(tmp_path: Path) -> None:
    text = "arch net() {\n  input 3 x 8 x 8\n  require 1 > 2\n  x = x -> pick([conv(4), conv(4, 3)])\n}\n"
    with pytest.raises(ArchError, match="E0517"):
        supernet(Space(Request(written(tmp_path, text))))


def test_a_mistake_made_thousands_of_times_is_the_only_error() -> None:
    text = """arch net() {
  input 3 x 8 x 8
  for i in 0..9000 {
    y = x -> conv(4, 3, i / 0)
  }
  stem conv(4)
}
"""
    assert codes(text) == ["E0411"]
    endless = text.replace("9000", "60000").replace("    y", "    for j in 0..60000 { z = j }\n    y")
    assert "E0901" in codes(endless)


def test_a_pick_in_a_constant_is_told_where_it_belongs() -> None:
    (found,) = check_text("k = pick([3, 5])\narch net() {\n  input 3 x 8 x 8\n  stem conv(4, k)\n}\n")
    assert found.code == "E0507"
    assert "pick in an arch" in found.help[0]


def test_a_list_may_be_given_to_a_space() -> None:
    space = Space(Request("anynetx", arguments=(("strides", [2, 2, 2, 2]),)))
    assert space.cost(0).params == space.graph(0).cost.params


def test_a_condition_that_fails_for_some_values_is_told_when_a_space_is_counted(tmp_path: Path) -> None:
    text = "arch net(w: int in 1..=4) {\n  input 3 x 8 x 8\n  require 4 // (w - 1) > 1\n  stem conv(w)\n}\n"
    with pytest.raises(ArchError, match="E0411"):
        size(Space(Request(written(tmp_path, text))))


@pytest.mark.parametrize(
    "line", ["w = " + "[" * 100_000, "w[0..99999999999]: 1", "w[0..2]: 1", "w = 4.5.5", "w: x"]
)
def test_lines_that_are_no_points_are_refused(line: str) -> None:
    with pytest.raises(ValueError):
        from_line(line)
