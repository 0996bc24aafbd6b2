import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.audio.io.decode import DecodeError, decode, fit_length, read_waveform
from tests.recordings import RATE_HZ, cut, noise, write

WHOLE_FORMATS = [
    ("wav", "PCM_U8", 0.02),
    ("wav", "PCM_16", 1e-4),
    ("wav", "PCM_24", 1e-6),
    ("wav", "PCM_32", 1e-6),
    ("wav", "FLOAT", 0.0),
    ("flac", "PCM_24", 1e-6),
    ("aiff", "PCM_16", 1e-4),
]


def reason_of(path) -> str:
    with pytest.raises(DecodeError) as caught:
        read_waveform(path)
    assert str(path) in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize(("suffix", "subtype", "tolerance"), WHOLE_FORMATS)
def test_samples_survive_lossless_formats(tmp_path, suffix, subtype, tolerance):
    path = write(tmp_path / f"clip.{suffix}", subtype=subtype)
    np.testing.assert_allclose(read_waveform(path), noise()[:, 0], rtol=0, atol=tolerance)


def test_wavex_is_read(tmp_path):
    path = write(tmp_path / "clip.wav", format="WAVEX", subtype="PCM_24")
    np.testing.assert_allclose(read_waveform(path), noise()[:, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100, 48000])
def test_a_tone_keeps_its_pitch_and_level_at_any_rate(tmp_path, rate_hz):
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate_hz) / rate_hz)
    waveform = read_waveform(write(tmp_path / "tone.wav", tone, rate_hz, subtype="FLOAT"))
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ) / RATE_HZ)
    assert waveform.dtype == np.float32
    assert len(waveform) == RATE_HZ
    np.testing.assert_allclose(waveform[3200:-3200], expected[3200:-3200], rtol=0, atol=1e-3)


def test_channels_are_averaged(tmp_path):
    channels = noise(channels=8)
    path = write(tmp_path / "clip.wav", channels, subtype="FLOAT")
    np.testing.assert_allclose(read_waveform(path), channels.mean(axis=1), rtol=0, atol=1e-6)
    assert decode(path).notes == ()


def test_cancelling_channels_are_warned_of(tmp_path, caplog):
    left = noise()
    path = write(tmp_path / "clip.wav", np.hstack([left, -left]), subtype="FLOAT")
    with caplog.at_level(logging.WARNING):
        assert not read_waveform(path).any()
    assert "2 channels cancel" in caplog.text
    assert str(path) in caplog.text


def test_mp3_called_wav_is_read_by_content_and_noted(tmp_path):
    path = write(tmp_path / "clip.mp3", noise(2.0))
    misnamed = path.rename(tmp_path / "clip.wav")
    decoded = decode(misnamed)
    assert len(decoded.waveform) == 2 * RATE_HZ
    assert decoded.notes == ("contains MP3 despite its suffix .wav",)


def test_silence_is_accepted_and_told(tmp_path):
    assert decode(write(tmp_path / "clip.wav", np.zeros(100))).is_silent
    assert not decode(write(tmp_path / "clip.wav")).is_silent


@pytest.mark.parametrize("suffix", ["wav", "ogg", "aiff", "mp3"])
@pytest.mark.parametrize("keep", [0.98, 0.5])
def test_truncated_files_are_refused(tmp_path, suffix, keep):
    path = write(tmp_path / f"clip.{suffix}", noise(2.0))
    whole = read_waveform(path)
    assert len(whole)
    assert reason_of(cut(path, keep)).startswith("truncated")


@pytest.mark.parametrize("form", ["WAVEX", "RF64"])
def test_truncated_wave_variants_are_refused(tmp_path, form):
    path = write(tmp_path / "clip.wav", format=form, subtype="PCM_16")
    assert len(read_waveform(path)) == len(noise())
    assert reason_of(cut(path, 0.9)).startswith("truncated")


@pytest.mark.parametrize("keep", [0.999, 0.5])
def test_truncated_flac_is_refused(tmp_path, keep):
    path = cut(write(tmp_path / "clip.flac"), keep)
    assert "truncated" in reason_of(path)


def test_corrupt_flac_is_refused(tmp_path):
    path = write(tmp_path / "clip.flac")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert reason_of(path).startswith("undecodable: corrupt or truncated FLAC")


def test_ogg_without_its_last_page_is_truncated(tmp_path):
    path = write(tmp_path / "clip.ogg", noise(2.0))
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"OggS")])
    assert reason_of(path).startswith("truncated")


def test_each_unusable_file_has_its_own_reason(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not audio at all")
    holes = noise()
    holes[5] = np.nan
    peak = noise()
    peak[5] = np.inf
    assert reason_of(tmp_path / "absent.wav") == "missing"
    assert reason_of(tmp_path / "empty.wav") == "empty file"
    assert reason_of(write(tmp_path / "none.wav", np.zeros(0))) == "0 frames"
    assert reason_of(tmp_path / "text.wav").startswith("undecodable")
    assert reason_of(write(tmp_path / "nan.wav", holes, subtype="FLOAT")).startswith("NaN")
    assert reason_of(write(tmp_path / "inf.wav", peak, subtype="FLOAT")).startswith("NaN or inf")


def test_file_names_need_not_be_utf8(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    with open(name, "wb") as file:  # noqa: PTH123 - the name is bytes
        soundfile.write(file, noise(), RATE_HZ, format="WAV")
    assert len(read_waveform(os.fsdecode(name))) == len(noise())


def test_lengths_are_fitted_as_declared():
    short = np.array([1, 2, 3], np.float32)
    np.testing.assert_array_equal(fit_length(short, 5, "pad"), [1, 2, 3, 0, 0])
    np.testing.assert_array_equal(fit_length(short, 7, "repeat"), [1, 2, 3, 1, 2, 3, 1])
    for policy in ("pad", "repeat", "crop"):
        np.testing.assert_array_equal(fit_length(short, 2, policy), [1, 2])
        np.testing.assert_array_equal(fit_length(short, 3, policy), short)
        assert fit_length(short, 3, policy).dtype == np.float32
    with pytest.raises(DecodeError, match="too short"):
        fit_length(short, 5, "crop")
    with pytest.raises(ValueError, match="unknown"):
        fit_length(short, 5, "stretch")


def test_decoding_needs_no_tensorflow():
    code = "import sys; sys.modules['tensorflow'] = None; import aec_ofa_tf.audio.io.decode"
    subprocess.run([sys.executable, "-c", code], check=True)
