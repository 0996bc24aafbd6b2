"""Evolutionary search with Optuna, for spaces too large to walk. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import NSGAIISampler
from optuna.storages import BaseStorage, get_storage
from optuna.trial import FrozenTrial, Trial, TrialState

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.search.store import SubnetMetrics

_EXCESS, _METRICS, _SEARCHER = "excess", "metrics", "searcher"
_ASKS_PER_CANDIDATE = 20
_TIME_TO_EVALUATE = timedelta(hours=1)


@dataclass(frozen=True)
class EvolutionSettings:
    """How an evolutionary search runs.

    Attributes:
        population: candidates of a generation.
        generations: how many there are, over all searchers of a shared storage; those that work
            at the same time may together evaluate a generation each more.
        seed: of the first generation and of breeding; another one for each searcher.
        storage: Optuna's database, for example "sqlite:///search.db"; searchers that share it
            breed from each other's candidates.
        name: of the study: what weights, data, space and budget it is of.
        searcher: tells this searcher from those that share the storage, and stays the same when it
            is started again.
        figure: the metric that is to be as high as possible.
    """

    population: int
    generations: int
    seed: int
    storage: str
    name: str
    searcher: str
    figure: str = "mAP"


class EvolutionarySearch:
    """NSGA-II under a budget's constraint (Deb et al. 2002; Optuna).

    Its objective is the task's figure. A second one, low cost, would spend evaluations on subnets
    far below the budget.

    The first generation is drawn from the budget's members. What Optuna breeds outside the budget
    is told to it as infeasible, what it breeds twice as failed; neither is evaluated. Where it
    breeds too few new ones, members are drawn. A generation that a kill cut short is proposed
    again.

    Args:
        space: the search space; its stages are the genes.
        members: the subnets of it that meet the budget.
        excess: how far a subnet lies outside the budget, 0 inside.
        settings: the rest.
        figure: the metric to maximise, see `Task.figure`.

    Raises:
        ValueError: the storage cannot be opened.
    """

    def __init__(
        self,
        space: SearchSpace,
        members: Sequence[Subnet],
        excess: Callable[[Subnet], float],
        settings: EvolutionSettings,
        figure: str = "mAP",
    ) -> None:
        self._space = space
        self._figure = figure
        self._members = frozenset(members)
        self._excess = excess
        self._settings = settings
        self._generator = np.random.default_rng(settings.seed)
        self._distributions = _distributions(space)
        self._asked: dict[Subnet, Trial] = {}
        self._study = _open_study(settings)
        self._interrupted = self._give_up_interrupted()

    def propose(self) -> Sequence[Subnet]:
        """The next generation, or what is left of the members."""
        evaluated, running = set(self.evaluated()), self._at_work_elsewhere()
        wanted = self._settings.population * self._settings.generations
        wanted = min(wanted, len(self._members))
        if len(evaluated) >= wanted or (evaluated and len(evaluated | running) >= wanted):
            return []
        taken = evaluated | running
        if taken >= self._members:  # what others work on rather than nothing
            taken = evaluated
        count = min(self._settings.population, len(self._members - taken))
        self._asked = {}
        if evaluated and not self._interrupted:
            self._breed(count, taken)
        while len(self._asked) < count:
            self._study.enqueue_trial(self._genes(self._draw(taken)))
            # Another searcher may have taken what was queued, and left its own.
            self._consider(self._ask(), taken)
        return list(self._asked)

    def learn(self, metrics: Mapping[Subnet, SubnetMetrics]) -> None:
        """Tells Optuna the metrics of a generation."""
        for subnet, trial in self._asked.items():
            trial.set_constraint(_EXCESS, 0.0)
            trial.set_user_attr(_METRICS, metrics[subnet])
            self._study.tell(trial, metrics[subnet][self._figure])
        self._asked = {}

    def evaluated(self) -> dict[Subnet, SubnetMetrics]:
        """The members that this searcher, earlier runs of it or others have evaluated."""
        trials = self._study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        return {
            self._subnet(trial): trial.user_attrs[_METRICS]
            for trial in trials
            if trial.constraints[_EXCESS] <= 0
        }

    def _genes(self, subnet: Subnet) -> dict[str, str]:
        return dict(zip(self._distributions, self._space.texts(subnet), strict=True))

    def _subnet(self, trial: Trial | FrozenTrial) -> Subnet:
        return self._space.from_texts([trial.params[gene] for gene in self._distributions])

    def _give_up_interrupted(self) -> list[Subnet]:
        """Frees what an earlier run of this searcher was evaluating when it was killed."""
        subnets = []
        for trial in self._running():
            if trial.user_attrs.get(_SEARCHER) == self._settings.searcher:
                self._study.tell(trial.number, state=TrialState.FAIL)
                subnets.append(self._subnet(trial))
        return [subnet for subnet in dict.fromkeys(subnets) if subnet in self._members]

    def _running(self) -> list[FrozenTrial]:
        trials = self._study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
        return [trial for trial in trials if len(trial.params) == len(self._distributions)]

    def _at_work_elsewhere(self) -> set[Subnet]:
        """What other searchers work on; a dead one's is free after an hour."""
        since = datetime.now() - _TIME_TO_EVALUATE
        return {
            self._subnet(trial)
            for trial in self._running()
            if trial.datetime_start and trial.datetime_start > since
        }

    def _draw(self, taken: set[Subnet]) -> Subnet:
        """A member that is free, of those that a kill interrupted while there are any."""
        while self._interrupted:
            subnet = self._interrupted.pop(0)
            if subnet not in taken and subnet not in self._asked:
                return subnet
        free = sorted(self._members - taken - self._asked.keys())
        return free[self._generator.integers(len(free))]

    def _breed(self, count: int, taken: set[Subnet]) -> None:
        for _ in range(_ASKS_PER_CANDIDATE * count):
            if len(self._asked) == count:
                return
            self._consider(self._ask(), taken)

    def _ask(self) -> Trial:
        trial = self._study.ask(self._distributions)
        trial.set_user_attr(_SEARCHER, self._settings.searcher)
        return trial

    def _consider(self, trial: Trial, taken: set[Subnet]) -> None:
        """Keeps a trial to evaluate, or tells Optuna why not."""
        subnet = self._subnet(trial)
        if subnet in taken or subnet in self._asked:
            self._study.tell(trial, state=TrialState.FAIL)
        elif subnet not in self._members:
            trial.set_constraint(_EXCESS, max(self._excess(subnet), 1e-9))
            self._study.tell(trial, 0.0)
        else:
            self._asked[subnet] = trial


def open_storage(address: str) -> BaseStorage:
    """Opens Optuna's database, which is created where there is none.

    Raises:
        ConfigError: it cannot be opened.
    """
    try:
        return get_storage(address)
    except Exception as error:  # whatever the database's driver raises
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"the search's storage cannot be opened ({type(error).__name__}: {reason}); give an "
            "address that SQLAlchemy knows, for example sqlite:////absolute/path/search.db, and "
            "install what it needs",
            "storage",
        ) from error


def _open_study(settings: EvolutionSettings) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=open_storage(settings.storage),
        study_name=settings.name,
        sampler=NSGAIISampler(population_size=settings.population, seed=settings.seed),
        direction="maximize",
        load_if_exists=True,
    )


def _distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """A gene per stage, whose values are the texts of its options."""
    return {
        f"block{number}": CategoricalDistribution(sorted({option.text for option in options}))
        for number, options in enumerate(space.stages, start=1)
    }
