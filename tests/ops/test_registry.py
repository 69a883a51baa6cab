"""Every op, every sample: what the op says of itself is what torch does."""

from __future__ import annotations

import inspect
import math
import re
import zlib
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
import torch
from torch import nn

from archc.backends.initial import INITIALISERS, initialiser
from archc.ops.base import NoVarianceRule, Op, Shape, elements
from archc.ops.params import parameters_of
from archc.ops.registry import registry
from archc.ops.torch_code import Call
from tests.ops.execute import Runner, runner

OPS = registry()
CASES = [
    pytest.param(cls, arguments, shapes, id=f"{name}-{i}")
    for name, cls in OPS.items()
    for i, (arguments, shapes) in enumerate(cls.samples)
]
each_case = pytest.mark.parametrize(("cls", "arguments", "shapes"), CASES)
each_op = pytest.mark.parametrize("cls", OPS.values(), ids=list(OPS))


def feed(op: Op, shapes: tuple[Shape, ...], batch: int = 2) -> list[torch.Tensor]:
    given = shapes or (op.shape(),)
    return [torch.randn(batch, *s, generator=torch.Generator().manual_seed(i)) for i, s in enumerate(given)]


@each_op
def test_documented_and_sampled(cls: type[Op]) -> None:
    assert cls.samples, "give the op samples"
    assert inspect.getdoc(cls) and cls.__doc__ != Op.__doc__
    assert re.fullmatch(r"[a-z][a-z0-9_]*", cls.name)
    for parameter in parameters_of(cls):
        assert parameter.doc or parameter.hidden or cls.name == "input", f"{parameter.name} has no doc"
    required = [p.required for p in parameters_of(cls)]
    assert required == sorted(required, reverse=True), "required parameters come first"


@each_case
def test_shape_and_cost(cls: type[Op], arguments: dict[str, Any], shapes: tuple[Shape, ...]) -> None:
    op = cls.make(**arguments)
    output = op.shape(*shapes)
    cost = op.cost(shapes, output)
    module = runner(op, shapes).train()
    y = module(*feed(op, shapes))
    assert tuple(y.shape) == (2, *output)
    assert sum(p.numel() for p in module.parameters()) == cost.params
    assert sum(b.numel() for b in module.buffers()) == cost.buffers
    assert cost.macs == measured_macs(module, op, shapes)
    assert cost.activations == (elements(output) if cls.kind == "conv" else 0)
    assert cost.flops >= 2 * cost.macs


def measured_macs(module: Runner, op: Op, shapes: tuple[Shape, ...]) -> int:
    """Multiply-adds of one example by the formula of the torch module that ran, from what it saw."""
    macs = 0

    def hook(layer: Any, inputs: Any, output: torch.Tensor) -> None:
        nonlocal macs
        x = inputs[0]
        if isinstance(layer, nn.ConvTranspose2d):
            macs += layer.weight[0].numel() * x.numel()
        elif isinstance(layer, nn.Conv2d):
            macs += layer.weight[0].numel() * output.numel()
        elif isinstance(layer, nn.Linear):
            macs += layer.in_features * output.numel()

    handles = [m.register_forward_hook(hook) for m in module.modules()]
    module(*feed(op, shapes, batch=1)) if op.kind != "norm" else None
    for handle in handles:
        handle.remove()
    return macs


@each_case
def test_eval_is_deterministic_and_differentiable(
    cls: type[Op], arguments: dict[str, Any], shapes: tuple[Shape, ...]
) -> None:
    op = cls.make(**arguments)
    module = runner(op, shapes)
    inputs = [x.requires_grad_() for x in feed(op, shapes)]
    y = module(*inputs)
    if cls.name != "zero":  # nothing flows through it
        y.square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    module.eval()
    assert torch.equal(module(*inputs), module(*inputs))
    if module.code.train_only:
        assert torch.equal(module(*inputs), inputs[0])
    one = [x[:1] for x in inputs]
    torch.testing.assert_close(module(*one), module(*inputs)[:1])  # examples do not touch each other


@each_case
def test_roles_name_the_parameters(
    cls: type[Op], arguments: dict[str, Any], shapes: tuple[Shape, ...]
) -> None:
    module = runner(cls.make(**arguments), shapes)
    names = set() if module.inner is None else {n for n, _ in module.inner.named_parameters()}
    op = cls.make(**arguments)
    assert set(op.roles()) == names
    inits = [i.parameter for i in module.code.init]
    assert set(inits) <= names and len(set(inits)) == len(inits)
    if arguments.get("init") != "torch" and cls.name != "linear":
        assert set(inits) == names or not names or cls.kind == "linear"


@each_case
def test_arguments_read_back(cls: type[Op], arguments: dict[str, Any], shapes: tuple[Shape, ...]) -> None:
    op = cls.make(**arguments)
    again = cls.make(**op.arguments())
    assert again == op and hash(again) == hash(op)
    lists = {k: list(v) if isinstance(v, tuple) else v for k, v in op.arguments().items()}
    assert cls.make(**lists) == op  # as JSON gives them back
    with pytest.raises(FrozenInstanceError):
        op.name = "x"  # type: ignore[misc]  # the point of the test
    assert op.label() and "\n" not in op.label() and len(op.label()) <= 40
    recovered = op.recover(*shapes)
    assert all(isinstance(s, int) and s >= 1 for s in recovered)


