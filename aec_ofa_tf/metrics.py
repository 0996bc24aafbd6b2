"""Metrics of scores and labels: mAP, ROC-AUC, d' (PANNs `evaluate.py`; AudioSet) and accuracy.

`aec_ofa_tf.per_class` computes results per class. No TensorFlow here.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist

import numpy as np

_LEAST_SCORE = 1e-7
"""Keeps the log loss finite, as Keras' cross-entropy does."""
_ROUNDING = 1e-6
"""By how much a float32 softmax may round above 1; float32's steps there are 1.2e-7."""
_MAX_AUC = 1.0 - 1e-9
"""Keeps d' finite (at most 8.5) if all clips are ranked correctly."""


@dataclass(frozen=True)
class Metrics:
    """Macro means over the classes that have both positive and negative clips.

    mAP, mAUC and d_prime are always defined for several labels per clip. For one label per clip the
    accuracy is always defined; mAP, mAUC and d_prime are None if all clips have the same label.

    Attributes:
        mAP: mean average precision.
        mAUC: mean area under the ROC curve.
        d_prime: sqrt(2) * ppf(mAUC).
        accuracy: share of clips whose highest score is their label; None unless every clip has
            exactly one label.
        log_loss: mean of -ln of the label's score; None without an accuracy, or if a score is
            outside [0, 1]. It still tells apart networks that have few clips equally right.
        clips: number of clips.
        undefined_classes: indices of the classes that were left out.
    """

    mAP: float | None  # noqa: N815 - the field's spelling
    mAUC: float | None  # noqa: N815
    d_prime: float | None
    accuracy: float | None
    log_loss: float | None
    clips: int
    undefined_classes: tuple[int, ...]

    def as_dict(self) -> dict[str, object]:
        """For JSON; `undefined_classes` is the number of classes that were left out."""
        values = asdict(self)
        values["undefined_classes"] = len(self.undefined_classes)
        return values


def defined_classes(labels: np.ndarray) -> np.ndarray:
    """The classes whose metrics are defined: those with both positive and negative clips.

    Args:
        labels: {0, 1} [clips, classes].

    Returns:
        bool [classes].
    """
    positives = labels.sum(axis=0)
    return (positives > 0) & (positives < len(labels))


def evaluate_scores(scores: np.ndarray, labels: np.ndarray, single_label: bool = False) -> Metrics:
    """Computes the metrics of scores.

    Args:
        scores: float [clips, classes]; logits and other monotone functions are allowed.
        labels: {0, 1} [clips, classes].
        single_label: whether every clip must have exactly one label. The accuracy is then defined
            even if no class can be ranked.

    Returns:
        The metrics.

    Raises:
        ValueError: the shapes differ, there are no clips, a score is not finite, `single_label` is
            set and a clip has no label or several, or it is not set and no class is defined.
    """
    check_scores(scores, labels)
    one_each = has_one_label_each(labels)
    if single_label and not one_each:
        raise ValueError(not_single_label(labels))
    defined = defined_classes(labels)
    if not single_label and not defined.any():
        raise ValueError("no class has both a clip with it and a clip without it: nothing to score")
    left_out = tuple(np.flatnonzero(~defined).tolist())
    accuracy = float(hits(scores, labels).mean()) if one_each else None
    log_loss = _log_loss(scores, labels) if one_each else None
    if not defined.any():
        return Metrics(None, None, None, accuracy, log_loss, len(labels), left_out)
    mean_auc = float(_areas_under_curve(scores[:, defined], labels[:, defined]).mean())
    return Metrics(
        mAP=float(average_precisions(scores[:, defined], labels[:, defined]).mean()),
        mAUC=mean_auc,
        d_prime=math.sqrt(2.0) * NormalDist().inv_cdf(min(max(mean_auc, 1e-9), _MAX_AUC)),
        accuracy=accuracy,
        log_loss=log_loss,
        clips=len(labels),
        undefined_classes=left_out,
    )


