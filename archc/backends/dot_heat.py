"""Colour by cost: white for none, deepest for the costliest box of a drawing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from archc.analyses.figures import short
from archc.backends.dot_style import HEAT, Swatches
from archc.ops.base import Cost

Colour = Literal["kind", "cost", "params"]


class Heat:
    """Attributes that colour boxes by `cost` (multiply-adds) or `params`; none for "kind".

    costs: of every box of the drawing, to know the largest.
    """

    def __init__(self, colour: Colour, costs: Iterable[Cost]) -> None:
        self.colour = colour
        self.most = max(map(self.figure, costs), default=0) if colour != "kind" else 0

    def __call__(self, cost: Cost) -> dict[str, str]:
        if self.colour == "kind":
            return {}
        share = (
            (self.figure(cost) / self.most) ** 0.5 if self.most else 0.0
        )  # the root tells small ones apart
        return {"fillcolor": blend(share), "color": HEAT[2]}

    @property
    def legend(self) -> tuple[Swatches, ...]:
        """What the colours mean; nothing for "kind"."""
        if self.colour == "kind":
            return ()
        steps = (0, 1, 2, 3, 4) if self.most else (0,)
        scale = tuple((blend(i / 4), HEAT[2], short(round(self.most * (i / 4) ** 2))) for i in steps)
        meaning = {"cost": "multiply-adds", "params": "parameters"}[self.colour]
        return (Swatches(f"colour: {meaning}", scale),)

    def figure(self, cost: Cost) -> int:
        """The figure that colours stand for."""
        return cost.params if self.colour == "params" else cost.macs


def blend(share: float) -> str:
    """The colour at a share, 0 to 1, of the way from none to most."""
    low, high = ([int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in HEAT[:2])
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(low, high, strict=True))
