"""AudioSet: segment lists in their two common forms, labels, and a folder of downloaded audio."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aec_ofa_tf.files import inside
from tfrecords.clip import EVALUATION, TRAIN, VALIDATION, Clip, Row, Source, SourceError, collect
from tfrecords.sources.table import read_cells, read_table

# The paper draws this number of clips from the unbalanced list.
PAPER_VALIDATION_CLIPS = 28339
# Spreadsheets replace an id that begins with `-` or `=` by such an error value.
_SPREADSHEET_ERROR = re.compile(r"#[A-Z0-9/]+[?!]?$")


@dataclass(frozen=True)
class AudiosetFiles:
    """The files of AudioSet; relative paths are below `root`.

    Attributes:
        root: the dataset's folder.
        train: segment list of the training split.
        evaluation: segment list of the evaluation split.
        pool: segment list that the validation split is drawn from.
        labels: `class_labels_indices.csv`.
        audio: folder of audio files, searched with its subfolders.
    """

    root: Path
    train: str = "balanced_train_segments.csv"
    evaluation: str = "eval_segments.csv"
    pool: str = "unbalanced_train_segments.csv"
    labels: str = "class_labels_indices.csv"
    audio: str = "audio"


@dataclass(frozen=True, slots=True)  # the unbalanced list has two million
class Segment:
    """One row of a segment list: id, start and end in seconds, labels by display name."""

    id: str
    start_secs: float
    end_secs: float
    labels: tuple[str, ...]
    place: str


def read_audioset(
    files: AudiosetFiles, validation_clips: int = PAPER_VALIDATION_CLIPS, seed: int = 0
) -> Source:
    """Reads the training and evaluation splits and draws a validation split.

    The validation split is drawn from the pool without the ids of training and evaluation: the ids
    are sorted by their hash with the seed, and the first ones are taken. So a larger draw with the
    same seed contains the smaller one, and the draw does not depend on the downloaded audio files.
    Labels are display names.

    Args:
        files: the files of AudioSet.
        validation_clips: number of clips to draw; 0 needs no pool.
        seed: seed of the draw.

    Raises:
        SourceError: a row is malformed, a label is unknown, an id is in two splits, or the pool is
            too small.
        FileNotFoundError: a list or the audio folder is missing.
    """
    root = files.root
    names = read_class_labels(root / files.labels)
    train = read_segments(root / files.train, names)
    evaluation = read_segments(root / files.evaluation, names)
    taken = {segment.id for segment in (*train, *evaluation)}
    drawn: list[Segment] = []
    if validation_clips:
        pool = [s for s in read_segments(root / files.pool, names) if s.id not in taken]
        drawn = _draw(pool, validation_clips, seed, root / files.pool)
    stems = _audio_stems(root / files.audio)
    rows: list[Row] = []
    for split, segments in ((TRAIN, train), (EVALUATION, evaluation), (VALIDATION, drawn)):
        rows += [_row(segment, split, root / files.audio, stems) for segment in segments]
    return collect(list(names.values()), rows, validation_drawn=len(drawn))


def read_class_labels(path: Path) -> dict[str, str]:
    """Reads `class_labels_indices.csv`: machine id -> display name, in the order of the classes.

    Raises:
        SourceError: the indices do not count from 0, or a machine id is repeated.
    """
    names: dict[str, str] = {}
    for row in read_table(path, ("index", "mid", "display_name")):
        if row.integer("index") != len(names):
            raise SourceError(f"{row.place}: index {row['index']!r}, expected {len(names)}")
        if row["mid"] in names:
            raise SourceError(f"{row.place}: machine id {row['mid']!r} is listed twice")
        names[row["mid"]] = row["display_name"]
    return names


def read_segments(path: Path, names: dict[str, str]) -> list[Segment]:
    """Reads a segment list in the official form or as saved by a spreadsheet program.

    The official form has three `#` lines, then rows with comma and space as separator and quoted
    labels. Spreadsheet programs drop the space, a header line, the quotes of single labels and the
    trailing zeros of `30.000`.

    Args:
        path: the list.
        names: machine id -> display name.

    Raises:
        SourceError: a row has neither form, a label is not in `names`, or an id has two different
            rows.
    """
    segments: dict[str, Segment] = {}
    for cells, place in read_cells(path):
        if not segments and _is_header(cells):
            continue
        segment = _segment(cells, place, names)
        first = segments.setdefault(segment.id, segment)
        if replace(first, place=place) != segment:
            raise SourceError(
                f"{place}: clip {segment.id!r} differs from the row with the same id at "
                f"{first.place}; remove one of them"
            )
    return list(segments.values())


def _is_header(cells: Sequence[str]) -> bool:
    first = cells[0]
    if _SPREADSHEET_ERROR.match(first):
        return False
    return first.startswith("#") or first.upper() == "YTID"


def _segment(cells: Sequence[str], place: str, names: dict[str, str]) -> Segment:
    if len(cells) != 4:
        raise SourceError(
            f"{place}: malformed row {','.join(cells)!r}; expected id, start, end, labels (several "
            "labels in quotes)"
        )
    clip_id, start, end, mids = cells
    if not clip_id or _SPREADSHEET_ERROR.match(clip_id) or set(clip_id) & set("/\\\0"):
        raise SourceError(
            f"{place}: {clip_id!r} is not a YouTube id; restore it from the original list"
        )
    try:
        start_secs, end_secs = float(start), float(end)
    except ValueError as error:
        raise SourceError(f"{place}: {start!r} and {end!r} are not times in seconds") from error
    if not 0 <= start_secs < end_secs < float("inf"):
        raise SourceError(f"{place}: the segment from {start} to {end} s has no length")
    labels = tuple(dict.fromkeys(_name(mid.strip(), place, names) for mid in mids.split(",")))
    return Segment(clip_id, start_secs, end_secs, labels, place)


def _name(mid: str, place: str, names: dict[str, str]) -> str:
    if mid not in names:
        raise SourceError(f"{place}: label {mid!r} is unknown; it is not in the labels file")
    return names[mid]


def _draw(pool: list[Segment], count: int, seed: int, path: Path) -> list[Segment]:
    if len(pool) < count:
        raise SourceError(
            f"{path}: {len(pool)} clips are neither in training nor in evaluation, fewer than "
            f"--validation_clips={count}; draw fewer clips"
        )

    def rank(segment: Segment) -> bytes:
        return hashlib.sha256(f"{seed}:{segment.id}".encode()).digest()

    return sorted(pool, key=rank)[:count]


def _audio_stems(folder: Path) -> dict[str, str]:
    """Stem -> name relative to the folder; for equal stems the first file in order is taken."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing; --source needs a folder of audio files")
    stems: dict[str, str] = {}
    for directory, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            path = Path(directory) / file
            stems.setdefault(path.stem, path.relative_to(folder).as_posix())
    return stems


def _row(segment: Segment, split: str, folder: Path, stems: dict[str, str]) -> Row:
    found = next((stems[stem] for stem in _stems(segment) if stem in stems), None)
    name = found or f"{segment.id}.wav"
    path = inside(folder, name, segment.place)
    return Row(Clip(segment.id, path, segment.labels, split), segment.place)


def _stems(segment: Segment) -> Iterator[str]:
    """The usual file names: id or Yid, then nothing, start, or start and end, in s or ms."""
    starts, ends = _times(segment.start_secs), _times(segment.end_secs)
    for name in (segment.id, f"Y{segment.id}"):
        yield name
        for start, end in zip(starts, ends, strict=True):
            yield f"{name}_{start}"
            yield f"{name}_{start}_{end}"


def _times(secs: float) -> list[str]:
    millis = round(secs * 1000)
    return [f"{secs:g}", f"{secs:.1f}", f"{secs:.2f}", f"{secs:.3f}", str(millis)]
