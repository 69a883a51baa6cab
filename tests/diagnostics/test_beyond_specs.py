"""Diagnostics that need more than one readable spec: files, commands, sizes and counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import archc
from archc.diagnostics import Diagnostic, render
from archc.elaborate import check_text
from archc.elaborate.api import check, load_all
from archc.ops.base import OpError
from archc.ops.registry import registry
from archc.spaces.space import Request, Space
from archc.spaces.supernet import supernet
from tests.diagnostics.codes import BEYOND_SPECS

BLOCKS = "block unit(x) {\n  return x -> conv(8, 3)\n}\n"
NET = "arch net() {\n  input 3 x 8 x 8\n  stem unit\n}\n"


def write(folder: Path, **files: str) -> Path:
    """Write `NAME.arch` for each keyword; the path of `net.arch`."""
    for name, text in files.items():
        (folder / f"{name}.arch").write_text(text)
    return folder / "net.arch"


def refusal(spec: object, **options: object) -> Diagnostic:
    """The one diagnostic with which `load_all` refuses."""
    with pytest.raises(archc.ArchError) as caught:
        load_all(str(spec), **options)  # type: ignore[arg-type]  # the options of load_all, passed on
    (found,) = caught.value.diagnostics
    return found


def the_only(found: list[Diagnostic]) -> Diagnostic:
    (one,) = found
    return one


def test_a_source_too_large() -> None:
    found = the_only(check_text("# " + "x" * 2**18))
    assert found.code == "E0110"
    assert "at most 262144 bytes" in render(found)


def test_more_syntax_errors_than_are_shown() -> None:
    found = check_text("a b\n" * 200)
    assert [d.code for d in found] == ["E0120"] * 100 + ["E0114"]
    assert found[-1].message == "100 more syntax errors are not shown"


def test_more_errors_than_are_shown() -> None:
    wrong = "".join(f"  stem conv({i}.5)\n" for i in range(150))
    found = check_text(f"arch net() {{\n  input 3 x 8 x 8\n{wrong}}}\n")
    assert [d.code for d in found[:100]] == ["E0304"] * 100
    assert [d.code for d in found].count("E0906") == 1
    assert "correct these first" in render(next(d for d in found if d.code == "E0906"))


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_an_import_through_a_link(tmp_path: Path, link: object) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "blocks.arch").write_text(BLOCKS)
    link(outside / "blocks.arch", inside / "blocks.arch")  # type: ignore[operator]  # os.symlink or os.link
    found = the_only(check(write(inside, net="from blocks import unit\n" + NET)))
    assert (found.code, found.span.text) == ("E0216", "from blocks import unit")


def test_an_import_through_a_linked_folder(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "blocks.arch").write_text(BLOCKS)
    (inside / "parts").symlink_to(outside)
    found = check(write(inside, net="from parts.blocks import unit\n" + NET))
    assert [d.code for d in found] == ["E0216"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    found = the_only(check(tmp_path / "none.arch"))
    assert found.code == "E0217"
    assert "No such file" in found.message


def test_a_folder_and_a_device_are_no_specs(tmp_path: Path) -> None:
    (tmp_path / "folder.arch").mkdir()
    os.mkfifo(tmp_path / "pipe.arch")
    for name, reason in (("folder.arch", "it is a folder"), ("pipe.arch", "not a regular file")):
        found = the_only(check(tmp_path / name))
        assert found.code == "E0217"
        assert reason in found.message


def test_a_name_the_library_does_not_have() -> None:
    found = the_only(check("resnet51"))
    assert found.code == "E0218"
    assert render(found).endswith("= help: did you mean `resnet50`?")


@pytest.mark.parametrize(
    ("op", "arguments", "code"),
    [
        ("relu", {"inplace": True}, "E0307"),
        ("conv", {}, "E0308"),
        ("drop_path", {"rate": 0.1, "index": 4, "total": 4}, "E0317"),
    ],
)
def test_ops_made_from_outside(op: str, arguments: dict[str, object], code: str) -> None:
    with pytest.raises(OpError) as caught:
        registry()[op].make(**arguments)
    assert caught.value.code == code


def test_a_file_of_blocks_is_no_network(tmp_path: Path) -> None:
    path = write(tmp_path, net=BLOCKS)
    assert check(path) == []
    assert refusal(path).code == "E0501"


@pytest.mark.parametrize("text", ["", "\n", "# to be written\n", '"""A network."""\n'])
def test_a_file_that_declares_nothing(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, net=text)
    assert [d.code for d in check(path)] == ["E0501"]
    assert refusal(path).code == "E0501"


def test_an_open_choice_names_what_it_may_be(tmp_path: Path) -> None:
    space = "arch net(width: int in 8..=64 step 8) {\n  input 3 x 8 x 8\n  stem conv(width, 3)\n}\n"
    path = write(tmp_path, net=space)
    assert check(path) == []
    found = refusal(path)
    assert found.code == "E0507"
    assert "8..=64" in found.message
    assert "--sample SEED" in found.help[0]
    path = write(tmp_path, net="arch net() {\n  input 3 x 8 x 8\n  stem conv(pick([8, 16]), 3)\n}\n")
    assert refusal(path).code == "E0507"


def test_a_space_without_a_sample(tmp_path: Path) -> None:
    space = "arch net(width: int in 8..=64) {\n  input 3 x 8 x 8\n  require width > 64\n  stem conv(width, 3)\n}\n"
    found = refusal(write(tmp_path, net=space), sample=0)
    assert found.code == "E0523"
    assert found.notes == ("the last one failed `width > 64`",)


def test_imports_nested_too_deeply(tmp_path: Path) -> None:
    chain = {f"a{i}": f"from a{i + 1} import unit as u{i}\n{BLOCKS}" for i in range(12)}
    found = check(write(tmp_path, **chain, a12=BLOCKS, net="from a0 import unit\n" + NET))
    assert [d.code for d in found] == ["E0907"]


def test_choices_that_cannot_stay_open(tmp_path: Path) -> None:
    """`tests/spaces/test_supernet.py` has all the ways."""
    for domain, code in (("conv(8, 3), conv(8, 1)", ""), ("conv(8, 3), conv(4, 3)", "E0529")):
        space = f"arch net(f: op in {{{domain}}}) {{\n  input 3 x 8 x 8\n  stem f\n}}\n"
        assert kept_open(write(tmp_path, net=space)) == code
    space = "arch net(width: int in {4, 8}) {\n  input 3 x 8 x 8\n  stem conv(width, 3)\n}\n"
    assert kept_open(write(tmp_path, net=space)) == "E0528"


def kept_open(spec: Path) -> str:
    """The code with which a supernet is refused, "" where it is not."""
    try:
        supernet(Space(Request(str(spec))))
    except archc.ArchError as error:
        return error.diagnostics[0].code
    return ""


def test_these_are_all(request: pytest.FixtureRequest) -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert {code for code in BEYOND_SPECS if f'"{code}"' not in source} == set()
