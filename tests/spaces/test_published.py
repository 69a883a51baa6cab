"""The published cells are points of the spaces they were found in: frozen, they are the library's networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import archc
from archc.cli.main import main
from archc.spaces.canonical import canonical_hash
from archc.spaces.frozen import frozen, point_of
from archc.spaces.point_text import from_json
from archc.spaces.points import graph_of
from archc.spaces.space import Request, Space

FOLDER = Path(__file__).parent / "published"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def published(name: str) -> tuple[Space, dict[str, Any]]:
    found = json.loads((FOLDER / f"{name}.json").read_text())
    arguments = dict(found["arguments"])
    size = arguments.pop("input", None)
    space = Space(
        Request(found["space"], arguments=tuple(arguments.items()), input=tuple(size) if size else None)
    )
    return space, from_json(json.dumps(found["point"]), space.parameters)


def test_all_of_them_are_here() -> None:
    assert NAMES == [
        "amoebanet_a_cifar", "darts_v1_cifar", "darts_v2_cifar", "enas_micro_cifar", "nasnet_a_cifar", "pnasnet5large",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_published_cell_is_a_point(name: str, tmp_path: Path) -> None:
    space, point = published(name)
    ours, theirs = graph_of(space, point), archc.load(name)
    assert (ours.cost.params, ours.cost.macs, ours.cost.activations) == (
        theirs.cost.params, theirs.cost.macs, theirs.cost.activations,
    )  # fmt: skip
    spec = tmp_path / f"{name}.arch"
    spec.write_text(frozen(space, point, name))
    assert archc.check(str(spec)) == []
    again, found = point_of(str(spec))
    assert found == point
    assert canonical_hash(graph_of(again, found)) == canonical_hash(ours)


def test_the_command_freezes_darts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads((FOLDER / "darts_v2_cifar.json").read_text())
    point, spec = tmp_path / "point.json", tmp_path / "v2.arch"
    point.write_text(json.dumps(found["point"]))
    assert main(["freeze", "darts", str(point), "-p", "width=36", "-p", "repeats=6", "-o", str(spec)]) == 0
    assert f"wrote {spec}" in capsys.readouterr().out
    assert "params = 3_349_342, macs = 528_359_040" in spec.read_text()
    assert archc.load(str(spec)).cost.params == archc.load("darts_v2_cifar").cost.params


def test_the_command_mutates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    point = {f"code[{i}]": 3 for i in range(6)}
    Path("point.json").write_text(json.dumps(point))
    assert main(["freeze", "nb201", "point.json", "-p", "width=4", "-o", "best.arch"]) == 0
    assert main(["mutate", "best.arch", "--n", "4", "-o", "near"]) == 0
    specs = sorted(Path("near").glob("*.arch"))
    assert [s.name for s in specs] == [f"best_{i}.arch" for i in range(4)]
    before = point_of("best.arch")[1]
    neighbours = [point_of(str(s)) for s in specs]
    assert all(space.given == {"width": 4} for space, _ in neighbours)
    assert all(sum(before[p] != found[p] for p in before) == 1 for _, found in neighbours)
    assert len({tuple(found.values()) for _, found in neighbours}) > 1
    assert main(["check", "near"]) == 0
    capsys.readouterr()
    assert main(["mutate", "best.arch", "--seed", "7"]) == 0
    assert "A neighbour of best: code[" in capsys.readouterr().out


def test_commands_say_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("point.json").write_text('{"code[0]": 9}')
    assert main(["freeze", "nb201", "point.json"]) == 1
    assert "`code[0]` cannot be 9" in capsys.readouterr().err
    Path("point.json").write_bytes(b"\xff\x00{}")
    assert main(["freeze", "nb201", "point.json"]) == 1
    assert "E0113" in capsys.readouterr().err
    assert main(["mutate", "resnet50"]) == 1
    assert "resnet50 is no point of a space" in capsys.readouterr().err
    assert main(["mutate", "resnet50", "--n", "2"]) == 2
    Path("point.json").write_text('{"d": 12, "w0": 8, "wa": 8.0, "wm": 2.0, "g": 8}')
    assert main(["freeze", "regnetx", "point.json"]) == 1
    assert "this point does not meet `" in capsys.readouterr().err
    Path("point.json").write_text(f'{{{", ".join(f""" "code[{i}]": 1""" for i in range(6))}}}')
    assert main(["freeze", "nb201", "point.json", "--name", "no name"]) == 2


def test_a_spec_of_ones_own_space_stands_alone_and_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its space is copied into it, without the variants: a neighbour of a neighbour is as long as the first."""
    monkeypatch.chdir(tmp_path)
    Path("mine.arch").write_text(
        '"""Mine."""\n\n# a comment\narch mine(w: int in {4, 8, 16}, k: int in {1, 3}, classes: int = 10) {\n'
        "  input 3 x 8 x 8\n  stem conv(w, k)\n  head global_avg_pool -> linear(classes)\n}\n"
        "variant small = mine(w = 4, k = 1)\n"
    )
    Path("point.json").write_text('{"w": 8, "k": 3}')
    assert main(["freeze", "mine.arch:mine", "point.json", "-o", "out/one.arch"]) == 0
    Path("mine.arch").unlink()
    assert main(["mutate", "out/one.arch", "-o", "out/two.arch"]) == 0
    assert main(["mutate", "out/two.arch", "-o", "out/three.arch"]) == 0
    one, _, three = (Path(f"out/{n}.arch").read_text() for n in ("one", "two", "three"))
    assert (
        "# a comment" in three
        and three.count("variant") == 1
        and len(one.splitlines()) == len(three.splitlines())
    )
    assert archc.check("out/three.arch") == []
