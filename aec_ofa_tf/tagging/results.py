"""The results of tagging recordings. No TensorFlow here."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Tag:
    """A label that was recognised.

    Attributes:
        label: name of the label.
        score: score between 0 and 1.
    """

    label: str
    score: float


@dataclass(frozen=True)
class WindowTags:
    """The labels of a part of a recording.

    Attributes:
        begin_secs: start of the part.
        end_secs: end of the part.
        tags: the labels, the highest score first.
    """

    begin_secs: float
    end_secs: float
    tags: tuple[Tag, ...]


@dataclass(frozen=True)
class TagResult:
    """The labels of a recording.

    Attributes:
        file: path of the recording, or "-" for standard input.
        tags: the labels with their scores over all windows, the highest first; None if the
            recording could not be tagged.
        audio_secs: seconds of audio that were tagged.
        compute_secs: seconds that tagging took, without waiting for standard input.
        windows_scored: number of windows that were scored.
        windows: the last windows, if they were requested; otherwise None.
        error: why the recording could not be tagged.
        interrupted: whether a signal ended the recording.
    """

    file: str
    tags: tuple[Tag, ...] | None
    audio_secs: float = 0.0
    compute_secs: float = 0.0
    windows_scored: int = 0
    windows: tuple[WindowTags, ...] | None = None
    error: str | None = None
    interrupted: bool = False

    def __str__(self) -> str:
        if self.tags is None:
            return f"{self.file}: {self.error}"
        return f"{self.file}: {', '.join(f'{t.label} {t.score:.3f}' for t in self.tags) or '-'}"

    @property
    def real_time_factor(self) -> float | None:
        """Audio seconds per compute second."""
        return _ratio(self.audio_secs, self.compute_secs)

    def as_dict(self) -> dict[str, object]:
        """For JSON; entries that do not apply are left out."""
        if self.windows_scored == 0 and self.interrupted and self.compute_secs == 0.0:
            return {"file": self.file, "error": self.error, "interrupted": True}
        row = {**asdict(self), "real_time_factor": self.real_time_factor}
        unknown = {name for name in ("tags", "windows", "error") if row[name] is None}
        if not self.interrupted:
            unknown.add("interrupted")
        return {name: value for name, value in row.items() if name not in unknown}


@dataclass(frozen=True)
class TaggingResult:
    """The labels of several recordings.

    Attributes:
        files: the result of each recording.
        startup_secs: seconds from the start of Python to the first score, without waiting for
            standard input; None if nothing was scored.
    """

    files: tuple[TagResult, ...]
    startup_secs: float | None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        audio_secs = round(sum(file.audio_secs for file in self.files), 6)
        compute_secs = round(sum(file.compute_secs for file in self.files), 6)
        return {
            "files": [file.as_dict() for file in self.files],
            "audio_secs": audio_secs,
            "compute_secs": compute_secs,
            "real_time_factor": _ratio(audio_secs, compute_secs),
            "real_time_factor_is": "audio seconds per compute second",
            "startup_secs": self.startup_secs,
        }


def _ratio(audio_secs: float, compute_secs: float) -> float | None:
    return round(audio_secs / compute_secs, 2) if audio_secs and compute_secs > 0 else None
