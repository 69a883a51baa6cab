"""Comparisons of every library network with its twin, kept in a record row by row, so that a later run goes on from it."""

from __future__ import annotations

import copy
import gc
import hashlib
import math
import sys
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

from torch import nn

from archc.ir import Graph
from archc.measure.bench import Mode, Setting, Subject, prepare, step, with_threads
from archc.measure.deploy import settle
from archc.measure.race import Work
from benchmarks.record import Row, asked_for, options, read, write
from benchmarks.rounds import Rounds
from benchmarks.run import PAGE, where
from benchmarks.twins import QUICK, graph_of, twins
from tests.parity.twin import Twin
from tests.peers import import_timm, import_torchvision

DATA = Path(__file__).parents[1] / "tests" / "data"
SIZES = ((3, 96, 96), (3, 64, 64))

Kind = tuple[Mode, int]
"""What is run and at which batch."""
Found = tuple[Rounds, Row]
"""A comparison, and what else the record is to say of it."""


class Comparison(ABC):
    """What is compared and how.

    kinds: of run, and for each of SIZES the multiply-adds of a forward pass of the batch beyond which a row takes too
    long; a network that has one size is measured at that. most_params: beyond which the copies take too much memory: in
    training they have gradients and momentum.
    """

    record: Path
    kinds: ClassVar[Mapping[Kind, tuple[float, float]]]
    most_params: ClassVar[Mapping[Mode, float]] = {"forward": 700e6, "train": 150e6}

    def kinds_of(self, twin: Twin) -> list[Kind]:
        """The kinds of run that a network has."""
        return list(self.kinds)

    def graph(self, twin: Twin, kind: Kind) -> Graph | None:
        """The network at the size it is measured at; None where it costs too much at any."""
        for size, limit in zip(SIZES, self.kinds[kind], strict=True):
            graph = graph_of(twin, size)
            if graph.cost.params <= self.most_params[kind[0]] and kind[1] * graph.cost.macs <= limit:
                return graph
        return None

    @abstractmethod
    def code(self, graph: Graph, mode: Mode) -> str:
        """The source that is run: a row holds as long as it stays as it is."""

    @abstractmethod
    def compare(self, twin: Twin, graph: Graph, kind: Kind) -> Found:
        """Run both."""

    @abstractmethod
    def line(self, row: Row) -> str:
        """A row as the page shows it."""

    def row(self, twin: Twin, kind: Kind, graph: Graph | None, known: Row | None) -> Row:
        """What the record says of one comparison; what it says already if that still holds."""
        mode, batch = kind
        about: Row = {"name": name(twin, kind), "network": twin.spec, "mode": mode, "batch": batch}
        if graph is None:
            return {**about, "left_out": True}
        source = hashlib.sha256(self.code(graph, mode).encode()).hexdigest()[:12]
        if known and known.get("source") == source:
            return known
        about |= {"pixels": graph.inputs[0].shape[-1], "source": source, "made": where()}
        try:
            found, more = self.compare(twin, graph, kind)
        except Exception as error:  # whatever a network raises; the others are still to be measured
            return {**about, "error": f"{type(error).__name__}: {error}"}
        figures = {
            key: [float(f"{v:.5g}") for v in values] for key, values in asdict(found).items() if values
        }
        return {**about, **more, **figures}

    def measure(self, patterns: Sequence[str], quick: bool, seconds: float, again: bool) -> None:
        """Add to the record what it lacks, each row as it is made, beginning none after so many seconds.

        patterns: of networks or of rows. The representative networks first, then the rows from the cheapest on.
        """
        start = time.monotonic()
        chosen = [
            (twin, kind, self.graph(twin, kind))
            for twin in twins(quick)
            for kind in self.kinds_of(twin)
            if asked_for(twin.spec, patterns) or asked_for(name(twin, kind), patterns)
        ]
        chosen.sort(key=lambda c: (c[0].spec not in QUICK, c[1][1] * c[2].cost.macs if c[2] else 0))
        for twin, kind, graph in chosen:
            if time.monotonic() - start > seconds:
                return
            rows = read(self.record)
            known = rows.get(name(twin, kind))
            made = self.row(twin, kind, graph, None if again else known)
            if made != known:
                write(self.record, {**rows, made["name"]: made}.values())
                print(self.line(made), file=sys.stderr, flush=True)
            gc.collect()

    def expected(self) -> int:
        """Rows of a whole record."""
        return sum(len(self.kinds_of(twin)) for twin in twins(quick=False))

    def run(self, quick: bool) -> dict[str, Row]:
        """The record, the rows that were missing made."""
        with quiet():
            self.measure(["*"], quick, math.inf, again=False)
        return read(self.record)

    def run_as_asked(self, about: str | None, page: Callable[[str, dict[str, Row]], str]) -> None:
        """What the command line says; `page` puts the section of a record into a page."""
        arguments = options(about, quick=True)
        if not arguments.page:
            with quiet():
                self.measure(arguments.patterns, arguments.quick, arguments.seconds, arguments.again)
        PAGE.write_text(page(PAGE.read_text(), read(self.record)))


AS_IT_IS = Setting()


def maker(module: nn.Module, graph: Graph, kind: Kind, how: Setting = AS_IT_IS) -> Callable[[], Work]:
    """What copies a module and makes the copy ready to run."""
    mode, batch = kind
    copied = Subject(graph.name, lambda: copy.deepcopy(module))

    def make() -> Work:
        ready = prepare(copied, [n.shape for n in graph.inputs], mode, batch, how)
        work = step(ready, mode)
        if mode == "forward":
            settle(ready.module, work)
        return work

    return make


def name(twin: Twin, kind: Kind) -> str:
    """Of a row."""
    return f"{twin.spec} {kind[0]} {kind[1]}"


@contextmanager
def quiet() -> Iterator[None]:
    """One thread, no warnings of torchvision's on its own initialisations, and little to look through for garbage."""
    with with_threads(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_timm()
        import_torchvision()
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            gc.unfreeze()
