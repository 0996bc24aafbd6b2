"""Downloaded files of AudioSet: their names, and which of several files of a clip is taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aec_ofa_tf.audio.io.folders import files_below
from aec_ofa_tf.audio.io.suffixes import is_no_sound, preference

_UNKNOWN_SUFFIX = 2
_NAMED = 5


@dataclass(frozen=True)
class AudioFiles:
    """The files in the folder of audio.

    Attributes:
        folder: the folder.
        name_of: name without folders and suffix -> path within the folder.
    """

    folder: Path
    name_of: dict[str, str]

    @classmethod
    def of(cls, folder: Path) -> AudioFiles:
        """Searches a folder with its subfolders.

        Of several files with one name, such as `id.m4a` and `id.wav`, that is taken whose suffix
        stands for a format which every install decodes; at a tie, the first in order.

        Raises:
            FileNotFoundError: there is no such folder.
            ValueError, OSError: as `files_below`.
        """
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is missing; --source needs a folder of audio files")
        best: dict[str, tuple[int, str]] = {}
        for path in files_below(folder, folder):
            if is_no_sound(path):
                continue
            rank = preference(path)
            rank = _UNKNOWN_SUFFIX if rank is None else rank
            if path.stem not in best or rank < best[path.stem][0]:
                best[path.stem] = (rank, path.relative_to(folder).as_posix())
        return cls(folder, {stem: name for stem, (_, name) in best.items()})

    def strays(self, usual: Iterable[Iterable[str]]) -> list[str]:
        """A sentence on the files that belong to no segment, if there are any.

        Args:
            usual: the usual names of each segment's file.
        """
        strays = dict(self.name_of)
        for names in usual:
            if not strays:
                return []
            for name in names:
                strays.pop(name, None)
        if not strays:
            return []
        named = ", ".join(sorted(strays.values())[:_NAMED])
        return [
            f"{len(strays)} of {len(self.name_of)} files in {self.folder} match no segment of the "
            f"lists, such as {named}: their names are no id of the lists, alone or with the "
            "segment's times"
        ]


def plain_names(clip_id: str) -> tuple[str, str]:
    """The names without times: the file holds the segment or the whole video."""
    return clip_id, f"Y{clip_id}"


def usual_names(clip_id: str, start_secs: float, end_secs: float) -> Iterator[str]:
    """The usual names without suffix: id or Yid, then nothing, the start, or start and end.

    Times are in s or ms, or in s with six digits; `_` or `-` stands between them.
    """
    starts, ends = _times(start_secs), _times(end_secs)
    for name in plain_names(clip_id):
        yield name
        for start, end in zip(starts, ends, strict=True):
            yield f"{name}_{start}"
            yield f"{name}_{start}_{end}"
            yield f"{name}_{start}-{end}"


def _times(secs: float) -> list[str]:
    millis = round(secs * 1000)
    digits = f"{round(secs):06d}"
    return [f"{secs:g}", f"{secs:.1f}", f"{secs:.2f}", f"{secs:.3f}", str(millis), digits]
