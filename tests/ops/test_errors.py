"""What each mistake is told: code, argument, label and help."""

from __future__ import annotations

import inspect
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archc.ops
from archc.ops.base import NoVarianceRule, OpError, Shape
from archc.ops.params import parameters_of
from archc.ops.registry import registry

OPS = registry()

# op, arguments, input shapes, code, argument, whether an input is at fault, part of message, label or help
CASES: list[tuple[str, dict[str, Any], tuple[Shape, ...], str, str | None, bool, str]] = [
    ("conv", {"channels": 8}, ((512,),), "E0301", None, True, "a vector of 512"),
    ("max_pool", {"kernel": 2}, ((512,),), "E0301", None, True, "global_avg_pool(keepdim = true)"),
    ("linear", {"features": 10}, ((512, 7, 7),), "E0302", None, True, "a 512×7×7 feature map"),
    ("linear", {"features": 10}, ((512, 7, 7),), "E0302", None, True, "`flatten` or `global_avg_pool`"),
    ("batch_norm", {}, ((3, 4),), "E0303", None, True, "a 3×4 tensor"),
    ("conv", {"channels": 2.5}, (), "E0304", "channels", False, "must be int, not 2.5"),
    ("conv", {"channels": True}, (), "E0304", "channels", False, "must be int, not true"),
    ("conv", {"channels": 8, "kernel": (3, 3, 3)}, (), "E0304", "kernel", False, "int or (height, width)"),
    ("conv", {"channels": 8, "padding": "full"}, (), "E0304", "padding", False, '"half" or "symmetric"'),
    ("scale", {"factor": 10**400}, (), "E0304", "factor", False, "must be float"),
    ("scale", {"factor": float("nan")}, (), "E0304", "factor", False, "must be float"),
    ("conv", {"channels": 0}, (), "E0305", "channels", False, "at least 1"),
    ("conv", {"channels": 8, "kernel": (3, 0)}, (), "E0305", "kernel", False, "not (3, 0)"),
    ("celu", {"alpha": 0}, (), "E0305", "alpha", False, "divides by it"),
    ("dropout", {"rate": 1}, (), "E0306", "rate", False, "below 1"),
    ("relu", {"inplace": True}, (), "E0307", "inplace", False, "parameters of relu: gamma"),
    ("conv", {}, (), "E0308", "channels", False, "`channels` is missing"),
    ("add", {}, (), "E0309", None, False, "at least one tensor"),
    ("conv", {"channels": 8, "kernel": 7, "padding": 0}, ((3, 5, 9),), "E0310", "kernel", True, "5×9"),
    (
        "conv",
        {"channels": 8, "kernel": 7, "padding": 0},
        ((3, 5, 9),),
        "E0310",
        "kernel",
        True,
        "spans 7 of 5",
    ),
    ("max_pool", {"kernel": 2, "padding": 2}, (), "E0311", "padding", False, "at most 1×1"),
    ("conv", {"channels": 96, "groups": 48}, ((104, 8, 8),), "E0312", "groups", True, "26, 52, 104"),
    ("conv", {"channels": 104, "groups": 48}, (), "E0312", "groups", False, "104 output channels"),
    ("group_norm", {}, ((40, 8, 8),), "E0312", "groups", True, "40 channels cannot be split into 32"),
    (
        "conv_transpose",
        {"channels": 8, "kernel": 2, "stride": 2, "output_padding": 2},
        (),
        "E0313",
        "output_padding",
        False,
        "below the stride",
    ),
    (
        "conv_transpose",
        {"channels": 8, "kernel": 2, "padding": 3},
        ((3, 4, 4),),
        "E0314",
        "padding",
        True,
        "leaves nothing of 4×4",
    ),
    ("instance_norm", {}, ((8, 1, 1),), "E0315", None, True, "one pixel per channel"),
    ("leaky_relu", {"slope": 0.2, "gamma": True}, (), "E0316", "slope", False, "only for slope = 0.01"),
    ("elu", {"alpha": 2.0, "gamma": True}, (), "E0316", "alpha", False, "only for alpha = 1"),
    ("drop_path", {"rate": 0.1, "index": 4, "total": 4}, (), "E0317", "index", False, "count from 0"),
    ("reshape", {"size": (3, 5)}, ((16,),), "E0318", "size", True, "a 3×5 tensor has 15"),
    ("reshape", {"size": ()}, (), "E0331", "size", False, "at least one dimension"),
    ("pixel_shuffle", {"factor": 2}, ((10, 4, 4),), "E0319", "factor", True, "nearest that work: 8 or 12"),
    ("add", {}, ((64, 56, 56), (256, 56, 56)), "E0320", None, True, "conv(256, 1)"),
    ("add", {}, ((64, 56, 56), (128, 28, 28)), "E0320", None, True, "conv(128, 1, stride = 2)"),
    ("add", {}, ((64,), (32,)), "E0320", None, True, "a vector of 64 and a vector of 32"),
    ("add", {}, ((64, 56, 56), (64, 28, 28)), "E0321", None, True, "56×56 + 28×28"),
    ("add", {}, ((64, 56, 56), (64, 54, 54)), "E0321", None, True, "padding"),
    ("add", {}, ((64, 56, 56), (64,)), "E0322", None, True, "a vector of 64"),
    ("concat", {}, ((64,), (64, 56, 56)), "E0322", None, True, "flatten or global_avg_pool"),
    ("mul", {}, ((64, 56, 56), (32, 1, 1)), "E0323", None, True, "64 channels · 32 channels"),
    ("mul", {}, ((64, 56, 56), (64, 28, 28)), "E0323", None, True, "heights or widths"),
    ("mul", {}, ((64,), (32,)), "E0323", None, True, "a vector of 32"),
    ("mix", {"choice": "edge"}, ((64, 8, 8), (32, 8, 8)), "E0529", None, True, "have one shape"),
    ("concat", {}, ((64, 56, 56), (64, 52, 52)), "E0324", None, True, "56×56 beside 52×52"),
    ("slice_channels", {"start": 2, "stop": 9}, ((8, 4, 4),), "E0325", "stop", True, "channels are 0 to 7"),
    ("pixel_unshuffle", {"factor": 2}, ((3, 5, 4),), "E0326", "factor", True, "5×4 is not divisible by 2"),
    ("upsample", {}, (), "E0327", None, False, "a factor or a size"),
    ("upsample", {"factor": 2, "size": 8}, (), "E0327", None, False, "not both"),
    ("upsample", {"factor": 2, "align_corners": True}, (), "E0328", "align_corners", False, "nearest"),
    ("pad", {"top": 4, "mode": "reflect"}, ((3, 4, 4),), "E0329", "mode", True, "at most 3 rows"),
    ("center_crop", {"height": 60, "width": 8}, ((3, 56, 56),), "E0330", "height", True, "only 56×56"),
    ("crop", {"height": 8, "width": 50, "left": 8}, ((3, 56, 56),), "E0330", "width", True, "8×58"),
]