@each_case
def test_calls_are_literal(cls: type[Op], arguments: dict[str, Any], shapes: tuple[Shape, ...]) -> None:
    """Numbers that print as themselves: no inf or nan, which repr does not make valid Python."""

    def visit(value: Any) -> None:
        if isinstance(value, Call):
            for a in (*value.args, *(a for _, a in value.kwargs)):
                visit(a)
        elif isinstance(value, tuple):
            for a in value:
                visit(a)
        elif isinstance(value, float):
            assert math.isfinite(value)

    code = cls.make(**arguments).torch(shapes, cls.make(**arguments).shape(*shapes))
    visit(code.module)
    visit(code.forward)


# max and average pools of white noise do change its variance: the rule is about smooth maps
BY_DECREE = {
    "max_pool", "avg_pool", "global_avg_pool", "global_max_pool", "adaptive_avg_pool", "adaptive_max_pool",
    "upsample", "pad", "ws_conv",
}  # fmt: skip


@each_case
def test_variance(cls: type[Op], arguments: dict[str, Any], shapes: tuple[Shape, ...]) -> None:
    """The rule against what comes out for independent normal inputs, learnable gains being 1."""
    op = cls.make(**arguments)
    if cls.name in BY_DECREE:
        given = (1.3,) * len(shapes)
        assert op.variance(*given) == 1.3
        return
    given = (1.0,) * len(shapes)
    try:
        expected = op.variance(*given)
    except NoVarianceRule as e:
        assert str(e) == cls.name
        return
    module = runner(op, shapes).train()
    for parameter, role in op.roles().items():
        value = 1.0 if role == "gain" or parameter == "weight" else 0.0
        nn.init.constant_(getattr(module.inner, parameter), value)
    torch.manual_seed(zlib.crc32(cls.name.encode()))
    inputs = [torch.randn(8192, *s) for s in shapes] or [torch.randn(8192, *op.shape())]
    with torch.no_grad():
        y = module(*inputs)
    if cls.kind == "regularize":  # dropping and scaling up adds variance that a skip averages out
        module.eval()
        y = module(*inputs)
    assert y.var().item() == pytest.approx(expected, rel=0.03, abs=1e-12)


def test_ws_conv_variance() -> None:
    """White noise through a standardised kernel keeps its variance; gamma undoes the activation before."""
    torch.manual_seed(0)
    x = torch.randn(8, 64, 16, 16)
    for arguments, source in (
        ({}, x),
        ({"groups": 4, "style": "timm"}, x),
        ({"gamma": OPS["relu"].constant}, x.relu()),
    ):
        op = OPS["ws_conv"].make(channels=64, kernel=3, padding=0, **arguments)
        y = runner(op, ((64, 16, 16),))(source)
        # per channel: relu's mean adds an offset per channel, not variance within it
        spread = y.var((0, 2, 3)).mean().item()
        assert spread == pytest.approx(op.variance(1.0), rel=0.05)


def test_concat_variance() -> None:
    concat = OPS["concat"].make()
    shapes = ((3, 4, 4), (1, 4, 4))
    assert concat.variance_over((1.0, 2.0), shapes) == pytest.approx(1.25)
    assert concat.variance(2.0, 2.0) == 2.0
    with pytest.raises(NoVarianceRule, match="concat"):
        concat.variance(1.0, 2.0)
    torch.manual_seed(0)
    x = torch.cat([torch.randn(4096, 3, 4, 4), 2**0.5 * torch.randn(4096, 1, 4, 4)], 1)
    assert x.var().item() == pytest.approx(1.25, rel=0.02)


@pytest.mark.parametrize("method", list(INITIALISERS))
def test_initialisers(method: str) -> None:
    from archc.ops.torch_code import Init

    target, kwargs = initialiser(Init("weight", method, (("val", 3.0),) if method == "constant" else ()))
    w = torch.full((64, 32, 3, 3), 7.0)
    torch.manual_seed(0)
    getattr(nn.init, target.removeprefix("nn.init."))(w, **kwargs)
    fan_in, fan_out = 32 * 9, 64 * 9
    std = {
        "he_fan_out": (2 / fan_out) ** 0.5,
        "he_fan_in": (2 / fan_in) ** 0.5,
        "lecun": fan_in**-0.5,
        "xavier": (2 / (fan_in + fan_out)) ** 0.5,
        "uniform_fan_out": (3 * fan_out) ** -0.5,
        "trunc_normal": 0.02,
        "normal": 0.01,
    }.get(method, 0.0)
    assert w.std().item() == pytest.approx(std, rel=0.02)
    mean = {"constant": 3.0, "ones": 1.0}.get(method, 0.0)
    assert w.mean().item() == pytest.approx(mean, abs=1e-3)


def test_registry_rejects_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    import archc.ops.scale as module

    twin = type("Twin", (OPS["scale"],), {"name": "relu"})
    monkeypatch.setattr(module, "Twin", twin, raising=False)
    registry.cache_clear()
    with pytest.raises(ValueError, match="'relu' is defined by"):
        registry()
    monkeypatch.undo()
    registry.cache_clear()
    assert registry() == OPS
