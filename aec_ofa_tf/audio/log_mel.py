"""Log-mel as TensorFlow ops, for training and, in a compact form, for TFLite files.

`numpy_log_mel` computes the same for preparation, without TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

from aec_ofa_tf.audio.front_end import ADD, PANNS, PERIODIC, FrontEndConfig, mel_filters
from aec_ofa_tf.audio.mel_blocks import mel_blocks
from aec_ofa_tf.audio.stft import check_front_end, check_samples, hann_window

_MOST_SLICES = 32
"""Slices per frame; with a shorter hop, the slices would take more bytes than they save."""


def log_mel(waveform: tf.Tensor, config: FrontEndConfig = PANNS) -> tf.Tensor:
    """`10 * log10(mel filters * |STFT|^2)` with a floor, without top-dB clipping (PANNs).

    The STFT is centred with reflect padding. It has samples // hop + 1 frames; the last one is
    dropped, so that 10 s give the paper's 1000 frames. With a static shape the function converts
    to built-in TFLite ops only.

    Args:
        waveform: floating-point [..., samples] at `config.sample_rate_hz`, nominally in [-1, 1].
        config: the parameters of the front end.

    Returns:
        float32 [..., samples // hop_samples, mel_bins] in dB.

    Raises:
        ValueError: the samples are integers, their number is not static, not a multiple of the
            hop, or less than `config.min_samples`, or `config` is no front end.

    Example:
        >>> ofa.log_mel(np.zeros([2, 32000], np.float32)).shape
        TensorShape([2, 100, 64])
    """
    power = _power(waveform, config, _gathered_frames)
    return _decibels(tf.linalg.matmul(power, mel_filters(config)), config)


def compact_log_mel(waveform: tf.Tensor, config: FrontEndConfig = PANNS) -> tf.Tensor:
    """`log_mel` as a graph with small constants, for TFLite files; equal up to float32 rounding.

    Frames are slices instead of gathered samples, whose indices grow with the clip, and the mel
    filters are `mel_blocks`, since the whole matrix is nearly all zeros.

    Args:
        waveform: as for `log_mel`.
        config: the parameters of the front end.

    Returns:
        As `log_mel`.

    Raises:
        ValueError: as `log_mel`.
    """
    power = _power(waveform, config, _sliced_frames)
    parts = [
        tf.linalg.matmul(power[..., block.first_bin : block.end_bin], block.filters)
        for block in mel_blocks(config)
    ]
    return _decibels(tf.concat(parts, axis=-1), config)


def _power(
    waveform: tf.Tensor,
    config: FrontEndConfig,
    frames_of: Callable[[tf.Tensor, FrontEndConfig], tf.Tensor],
) -> tf.Tensor:
    """The power spectrum [..., frames, fft_samples // 2 + 1]."""
    check_front_end(config)
    waveform = tf.convert_to_tensor(waveform)
    shape = None if waveform.shape.rank is None else waveform.shape.as_list()
    check_samples(shape, waveform.dtype.name, waveform.dtype.is_floating, config)
    half = config.fft_samples // 2
    paddings = [[0, 0]] * (waveform.shape.rank - 1) + [[half, half]]
    padded = tf.pad(_emphasised(waveform, config), paddings, mode="REFLECT")
    window = _window_function(config)(config.fft_samples, dtype=tf.float32)
    spectrum = tf.signal.rfft(frames_of(padded, config) * window, [config.fft_samples])
    return tf.square(tf.abs(spectrum))


def _gathered_frames(padded: tf.Tensor, config: FrontEndConfig) -> tf.Tensor:
    # Pre-emphasis shortens the waveform by one sample, so the last frame is missing already.
    end = None if config.pre_emphasis else -config.hop_samples
    return tf.signal.frame(padded[..., :end], config.fft_samples, config.hop_samples)


def _sliced_frames(padded: tf.Tensor, config: FrontEndConfig) -> tf.Tensor:
    """The same frames from slices: with samples in rows of a hop, a frame is a few rows."""
    length, hop = config.fft_samples, config.hop_samples
    rows = math.ceil(length / hop)
    if rows > _MOST_SLICES:
        return _gathered_frames(padded, config)
    frames = math.ceil((padded.shape[-1] - length) / hop)
    shape = [*padded.shape[:-1], frames + rows - 1, hop]
    table = tf.reshape(padded[..., : shape[-2] * hop], shape)
    # The last row of a frame is cut where the frame ends.
    ends = [min(hop, length - row * hop) for row in range(rows)]
    parts = [table[..., row : row + frames, :end] for row, end in enumerate(ends)]
    return tf.concat(parts, axis=-1)


def _decibels(mel_power: tf.Tensor, config: FrontEndConfig) -> tf.Tensor:
    if config.floor_rule == ADD:
        floored = mel_power + config.power_floor
    else:
        floored = tf.maximum(mel_power, config.power_floor)
    return tf.math.log(floored) * (10.0 / math.log(10.0))


def _emphasised(waveform: tf.Tensor, config: FrontEndConfig) -> tf.Tensor:
    waveform = tf.cast(waveform, tf.float32)
    if not config.pre_emphasis:
        return waveform
    return waveform[..., 1:] - config.pre_emphasis * waveform[..., :-1]


def _window_function(config: FrontEndConfig) -> Callable[..., tf.Tensor]:
    """A function that returns the Hann window, padded with zeros to the length of the FFT."""
    if config.window_samples == config.fft_samples and config.window == PERIODIC:
        return tf.signal.hann_window
    # tf.signal returns a symmetric window for odd lengths, even if a periodic one is requested.
    return lambda _, dtype: tf.constant(hann_window(config), dtype)
