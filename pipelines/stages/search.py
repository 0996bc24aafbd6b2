"""Stage `search`: the best subnet for every budget, on the validation split (paper 2.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from absl import flags, logging

from aec_ofa_tf.search import algorithms
from aec_ofa_tf.search.algorithms import Algorithm
from aec_ofa_tf.search.driver import search
from aec_ofa_tf.spec import SearchSpace, SubnetSpec
from aec_ofa_tf.spec.budget import Budget
from aec_ofa_tf.spec.cost import costs
from pipelines.experiment import Experiment
from pipelines.preflight import (
    check_budgets,
    latency_table_from_flags,
    require_validation,
)
from pipelines.stages.search_evaluation import SearchEvaluation
from pipelines.stages.search_report import Findings, report
from tfrecords.clip import EVALUATION, VALIDATION
from tfrecords.files import fingerprint

FLAGS = flags.FLAGS
_MANY = 2000


def run_search(experiment: Experiment, space: SearchSpace | None = None) -> dict[str, Any]:
    """Searches every budget and scores the winners once on the evaluation split.

    Args:
        experiment: with a trained supernet.
        space: the part of the trained space to search; all of it by default.

    Returns:
        What `search/result.json` gets: a row per budget, and the largest subnet beside them.

    Raises:
        ValueError: a budget meets no subnet, or there are no validation clips.
    """
    space = space or experiment.space
    require_validation(experiment.records.manifest)
    members = check_budgets(space, experiment.network)
    evaluation = SearchEvaluation(experiment, experiment.load_supernet())
    latency = latency_table_from_flags()
    cost_of = partial(costs, network=experiment.network, latency=latency)
    costs_of = {spec: cost_of(spec) for spec in space.subnets()}
    searchers = {
        budget: _algorithm(experiment, evaluation.key, budget, found, costs_of)
        for budget, found in members.items()
    }
    found = search(searchers, evaluation.validation, lambda spec: costs_of[spec]["params"])
    if EVALUATION in evaluation.splits:  # in one walk
        winners = [next(iter(scores)) for scores in found.values()]
        evaluation.metrics(EVALUATION, [*winners, experiment.space.largest])
    largest = experiment.space.largest
    result: dict[str, Any] = {
        "space": str(space),
        "budgets": [
            _row(budget, found[budget], members[budget], costs_of, evaluation) for budget in members
        ],
        "largest": _summary(largest, cost_of(largest), evaluation),
    }
    if latency:
        result["latency_table"] = latency.facts
    candidates = {str(budget): list(scores) for budget, scores in found.items()}
    known = evaluation.splits[VALIDATION].store.known
    metrics = {spec: known[spec] for spec in costs_of if spec in known}
    return report(experiment, evaluation, result, Findings(candidates, costs_of, metrics))


def _algorithm(
    experiment: Experiment,
    key: str,
    budget: Budget,
    members: Sequence[SubnetSpec],
    costs_of: Mapping[SubnetSpec, Mapping[str, float]],
) -> Algorithm:
    """The algorithm that the flags name, for one budget."""
    if FLAGS.algorithm == "exhaustive":
        if len(members) > _MANY:
            logging.warning(
                "%s: every one of %d subnets is evaluated; --algorithm=evolutionary tries "
                "--generations of --population",
                *(budget, len(members)),
            )
        return algorithms.exhaustive(members)
    if FLAGS.algorithm == "random":
        return algorithms.random(members, FLAGS.population, FLAGS.seed)
    from aec_ofa_tf.search.evolutionary import EvolutionarySearch, EvolutionSettings

    folder = (experiment.workdir.path / "search").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    storage = FLAGS.storage or f"sqlite:///{folder / 'optuna.db'}"
    study = [key, budget.bounds, sorted(map(str, costs_of)), FLAGS.population]
    return EvolutionarySearch(
        list(costs_of),
        members,
        lambda spec: budget.excess(costs_of[spec]),
        EvolutionSettings(
            population=FLAGS.population,
            generations=FLAGS.generations,
            seed=FLAGS.seed,
            storage=storage,
            name=f"{budget} {fingerprint({'study': study})[:12]}",
        ),
    )


def _row(
    budget: Budget,
    scores: Mapping[SubnetSpec, float],
    members: Sequence[SubnetSpec],
    costs_of: Mapping[SubnetSpec, Mapping[str, float]],
    evaluation: SearchEvaluation,
) -> dict[str, Any]:
    """The best candidate, and how far it is known to be from the best in the budget's range."""
    best, score = next(iter(scores.items()))
    known = evaluation.splits[VALIDATION].store.known
    in_range = [known[spec]["mAP"] for spec in members if spec in known]
    return {
        "budget": str(budget),
        "algorithm": FLAGS.algorithm,
        **_summary(best, costs_of[best], evaluation),
        "mAP": score,
        "gap": max(in_range) - score,
        "evaluated": len(in_range),
        "in_budget": len(members),
        "candidates": len(scores),
    }


def _summary(
    spec: SubnetSpec, cost: Mapping[str, float], evaluation: SearchEvaluation
) -> dict[str, Any]:
    scores = {
        split: dict(evaluation.metrics(split, [spec])[spec])
        for split in (VALIDATION, EVALUATION)
        if split in evaluation.splits
    }
    return {"subnet": str(spec), **cost, **scores}
