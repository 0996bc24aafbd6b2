"""Keeps files that cost more than their own budget allows out of an export. No TensorFlow here."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.costs.costs import ARENA, file_metric
from aec_ofa_tf.costs.npu import NPU_METRICS
from aec_ofa_tf.export.model_card import card_path
from aec_ofa_tf.export.results import ConvertedFile, LeftOutFile
from aec_ofa_tf.micro.c_files import remove_ports
from aec_ofa_tf.micro.targets import MICRO

# The target whose files tell a cost.
_TARGETS = {"arena_bytes": MICRO, **NPU_METRICS}

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
        _warn_of_unchecked(file, budget)
        reason = _reason(file, budget)
        if reason is None:
            kept.append(file)
            continue
        _remove(file.path)
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


def require_ports_within(files: Iterable[ConvertedFile], budgets: Iterable[Budget]) -> None:
    """Checks the figures of finished files on microcontrollers and NPUs.

    Raises:
        RuntimeError: one exceeds a budget; the file was removed.
    """
    for file, budget in itertools.product(files, budgets):
        reason = _port_reason(file, budget)
        _warn_of_unchecked(file, budget)
        if reason:
            _remove(file.path)
            raise RuntimeError(f"{file.file} was removed. It was found for {budget}: {reason}")


def _remove(path: Path) -> None:
    path.unlink()
    card_path(path).unlink(missing_ok=True)  # of an earlier export
    remove_ports(path)


def _reason(file: ConvertedFile, budget: Budget) -> str | None:
    """Why a file is not within its budget; None if it is."""
    bound = budget.greatest_bytes(file.input, file.quantization)
    if file.bytes <= bound:
        return _port_reason(file, budget)
    metric = file_metric(file.input, file.quantization)
    return (
        f"the budget allows {bound:,.0f} bytes for {file.quantization} files: raise the bound, or "
        f"search with a lower one ({metric})"
    )


def _warn_of_unchecked(file: ConvertedFile, budget: Budget) -> None:
    """Logs a warning about bounds that only a file for another target is checked against."""
    known = file.port.costs if file.port else {}
    for metric in budget.metrics:
        target = _TARGETS.get(metric)
        if target and metric not in known:
            _log.warning(
                "%s was found for %s, but its %s is not checked: it is that of a file for the "
                "target %s",
                *(file.file, budget, metric, target),
            )


def _port_reason(file: ConvertedFile, budget: Budget) -> str | None:
    for metric, value in (file.port.costs if file.port else {}).items():
        bound = budget.greatest(metric)
        if value > bound:
            return (
                f"{metric} of the finished file is {value:,.7g}, and the budget allows "
                f"{bound:,.7g}: raise the bound, or search with a lower one"
                + (" (arena_reserve_bytes)" if metric == ARENA else "")
            )
    return None
