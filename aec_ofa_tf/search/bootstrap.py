"""How certain the figure of a set of clips is: resamples and 95 % intervals. No TensorFlow here."""

from __future__ import annotations

import numpy as np

from aec_ofa_tf.metrics import (
    has_one_label_each,
    hits,
    not_single_label,
    weighted_average_precision,
)

FIGURES = ("mAP", "accuracy")
_NORMAL_QUANTILE = 1.96
_TAIL = 0.025
_RESAMPLES_AT_ONCE = 100


def bootstrap_mean_average_precision(
    scores: np.ndarray, labels: np.ndarray, resamples: int = 200, seed: int = 0
) -> np.ndarray:
    """The mAP of resamples of the clips, drawn with replacement (Efron's bootstrap).

    A class counts in the resamples that hold clips with and without it.

    Args:
        scores: float [clips, classes].
        labels: {0, 1} [clips, classes].
        resamples: how many.
        seed: of the draws.

    Returns:
        float64 [resamples]; its standard deviation is the standard error of the mAP.
    """
    clips = len(labels)
    generator = np.random.default_rng(seed)
    parts = []
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        count = min(_RESAMPLES_AT_ONCE, resamples - start)
        weights = generator.multinomial(clips, np.full(clips, 1 / clips), size=count)
        precisions = [
            weighted_average_precision(scores[:, index], labels[:, index], weights)
            for index in range(labels.shape[1])
        ]
        parts.append(np.nanmean(precisions, axis=0))
    return np.concatenate(parts)


def bootstrap_interval(
    scores: np.ndarray,
    labels: np.ndarray,
    value: float,
    resamples: int = 200,
    seed: int = 0,
    figure: str = "mAP",
) -> tuple[float, float]:
    """The 95 % interval of a figure: what other clips of the same origin would change.

    mAP: the normal bootstrap interval (Davison and Hinkley 1997, section 5.2.1), 1.96 standard
    deviations of the resamples on either side. The average precision of a class with few clips is
    biased upwards, which an interval around it does not show; percentiles of the resamples, in
    which clips occur twice, would double that bias.

    Accuracy: the exact binomial interval (Clopper and Pearson 1934), which needs no draws. Unlike
    resamples it has a width where all clips are classified right.

    Args:
        scores: float [clips, classes].
        labels: {0, 1} [clips, classes].
        value: the figure of all clips.
        resamples: how many; of the mAP only.
        seed: of the draws.
        figure: "mAP" or "accuracy" (`Task.figure`).

    Returns:
        Least and greatest, within [0, 1].

    Raises:
        ValueError: as `bootstrap_figure`.
    """
    _check_figure(figure)
    if figure == "accuracy":
        return _binomial_interval(*_right(scores, labels))
    drawn = bootstrap_mean_average_precision(scores, labels, resamples, seed)
    margin = _NORMAL_QUANTILE * float(np.std(drawn, ddof=1))
    return max(0.0, value - margin), min(1.0, value + margin)


def _check_figure(figure: str) -> None:
    if figure not in FIGURES:
        raise ValueError(f"figure is one of {', '.join(FIGURES)}, received {figure!r}")


def _right(scores: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
    """How many clips are classified right, and how many there are."""
    if not has_one_label_each(labels):
        raise ValueError(not_single_label(labels))
    return int(hits(scores, labels).sum()), len(labels)


def _binomial_interval(right: int, clips: int) -> tuple[float, float]:
    from scipy.stats import beta  # not in the core install

    low = float(beta.ppf(_TAIL, right, clips - right + 1)) if right else 0.0
    high = float(beta.ppf(1 - _TAIL, right + 1, clips - right)) if right < clips else 1.0
    return low, high
