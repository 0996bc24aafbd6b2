"""Files that configure programs: those of a run directory, latency tables and flagfiles."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from random import Random

from absl import flags

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.averaging import average
from aec_ofa_tf.config import outcome
from aec_ofa_tf.costs.latency import LatencyTable
from aec_ofa_tf.models.cnn10 import cnn10_space
from aec_ofa_tf.models.family import to_config
from aec_ofa_tf.ownership import MARKER_NAME, RUN, claim
from aec_ofa_tf.search.results import SearchResult
from aec_ofa_tf.search.store import EvaluationStore
from aec_ofa_tf.training.config import EvaluationConfig
from aec_ofa_tf.training.student_config import SupernetConfig
from aec_ofa_tf.workdir import Workdir
from pipelines import train  # noqa: F401 - defines the flags
from pipelines.flagfiles import expanded
from pipelines.flags import experiment, front_end, sources
from tests.costs.tables import uniform_table
from tests.fuzz.damage_text import damaged_json, damaged_text
from tests.fuzz.reader import Case, Reader, is_clear

_SPACE = cnn10_space("[2,2,X]", base_channels=8)
_NETWORK = _SPACE.network(classes=2, frames=100, mel_bins=64, task="multi_label")
_CONFIG = {
    "space": to_config(_SPACE),
    "network": to_config(_NETWORK),
    "labels": ["dog", "rain"],
    "front_end": asdict(PANNS),
    "clip_secs": 1.0,
}
_FIGURES = {"mAP": 0.5, "mAUC": 0.6, "d_prime": 0.7, "loss": 0.1}
_SUBNET = {
    "subnet": str(_SPACE.largest),
    "params": 1000,
    "macs": 10**6,
    "validation": _FIGURES,
    "evaluation": {**_FIGURES, "interval": [0.4, 0.6]},
}
_BUDGET = {
    **{"budget": "params<=6k", "algorithm": "exhaustive", "space": "[2,2,X]", "figure": "mAP"},
    **{"mAP": 0.5, "gap": 0.0, "evaluated": 3, "in_budget": 3, "candidates": 3},
    **_SUBNET,
}
_SEARCH = {
    "budgets": [_BUDGET],
    "largest": _SUBNET,
    "analyses": {"spread": {"params<=6k": [0.1, 0.2]}},
    "pareto": {"params": [str(_SPACE.largest)]},
    "class_gaps": [
        {"split": "train", "without_positive": [], "without_negative": ["dog"], "classes": 2}
    ],
    "key": "0",
}
_FLAGS = """# A small run
--dataset=folder
--source=recordings
--data_dir=data
--front_end=keyword_16k
--mel_bins=40
--clip_secs=1.0
--space=[2,2,X]
--width_ratios=0.4,0.6,1.0
--supernet_steps=100
--batch_size=8
--learning_rate=0.001
--budget=params<=1M
--stages=prepare,teacher
"""
_PLACES = {
    "config": "run/config.json",
    "stage": "run/stages/supernet.json",
    "search": "run/search/result.json",
    "marker": f"run/{MARKER_NAME}",
    "evaluations": "run/search/evaluations.jsonl",
    "latency_table": "latency.json",
    "flagfile": "small.flags",
}


def _make(folder: Path) -> dict[str, list[bytes]]:
    run = Workdir(folder / "run")
    claim(run.path, RUN)
    run.claim(_CONFIG)
    run.finish_stage("supernet", {"subnets": 3}, outcome(SupernetConfig()))
    run.finish_stage("convert", {"files": [{"file": "a/b.tflite", "mAP": 0.5}]}, {})
    (run.path / "search").mkdir()
    (run.path / "search" / "result.json").write_text(json.dumps(_SEARCH))
    store = EvaluationStore(folder / _PLACES["evaluations"], "0", _SPACE)
    for subnet in (_SPACE.smallest, _SPACE.largest):
        store.add(subnet, _FIGURES)
    table = uniform_table([_SPACE.largest, _SPACE.smallest], _NETWORK)
    (folder / "latency.json").write_text(json.dumps(table.as_json()))
    (folder / "small.flags").write_text(_FLAGS)
    return {kind: [(folder / place).read_bytes()] for kind, place in _PLACES.items()}


def _config(path: Path) -> bool:
    run = Workdir(path.parent)
    space, network = run.space_and_network()
    assert network.rows(space.largest)
    return run.front_end().mel_bins > 0 and bool(str(space))


def _stage(path: Path) -> bool:
    run = Workdir(path.parents[1])
    run.begin_stage("supernet", outcome(run.stage_config("supernet", SupernetConfig)))
    return isinstance(run.stage_config("supernet", EvaluationConfig), EvaluationConfig)


def _search(path: Path) -> bool:
    run = Workdir(path.parents[1])
    with run.reading_search() as result:
        assert SearchResult.from_dict(result).as_dict()
    return average([run]).networks[0].name == "largest" and bool(run.winners() or True)


def _marker(path: Path) -> bool:
    claim(path.parent, RUN)
    return True


def _evaluations(path: Path) -> bool:
    return all(subnet in _SPACE for subnet in EvaluationStore(path, "0", _SPACE).known)


def _latency_table(path: Path) -> bool:
    return LatencyTable.load(path).predict(_SPACE.largest, _NETWORK) > 0


def _flagfile(path: Path) -> bool:
    flags.FLAGS.unparse_flags()
    flags.FLAGS(["train", *expanded([f"--flagfile={path}"])])
    found = experiment.train_flags()
    experiment.search_from_flags(EvaluationConfig())
    front_end.front_end_from_flags()
    if flags.FLAGS.data_dir:  # checked by `prepare_from_flags` before it is used
        sources.source_options(1.0)
    return found is not None


_READ: dict[str, Callable[[Path], bool]] = {
    "config": _config,
    "stage": _stage,
    "search": _search,
    "marker": _marker,
    "evaluations": _evaluations,
    "latency_table": _latency_table,
    "flagfile": _flagfile,
}


def _damaged(samples: list[bytes], random: Random) -> bytes:
    is_json = samples[0][:1] == b"{"
    return damaged_json(samples, random) if is_json else damaged_text(samples, random)


def _is_refusal(case: Case, error: Exception) -> bool:
    """A flag is named instead of its file, and a table for another network by its device."""
    if case.kind == "flagfile":
        is_unicode = isinstance(error, UnicodeError)
        return isinstance(error, flags.Error | ValueError | OSError) and not is_unicode
    other = any(
        words in str(error) for words in ("the latency table of", "holds", "has run", "is not done")
    )
    return is_clear(case, error) or (isinstance(error, ValueError) and other)


READER = Reader(
    _make, lambda case: _READ[case.kind](case.path), _PLACES, _damaged, _is_refusal, 2500
)
