"""Streaming: the same batches whoever decodes them, exact resume, and errors instead of hangs."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet
from torch import Tensor

from archc.search.training import training
from archc.search.trial import Job
from archc.spaces.space import Request
from archc.train import session
from archc.train.batches import Batches
from archc.train.datasets import Dataset, Split, Stream
from archc.train.decoding import Unreadable, View, decode, middle, random_box
from archc.train.faults import DataError
from archc.train.feeds import HeldOut, Streamed
from archc.train.finished import evaluate, open_run
from archc.train.loading import load_dataset, streams
from archc.train.ranks import Ranks
from archc.train.recipe import Data
from archc.train.stream import NONE, workers_of
from archc.train.trainer import Interrupted, Mismatch, Trainer
from tests.train.tiny import SPEC, tiny_graph, tiny_recipe

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
SHAPE = (1, 8, 8)
CLASSES = 3

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores, here


def picture(number: int, kind: str = "png") -> bytes:
    """An image of its own for every number, of one of a few sizes."""
    size = (20 + 3 * (number % 4), 16 + 5 * (number % 3))
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def folder(place: Path, count: int = 30, damaged: tuple[int, ...] = ()) -> Path:
    for number in range(count):
        file = place / f"c{number % CLASSES}" / f"{number:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"\x89PNG no" if number in damaged else picture(number))
    return place


def shards(place: Path, count: int = 60, group: int = 7) -> Path:
    place.mkdir()
    for name, first in (("train-00000-of-00002", 0), ("train-00001-of-00002", count), ("test", 2 * count)):
        numbers = range(first, first + count)
        images = pa.array([{"bytes": picture(n), "path": None} for n in numbers])
        table = pa.table({"image": images, "label": pa.array([n % CLASSES for n in numbers])})
        parquet.write_table(table, place / f"{name}.parquet", row_group_size=group)
    return place


def load(path: Path, random: float = 0.3, **about: Any) -> tuple[Dataset, Data]:
    kind = "parquet" if any(path.glob("*.parquet")) else "folder"
    data = Data.model_validate({"name": kind, "path": str(path), "stream": True, "workers": 0, **about})
    return load_dataset(data, SHAPE, random=random), data


def feed(found: Dataset, data: Data, batch: int, rank: int = 0, world: int = 1, **more: Any) -> Any:
    assert isinstance(found.train, Stream)
    batches = Batches(len(found.train), batch, 5, rank, world, *found.train.runs)
    return Streamed(found.train, batches, data, CPU, **more), batches


def steps(made: Any, wanted: range) -> list[tuple[Tensor, Tensor]]:
    source, batches = made
    got = []
    for step in wanted:
        indices = batches.indices(step)
        first, parts = batches.first, []
        for chunk in indices.chunk(source._accumulate):
            parts.append(source.fetch(chunk, step, first))
            first += len(chunk)
        got.append((torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])))
    source.close()
    return got


def same(a: list[tuple[Tensor, Tensor]], b: list[tuple[Tensor, Tensor]]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(x, y) for one, two in zip(a, b, strict=True) for x, y in zip(one, two, strict=True)
    )


@pytest.fixture(params=["folder", "parquet"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return folder(tmp_path / "f", 100) if request.param == "folder" else shards(tmp_path / "p")


def test_any_number_of_workers_gives_the_same_batches(place: Path) -> None:
    found, data = load(place)
    expected = steps(feed(found, data, 40), range(5))  # two epochs and a half
    assert not torch.equal(expected[0][0], expected[1][0])
    for workers in (1, 3):
        assert same(steps(feed(found, data.model_copy(update={"workers": workers}), 40), range(5)), expected)


def test_steps_do_not_depend_on_what_came_before(place: Path) -> None:
    found, data = load(place)
    expected = steps(feed(found, data, 40), range(5))
    assert same(steps(feed(found, data, 40), range(3, 5)), expected[3:])
    made = feed(found, data, 40)
    assert same(steps(made, range(4, 5)) + steps(made, range(1, 3)), expected[4:] + expected[1:3])


def test_ranks_and_micro_batches_split_the_batch(place: Path) -> None:
    found, data = load(place)
    expected = steps(feed(found, data, 40), range(3))
    halves = [steps(feed(found, data, 40, rank, 2), range(3)) for rank in (0, 1)]
    joined = [(torch.cat([a[0], b[0]]), torch.cat([a[1], b[1]])) for a, b in zip(*halves, strict=True)]
    assert same(joined, expected)
    parts = data.model_copy(update={"accumulate": 4, "workers": 1})
    assert same(steps(feed(found, parts, 40), range(3)), expected)


def test_a_step_may_ask_twice(place: Path) -> None:
    found, data = load(place)
    source, batches = feed(found, data, 40, again=True)
    first = source.fetch(batches.indices(0), 0, 0)
    assert same([source.fetch(batches.indices(0), 0, 0)], [first])
    assert same(steps((source, batches), range(1, 2)), steps(feed(found, data, 40), range(1, 2)))


def test_labels_go_with_their_images(place: Path) -> None:
    found, data = load(place, random=0.0)
    memory, _ = load(place, stream=False)
    assert isinstance(memory.train, Split)
    source, batches = feed(found, data, 40)
    chunk = batches.indices(1)
    images, labels = source.fetch(chunk, 1, 0)
    assert torch.equal(images, memory.train.images[chunk])
    assert torch.equal(labels, memory.train.labels[chunk])
    tested = list(HeldOut(found.test, data.model_copy(update={"workers": 1, "eval_batch": 33}), CPU))
    assert isinstance(memory.test, Split)
    assert torch.equal(torch.cat([t[0] for t in tested]), memory.test.images)
    assert torch.equal(torch.cat([t[1] for t in tested]), memory.test.labels)


@pytest.mark.parametrize("stream", [True, False])
def test_ranks_test_as_many_batches_and_every_example_once(tmp_path: Path, stream: bool) -> None:
    found, data = load(folder(tmp_path / "f", 100), stream=stream, eval_batch=4)  # 20 are held out
    parts = [list(HeldOut(found.test, data, CPU, rank, 3)) for rank in range(3)]
    assert {len(p) for p in parts} == {2}
    labels = torch.cat([label for part in parts for _, label in part])
    assert int((labels == NONE).sum()) == 1
    assert torch.equal(torch.bincount(labels[labels != NONE]), torch.bincount(found.test.labels))


def test_row_groups_are_shuffled_in_windows_and_all_seen() -> None:
    runs = (5, 3, 8, 4)
    made = Batches(20, 4, 1, runs=runs, window=2)
    epochs = [torch.cat([made.indices(s) for s in range(5 * e, 5 * e + 5)]) for e in range(3)]
    assert all(sorted(e.tolist()) == list(range(20)) for e in epochs)
    assert len({tuple(e.tolist()) for e in epochs}) == 3
    of_run = torch.repeat_interleave(torch.arange(4), torch.tensor(runs))
    for epoch in epochs:
        pair = {int(of_run[i]) for i in epoch[:3]}
        size = sum(runs[r] for r in {int(of_run[i]) for i in epoch[:8]}) if len(pair) == 2 else 0
        assert not size or len({int(of_run[i]) for i in epoch[:size]}) <= 3


def train(
    place: Path, directory: Path, stop_at: int | None = None, warn: Any = print, **about: Any
) -> dict[str, Any]:
    recipe = tiny_recipe(
        data={
            "name": "parquet" if any(place.glob("*.parquet")) else "folder", "path": str(place), "stream": True,
            "batch": 24, "workers": 0, **about,
        },
        augment={"resized_crop": 0.3},
        run={"eval_every": 3},
    )  # fmt: skip
    graph = tiny_graph(directory.parent, classes=CLASSES)
    data = load_dataset(recipe.data, SHAPE, recipe.seed, recipe.augment.resized_crop)
    if stop_at is None:
        return session.run(graph, recipe, data, directory, Ranks(0, 1, CPU), warn=warn)
    trainer = Trainer(graph, recipe, data, directory, Ranks(0, 1, CPU), stop=lambda: trainer.step == stop_at)
    trainer.start()
    with pytest.raises(Interrupted):
        trainer.train()
    assert trainer.journal
    trainer.journal.close()
    return {}


def test_resume_is_exact_with_other_workers(place: Path, tmp_path: Path) -> None:
    train(place, tmp_path / "whole")
    train(place, tmp_path / "cut", stop_at=4, workers=1)
    assert train(place, tmp_path / "cut", workers=2)["resumed_at"] == 4
    for name in ("model.safetensors", "ema.safetensors", "log.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


def test_a_run_does_not_change_how_it_gets_its_data(tmp_path: Path) -> None:
    place = folder(tmp_path / "f", 100)
    train(place, tmp_path / "r", stop_at=2)
    with pytest.raises(Mismatch, match=r"was streamed: set data\.stream"):
        train(place, tmp_path / "r", stream=False)


def test_damaged_images_are_replaced_named_and_counted(tmp_path: Path) -> None:
    place = folder(tmp_path / "f", 60, damaged=(4, 9))
    said: list[str] = []
    result = train(place, tmp_path / "r", warn=said.append, max_bad=0.1, workers=1)
    assert result["unreadable"] == 2
    assert said[0].startswith("2 images could not be read")
    assert "004.png" in said[0]
    found, data = load(place, max_bad=0.1)
    made = feed(found, data, 48)
    assert all(len(labels) == 48 for _, labels in steps(made, range(2)))
    tests = HeldOut(found.test, data, CPU)
    assert sum(int((labels == NONE).sum()) for _, labels in tests) == len(tests.bad)
    names = [*made[0].bad.values(), *tests.bad.values()]
    assert sorted(n.split("/")[-1].split(" ")[0] for n in names) == ["004.png", "009.png"]
    assert "not an image" in names[0] or "broken" in names[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_damaged_images_stop_the_run_with_their_list(tmp_path: Path, workers: int) -> None:
    place = folder(tmp_path / "f", 60, damaged=(1, 2, 5, 13))
    with pytest.raises(DataError, match=r"of 48 images cannot be read") as caught:
        train(place, tmp_path / "r", workers=workers, max_bad=0.03)
    assert ".png" in str(caught.value)


def test_nothing_readable_stops_at_once(tmp_path: Path) -> None:
    found, data = load(folder(tmp_path / "f", 60, damaged=tuple(range(60))))
    with pytest.raises(DataError, match="cannot be read"):
        steps(feed(found, data, 40), range(1))
    with pytest.raises(DataError, match="none of the images"):
        found.statistics()


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def test_a_killed_worker_is_an_error_not_a_hang(tmp_path: Path) -> None:
    place = folder(tmp_path / "f", 100)
    (tmp_path / "tiny.arch").write_text(SPEC)
    command = [
        sys.executable, "-m", "archc", "train", "tiny.arch", "--recipe", "quickstart", "--data", str(place),
        "--device", "cpu", "-o", "r", "--set", "epochs=5000", "--set", "run.save_every=5000", "--set", "run.eval_every=5000",
        "--set", "data.stream=true", "--set", "data.workers=2", "--set", "data.batch=40",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "r" / "log.jsonl"
    deadline = time.monotonic() + 120
    while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(max(children(process.pid)), signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the same command goes on" in err
    assert "Traceback" not in err


def test_signals_are_for_the_process_that_trains(tmp_path: Path) -> None:
    found, data = load(folder(tmp_path / "f", 100), workers=1)
    before = children(os.getpid())
    source, batches = feed(found, data, 40)
    source.fetch(batches.indices(0), 0, 0)
    worker = (children(os.getpid()) - before).pop()
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(worker, number)
    assert same(steps((source, batches), range(1, 4)), steps(feed(found, data, 40), range(1, 4)))


def test_auto_streams_what_does_not_fit() -> None:
    assert not streams("auto", 1 << 20)
    assert streams("auto", 1 << 40)
    assert streams(True, 1)
    assert not streams(False, 1 << 40)


def test_workers_are_for_the_cores_of_a_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(96)))
    assert workers_of(-1) == 16
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert workers_of(-1) == 11
    assert workers_of(3) == 3


def test_random_parts_are_within_their_bounds() -> None:
    draw = Random(0)
    areas = []
    for _ in range(300):
        left, top, right, bottom = random_box(60, 40, 0.25, draw)
        assert 0 <= left < right <= 60
        assert 0 <= top < bottom <= 40
        assert 0.7 < (right - left) / (bottom - top) < 1.4
        areas.append((right - left) * (bottom - top) / 2400)
    assert 0.2 < min(areas) < 0.3
    assert max(areas) > 0.75
    assert random_box(300, 10, 0.9, draw) == middle(300, 10, 4 / 3)  # no such part: the middle


def test_decoding_cuts_the_middle_and_a_fraction_of_it() -> None:
    pixels = np.zeros((40, 80, 3), dtype=np.uint8)
    pixels[10:30, 30:50] = 255
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    assert decode(out.getvalue(), View((3, 40, 40))).float().mean() == pytest.approx(255 / 4, abs=1)
    assert int(decode(out.getvalue(), View((3, 8, 8), crop=0.5))[:, 1:-1, 1:-1].min()) >= 254
    with pytest.raises(Unreadable, match="not an image"):
        decode(b"text", View((3, 8, 8)))


def test_jpeg_in_training_is_decoded_smaller_but_looks_the_same() -> None:
    ramp = np.linspace(0, 255, 512 * 512).reshape(512, 512).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(ramp).convert("RGB").save(out, "jpeg", quality=95)
    view = View((3, 48, 48), random=1.0)
    found = decode(out.getvalue(), view, Random(0)).float()
    assert float((found - decode(out.getvalue(), View((3, 48, 48))).float()).abs().mean()) < 1.5


def test_trials_of_a_search_cut_streamed_images_at_random_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tmp_path / "wide.arch"
    spec.write_text(
        "arch wide(w: int in {2, 3}, classes: int = 10) {\n  input 1 x 8 x 8\n  stem conv(w, 3)\n"
        "  head global_avg_pool -> linear(classes)\n}\n"
    )
    place = folder(tmp_path / "f", 60)
    recipe = tiny_recipe(
        data={"name": "folder", "path": str(place), "stream": True, "batch": 8, "workers": 0, "size": 12},
        augment={"resized_crop": 0.3},
    )
    evaluator, request = training(Request(str(spec)), recipe)
    seen: list[Dataset] = []
    run = session.run

    def watched(graph: Any, recipe: Any, data: Dataset, *rest: Any) -> Any:
        seen.append(data)
        return run(graph, recipe, data, *rest)

    monkeypatch.setattr(session, "run", watched)
    evaluator(Job(request, {"w": 2}, 0, 1.0, str(tmp_path / "trial")))
    (data,) = seen
    assert isinstance(data.train, Stream) and data.train.view.random == 0.3
    assert data.train.view.shape == (1, 12, 12)
    assert isinstance(data.test, Stream) and data.test.view.random == 0.0


def test_a_run_is_evaluated_on_the_validation_examples_it_did_not_see(tmp_path: Path) -> None:
    """Those kept back of the images that can be read, not of all."""
    place = folder(tmp_path / "f", 60, damaged=(4,))
    recipe = tiny_recipe(
        epochs=1,
        ema=0.0,
        data={
            "name": "folder", "path": str(place), "stream": False, "batch": 8, "workers": 0, "validation": 15, "max_bad": 0.1,
        },
    )  # fmt: skip
    graph = tiny_graph(tmp_path, classes=CLASSES)
    data = load_dataset(recipe.data, SHAPE, recipe.seed)
    session.run(graph, recipe, data, tmp_path / "r", Ranks(0, 1, CPU))
    tested: list[Tensor] = []
    run = open_run(tmp_path / "r", CPU)
    probabilities = type(run).probabilities

    class Watched(type(run)):  # type: ignore[misc]  # of what was opened
        def probabilities(self, images: Tensor) -> Tensor:
            tested.append(images)
            return probabilities(self, images)

    evaluate(Watched(run.graph, run.module, run.recipe, run.result, CPU), recipe)
    assert isinstance(data.test, Split)
    assert torch.equal(torch.cat(tested), data.test.images)