def check_scores(scores: np.ndarray, labels: np.ndarray) -> None:
    """Checks that scores can be compared with labels.

    Raises:
        ValueError: the shapes differ, there are no clips, or a score is not finite.
    """
    if scores.shape != labels.shape or scores.ndim != 2:
        raise ValueError(
            f"scores and labels must have the same shape [clips, classes], received {scores.shape} "
            f"and {labels.shape}"
        )
    if not len(labels):
        raise ValueError("there are no clips to score")
    if not np.isfinite(scores).all():
        count = (~np.isfinite(scores)).any(axis=1).sum()
        raise ValueError(f"{count} clips have scores that are not finite")


def has_one_label_each(labels: np.ndarray) -> bool:
    """Whether every clip has exactly one label; labels are {0, 1} [clips, classes]."""
    return bool((labels.sum(axis=1) == 1).all())


def not_single_label(labels: np.ndarray) -> str:
    """The error message for labels, {0, 1} [clips, classes], unless every clip has exactly one."""
    counts = labels.sum(axis=1)
    return (
        f"{(counts != 1).sum()} of {len(labels)} clips do not have exactly one label (the first "
        f"such clip has {counts[counts != 1][0]:g}): use the task multi_label"
    )


def hits(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether the highest score of a clip is its label: bool [clips]; one label per clip."""
    return scores.argmax(1) == labels.argmax(1)


def _log_loss(scores: np.ndarray, labels: np.ndarray) -> float | None:
    """The mean of -ln of the label's score, at least 1e-7; None for scores outside [0, 1]."""
    if scores.min() < 0 or scores.max() > 1 + _ROUNDING:  # a softmax may round above 1
        return None
    own = scores[np.arange(len(scores)), labels.argmax(1)].astype(np.float64)
    return float(-np.log(np.maximum(own, _LEAST_SCORE)).mean())


def weighted_average_precision(
    scores: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Average precision of one class under many weightings, as scikit-learn defines it.

    scikit-learn needs a call per class and weighting. For hundreds of classes this is ten times
    slower, as slow as the network itself, and too slow for hundreds of weightings.

    Args:
        scores: float [clips].
        labels: {0, 1} [clips].
        weights: weights of the clips, int [weightings, clips].

    Returns:
        float64 [weightings]; NaN for a weighting without clips of the class, or without others.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.flatnonzero(labels[order])
    if not hits.size:
        return np.full(len(weights), np.nan)
    # Clips with equal scores share a threshold, at the last of them. Average precision needs the
    # precision only at thresholds with a clip of the class, which usually are few.
    ends = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)
    stops, first_hits = np.unique(ends[np.searchsorted(ends, hits)] + 1, return_index=True)
    gained = np.add.reduceat(weights[:, order[hits]], first_hits, axis=1)
    starts = np.concatenate([[0], stops[:-1]])
    taken = np.add.reduceat(weights[:, order[: stops[-1]]], starts, axis=1).cumsum(axis=1)
    precision = gained.cumsum(axis=1) / np.maximum(taken, 1)
    positives = gained.sum(axis=1)
    defined = (positives > 0) & (positives < weights.sum(axis=1))
    total = (gained * precision).sum(axis=1)
    return np.where(defined, total / np.maximum(positives, 1), np.nan)


def average_precisions(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Average precision of every class.

    Args:
        scores: float [clips, classes].
        labels: {0, 1} [clips, classes].

    Returns:
        float64 [classes]; NaN if all clips have the class, or none.
    """
    once = np.ones((1, len(labels)), np.int64)
    pairs = zip(scores.T, labels.T, strict=True)
    return np.concatenate([weighted_average_precision(*pair, once) for pair in pairs])


def _areas_under_curve(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """ROC-AUC by the rank-sum statistic: the share of correctly ranked pairs of clips."""
    from scipy.stats import rankdata  # not in the core install

    ranks = rankdata(scores, axis=0)
    positives = labels.sum(axis=0, dtype=np.int64)
    least = positives * (positives + 1) / 2
    return ((ranks * labels).sum(axis=0) - least) / (positives * (len(labels) - positives))
