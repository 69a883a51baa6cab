"""DARTS, ENAS and single paths on the digits, in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import archc
from archc.cli.main import main
from archc.search.choices import Choices
from archc.search.oneshot import darts, enas, shared, single_path
from archc.search.oneshot.budget import Budget
from archc.search.oneshot.course import Course
from archc.search.oneshot.evaluate import accuracy_of
from archc.search.oneshot.feed import Feed
from archc.search.oneshot.network import OneShot
from archc.search.oneshot.shared import Shared
from archc.spaces.frozen import point_of
from archc.spaces.points import answered, graph_of
from archc.spaces.space import Request, Space
from archc.spaces.supernet import supernet
from tests.search.oneshot.tiny import digits, tiny_net, tiny_recipe, tiny_space

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_halves_are_apart_and_all_there_is() -> None:
    data = digits()
    feed = Feed(data, tiny_recipe(), CPU)
    one, two = (set(half.places.tolist()) for half in feed.halves)
    assert not one & two and one | two == set(range(len(data.train)))
    assert abs(len(one) - len(two)) <= 1
    images, targets, labels = feed.weights(3)
    assert images.shape == (64, 1, 8, 8) and targets.argmax(1).tolist() == labels.tolist()
    assert torch.equal(feed.weights(3)[0], images) and not torch.equal(feed.choices(3)[0], images)


def test_a_budget_in_epochs_counts_steps_and_one_in_seconds_stops() -> None:
    assert [step for step, _ in Course(Budget(epochs=1.5), CPU).steps(10, {})] == list(range(15))
    shares = [used for _, used in Course(Budget(epochs=1), CPU).steps(4, {})]
    assert shares == [0.0, 0.25, 0.5, 0.75]
    assert 1 <= len(list(Course(Budget(epochs=1e9, seconds=0.01), CPU).steps(1, {}))) < 1e7
    assert len(list(Course(Budget(epochs=0.01), CPU).steps(4, {}))) == 1
    with pytest.raises(ValueError, match="epochs or seconds"):
        next(Course(Budget(), CPU).steps(1, {}))


@pytest.mark.parametrize("nesterov", [False, True])
def test_second_order_is_the_gradient_through_the_step(
    nesterov: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside autograd through the unrolled step, in double precision."""
    Path("smooth.arch").write_text(
        "arch smooth(ops: list = [pick([conv(4, 1), conv(4, 3) -> tanh, avg_pool(3, 1, 1)]) for i in 0..2]) {\n"
        "  input 3 x 6 x 6\n  stem conv(4, 3) -> tanh\n  stage ops[0]\n  stage ops[1] -> tanh\n"
        "  head global_avg_pool -> linear(3)\n}\n"
    )
    torch.manual_seed(0)
    net = OneShot(supernet(Space(Request("smooth.arch")))).double().eval()
    recipe = tiny_recipe(optim={"lr": 0.05, "weight_decay": 1e-2, "momentum": 0.5, "nesterov": nesterov})
    run = Shared(net, recipe, CPU)
    net.eval()  # batch norms behind pools would tie the examples together
    monkeypatch.setattr(
        shared, "losses", lambda results, targets, _: (F.cross_entropy(results, targets), results)
    )

    def batch() -> tuple[torch.Tensor, ...]:
        labels = torch.randint(3, (8,))
        return torch.randn(8, 3, 6, 6).double(), F.one_hot(labels, 3).double(), labels

    run.update(*batch())  # gives the momentum something to hold
    net.eval()
    training, validation = batch(), batch()
    found = darts.second_order(run, training, validation)
    names, weights = zip(*[(n, p) for n, p in net.named_parameters() if n != "alpha"], strict=True)
    gradients = torch.autograd.grad(run.loss(training)[0], weights, create_graph=True)
    decay = {id(w): g["weight_decay"] for g in run.optimizer.param_groups for w in g["params"]}
    stepped = {}
    for n, w, g in zip(names, weights, gradients, strict=True):
        decayed = g + decay[id(w)] * w
        step = decayed + 0.5 * run.optimizer.state[w]["momentum_buffer"]
        stepped[n] = w - run.rate * (decayed + 0.5 * step if nesterov else step)
    output = torch.func.functional_call(net, {**stepped, "alpha": net.alpha}, (validation[0],))
    exact = torch.autograd.grad(F.cross_entropy(output, validation[1]), net.alpha)[0]
    first = torch.autograd.grad(run.loss(validation)[0], net.alpha)[0]
    assert (found - exact).abs().max() < 1e-3 * (first - exact).abs().max()


