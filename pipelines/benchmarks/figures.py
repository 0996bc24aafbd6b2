"""How suites hand their figures over. No TensorFlow here."""

from __future__ import annotations

from typing import Any

from absl import logging

SIGNIFICANT_DIGITS = 4
BUSY = 0.05


def warned(share: float) -> float:
    """The share of other programs as it is, after a warning where it spoils times and memory."""
    if share > BUSY:
        logging.warning(
            "other programs took %.0f %% of the cores meanwhile: ratios may still hold, seconds "
            "and memory do not",
            100 * share,
        )
    return share


def rounded(value: Any) -> Any:
    """Dicts and lists with every float cut to four significant digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value
