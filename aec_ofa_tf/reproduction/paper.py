"""The paper's published figures (Lin et al., ICASSP 2023, tables 1 and 2). No TensorFlow here.

mAP in percent on AudioSet's evaluation set, of networks trained on the balanced training set. The
paper's baseline of 1.0 M parameters has 1.17 M by this project's count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TEACHER_PARAMS, TEACHER_MAP = 5.2e6, 29.6


@dataclass(frozen=True)
class PaperSize:
    """A row of table 1: a fixed width, and a budget.

    Attributes:
        params: parameters of the baselines.
        scratch: mAP of the baseline that is trained on the labels.
        kd: mAP of the baseline that is distilled.
    """

    params: float
    scratch: float
    kd: float


@dataclass(frozen=True)
class PaperBudget:
    """A row of table 2.

    Attributes:
        params: parameters of the searched subnet.
        ofa: its mAP without further training.
        short: after 10 K steps of fine-tuning.
        long: after 100 K steps.
        init: the same architecture after 100 K steps from random weights.
    """

    params: float
    ofa: float
    short: float
    long: float
    init: float


TABLE_1 = (
    PaperSize(1.0e6, 21.2, 24.8),
    PaperSize(2.1e6, 22.6, 26.4),
    PaperSize(3.5e6, 24.8, 28.3),
)
TABLE_2 = (
    PaperBudget(0.9e6, 26.6, 26.7, 26.7, 24.8),
    PaperBudget(1.8e6, 27.2, 27.6, 27.8, 26.6),
    PaperBudget(2.7e6, 27.7, 28.2, 28.4, 28.1),
    PaperBudget(3.6e6, 27.9, 28.3, 28.5, 28.3),
)
OFA_OVER_SCRATCH, OFA_OVER_KD = 26.6 / 21.2, 26.6 / 24.8
"""At the smallest size: 1.255 and 1.073, the paper's 25.4 % (cut off, not rounded) and 7.3 %."""


def nearest_size(share: float) -> PaperSize:
    """The baseline whose share of the largest network's parameters is nearest."""
    return TABLE_1[_nearest([row.params for row in TABLE_1], share)]


def nearest_budget(share: float) -> PaperBudget:
    """The searched subnet whose share of the largest network's parameters is nearest."""
    return TABLE_2[_nearest([row.params for row in TABLE_2], share)]


def _nearest(params: Sequence[float], share: float) -> int:
    return min(range(len(params)), key=lambda i: abs(params[i] / TEACHER_PARAMS - share))
