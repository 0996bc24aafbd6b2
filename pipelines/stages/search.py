"""Stage `search`: the best subnet for every budget, on the validation split (paper 2.4)."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from absl import flags, logging
from tqdm import tqdm

from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.search.random_search import SearchResult, random_search
from aec_ofa_tf.search.store import Evaluate, EvaluationStore
from aec_ofa_tf.spec import SubnetSpec
from aec_ofa_tf.spec.cost import costs
from aec_ofa_tf.training.evaluation import Batches, SubnetEvaluator
from pipelines.experiment import Experiment
from pipelines.preflight import budgets_from_flags, check_budgets, require_validation
from pipelines.stages.models import model_fingerprint
from tfrecords.clip import EVALUATION, VALIDATION
from tfrecords.files import fingerprint, read_json, replacing, write_json

FLAGS = flags.FLAGS
_COLUMNS = ("budget", "subnet", "params", "macs", "validation_mAP")


def run_search(experiment: Experiment) -> dict[str, Any]:
    """Searches every budget and scores the winners once on the evaluation split.

    Writes `search/candidates.csv` and `search/result.json`, which keep the other budgets that the
    same supernet was searched for.

    Raises:
        ValueError: a budget meets no subnet, or there are no validation clips.
    """
    budgets = budgets_from_flags()
    require_validation(experiment.records.manifest)
    check_budgets(experiment.space, experiment.network)
    supernet = experiment.load_supernet()
    evaluate = _Evaluation(experiment, supernet)
    results = [
        random_search(
            experiment.space.subnets(),
            experiment.network,
            budget,
            evaluate.validation,
            FLAGS.population,
            FLAGS.seed,
        )
        for budget in budgets
    ]
    result: dict[str, Any] = {
        "budgets": [_summary(found, evaluate) for found in results],
        "largest": evaluate.summary(experiment.space.largest),
    }
    _write(experiment.workdir.path / "search", evaluate.key, result, results)
    for row in [*result["budgets"], {"budget": "largest", **result["largest"]}]:
        _log_row(row)
    return result


def _log_row(row: dict[str, Any]) -> None:
    scores = ", ".join(
        f"{split} mAP {row[split]['mAP']:.3f}" for split in (VALIDATION, EVALUATION) if split in row
    )
    number = f", best of {row['candidates']}" if "candidates" in row else ""
    logging.info(
        "%s: %s, %s parameters, %s multiply-adds, %s%s",
        *(row["budget"], row["subnet"], f"{row['params']:,}", f"{row['macs']:,}"),
        *(scores, number),
    )


class _Evaluation:
    """Metrics of subnets on the validation and the evaluation split, each computed once."""

    def __init__(self, experiment: Experiment, supernet: Supernet) -> None:
        evaluator = experiment.evaluator(supernet)
        self.key = fingerprint(
            {
                "weights": model_fingerprint(supernet),
                "records": experiment.records.fingerprint,
                "calibration_clips": experiment.calibration_clips,
                "batch_size": experiment.batch_size,
            }
        )
        self._experiment = experiment
        self._splits: dict[str, Evaluate] = {}
        for split in (VALIDATION, EVALUATION):
            if experiment.records.clips(split):
                store = EvaluationStore(
                    experiment.workdir.path / "search" / f"{split}.jsonl", self.key
                )
                metrics = functools.partial(_metrics, evaluator, experiment.split(split))
                self._splits[split] = store.remembered(metrics)
        self._bar = tqdm(desc="search", unit="subnet")

    def validation(self, spec: SubnetSpec) -> float:
        score = self._splits[VALIDATION](spec)["mAP"]
        self._bar.update()
        return score

    def summary(self, spec: SubnetSpec) -> dict[str, Any]:
        metrics = {split: evaluate(spec) for split, evaluate in self._splits.items()}
        return {"subnet": str(spec), **costs(spec, self._experiment.network), **metrics}


def _metrics(evaluator: SubnetEvaluator, batches: Batches, spec: SubnetSpec) -> dict[str, Any]:
    return evaluator.evaluate(spec, batches).as_dict()


def _summary(result: SearchResult, evaluate: _Evaluation) -> dict[str, Any]:
    return {
        "budget": str(result.budget),
        **evaluate.summary(result.best.spec),
        "mAP": result.best.mAP,
        "candidates": len(result.candidates),
        "in_budget": result.in_budget,
    }


def _write(folder: Path, key: str, result: dict[str, Any], results: Sequence[SearchResult]) -> None:
    """Writes result and candidates beside those of the budgets that were searched earlier."""
    searched = {row["budget"] for row in result["budgets"]}
    earlier = read_json(folder / "result.json") if (folder / "result.json").exists() else {}
    same = earlier.get("key") == key
    kept = [row for row in earlier["budgets"] if row["budget"] not in searched] if same else []
    rows = _read_rows(folder / "candidates.csv", {row["budget"] for row in kept})
    path = folder / "candidates.csv"
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows([*rows, *_rows(results)])
    write_json(folder / "result.json", {**result, "budgets": kept + result["budgets"], "key": key})


def _read_rows(path: Path, budgets: set[str]) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.reader(file) if row and row[0] in budgets]


def _rows(results: Sequence[SearchResult]) -> Iterable[list[Any]]:
    for result in results:
        for candidate in result.candidates:
            costs_and_score = [candidate.params, candidate.macs, candidate.mAP]
            yield [result.budget, candidate.spec, *costs_and_score]
