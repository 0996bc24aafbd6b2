"""Which flags of `train` its stages use."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from absl import logging

from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.training.config import TeacherConfig, TrainConfig
from aec_ofa_tf.training.origins import SoftLabelsConfig, TransferConfig
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig
from pipelines.flags import flag_name

_MEANT = {
    "steps": "; the steps of other stages are --teacher_steps, --largest_steps and "
    "--supernet_steps",
    "init": "; that of the supernet is --supernet_init",
}
"""What a flag of the stage `subnet` may be mistaken for."""


def check_given(stages: tuple[str, ...], given: Iterable[str]) -> None:
    """Checks that the flags of a command line are used by the stages that run.

    The stage `subnet` is not one of the default stages: flags for it without this stage are a
    mistake. The same command line with fewer stages is not, so other unused flags are only logged.

    Args:
        stages: the stages to run.
        given: names of flags on the command line, without those of flagfiles.

    Raises:
        ValueError: a flag is used by the stage `subnet` only, which does not run.
    """
    users: dict[str, set[str]] = {}
    for stage, own in _own_flags_of_stages().items():
        for name in own:
            users.setdefault(name, set()).add(stage)
    unused = [name for name in dict.fromkeys(given) if name in users]
    unused = [name for name in unused if not users[name] & set(stages)]
    for name in unused:
        if users[name] == {"subnet"}:
            raise ValueError(
                f"--{name} is for the stage subnet, which trains one network alone and does not "
                f"run: add --stages=subnet, or leave out --{name}{_MEANT.get(name, '')}"
            )
    if unused:
        names = ", ".join(f"--{name}" for name in unused)
        logging.warning("not used, because their stages do not run: %s", names)


def _own_flags_of_stages() -> dict[str, set[str]]:
    """The flags that a stage uses and training in general does not."""
    kinds: dict[str, type] = {
        "teacher": TeacherConfig,
        "soft_labels": SoftLabelsConfig,
        "supernet": SupernetConfig,
        "subnet": SubnetConfig,
        "search": SearchConfig,
        "convert": ExportConfig,
    }
    own = {stage: _flags_of(kind) - _flags_of(TrainConfig) for stage, kind in kinds.items()}
    for stage in ("supernet", "subnet"):
        own[stage] |= _flags_of(TransferConfig)
    own["subnet"] |= {"subnet"}
    own["search"] |= {"params", "tolerance"}
    return own


def _flags_of(kind: type) -> set[str]:
    return {flag_name(kind, field.name) for field in dataclasses.fields(kind)}
