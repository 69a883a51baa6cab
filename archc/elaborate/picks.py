"""`pick`: anonymous choice points."""

from __future__ import annotations

from typing import Any

from archc.diagnostics import Span
from archc.elaborate.arithmetic import MAX_LIST
from archc.elaborate.choosers import KeepAll
from archc.elaborate.frame import ElabFrame
from archc.elaborate.keep import keep_one, keep_several
from archc.elaborate.operators import Special, special
from archc.elaborate.values import fail, show


def _pick(f: ElabFrame, args: list[tuple[str | None, Any, Span]], span: Span) -> Any:
    """One of a list (or range), or `k` distinct members in list order."""
    given = {name or "choices": value for name, value, _ in args}
    if len(given) != len(args) or not set(given) <= {"choices", "k", "name"} or "choices" not in given:
        raise fail("E0402", "pick takes a list, and `k` and `name` by keyword", span, "", (SIGNATURE,))
    choices, k, name = given["choices"], given.get("k"), given.get("name")
    if not isinstance(choices, list | tuple | range) or not choices:
        raise fail("E0420", f"pick needs a list of choices, not {show(choices)}", span, "", (SIGNATURE,))
    if len(choices) > MAX_LIST:
        raise fail("E0904", f"pick has {len(choices):,} choices, which is too many", span, f"at most {MAX_LIST:,}",
                   ("a parameter with a domain, `n: int in 1..=1000000`, holds more values",))  # fmt: skip
    if k is not None and (type(k) is not int or not 1 <= k <= len(choices)):
        message = f"pick: k must be an int between 1 and {len(choices)}, not {show(k)}"
        raise fail("E0420", message, span, f"{len(choices)} to choose from", (SIGNATURE,))
    if name is not None and not isinstance(name, str):
        raise fail("E0420", f"pick: the name must be a string, not {show(name)}", span, "", (SIGNATURE,))
    if f.run.chooser is None:
        help = "answer it with `--sample SEED`, or pass the choices as an argument"
        if f.run.arch is None:
            help = (
                "a constant is the same in every network: pick in an arch, or in the default of its parameter"
            )
        raise fail("E0507", "this choice is open", span, f"one of {len(choices)}", (help,))
    for body in f.run.bodies:
        body.reusable = False
    path = f.run.pick_path(name)
    if isinstance(f.run.chooser, KeepAll):
        f.run.chooser.open[path] = (len(choices), 1 if k is None else k)
        return (
            keep_one(f, path, list(choices), span)
            if k is None
            else keep_several(f, path, list(choices), k, span)
        )
    indices = f.run.chooser.pick(path, len(choices), 1 if k is None else k)
    picked = [choices[i] for i in indices]
    return picked[0] if k is None else picked


SIGNATURE = "it is declared as pick(choices, k = 1, name = …)"
PICK: Special = special("pick", "pick(choices, k = 1, name = …)", _pick)
