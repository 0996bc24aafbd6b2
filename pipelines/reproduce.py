r"""Repeats the paper's experiments: baselines, supernets, searches, fine-tuning, tables, figures.

python -m pipelines.reproduce --flagfile=tiny.flags

On recordings in the ESC-50 layout, mixed to scenes; what is left to do, and its time:
python -m pipelines.reproduce --flagfile=esc50_scenes.flags --source=ESC-50 --dry_run

Jobs that are done are skipped, one that was stopped goes on. Without --source, records that were
prepared before are taken as they are.
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

import pipelines.flags
from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.dataset import EVALUATION
from aec_ofa_tf.ownership import REPRODUCTION, require_claimable
from aec_ofa_tf.reproduction.config import require_evaluation
from aec_ofa_tf.terminal import show
from aec_ofa_tf.training.background import require_noises
from pipelines import preflight, program
from pipelines.flags import data, experiment, naming_flags, reproduce
from pipelines.flags import space as space_flags
from pipelines.flags.reproduce import ReproduceFlags
from tfrecords.clip import Source
from tfrecords.manifest import load_manifest

FLAGS = flags.FLAGS
flags.DEFINE_bool(
    "dry_run",
    False,
    "Tell the jobs, what is left of each, and the time from a few measured steps; nothing is "
    "written.",
)
data.define_prepare_flags()
reproduce.define_reproduce_flags()
for module in (pipelines.flags, data, experiment, space_flags, reproduce):
    flags.adopt_module_key_flags(module)


@naming_flags
def main(_: list[str]) -> dict[str, object]:
    """Runs what is left of the experiments; see the module's docstring."""
    request = reproduce.reproduce_flags()
    workdir = Path(FLAGS.workdir)
    require_claimable(workdir, REPRODUCTION)
    if request.config.teacher.train.noise_source is not None:
        require_noises(request.config.teacher.train.noise_source)
    data.check_outputs(FLAGS.data_dir)
    if workdir.resolve() == Path(FLAGS.data_dir).resolve():
        raise ValueError(
            f"--data_dir and --workdir are both {workdir}; give the records a folder of their own, "
            f"for example --data_dir={workdir / 'data'}"
        )
    is_prepared = (Path(FLAGS.data_dir) / "manifest.json").is_file()
    prepares = bool(FLAGS.source) or not is_prepared or data.dataset() == "synthetic"
    if FLAGS.dry_run:
        from pipelines.reproduction_plan import plan

        found = plan(request, prepares)
        show(str(found))
        return dict(found.as_dict())
    if prepares:
        data.prepare_from_flags(lambda source, front_end: _check(source, front_end, request))
    _check_records(request)
    return _run(request)


def _check(source: Source, front_end: FrontEndConfig, request: ReproduceFlags) -> None:
    require_evaluation(source.class_counts.clips[EVALUATION])
    preflight.check_source(
        source, front_end, request.as_training(request.config.main, ("prepare", "search"))
    )
    facts = len(source.labels), front_end, data.clip_secs()
    _check_budgets(request, ("prepare", "search"), *facts)


def _check_records(request: ReproduceFlags) -> None:
    preflight.check_records(request.as_training(request.config.main, ("search",)))
    manifest = load_manifest(Path(FLAGS.data_dir))
    facts = len(manifest.labels), manifest.front_end, manifest.configuration["clip_secs"]
    _check_budgets(request, ("search",), *facts)


def _check_budgets(
    request: ReproduceFlags,
    stages: tuple[str, ...],
    classes: int,
    front_end: FrontEndConfig,
    secs: float,
) -> None:
    for space in request.config.spaces:
        preflight.check_budgets(request.as_training(space, stages), classes, front_end, secs)


def _run(request: ReproduceFlags) -> dict[str, object]:
    from aec_ofa_tf.reproduction.run import reproduce as run
    from tfrecords.records import open_records

    records = open_records(FLAGS.data_dir)
    result = run(FLAGS.workdir, records, request.config, request.options, request.devices)
    for name in ("table_1", "table_2", "comparison"):
        show((result.folder / f"{name}.md").read_text(encoding="utf-8"))
    show(str(result))
    tables = {name: rows for name, rows in result.as_dict()["tables"].items() if name != "roads"}
    return {**result.as_dict(), "tables": tables}


if __name__ == "__main__":
    program.run(main, required=("workdir", "data_dir"))
