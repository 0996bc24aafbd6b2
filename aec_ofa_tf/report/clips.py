"""Some evaluation clips: their sound, their log-mel, and the tags that a file gives them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.dataset import EVALUATION, Dataset
from aec_ofa_tf.tagging.interpreter import TFLiteModel
from aec_ofa_tf.training.windowed import windows_of

Clip = Mapping[str, np.ndarray]
"""A row of a batch: id, labels and features."""

MOST_CLIPS = 6
_LOOKED_AT = 20
"""Clips among which those of different classes are chosen."""

_TAGS = 3
_SOUND_SECS = 10.0
_RANGE_DB = 80.0
"""What lies further below a clip's peak is black."""


@dataclass(frozen=True)
class Tag:
    """A label with its score.

    Attributes:
        label: the label.
        score: its score in [0, 1].
        is_right: whether the clip has this label.
    """

    label: str
    score: float
    is_right: bool


@dataclass(frozen=True)
class ClipExample:
    """A clip to look at and to listen to.

    Attributes:
        id: the clip's id.
        labels: its labels.
        picture: its log-mel, a PNG file as a data URI.
        sound: its beginning, a FLAC file as a data URI; "" if the records hold no waveforms.
        tags: the labels with the highest scores; empty without a file.
    """

    id: str
    labels: tuple[str, ...]
    picture: str
    sound: str
    tags: tuple[Tag, ...]


def read_clips(records: Dataset, model: Path | None) -> tuple[ClipExample, ...]:
    """Clips of the evaluation split, of different classes as far as the first clips have them.

    Args:
        records: the data.
        model: the TFLite file that tags them, if there is one for these records.

    Raises:
        ValueError: the file or a record is damaged.
    """
    if not records.clips(EVALUATION):
        return ()
    tagger = TFLiteModel(model) if model else None
    features = ("log_mel", "waveform") if records.payload == "audio" else ("log_mel",)
    chosen = _of_different_classes(_clips(records, features))
    return tuple(_example(clip, records, tagger) for clip in chosen)


def _clips(records: Dataset, features: Sequence[str]) -> Iterator[Clip]:
    for batch in records.evaluation_batches(EVALUATION, _LOOKED_AT, features, limit=_LOOKED_AT):
        arrays = {name: batch[name].numpy() for name in ("id", "labels", *features)}
        for row in range(0, len(arrays["id"]), windows_of(records)):  # the first of a clip
            yield {name: values[row] for name, values in arrays.items()}


def _of_different_classes(clips: Iterator[Clip]) -> list[Clip]:
    """The first clips with each combination of labels, filled up with others."""
    new: list[Clip] = []
    others: list[Clip] = []
    seen: set[bytes] = set()
    for clip in clips:
        labels = clip["labels"].tobytes()
        (others if labels in seen else new).append(clip)
        seen.add(labels)
    return [*new, *others][:MOST_CLIPS]


def _example(clip: Clip, records: Dataset, model: TFLiteModel | None) -> ClipExample:
    names, present = records.labels, clip["labels"] > 0
    tags: tuple[Tag, ...] = ()
    if model:
        scores = model.scores(clip[model.info.input])
        best = np.argsort(-scores, kind="stable")[:_TAGS]
        tags = tuple(Tag(names[i], float(scores[i]), bool(present[i])) for i in best)
    waveform = clip.get("waveform")
    return ClipExample(
        bytes(clip["id"]).decode(errors="replace"),
        tuple(name for name, has in zip(names, present, strict=True) if has),
        _data_uri("image/png", _png(clip["log_mel"])),
        "" if waveform is None else _sound(waveform, records.front_end),
        tags,
    )


def _sound(waveform: np.ndarray, front_end: FrontEndConfig) -> str:
    rate = front_end.sample_rate_hz
    part = np.clip(waveform[: round(_SOUND_SECS * rate)], -1.0, 1.0)
    buffer = io.BytesIO()
    soundfile.write(buffer, part, rate, format="FLAC", subtype="PCM_16")
    return _data_uri("audio/flac", buffer.getvalue())


def _png(log_mel: np.ndarray) -> bytes:
    """A picture with a column per frame and a row per mel bin, the lowest at the bottom."""
    from matplotlib.image import imsave  # only training has it

    peak, buffer = float(log_mel.max()), io.BytesIO()
    picture = log_mel.T[::-1]
    imsave(buffer, picture, vmin=peak - _RANGE_DB, vmax=peak, cmap="magma", format="png")
    return buffer.getvalue()


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
