"""The search: the best subnet for every budget, on the validation split (paper 2.4)."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from absl import logging

from aec_ofa_tf.classes import ClassCounts, check_ranked
from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.costs import subnet_costs
from aec_ofa_tf.costs.members import ListedMembers, Members
from aec_ofa_tf.dataset import EVALUATION, VALIDATION
from aec_ofa_tf.files import fingerprint, require_writable
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.search import algorithms
from aec_ofa_tf.search.algorithms import Algorithm, search
from aec_ofa_tf.search.config import SearchConfig, require_validation
from aec_ofa_tf.search.evaluation import SearchEvaluation
from aec_ofa_tf.search.finalists import CompileWhole, compile_finalists
from aec_ofa_tf.search.report import Findings, report
from aec_ofa_tf.search.results import BudgetResult, SearchResult, SubnetScores
from aec_ofa_tf.training.run import Run
from aec_ofa_tf.workdir import SEARCH

_MANY = 2000


def run_search(
    run: Run,
    config: SearchConfig,
    space: SearchSpace | None = None,
    compile_whole: CompileWhole | None = None,
) -> SearchResult:
    """Searches every budget and scores the winners once on the evaluation split.

    Args:
        run: a run with a trained supernet.
        config: budgets and algorithm.
        space: the part of the trained space to search; by default all of it.
        compile_whole: for budgets on NPUs; None if Vela is not installed.

    Returns:
        The result for every budget and for the largest subnet; `search/result.json` contains it.

    Raises:
        ValueError: no subnet meets a budget, there are no validation clips, or the supernet is not
            trained.
        RuntimeError: no candidate is within its budget on an NPU as a whole.
        OSError: the run directory cannot be written to.
    """
    space = space or run.space
    require_writable(run.workdir.path / SEARCH)
    require_validation(run.records.clips(VALIDATION))
    check_ranked(ClassCounts.of(run.records), run.network.task, [VALIDATION, EVALUATION])
    front_end = run.records.front_end
    members = config.members(space, run.network, front_end)
    evaluation = SearchEvaluation(run, config, run.load_supernet())
    findings = _search(run, config, evaluation, space, members, compile_whole)
    largest = run.space.largest
    if EVALUATION in evaluation.splits:  # scores all of them in one walk
        winners = [subnets[0] for subnets in findings.candidates.values()]
        evaluation.metrics(EVALUATION, [*winners, largest])
    # The latency table may lack layers of the largest subnet if a part of the space is searched.
    cost = findings.costs.get(largest) or subnet_costs(largest, run.network, front_end=front_end)
    budgets = tuple(_row(found, findings, evaluation, config) for found in members.values())
    return report(run, config, evaluation, findings, budgets, _scores(largest, cost, evaluation))


def _search(
    run: Run,
    config: SearchConfig,
    evaluation: SearchEvaluation,
    space: SearchSpace,
    members: Mapping[Budget, Members],
    compile_whole: CompileWhole | None,
) -> Findings:
    """Searches all budgets together, on the validation split."""
    latency, npu = config.load_latency_table(), config.load_npu_table()

    @cache
    def cost_of(subnet: Subnet) -> dict[str, float]:
        return subnet_costs(subnet, run.network, latency, None, run.records.front_end, npu)

    searchers = {
        budget: _algorithm(run, config, evaluation.key, space, found)
        for budget, found in members.items()
    }
    found = search(
        searchers,
        evaluation.validation,
        lambda subnet: cost_of(subnet)["params"],
        run.task.figure,
    )
    whole: Mapping[Subnet, Mapping[str, float]] = {}
    if config.bounded_npu_costs and compile_whole:
        found, whole = compile_finalists(found, cost_of, compile_whole)
    elif config.bounded_npu_costs:
        logging.warning(
            "%s are sums of layers, because ethos-u-vela is not installed (pip install "
            "'.[micro]'): only conversion will compile the winners as a whole",
            ", ".join(config.bounded_npu_costs),
        )
    # The analyses take in every evaluated subnet, so a search that is run again gives the same.
    evaluation.metrics(VALIDATION, [run.space.largest])
    metrics = evaluation.known_of(space, found.values())
    return Findings(
        candidates={str(budget): list(metrics) for budget, metrics in found.items()},
        costs={subnet: {**cost_of(subnet), **whole.get(subnet, {})} for subnet in metrics},
        metrics=metrics,
        figure=run.task.figure,
        space=space,
        latency_device=latency.device if latency else None,
    )


def _algorithm(
    run: Run, config: SearchConfig, key: str, space: SearchSpace, members: Members
) -> Algorithm:
    """The algorithm of the configuration, for one budget."""
    if config.algorithm == "exhaustive" and isinstance(members, ListedMembers):
        if members.count > _MANY:
            logging.warning(
                "%s: all %d subnets are evaluated; the algorithm evolutionary evaluates at most "
                "generations * population of them",
                *(members.budget, members.count),
            )
        return algorithms.exhaustive(members)
    if config.algorithm == "random":
        return algorithms.random(members, config.population, config.seed)
    from aec_ofa_tf.search.evolutionary import EvolutionarySearch, EvolutionSettings

    folder = (run.workdir.path / "search").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    genes = [[option.text for option in options] for options in space.stages]
    study = [key, members.budget.bounds, genes, config.population]
    return EvolutionarySearch(
        space,
        members,
        EvolutionSettings(
            population=config.population,
            generations=config.generations,
            seed=config.seed,
            storage=config.storage or _sqlite_url(folder / "optuna.db"),
            name=f"{members.budget.ranges} {fingerprint({'study': study})[:12]}",
            searcher=f"{socket.gethostname()}:{folder}",
        ),
        run.task.figure,
    )


def _sqlite_url(path: Path) -> str:
    """The URL of a database file, in which `?` and `%` of its path are quoted."""
    from sqlalchemy import URL  # comes with Optuna

    return URL.create("sqlite", database=str(path)).render_as_string()


def _row(
    members: Members,
    findings: Findings,
    evaluation: SearchEvaluation,
    config: SearchConfig,
) -> BudgetResult:
    """The result for one budget, with its gap to the best known subnet."""
    candidates = findings.candidates[str(members.budget)]
    best, scores = candidates[0], findings.scores
    in_range = [score for subnet, score in scores.items() if subnet in members]
    return BudgetResult(
        budget=str(members.budget),
        algorithm=config.algorithm,
        space=str(findings.space),
        best=_scores(best, findings.costs[best], evaluation),
        figure=findings.figure,
        score=scores[best],
        gap=max(in_range) - scores[best],
        evaluated=len(in_range),
        in_budget=members.count,
        candidates=len(candidates),
        latency_device=findings.latency_device,
    )


def _scores(
    subnet: Subnet, cost: Mapping[str, float], evaluation: SearchEvaluation
) -> SubnetScores:
    by_split = {split: evaluation.metrics(split, [subnet])[subnet] for split in evaluation.splits}
    return SubnetScores(str(subnet), cost, by_split[VALIDATION], by_split.get(EVALUATION))
