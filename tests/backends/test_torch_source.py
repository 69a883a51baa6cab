"""The emitted text: what it computes, its keys, its classes, its looks, and what it cannot be made to say."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import archc
from archc.backends import torch_module
from archc.backends.initial import initialiser
from archc.backends.prelude import helpers
from archc.backends.torch_forward import Variables
from archc.backends.torch_names import MODULE_ATTRIBUTES, attribute, literal
from archc.backends.torch_plan import module_paths, plan
from archc.backends.torch_signatures import DEFAULTS, allowed
from archc.backends.torch_source import emit
from archc.diagnostics import ArchError
from archc.ir import Graph
from archc.measure.weights import randomise
from archc.ops.registry import registry
from archc.ops.torch_code import Init, TorchCode, call
from tests.backends import graphs
from tests.backends.graphs import Builder
from tests.backends.interpreter import inputs_for, interpret, results

Make = Callable[[], Graph]
every_graph = pytest.mark.parametrize("make", graphs.ALL, ids=lambda make: make.__name__)


def op_samples() -> list[tuple[str, int]]:
    return [(name, i) for name, op in registry().items() for i in range(len(op.samples)) if name != "input"]


def sample_graph(name: str, index: int) -> Graph:
    arguments, shapes = registry()[name].samples[index]
    b = Builder("sample", *shapes)
    with b.scope("s1"):
        x = b.op(name, *b.inputs, **arguments)
    return b.graph(x)


def check_equal(graph: Graph, training: bool) -> None:
    module = torch_module.compile(graph).train(training)
    randomise(module)
    inputs = inputs_for(graph)
    expected = interpret(graph, module, *inputs)
    outputs = [o for o in graph.outputs if training or not o.train_only]
    found = results(module(*inputs))
    assert len(found) == len(outputs)
    for output, value in zip(outputs, found, strict=True):
        assert torch.equal(value, expected[output.node]), output.name


@every_graph
def test_computes_what_the_graph_says(make: Make) -> None:
    check_equal(make(), training=False)


@pytest.mark.parametrize(
    "make", [g for g in graphs.ALL if g is not graphs.residual], ids=lambda g: g.__name__
)
def test_computes_what_the_graph_says_in_training(make: Make) -> None:
    check_equal(make(), training=True)


@pytest.mark.parametrize("name, index", op_samples())
def test_every_op(name: str, index: int) -> None:
    check_equal(sample_graph(name, index), training=False)


@pytest.mark.parametrize("seed", range(40))
def test_any_wiring_and_nesting(seed: int) -> None:
    graph = graphs.scattered(seed)
    check_equal(graph, training=False)
    check_equal(graph, training=True)


@every_graph
def test_state_dict_keys_are_node_paths(make: Make) -> None:
    graph = make()
    module = torch_module.compile(graph)
    stateful = {graph.path(n): n for n in graph.nodes if n.cost.params or n.cost.buffers}
    assert {key.rpartition(".")[0] for key in module.state_dict()} == set(stateful)
    for path, node in stateful.items():
        assert sum(p.numel() for p in module.get_submodule(path).parameters()) == node.cost.params


def test_one_class_per_structure() -> None:
    source = emit(graphs.residual())
    classes = re.findall(r"^class (\w+)", source, re.MULTILINE)
    assert classes == ["Stem", "Shortcut", "BottleneckShortcut", "Bottleneck", "Head", "ResnetTiny"]
    assert "BottleneckShortcut(in_channels=32, conv1_channels=16, stride=2, width=64)" in source
    assert "*(Bottleneck(width=64, conv1_channels=16) for _ in range(2))" in source


def test_literals_that_forward_reads_become_attributes() -> None:
    source = emit(graphs.shuffled())
    assert source.count("class ") == 2
    assert "self.scale = scale" in source
    assert "* self.scale" in source


@every_graph
def test_the_file_alone_gives_the_same_bits(make: Make, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    graph = make()
    module = torch_module.compile(graph).eval()
    randomise(module)
    inputs = inputs_for(graph)
    (tmp_path / "emitted.py").write_text(emit(graph), encoding="utf-8")
    save_file({**module.state_dict(), **{f"in{i}": x for i, x in enumerate(inputs)}}, tmp_path / "given.st")
    script = (
        "import sys, importlib.util\n"
        "from safetensors.torch import load_file, save_file\n"
        "spec = importlib.util.spec_from_file_location('emitted', sys.argv[1] + '/emitted.py')\n"
        "emitted = importlib.util.module_from_spec(spec); spec.loader.exec_module(emitted)\n"
        "assert importlib.util.find_spec('archc') is None or 'archc' not in sys.modules\n"
        "given = load_file(sys.argv[1] + '/given.st')\n"
        "inputs = [given.pop(f'in{i}') for i in range(int(sys.argv[3]))]\n"
        "model = getattr(emitted, sys.argv[2])(); model.load_state_dict(given); model.eval()\n"
        "out = model(*inputs); out = out if isinstance(out, tuple) else (out,)\n"
        "save_file({str(i): v.contiguous() for i, v in enumerate(out)}, sys.argv[1] + '/made.st')\n"
    )
    arguments = [str(tmp_path), type(module).__name__, str(len(inputs))]
    subprocess.run([sys.executable, "-I", "-c", script, *arguments], check=True, timeout=120, cwd=tmp_path)
    made = load_file(tmp_path / "made.st")
    for i, value in enumerate(results(module(*inputs))):
        assert torch.equal(made[str(i)], value)


@every_graph
def test_text_is_formatted_and_clean(make: Make, tmp_path: Path) -> None:
    source = emit(make())
    assert source == emit(make())
    for options in (["format", "--check", "--diff"], ["check", "--select", "E,F,W"]):
        command = ["ruff", *options, "--isolated", "--line-length", "110", "--stdin-filename", "net.py", "-"]
        done = subprocess.run(
            [sys.executable, "-m", *command], input=source, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_long_lines_are_broken_as_ruff_would() -> None:
    b = Builder("wide", (4, 8, 8))
    (x,) = b.inputs
    with b.scope("s1"):
        parts = [b.op("conv", x, channels=4, name=f"branch_number_{i}_with_a_long_name") for i in range(12)]
        total = b.op("add", *parts)
        x = b.op("concat", *parts, total)
    test_text_is_formatted_and_clean(lambda: b.graph(x), Path())


@pytest.mark.parametrize("terms", [3, 24, 25, 2000])
def test_sums_of_any_length(terms: int) -> None:
    b = Builder("long_sum", (2, 3, 3))
    (x,) = b.inputs
    values = [b.op("scale", x, factor=1.0 + i / terms) for i in range(terms)]
    graph = b.graph(b.op("add", *values))
    module = torch_module.compile(graph)
    (given,) = inputs_for(graph)
    expected = given * 1.0
    for i in range(1, terms):
        expected = expected + given * (1.0 + i / terms)
    assert torch.equal(module(given), expected)
    if terms <= 25:
        torch.testing.assert_close(torch.compile(module, backend="eager", fullgraph=True)(given), expected)


PAYLOADS = (
    '"""\nimport os; os.abort()\n"""',
    "'''\\\"\"\"\nraise SystemExit(3)#",
    'a\\"""b\\',
    "\r\nraise SystemExit(3)\r",
    "\u202eright to left\u2028\x0c\x00",
    '""""""',
    'ends with a quote"',
    "{0} %s \\N{BULLET} \\x41",
    "\u202e" * 60,
    "word " * 100,
)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_user_text_stays_text(payload: str) -> None:
    graph = dataclasses.replace(
        graphs.residual(),
        doc=payload,
        source_name=payload,
        info=((payload, payload),),
        arguments=(("width", payload),),
    )
    tree, plain = ast.parse(emit(graph)), ast.parse(emit(graphs.residual()))
    for module in (tree, plain):
        for node in ast.walk(module):
            if isinstance(node, ast.Module | ast.ClassDef) and ast.get_docstring(node):
                node.body.pop(0)
    assert ast.dump(tree) == ast.dump(plain)