def test_a_warm_up_is_the_share_of_the_budget_that_it_is_of_the_recipe(tmp_path: Path) -> None:
    run = Shared(tiny_net(tmp_path), tiny_recipe(epochs=10, schedule={"warmup": 1.0}), CPU)
    rates = []
    for used in (0.05, 0.1, 0.55, 0.999):
        run.at(used)
        rates.append(run.rate)
    assert rates == pytest.approx([0.05, 0.1, 0.05, 0.0], abs=1e-4)


def test_networks_are_compared_without_what_drops_at_random() -> None:
    Path("noisy.arch").write_text(
        "arch noisy(op: op = pick([conv(4, 3), relu])) {\n"
        "  input 1 x 8 x 8\n  stem conv(4, 3) -> dropout(0.9)\n  stage op\n"
        "  head flatten -> dropout(0.9) -> linear(10)\n}\n"
    )
    torch.manual_seed(0)
    run = Shared(OneShot(supernet(Space(Request("noisy.arch")))), tiny_recipe(), CPU)
    feed = Feed(digits(), tiny_recipe(), CPU)
    found = {accuracy_of(run, feed, {"op[0]": (0,)}, 300) for _ in range(5)}
    assert len(found) == 1
    assert all(module.training for module in run.net.modules())


@pytest.mark.parametrize("order", [1, 2])
def test_darts_takes_what_works(tmp_path: Path, order: int) -> None:
    """Of layers and nothing at all, it takes layers; the weights learn, and the choices with them."""
    net = tiny_net(tmp_path)
    before = net.alpha.detach().clone()
    feed = Feed(digits(), tiny_recipe(), CPU)
    seen: list[dict[str, Any]] = []
    result = darts.search(
        net,
        feed,
        tiny_recipe(),
        darts.Darts(order=order, lr=0.03),
        Course(Budget(epochs=4), CPU, watch=seen.append),
    )
    assert result.steps == 4 * feed.epoch_steps and len(seen) == len(result.history) == 4
    assert seen[-1]["accuracy"] > 0.5 > seen[0]["accuracy"] and seen[-1]["entropy"] < seen[0]["entropy"]
    assert result.point["first[0]"] != (2,)
    assert (net.alpha.detach() - before).abs().max() > 0.1
    assert answered(tiny_space(tmp_path), result.point).point == result.point


def test_in_warm_up_only_the_weights_learn(tmp_path: Path) -> None:
    net = tiny_net(tmp_path)
    before = net.alpha.detach().clone()
    weights = [w.detach().clone() for w in net.weights()]
    feed = Feed(digits(), tiny_recipe(), CPU)
    darts.search(net, feed, tiny_recipe(), darts.Darts(warmup=1.0), Course(Budget(epochs=0.3), CPU))
    assert torch.equal(net.alpha, before)
    assert any(not torch.equal(a, b) for a, b in zip(weights, net.weights(), strict=True))


def test_the_choices_step_leaves_the_weights(tmp_path: Path) -> None:
    for order in (1, 2):
        net = tiny_net(tmp_path)
        feed = Feed(digits(), tiny_recipe(), CPU)
        run = darts._Run(net, feed, tiny_recipe(), darts.Darts(order=order), CPU)
        weights = [w.detach().clone() for w in net.weights()]
        before = net.alpha.detach().clone()
        run.choices_step(0)
        assert all(torch.equal(a, b) for a, b in zip(weights, net.weights(), strict=True))
        assert not torch.equal(net.alpha, before)


