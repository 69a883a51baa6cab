"""A recurrent controller trained by policy gradient (Zoph and Le 2016, arXiv:1611.01578).

An LSTM meets the choice points in program order: what it is fed is its answer to the one before, what it gives is a
distribution over the answers to this one. So the choice points may depend on earlier answers, and any space that can
be drawn from can be searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from archc.elaborate.choosers import DomainValues, SetValues, Stream
from archc.search.choices import Choices
from archc.search.strategy import Proposal, Result

BINS = 64
"""A parameter with more values is answered by the bin of its value, which is then drawn from the bin."""


@dataclass(frozen=True, slots=True)
class Step:
    """An answer to one of `count`, at the choice point `path`. closed: answers not open to it, as k distinct
    members are picked one after the other."""

    path: str
    count: int
    answer: int
    closed: tuple[int, ...] = ()


class Policy(nn.Module):
    """Embeddings of answers, an LSTM, and for each choice point a linear layer to its answers, made when it is met
    first. They begin at zero: every answer is as likely. hidden 0: no LSTM, the layers are their biases alone."""

    def __init__(self, hidden: int, temperature: float, tanh: float) -> None:
        super().__init__()
        self.hidden, self.temperature, self.tanh = hidden, temperature, tanh
        self.cell = nn.LSTMCell(hidden, hidden) if hidden else None
        self.start = nn.Parameter(torch.zeros(1, hidden))
        self.embeddings = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        self.optimizer: torch.optim.Optimizer | None = None

    def logits(self, step: Step, state: tuple[Tensor, Tensor]) -> Tensor:
        """Of the answers to a choice point, 1 × count."""
        key = self._made(step.path, step.count)
        found: Tensor = self.heads[key](state[0]) / self.temperature
        if self.tanh:
            found = self.tanh * found.tanh()
        if step.closed:
            closed = torch.zeros_like(found, dtype=torch.bool)
            closed[0, list(step.closed)] = True
            found = found.masked_fill(closed, float("-inf"))
        return found

    def first(self) -> tuple[Tensor, Tensor]:
        """The state before the first choice point."""
        zeros = torch.zeros(1, self.hidden)
        if self.cell is None:
            return zeros, zeros
        found: tuple[Tensor, Tensor] = self.cell(self.start, (zeros, zeros))
        return found

    def after(self, step: Step, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The state after an answer."""
        if self.cell is None:
            return state
        key = self._made(step.path, step.count)
        found: tuple[Tensor, Tensor] = self.cell(self.embeddings[key](torch.tensor([step.answer])), state)
        return found

    def score(self, steps: list[Step]) -> tuple[Tensor, Tensor]:
        """The log-probability of some answers, and the sum of the entropies of their distributions."""
        state = self.first()
        chances, entropy = torch.zeros(()), torch.zeros(())
        for step in steps:
            logs = torch.log_softmax(self.logits(step, state), 1)
            chances = chances + logs[0, step.answer]
            entropy = entropy - (logs.exp() * logs.clamp(min=-1e30)).sum()
            state = self.after(step, state)
        return chances, entropy

    def _made(self, path: str, count: int) -> str:
        key = f"{path}/{count}".replace(".", "·")  # a dot separates modules
        if key not in self.heads:
            self.make(key, count)
        return key

    def make(self, key: str, count: int) -> None:
        """The layers of a choice point with `count` answers."""
        head, embedding = nn.Linear(self.hidden, count), nn.Embedding(count, self.hidden)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        self.heads[key], self.embeddings[key] = head, embedding
        if self.optimizer is not None:
            self.optimizer.add_param_group({"params": [*head.parameters(), *embedding.parameters()]})

    def made(self) -> list[tuple[str, int]]:
        """The choice points met, in that order, with the number of their answers."""
        return [(key, int(head.out_features)) for key, head in self.heads.items()]  # type: ignore[arg-type]  # all Linear


class Reading:
    """A chooser that answers as a policy draws, and notes its steps."""

    def __init__(self, policy: Policy, rng: Stream) -> None:
        self.policy, self.rng = policy, rng
        self.state = policy.first()
        self.steps: list[Step] = []

    def domain(self, path: str, values: DomainValues) -> Any:
        count = values.count()
        if count <= BINS or isinstance(values, SetValues):
            return values.at(self._step(path, count))
        chosen = self._step(path, BINS)
        low, high = chosen * count // BINS, (chosen + 1) * count // BINS
        return values.at(low + self.rng.below(high - low))

    def pick(self, path: str, count: int, k: int) -> tuple[int, ...]:
        found: list[int] = []
        for _ in range(k):
            found.append(self._step(path, count, tuple(found)))
        return tuple(sorted(found))

    def _step(self, path: str, count: int, closed: tuple[int, ...] = ()) -> int:
        step = Step(path, count, 0, closed)
        chances = torch.softmax(self.policy.logits(step, self.state), 1)[0].tolist()
        at, left = 0, self.rng.uniform() * sum(chances)
        for at, chance in enumerate(chances):  # noqa: B007  # read after the loop
            left -= chance
            if left < 0 and chance > 0:
                break
        step = Step(path, count, at, closed)
        self.steps.append(step)
        self.state = self.policy.after(step, self.state)
        return at


@dataclass
class Experience:
    """What a proposal was made of, and how likely it was then."""

    steps: list[Step]
    chance: float
    reward: float = 0.0


