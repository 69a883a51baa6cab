"""NSGA-II and TPE, by Optuna's samplers."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import optuna

from archc.elaborate.choosers import DomainValues, RangeValues, SetValues
from archc.elaborate.values import Rejected
from archc.search.choices import TRIES, Choices
from archc.search.strategy import Proposal, Result, SearchError

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial


class Suggested:
    """A chooser that asks an Optuna trial: a number from [0, 1) for a parameter, mapped as a draw maps it."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    def domain(self, path: str, values: DomainValues) -> Any:
        if isinstance(values, RangeValues):
            return values.draw(_Quantile(self.trial.suggest_float(path, 0.0, 1.0)))  # type: ignore[arg-type]  # all a draw needs
        count = values.count()
        if isinstance(values, SetValues):
            return values.at(self.trial.suggest_categorical(f"{path}/{count}", list(range(count))))
        return values.at(self.trial.suggest_int(f"{path}/{count}", 0, count - 1))

    def pick(self, path: str, count: int, k: int) -> tuple[int, ...]:
        if k == 1:
            return (self.trial.suggest_categorical(f"{path}/{count}", list(range(count))),)
        left = list(range(count))
        return tuple(
            sorted(
                left.pop(self.trial.suggest_int(f"{path}#{i}/{count - i}", 0, count - 1 - i))
                for i in range(k)
            )
        )


class _Quantile:
    """In place of a stream: always the same number."""

    def __init__(self, value: float) -> None:
        self.value = min(value, 1.0 - 2.0**-53)

    def uniform(self) -> float:
        return self.value


class Sampled:
    """A strategy from an Optuna sampler. What fails, or is against a constraint, it is told as failed."""

    def __init__(self, choices: Choices, sampler: BaseSampler, objectives: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.choices = choices
        self.study = optuna.create_study(sampler=sampler, directions=["maximize"] * objectives)
        self.open: dict[int, Trial] = {}
        self.asked = 0

    def ask(self, n: int) -> list[Proposal]:
        return [self._propose() for _ in range(n)]

    def tell(self, proposal: Proposal, result: Result) -> None:
        trial = self.open.pop(proposal.number)
        if result.scored:
            self.study.tell(trial, list(result.scores))
        else:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def _propose(self) -> Proposal:
        for _ in range(TRIES):
            trial = self.study.ask()
            try:
                point = self.choices.walk(Suggested(trial)).point
            except Rejected:
                self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            self.open[self.asked] = trial
            self.asked += 1
            return Proposal(self.asked - 1, point, type(self.study.sampler).__name__)
        raise SearchError(f"{TRIES:,} proposals met no requirement of {self.choices.space.name}")


class NsgaTwo(Sampled):
    """NSGA-II (Deb et al. 2002): generations of `population`, by rank of dominance and distance to neighbours.

    mutation: the chance that a choice is drawn anew; 0 for one over their number. crossover: the chance that a
    child has two parents. swap: the chance that it has a choice of the second.
    """

    def __init__(
        self,
        choices: Choices,
        seed: int,
        objectives: int = 1,
        *,
        population: int = 50,
        mutation: float = 0.0,
        crossover: float = 0.9,
        swap: float = 0.5,
    ) -> None:
        sampler = optuna.samplers.NSGAIISampler(
            population_size=population, mutation_prob=mutation or None, crossover_prob=crossover,
            swapping_prob=swap, seed=seed,
        )  # fmt: skip
        super().__init__(choices, sampler, objectives)


class Tpe(Sampled):
    """Tree-structured Parzen estimators (Bergstra et al. 2011), the choices of a space taken together."""

    def __init__(self, choices: Choices, seed: int, objectives: int = 1, *, startup: int = 10) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=startup,
                seed=seed,
                multivariate=True,
                group=True,
            )
        super().__init__(choices, sampler, objectives)
