"""What the report page holds, read as text; what it does in a browser is in test_browser."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

import archc
from archc.backends.report import WEB, cost_html, notebook_html, report
from archc.backends.report_data import report_data
from archc.backends.report_spec import coloured
from archc.diagnostics import Source, Span
from archc.ir.graph import Graph
from tests.graphs import GraphBuilder, conv, resnet, unet
from tests.report.hostile import PAYLOADS, hostile


def hashes(page: str) -> tuple[str, str]:
    """The hashes of the page's inline script and style, as its policy must name them."""
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
    made = (b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style))
    return next(made), next(made)


def test_the_policy_allows_the_own_script_and_style_and_nothing_else() -> None:
    page = report([resnet()])
    script, style = hashes(page)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.split("; ") == [
        "default-src 'none'",
        f"script-src 'sha256-{script}'",
        f"style-src 'sha256-{style}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_nothing_is_loaded_from_elsewhere() -> None:
    page = report([resnet(), unet()])
    assert not re.search(r"<(link|img|iframe|object|embed|base)\b", page)
    assert not re.search(r"\b(src|href)=", page)
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import)\(|url\(\s*['\"]?(?!#)[a-z]", page)
    assert set(re.findall(r"https?://[\w./]+", page)) <= {"http://www.w3.org/2000/svg"}


def test_our_scripts_write_text_never_markup() -> None:
    own = [path for path in WEB.glob("*.js") if path.name != "dagre.min.js"]
    assert len(own) > 5
    for path in own:
        text = path.read_text(encoding="utf-8")
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
        )
        assert not found, path.name


@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_stays_in_the_data(payload: str) -> None:
    page = report([hostile(payload)])
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert "<" not in data
    assert json.loads(data)["networks"][0]["name"] == payload
    assert page.count("<script") == report([resnet()]).count("<script")
    assert hashes(page) == hashes(report([resnet()]))


def test_the_data_are_those_of_the_graph() -> None:
    graph = resnet()
    data = report_data([graph])
    (network,) = data["networks"]
    assert len(network["nodes"]) == len(graph.nodes)
    assert network["cost"][:2] == [graph.cost.params, graph.cost.macs]
    for row, node in zip(network["nodes"], graph.nodes, strict=True):
        assert network["labels"][row[2]] == node.op.name
        assert network["shapes"][row[4]] == list(node.shape)
        assert network["costs"][row[5]][1] == node.cost.macs
        source, start, end, line = data["spans"][row[8]]
        assert node.span is not None
        assert data["sources"][source]["text"][start:end] == node.span.text
        assert line == 1


def test_equal_repeats_are_runs() -> None:
    graph = resnet()
    (network,) = report_data([graph])["networks"]
    s2 = next(i for i, s in enumerate(graph.scopes) if s.name == "s2")
    assert network["runs"] == [[s2, 1, 3]]  # s2.1 to s2.3; s2.0 has a stride


def test_equal_blocks_side_by_side_are_no_run() -> None:
    b = GraphBuilder()
    x = b.add("input", size=(4, 8, 8), name="x")
    parts = []
    for i in range(3):
        with b.scope(f"branch{i}", "block", "branch"):
            parts.append(b.chain(x, conv(4), "relu"))
    graph = b.graph(b.add("concat", *parts))
    assert report_data([graph])["networks"][0]["runs"] == []


def test_offsets_count_as_javascript_does() -> None:
    text = 'arch a() {\n  info paper = "🙂é"\n  head conv(8)\n}\n'
    start = text.index("conv")
    b = GraphBuilder()
    b.add("input", size=(3, 8, 8), name="x")
    graph = b.graph(0)
    node = graph.nodes[0]
    span = Span(Source("a.arch", text), start, start + 4)
    moved = Graph(graph.name, (type(node)(**{**_fields(node), "span": span}),), graph.outputs, graph.scopes)
    data = report_data([moved])
    units = text.encode("utf-16-le")
    _, first, last, line = data["spans"][0]
    assert units[2 * first : 2 * last].decode("utf-16-le") == "conv"
    assert line == 3


def _fields(node: object) -> dict[str, object]:
    return {name: getattr(node, name) for name in type(node).__slots__}  # type: ignore[attr-defined]  # a slotted dataclass


def test_colours() -> None:
    text = 'stem conv(64, 7) -> "é" # why\n'
    found = {text[start:end]: colour for colour, start, end in coloured(Source("a.arch", text))}
    assert found == {
        "stem": "keyword",
        "conv": "call",
        "64": "number",
        "7": "number",
        '"é"': "string",
        "# why": "comment",
    }


def test_text_that_is_no_spec_is_coloured_as_far_as_it_goes() -> None:
    assert coloured(Source("x", "stem \x00 ¤ 12")) == [("keyword", 0, 4), ("number", 9, 11)]


def test_a_deep_network_stays_small() -> None:
    assert len(report([archc.load("resnet152")]).encode()) < 300_000


def test_no_graph_no_page() -> None:
    with pytest.raises(ValueError, match="at least one"):
        report([])


def test_notebooks_show_graphs_and_costs() -> None:
    graph = archc.load("resnet18")
    shown = graph._repr_html_()
    assert shown == notebook_html(graph)
    assert re.match(r'<iframe sandbox="allow-scripts" [^<>]*></iframe>$', shown)
    assert archc.count(graph)._repr_html_() == cost_html(graph.cost)
    assert "<td>11,689,512</td>" in cost_html(graph.cost)


def test_the_vendored_library_comes_with_its_licence_and_version() -> None:
    locked = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = json.loads((WEB / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert locked["node_modules/@dagrejs/dagre"]["license"] == "MIT"
    version = wanted["@dagrejs/dagre"]
    assert f'"{version}"' in (WEB / "dagre.min.js").read_text(encoding="utf-8")
    licence = (WEB / "dagre.LICENSE").read_text(encoding="utf-8")
    assert "Permission is hereby granted, free of charge" in licence
    assert licence.strip() in report([resnet()])


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from archc.cli.report_command import command

    target = tmp_path / "out.html"
    done = CliRunner().invoke(command, ["resnet18", "resnet34", "-o", str(target)])
    assert done.exit_code == 0, done.output
    assert target.read_text(encoding="utf-8") == report([archc.load("resnet18"), archc.load("resnet34")])
    refused = CliRunner().invoke(command, ["resnet18", "-o", str(tmp_path / "out.svg")])
    assert refused.exit_code == 2
    assert "must end in .html" in refused.output


def test_the_command_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from archc.cli.main import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'numpy', 'rich', 'networkx', 'pydantic', 'graphviz'} & set(sys.modules); "
        "print(sorted(heavy), code)"
    )
    arguments = ["report", "resnet18", "-o", str(tmp_path / "out.html")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[] 0\n", done.stdout + done.stderr
