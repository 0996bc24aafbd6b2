"""95 % intervals of a figure: bootstrap (mAP) or binomial (accuracy). No TensorFlow here."""

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

    A class counts only in resamples that contain clips with it and clips without it. Resamples
    in which no class counts, which few clips have, are left out.

    Args:
        scores: float [clips, classes].
        labels: {0, 1} [clips, classes].
        resamples: number of resamples.
        seed: seed of the draws.

    Returns:
        float64 [at most resamples]; its standard deviation is the standard error of the mAP.
    """
    clips = len(labels)
    generator = np.random.default_rng(seed)
    parts = []
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        count = min(_RESAMPLES_AT_ONCE, resamples - start)
        weights = generator.multinomial(clips, np.full(clips, 1 / clips), size=count)
        precisions = np.array(
            [
                weighted_average_precision(scores[:, index], labels[:, index], weights)
                for index in range(labels.shape[1])
            ]
        )
        is_defined = ~np.isnan(precisions).all(axis=0)
        parts.append(np.nanmean(precisions[:, is_defined], axis=0))
    return np.concatenate(parts)


def bootstrap_interval(
    scores: np.ndarray,
    labels: np.ndarray,
    value: float,
    resamples: int = 200,
    seed: int = 0,
    figure: str = "mAP",
) -> tuple[float, float]:
    """The 95 % interval of a figure, for the uncertainty from the choice of clips.

    mAP: the normal bootstrap interval (Davison and Hinkley 1997, section 5.2.1), 1.96 standard
    deviations of the resamples on either side. The average precision of a class with few clips is
    biased upwards, which the interval does not show; percentiles of the resamples, in which clips
    occur twice, would double that bias.

    Accuracy: the exact binomial interval (Clopper and Pearson 1934), which needs no draws. Unlike
    a bootstrap interval, its width is not 0 if all clips are classified correctly.

    Args:
        scores: float [clips, classes].
        labels: {0, 1} [clips, classes].
        value: the figure of all clips; used for mAP only.
        resamples: number of resamples; used for mAP only.
        seed: seed of the draws; used for mAP only.
        figure: "mAP" or "accuracy" (`Task.figure`).

    Returns:
        Lower and upper limit, within [0, 1].

    Raises:
        ValueError: the figure is neither, or, for accuracy, a clip has no label or several.
    """
    _check_figure(figure)
    if figure == "accuracy":
        return _binomial_interval(*_correct(scores, labels))
    drawn = bootstrap_mean_average_precision(scores, labels, resamples, seed)
    if len(drawn) < 2:  # nothing is known
        return 0.0, 1.0
    margin = _NORMAL_QUANTILE * float(np.std(drawn, ddof=1))
    return max(0.0, value - margin), min(1.0, value + margin)


def _check_figure(figure: str) -> None:
    if figure not in FIGURES:
        raise ValueError(f"figure is one of {', '.join(FIGURES)}, received {figure!r}")


def _correct(scores: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
    """Number of correctly classified clips, and of all clips."""
    if not has_one_label_each(labels):
        raise ValueError(not_single_label(labels))
    return int(hits(scores, labels).sum()), len(labels)


def _binomial_interval(correct: int, clips: int) -> tuple[float, float]:
    from scipy.stats import beta  # not in the core install

    low = float(beta.ppf(_TAIL, correct, clips - correct + 1)) if correct else 0.0
    high = float(beta.ppf(1 - _TAIL, correct + 1, clips - correct)) if correct < clips else 1.0
    return low, high
