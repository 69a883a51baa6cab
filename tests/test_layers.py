"""Layers import only those to their left, and heavy libraries stay at the edge. Imports are read, not run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    "diagnostics", "syntax", "ops", "ir", "elaborate", "analyses", "passes", "backends", "spaces", "measure",
    "train", "jobs", "search", "cli",
)  # fmt: skip
TORCH = {"torch", "torchvision", "timm", "safetensors"}
RUNS_TORCH = {"backends", "measure", "train", "search"}
HEAVY = TORCH | {
    "networkx",
    "pydantic",
    "rich",
    "graphviz",
    "numpy",
    "pandas",
    "matplotlib",
    "PIL",
    "pyarrow",
}


@dataclass(frozen=True)
class Import:
    """One import: who, what; whether it happens when the importing module is loaded, or never (types)."""

    importer: str
    imported: str
    line: int
    on_load: bool
    for_types: bool


def imports(root: Path) -> Iterator[Import]:
    """All imports of the package at `root`."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield from _imports_of(name, ast.parse(path.read_text()), True, False)


def _imports_of(importer: str, tree: ast.AST, on_load: bool, for_types: bool) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            # `from package import module` loads the module too
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        for name in names:
            yield Import(importer, name, node.lineno, on_load, for_types)
        types = for_types or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imports_of(importer, node, on_load and not function and not types, types)


def layer(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def order_breaches(root: Path) -> list[str]:
    """Imports against the order of layers, relative ones, and those of unknown layers."""
    found = []
    for i in imports(root):
        own = layer(i.importer)
        where = f"{i.importer}:{i.line}"
        if own in ("", "__main__"):
            continue  # the public API and the entry point stand above all layers
        if own not in LAYERS:
            found.append(f"{i.importer} is in no layer")
        elif i.imported.startswith("."):
            found.append(f"{where} imports relatively")
        elif i.imported.split(".")[0] == "archc":
            other = layer(i.imported)
            if other in LAYERS:
                if LAYERS.index(other) > LAYERS.index(own):
                    found.append(f"{where}: {own} imports {i.imported}")
            elif own != "cli":
                found.append(f"{where}: {own} imports the public API")
    return found


def torch_breaches(root: Path) -> list[str]:
    """Imports of torch and its like where nothing runs it, at load or later; types do not count."""
    return [
        f"{i.importer}:{i.line} imports {i.imported}"
        for i in imports(root)
        if i.imported.split(".")[0] in TORCH and not i.for_types and layer(i.importer) not in RUNS_TORCH
    ]


def loaded_by(root: Path, modules: list[str]) -> dict[str, str]:
    """What loading `modules` loads, each with who asked first; packages are loaded before their modules."""
    by: dict[str, list[str]] = {}
    for i in imports(root):
        if i.on_load:
            by.setdefault(i.importer, []).append(i.imported)
    found: dict[str, str] = {}
    waiting = [(name, "the command line") for name in modules]
    while waiting:
        name, asker = waiting.pop()
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            module = ".".join(parts[:depth])
            if module not in found:
                found[module] = asker
                waiting += [(imported, module) for imported in by.get(module, [])]
    return found


def package(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / "archc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "archc"


def test_layers_import_only_those_to_their_left() -> None:
    assert order_breaches(ROOT / "archc") == []


def test_every_layer_exists() -> None:
    assert {p.name for p in (ROOT / "archc").iterdir() if (p / "__init__.py").exists()} >= set(LAYERS)


def test_torch_is_imported_only_where_it_runs() -> None:
    assert torch_breaches(ROOT / "archc") == []


def test_commands_load_nothing_heavy() -> None:
    commands = [f"archc.cli.{p.stem}" for p in (ROOT / "archc" / "cli").glob("*.py")]
    assert len(commands) > 9
    loaded = loaded_by(ROOT / "archc", ["archc", *commands])
    assert "archc.elaborate" in loaded or "archc.diagnostics" in loaded
    assert {name: asker for name, asker in loaded.items() if name in HEAVY} == {}


@pytest.mark.parametrize(
    "statement",
    [
        "from archc.cli.main import main",
        "import archc.cli.main",
        "from archc import cli",
        "from archc import load",
        "def f():\n    from archc.backends.dot import draw",
        "if TYPE_CHECKING:\n    from archc.ir.graph import Graph",
        "from . import other",
    ],
)
def test_a_breach_of_the_order_is_found(tmp_path: Path, statement: str) -> None:
    root = package(tmp_path, {"ops/conv.py": "import math\nfrom archc.syntax import ast\n"})
    assert order_breaches(root) == []
    package(tmp_path, {"ops/bad.py": statement})
    assert len(order_breaches(root)) > 0
    assert all("archc.ops.bad" in breach for breach in order_breaches(root))


def test_a_module_in_no_layer_is_found(tmp_path: Path) -> None:
    assert order_breaches(package(tmp_path, {"utils.py": "import math"})) == ["archc.utils is in no layer"]


def test_a_late_import_of_torch_is_found(tmp_path: Path) -> None:
    root = package(
        tmp_path, {"ir/graph.py": "def f():\n    import torch.nn", "measure/run.py": "import torch"}
    )
    assert torch_breaches(root) == ["archc.ir.graph:2 imports torch.nn"]


def test_what_loading_loads_is_followed(tmp_path: Path) -> None:
    root = package(
        tmp_path,
        {
            "__init__.py": "",
            "ir/__init__.py": "import pydantic",
            "ir/graph.py": "def late():\n    import torch",
            "cli/main.py": "from archc.ir import graph",
        },
    )
    loaded = loaded_by(root, ["archc.cli.main"])
    assert loaded["pydantic"] == "archc.ir"
    assert "torch" not in loaded
