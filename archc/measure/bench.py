"""A network beside another one: forward, training step, memory, compile time and constructor, run in turn."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from archc.backends import torch_module
from archc.ir import Graph
from archc.measure.deploy import settle
from archc.measure.foreign import make_foreign
from archc.measure.memory import alive_bytes, saved_bytes
from archc.measure.race import Race, Work, clock_for, race
from archc.ops.base import Shape

Mode = Literal["forward", "train", "build", "meta"]
MODES: tuple[Mode, ...] = ("forward", "train", "build", "meta")

T = TypeVar("T")
TORCH = str(torch.__version__)

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: `make` is the constructor alone, called with torch's default device set."""

    name: str
    make: Callable[[], nn.Module]


@dataclass(frozen=True, slots=True)
class Setting:
    """How to run: threads of the CPU; dtype of weights and inputs; layout of both; `compile`: torch.compile.

    seconds, least: wall time, and pairs at least, of each comparison.
    """

    threads: int = 1
    dtype: str = "float32"
    device: str = "cpu"
    layout: str = "contiguous"
    compile: bool = False
    seconds: float = 5.0
    least: int = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. batch: None for constructors. error: why there is no race: what the subject it names raised.

    memory: bytes, one a subject. On the CPU those alive at once in a forward pass, or saved by autograd for the
    backward pass, weights left out; on a GPU the peak allocated by the pass or the step, weights included.
    compile_seconds: wall time of the first call, where compiled.
    """

    mode: Mode
    batch: int | None
    race: Race | None
    memory: tuple[int, ...] = ()
    compile_seconds: tuple[float, ...] = ()
    error: str = ""


class Failed(Exception):
    """A subject could not be run; says which, and what it raised."""


@dataclass
class Prepared:
    """A subject ready to run."""

    name: str
    module: nn.Module
    inputs: tuple[Tensor, ...]
    optimiser: torch.optim.Optimizer | None = None
    compile_seconds: list[float] = field(default_factory=list)


def has_device(device: str) -> bool:
    """Whether torch can run there."""
    return device == "cpu" or torch.cuda.is_available()


def ours(graph: Graph) -> Subject:
    """The emitted class of a graph: source and class are made once, now; its constructor is what is timed."""
    with torch.device("meta"):
        made = type(torch_module.compile(graph))
    return Subject(graph.name, made)


def theirs(name: str, **arguments: Any) -> Subject:
    """`package.module:callable`; raises ArchError where it cannot be imported or called."""
    with torch.device("meta"):
        make_foreign(name, **arguments)
    return Subject(name, lambda: make_foreign(name, **arguments))


def bench(
    subjects: Sequence[Subject],
    inputs: Sequence[Shape],
    modes: Sequence[Mode],
    batches: Sequence[int],
    how: Setting,
) -> Iterator[Row]:
    """Race one or two subjects, in every mode and at every batch size; rows come as they are measured.

    inputs: shapes without the batch. A subject that cannot run gives a row with the error.
    """
    with with_threads(how.threads):
        for mode in modes:
            for batch in batches if mode in ("forward", "train") else (None,):
                try:
                    if batch is None:
                        yield Row(mode, None, _constructors(subjects, mode, how))
                    else:
                        yield _runs(subjects, inputs, mode, batch, how)
                except Failed as error:
                    yield Row(mode, batch, None, error=str(error))
                gc.collect()


def _constructors(subjects: Sequence[Subject], mode: Mode, how: Setting) -> Race:
    works = [_guarded(subject.name, subject.make) for subject in subjects]
    with torch.device("meta") if mode == "meta" else nullcontext():
        return race(*works, clock=clock_for("cpu", how.threads), seconds=how.seconds, least=how.least)


def _runs(subjects: Sequence[Subject], inputs: Sequence[Shape], mode: Mode, batch: int, how: Setting) -> Row:
    prepared = [prepare(subject, inputs, mode, batch, how) for subject in subjects]
    if mode == "forward":
        for p in prepared:
            settle(p.module, _guarded(p.name, step(p, mode)))
    memory = tuple(_memory(p, mode, how) for p in prepared)
    if how.compile:
        for p in prepared:
            _compile(p, mode)
    works = [_guarded(p.name, step(p, mode)) for p in prepared]
    if how.compile:  # the first call compiles
        for work, p in zip(works, prepared, strict=True):
            start = time.perf_counter()
            work()
            p.compile_seconds.append(time.perf_counter() - start)
    found = race(*works, clock=clock_for(how.device, how.threads), seconds=how.seconds, least=how.least)
    return Row(mode, batch, found, memory, tuple(s for p in prepared for s in p.compile_seconds))


def prepare(subject: Subject, inputs: Sequence[Shape], mode: Mode, batch: int, how: Setting) -> Prepared:
    """A fresh module and random inputs, where and as the setting says; for training an SGD with momentum."""
    kind: torch.dtype = getattr(torch, how.dtype)
    layout = LAYOUTS[how.layout]
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    module = _guarded(subject.name, subject.make)().to(how.device, kind)
    module = module.to(memory_format=layout)  # type: ignore[call-overload]  # torch's stub lacks it
    module.train(mode == "train")
    examples = [torch.randn(batch, *shape, generator=generator).to(how.device, kind) for shape in inputs]
    examples = [x.to(memory_format=layout) if x.ndim == 4 else x for x in examples]
    optimiser = torch.optim.SGD(module.parameters(), 1e-4, momentum=0.9) if mode == "train" else None
    return Prepared(subject.name, module, tuple(examples), optimiser)


def step(subject: Prepared, mode: Mode) -> Work:
    """One forward pass, or one training step: gradients cleared, forward, mean square of all outputs, backward, SGD."""
    module, inputs, optimiser = subject.module, subject.inputs, subject.optimiser

    def forward() -> object:
        with torch.inference_mode():
            return module(*inputs)

    def train() -> None:
        assert optimiser is not None
        optimiser.zero_grad(set_to_none=True)
        outputs = [t for t in tree_leaves(module(*inputs)) if isinstance(t, Tensor)]
        loss = torch.stack([t.float().square().mean() for t in outputs]).sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's is untyped
        optimiser.step()

    return forward if mode == "forward" else train


def _compile(subject: Prepared, mode: Mode) -> None:
    torch._dynamo.reset()
    subject.module = torch.compile(subject.module)  # type: ignore[assignment]  # callable like the module


def _memory(subject: Prepared, mode: Mode, how: Setting) -> int:
    if how.device == "cuda":
        work = _guarded(subject.name, step(subject, mode))
        for _ in range(2):  # the first step makes the optimiser's state
            torch.cuda.reset_peak_memory_stats()
            work()
        torch.cuda.synchronize()
        return int(torch.cuda.max_memory_allocated())
    measure = alive_bytes if mode == "forward" else saved_bytes
    return _guarded(subject.name, lambda: measure(subject.module, subject.inputs))()


def _guarded(name: str, work: Callable[[], T]) -> Callable[[], T]:
    """The work, whatever it raises turned into Failed."""

    def run() -> T:
        try:
            return work()
        except Exception as error:  # whatever a foreign module raises is what a user wants to be told
            raise Failed(f"{name}: {type(error).__name__}: {error}") from error

    return run


@contextmanager
def with_threads(count: int) -> Iterator[None]:
    """Within it, torch has so many threads of the CPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
