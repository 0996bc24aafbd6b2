"""Decodes a clip, also one that is a part of a longer recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from aec_ofa_tf.audio.io.decode import Decoded, DecodeError, decode
from aec_ofa_tf.audio.io.errors import StartError
from tfrecords.clip import Clip
from tfrecords.clip_format import ClipFormat

# Lengths of downloaded videos and their segments differ from those in the lists by a little.
_TOLERANCE_SECS = 0.5
_SURPLUS_SECS = 1.0


def decode_clip(clip: Clip, form: ClipFormat) -> Decoded:
    """Decodes as much of a clip as its record needs.

    A clip with `end_secs` may lie in a file of the whole recording, from `begin_secs` on, or in a
    file of its own, whose name is the same. If the recording reaches the end of the clip, it is the
    whole one. If it does not and is at most 1 s longer than the clip, it is the clip.

    Args:
        clip: the clip.
        form: the sample rate of the result, its length at most, and how recordings are decoded.

    Raises:
        DecodeError: as `decode.decode`, or the file holds neither the clip nor a recording that
            reaches the clip's end.
    """
    rate_hz, clip_samples = form.front_end.sample_rate_hz, form.clip_samples
    read = partial(
        decode,
        clip.path,
        rate_hz,
        float_scale=form.float_scale,
        max_missing=form.max_missing_audio,
    )
    if clip.end_secs is None or clip.begin_secs == 0:
        samples = clip_samples
        if clip.end_secs is not None:
            samples = min(samples, round(clip.end_secs * rate_hz))
        return read(max_samples=samples)
    secs = clip.end_secs - clip.begin_secs
    decoded = _from_whole(clip, rate_hz, read)
    if decoded is None:
        limit = round((secs + _SURPLUS_SECS) * rate_hz)
        decoded = read(max_samples=limit)
        if len(decoded.waveform) >= limit:
            raise DecodeError(
                clip.path,
                f"more than {secs + _SURPLUS_SECS:g} s, so it is not the clip of {secs:g} s, but "
                f"it ends before the clip does in the whole recording, at {clip.end_secs:g} s; "
                "audioset_cut=beginning takes its first seconds",
            )
    samples = min(clip_samples, round(secs * rate_hz))
    return replace(decoded, waveform=decoded.waveform[:samples])


def _from_whole(clip: Clip, sample_rate_hz: int, read: Callable[..., Decoded]) -> Decoded | None:
    """The clip's part of the file, or None if the file ends before it does."""
    secs = (clip.end_secs or 0.0) - clip.begin_secs
    try:
        decoded = read(start_secs=clip.begin_secs, max_samples=round(secs * sample_rate_hz))
    except StartError:
        return None
    tolerance = min(_TOLERANCE_SECS, clip.begin_secs / 2)
    return decoded if len(decoded.waveform) >= (secs - tolerance) * sample_rate_hz else None
