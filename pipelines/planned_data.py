"""The data that a dry run tells of: what is there, and what it costs to prepare the rest."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from absl import flags

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.dataset import SPLITS, TRAIN, Dataset
from pipelines import preflight, room
from pipelines.flags import data, front_end, sources
from pipelines.flags.experiment import TrainFlags
from tfrecords.clip import Clip, Source
from tfrecords.manifest import load_manifest
from tfrecords.prepare import is_prepared, prepare
from tfrecords.sources.registry import read_source

FLAGS = flags.FLAGS

_FEW_CLIPS, _MORE_CLIPS = 8, 40
"""Clips that are prepared to measure the seconds of one."""

_MIXED = ("synthetic", "scenes")
"""Layouts whose clips are made by `prepare`."""


@dataclass(frozen=True)
class PlannedData:
    """The data of a run, prepared or not.

    Attributes:
        labels: names of the classes.
        single_label: whether every clip has exactly one label.
        front_end: the front end.
        clip_secs: length of a clip.
        clips: number of clips by split.
        prepared: whether the records are complete.
        clip_prepare_secs: seconds to prepare a clip; 0 if they are.
        clip_bytes: bytes of a clip's record; 0 if they are there.
    """

    labels: tuple[str, ...]
    single_label: bool
    front_end: FrontEndConfig
    clip_secs: float
    clips: Mapping[str, int]
    prepared: bool
    clip_prepare_secs: float = 0.0
    clip_bytes: float = 0.0

    def noise(self, clips: Mapping[str, int], window_secs: float | None = None) -> Dataset:
        """Noise in the shape of the data: so many clips of each split."""
        from aec_ofa_tf.training.noise import NoiseDataset
        from aec_ofa_tf.training.windowed import in_windows

        whole = NoiseDataset(self.labels, self.single_label, self.front_end, self.clip_secs, clips)
        return in_windows(whole, window_secs) if window_secs else whole


def planned_data(request: TrainFlags) -> PlannedData:
    """What is known of the data; a few clips are prepared in a temporary folder to know it.

    Raises:
        ValueError: as `train`, before its first stage.
        OSError: a file cannot be read, or the disk has too little room.
    """
    if "prepare" in request.stages:
        return _to_prepare(request)
    preflight.check_records(request)
    return _prepared()


def _prepared() -> PlannedData:
    manifest = load_manifest(Path(FLAGS.data_dir))
    return PlannedData(
        labels=manifest.labels,
        single_label=manifest.class_counts.single_label,
        front_end=manifest.front_end,
        clip_secs=manifest.configuration["clip_secs"],
        clips={split: manifest.clips.get(split, 0) for split in SPLITS},
        prepared=True,
    )


def _to_prepare(request: TrainFlags) -> PlannedData:
    features = front_end.front_end_from_flags()
    features.clip_samples(data.clip_secs())  # checks the length before scenes are mixed
    with tempfile.TemporaryDirectory() as place:
        began = time.monotonic()
        source, clips = _source(Path(place))
        made_secs = (time.monotonic() - began) if data.dataset() in _MIXED else 0.0
        preflight.check_source(source, features, request)
        is_part = data.dataset() in _MIXED  # of these scenes there are only a few yet
        if not is_part:
            data.warn_of_gaps(source.class_counts)
        if is_prepared(source, data.prepare_config(), Path(FLAGS.data_dir), is_part):
            return _prepared()
        secs, size = _prepare_costs(source, Path(place))
        return PlannedData(
            labels=source.labels,
            single_label=source.class_counts.single_label,
            front_end=features,
            clip_secs=data.clip_secs(),
            clips=clips,
            prepared=False,
            clip_prepare_secs=secs + made_secs / max(len(source.clips), 1),
            clip_bytes=size,
        )


def _source(place: Path) -> tuple[Source, dict[str, int]]:
    """The source, of scenes only a few, and the number of its clips by split."""
    options = replace(sources.source_options(data.clip_secs()), generated=place / "source")
    if data.dataset() in _MIXED:
        clips = dict(options.scenes)
        train, validation, evaluation = (min(count, _MORE_CLIPS) for count in clips.values())
        out = options.source if data.dataset() == "scenes" else None
        return read_source(
            data.dataset(), replace(options, clips=(train, validation, evaluation), source=out)
        ), clips
    source = read_source(data.dataset(), options)
    return source, dict(source.class_counts.clips)


def _prepare_costs(source: Source, place: Path) -> tuple[float, float]:
    """Seconds and bytes of a clip, from the difference between a few clips and more."""
    secs, sizes = [], []
    counts = [min(count, len(source.clips)) for count in (_FEW_CLIPS, _MORE_CLIPS)]
    for count in counts:
        part = replace(source, clips=_first_of_each_label(source.split(TRAIN), count), missing=())
        folder = place / f"records-{count}"
        began = time.monotonic()
        prepare(part, data.prepare_config(), folder, FLAGS.beam_arg)
        secs.append(time.monotonic() - began)
        sizes.append(room.written_bytes(folder))
    more = max(counts[1] - counts[0], 1)
    return max(secs[1] - secs[0], 0.0) / more, max(sizes[1] - sizes[0], 0) / more


def _first_of_each_label(clips: tuple[Clip, ...], most: int) -> tuple[Clip, ...]:
    """Up to `most` clips, of every set of labels one before any has two."""
    first = {clip.labels: clip for clip in reversed(clips)}
    others = (clip for clip in clips if first[clip.labels] is not clip)
    return tuple([*first.values(), *others][:most])
