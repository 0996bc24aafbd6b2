"""Decodes a clip, also one that is a part of a longer recording."""

from __future__ import annotations

from dataclasses import replace

from aec_ofa_tf.audio.io.decode import Decoded, DecodeError, decode
from aec_ofa_tf.audio.io.errors import StartError
from tfrecords.clip import Clip

# Lengths of downloaded videos and their segments differ from those in the lists by a little.
_TOLERANCE_SECS = 0.5
_SURPLUS_SECS = 1.0


def decode_clip(clip: Clip, sample_rate_hz: int, clip_samples: int, float_scale: str) -> Decoded:
    """Decodes as much of a clip as its record needs.

    A clip with `end_secs` may lie in a file of the whole recording, from `begin_secs` on, or in a
    file of its own, whose name is the same. If the recording reaches the end of the clip, it is the
    whole one. If it does not and is at most 1 s longer than the clip, it is the clip.

    Args:
        clip: the clip.
        sample_rate_hz: sample rate of the result.
        clip_samples: number of samples to decode at most.
        float_scale: full scale of floating-point recordings (`decode.decode`).

    Raises:
        DecodeError: as `decode.decode`, or the file holds neither the clip nor a recording that
            reaches the clip's end.
    """
    if clip.end_secs is None or clip.begin_secs == 0:
        samples = clip_samples
        if clip.end_secs is not None:
            samples = min(samples, round(clip.end_secs * sample_rate_hz))
        return decode(clip.path, sample_rate_hz, max_samples=samples, float_scale=float_scale)
    secs = clip.end_secs - clip.begin_secs
    decoded = _from_whole(clip, sample_rate_hz, float_scale)
    if decoded is None:
        limit = round((secs + _SURPLUS_SECS) * sample_rate_hz)
        decoded = decode(clip.path, sample_rate_hz, max_samples=limit, float_scale=float_scale)
        if len(decoded.waveform) >= limit:
            raise DecodeError(
                clip.path,
                f"more than {secs + _SURPLUS_SECS:g} s, so it is not the clip of {secs:g} s, but "
                f"it ends before the clip does in the whole recording, at {clip.end_secs:g} s; "
                "audioset_cut=beginning takes its first seconds",
            )
    samples = min(clip_samples, round(secs * sample_rate_hz))
    return replace(decoded, waveform=decoded.waveform[:samples])


def _from_whole(clip: Clip, sample_rate_hz: int, float_scale: str) -> Decoded | None:
    """The clip's part of the file, or None if the file ends before it does."""
    secs = (clip.end_secs or 0.0) - clip.begin_secs
    try:
        decoded = decode(
            clip.path,
            sample_rate_hz,
            start_secs=clip.begin_secs,
            max_samples=round(secs * sample_rate_hz),
            float_scale=float_scale,
        )
    except StartError:
        return None
    tolerance = min(_TOLERANCE_SECS, clip.begin_secs / 2)
    return decoded if len(decoded.waveform) >= (secs - tolerance) * sample_rate_hz else None