def test_single_paths_and_evolution_take_what_works(tmp_path: Path) -> None:
    net, space = tiny_net(tmp_path), tiny_space(tmp_path)
    data = digits()
    feed = Feed(data, tiny_recipe(), CPU)
    settings = single_path.SinglePath(trials=30, population=8, sample=3, examples=500)
    course = Course(Budget(epochs=5), CPU)
    result = single_path.search(net, feed, tiny_recipe(), settings, course, Choices(space))
    assert result.history[-1]["best"] > 0.5 and result.point["first[0]"] != (2,)
    run = Shared(net, tiny_recipe(), CPU)
    worst = {**result.point, "first[0]": (2,)}
    assert accuracy_of(run, feed, worst, 500) < 0.2 < accuracy_of(run, feed, result.point, 500)
    assert graph_of(space, result.point).cost.params > 0


def test_enas_learns_weights_and_controller(tmp_path: Path) -> None:
    net, space = tiny_net(tmp_path), tiny_space(tmp_path)
    feed = Feed(digits(), tiny_recipe(), CPU)
    settings = enas.Enas(lr=0.05, steps=40, candidates=5, examples=500, temperature=1.0, tanh=0.0)
    result = enas.search(net, feed, tiny_recipe(), settings, Course(Budget(epochs=5), CPU), Choices(space))
    rewards = [line["reward"] for line in result.history if "reward" in line]
    assert rewards[-1] > rewards[0] + 0.1
    assert result.history[-1]["best"] > 0.4 and result.point["first[0]"] != (2,)


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("darts", ["lr=0.03"]),
        ("single-path", ["trials=10", "population=4", "examples=300"]),
        ("enas", ["steps=5", "candidates=3", "examples=300"]),
    ],
)
def test_the_command_searches_and_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], strategy: str, options: list[str]
) -> None:
    tiny_space(tmp_path)
    words = ["search", "tiny.arch", "--strategy", strategy, "--option", "supernet_epochs=1", "--epochs", "1"]
    for option in options:
        words += ["--option", option]
    assert main([*words, "--device", "cpu", "-o", "out"]) == 0
    out = capsys.readouterr().out
    assert "trained from scratch: accuracy" in out and "wrote out" in out
    assert archc.check("out/best_1.arch") == []
    space, point = point_of("out/best_1.arch")
    assert space.given["classes"] == 10
    assert json.loads(Path("out/best_1.json").read_text()) == {
        p: a[0] if len(a) == 1 else list(a) for p, a in point.items()
    }
    result = json.loads(Path("out/run/result.json").read_text())
    assert result["params"] == archc.load("out/best_1.arch").cost.params and result["eval_accuracy"] > 0.05
    assert Path("out/report.html").stat().st_size > 10_000
    assert all(json.loads(line)["step"] > 0 for line in Path("out/search.jsonl").read_text().splitlines())


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_space(tmp_path)
    assert main(["search", "regnet", "--strategy", "darts", "--data", "digits"]) == 1
    assert "cannot be kept open" in capsys.readouterr().err
    assert main(["search", "tiny.arch", "--strategy", "darts", "--option", "ordre=2"]) == 1
    assert "did you mean `order`?" in capsys.readouterr().err
    assert main(["search", "tiny.arch", "--strategy", "darts", "--option", "order=high"]) == 1
    assert "order is int" in capsys.readouterr().err
    fp16 = ["--data", "digits", "--set", "run.precision=fp16", "-o", "out"]
    assert main(["search", "tiny.arch", "--strategy", "darts", *fp16]) == 1
    assert "run.precision=bf16" in capsys.readouterr().err
    assert main(["search", "tiny.arch", "--strategy", "enas", "--objective", "-macs"]) == 2
    assert "takes no --objective" in capsys.readouterr().err
