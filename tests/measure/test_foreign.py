"""Making other people's networks: what cannot be imported, called or used is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from archc.diagnostics import ArchError, Diagnostic
from archc.measure.foreign import make_foreign
from tests.peers import peer

NETS = """
import sys
from torch import nn

class Small(nn.Module):
    def __init__(self, width, bias=True):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, bias=bias)

def leave():
    sys.exit("bye")

def fail():
    raise LookupError("no luck")

number = 7
"""


@pytest.fixture(autouse=True)
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foreign_nets.py").write_text(NETS)
    (tmp_path / "foreign_broken.py").write_text("import no_such_package_at_all\n")
    (tmp_path / "foreign_exits.py").write_text("raise SystemExit(0)\n")
    package = tmp_path / "foreign_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text("from torch import nn\ndef inner(): return nn.Linear(2, 3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def refused(name: str, **arguments: Any) -> Diagnostic:
    with pytest.raises(ArchError) as caught:
        make_foreign(name, **arguments)
    (found,) = caught.value.diagnostics
    return found


def test_arguments_are_passed() -> None:
    made = make_foreign("foreign_nets:Small", width=5, bias=False)
    conv = made.get_submodule("conv")
    assert isinstance(conv, nn.Conv2d)
    assert (conv.out_channels, conv.bias) == (5, None)


def test_the_models_of_a_package_need_not_be_named() -> None:
    assert isinstance(make_foreign("foreign_package:inner"), nn.Linear)
    assert refused("foreign_package:iner").help == ("did you mean `inner`?",)


@pytest.mark.parametrize(
    "name, arguments, code, said",
    [
        ("torchvision.models", {}, "E0606", "is not package.module:callable"),
        ("a b:c", {}, "E0606", "is not package.module:callable"),
        (":c", {}, "E0606", "is not package.module:callable"),
        ("foreign_nets:Small.conv", {}, "E0606", "is not package.module:callable"),
        ("no_such_package_at_all:f", {}, "E0606", "cannot be imported: ModuleNotFoundError"),
        ("foreign_broken:f", {}, "E0606", "No module named 'no_such_package_at_all'"),
        ("foreign_exits:f", {}, "E0606", "SystemExit"),
        ("foreign_nets:Smal", {}, "E0607", "foreign_nets has no `Smal`"),
        ("foreign_nets:number", {}, "E0607", "foreign_nets:number is a int, not a callable"),
        ("foreign_nets:Small", {}, "E0608", "missing 1 required positional argument: 'width'"),
        ("foreign_nets:Small", {"depth": 1}, "E0608", "unexpected keyword argument 'depth'"),
        ("foreign_nets:leave", {}, "E0608", "SystemExit: bye"),
        ("foreign_nets:fail", {}, "E0608", "LookupError: no luck"),
        ("json:dumps", {"obj": 1}, "E0609", "makes a str, not a torch.nn.Module"),
    ],
)
def test_failures_are_told(name: str, arguments: dict[str, Any], code: str, said: str) -> None:
    found = refused(name, **arguments)
    assert found.code == code
    assert said in found.message


@pytest.mark.parametrize("package", ["torchvision", "timm"])
def test_short_names_of_the_usual_packages(package: str) -> None:
    peer(package)
    made = make_foreign(f"{package}:resnet18", num_classes=3)
    assert type(made).__name__ == "ResNet"
