"""The training loop, read top to bottom: a step is batch → loss → gradients → clip → update → average.

Everything a step needs is a function of its number or saved in the checkpoint, so that a run which is
stopped anywhere and resumed ends with the same bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archc.ir import Graph
from archc.ir.fingerprint import spec_hash
from archc.train import agc, checkpoint, storage
from archc.train.augment import Augmenter, Place
from archc.train.batches import Batches, steps_of
from archc.train.captured import Captured, can_capture
from archc.train.clock import Clock
from archc.train.datasets import Dataset, Stream
from archc.train.drop_path import Ramp
from archc.train.ema import Average
from archc.train.feeds import HeldOut, make_feed
from archc.train.groups import groups
from archc.train.journal import Journal
from archc.train.network import (
    autocast,
    choose_layout,
    in_layout,
    logits_of,
    losses,
    make_module,
)
from archc.train.optimizers import make_optimizer
from archc.train.ranks import Ranks
from archc.train.recipe import Recipe, leaves
from archc.train.sam import Sharpness
from archc.train.schedule import learning_rate
from archc.train.seeds import seed_of
from archc.train.shards import clip_norm, held_back, replicated, total_norm
from archc.train.snapshot import averages, momentum, restore, take
from archc.train.start import Start
from archc.train.stream import NONE

FREE = frozenset({"data.workers", "data.stream"})
"""Keys that may change when a run is resumed; whether the data was streamed is looked at itself."""
CHECK_EVERY = 50
"""Steps within which a loss that is not finite is noticed."""


class Diverged(Exception):
    """The loss is no longer a number; the message says at which step."""


class Interrupted(Exception):
    """The run was asked to stop, and has saved what it is."""


class Mismatch(Exception):
    """The checkpoint in the directory is of another run."""


@dataclass(frozen=True)
class Score:
    """Mean cross entropy and share of right answers."""

    loss: float
    accuracy: float


Watch = Callable[[dict[str, Any]], None]
"""Called with every line of the log and what the clock adds to it."""


Beat = Callable[[int, str], None]
"""Called with the steps that are done, at every step, and what is done next: `training`, or something else in words."""


def unheard(step: int, doing: str) -> None:
    """A Beat that nobody listens to."""


class Trainer:
    """One run in a directory. `train` runs it to its end; the attributes are what it consists of.

    start: weights to begin with; `afresh` is what is not among them. stop: polled after each step, True asks to save and
    stop. milestone: see storage.Milestone.
    """

    def __init__(
        self, graph: Graph, recipe: Recipe, data: Dataset, directory: Path, ranks: Ranks, *,
        start: Start | None = None, stop: Callable[[], bool] = lambda: False,
        watch: Watch = lambda line: None, beat: Beat = unheard,
        milestone: storage.Milestone = storage.passed,
    ) -> None:  # fmt: skip
        self.graph, self.recipe, self.directory, self.ranks = graph, recipe, directory, ranks
        self.stop, self.watch, self.beat, self.milestone = stop, watch, beat, milestone
        torch.manual_seed(seed_of(recipe.seed, "weights"))
        self.begun_from = start
        self.afresh: tuple[str, ...] = ()
        self.module = make_module(graph, recipe, ranks, self._fill)
        self.ramp = Ramp(self.module, ranks.device) if recipe.schedule.drop_path == "linear" else None
        self.groups = groups(graph, self.module)
        self.optimizer = make_optimizer(self.module, self.groups, recipe.optim, can_capture(recipe, ranks))
        self.average = Average(self.module, recipe.ema) if recipe.ema else None
        self.scaler = torch.amp.GradScaler(ranks.device.type, enabled=recipe.run.precision == "fp16")
        self.sharpness = Sharpness(recipe.optim.sam) if recipe.optim.sam else None
        heads = self.groups.heads
        self.clipped = [p for name, p in self.module.named_parameters() if name not in heads]
        torch.manual_seed(seed_of(recipe.seed, "dropout", ranks.rank))
        self.data = data
        mean, std = data.statistics()
        outputs = graph.nodes[graph.outputs[0].node].shape[0]  # the classes, and any that no example has
        done = {"resized_crop": 0.0} if isinstance(data.train, Stream) else {}  # by those who decode
        self.augmenter = Augmenter(
            recipe.augment.model_copy(update=done), mean, std, outputs, recipe.seed, ranks.device,
            recipe.label_smoothing,
        )  # fmt: skip
        self.batches = Batches(
            len(data.train), recipe.data.batch, recipe.seed, ranks.rank, ranks.world, *data.train.runs
        )
        self.feed = make_feed(data.train, self.batches, recipe, ranks.device)
        self.tests = HeldOut(data.test, recipe.data, ranks.device, ranks.rank, ranks.world)
        self.steps = steps_of(recipe, len(data.train))
        self.step = 0
        self.meter = torch.zeros(3, dtype=torch.float64, device=ranks.device)  # loss, right answers, examples
        self.layout = torch.contiguous_format
        self.journal: Journal | None = None
        self.clock = Clock(graph, recipe, ranks)
        self.last_scores: dict[str, Score] = {}
        self.parallel: nn.Module = self.module
        self.captured: Captured | None = None
        self.rate, self.recording_seconds = 0.0, 0.0
        self.buffers: list[Tensor] = []

    @property
    def checkpoints(self) -> Path:
        return self.directory / "checkpoints"

    def identity(self) -> dict[str, Any]:
        """What a checkpoint must have been saved by for this run to go on from it."""
        return {
            "spec": spec_hash(self.graph),
            "recipe": self.recipe.model_dump(mode="json"),
            "streamed": isinstance(self.data.train, Stream),
            "weights": self.begun_from and self.begun_from.sha256(),
        }

    def _fill(self, module: nn.Module) -> None:
        if self.begun_from:
            self.afresh = self.begun_from.fill(self.graph, module)

    def start(self) -> list[str]:
        """Begins, or goes on from the newest whole checkpoint; returns what is wrong with newer ones.

        Raises Mismatch, or checkpoint.Damaged where there are checkpoints and none is whole.
        """
        found, problems = checkpoint.newest(self.checkpoints)
        if found is None and problems:
            raise checkpoint.Damaged("\n".join(problems))
        length = 0
        if found is None:
            self.layout = self._layout()
        else:
            self._check_identity(found.state["identity"])
            length = restore(self, found)
        in_layout(self.module, self.layout)
        if self.average:
            self.average.in_layout(self.layout)
        if self.ranks.leads:
            self.journal = Journal(self.directory / "log.jsonl", length)
        if self.recipe.run.compile:
            self.module.compile(dynamic=False)
        self.parallel = replicated(self.module, self.ranks)
        self.buffers = list(self.module.buffers())
        return problems

    def train(self) -> dict[str, Score]:
        """Runs to the last step and returns the scores of the held-out examples.

        Raises Diverged, Interrupted, or OSError where a checkpoint cannot be written.
        """
        epoch = self.batches.epoch_steps
        save_every = max(1, round(self.recipe.run.save_every * epoch))
        eval_every = max(1, round(self.recipe.run.eval_every * epoch))
        self.parallel.train()
        self.clock.start(self.step)
        try:
            self._run(save_every, eval_every)
        finally:
            self.feed.close()
        if not self.last_scores:
            self.last_scores = self.evaluate()
        return self.last_scores

    def _run(self, save_every: int, eval_every: int) -> None:
        while self.step < self.steps:
            self.beat(self.step, "training")
            self.milestone("before step")
            self._step()
            self.step += 1
            self.milestone("after step")
            last = self.step == self.steps
            if self.step % self.recipe.run.log_every == 0 or last:
                self._log()
            if self.step % eval_every == 0 or last:
                self._log_scores()
            stopping = not last and self._stopping()
            if self.step % save_every == 0 or last or stopping:
                self.save()
            if stopping:
                raise Interrupted(f"stopped after step {self.step:,} of {self.steps:,}")

    def _step(self) -> None:
        self._set_rate()
        indices = self.batches.indices(self.step)
        if can_capture(self.recipe, self.ranks):
            batch = self._examples(indices, self.batches.first)
            if self.captured is None:
                begun = time.perf_counter()
                self.captured = Captured(self._update, batch, self._changing, self.augmenter.generators)
                self.recording_seconds = time.perf_counter() - begun
            self.captured(*batch)
            return
        self._gradients(indices, measure=True)
        if self.sharpness:
            self.sharpness.climb(self.module)
            self.optimizer.zero_grad(set_to_none=True)
            self._gradients(indices, measure=False)
            self.sharpness.return_()
        self._apply()

    def _set_rate(self) -> None:
        self.rate = learning_rate(
            self.step, self.steps, self.batches.epoch_steps, self.recipe.lr, self.recipe.schedule
        )
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(self.rate)
            else:
                group["lr"] = self.rate
        if self.average:
            self.average.at(self.step)
        if self.ramp:
            self.ramp.at(self.step, self.steps)

    def _examples(self, chunk: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """Images (N, C, H, W) uint8 and labels (N,) of examples of this step, and their indices, on the device."""
        self.augmenter.seed(self.step, self.step // self.batches.epoch_steps)
        return *self.feed.fetch(chunk, self.step, first), chunk.to(self.ranks.device, non_blocking=True)

    def _gradients(self, indices: Tensor, measure: bool) -> None:
        chunks = indices.chunk(self.recipe.data.accumulate)
        first = self.batches.first
        for number, chunk in enumerate(chunks):
            with held_back(self.parallel) if number + 1 < len(chunks) else nullcontext():
                self._backward(*self._examples(chunk, first), first, len(chunk) / len(indices), measure)
            first += len(chunk)

    def _backward(
        self, images: Tensor, labels: Tensor, indices: Tensor, first: int, share: float, measure: bool
    ) -> None:
        """Adds `share` of the gradients of a batch; `measure` also its loss and right answers to the meter."""
        place = Place(first, self.recipe.data.batch)
        x, targets = self.augmenter(images, labels, indices, place)
        x = x.contiguous(memory_format=self.layout)
        with autocast(self.recipe, self.ranks.device):
            results = self.parallel(x)
        loss, logits = losses(results, targets, self.recipe.auxiliary)
        kept = [b.clone() for b in self.buffers] if self.recipe.run.checkpoint else []
        self.scaler.scale(loss * share).backward()  # type: ignore[no-untyped-call]  # torch's is untyped
        for buffer, value in zip(self.buffers, kept, strict=False):
            buffer.copy_(value)  # recomputing a section moved its running statistics again
        if measure:
            with torch.no_grad():
                right = (logits.argmax(1) == labels).sum().double()
                examples = right.new_full((), len(labels))
                self.meter += torch.stack([loss.double() * len(labels), right, examples])

    def _apply(self) -> None:
        """Clips the gradients, takes the optimizer's step, and takes the weights into their average."""
        self.scaler.unscale_(self.optimizer)
        if self.recipe.optim.clip_norm:
            clip_norm(list(self.module.parameters()), self.recipe.optim.clip_norm)
        if self.recipe.optim.agc:
            agc.clip(self.clipped, self.recipe.optim.agc, self.recipe.optim.agc_eps)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.ranks.average_([b for b in self.buffers if b.is_floating_point()])
        if self.average:
            self.average.update(self.module)

    def _update(self, images: Tensor, labels: Tensor, indices: Tensor) -> None:
        """What is recorded: a step from its batch to the new weights."""
        self._backward(images, labels, indices, self.batches.first, 1.0, measure=True)
        self._apply()

    def _changing(self) -> dict[str, Tensor]:
        """All that `_update` changes, by name."""
        own = {f"model.{name}": value for name, value in self.module.state_dict().items()}
        return own | momentum(self) | averages(self) | {"meter": self.meter}

    def _log(self) -> None:
        loss, right, examples = self.ranks.total(self.meter.clone()).tolist()
        self.meter.zero_()
        if not math.isfinite(loss):
            raise Diverged(f"the loss is {loss} at step {self.step:,} of {self.steps:,}")
        line = {
            "step": self.step, "epoch": self.step / self.batches.epoch_steps, "loss": loss / examples,
            "accuracy": right / examples, "lr": self.rate,
        }  # fmt: skip
        self._write(line, **self.clock.read(self.step))

    def _log_scores(self) -> None:
        scores = self.last_scores = self.evaluate()
        line: dict[str, Any] = {"step": self.step, "epoch": self.step / self.batches.epoch_steps}
        for name, score in scores.items():
            if not math.isfinite(score.loss):
                raise Diverged(f"the {self.data.held_out} loss is {score.loss} after step {self.step:,}")
            line |= {f"{name}_loss": score.loss, f"{name}_accuracy": score.accuracy}
        self._write(line)

    def _write(self, line: dict[str, Any], **more: Any) -> None:
        if self.journal:
            self.journal.write(**line)
            self.watch({**line, **more})

    def evaluate(self) -> dict[str, Score]:
        """Scores of the held-out examples: of the weights (`eval`), and of their average (`ema`)."""
        self.beat(self.step, "looking at the held-out examples")
        scores = {"eval": self._score()}
        if self.average:
            with self.average.in_place_of(self.module):
                scores["ema"] = self._score()
        return scores

    def _score(self) -> Score:
        total = torch.zeros(3, dtype=torch.float64, device=self.ranks.device)
        for pixels, labels in self.tests:
            images = self.augmenter.normalised(pixels).contiguous(memory_format=self.layout)
            with autocast(self.recipe, self.ranks.device):
                logits = logits_of(self.module, images).float()
            loss = nn.functional.cross_entropy(logits, labels, reduction="sum", ignore_index=NONE)
            right = (logits.argmax(1) == labels).sum()
            total += torch.stack([loss.double(), right.double(), (labels != NONE).sum().double()])
        loss_sum, right_sum, count = self.ranks.total(total).tolist()
        return Score(loss_sum / count, right_sum / count)

    def save(self) -> None:
        """Saves a checkpoint. Raises Diverged before it would save what is not finite."""
        norms = total_norm(list(self.module.parameters()))
        if int(self.ranks.total((~torch.isfinite(norms + self.meter[0])).int())):
            raise Diverged(f"the weights or the loss are no longer finite at step {self.step:,}")
        length = self.journal.sync() if self.journal else 0
        snapshot = take(self, length)  # all ranks: it gathers their generators
        if self.ranks.leads:
            checkpoint.save(self.checkpoints, snapshot, self.recipe.run.keep, self.milestone)
        self.ranks.wait()

    def _stopping(self) -> bool:
        if self.ranks.world == 1:
            return self.stop()
        if self.step % self.recipe.run.log_every:
            return False  # the processes agree now and then, not at every step
        return bool(self.ranks.total(torch.tensor(int(self.stop()), device=self.ranks.device)))

    def _layout(self) -> torch.memory_format:
        count = min(self.recipe.data.batch // self.ranks.world // self.recipe.data.accumulate, 32)
        draw = torch.Generator().manual_seed(0)  # time does not depend on what is in the images
        images = torch.randn(count, *self.data.shape, generator=draw).to(self.ranks.device)
        targets = torch.full((count, self.augmenter.classes), 1 / self.augmenter.classes).to(images)
        chosen = choose_layout(self.module, self.recipe, images, targets)
        votes = self.ranks.total(torch.tensor(int(chosen == torch.channels_last), device=self.ranks.device))
        return torch.channels_last if 2 * int(votes) > self.ranks.world else torch.contiguous_format

    def _check_identity(self, saved: dict[str, Any]) -> None:
        own = self.identity()
        if saved["spec"] != own["spec"]:
            raise Mismatch(f"{self.checkpoints} holds a run of another network")
        if saved["streamed"] != own["streamed"]:
            way = "streamed" if saved["streamed"] else "held in memory"
            raise Mismatch(f"the data of {self.checkpoints} was {way}: set data.stream as it was")
        if saved.get("weights") != own["weights"]:
            raise Mismatch(f"{self.checkpoints} holds a run that began with other weights")
        before, now = leaves(saved["recipe"]), leaves(own["recipe"])
        keys = (before.keys() | now.keys()) - FREE
        changed = sorted(k for k in keys if before.get(k) != now.get(k))
        if changed:
            told = ", ".join(f"{k} is {now.get(k)!r} and was {before.get(k)!r}" for k in changed)
            raise Mismatch(f"{self.checkpoints} holds a run with another recipe: {told}")
