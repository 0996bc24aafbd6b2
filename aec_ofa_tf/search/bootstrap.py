"""How sure a mean average precision is. No TensorFlow here."""

from __future__ import annotations

import numpy as np

from aec_ofa_tf.metrics import weighted_average_precision

_RESAMPLES_AT_ONCE = 100


def bootstrap_mean_average_precision(
    scores: np.ndarray, labels: np.ndarray, resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """The mAP of resamples of the clips, drawn with replacement (Efron's bootstrap).

    A class counts in the resamples that hold clips with and without it.

    Args:
        scores: float [clips, classes].
        labels: {0, 1} [clips, classes].
        resamples: how many.
        seed: of the draws.

    Returns:
        float64 [resamples]; its percentiles bound the mAP.
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
    scores: np.ndarray, labels: np.ndarray, mean: float, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The basic 95 % bootstrap interval of a mAP (Davison and Hinkley 1997, section 5.2).

    A resample holds clips twice, which raises average precision. The basic interval reflects the
    resamples at the point, and so takes that bias out where the percentiles would double it.

    Args:
        scores: float [clips, classes].
        labels: {0, 1} [clips, classes].
        mean: the mAP of all clips.
        resamples: how many.
        seed: of the draws.
    """
    drawn = bootstrap_mean_average_precision(scores, labels, resamples, seed)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return max(0.0, 2 * mean - high), min(1.0, 2 * mean - low)
