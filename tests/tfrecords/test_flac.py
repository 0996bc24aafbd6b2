import numpy as np
import pytest
import tensorflow as tf

from tfrecords import flac, flac_batch

RATE_HZ = 32_000
SAMPLES = 5_000
STEP = 2**8  # a 24-bit sample lies in the upper bits of an int32


def integers(clips: int) -> np.ndarray:
    """24-bit samples, int32 [clips, SAMPLES], the extremes among them."""
    drawn = np.random.default_rng(5).integers(-(2**23), 2**23, (clips, SAMPLES), np.int32)
    drawn[:, :3] = -(2**23), 2**23 - 1, 0
    return drawn


def encoded(clips: np.ndarray) -> tf.Tensor:
    return tf.constant([flac.encode(clip / 2.0**23, RATE_HZ) for clip in clips])


@pytest.mark.parametrize("decode", [flac_batch.decode_batch, flac_batch.soundfile_decode_batch])
def test_every_sample_comes_back_bit_for_bit(decode):
    clips = integers(3)
    decoded = decode(encoded(clips), SAMPLES)
    assert decoded.shape == (3, SAMPLES)
    np.testing.assert_array_equal(decoded, clips * STEP)


def test_the_decoder_of_tensorflow_io_is_used_where_it_loads():
    pytest.importorskip("tensorflow_io", reason="the train-latest lane has no tensorflow-io")
    assert flac_batch._tensorflow_io_decode() is not None


@pytest.mark.parametrize("decode", [flac_batch.decode_batch, flac_batch.soundfile_decode_batch])
def test_batches_decoded_in_parallel_keep_their_order(decode):
    clips = integers(24)
    batches = tf.data.Dataset.from_tensor_slices(encoded(clips)).batch(5)
    decoded = batches.map(
        lambda batch: decode(batch, SAMPLES), num_parallel_calls=4, deterministic=True
    )
    assert decoded.element_spec == tf.TensorSpec((None, SAMPLES), tf.int32)
    np.testing.assert_array_equal(np.concatenate([*decoded.as_numpy_iterator()]), clips * STEP)


@pytest.mark.parametrize("decode", [flac_batch.decode_batch, flac_batch.soundfile_decode_batch])
def test_a_clip_of_another_length_is_an_error(decode):
    with pytest.raises((ValueError, tf.errors.OpError)):
        decode(encoded(integers(2)), SAMPLES + 1)


def test_the_soundfile_decoder_names_what_is_wrong_with_a_clip():
    with pytest.raises(ValueError, match=r"expected \(5001,\); prepare again"):
        flac_batch.soundfile_decode_batch(encoded(integers(1)), SAMPLES + 1)
