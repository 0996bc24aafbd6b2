"""Scores a model on the clips of a split under every condition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.dataset import EVALUATION, Dataset
from aec_ofa_tf.metrics import evaluate_scores
from aec_ofa_tf.robustness.conditions import CONDITIONS, Condition
from aec_ofa_tf.robustness.results import CLEAN, Robustness, require_audio
from aec_ofa_tf.tasks import default_task
from aec_ofa_tf.terminal import progress
from aec_ofa_tf.training.windowed import clip_labels, clip_scores, windows_of

Clips = Mapping[str, tf.Tensor]


@dataclass(frozen=True, eq=False)
class Scorer:
    """A model that scores batches.

    Attributes:
        feature: what it takes: "log_mel" or "waveform".
        score: from a batch with this feature to float32 [clips, classes].
        figure: what is measured, "mAP" or "accuracy".
        task: name of its task; by default that of such data.
    """

    feature: str
    score: Callable[[Clips], np.ndarray]
    figure: str
    task: str | None = None


def measure_robustness(
    scorer: Scorer,
    records: Dataset,
    split: str = EVALUATION,
    batch_size: int = 64,
    conditions: Sequence[Condition] = CONDITIONS,
) -> Robustness:
    """Scores a model on every clip of a split, clean and under every condition that applies.

    A clip is read once. What is random depends on the clip's id alone.

    Args:
        scorer: the model.
        records: records of audio.
        split: the split.
        batch_size: clips per batch.
        conditions: the conditions; those that change nothing at the front end's rate are left out.

    Raises:
        ConfigError: the records hold no waveforms.
        ValueError: the split has no clips, or the figure is not defined on them.
    """
    require_audio(records.payload)
    if not records.clips(split):
        raise ValueError(f"the records have no {split} clips")
    rate_hz = records.front_end.sample_rate_hz
    applied = [condition for condition in conditions if condition.applies(rate_hz)]
    found: dict[str, list[np.ndarray]] = {CLEAN: [], **{one.name: [] for one in applied}}
    labels = []
    features = tuple(dict.fromkeys((scorer.feature, "waveform")))
    batches = records.evaluation_batches(split, batch_size, features)
    total = -(-records.clips(split) // batch_size)
    for batch in progress(batches, total=total, desc="robustness", unit="batch"):
        labels.append(batch["labels"].numpy())
        for name, changed in _changed(batch, applied, records, scorer.feature):
            found[name].append(scorer.score(changed))
    known = clip_labels(np.concatenate(labels), records)
    figures = {
        name: _figure(scorer, np.concatenate(scores), known, records)
        for name, scores in found.items()
    }
    return Robustness(scorer.figure, split, len(known), figures)


def _changed(
    batch: Clips, conditions: Sequence[Condition], records: Dataset, feature: str
) -> Iterator[tuple[str, Clips]]:
    """The batch as it is, and under every condition."""
    front_end = records.front_end
    yield CLEAN, batch if windows_of(records) == 1 else _heard(batch, batch["waveform"], front_end)
    clips = list(zip(batch["waveform"].numpy(), batch["id"].numpy(), strict=True))
    for condition in conditions:
        waveform = tf.constant(
            np.stack([condition(one, front_end.sample_rate_hz, clip_id) for one, clip_id in clips])
        )
        if feature == "waveform":
            yield condition.name, {**batch, "waveform": waveform}
        else:
            yield condition.name, _heard(batch, waveform, front_end)


def _heard(batch: Clips, waveform: tf.Tensor, front_end: FrontEndConfig) -> Clips:
    """The batch with the log-mel of a waveform, rounded to float16 as in records."""
    rounded = tf.cast(tf.cast(log_mel(waveform, front_end), tf.float16), tf.float32)
    return {**batch, "log_mel": rounded}


def _figure(scorer: Scorer, rows: np.ndarray, labels: np.ndarray, records: Dataset) -> float:
    single_label = records.single_label
    scores = clip_scores(rows, records, scorer.task or default_task(single_label))
    value = getattr(evaluate_scores(scores, labels, single_label), scorer.figure)
    if value is None:
        raise ValueError(f"{scorer.figure} is not defined on these clips")
    return float(value)
