"""Removing the results of a stage, and of the stages that depend on it. No TensorFlow here."""

from __future__ import annotations

import shutil
from pathlib import Path

from aec_ofa_tf.workdir import SEARCH, Workdir

EXPORT = "convert"
_FILES = {
    "teacher": ("teacher.keras",),
    "soft_labels": ("soft_labels",),
    "supernet": ("frozen_largest.keras",),
    SEARCH: ("search",),
}
"""What a stage writes besides its record, its checkpoints and its events."""

_TAUGHT_BY = {"cache": {"soft_labels"}, "online": {"teacher"}, "frozen_largest": {"supernet"}}
"""The stage that the source of a student's targets is of."""


def reset(workdir: Workdir, stage: str) -> list[str]:
    """Removes a stage's results and those of the stages that depend on it.

    Exported files remain; the next export replaces those that exports of other subnets wrote.

    Args:
        workdir: the run directory, which the caller has locked.
        stage: name of a stage that was begun.

    Returns:
        The names of the stages that were removed, this stage first.

    Raises:
        ValueError: there is no such stage.
    """
    begun = workdir.stages()
    if stage not in begun:
        raise ValueError(
            f"{workdir.path} has no stage {stage!r}; it has {', '.join(begun) or 'none'}"
        )
    removed = [stage]
    for name in removed:  # grows in the loop
        removed += [n for n in begun if n not in removed and name in _needs(workdir, n)]
    for name in reversed(removed):  # a kill leaves no stage without what it depends on
        _remove(workdir.path, name)
    return removed


def _needs(workdir: Workdir, stage: str) -> set[str]:
    """The stages that a stage depends on directly."""
    if stage in (SEARCH, EXPORT):
        return {"supernet", SEARCH} - {stage}
    settings = workdir.settings(stage)
    needed = {"teacher"} if stage == "soft_labels" else set()
    needed |= {settings["init"]} if "init" in settings else set()
    if stage == "supernet" or settings.get("objective") == "distill":
        needed |= _TAUGHT_BY.get(settings.get("distill_from", "cache"), set()) - {stage}
    return needed


def _remove(root: Path, stage: str) -> None:
    places = [f"checkpoints/{stage}", f"events/{stage}", f"subnets/{stage}.keras"]
    for place in [*_FILES.get(stage, ()), *places, f"stages/{stage}.json"]:
        path = root / place
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
