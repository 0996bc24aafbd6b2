"""Stage `search`: the best subnet for every budget, on the validation split (paper 2.4)."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags, logging

from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.costs import costs
from aec_ofa_tf.files import fingerprint
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.search import algorithms
from aec_ofa_tf.search.algorithms import Algorithm
from aec_ofa_tf.search.driver import search
from pipelines.experiment import Experiment
from pipelines.preflight import (
    check_budgets,
    latency_table_from_flags,
    require_validation,
)
from pipelines.stages.search_evaluation import SearchEvaluation
from pipelines.stages.search_report import Findings, report
from tfrecords.clip import EVALUATION, VALIDATION

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
    cost_of = {spec: costs(spec, experiment.network, latency) for spec in space.subnets()}
    searchers = {
        budget: _algorithm(experiment, space, evaluation.key, budget, found, cost_of)
        for budget, found in members.items()
    }
    found = search(searchers, evaluation.validation, lambda spec: cost_of[spec]["params"])
    findings = Findings(
        candidates={str(budget): list(metrics) for budget, metrics in found.items()},
        costs=cost_of,
        metrics=evaluation.known_of(cost_of, found.values()),
        origin={"space": str(space), **({"latency_device": latency.device} if latency else {})},
    )
    return report(
        experiment, evaluation, _result(experiment, evaluation, findings, members), findings
    )


def _result(
    experiment: Experiment,
    evaluation: SearchEvaluation,
    findings: Findings,
    members: Mapping[Budget, Sequence[Subnet]],
) -> dict[str, Any]:
    """A row per budget, and the largest subnet of the trained space."""
    largest = experiment.space.largest
    if EVALUATION in evaluation.splits:  # in one walk
        winners = [specs[0] for specs in findings.candidates.values()]
        evaluation.metrics(EVALUATION, [*winners, largest])
    # A table of the part that was searched need not know the largest subnet of all.
    cost = findings.costs.get(largest) or costs(largest, experiment.network)
    return {
        "budgets": [_row(budget, found, findings, evaluation) for budget, found in members.items()],
        "largest": _summary(largest, cost, evaluation),
    }


def _algorithm(
    experiment: Experiment,
    space: SearchSpace,
    key: str,
    budget: Budget,
    members: Sequence[Subnet],
    costs_of: Mapping[Subnet, Mapping[str, float]],
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
    searcher = f"{socket.gethostname()}:{folder}"
    return EvolutionarySearch(
        space,
        members,
        lambda spec: budget.excess(costs_of[spec]),
        EvolutionSettings(
            population=FLAGS.population,
            generations=FLAGS.generations,
            seed=FLAGS.seed,
            storage=storage,
            name=f"{budget.ranges} {fingerprint({'study': study})[:12]}",
            searcher=searcher,
        ),
    )


def _row(
    budget: Budget,
    members: Sequence[Subnet],
    findings: Findings,
    evaluation: SearchEvaluation,
) -> dict[str, Any]:
    """The best candidate, and how far it is known to be from the best in the budget's range."""
    candidates = findings.candidates[str(budget)]
    best, scores = candidates[0], findings.scores
    in_range = [scores[spec] for spec in members if spec in scores]
    return {
        "budget": str(budget),
        "algorithm": FLAGS.algorithm,
        **findings.origin,
        **_summary(best, findings.costs[best], evaluation),
        "mAP": scores[best],
        "gap": max(in_range) - scores[best],
        "evaluated": len(in_range),
        "in_budget": len(members),
        "candidates": len(candidates),
    }


def _summary(
    spec: Subnet, cost: Mapping[str, float], evaluation: SearchEvaluation
) -> dict[str, Any]:
    scores = {
        split: dict(evaluation.metrics(split, [spec])[spec])
        for split in (VALIDATION, EVALUATION)
        if split in evaluation.splits
    }
    return {"subnet": str(spec), **cost, **scores}