@pytest.mark.parametrize("name", ["a b", "x=1", "import os\n", "é", "", "1a", "a.b", "a" * 200])
def test_names_that_are_not_identifiers_are_refused(name: str) -> None:
    graph = graphs.residual()
    bad_node = tuple(dataclasses.replace(n, name=name) if n.op.name == "conv" else n for n in graph.nodes)
    bad_block = tuple(dataclasses.replace(s, block=name) if s.block else s for s in graph.scopes)
    for changed in ({"name": name}, {"nodes": bad_node}, *([{"scopes": bad_block}] if name else [])):
        changed_graph = dataclasses.replace(graph, **changed)
        for use in (emit, torch_module.compile, archc.emit):
            with pytest.raises(ArchError, match=r"E0711.*cannot be a name in emitted code"):
                use(changed_graph)


def test_reserved_names_get_an_underscore() -> None:
    b = Builder("torch", (3, 8, 8))
    (x,) = b.inputs
    for name in ("half", "lambda", "forward", "F", "torch", "__class__", "_run", "checkpoint", "train"):
        with b.scope(name):
            x = b.conv_norm_act(x, 4)
    graph = b.graph(b.op("conv", x, channels=2, name="print"))
    check_equal(graph, training=False)
    keys = {key.split(".")[0] for key in torch_module.compile(graph).state_dict()}
    assert {
        "half_",
        "lambda_",
        "forward_",
        "F",
        "torch",
        "m__class__",
        "m_run",
        "checkpoint_",
        "print",
    } <= keys
    assert set(module_paths(plan(graph)).values()) >= {"half_.conv1", "print"}


