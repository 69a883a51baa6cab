"""The module of a supernet: shares, paths, and what belongs to the architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archc.backends import torch_module
from archc.elaborate.choosers import Stream
from archc.search.oneshot.derive import derive
from archc.search.oneshot.network import OneShot
from archc.search.oneshot.shared import weight_groups
from archc.spaces.points import graph_of, random_point
from archc.spaces.space import Request, Space
from archc.spaces.supernet import supernet
from tests.search.oneshot.tiny import tiny_net, tiny_space

POINT: dict[str, Any] = {
    "first[0]": (1,),
    "second[0]": (0,),
    "second[1]": (2,),
    "second[2]": (1,),
    "second[3]": (0, 1),
}


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def fill(module: nn.Module) -> None:
    """Weights that depend on their shapes alone, so that two networks with the same layers are equal."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                layer.bias.zero_()


def convolutions(module: nn.Module, x: torch.Tensor) -> int:
    count = 0

    def hook(*_: Any) -> None:
        nonlocal count
        count += 1

    handles = [m.register_forward_hook(hook) for m in module.modules() if isinstance(m, nn.Conv2d)]
    module(x)
    for handle in handles:
        handle.remove()
    return count


def test_a_path_is_the_network_of_its_point(tmp_path: Path) -> None:
    net, space, x = tiny_net(tmp_path), tiny_space(tmp_path), torch.randn(5, 1, 8, 8)
    for seed in range(6):
        point = random_point(space, Stream(b"%d" % seed)).point
        alone = torch_module.compile(graph_of(space, point)).train()
        fill(alone)
        fill(net.network)
        net.paths.choose(point)
        torch.testing.assert_close(net(x), alone(x))


@pytest.mark.parametrize("name", ["nasnet_micro", "nb201"])
def test_a_path_runs_its_own_convolutions_and_no_others(name: str) -> None:
    space = Space(Request(name, arguments=(("width", 2), ("repeats", 1))))
    net = OneShot(supernet(space))
    x = torch.randn(2, *net.supernet.graph.inputs[0].shape)
    point = random_point(space, Stream(b"1")).point
    net.paths.choose(point)
    expected = sum(node.op.kind == "conv" for node in graph_of(space, point).nodes)
    states = convolutions(net, x)
    # a node of a cell that no other takes is concatenated all the same, so the two agree exactly
    assert states == expected
    net.paths.choose(None)
    assert convolutions(net, x) == sum(node.op.kind == "conv" for node in net.supernet.graph.nodes) > expected


def test_open_choices_are_sums_by_the_softmax(tmp_path: Path) -> None:
    Path("two.arch").write_text(
        "arch two(f: op = pick([scale(2), scale(3), identity])) {\n  input 1 x 1 x 1\n  stage f\n}\n"
    )
    net = OneShot(supernet(Space(Request("two.arch"))))
    net.alpha.data = torch.tensor([[0.3, -0.2, 1.0]])
    shares = torch.softmax(net.alpha[0], 0)
    x = torch.randn(4, 1, 1, 1)
    torch.testing.assert_close(net(x), (2 * shares[0] + 3 * shares[1] + shares[2]) * x)
    (gradient,) = torch.autograd.grad(net(x).sum(), net.alpha)
    torch.testing.assert_close(gradient.sum(), torch.tensor(0.0), atol=1e-6, rtol=0)
    assert gradient.abs().max() > 0


def test_candidates_without_mixtures_have_shares_of_k(tmp_path: Path) -> None:
    Path("two.arch").write_text(
        "arch two(e: list = pick([scale(1), scale(2), scale(4)], k = 2)) {\n"
        "  input 1 x 1 x 1\n  x = sum([f(x) for f in e])\n}\n"
    )
    net = OneShot(supernet(Space(Request("two.arch"))))
    net.alpha.data = torch.tensor([[0.5, 0.1, -0.4]])
    shares = 2 * torch.softmax(net.alpha[0], 0)
    x = torch.ones(1, 1, 1, 1)
    torch.testing.assert_close(net(x).squeeze(), shares @ torch.tensor([1.0, 2.0, 4.0]))
    assert derive(net) == {"e[0]": (0, 1)}
    net.paths.choose({"e[0]": (1, 2)})
    assert float(net(x)) == 6.0


def test_the_architecture_is_apart_from_the_weights(tmp_path: Path) -> None:
    net = tiny_net(tmp_path)
    assert all(weight is not net.alpha for weight in net.weights())
    assert [name for name, _ in net.named_parameters() if "alpha" in name] == ["alpha"]
    roles = weight_groups(net).roles
    assert set(roles) == {name for name, _ in net.network.named_parameters()}
    assert set(roles.values()) == {"conv", "linear", "norm", "bias"}


