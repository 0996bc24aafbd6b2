"""The flags of the layouts of data sets. No TensorFlow here."""

from __future__ import annotations

from pathlib import Path

from absl import flags

from tfrecords.sources.audioset import CUTS, PAPER_VALIDATION_CLIPS, SEGMENT, AudiosetFiles
from tfrecords.sources.folder import SPLIT_RULES, STRATIFIED, WHOLE_NAME
from tfrecords.sources.registry import SCENES, SourceOptions

FLAGS = flags.FLAGS

_AUDIOSET_PARTS = {
    "train": "segment list of the training split",
    "evaluation": "segment list of the evaluation split",
    "pool": "segment list that the validation split is drawn from, also the training list",
    "labels": "list of the classes",
    "audio": "folder of the audio files",
}


def define_source_flags() -> None:
    """Defines the flags of data sets, of which each layout uses its own."""
    _define_shares()
    _define_grouping()
    _define_clip_counts()
    flags.DEFINE_string(
        "labels_file", None, "csv: file of the label set, one name per line, in class order."
    )
    _define_audioset()


def _define_shares() -> None:
    """What belongs to the validation split and to the evaluation split."""
    flags.DEFINE_list(
        "validation_folds",
        ["4"],
        "esc50, scenes: folds of the validation split. esc50: if empty, the split is drawn from "
        "the training folds, see --validation_fraction.",
    )
    flags.DEFINE_list("eval_folds", ["5"], "esc50, scenes: folds of the evaluation split.")
    flags.DEFINE_float(
        "validation_fraction",
        0.1,
        "folder, csv with --group_by, esc50 without --validation_folds: share of recordings for "
        "validation.",
    )
    flags.DEFINE_float(
        "evaluation_fraction",
        0.1,
        "folder, csv with --group_by: share of recordings for evaluation.",
    )


def _define_grouping() -> None:
    """Which files must be in one split, and how splits are drawn."""
    flags.DEFINE_string(
        "source_pattern",
        WHOLE_NAME,
        "folder: regular expression whose first group names the recording that a file was cut "
        "from, e.g. '(.+)_[0-9]+' for name_3.wav; files of one recording are in the same split.",
    )
    flags.DEFINE_string(
        "group_by",
        None,
        "Speakers, sites or devices, none of which is to be in two splits. csv: the column that "
        "names them; if the list has no column split, splits are drawn by them (path: by file). "
        "folder: a named group of --source_pattern, e.g. speaker for '(?P<speaker>.+)_nohash_.+', "
        "or folder: the subfolders of the classes.",
    )
    flags.DEFINE_enum(
        "split_rule",
        STRATIFIED,
        SPLIT_RULES,
        "folder: how splits are drawn. stratified: of each class, with at least one recording per "
        "split if it has three; by_hash: as earlier versions did, for their records.",
    )


def _define_clip_counts() -> None:
    """Numbers of clips to mix or to draw."""
    for split, scenes in zip(("train", "validation", "evaluation"), SCENES, strict=True):
        extra = (
            f"; audioset: clips to draw (default {PAPER_VALIDATION_CLIPS}, or a tenth if "
            "--audioset_pool is the training list; 0: none)"
        )
        flags.DEFINE_integer(
            f"{split}_clips",
            None,
            f"synthetic, scenes: {split} scenes to mix (default {scenes})"
            f"{extra if split == 'validation' else ''}.",
            lower_bound=0,
        )


def _define_audioset() -> None:
    """The files of AudioSet, and what is cut from them."""
    for name, default in _audioset_parts().items():
        meaning = _AUDIOSET_PARTS[name]
        flags.DEFINE_string(
            f"audioset_{name}", default, f"audioset: {meaning}; path relative to --source."
        )
    flags.DEFINE_enum(
        "audioset_cut",
        SEGMENT,
        CUTS,
        "audioset: which seconds to take of a file whose name is an id without times. segment: if "
        "the file reaches the segment's end, so that it holds the whole video, the segment's own "
        "seconds; beginning: the first seconds of every file.",
    )


def _audioset_parts() -> dict[str, str]:
    return {name: getattr(AudiosetFiles, name) for name in _AUDIOSET_PARTS}


def source_options(clip_secs: float) -> SourceOptions:
    """The options of all readers.

    Args:
        clip_secs: length of a clip.

    Raises:
        ValueError: a fold is not a number.
    """
    source = Path(FLAGS.source) if FLAGS.source else None
    parts = {name: FLAGS[f"audioset_{name}"].value for name in ("train", "evaluation", "pool")}
    return SourceOptions(
        source=source,
        generated=Path(FLAGS.data_dir) / "source",
        clip_secs=clip_secs,
        seed=FLAGS.seed,
        clips=(FLAGS.train_clips, FLAGS.validation_clips, FLAGS.evaluation_clips),
        folds=(_folds("validation_folds"), _folds("eval_folds")),
        fractions=(FLAGS.validation_fraction, FLAGS.evaluation_fraction),
        source_pattern=FLAGS.source_pattern,
        group_by=FLAGS.group_by,
        split_rule=FLAGS.split_rule,
        labels_file=Path(FLAGS.labels_file) if FLAGS.labels_file else None,
        audioset=AudiosetFiles(
            source,
            labels=FLAGS.audioset_labels,
            audio=FLAGS.audioset_audio,
            cut=FLAGS.audioset_cut,
            **parts,
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
