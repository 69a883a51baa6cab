"""The choices of a space as strategies see them: points that meet its requirements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from archc.elaborate.choosers import Chooser, Stream
from archc.elaborate.values import Rejected
from archc.search.strategy import SearchError
from archc.spaces.point_text import Point
from archc.spaces.points import Answered, PointChooser, StreamChooser, answered, mutate
from archc.spaces.space import Space

TRIES = 100_000
"""Points drawn before a space is taken to hold none that meets the requirements."""


class Choices:
    """Points of a space. rejected: how many drawn ones did not meet each requirement."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.rejected: Counter[str] = Counter()

    def walk(self, chooser: Chooser) -> Answered:
        """The choice points a chooser meets, in program order, with its answers; raises Rejected."""
        try:
            return answered(self.space, {}, chooser, cost=False)
        except Rejected as rejection:
            self.rejected[" ".join(str(rejection).split())] += 1
            raise

    def first(self, chooser: Callable[[], Chooser]) -> Answered:
        """Walks with fresh choosers until a point meets the requirements; raises SearchError."""
        for _ in range(TRIES):
            try:
                return self.walk(chooser())
            except Rejected:
                continue
        worst = ", ".join(f"`{text}`" for text, _ in self.rejected.most_common(3))
        raise SearchError(f"{TRIES:,} draws of {self.space.name} met no requirement together: {worst}")

    def meets(self, point: Point) -> bool:
        """Whether a point meets the requirements."""
        try:
            self.walk(PointChooser(point))
        except Rejected:
            return False
        return True

    def random(self, rng: Stream) -> Answered:
        """A point drawn at random."""
        return self.first(lambda: StreamChooser(rng))

    def mutated(self, point: Point, rng: Stream) -> Answered | None:
        """The point with one choice answered differently; None where no neighbour meets the requirements."""
        try:
            return mutate(self.space, point, rng)
        except Rejected:
            return None

    def completed(self, point: Point, rng: Stream) -> Answered:
        """A point from some answers, the others drawn and those not asked for dropped; raises Rejected."""
        return answered(self.space, point, StreamChooser(rng), lenient=True, cost=False)
