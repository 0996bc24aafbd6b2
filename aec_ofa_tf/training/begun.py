"""What stages of a run directory have trained before. No TensorFlow here."""

from __future__ import annotations

from pathlib import Path

from aec_ofa_tf.training.config import TeacherConfig, resume_key
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig
from aec_ofa_tf.workdir import Workdir


def newest_step(workdir: Path, stage: str) -> int:
    """The step of a stage's newest checkpoint; 0 without one."""
    names = [path.stem for path in (workdir / "checkpoints" / stage).glob("step-*.index")]
    return max((int(name.removeprefix("step-")) for name in names), default=0)


def require_same_settings(
    workdir: Workdir, stage: str, config: TeacherConfig | SupernetConfig | SubnetConfig
) -> None:
    """Checks that a stage which was begun or finished goes on as it was; writes nothing.

    Raises:
        ConfigError: it had other settings.
    """
    settings = workdir.settings(stage)
    if settings and (workdir.is_done(stage) or newest_step(workdir.path, stage)):
        now = {**settings, **resume_key(config)}
        workdir.begin_stage(stage, now, begun=True, owner=type(config))
