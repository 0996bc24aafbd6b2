"""Evolutionary search with Optuna, for spaces too large to search exhaustively. No TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import NSGAIISampler
from optuna.storages import BaseStorage, get_storage
from optuna.trial import FrozenTrial, Trial, TrialState

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.members import Members
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.search.algorithms import fitness
from aec_ofa_tf.search.store import SubnetMetrics

_EXCESS, _METRICS, _SEARCHER = "excess", "metrics", "searcher"
_ASKS_PER_CANDIDATE = 20
_TIME_TO_EVALUATE = timedelta(hours=1)


@dataclass(frozen=True)
class EvolutionSettings:
    """Settings of an evolutionary search.

    Attributes:
        population: number of candidates in a generation.
        generations: number of generations, over all searchers of a shared storage; searchers that
            run at the same time may each evaluate one generation more.
        seed: seed of the first generation and of breeding; each searcher needs another one.
        storage: address of Optuna's database, for example "sqlite:///search.db"; searchers that
            share it breed from each other's candidates.
        name: name of the study, which identifies weights, data, space and budget.
        searcher: identifies this searcher among those that share the storage, also after a
            restart.
        figure: the metric to maximise.
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

    The only objective is the task's figure: a second objective, low cost, would spend evaluations
    on subnets far below the budget.

    The first generation is drawn from the budget's members. Subnets that Optuna breeds outside the
    budget are reported to it as infeasible, repeated ones as failed; neither are evaluated. If it
    breeds too few new subnets, the rest is drawn. A generation that a kill interrupted is proposed
    again.

    Args:
        space: the search space; its stages are the genes.
        members: the subnets of the space that meet the budget.
        settings: the other settings.
        figure: the metric to maximise, see `Task.figure`.

    Raises:
        ConfigError: the storage cannot be opened.
    """

    def __init__(
        self,
        space: SearchSpace,
        members: Members,
        settings: EvolutionSettings,
        figure: str = "mAP",
    ) -> None:
        self._space = space
        self._figure = figure
        self._members = members
        self._settings = settings
        self._generator = np.random.default_rng(settings.seed)
        self._distributions = _distributions(space)
        self._asked: dict[Subnet, Trial] = {}
        self._study = _open_study(settings)
        self._interrupted = self._give_up_interrupted()

    def propose(self) -> Sequence[Subnet]:
        """The next generation, or the remaining members if they are fewer."""
        evaluated, running = set(self.evaluated()), self._running_elsewhere()
        every = self._settings.population * self._settings.generations
        wanted = min(every, self._members.left(()))
        if len(evaluated) >= wanted or (evaluated and len(evaluated | running) >= wanted):
            return []
        taken = evaluated | running
        if not self._members.left(taken):  # rather repeat the work of others than propose nothing
            taken = evaluated
        count = min(self._settings.population, self._members.left(taken))
        self._asked = {}
        if evaluated and not self._interrupted:
            self._breed(count, taken)
        while len(self._asked) < count:
            drawn = self._draw(taken)
            if drawn is None:
                break
            self._study.enqueue_trial(self._genes(drawn))
            # Another searcher may have taken this trial, and this one may get another's.
            self._consider(self._ask(), taken)
        return list(self._asked)

    def learn(self, metrics: Mapping[Subnet, SubnetMetrics]) -> None:
        """Reports the metrics of a generation to Optuna."""
        for subnet, trial in self._asked.items():
            trial.set_constraint(_EXCESS, 0.0)
            trial.set_user_attr(_METRICS, metrics[subnet])
            self._study.tell(trial, fitness(metrics[subnet], self._figure))
        self._asked = {}

    def evaluated(self) -> dict[Subnet, SubnetMetrics]:
        """Metrics of the members that any searcher of this storage has evaluated."""
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
        """Fails, and returns, the trials that an earlier run of this searcher left running."""
        subnets = []
        for trial in self._running():
            if trial.user_attrs.get(_SEARCHER) == self._settings.searcher:
                self._study.tell(trial.number, state=TrialState.FAIL)
                subnets.append(self._subnet(trial))
        return [subnet for subnet in dict.fromkeys(subnets) if subnet in self._members]

    def _running(self) -> list[FrozenTrial]:
        trials = self._study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
        return [trial for trial in trials if len(trial.params) == len(self._distributions)]

    def _running_elsewhere(self) -> set[Subnet]:
        """Subnets that other searchers evaluate; a dead searcher's are free again after an hour."""
        since = datetime.now() - _TIME_TO_EVALUATE
        return {
            self._subnet(trial)
            for trial in self._running()
            if trial.datetime_start and trial.datetime_start > since
        }

    def _draw(self, taken: set[Subnet]) -> Subnet | None:
        """A free member, if there is one; interrupted ones come first."""
        while self._interrupted:
            subnet = self._interrupted.pop(0)
            if subnet not in taken and subnet not in self._asked:
                return subnet
        return self._members.draw(self._generator, taken | self._asked.keys())

    def _breed(self, count: float, taken: set[Subnet]) -> None:
        for _ in range(_ASKS_PER_CANDIDATE * int(count)):
            if len(self._asked) == count:
                return
            self._consider(self._ask(), taken)

    def _ask(self) -> Trial:
        trial = self._study.ask(self._distributions)
        trial.set_user_attr(_SEARCHER, self._settings.searcher)
        return trial

    def _consider(self, trial: Trial, taken: set[Subnet]) -> None:
        """Keeps a trial for evaluation, or reports it to Optuna as failed or infeasible."""
        subnet = self._subnet(trial)
        if subnet in taken or subnet in self._asked:
            self._study.tell(trial, state=TrialState.FAIL)
        elif subnet not in self._members:
            trial.set_constraint(_EXCESS, max(self._members.excess(subnet), 1e-9))
            self._study.tell(trial, 0.0)
        else:
            self._asked[subnet] = trial


def open_storage(address: str) -> BaseStorage:
    """Opens Optuna's database; creates it if it does not exist.

    Raises:
        ConfigError: the database cannot be opened.
    """
    try:
        return get_storage(address)
    except Exception as error:  # whatever the database's driver raises
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"storage cannot be opened ({type(error).__name__}: {reason}); give an "
            "address that SQLAlchemy knows, for example sqlite:////absolute/path/search.db, and "
            "install the driver that it needs",
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
    """A gene for every stage; its values are the texts of the stage's options."""
    return {
        f"block{number}": CategoricalDistribution(sorted({option.text for option in options}))
        for number, options in enumerate(space.stages, start=1)
    }
