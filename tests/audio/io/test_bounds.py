"""No more is decoded than is needed: memory depends on no length and on no header."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.audio.io import sound_source
from aec_ofa_tf.audio.io.decode import DecodeError, decode
from aec_ofa_tf.audio.io.pcm_stream import PcmFormat
from aec_ofa_tf.audio.io.sound_reader import WaveformReader
from tests.audio.io.files import RATE_HZ, encoded, pcm, pipe, tone, wav
from tests.recordings import noise, write

_PEAK_MIB = """
import resource, sys
from aec_ofa_tf.audio.io.decode import DecodeError, decode
import numpy, soundfile, soxr
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(len(decode(sys.argv[1], 32000, max_samples=320000).waveform))
except DecodeError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def decoded_within(path) -> tuple[str, int]:
    """What became of the first ten seconds, and by how many MiB memory grew."""
    command = [sys.executable, "-c", _PEAK_MIB, path]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    text, mib = result.stdout.splitlines()
    return text, int(mib)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate_hz", [16000, 32000, 44100])
def test_the_first_samples_are_those_of_the_whole(tmp_path, monkeypatch, suffix, rate_hz):
    path = write(tmp_path / f"clip.{suffix}", noise(5.0, rate_hz, channels=2), rate_hz)
    whole = decode(path).waveform
    for samples in (1, 999, 32000, 32001, len(whole) - 1, len(whole), 2 * len(whole)):
        part = decode(path, max_samples=samples).waveform
        assert len(part) == min(samples, len(whole))
        atol = 1e-6 if suffix == "mp3" else 0
        np.testing.assert_allclose(part, whole[:samples], rtol=0, atol=atol)


def test_the_first_samples_of_a_pipe_do_not_wait_for_its_end(tmp_path):
    with pipe(tmp_path, wav(size=0xFFFFFFFF) + pcm(1 << 20)) as path:
        assert len(decode(path, RATE_HZ, max_samples=100).waveform) == 100


def test_what_lies_behind_the_bound_is_not_decoded(tmp_path):
    whole = encoded("FLAC", noise(5.0, RATE_HZ))
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    assert len(decode(tmp_path / "cut.flac", RATE_HZ, max_samples=RATE_HZ).waveform) == RATE_HZ
    with pytest.raises(DecodeError, match="truncated"):
        decode(tmp_path / "cut.flac", RATE_HZ, max_samples=4 * RATE_HZ)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_memory_does_not_depend_on_the_length(tmp_path, suffix):
    path = tmp_path / f"long.{suffix}"
    with soundfile.SoundFile(path, "w", 32000, 1) as file:
        block = 0.1 * noise(30.0)
        for _ in range(20):  # ten minutes, 77 MB as float32
            file.write(block)
    text, mib = decoded_within(path)
    assert text == "320000"
    assert mib < 24


def test_memory_does_not_depend_on_the_length_of_an_mp3(tmp_path):
    data = encoded("MP3", noise(10.0), 32000)
    (tmp_path / "long.mp3").write_bytes(60 * data)
    text, mib = decoded_within(tmp_path / "long.mp3")
    assert text == "320000"
    assert mib < 24


def test_memory_does_not_depend_on_the_rate_that_a_header_states(tmp_path):
    for rate_hz in (0, 1, 999, 768_001, 0xFFFFFFFF):
        path = tmp_path / f"{rate_hz}.wav"
        path.write_bytes(wav(bytes(60_000), rate_hz=rate_hz))
        with pytest.raises(DecodeError, match=f"a sample rate of {rate_hz} Hz; rates from 1000 to"):
            decode(path, max_samples=320000)
    text, mib = decoded_within(tmp_path / "1.wav")
    assert text.startswith(f"{tmp_path}/1.wav: a sample rate of 1 Hz")
    assert mib < 24


def test_rates_in_other_formats_are_bounded_too(tmp_path):
    path = write(tmp_path / "slow.flac", tone(), 500)
    with pytest.raises(DecodeError, match="a sample rate of 500 Hz"):
        decode(path)
    with pytest.raises(ValueError, match="a sample rate of 500 Hz"):
        PcmFormat("int16", 500)


@pytest.mark.parametrize("rate_hz", [1000, 768_000])
def test_the_lowest_and_the_highest_rate_are_read(tmp_path, rate_hz):
    (tmp_path / "x.wav").write_bytes(wav(rate_hz=rate_hz))
    assert len(decode(tmp_path / "x.wav").waveform)


def test_blocks_of_a_slow_recording_are_short(tmp_path):
    (tmp_path / "slow.wav").write_bytes(wav(bytes(2_000_000), rate_hz=1000))
    assert max(map(len, WaveformReader(tmp_path / "slow.wav"))) < 4_000_000


def test_blocks_of_many_channels_are_short(tmp_path, monkeypatch):
    monkeypatch.setattr(sound_source, "_PCM_BLOCK_SAMPLES", 4096)
    path = tmp_path / "wide.wav"
    path.write_bytes(wav(bytes(2 * 1024 * 100), channels=1024))
    assert max(map(len, WaveformReader(path, RATE_HZ))) <= 4
    path.write_bytes(wav(bytes(2 * 1025 * 100), channels=1025))
    with pytest.raises(DecodeError, match="1025 channels"):
        decode(path)


def test_a_bound_is_positive(tmp_path):
    with pytest.raises(ValueError, match="max_samples is positive or None, received 0"):
        WaveformReader(tmp_path / "x.wav", max_samples=0)
