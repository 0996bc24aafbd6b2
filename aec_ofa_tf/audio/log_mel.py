"""PANNs' log-mel as TensorFlow ops: the one implementation for preparation, training and TFLite."""

from __future__ import annotations

import math

import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS, FrontEndConfig, mel_filters


def log_mel(waveform: tf.Tensor, config: FrontEndConfig = PANNS) -> tf.Tensor:
    """10 * log10(max(mel filters * |STFT|^2, floor)), without top-dB clipping (PANNs).

    The STFT is centred with reflect padding; of its samples // hop + 1 frames the last is
    dropped, so that 10 s give the paper's 1000 frames. With a static shape it converts to
    built-in TFLite ops only.

    Args:
        waveform: float32 [..., samples] at `config.sample_rate_hz`, nominally in [-1, 1].
        config: the front end's numbers.

    Returns:
        float32 [..., samples // hop_samples, mel_bins] in dB.

    Raises:
        ValueError: the number of samples is not static or not a multiple of the hop.
    """
    _check_samples(waveform, config)
    half = config.window_samples // 2
    paddings = [[0, 0]] * (waveform.shape.rank - 1) + [[half, half]]
    padded = tf.pad(tf.cast(waveform, tf.float32), paddings, mode="REFLECT")
    spectrum = tf.signal.stft(
        padded[..., : -config.hop_samples],
        frame_length=config.window_samples,
        frame_step=config.hop_samples,
        window_fn=tf.signal.hann_window,
    )
    power = tf.square(tf.abs(spectrum))
    mel_power = tf.linalg.matmul(power, mel_filters(config))
    return tf.math.log(tf.maximum(mel_power, config.power_floor)) * (10.0 / math.log(10.0))


def _check_samples(waveform: tf.Tensor, config: FrontEndConfig) -> None:
    samples = waveform.shape[-1]
    if samples is None or samples % config.hop_samples:
        raise ValueError(
            f"log_mel needs a static number of samples that is a multiple of {config.hop_samples}, "
            f"received shape {waveform.shape}"
        )
