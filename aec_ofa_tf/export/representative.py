"""Chooses the clips on which int8 quantisation measures the ranges of values."""

from __future__ import annotations

import numpy as np

from aec_ofa_tf.audio.front_end import FrontEndConfig


def choose_representative(
    log_mel: np.ndarray, labels: np.ndarray, count: int, seed: int = 0
) -> np.ndarray:
    """Draws clips that are balanced over classes and include the quietest and the loudest clip.

    The extremes of the clips determine the scales: without a quiet clip the -100 dB floor would
    saturate, without a loud clip the peaks would. Then the classes take turns to add a random clip
    that is not chosen yet.

    Args:
        log_mel: [clips, frames, mel_bins] in dB.
        labels: [clips, classes], positive if the clip has the label.
        count: number of clips to choose; all clips if there are fewer.
        seed: seed of the draw.

    Returns:
        int64 [min(count, clips)], distinct indices into `log_mel`.

    Raises:
        ValueError: `count` is below 2, or clips and labels differ in number.
    """
    if count < 2 or len(log_mel) != len(labels):
        raise ValueError(
            "expected a count of at least 2 and one row of labels per clip, received "
            f"{count}, {len(log_mel)} clips and {len(labels)} rows"
        )
    level = log_mel.mean(axis=(1, 2), dtype=np.float64)
    peak = log_mel.max(axis=(1, 2))
    chosen = dict.fromkeys([int(np.argmin(level)), int(np.argmax(peak))])
    for index in _taking_turns(labels, np.random.default_rng(seed)):
        if len(chosen) >= min(count, len(log_mel)):
            break
        chosen[index] = None
    return np.array(list(chosen), np.int64)


def with_silence(clips: np.ndarray, input_kind: str, front_end: FrontEndConfig) -> np.ndarray:
    """Adds a clip of digital silence, which is rare in recordings but occurs on devices.

    Args:
        clips: float32 [clips, frames, mel_bins] in dB, or [clips, samples].
        input_kind: "log_mel" or "waveform".
        front_end: the front end, whose power floor is the log-mel of silence.

    Returns:
        float32 [clips + 1, ...], the silent clip last.
    """
    floor_db = 10.0 * np.log10(front_end.power_floor) if input_kind == "log_mel" else 0.0
    return np.concatenate([clips, np.full_like(clips[:1], floor_db)])


def _taking_turns(labels: np.ndarray, generator: np.random.Generator) -> list[int]:
    """Indices of all clips: the first clip of each class, then the second of each, and so on."""
    order = generator.permutation(len(labels))
    queues = [order[labels[order, label] > 0] for label in range(labels.shape[1])]
    longest = max((len(queue) for queue in queues), default=0)
    turns = [int(queue[turn]) for turn in range(longest) for queue in queues if turn < len(queue)]
    return [*turns, *(int(index) for index in order)]
