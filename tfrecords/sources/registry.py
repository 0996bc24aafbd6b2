"""Reads a dataset by the name of its layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfrecords.clip import SPLITS, Source, SourceError
from tfrecords.sources.audioset import AudiosetFiles, read_audioset
from tfrecords.sources.csv_list import read_csv
from tfrecords.sources.esc50 import read_esc50
from tfrecords.sources.folder import STRATIFIED, WHOLE_NAME, read_folder
from tfrecords.sources.mixer import MixerConfig
from tfrecords.sources.scenes import read_esc50_scenes
from tfrecords.sources.synthetic import read_synthetic

# Default numbers of scenes, in the order of SPLITS.
SCENES = (1500, 300, 300)


@dataclass(frozen=True)
class SourceOptions:
    """The options of all readers; each reader uses its own.

    Attributes:
        source: the recordings: a folder, or the list file of `csv`.
        generated: directory for mixed scenes.
        clip_secs: length of a scene.
        seed: seed of draws and scenes.
        clips: numbers of train, validation and evaluation scenes to mix (for AudioSet: of
            validation clips to draw); None for the layout's default.
        folds: folds of validation and of evaluation.
        fractions: shares of validation and of evaluation (`folder`, `csv`; `esc50` without
            validation folds).
        source_pattern: regular expression that finds a file's recording (`folder`).
        group_by: what no two splits share (`folder`, `csv`).
        split_rule: how splits are drawn (`folder`).
        labels_file: the label set (`csv`).
        audioset: the files of AudioSet.
        max_bad_fraction: bound on the share of unusable recordings (`scenes`).
    """

    source: Path | None
    generated: Path
    clip_secs: float
    seed: int = 0
    clips: tuple[int | None, int | None, int | None] = (None, None, None)
    folds: tuple[tuple[int, ...], tuple[int, ...]] = ((4,), (5,))
    fractions: tuple[float, float] = (0.1, 0.1)
    source_pattern: str = WHOLE_NAME
    group_by: str | None = None
    split_rule: str = STRATIFIED
    labels_file: Path | None = None
    audioset: AudiosetFiles | None = None
    max_bad_fraction: float = 0.1

    @property
    def scenes(self) -> Mapping[str, int]:
        """Split -> number of scenes to mix."""
        counts = zip(SPLITS, self.clips, SCENES, strict=True)
        return {split: default if count is None else count for split, count, default in counts}

    @property
    def root(self) -> Path:
        """The recordings.

        Raises:
            SourceError: `source` is None.
        """
        if self.source is None:
            raise SourceError("this dataset needs --source, the recordings")
        return self.source


def read_source(dataset: str, options: SourceOptions) -> Source:
    """Reads a dataset by the name of its layout.

    Raises:
        SourceError: the layout is unknown, or its reader raises it.
    """
    if dataset not in READERS:
        raise SourceError(f"dataset {dataset!r} is unknown; use one of {', '.join(READERS)}")
    return READERS[dataset](options)


def _audioset(options: SourceOptions) -> Source:
    files = options.audioset or AudiosetFiles(options.root)
    return read_audioset(files, options.clips[1], options.seed)


def _esc50(options: SourceOptions) -> Source:
    return read_esc50(options.root, *options.folds, options.fractions[0])


def _csv(options: SourceOptions) -> Source:
    return read_csv(options.root, options.labels_file, options.group_by, *options.fractions)


def _folder(options: SourceOptions) -> Source:
    return read_folder(
        options.root,
        *options.fractions,
        options.source_pattern,
        options.group_by,
        options.split_rule,
    )


def _scenes(options: SourceOptions) -> Source:
    config = MixerConfig(options.scenes, options.clip_secs, options.seed)
    return read_esc50_scenes(
        options.root, options.folds, options.generated, config, options.max_bad_fraction
    )


def _synthetic(options: SourceOptions) -> Source:
    out_dir = options.source or options.generated
    return read_synthetic(out_dir, options.scenes, options.clip_secs, options.seed)


READERS: dict[str, Callable[[SourceOptions], Source]] = {
    "audioset": _audioset,
    "csv": _csv,
    "esc50": _esc50,
    "folder": _folder,
    "scenes": _scenes,
    "synthetic": _synthetic,
}
