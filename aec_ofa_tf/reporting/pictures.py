"""Pictures of training, as the contents of PNG files. No TensorFlow here."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_DPI = 100
_NUMBERS = 15
"""Up to so many classes, a matrix shows its numbers."""

_AS_IT_IS: dict[str, Any] = {"fontsize": 7, "parse_math": False}
"""Labels are no formulas, even with dollar signs."""

_RANGE_DB = 80.0
"""What lies further below the peak is black."""


def draw_matrices(
    matrices: Mapping[str, np.ndarray], names: Sequence[str], row: str, column: str
) -> bytes:
    """Matrices of classes beside each other, darker where a value is a greater share of its row.

    Args:
        matrices: [classes, classes] by title; whole numbers are shown as such.
        names: names of the classes.
        row: what the rows are.
        column: what the columns are.
    """
    side = min(max(3.5, 0.32 * len(names)), 12.0)
    drawing = Figure(figsize=(side * len(matrices) + 1.5, side + 1.0), layout="constrained")
    grid = drawing.subplots(1, len(matrices), squeeze=False)[0]
    for axes, (title, matrix) in zip(grid, matrices.items(), strict=True):
        shares = matrix / np.maximum(matrix.max(axis=1, keepdims=True), 1e-9)
        axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
        axes.set_title(title)
        axes.set_xlabel(column)
        axes.set_xticks(range(len(names)), names, rotation=90, **_AS_IT_IS)
        axes.set_yticks(range(len(names)), names, **_AS_IT_IS)
        if len(names) <= _NUMBERS:
            _write_numbers(axes, matrix, shares)
    grid[0].set_ylabel(row)
    return _png(drawing)


def draw_clips(
    before: np.ndarray, after: np.ndarray, names: Sequence[str], hop_secs: float
) -> bytes:
    """Log-mels of clips, and below what the network gets of them in training.

    Args:
        before: float [clips, frames, mel bins] in dB.
        after: the same of the clips, or of every two of them mixed, with any number of frames.
        names: names of the clips.
        hop_secs: time from a frame to the next.
    """
    width, height = 3.2 * len(before), 5.2
    drawing = Figure(figsize=(width, height))
    # Matplotlib's own layout would draw everything twice.
    drawing.subplots_adjust(
        left=0.6 / width,
        bottom=0.5 / height,
        right=1 - 0.1 / width,
        top=1 - 0.3 / height,
        wspace=0.15,
        hspace=0.35,
    )
    grid = drawing.subplots(2, len(before), squeeze=False)
    peak = float(before.max())
    mixed = len(before) // len(after)
    for column, axes in enumerate(grid[0]):
        _draw_log_mel(axes, before[column], peak, hop_secs, names[column])
    for column, axes in enumerate(grid[1]):
        if column < len(after):
            title = "augmented" if mixed == 1 else f"{2 * column + 1} and {2 * column + 2}, mixed"
            _draw_log_mel(axes, after[column], peak, hop_secs, title)
        else:
            axes.axis("off")
    grid[0][0].set_ylabel("mel bin")
    return _png(drawing)


def _draw_log_mel(
    axes: Axes, log_mel: np.ndarray, peak: float, hop_secs: float, title: str
) -> None:
    extent = (0.0, len(log_mel) * hop_secs, 0.0, float(log_mel.shape[1]))
    low = peak - _RANGE_DB
    axes.imshow(
        log_mel.T, "magma", aspect="auto", vmin=low, vmax=peak, origin="lower", extent=extent
    )
    axes.locator_params(nbins=4)
    axes.set_title(title, **_AS_IT_IS)
    axes.set_xlabel("seconds", fontsize=8)


def _write_numbers(axes: Axes, matrix: np.ndarray, shares: np.ndarray) -> None:
    whole = np.issubdtype(matrix.dtype, np.integer)
    for (row, column), value in np.ndenumerate(matrix):
        if value:
            colour = "white" if shares[row, column] > 0.6 else "black"
            text = f"{value}" if whole else f"{value:.2f}".lstrip("0")
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)


def _png(drawing: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Letters that Matplotlib's font lacks are boxes; a warning for each would not help.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        drawing.savefig(buffer, dpi=_DPI, format="png", pil_kwargs={"compress_level": 1})
    return buffer.getvalue()
