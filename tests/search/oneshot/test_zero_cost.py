"""Zero-cost scores beside what the definitions give by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archc.cli.main import main
from archc.search.oneshot.zero_cost import SCORES, ZeroCost, grad_norm, jacob_cov, naswot, synflow
from archc.search.strategy import SearchError
from archc.search.trial import Hopeless, Job
from archc.spaces.points import graph_of
from archc.spaces.space import Request, Space

LABELS = torch.tensor([0, 1, 1])


class Net(nn.Module):
    """Two linear layers with a ReLU between."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(2, 3, bias=False)
        self.two = nn.Linear(3, 2, bias=False)
        with torch.no_grad():
            self.one.weight.copy_(torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 1.0]]))
            self.two.weight.copy_(torch.tensor([[2.0, -1.0, 1.0], [0.0, 1.0, -3.0]]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(torch.relu(self.one(x)))


X = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 2.0]])


def test_synflow_by_hand() -> None:
    """Every weight's |w · g| adds up to R for each layer: with |W|, R = 1ᵀ|W₂||W₁|1 = (3·2 + 3.5·2 + 2·4)."""
    net = Net()
    before = {name: p.clone() for name, p in net.named_parameters()}
    total = 2 * (3 * 2 + 3.5 * 2 + 2 * 4)
    assert synflow(net, X, LABELS) == pytest.approx(math.log(total))
    assert all(
        torch.equal(p, before[name]) and p.dtype == torch.float32 for name, p in net.named_parameters()
    )


def test_synflow_of_a_cut_network_is_hopeless() -> None:
    net = Net()
    with torch.no_grad():
        net.two.weight.zero_()
    with pytest.raises(Hopeless):
        synflow(net, X, LABELS)


def test_naswot_by_hand() -> None:
    """Pre-activations (1, .5, -1), (-2, 3, 1), (-5, 5.5, 3): codes 110, 011, 011: a singular kernel."""
    with pytest.raises(Hopeless):
        naswot(Net(), X, LABELS)
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # codes 110, 011, 100: distances 2, 1, 3
    kernel = torch.tensor([[3.0, 1.0, 2.0], [1.0, 3.0, 0.0], [2.0, 0.0, 3.0]])
    assert naswot(Net(), x, LABELS) == pytest.approx(math.log(float(torch.det(kernel))))


def test_jacob_cov_by_hand() -> None:
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    rows = []
    net = Net()
    for row in x:
        gate = torch.diag((net.one.weight @ row > 0).float())
        rows.append((torch.ones(2) @ net.two.weight @ gate @ net.one.weight).detach())
    correlation = torch.corrcoef(torch.stack(rows).double())
    values = torch.linalg.eigvalsh(correlation) + 1e-5
    assert jacob_cov(net, x, LABELS) == pytest.approx(-float((values.log() + 1 / values).sum()), rel=1e-6)


def test_grad_norm_by_hand() -> None:
    net = Net()
    hidden = torch.relu(X @ net.one.weight.T)
    error = (torch.softmax(hidden @ net.two.weight.T, 1) - torch.eye(2)[LABELS]) / 3
    of_two = error.T @ hidden
    of_one = ((error @ net.two.weight) * (hidden > 0)).T @ X
    assert grad_norm(net, X, LABELS) == pytest.approx(float(of_one.norm() + of_two.norm()), rel=1e-5)
    assert all(p.grad is None for p in net.parameters())


def job(space: str = "nb201", **changes: Any) -> Job:
    point = {f"code[{i}]": (3,) for i in range(6)} | changes
    return Job(Request(space, arguments=(("width", 4), ("repeats", 1))), point, 0)


@pytest.mark.parametrize("name", sorted(SCORES))
def test_every_score_is_a_function_of_the_job(name: str) -> None:
    torch.manual_seed(1)
    one = ZeroCost(name)(job())
    torch.rand(7)
    assert one == ZeroCost(name)(job()) and math.isfinite(one["score"])
    assert one != ZeroCost(name, seed=1)(job()) or name == "synflow"


def test_params_are_those_of_the_graph() -> None:
    space = Space(Request("nb201", arguments=(("width", 4), ("repeats", 1))))
    assert ZeroCost("params")(job())["score"] == graph_of(space, job().point).cost.params


def test_naswot_sees_the_activations_of_emitted_code() -> None:
    more = ZeroCost("naswot")(job())["score"]
    fewer = ZeroCost("naswot")(job(**{"code[0]": (1,), "code[2]": (1,)}))["score"]
    assert more > fewer


def test_an_unknown_score() -> None:
    with pytest.raises(SearchError, match="did you mean `synflow`"):
        ZeroCost("synflo")


def test_the_command_searches_by_a_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["search", "nb201", "-p", "width=4", "-p", "repeats=1", "--trials", "4", "--strategy", "random"]
    assert main([*words, "--evaluate", "zero-cost:naswot", "-o", "out"]) == 0
    assert Path("out/best_1.arch").exists()
    assert main([*words, "--evaluate", "zero-cost:naswott"]) == 1
    assert "did you mean `naswot`" in capsys.readouterr().err
