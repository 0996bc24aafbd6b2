"""Lists of clips and of labels, as the layouts have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.fuzz.damage_text import damaged_text
from tests.fuzz.reader import Case, Reader
from tests.recordings import write
from tfrecords.clip import Source
from tfrecords.sources.audioset import AudiosetFiles, read_audioset
from tfrecords.sources.csv_list import read_csv
from tfrecords.sources.esc50 import read_esc50
from tfrecords.sources.recognise import recognise

_NAMES = ("0.wav", "a.wav", "b/c.wav", "Säge, alt.wav", "-d.wav")
_CLIPS = b"""path,labels,split,speaker
a.wav,dog;rain,train,1
b/c.wav,rain,train,2
"S\xc3\xa4ge, alt.wav",dog,validation,3
-d.wav,,evaluation,4
missing.wav,dog,train,
"""
_UNSPLIT = b"path,labels,speaker\r\n" + b"".join(
    b"%d.wav,%s,%d\r\n" % (number, label, number // 2)
    for number in range(24)
    for label in [(b"dog", b"rain", b"dog;rain")[number % 3]]
)
_LABELS = b'dog\nrain\n"Speech, male"\n'
_ESC50 = b"filename,fold,target,category,esc10,src_file,take\n" + b"".join(
    b"%d.wav,%d,%d,%s,True,%d,A\n" % (number, number % 5 + 1, number % 2, label, number)
    for number in range(10)
    for label in [(b"dog", b"rain")[number % 2]]
)
_CLASSES = b'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/05zppz,"Male speech, man"\n'
_SEGMENTS = b"""# Segments csv created Sun Mar  5 10:54:31 2017
# num_ytids=3, num_segs=3, num_unique_labels=2, num_positive_labels=4
# YTID, start_seconds, end_seconds, positive_labels
--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/m/05zppz"
-0DLPzsiXXE, 0.000, 10.000, "/m/09x0r"
-1nilez17Dg, 30.000, 35.500, "/m/05zppz"
"""
_SPREADSHEET = (
    b'YTID,start,end,labels\r\n--PJHxphWEs,30,40,"/m/09x0r,/m/05zppz"\r\nx,0,1,/m/09x0r\r\n'
)
_OTHER_SEGMENTS = b'zzzzzzzzzzz, 0.000, 10.000, "/m/09x0r"\n'


def _make(folder: Path) -> dict[str, list[bytes]]:
    for name in _NAMES:
        write(folder / name)
        write(folder / "audio" / name)
    (folder / "clips.csv").write_bytes(_CLIPS)
    (folder / "meta").mkdir()
    (folder / "meta" / "esc50.csv").write_bytes(_ESC50)
    (folder / "class_labels_indices.csv").write_bytes(_CLASSES)
    (folder / "segments.csv").write_bytes(_SEGMENTS)
    (folder / "other_segments.csv").write_bytes(_OTHER_SEGMENTS)
    return {
        "clips": [_CLIPS, _CLIPS.replace(b"\n", b"\r\n")],
        "clips_grouped": [_CLIPS, _UNSPLIT],
        "labels": [_LABELS],
        "esc50": [_ESC50],
        "audioset_segments": [_SEGMENTS, _SPREADSHEET],
        "audioset_classes": [_CLASSES],
    }


def _esc50(path: Path) -> Source:
    return read_esc50(path.parents[1])


def _audioset(path: Path) -> Source:
    files = AudiosetFiles(path.parent, "segments.csv", "other_segments.csv")
    return read_audioset(files, validation_clips=0)


_READ: dict[str, Callable[[Path], Source]] = {
    "clips": read_csv,
    "clips_grouped": lambda path: read_csv(path, group_by="speaker"),
    "labels": lambda path: read_csv(path.with_name("clips.csv"), path),
    "esc50": _esc50,
    "audioset_segments": _audioset,
    "audioset_classes": _audioset,
}


def _read(case: Case) -> bool:
    if case.kind == "clips":  # a folder or a list of any content has a layout, or is refused
        _recognise(case.path)
    source = _READ[case.kind](case.path)
    clips = (*source.clips, *source.missing)
    root = case.path.parents[1].resolve()
    return (
        {label for clip in clips for label in clip.labels} <= set(source.labels)
        and all(clip.path.resolve().is_relative_to(root) for clip in clips)
        and all(0 <= clip.begin_secs < (clip.end_secs or float("inf")) for clip in clips)
        and len({clip.id for clip in clips}) == len(clips)
        and source.class_counts.labels == source.labels
    )


def _recognise(path: Path) -> None:
    """Looks for the layout; a refusal must name the file, and anything else is raised."""
    try:
        recognise(path)
    except ValueError as error:
        if str(path) not in str(error):
            raise


def _is_refusal(case: Case, error: Exception) -> bool:
    """Errors of the labels as a set name the labels instead of the file."""
    is_reported = isinstance(error, ValueError | OSError) and not isinstance(error, UnicodeError)
    names = (case.path.name, "clips.csv:", "segments.csv:", "label")
    return is_reported and any(name in str(error) for name in names)


READER = Reader(
    _make,
    _read,
    {
        "clips": "list.csv",
        "clips_grouped": "list.csv",
        "labels": "labels.csv",
        "esc50": "meta/esc50.csv",
        "audioset_segments": "segments.csv",
        "audioset_classes": "class_labels_indices.csv",
    },
    damaged_text,
    _is_refusal,
    2500,
)
