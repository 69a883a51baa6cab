"""The engine: asks a strategy, checks, evaluates, notes and tells, so that a run can be repeated and resumed.

At most `window` evaluations are open. Results are told in the order of asking, one evaluation at a time: what a
strategy knows when it is asked depends on the window alone, never on who was faster. Resuming is running: the
strategy is asked anew, its proposals must equal those in the ledger, and results the ledger has are not worked out
again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archc.elaborate.values import Rejected
from archc.jobs.executor import Executor, Outcome
from archc.jobs.ledger import Finished, History, Ledger
from archc.search.networks import Known, Networks
from archc.search.objectives import Condition, Objective
from archc.search.strategy import Proposal, Result, SearchError, Strategy
from archc.search.trial import Evaluator, Job, Trial, Work, perform, plain
from archc.spaces.space import Request

COPIES = 500
"""Copies in a row after which a search ends: the space is exhausted, or the strategy has settled."""
REJECTIONS = 20_000
"""Rejections in a row after which a search ends."""


class Mismatch(SearchError):
    """The ledger is not what this search would write; the message says where they part."""


@dataclass(frozen=True)
class Budget:
    """When to stop asking. trials: evaluations. seconds: of all workers' time divided by their number, None for
    no limit. copies_count: a copy of an earlier trial is one of the trials too."""

    trials: int
    seconds: float | None = None
    copies_count: bool = False


@dataclass
class Search:
    """A search ready to run. `run` returns all trials; watch is called with each as it is told.

    directory: holds a folder for each trial's files. retries: attempts at an evaluation after the first.
    workers_note: workers write results to the ledger themselves.
    """

    request: Request
    networks: Networks
    strategy: Strategy
    evaluator: Evaluator
    ledger: Ledger
    executor: Executor
    objectives: Sequence[Objective]
    budget: Budget
    conditions: Sequence[Condition] = ()
    window: int = 1
    retries: int = 2
    directory: Path | None = None
    workers_note: bool = False
    watch: Callable[[Trial], None] = lambda trial: None
    trials: list[Trial] = field(default_factory=list)
    evaluations: int = 0

    def run(self) -> list[Trial]:
        """Searches until the budget is spent or nothing is left. Raises SearchError, Mismatch, LedgerError."""
        self._history: History = self.ledger.history()
        self._by_digest: dict[tuple[str, float | None], Trial] = {}
        self._open: deque[Trial] = deque()  # asked and not told
        self._running: dict[int, Trial] = {}  # by the executor's ticket
        self._copies = self._rejections = 0  # in a row
        self._spent = 0.0
        while True:
            self._tell_what_needs_no_work()
            if self._evaluating() < self.window and self._wanted() and self._ask():
                continue
            if not self._open:
                break
            head = self._open[0]
            while head.state is None:
                self._collect()
            self._tell(self._open.popleft())
        left = sorted(set(self._history.asked) - {t.number for t in self.trials})
        if left and self.evaluations < self.budget.trials and self.budget.seconds is None:
            raise Mismatch(f"the ledger has trial {left[0]}, and this search ended before it")
        return self.trials

    # ------------------------------------------------------------ asking

    def _evaluating(self) -> int:
        return sum(trial.same_as is None and trial.state != "rejected" for trial in self._open)

    def _wanted(self) -> bool:
        spent = self.evaluations
        if self.budget.copies_count:
            spent += sum(trial.same_as is not None for trial in (*self.trials, *self._open))
        number = len(self.trials) + len(self._open)
        if spent >= self.budget.trials or self._copies >= COPIES or self._rejections >= REJECTIONS:
            return False
        late = self.budget.seconds is not None and self._spent / self.window >= self.budget.seconds
        return not late or number in self._history.asked

    def _ask(self) -> bool:
        """Whether there was a proposal."""
        proposals = self.strategy.ask(1)
        if not proposals:
            return False
        trial = self._admitted(proposals[0])
        self._open.append(trial)
        return True

    def _admitted(self, proposal: Proposal) -> Trial:
        """A trial as the ledger has it: to be evaluated, a copy or rejected."""
        trial = Trial(proposal)
        known: Known | None = None
        try:
            known = self.networks.known(proposal.point)
            trial.digest, trial.figures = known.digest, known.figures
            broken = next((c.text for c in self.conditions if not c.met(known.figures)), "")
        except Rejected as rejection:
            broken = " ".join(str(rejection).split())
        earlier = self._by_digest.get((trial.digest, proposal.epochs)) if known else None
        if broken:
            trial.state, trial.reason = "rejected", broken
        elif earlier is not None:
            trial.same_as = earlier.number
        self._agree(trial)
        if broken or earlier is not None:
            self._rejections += bool(broken)
            self._copies += not broken
            return trial
        self._copies = self._rejections = 0
        self._by_digest[trial.digest, proposal.epochs] = trial
        self.evaluations += 1
        noted = self._history.finished.get(trial.number)
        if noted is not None:
            self._end(trial, noted)
        else:
            trial.attempts = len(self._history.failures.get(trial.number, ()))
            self._start(trial)
        return trial

    def _agree(self, trial: Trial) -> None:
        """Notes what is asked; raises Mismatch where the ledger has another trial under its number."""
        proposal = trial.proposal
        asked = {
            "point": plain(proposal.point),
            "epochs": proposal.epochs,
            "why": proposal.why,
            "digest": trial.digest,
            "same_as": trial.same_as,
            "rejected": trial.reason,
            "figures": dict(trial.figures),
        }
        noted = self._history.asked.get(trial.number)
        if noted is None:
            noted = self.ledger.ask(trial.number, asked)
        differing = [key for key in asked if noted.get(key) != asked[key]]
        if differing:
            lines = [f"  {key}: {_shown(noted.get(key), asked[key])}" for key in differing]
            raise Mismatch(
                f"trial {trial.number} of the ledger is not what this search asks for:\n"
                + "\n".join(lines)
                + "\nthe space, the strategy or archc itself has changed since: search in another directory"
            )

    def _start(self, trial: Trial) -> None:
        place = "" if self.directory is None else str(self.directory / f"{trial.number:05}")
        job = Job(self.request, trial.proposal.point, trial.number, trial.proposal.epochs, place)
        work = Work(self.evaluator, job, self.ledger.url if self.workers_note else "", self.ledger.study)
        self._running[self.executor.submit(perform, work)] = trial

    # ------------------------------------------------------------ results

    def _collect(self) -> None:
        """Waits for some results and notes them."""
        outcome: Outcome[Work, Finished]
        for ticket, outcome in self.executor.finished():
            trial = self._running.pop(ticket)
            if outcome.result is not None:
                self._end(trial, self.ledger.finish(trial.number, outcome.result))
                continue
            trial.attempts += 1
            reason = f"{type(outcome.error).__name__}: {outcome.error}"
            self.ledger.fail(trial.number, trial.attempts, reason)
            if trial.attempts <= self.retries:
                self._start(trial)
            else:
                failed = Finished({"state": "failed", "reason": reason}, 0.0)
                self._end(trial, self.ledger.finish(trial.number, failed))

    def _end(self, trial: Trial, finished: Finished) -> None:
        payload = finished.payload
        trial.state, trial.seconds = payload["state"], finished.seconds
        trial.reason = payload.get("reason", "")
        trial.metrics = payload.get("metrics", {})
        self._spent += finished.seconds
        if trial.state == "evaluated":
            trial.scores = self._scores(trial)

    def _scores(self, trial: Trial) -> tuple[float, ...]:
        values = {**trial.figures, **trial.metrics}
        return tuple(objective.score(values) for objective in self.objectives)

    def _tell_what_needs_no_work(self) -> None:
        """Of the trials at the head of the queue: copies, and what was rejected."""
        while self._open and (self._open[0].same_as is not None or self._open[0].state == "rejected"):
            trial = self._open.popleft()
            if trial.same_as is not None:
                earlier = self.trials[trial.same_as]
                trial.state = "copied" if earlier.scores else "failed"
                trial.metrics, trial.scores, trial.reason = earlier.metrics, earlier.scores, earlier.reason
            self._tell(trial)

    def _tell(self, trial: Trial) -> None:
        assert trial.state is not None  # only then is it told
        self.trials.append(trial)
        self.strategy.tell(trial.proposal, Result(trial.state, trial.scores))
        self.watch(trial)


def entries(history: History) -> list[dict[str, Any]]:
    """The trials of a ledger as plain data, for comparing runs: what was asked and what came of it, no times."""
    return [
        {
            "number": number,
            **asked,
            **(history.finished[number].payload if number in history.finished else {}),
        }
        for number, asked in sorted(history.asked.items())
    ]


def _shown(then: Any, now: Any) -> str:
    if isinstance(then, dict) and isinstance(now, dict):
        keys = [k for k in {**then, **now} if then.get(k) != now.get(k)]
        return "; ".join(f"{k} was {then.get(k)!r} and is {now.get(k)!r}" for k in keys[:6])
    return f"was {then!r} and is {now!r}"
