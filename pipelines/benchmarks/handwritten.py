"""A CNN10 written by hand in plain Keras, to compare materialised subnets with.

It shares no code with `aec_ofa_tf.models`. Two details, marked by comments, are there for the
TFLite converter; without them the order of two parallel operators differs, or the converter splits
the dense layer in two.
"""

from __future__ import annotations

from collections.abc import Sequence

from aec_ofa_tf.pinned_keras import keras

layers = keras.layers


def handwritten_cnn10(
    widths: Sequence[Sequence[int]],
    frames: int,
    classes: int,
    mel_bins: int = 64,
    embedding_units: int = 512,
    pool_last: bool = False,
) -> keras.Model:
    """PANNs' CNN10 (PANNs `models.py`) for inference.

    Args:
        widths: output channels of the 3x3 convolutions, a sequence per block.
        frames: frames of a clip.
        classes: number of scores.
        mel_bins: mel bins of a frame.
        embedding_units: width of the dense layer before the classifier.
        pool_last: whether a pooling layer follows the last block too.

    Returns:
        A model from float32 [batch, frames, mel_bins] log-mel in dB to float32 [batch, classes].
    """
    log_mel = keras.Input((frames, mel_bins))
    x = layers.BatchNormalization(epsilon=1e-5)(log_mel)
    x = layers.Reshape((frames, mel_bins, 1))(x)
    for number, block in enumerate(widths):
        if number:
            x = layers.AveragePooling2D(2)(x)
        for channels in block:
            x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(epsilon=1e-5)(x)
            x = layers.ReLU()(x)
    if pool_last:
        x = layers.AveragePooling2D(2)(x)
    x = layers.AveragePooling2D((1, x.shape[2]))(x)
    # The converter orders parallel operators by name: the maximum comes first.
    loudest = layers.MaxPooling2D((x.shape[1], 1), name="time_1_max")(x)
    mean = layers.AveragePooling2D((x.shape[1], 1), name="time_2_mean")(x)
    # The ReLU does not change the values; without it the converter computes the dense layer twice.
    x = layers.ReLU()(layers.Add()([loudest, mean]))
    x = layers.Flatten()(x)
    x = layers.Dense(embedding_units, activation="relu")(x)
    return keras.Model(log_mel, layers.Dense(classes, activation="sigmoid")(x))
