"""Keeps files that are larger than their own budget allows out of an export. No TensorFlow here."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.costs import file_metric
from aec_ofa_tf.export.model_card import card_path
from aec_ofa_tf.export.results import ConvertedFile, LeftOutFile

_log = logging.getLogger(__name__)


def within_budgets(
    files: Iterable[ConvertedFile], budgets: Mapping[Path, Budget]
) -> tuple[list[ConvertedFile], tuple[LeftOutFile, ...]]:
    """Deletes files that are larger than their budget allows, and logs a warning for each.

    The search knows sizes from formulas, and a budget need not bound every requested file.

    Args:
        files: files that were just written.
        budgets: budget by folder.

    Returns:
        The files that remain, and those that were deleted.
    """
    kept, left_out = [], []
    for file in files:
        budget = budgets[file.path.parent]
        bound = budget.greatest_bytes(file.input, file.quantization)
        if file.bytes <= bound:
            kept.append(file)
            continue
        file.path.unlink()
        card_path(file.path).unlink(missing_ok=True)  # of an earlier export
        left_out.append(LeftOutFile(file.file, file.bytes, str(budget), _reason(file, bound)))
        _log.warning("%s", left_out[-1])
    return kept, tuple(left_out)


def require_any(files: Sequence[ConvertedFile], left_out: Sequence[LeftOutFile]) -> None:
    """Checks that an export has a file.

    Raises:
        RuntimeError: all of them are larger than their budgets allow.
    """
    if left_out and not files:
        raise RuntimeError(f"no file is within its budget; {left_out[0]}")


def _reason(file: ConvertedFile, bound: float) -> str:
    metric = file_metric(file.input, file.quantization)
    return (
        f"the budget allows {bound:,.0f} bytes for {file.quantization} files: raise the bound, or "
        f"search with a lower one ({metric})"
    )
