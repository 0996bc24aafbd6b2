"""Flags of data sets, and their preparation. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from absl import flags, logging

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.audio.io.decode import LENGTH_POLICIES
from aec_ofa_tf.audio.io.lengths import MAX_MISSING_SHARE
from aec_ofa_tf.classes import ClassCounts
from aec_ofa_tf.ownership import RECORDS, RUN, kinds_of, require_claimable
from pipelines.flags import front_end, sources
from tfrecords.clip import Source
from tfrecords.manifest import Manifest
from tfrecords.prepare_config import PrepareConfig
from tfrecords.recordings import CHECKS
from tfrecords.sources.recognise import recognise
from tfrecords.sources.registry import READERS, read_source

FLAGS = flags.FLAGS

# Defaults of --clip_secs: the length of the layout's recordings.
CLIP_SECS = {"synthetic": 2.5, "scenes": 5.0, "esc50": 5.0}
DEFAULT_CLIP_SECS = 10.0


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
    sources.define_source_flags()
    flags.adopt_module_key_flags(sources)


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
    check_outputs(data_dir=FLAGS.data_dir)
    features = front_end.front_end_from_flags()
    features.clip_samples(clip_secs())  # checks the length before scenes are mixed
    # No other reference to the source is kept, so that `prepare` can free its clips.
    source = [read_source(dataset(), sources.source_options(clip_secs()))]
    check(source[0], features)
    warn_of_gaps(source[0].class_counts)
    # SciPy is slow to import and not needed for --help, a mistyped flag or a wrong source.
    from tfrecords.prepare import prepare

    return prepare(source.pop(), prepare_config(), Path(FLAGS.data_dir), FLAGS.beam_arg)


def prepare_config() -> PrepareConfig:
    """How the flags say that clips are stored.

    Raises:
        ValueError: a flag is wrong.
    """
    return PrepareConfig(
        dataset=dataset(),
        clip_secs=clip_secs(),
        length_policy=FLAGS.length_policy,
        payload=FLAGS.payload,
        seed=FLAGS.seed,
        clips_per_shard=FLAGS.clips_per_shard,
        front_end=front_end.front_end_from_flags(),
        float_scale=FLAGS.float_scale,
        max_missing_audio=FLAGS.max_missing_audio,
        source_check=FLAGS.source_check,
        max_bad_fraction=FLAGS.max_bad_fraction,
        max_missing_fraction=FLAGS.max_missing_fraction,
    )


def warn_of_gaps(counts: ClassCounts, splits: tuple[str, ...] | None = None) -> None:
    """Logs the classes that no clip of a split has, or every clip, and what follows from it."""
    for gap in counts.gaps:
        if splits is None or gap.split in splits:
            logging.warning("%s", gap)


def check_outputs(data_dir: str | None = None, workdir: str | None = None) -> None:
    """Checks that the output folders are new or ours, and lie outside the recordings.

    Raises:
        ValueError: a folder holds other files, lies within `--source`, or serves for two things.
    """
    outputs = {"data_dir": (data_dir, RECORDS), "workdir": (workdir, RUN)}
    given = {name: (Path(path), kind) for name, (path, kind) in outputs.items() if path}
    for name, (path, kind) in given.items():
        _check_outside_source(name, path)
        require_claimable(path, kind)
    places = [path.resolve() for path, _ in given.values()]
    if len(set(places)) < len(places) and len(kinds_of(places[0])) < len(places):
        raise ValueError(
            f"--data_dir and --workdir are both {places[0]}; give the records a folder of their "
            f"own, for example --data_dir={places[0] / 'data'}"
        )


def _check_outside_source(name: str, output: Path) -> None:
    """Refuses an output within the folder of recordings, to which nothing is written.

    Scenes are mixed into the source of `synthetic`, and a CSV list names its files.
    """
    if not FLAGS.source or FLAGS.dataset in ("csv", "synthetic"):
        return
    source = Path(FLAGS.source).resolve()
    if output.resolve().is_relative_to(source):
        raise ValueError(
            f"--{name}={output} lies in --source={FLAGS.source}, to which nothing is written: the "
            "next preparation would take it for recordings. Use a folder outside the source"
        )


def _define_records() -> None:
    flags.DEFINE_enum(
        "dataset",
        None,
        sorted(READERS),
        "Layout of --source. Default: recognised, if --source can only have one layout; without "
        "--source, synthetic, which needs none.",
    )
    flags.DEFINE_string(
        "source",
        None,
        "Recordings. audioset, esc50, folder: a folder in this layout; scenes: a folder in the "
        "ESC-50 layout, whose recordings are mixed; csv: the list file, in whose folder its paths "
        "begin; synthetic: folder to which scenes are written, new or written by this (default: "
        "DATA_DIR/source).",
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
        "clips_per_shard",
        None,
        "Clips per file of records, the unit of parallel work and of resuming. Default: files of "
        "about 128 MB; a small data set is cut into 16 files of at least 16 training clips. "
        "Existing records keep theirs.",
        lower_bound=1,
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
        "max_missing_audio",
        MAX_MISSING_SHARE,
        "Quarantine a recording if more than this share of the length that its header gives is "
        "missing at its end.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    flags.DEFINE_enum(
        "source_check",
        CHECKS[0],
        CHECKS,
        "How to notice recordings that were edited after their preparation at the same size: by "
        "their time (and if it differs, by their checksum), or all by their checksum, which reads "
        "all recordings at each start.",
    )
    flags.DEFINE_float(
        "max_missing_fraction",
        0.5,
        "Fail if a larger share of a split's clips has no file.",
        lower_bound=0.0,
        upper_bound=1.0,
    )


def dataset() -> str:
    """The layout: that of --dataset, or that of --source if it can only have one.

    Raises:
        ValueError: --source may have several layouts or has none that is known.
    """
    if FLAGS.dataset is None and FLAGS.source:
        FLAGS.dataset = recognise(Path(FLAGS.source))
        logging.info("--dataset=%s, by the layout of %s", FLAGS.dataset, FLAGS.source)
    return FLAGS.dataset or "synthetic"


def clip_secs() -> float:
    """The length of a clip: that of --clip_secs, or the layout's."""
    default = CLIP_SECS.get(dataset(), DEFAULT_CLIP_SECS)
    return default if FLAGS.clip_secs is None else FLAGS.clip_secs
