"""What TensorBoard shows of a training run besides the scalars of its steps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf
from absl import logging

from aec_ofa_tf.audio.augment import mix_pairs
from aec_ofa_tf.costs.costs import macs, params
from aec_ofa_tf.dataset import TRAIN, VALIDATION
from aec_ofa_tf.layers.elastic_unit import Statistics
from aec_ofa_tf.metrics import average_precisions
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.per_class import co_occurrence, confusion, frequent_classes
from aec_ofa_tf.reporting.pictures import draw_clips, draw_matrices
from aec_ofa_tf.reporting.summaries import SummaryLog
from aec_ofa_tf.training.evaluation import Batches, SubnetEvaluator
from aec_ofa_tf.training.run import Run, Sizes
from aec_ofa_tf.training.trainer import Trainer
from aec_ofa_tf.training.windowed import windows_of

_CLIPS = 4
"""Training clips that are shown; with mixup, two pairs."""

_SOUND_SECS = 10.0
_TAGS = 3


class Monitor:
    """Logs and tells validations, and logs a few training clips as the network sees and tags them.

    Args:
        run: data and task.
        supernet: the network, whose weights are those of the moment.
        watched: subnets whose validation figure is logged, by name. More is logged of the largest.
        sizes: with which subnets are recalibrated and scored.
        log: the log of the run; with one that writes nothing, nothing is evaluated either.
    """

    def __init__(
        self,
        run: Run,
        supernet: Supernet,
        watched: Mapping[str, Subnet],
        sizes: Sizes,
        log: SummaryLog,
    ) -> None:
        self._run, self._supernet, self._watched = run, supernet, watched
        self._sizes = sizes
        self._log = log
        self._last: tuple[int, dict[str, float]] | None = None

    def describe(self, step: int, config: object) -> None:
        """Logs configuration and network as texts."""
        if self._log.directory is None:
            return
        configs = {"stage": config, "experiment": self._run.config}
        for name, value in configs.items():
            self._log.text(step, f"configuration/{name}", _as_json(value))
        largest = self._supernet.space.largest
        self._log.text(step, "model/largest", _layer_table(largest, self._supernet.network))

    def show_clips(self, step: int, trainer: Trainer) -> None:
        """Logs training clips before and after augmentation, and as sounds if there are any."""
        if self._log.directory is None:
            return
        clips, front_end = self._clips, self._run.records.front_end
        log_mel, draws, _ = trainer.augment(clips["log_mel"], trainer.seeds(step))
        # The network multiplies what is normalised by the mask: a masked bin has its mean.
        mean = tf.reduce_mean(log_mel, axis=[0, 1])
        after = mean + (log_mel - mean) * draws.spec_augment
        if draws.mixup is not None:
            after = mix_pairs(after, draws.mixup)
        hop_secs = front_end.hop_samples / front_end.sample_rate_hz
        names = [f"{number}: {name}" for number, name in enumerate(self._names, start=1)]
        picture = draw_clips(clips["log_mel"].numpy(), after.numpy(), names, hop_secs)
        self._log.image(step, "training_clips/before_and_after", picture)
        if "waveform" in clips:
            rate_hz = front_end.sample_rate_hz
            sounds = clips["waveform"].numpy()[:, : round(_SOUND_SECS * rate_hz)]
            self._log.audio(step, "training_clips/sound", np.clip(sounds, -1.0, 1.0), rate_hz)

    def validate(self, step: int) -> dict[str, float]:
        """Evaluates the watched subnets and logs what is found.

        Returns:
            The task's figure on the validation split by name; empty without validation clips and
            on workers other than the chief.
        """
        if self._log.directory is None or not self._run.records.clips(VALIDATION):
            return {}
        if self._last is not None and self._last[0] == step:
            return self._last[1]
        task, figures = self._run.task, {}
        for name, subnet in self._watched.items():
            statistics = self._evaluator.recalibrate(subnet)
            rows = self._evaluator.scores(subnet, statistics, self._batches)
            scores = self._run.clip_scores(rows)
            figures[name] = task.figure_of(task.metrics(scores, self._labels))
            if subnet == self._supernet.space.largest:
                self._show_classes(step, scores)
                self._show_tags(step, subnet, statistics)
        scalars = {f"validation/{task.figure}_{name}": figures[name] for name in figures}
        self._log.scalars(step, scalars)
        told = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        logging.info(
            "%s, step %d: validation %s of %s", self._log.directory.name, step, task.figure, told
        )
        self._last = step, figures
        return figures

    def _show_classes(self, step: int, scores: np.ndarray) -> None:
        labels, shown = self._labels, frequent_classes(self._labels)
        names = [self._run.records.labels[index] for index in shown]
        precisions = average_precisions(scores[:, shown], labels[:, shown])
        pairs = zip(names, precisions, strict=True)
        scalars = {f"validation_AP_of_class/{n}": float(p) for n, p in pairs if np.isfinite(p)}
        self._log.scalars(step, scalars)
        part = np.ix_(shown, shown)
        if self._run.task.single_label:
            matrices = {"clips": confusion(scores, labels)[part]}
            picture = draw_matrices(matrices, names, "label", "classified as")
            self._log.image(step, "validation/confusion", picture)
            return
        matrices = {
            "share of clips that have both labels": co_occurrence(labels, labels)[part],
            "mean score": co_occurrence(scores, labels)[part],
        }
        picture = draw_matrices(matrices, names, "clips with the label", "class")
        self._log.image(step, "validation/co-occurrence", picture)

    def _show_tags(self, step: int, subnet: Subnet, statistics: Statistics) -> None:
        labels = self._run.records.labels
        lines = ["| clip | labels | tags |", "| --- | --- | --- |"]
        for name, present, scores in zip(
            self._clip_ids,
            self._clips["labels"].numpy(),
            self._evaluator.scores(subnet, statistics, [self._clips]),
            strict=True,
        ):
            best = np.argsort(-scores, kind="stable")[:_TAGS]
            tags = ", ".join(f"{labels[index]} {scores[index]:.3f}" for index in best)
            lines.append(f"| {_cell(name)} | {_cell(_listed(labels, present))} | {_cell(tags)} |")
        self._log.text(step, "training_clips/tags", "\n".join(lines))

    @cached_property
    def _evaluator(self) -> SubnetEvaluator:
        return self._run.evaluator(self._supernet, self._sizes)

    @cached_property
    def _batches(self) -> Batches:
        return self._run.batches(VALIDATION, self._sizes.batch_size)

    @cached_property
    def _labels(self) -> np.ndarray:
        return self._run.clip_labels(self._batches)

    @cached_property
    def _clips(self) -> Mapping[str, tf.Tensor]:
        records = self._run.records
        features = ("log_mel", "waveform") if records.payload == "audio" else ("log_mel",)
        batch = next(iter(records.evaluation_batches(TRAIN, _CLIPS, features, limit=_CLIPS)))
        first = np.arange(0, len(batch["log_mel"]), windows_of(records))  # windows of clips
        rows = np.resize(first, _CLIPS)  # repeats them if there are fewer
        return {name: tf.gather(values, rows) for name, values in batch.items()}

    @cached_property
    def _clip_ids(self) -> list[str]:
        return [name.decode(errors="replace") for name in self._clips["id"].numpy()]

    @cached_property
    def _names(self) -> list[str]:
        labels = self._run.records.labels
        return [_listed(labels, present) for present in self._clips["labels"].numpy()]


def _listed(labels: Sequence[str], present: np.ndarray) -> str:
    return ", ".join(labels[index] for index in np.flatnonzero(present)) or "no label"


def _cell(text: str) -> str:
    """A text in a cell of a Markdown table."""
    return text.replace("|", "\\|")


def _as_json(value: object) -> str:
    content = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return f"```json\n{json.dumps(content, indent=2, default=str, ensure_ascii=False)}\n```"


def _layer_table(subnet: Subnet, network: NetworkConfig) -> str:
    """A table of a subnet's layers with their weights and multiply-adds."""
    rows = [
        f"| {_cell(str(row))} | {row.params:,} | {row.macs:,} |" for row in network.rows(subnet)
    ]
    total = f"| **{subnet}** | **{params(subnet, network):,}** | **{macs(subnet, network):,}** |"
    head = ["| layer | trainable weights | multiply-adds |", "| --- | ---: | ---: |"]
    return "\n".join([*head, *rows, total])
