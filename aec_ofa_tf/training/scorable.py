"""Whether the splits of a run can be scored, checked before training. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Sequence

from aec_ofa_tf.dataset import Dataset
from aec_ofa_tf.tasks import check_task, get_task


def check_scorable(records: Dataset, task: str, splits: Sequence[str]) -> None:
    """Checks that the task's figure is defined on splits, so that no stage fails after training.

    Args:
        records: the data.
        task: name of the task.
        splits: the splits that will be scored; those without clips are left out.

    Raises:
        ConfigError: the task needs exactly one label per clip, and the data differ.
        ValueError: no class of a split has both a clip with it and a clip without it.
    """
    check_task(task, records.single_label)
    if get_task(task).single_label:
        return  # accuracy is always defined
    for split in splits:
        clips = records.clips(split)
        if clips and not any(0 < count < clips for count in records.clips_per_label(split)):
            raise ValueError(
                f"mAP is not defined on the {clips} {split} clips: no class has both a clip with "
                f"it and a clip without it; prepare with more {split} clips, or with none"
            )
