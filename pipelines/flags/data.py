"""Flags of data sets, and their preparation. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from absl import flags

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.audio.io.decode import LENGTH_POLICIES
from pipelines.flags import front_end
from tfrecords.clip import Source
from tfrecords.manifest import Manifest
from tfrecords.sources.audioset import PAPER_VALIDATION_CLIPS, AudiosetFiles
from tfrecords.sources.folder import WHOLE_NAME
from tfrecords.sources.registry import READERS, SCENES, SourceOptions, read_source

FLAGS = flags.FLAGS

# Defaults of --clip_secs: the length of the layout's recordings.
CLIP_SECS = {"synthetic": 2.5, "scenes": 5.0, "esc50": 5.0}
DEFAULT_CLIP_SECS = 10.0

_AUDIOSET_PARTS = {
    "train": "segment list of the training split",
    "evaluation": "segment list of the evaluation split",
    "pool": "segment list that the validation split is drawn from",
    "labels": "list of the classes",
    "audio": "folder of the audio files",
}


def define_prepare_flags() -> None:
    """Defines the flags of `prepare`, which `train` shares. A second call changes nothing."""
    if "dataset" in flags.FLAGS:
        return
    define_data_dir_flag()
    _define_records()
    _define_work()
    front_end.define_front_end_flags()
    front_end.define_float_scale_flag()
    flags.adopt_module_key_flags(front_end)
    _define_bounds()
    _define_sources()


def define_data_dir_flag() -> None:
    """Defines --data_dir. A second call changes nothing."""
    if "data_dir" not in flags.FLAGS:
        flags.DEFINE_string("data_dir", None, "Folder of the records that prepare writes.")


def prepare_from_flags(
    check: Callable[[Source, FrontEndConfig], None] = lambda *_: None,
) -> Manifest:
    """Prepares the data set that the flags describe, unless its records are complete.

    Args:
        check: raises an error for a source that later stages refuse, before anything is decoded.

    Raises:
        ValueError: a flag is missing or wrong, or as `tfrecords.prepare.prepare`.
        OSError: a file cannot be read or written, or another job uses the directory.
    """
    if not FLAGS.data_dir:
        raise ValueError("--data_dir is required: the folder for the records")
    features = front_end.front_end_from_flags()
    features.clip_samples(clip_secs())  # checks the length before scenes are mixed
    source = read_source(FLAGS.dataset, _source_options())
    check(source, features)
    # TensorFlow is slow to import and not needed for --help, a mistyped flag or a wrong source.
    from tfrecords.prepare import PrepareConfig, prepare

    config = PrepareConfig(
        dataset=FLAGS.dataset,
        clip_secs=clip_secs(),
        length_policy=FLAGS.length_policy,
        payload=FLAGS.payload,
        seed=FLAGS.seed,
        clips_per_shard=FLAGS.clips_per_shard,
        front_end=features,
        float_scale=FLAGS.float_scale,
        max_bad_fraction=FLAGS.max_bad_fraction,
        max_missing_fraction=FLAGS.max_missing_fraction,
    )
    return prepare(source, config, Path(FLAGS.data_dir), FLAGS.beam_arg)


def _define_records() -> None:
    flags.DEFINE_enum(
        "dataset", "synthetic", sorted(READERS), "Layout of --source; synthetic needs none."
    )
    flags.DEFINE_string(
        "source",
        None,
        "Recordings. audioset, esc50, folder: a folder in this layout; scenes: a folder in the "
        "ESC-50 layout, whose recordings are mixed; csv: the list file; synthetic: folder to which "
        "scenes are written (default: DATA_DIR/source).",
    )
    flags.DEFINE_float(
        "clip_secs",
        None,
        "Length of a clip in seconds. Default: 2.5 for synthetic, 5 for scenes and esc50, else 10.",
        lower_bound=0.0,
    )
    flags.DEFINE_enum(
        "length_policy",
        "pad",
        LENGTH_POLICIES,
        "For clips shorter than --clip_secs: pad with silence (pad), repeat (repeat) or quarantine "
        "them (crop). Longer clips are cut at the end.",
    )
    flags.DEFINE_enum(
        "payload",
        "log_mel",
        ("log_mel", "audio"),
        "Content of the records: log-mel in float16, or audio in 24-bit FLAC. Models with waveform "
        "input need audio.",
    )


def _define_work() -> None:
    flags.DEFINE_integer("seed", 0, "Seed of everything that is random.", 0, 2**31 - 1)
    flags.DEFINE_integer(
        "clips_per_shard", 128, "Clips per file of records, the unit of resuming.", lower_bound=1
    )
    flags.DEFINE_multi_string(
        "beam_arg",
        [],
        "Option for Apache Beam, repeatable, for example "
        "--beam_arg=--direct_running_mode=multi_processing --beam_arg=--direct_num_workers=8.",
    )


def _define_bounds() -> None:
    flags.DEFINE_float(
        "max_bad_fraction",
        0.1,
        "Fail if a larger share of a split's clips cannot be decoded.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    flags.DEFINE_float(
        "max_missing_fraction",
        0.5,
        "Fail if a larger share of a split's clips has no file.",
        lower_bound=0.0,
        upper_bound=1.0,
    )


def _define_sources() -> None:
    flags.DEFINE_list("validation_folds", ["4"], "esc50, scenes: folds of the validation split.")
    flags.DEFINE_list("eval_folds", ["5"], "esc50, scenes: folds of the evaluation split.")
    flags.DEFINE_float("validation_fraction", 0.1, "folder: share of recordings for validation.")
    flags.DEFINE_float("evaluation_fraction", 0.1, "folder: share of recordings for evaluation.")
    flags.DEFINE_string(
        "source_pattern",
        WHOLE_NAME,
        "folder: regular expression whose first group names the recording that a file was cut "
        "from, e.g. '(.+)_[0-9]+' for name_3.wav; files of one recording are in the same split.",
    )
    for split, scenes in zip(("train", "validation", "evaluation"), SCENES, strict=True):
        extra = f"; audioset: clips to draw (default {PAPER_VALIDATION_CLIPS}, 0: none)"
        flags.DEFINE_integer(
            f"{split}_clips",
            None,
            f"synthetic, scenes: {split} scenes to mix (default {scenes})"
            f"{extra if split == 'validation' else ''}.",
            lower_bound=0,
        )
    flags.DEFINE_string(
        "labels_file", None, "csv: file of the label set, one name per line, in class order."
    )
    for name, default in _audioset_parts().items():
        meaning = _AUDIOSET_PARTS[name]
        flags.DEFINE_string(
            f"audioset_{name}", default, f"audioset: {meaning}; path relative to --source."
        )


def _audioset_parts() -> dict[str, str]:
    return {name: getattr(AudiosetFiles, name) for name in _AUDIOSET_PARTS}


def clip_secs() -> float:
    """The length of a clip: that of --clip_secs, or the layout's."""
    default = CLIP_SECS.get(FLAGS.dataset, DEFAULT_CLIP_SECS)
    return default if FLAGS.clip_secs is None else FLAGS.clip_secs


def _source_options() -> SourceOptions:
    source = Path(FLAGS.source) if FLAGS.source else None
    parts = {name: FLAGS[f"audioset_{name}"].value for name in ("train", "evaluation", "pool")}
    return SourceOptions(
        source=source,
        generated=Path(FLAGS.data_dir) / "source",
        clip_secs=clip_secs(),
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
