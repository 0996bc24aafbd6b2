r"""Turns recordings into records: python -m pipelines.prepare --dataset=synthetic --data_dir=DIR.

A folder in the ESC-50 layout instead:
python -m pipelines.prepare --dataset=esc50 --source=ESC-50 --data_dir=DIR --eval_folds=5

Spoken commands of one second at 16 kHz, in a folder per word:
python -m pipelines.prepare --dataset=folder --source=WORDS --front_end=keyword_16k --clip_secs=1 \
    --data_dir=DIR
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from absl import flags

import pipelines.flags
from pipelines import program
from pipelines.front_end_flags import front_end_from_flags
from tfrecords.manifest import Manifest
from tfrecords.sources.audioset import AudiosetFiles
from tfrecords.sources.registry import SourceOptions, read_source

FLAGS = flags.FLAGS
pipelines.flags.define_prepare_flags()
flags.adopt_module_key_flags(pipelines.flags)


def prepare_from_flags() -> Manifest:
    """Prepares what the flags ask for, or finds it done.

    Raises:
        ValueError: a flag is missing or wrong, or as `tfrecords.prepare.prepare`.
        OSError: a file cannot be read or written, or another job works in the directory.
    """
    if not FLAGS.data_dir:
        raise ValueError("--data_dir is required: the folder for the records")
    front_end = front_end_from_flags()
    front_end.clip_samples(_clip_secs())  # before scenes of that length are mixed
    source = read_source(FLAGS.dataset, _source_options())
    # TensorFlow is slow to import and not needed for --help, a mistyped flag or a wrong source.
    from tfrecords.prepare import PrepareConfig, prepare

    config = PrepareConfig(
        dataset=FLAGS.dataset,
        clip_secs=_clip_secs(),
        length_policy=FLAGS.length_policy,
        payload=FLAGS.payload,
        seed=FLAGS.seed,
        clips_per_shard=FLAGS.clips_per_shard,
        front_end=front_end,
        max_bad_fraction=FLAGS.max_bad_fraction,
        max_missing_fraction=FLAGS.max_missing_fraction,
    )
    return prepare(source, config, Path(FLAGS.data_dir), FLAGS.beam_arg)


def _clip_secs() -> float:
    default = pipelines.flags.CLIP_SECS.get(FLAGS.dataset, pipelines.flags.CLIP_SECS_OTHERWISE)
    return default if FLAGS.clip_secs is None else FLAGS.clip_secs


def _source_options() -> SourceOptions:
    source = Path(FLAGS.source) if FLAGS.source else None
    parts = {name: FLAGS[f"audioset_{name}"].value for name in ("train", "evaluation", "pool")}
    return SourceOptions(
        source=source,
        generated=Path(FLAGS.data_dir) / "source",
        clip_secs=_clip_secs(),
        seed=FLAGS.seed,
        clips=(FLAGS.train_clips, FLAGS.validation_clips, FLAGS.evaluation_clips),
        folds=(_folds("validation_folds"), _folds("eval_folds")),
        fractions=(FLAGS.validation_fraction, FLAGS.evaluation_fraction),
        source_pattern=FLAGS.source_pattern,
        labels_file=Path(FLAGS.labels_file) if FLAGS.labels_file else None,
        audioset=AudiosetFiles(
            source, labels=FLAGS.audioset_labels, audio=FLAGS.audioset_audio, **parts
        )
        if source
        else None,
        max_bad_fraction=FLAGS.max_bad_fraction,
    )


def _folds(name: str) -> tuple[int, ...]:
    try:
        return tuple(int(fold) for fold in FLAGS[name].value if fold)
    except ValueError as error:
        raise ValueError(f"--{name} takes whole numbers, received {FLAGS[name].value}") from error


def main(_: list[str]) -> dict[str, Any]:
    """Runs the program."""
    started = time.monotonic()
    manifest = prepare_from_flags()
    seconds = round(time.monotonic() - started, 1)
    return {**manifest.summary(), "data_dir": FLAGS.data_dir, "seconds": seconds}


if __name__ == "__main__":
    program.run(main)