@dataclass
class _Memory:
    """Proposals that have not been told, and told ones that have not been learnt from."""

    open: dict[int, Experience] = field(default_factory=dict)
    told: list[Experience] = field(default_factory=list)


class Reinforce:
    """REINFORCE: after `batch` results a step along advantage · ∇ log-probability, with a bonus for entropy.

    lr: of Adam; Zoph and Le take 6e-4, for thousands of trials. decay: of the baseline, an exponential average of
    rewards. entropy: weight of the bonus. hidden: units of the LSTM, 0 for independent distributions. temperature,
    tanh: of the logits, as in ENAS; tanh 0 for none. Points that a requirement rejects are drawn again and not learnt
    from.
    """

    name = "reinforce"

    def __init__(
        self,
        choices: Choices,
        seed: int,
        objectives: int = 1,
        *,
        lr: float = 0.01,
        decay: float = 0.9,
        entropy: float = 1e-4,
        hidden: int = 64,
        batch: int = 1,
        temperature: float = 1.0,
        tanh: float = 0.0,
    ) -> None:
        self.choices, self.seed = choices, seed
        self.decay, self.entropy, self.batch = decay, entropy, batch
        self.rng = Stream(b"controller:%d" % seed)
        self.asked = 0
        self.baseline: float | None = None
        self.memory = _Memory()
        self.generator_state: Tensor | None = None
        with self._seeded():
            self.policy = Policy(hidden, temperature, tanh)
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=lr)
        self.policy.optimizer = self.optimizer

    def ask(self, n: int) -> list[Proposal]:
        found = []
        with self._seeded(), torch.no_grad():
            for _ in range(n):
                readings: list[Reading] = []

                def fresh(made: list[Reading] = readings) -> Reading:
                    made.append(Reading(self.policy, self.rng))
                    return made[-1]

                point = self.choices.first(fresh).point
                steps = readings[-1].steps
                self.memory.open[self.asked] = Experience(steps, float(self.policy.score(steps)[0]))
                found.append(Proposal(self.asked, point, "controller"))
                self.asked += 1
        return found

    def tell(self, proposal: Proposal, result: Result) -> None:
        experience = self.memory.open.pop(proposal.number)
        if not result.scored:
            return
        experience.reward = result.scores[0]
        self.memory.told.append(experience)
        if len(self.memory.told) == self.batch:
            told, self.memory.told = self.memory.told, []
            self._learn(told)

    def state_dict(self) -> dict[str, Any]:
        """What it has learnt, between a result and the next proposal. Raises ValueError where proposals are open."""
        if self.memory.open or self.memory.told:
            raise ValueError("a controller is saved when all that it proposed is told and learnt from")
        return {
            "policy": self.policy.state_dict(), "made": self.policy.made(), "optimizer": self.optimizer.state_dict(),
            "asked": self.asked, "baseline": self.baseline, "taken": self.rng.taken, "generator": self.generator_state,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts a controller with the same settings where another was."""
        with self._seeded():
            for key, count in state["made"]:
                self.policy.make(key, count)
        self.policy.load_state_dict(state["policy"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.asked, self.baseline, self.generator_state = (
            state["asked"],
            state["baseline"],
            state["generator"],
        )
        self.rng.taken = state["taken"]

    def _learn(self, told: list[Experience]) -> None:
        self._step(sum((self._loss(e, a) for e, a in self._advantages(told)), torch.zeros(())) / len(told))

    def _loss(self, experience: Experience, advantage: float) -> Tensor:
        chance, entropy = self.policy.score(experience.steps)
        return -advantage * chance - self.entropy * entropy

    def _advantages(self, told: list[Experience]) -> list[tuple[Experience, float]]:
        """Rewards over the baseline, which then follows them."""
        found = []
        for experience in told:
            if self.baseline is None:
                self.baseline = experience.reward
            found.append((experience, experience.reward - self.baseline))
            self.baseline = self.decay * self.baseline + (1 - self.decay) * experience.reward
        return found

    def _step(self, loss: Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own annotation is missing
        self.optimizer.step()

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """Torch's generator as this controller left it, so that nothing else touches its numbers, nor it theirs."""
        before = torch.get_rng_state()
        if self.generator_state is None:
            torch.manual_seed(self.seed)
        else:
            torch.set_rng_state(self.generator_state)
        try:
            yield
        finally:
            self.generator_state = torch.get_rng_state()
            torch.set_rng_state(before)


class Ppo(Reinforce):
    """Proximal policy optimisation (arXiv:1707.06347): `rounds` steps over each batch, the ratio of probabilities
    clipped to 1 ± clip. others: as of `Reinforce`."""

    name = "ppo"

    def __init__(
        self,
        choices: Choices,
        seed: int,
        objectives: int = 1,
        *,
        batch: int = 5,
        clip: float = 0.2,
        rounds: int = 4,
        **others: Any,
    ) -> None:
        super().__init__(choices, seed, objectives, batch=batch, **others)
        self.clip, self.rounds = clip, rounds

    def _learn(self, told: list[Experience]) -> None:
        weighed = self._advantages(told)
        for _ in range(self.rounds):
            self._step(sum((self._loss(e, a) for e, a in weighed), torch.zeros(())) / len(told))

    def _loss(self, experience: Experience, advantage: float) -> Tensor:
        chance, entropy = self.policy.score(experience.steps)
        ratio = (chance - experience.chance).exp()
        clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
        return -torch.minimum(ratio * advantage, clipped * advantage) - self.entropy * entropy
