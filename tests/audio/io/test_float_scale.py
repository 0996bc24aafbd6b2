"""Floating-point samples in the scale of integers are noted, and scaled where that is asked for."""

import numpy as np
import pytest

from aec_ofa_tf.audio.io.decode import decode
from aec_ofa_tf.audio.io.sound_reader import WaveformReader
from tests.audio.io.files import RATE_HZ, encoded, pipe, tone

FORMATS = [("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("AIFF", "FLOAT"), ("MAT5", "FLOAT")]


@pytest.mark.parametrize(("form", "subtype"), FORMATS)
def test_samples_in_the_scale_of_integers_are_noted(tmp_path, form, subtype):
    (tmp_path / "x").write_bytes(encoded(form, tone().astype(np.float64), subtype=subtype))
    decoded = decode(tmp_path / "x", RATE_HZ)
    assert decoded.waveform.max() > 7000
    assert decoded.notes[-1] == (
        "its floating-point samples reach 7999.0 where full scale is 1; if they are in the scale "
        "of integers, set float_scale, for example int16"
    ).replace("7999.0", f"{np.abs(tone()).max():.6g}")


@pytest.mark.parametrize(("form", "subtype"), FORMATS)
@pytest.mark.parametrize(("float_scale", "bits"), [("int16", 16), ("int24", 24), ("int32", 32)])
def test_an_option_divides_them_by_the_full_scale(tmp_path, form, subtype, float_scale, bits):
    integers = tone().astype(np.float64) * 2.0 ** (bits - 16)
    (tmp_path / "x").write_bytes(encoded(form, integers, subtype=subtype))
    decoded = decode(tmp_path / "x", RATE_HZ, float_scale=float_scale)
    np.testing.assert_allclose(decoded.waveform, tone() / 32768, rtol=0, atol=1e-6)
    assert not any("floating-point" in note for note in decoded.notes)


def test_a_pipe_is_scaled_too(tmp_path):
    with pipe(tmp_path, encoded("WAV", tone().astype(np.float32), subtype="FLOAT")) as path:
        reader = WaveformReader(path, RATE_HZ, float_scale="int16")
        np.testing.assert_allclose(np.concatenate([*reader]), tone() / 32768, rtol=0, atol=1e-7)


def test_integers_keep_their_own_scale(tmp_path):
    (tmp_path / "x").write_bytes(encoded("WAV", subtype="PCM_16"))
    decoded = decode(tmp_path / "x", RATE_HZ, float_scale="int16")
    np.testing.assert_array_equal(decoded.waveform, tone() / np.float32(32768))
    assert decoded.notes == ()


def test_a_scale_that_does_not_fit_is_noted(tmp_path):
    (tmp_path / "x").write_bytes(encoded("WAV", tone() / 32768, subtype="FLOAT"))
    (note,) = decode(tmp_path / "x", RATE_HZ, float_scale="int16").notes
    assert note == (
        "its floating-point samples reach no more than 0.244 before float_scale=int16 divides them"
    )


def test_a_mix_that_goes_a_little_over_full_scale_is_no_oddity(tmp_path):
    (tmp_path / "x").write_bytes(encoded("WAV", tone() / 3000, subtype="FLOAT"))
    assert decode(tmp_path / "x", RATE_HZ).notes == ()


def test_an_unknown_scale_is_refused(tmp_path):
    with pytest.raises(ValueError, match="float_scale is one of"):
        WaveformReader(tmp_path / "x", float_scale="int12")
