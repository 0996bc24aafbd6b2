"""The suite `search`: evaluating a whole space by its tree, compared with single evaluations."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import tensorflow as tf
from absl import logging

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.costs import layer_macs, macs, params
from aec_ofa_tf.metrics import evaluate_scores
from aec_ofa_tf.models.family import to_config
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.models.unit import ElasticUnit, Shape
from aec_ofa_tf.reporting.machine import describe_machine
from aec_ofa_tf.search.prefix_tree import SharedUnit, prefix_tree
from aec_ofa_tf.search.tree_evaluator import TreeEvaluator
from aec_ofa_tf.tasks import MULTI_LABEL
from aec_ofa_tf.terminal import progress
from aec_ofa_tf.training.evaluation import Batches, SubnetEvaluator, all_labels
from aec_ofa_tf.workdir import Workdir
from pipelines.benchmarks.measuring import OtherLoad, seconds_of
from pipelines.benchmarks.peak import peak_mib
from pipelines.benchmarks.settings import SearchSettings

PAPER_BUDGETS = tuple(Budget.around(params, 0.2e6) for params in (0.8e6, 1.8e6, 2.8e6, 3.8e6))
"""The ranges of the paper's search."""


def run_search_suite(settings: SearchSettings) -> dict[str, object]:
    """Evaluates every subnet of the space alone, with walks of the tree in between.

    Both ways compute the mAP from clips, calibration included; weights and clips are random. Every
    graph is traced and run before the first measurement.

    Returns:
        The figures of the suite, then the measurements that they are computed from.
    """
    others = OtherLoad()
    workload = _Workload(settings)
    subnets = settings.space.subnets()
    order = np.random.default_rng(0).permutation(len(subnets))
    workload.tree([settings.space.largest, settings.space.smallest])
    workload.alone(settings.space.largest)
    walks = np.linspace(0, len(subnets), settings.walks, dtype=int).tolist()
    seconds: dict[Subnet, float] = {}
    tree_seconds: list[float] = []
    walk = partial(workload.tree, subnets)
    for done, index in enumerate(progress(order, desc="one by one", unit="subnet")):
        tree_seconds += [seconds_of(walk) for at in walks if at == done]
        seconds[subnets[index]] = seconds_of(partial(workload.alone, subnets[index]))
    tree_seconds += [seconds_of(walk) for at in walks if at == len(order)]
    logging.info("peak memory, in child processes")
    return {
        **_ratios(settings, seconds, median(tree_seconds)),
        "max_map_difference": workload.max_map_difference(subnets),
        "impossible_budget_secs": median(_refusal_secs(settings) for _ in range(3)),
        "peak_memory_mib": {
            way: peak_mib(_prepare, settings, way) for way in ("tree", "largest_alone")
        },
        "tree_seconds": tree_seconds,
        "counted": _counted(settings, workload.groups(subnets)),
        "machine": {**describe_machine().as_dict(), "share_of_other_programs": others.share()},
        "settings": {
            "space": str(settings.space),
            "frames": settings.network.frames,
            "classes": settings.network.classes,
            "batch_size": settings.batch_size,
            "clips": settings.clips,
        },
    }


class _Workload:
    """A supernet of random weights, and random clips to calibrate and evaluate on."""

    def __init__(self, settings: SearchSettings) -> None:
        supernet = Supernet(settings.space.subnets(), settings.network)
        self._batches = _random_batches(settings, seed=1)
        self._evaluator = SubnetEvaluator(supernet, _random_batches(settings, seed=0))
        self._tree = TreeEvaluator(self._evaluator)
        self._labels = all_labels(self._batches)
        self._found: dict[str, dict[Subnet, float]] = {"tree": {}, "alone": {}}

    def tree(self, subnets: Sequence[Subnet]) -> None:
        for group in self.groups(subnets):
            for spec, scores in self._tree.scores(group, self._batches):
                metrics = evaluate_scores(scores, self._labels)
                self._found["tree"][spec] = MULTI_LABEL.figure_of(metrics)

    def groups(self, subnets: Sequence[Subnet]) -> list[list[Subnet]]:
        return self._tree.groups(subnets, len(self._labels))

    def alone(self, spec: Subnet) -> None:
        metrics = self._evaluator.evaluate(spec, self._batches)
        self._found["alone"][spec] = MULTI_LABEL.figure_of(metrics)

    def max_map_difference(self, subnets: Sequence[Subnet]) -> float:
        tree, alone = self._found["tree"], self._found["alone"]
        return max(abs(tree[spec] - alone[spec]) for spec in subnets)


