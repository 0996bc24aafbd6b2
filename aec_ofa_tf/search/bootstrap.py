"""How sure a mean average precision is. No TensorFlow here."""

from __future__ import annotations

import numpy as np

from aec_ofa_tf.metrics import weighted_average_precision

_NORMAL_QUANTILE = 1.96
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
    scores: np.ndarray, labels: np.ndarray, mean: float, resamples: int = 200, seed: int = 0
) -> tuple[float, float]:
    """The normal 95 % bootstrap interval of a mAP (Davison and Hinkley 1997, section 5.2.1).

    The mAP give or take 1.96 standard deviations of the resamples: what other clips of the same
    origin would change. Of classes with few clips average precision is too high in the mean,
    which no interval around it tells; percentiles of the resamples, in which clips come twice,
    would double that.

    Args:
        scores: float [clips, classes].
        labels: {0, 1} [clips, classes].
        mean: the mAP of all clips.
        resamples: how many.
        seed: of the draws.

    Returns:
        Least and greatest, within [0, 1].
    """
    drawn = bootstrap_mean_average_precision(scores, labels, resamples, seed)
    margin = _NORMAL_QUANTILE * float(np.std(drawn, ddof=1))
    return max(0.0, mean - margin), min(1.0, mean + margin)
