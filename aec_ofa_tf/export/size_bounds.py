"""Keeps files that cost more than their own budget allows out of an export. No TensorFlow here."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.costs import file_metric
from aec_ofa_tf.export.model_card import card_path
from aec_ofa_tf.export.results import ConvertedFile, LeftOutFile
from aec_ofa_tf.micro.c_files import remove_ports

_log = logging.getLogger(__name__)


def within_budgets(
    files: Iterable[ConvertedFile], budgets: Mapping[Path, Budget]
) -> tuple[list[ConvertedFile], tuple[LeftOutFile, ...]]:
    """Deletes files that cost more than their budget allows, and logs a warning for each.

    The search knows sizes and arenas from formulas, and a budget need not bound every requested
    file. The arena is the one that was recorded with the finished file.

    Args:
        files: files that were just written.
        budgets: budget by folder.

    Returns:
        The files that remain, and those that were deleted.
    """
    kept, left_out = [], []
    for file in files:
        budget = budgets[file.path.parent]
        reason = _reason(file, budget)
        if reason is None:
            kept.append(file)
            continue
        file.path.unlink()
        card_path(file.path).unlink(missing_ok=True)  # of an earlier export
        remove_ports(file.path)
        left_out.append(LeftOutFile(file.file, file.bytes, str(budget), reason))
        _log.warning("%s", left_out[-1])
    return kept, tuple(left_out)


def require_any(files: Sequence[ConvertedFile], left_out: Sequence[LeftOutFile]) -> None:
    """Checks that an export has a file.

    Raises:
        RuntimeError: all of them are larger than their budgets allow.
    """
    if left_out and not files:
        raise RuntimeError(f"no file is within its budget; {left_out[0]}")


def _reason(file: ConvertedFile, budget: Budget) -> str | None:
    """Why a file is not within its budget; None if it is."""
    bound = budget.greatest_bytes(file.input, file.quantization)
    if file.bytes > bound:
        metric = file_metric(file.input, file.quantization)
        return (
            f"the budget allows {bound:,.0f} bytes for {file.quantization} files: raise the bound, "
            f"or search with a lower one ({metric})"
        )
    for metric, value in (file.port.costs if file.port else {}).items():
        bound = budget.greatest(metric)
        if value > bound:
            return (
                f"{metric} of the finished file is {value:,.6g}, and the budget allows "
                f"{bound:,.6g}: raise the bound, or search with a lower one"
            )
    return None
