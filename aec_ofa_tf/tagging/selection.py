"""Selects the labels to report from scores. No TensorFlow here."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence

import numpy as np

from aec_ofa_tf.config import check_count

_SHOWN = 20


class LabelSelection:
    """Selects the labels with the highest scores among those that reach their thresholds.

    Args:
        labels: names of the classes, in order.
        top_k: maximum number of labels to report.
        threshold: lowest score of a label to report.
        label_thresholds: thresholds of single labels, instead of `threshold`.

    Attributes:
        labels: names of the classes, in order.
        thresholds: float64 [classes].

    Raises:
        ValueError: a label is unknown, a threshold is not finite, or `top_k` is not positive.
    """

    def __init__(
        self,
        labels: Sequence[str],
        top_k: int,
        threshold: float = 0.0,
        label_thresholds: Mapping[str, float] | None = None,
    ) -> None:
        check_count("top_k", top_k)
        self.labels = tuple(labels)
        self._top_k = top_k
        self.thresholds = np.full(len(labels), threshold, np.float64)
        for label, value in (label_thresholds or {}).items():
            self.thresholds[self._index(label)] = value
        if not np.isfinite(self.thresholds).all():
            raise ValueError("a threshold must be a finite number, for example 0.5")

    def __call__(self, scores: np.ndarray) -> list[tuple[str, float]]:
        """Labels with scores, the highest first; equal scores in the order of the classes.

        Args:
            scores: float32 [classes].
        """
        best = np.argsort(-scores, kind="stable")
        reported = [i for i in best if scores[i] >= self.thresholds[i]][: self._top_k]
        return [(self.labels[i], float(scores[i])) for i in reported]

    def _index(self, label: str) -> int:
        if label in self.labels:
            return self.labels.index(label)
        near = difflib.get_close_matches(label, self.labels, n=3, cutoff=0.4)
        shown = ", ".join(self.labels[:_SHOWN]) + ", ..." * (len(self.labels) > _SHOWN)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"they are {shown}"
        raise ValueError(f"the model has no label {label!r} among its {len(self.labels)}; {hint}")


def parse_label_thresholds(texts: Sequence[str]) -> dict[str, float]:
    """Parses texts such as `Dog=0.7` to thresholds by label; for repeated labels the last counts.

    Raises:
        ValueError: a text has another form.
    """
    thresholds = {}
    for text in texts:
        label, equals, value = text.rpartition("=")
        try:
            thresholds[label] = float(value)
        except ValueError:
            equals = ""
        if not equals or not label or not math.isfinite(thresholds[label]):
            raise ValueError(f"a label's threshold is written LABEL=0.7, received {text!r}")
    return thresholds