def _random_batches(settings: SearchSettings, seed: int) -> Batches:
    network = settings.network
    generator = np.random.default_rng(seed)
    batches = []
    for start in range(0, settings.clips, settings.batch_size):
        clips = min(settings.batch_size, settings.clips - start)
        shape = (clips, network.frames, network.mel_bins)
        log_mel = generator.normal(-40, 10, shape).astype(np.float32)
        labels = generator.integers(0, 2, (clips, network.classes)).astype(np.float32)
        batches.append({"log_mel": tf.constant(log_mel), "labels": tf.constant(labels)})
    return batches


def _ratios(
    settings: SearchSettings, seconds: dict[Subnet, float], tree: float
) -> dict[str, object]:
    """Ratios of the tree's seconds to those of evaluating sets of subnets one by one."""
    subnets = list(seconds)
    drawn = np.random.default_rng(0).integers(len(subnets), size=settings.random_draws)
    paper = {
        spec
        for budget in PAPER_BUDGETS
        for spec in subnets
        if not budget.excess({"params": params(spec, settings.network)})
    }
    every = sum(seconds.values())
    sampled = sum(seconds[subnets[index]] for index in drawn)
    ranges = sum(seconds[spec] for spec in paper)
    return {
        "ratio_tree_over_single": tree / every,
        "ratio_tree_over_random": tree / sampled,
        "ratio_tree_over_paper_ranges": tree / ranges if paper else None,
        "subnets": len(subnets),
        "subnets_in_paper_ranges": len(paper),
        "single_seconds": every,
        "random_seconds": sampled,
    }


def _refusal_secs(settings: SearchSettings) -> float:
    """Seconds that `pipelines.search` runs until it refuses a budget that no subnet meets."""
    with tempfile.TemporaryDirectory() as folder:
        space, network = to_config(settings.space), to_config(settings.network)
        config = {"space": space, "network": network, "labels": [], "front_end": asdict(PANNS)}
        Workdir(Path(folder)).claim(config)
        flags = f"--workdir={folder}", f"--data_dir={folder}", "--budget=params<=1,macs<=1"
        command = [sys.executable, "-m", "pipelines.search", *flags]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
    if "the nearest are" not in done.stderr:
        raise RuntimeError(f"pipelines.search did not refuse the budget:\n{done.stderr}")
    return seconds


def _counted(settings: SearchSettings, groups: Sequence[Sequence[Subnet]]) -> dict[str, float]:
    """The ratio to single evaluations if only multiply-adds took time."""
    network = settings.network
    subnets = [spec for group in groups for spec in group]
    layers = [layer_macs(spec, network) for spec in subnets]
    heads = sum(counts["embedding"] + counts["classifier"] for counts in layers)
    units = network.units(len(subnets[0].choices))
    walks = sum(
        _tree_macs(unit, units, network.image)
        for group in groups
        for unit in prefix_tree(group, units)
    )
    every = sum(macs(spec, network) for spec in subnets)
    return {"ratio_tree_over_single": (walks + heads) / every}


def _tree_macs(shared: SharedUnit, units: Sequence[ElasticUnit], shape: Shape) -> int:
    """Multiply-adds of a unit at the width of its widest prefix, and of all units below it."""
    unit = units[shared.index]
    row = unit.row(shared.choice, shape)
    frames, mel_bins, channels = unit.output_shape(shared.choice, shape)
    return (row.macs if row else 0) + sum(
        _tree_macs(below, units, (frames, mel_bins, prefix.width or channels))
        for prefix in shared.prefixes
        for below in prefix.below
    )


def _prepare(settings: SearchSettings, way: str) -> Callable[[], None]:
    workload = _Workload(settings)
    if way == "tree":
        return lambda: workload.tree(settings.space.subnets())
    return lambda: workload.alone(settings.space.largest)