def test_edges_among_mixtures_are_plain_and_have_nothing_as_an_answer(tmp_path: Path) -> None:
    net = tiny_net(tmp_path)
    assert "second[3]" not in net.rows
    shares = net.shares().detach()
    assert shares.shape == (4, 4)
    assert float(shares[net.rows["first[0]"], 3]) == 0.0  # three answers, and nothing is none of them
    assert all(float(shares[net.rows[f"second[{i}]"], 3]) > 0.2 for i in range(3))


def test_what_is_derived_leaves_nothing_out_of_account(tmp_path: Path) -> None:
    net = tiny_net(tmp_path)
    net.alpha.data.zero_()
    rows = net.rows
    net.alpha.data[rows["first[0]"], :3] = torch.tensor([0.0, 0.5, 1.0])  # the last are zeros
    net.alpha.data[rows["second[0]"]] = torch.tensor([2.0, 0.0, 0.0, 5.0])  # strong, but nothing is stronger
    net.alpha.data[rows["second[1]"]] = torch.tensor([0.5, 1.0, 0.0, 0.0])  # zeros are stronger
    net.alpha.data[rows["second[2]"]] = torch.tensor([0.0, 0.0, 1.5, 0.0])
    assert derive(net) == {
        "first[0]": (1,), "second[0]": (0,), "second[1]": (0,), "second[2]": (2,), "second[3]": (1, 2),
    }  # fmt: skip
    graph_of(tiny_space(tmp_path), derive(net))


def test_pools_are_normalised_in_the_supernet(tmp_path: Path) -> None:
    Path("two.arch").write_text(
        "arch two(f: op = pick([avg_pool(3, 1, 1), conv(1, 1)])) {\n  input 1 x 4 x 4\n  stage f\n}\n"
    )
    net = OneShot(supernet(Space(Request("two.arch"))))
    net.paths.choose({"f[0]": (0,)})
    y = net(3 + 5 * torch.randn(16, 1, 4, 4))
    assert abs(float(y.mean())) < 1e-4 and abs(float(y.std(unbiased=False)) - 1) < 1e-2


@pytest.mark.parametrize("precision", [torch.bfloat16])
def test_it_runs_under_autocast(tmp_path: Path, precision: torch.dtype) -> None:
    net = tiny_net(tmp_path)
    with torch.autocast("cpu", dtype=precision):
        y = net(torch.randn(3, 1, 8, 8))
    assert y.dtype == precision
    y.float().sum().backward()
    assert net.alpha.grad is not None and torch.isfinite(net.alpha.grad).all()


def test_zeros_are_never_derived() -> None:
    """NAS-Bench-201 has zeros among its operators, whose share grows first."""
    net = OneShot(supernet(Space(Request("nb201", arguments=(("width", 4), ("repeats", 1))))))
    net.alpha.data.zero_()
    net.alpha.data[:, 0] = 5.0
    net.alpha.data[:, 3] = 1.0
    assert derive(net) == {f"code[{edge}]": (3,) for edge in range(6)}


def test_choices_within_an_answer_that_is_not_taken(tmp_path: Path) -> None:
    Path("nested.arch").write_text(
        "block two(x) { return x -> pick([conv(4, 3), conv(4, 1)]) }\n"
        "arch nested(op: op = pick([conv(4, 3), two, relu])) {\n"
        "  input 1 x 8 x 8\n  stem conv(4, 3)\n  stage op\n  head global_avg_pool -> linear(10)\n}\n"
    )
    space = Space(Request("nested.arch"))
    net = OneShot(supernet(space))
    x = torch.randn(2, 1, 8, 8)
    fill(net.network)
    for point in ({"op[0]": (0,)}, {"op[0]": (1,), "s1.two[0]": (1,)}, {"op[0]": (2,)}):
        net.paths.choose(point)
        own = torch_module.compile(graph_of(space, point))
        fill(own)
        torch.testing.assert_close(net(x), own(x))


def test_a_candidate_that_is_a_mixture_among_others_counts_by_its_own_share_too() -> None:
    Path("some.arch").write_text(
        "arch some(op: op = pick([conv(4, 3), conv(4, 1), conv(4, 5)])) {\n"
        "  input 1 x 8 x 8\n  stem conv(4, 3)\n  a = x -> op\n  b = x -> relu\n  c = x -> tanh\n"
        "  x = sum(pick([a, b, c], k = 2))\n  head global_avg_pool -> linear(10)\n}\n"
    )
    net = OneShot(supernet(Space(Request("some.arch"))))
    with torch.no_grad():
        net.alpha.zero_()
        net.alpha[net.rows["op[0]"], 1] = 9.0
        net.alpha[net.rows["pick[0]"], 0] = -9.0
    assert derive(net) == {"op[0]": (1,), "pick[0]": (1, 2)}