@pytest.mark.parametrize(
    ("name", "arguments", "shapes", "code", "argument", "about_input", "text"),
    CASES,
    ids=[f"{c[3]}-{c[0]}-{i}" for i, c in enumerate(CASES)],
)
def test_error(
    name: str,
    arguments: dict[str, Any],
    shapes: tuple[Shape, ...],
    code: str,
    argument: str | None,
    about_input: bool,
    text: str,
) -> None:
    with pytest.raises(OpError) as caught:
        OPS[name].make(**arguments).shape(*shapes)
    e = caught.value
    assert (e.code, e.argument, e.about_input) == (code, argument, about_input)
    assert e.message.startswith(f"{name}: ") and e.label
    assert text in "\n".join([e.message, e.label, *e.help])
    if about_input:
        for shape in shapes:  # shape errors show the shapes
            if code != "E0312":
                assert "×".join(map(str, shape)) in e.message or f"{shape[-2]}×{shape[-1]}" in e.message
        recovered = OPS[name].make(**arguments).recover(*shapes)
        assert recovered and all(isinstance(s, int) and s >= 1 for s in recovered)


def test_every_code_is_tested() -> None:
    sources = [p.read_text(encoding="utf-8") for p in Path(inspect.getfile(archc.ops)).parent.glob("*.py")]
    raised = set(re.findall(r'"(E\d{4})"', "\n".join(sources)))
    assert raised == {case[3] for case in CASES}


numbers = st.one_of(
    st.integers(-2, 9),
    st.sampled_from([2**31, 10**30, True, None, 0.5, -1.0, 1e300, float("inf"), float("nan")]),
)
values = st.one_of(
    numbers,
    st.lists(numbers, max_size=4).map(tuple),
    st.lists(numbers, max_size=3),
    st.sampled_from(["same", "half", "symmetric", "reflect", "bilinear", "timm", "torch", "", "i/(n-1)"]),
    st.tuples(st.sampled_from(["normal", "zeros"]), numbers),
)
shapes = st.lists(st.integers(1, 12), min_size=1, max_size=4).map(tuple)


@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_only_op_errors_escape(data: st.DataObject) -> None:
    """Any argument values on any input shapes: an answer or an OpError."""
    cls = data.draw(st.sampled_from(list(OPS.values())))
    sample, _ = data.draw(st.sampled_from(cls.samples))
    names = [p.name for p in parameters_of(cls)]
    changed = data.draw(st.dictionaries(st.sampled_from(names), values, max_size=2)) if names else {}
    many = any(t.many for t in cls.tensors)
    count = data.draw(st.integers(0, 3)) if many else len(cls.tensors)
    inputs = tuple(data.draw(shapes) for _ in range(count))
    try:
        op = cls.make(**{**sample, **changed})
    except OpError:
        return
    assert cls.make(**op.arguments()) == op
    assert op.label()
    recovered = op.recover(*inputs)
    try:
        output = op.shape(*inputs)
    except OpError as e:
        assert e.about_input or not inputs
        assert all(type(s) is int and s >= 1 for s in recovered)
        return
    assert output and all(type(s) is int and s >= 1 for s in output)
    cost = op.cost(inputs, output)
    assert min(cost.params, cost.buffers, cost.macs, cost.flops, cost.activations) >= 0
    op.torch(inputs, output)
    with suppress(NoVarianceRule):
        assert op.variance_over((1.0,) * len(inputs), inputs) >= 0


def test_recover_never_fails() -> None:
    """Whatever arrives, later checks get a shape."""
    shapes: list[Shape] = [(3, 1, 1), (7,), (3, 4), (2, 3, 4, 5), (1, 300, 2)]
    for cls in OPS.values():
        for arguments, inputs in cls.samples:
            for shape in shapes:
                recovered = cls.make(**arguments).recover(*[shape] * max(1, len(inputs)))
                assert recovered and all(isinstance(s, int) and s >= 1 for s in recovered), (cls.name, shape)


def test_hostile_numbers_are_answered_at_once() -> None:
    start = time.process_time()
    big = 2**31 - 1
    with pytest.raises(OpError, match="cannot be split"):
        OPS["conv"].make(channels=big, groups=big - 1)
    op = OPS["conv"].make(channels=big, kernel=big, padding=big)
    assert op.cost(((3, 9, 9),), op.shape((3, 9, 9))).macs > 2**62
    assert time.process_time() - start < 1.0