def test_calls_outside_the_list_are_refused() -> None:
    for target in ("os.system", "torch.load", "eval", "nn.Module", "helpers"):
        with pytest.raises(ArchError, match=r"E0712.*is not a call that emitted code may make"):
            allowed(target)

    class Evil(registry()["relu"]):  # type: ignore[misc]  # the class is only known at run time
        name = ""

        def torch(self, inputs: object, output: object) -> TorchCode:
            return TorchCode(forward=call("os.system", "true"))

    graph = graphs.residual()
    nodes = tuple(dataclasses.replace(n, op=Evil()) if n.op.name == "relu" else n for n in graph.nodes)
    with pytest.raises(ArchError, match=r"E0712.*'os\.system' is not a call"):
        emit(dataclasses.replace(graph, nodes=nodes))


def test_unknown_ways_to_start_parameters_are_refused() -> None:
    with pytest.raises(ArchError, match=r"E0712.*'magic' is not a way to start parameters"):
        initialiser(Init("weight", "magic"))


def test_scopes_that_need_each_other_are_refused() -> None:
    b = Builder("knot", (4, 8, 8))
    (x,) = b.inputs
    with b.scope("a"):
        x = b.op("conv", x, channels=4)
        first = b.at
    with b.scope("b"):
        x = b.op("conv", x, channels=4)
    b.at = first  # back into the scope that was left
    x = b.op("conv", x, channels=4)
    b.at = 0
    for use in (emit, torch_module.compile, archc.emit):
        with pytest.raises(ArchError, match=r"E0713.*knot: a, b need each other's results"):
            use(b.graph(x))


def test_thousands_of_tensors_alive_at_once() -> None:
    b = Builder("wide", (2, 3, 3))
    (x,) = b.inputs
    values = [b.op("scale", x, factor=1.0 + i) for i in range(10_000)]
    graph = b.graph(b.op("add", *values))
    began = time.process_time()
    source = emit(graph)
    assert time.process_time() - began < 5  # it takes 0.3 s; naming by search took 30
    names = re.findall(r"^        (\w+) = input1 \* ", source, re.MULTILINE)
    assert len(set(names)) == len(names) == 10_000


def test_variables_are_named_anew_where_others_ended() -> None:
    live = Variables()
    for name, until in (("branch", 3), ("branch2", 1), ("branch3", 9)):
        assert live.fresh("branch") == name
        live.hold(name, until)
    live.reach(0)
    assert live.fresh("branch") == "branch4"
    live.reach(1)
    assert live.fresh("branch") == "branch2"
    live.hold("branch2", 9)
    live.reach(3)
    assert live.fresh("branch") == "branch"
    live.hold("branch", 20)
    live.hold("branch", 5)  # what it held before does not count
    live.reach(8)
    assert live.fresh("branch") == "branch"
    assert live.fresh("branch3") == "branch32"
    live.reach(9)
    assert live.fresh("branch3") == "branch3"


def test_literals() -> None:
    values = (1, -2, 0.5, float("inf"), True, None, "a\"'\n", ("x", (1,)), 1e-5)
    for value in values:
        assert eval(literal(value)) == value
    with pytest.raises(TypeError, match="not a plain literal"):
        literal(object())


def test_module_attributes_are_those_of_torch() -> None:
    public = {name for name in dir(nn.Module()) if not name.startswith("_")}
    assert public <= MODULE_ATTRIBUTES
    assert all(attribute(name) not in dir(nn.Module()) for name in dir(nn.Module()))


@pytest.mark.parametrize("target", DEFAULTS)
def test_known_defaults_are_those_of_torch(target: str) -> None:
    space, _, name = target.partition(".")
    made = getattr({"nn": nn, "F": nn.functional}[space], name)
    if target in ("F.max_pool2d", "F.avg_pool2d"):
        made = getattr(nn, {"max_pool2d": "MaxPool2d", "avg_pool2d": "AvgPool2d"}[name])
    signature = inspect.signature(made).parameters
    for argument, default in DEFAULTS[target].items():
        assert signature[argument].default == default, argument


def test_emitting_needs_no_torch() -> None:
    script = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from tests.backends import graphs\n"
        "from archc.backends.torch_source import emit\n"
        "print(len([emit(make()) for make in graphs.ALL]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(len(graphs.ALL))


def test_helpers_are_copied_once_and_only_when_used() -> None:
    source = emit(sample_graph("ws_conv", 0))
    assert source.count("class WSConv2d(") == 1
    assert source.count("def same_pad(") == 1
    assert source.count("def skip_init(") == 1
    plain = emit(graphs.residual())
    found = {name for name in helpers() for kind in ("class", "def") if f"{kind} {name}(" in plain}
    assert found == {"skip_init"}
