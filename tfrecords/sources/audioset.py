"""AudioSet: segment lists in their two common forms, labels, and a folder of downloaded audio."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aec_ofa_tf.files import inside
from tfrecords.clip import EVALUATION, TRAIN, VALIDATION, Clip, Row, Source, SourceError, collect
from tfrecords.sources.audioset_files import AudioFiles, plain_names, usual_names
from tfrecords.sources.table import read_cells, read_table

SEGMENT, BEGINNING = "segment", "beginning"
CUTS = (SEGMENT, BEGINNING)

# Share of the training list that is drawn for validation by default, if it is drawn from there.
_DRAWN_SHARE = 0.1
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
        cut: which seconds are taken of a file whose name is an id without times: "segment" cuts the
            segment out of files that hold the whole video, "beginning" takes the first ones of
            every file, as earlier versions did.
    """

    root: Path
    train: str = "balanced_train_segments.csv"
    evaluation: str = "eval_segments.csv"
    pool: str = "unbalanced_train_segments.csv"
    labels: str = "class_labels_indices.csv"
    audio: str = "audio"
    cut: str = SEGMENT

    def __post_init__(self) -> None:
        if self.cut not in CUTS:
            raise SourceError(f"audioset_cut is one of {CUTS}, received {self.cut!r}")

    @property
    def draws_from_training(self) -> bool:
        """Whether the validation split is drawn from the training list."""
        return self.root / self.pool == self.root / self.train


@dataclass(frozen=True, slots=True)  # the unbalanced list has two million
class Segment:
    """One row of a segment list: id, start and end in seconds, labels by display name."""

    id: str
    start_secs: float
    end_secs: float
    labels: tuple[str, ...]
    place: str


def read_audioset(
    files: AudiosetFiles, validation_clips: int | None = None, seed: int = 0
) -> Source:
    """Reads the training and evaluation splits and draws a validation split.

    The validation split is drawn from the pool without the ids of training and evaluation: the ids
    are sorted by their hash with the seed, and the first ones are taken. So a larger draw with the
    same seed contains the smaller one, and the draw does not depend on the downloaded audio files.
    If the pool is the training list, what is drawn is no longer for training. Labels are display
    names.

    Args:
        files: the files of AudioSet.
        validation_clips: number of clips to draw; 0 needs no pool. None for 28,339, as in the
            paper, or a tenth of the training list if they are drawn from there.
        seed: seed of the draw.

    Raises:
        SourceError: a row is malformed, a label is unknown, an id is in two splits, or the pool is
            too small.
        FileNotFoundError: a list or the audio folder is missing.
    """
    root = files.root
    names = read_class_labels(root / files.labels)
    segments = {
        TRAIN: read_segments(root / files.train, names),
        EVALUATION: read_segments(root / files.evaluation, names),
    }
    pool = [] if validation_clips == 0 else _pool(files, segments, names)
    if validation_clips is None and files.draws_from_training:
        validation_clips = max(1, round(_DRAWN_SHARE * len(pool)))
    count = PAPER_VALIDATION_CLIPS if validation_clips is None else validation_clips
    drawn = _draw(pool, count, seed, root / files.pool)
    if files.draws_from_training:
        taken = {segment.id for segment in drawn}
        segments[TRAIN] = [segment for segment in segments[TRAIN] if segment.id not in taken]
    segments[VALIDATION] = drawn
    audio = AudioFiles.of(root / files.audio)
    rows = [
        _row(segment, split, audio, files.cut)
        for split, found in segments.items()
        for segment in found
    ]
    listed = [segment for found in (*segments.values(), pool) for segment in found]
    source = collect(
        list(names.values()),
        rows,
        notes=audio.strays(names_of(segment) for segment in listed),
        validation_drawn=len(drawn),
        audioset_cut=SEGMENT if any(row.clip.begin_secs for row in rows) else BEGINNING,
    )
    return replace(source, searched=root / files.audio)


def _pool(
    files: AudiosetFiles, segments: dict[str, list[Segment]], names: dict[str, str]
) -> list[Segment]:
    """The segments that validation clips are drawn from."""
    if files.draws_from_training:
        return segments[TRAIN]
    path = files.root / files.pool
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, from which the validation split is drawn. Without it, draw from "
            f"the training list with --audioset_pool={files.train}, or from another list, or set "
            "--validation_clips=0 for no validation split"
        )
    taken = {segment.id for found in segments.values() for segment in found}
    return [segment for segment in read_segments(path, names) if segment.id not in taken]


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


def _row(segment: Segment, split: str, audio: AudioFiles, cut: str) -> Row:
    stem = next((stem for stem in names_of(segment) if stem in audio.name_of), None)
    name = audio.name_of[stem] if stem else f"{segment.id}.wav"
    path = inside(audio.folder, name, segment.place)
    clip = Clip(segment.id, str(path), segment.labels, split)
    # A name with times is that of the segment alone.
    if cut == SEGMENT and stem in plain_names(segment.id):
        clip = replace(clip, begin_secs=segment.start_secs, end_secs=segment.end_secs)
    return Row(clip, segment.place)


def names_of(segment: Segment) -> Iterator[str]:
    """The usual names of a segment's file without suffix."""
    return usual_names(segment.id, segment.start_secs, segment.end_secs)
