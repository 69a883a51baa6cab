"""What a search found: the best trials, the front, and both as files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from archc.search.objectives import Objective, front
from archc.search.plan import Prepared
from archc.search.trial import Trial
from archc.spaces.frozen import frozen
from archc.spaces.point_text import to_json


def eligible(trials: Sequence[Trial]) -> list[Trial]:
    """Evaluated trials, those of the longest training only."""
    found = [t for t in trials if t.state == "evaluated"]
    longest = max((t.proposal.epochs or 0.0 for t in found), default=0.0)
    return [t for t in found if (t.proposal.epochs or 0.0) == longest]


def best(trials: Sequence[Trial], number: int) -> list[Trial]:
    """Of one objective the best trials, at most `number`; of several their front, all of it."""
    found = eligible(trials)
    if found and len(found[0].scores) > 1:
        return [found[i] for i in front([t.scores for t in found])]
    return sorted(found, key=lambda t: (-t.scores[0], t.number))[:number]


def spec_of(prepared: Prepared, trial: Trial, name: str, command: str) -> str:
    """The trial's network as a spec that says where it comes from."""
    scores = ", ".join(
        f"{o.metric} {o.shown(s):.6g}" for o, s in zip(prepared.objectives, trial.scores, strict=True)
    )
    said = f"Trial {trial.number} of `{command}`: {scores} ({trial.proposal.why})."
    doc = "".join(c if c.isprintable() and c not in '"\\' else "'" for c in said)
    return frozen(prepared.space, trial.proposal.point, name, doc, f"archc search, trial {trial.number}")


def files(
    prepared: Prepared, trials: Sequence[Trial], command: str, number: int
) -> Iterator[tuple[str, str]]:
    """best_1.arch … with their points, front.csv where there are several objectives, and trials.csv."""
    found = best(trials, number)
    for place, trial in enumerate(found, 1):
        yield f"best_{place}.arch", spec_of(prepared, trial, f"best_{place}", command)
        yield f"best_{place}.json", to_json(trial.proposal.point, 2) + "\n"
    if len(prepared.objectives) > 1:
        yield "front.csv", trials_csv(found, prepared.objectives)
    yield "trials.csv", trials_csv(trials, prepared.objectives)


def trials_csv(trials: Sequence[Trial], objectives: Sequence[Objective]) -> str:
    """One row a trial: what became of it, its objectives, figures and metrics, and its point as JSON."""
    shown = [o.metric for o in objectives]
    others = sorted({k for t in trials for k in (*t.figures, *t.metrics)} - set(shown))
    out = io.StringIO()
    columns = ["trial", "state", "same_as", "epochs", "seconds", *shown, *others, "why", "reason", "point"]
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for trial in trials:
        writer.writerow({
            "trial": trial.number, "state": trial.state, "same_as": "" if trial.same_as is None else trial.same_as,
            "epochs": "" if trial.proposal.epochs is None else trial.proposal.epochs, "seconds": trial.seconds,
            **{o.metric: o.shown(s) for o, s in zip(objectives, trial.scores, strict=False)},
            **{k: v for k, v in {**trial.figures, **trial.metrics}.items() if k in others},
            "why": trial.proposal.why, "reason": trial.reason, "point": json.dumps(dict(trial.proposal.point)),
        })  # fmt: skip
    return out.getvalue()


def summary(prepared: Prepared, trials: Sequence[Trial], number: int) -> dict[str, Any]:
    """What was tried and found, as plain data."""
    states = {
        state: sum(t.state == state for t in trials)
        for state in ("evaluated", "copied", "rejected", "failed")
    }
    return {
        **prepared.identity,
        "asked": len(trials),
        **states,
        "not proposed": dict(prepared.choices.rejected),
        "seconds": round(sum(t.seconds for t in trials), 3),
        "best": [
            {
                "trial": t.number,
                **{o.metric: o.shown(s) for o, s in zip(prepared.objectives, t.scores, strict=True)},
                **({prepared.report: t.metrics[prepared.report]} if prepared.report else {}),
                "figures": dict(t.figures),
                "why": t.proposal.why,
            }
            for t in best(trials, number)
        ],
    }
