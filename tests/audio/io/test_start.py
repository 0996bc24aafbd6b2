"""A part of a recording is what the whole recording has there, and what lies before is skipped."""

import os

import numpy as np
import pytest

from aec_ofa_tf.audio.io import libsndfile
from aec_ofa_tf.audio.io.decode import DecodeError, decode
from aec_ofa_tf.audio.io.errors import StartError
from tests.audio.io.files import RATE_HZ, encoded, pcm, pipe, wav
from tests.audio.io.test_ffmpeg import encoded as encoded_by_ffmpeg
from tests.recordings import noise, write


@pytest.mark.parametrize("suffix", ["wav", "aiff", "w64", "flac", "ogg", "opus", "mp3"])
@pytest.mark.parametrize("start_secs", [0.0, 0.7003, 2.5])
def test_a_part_is_that_of_the_whole(tmp_path, suffix, start_secs):
    how = {"opus": {"format": "OGG", "subtype": "OPUS"}}.get(suffix, {})
    path = write(tmp_path / f"clip.{suffix}", noise(3.0, RATE_HZ, channels=2), RATE_HZ, **how)
    whole = decode(path, RATE_HZ).waveform
    start = round(start_secs * RATE_HZ)
    part = decode(path, RATE_HZ, start_secs=start_secs, max_samples=1000).waveform
    atol = 1e-6 if suffix == "mp3" else 0
    np.testing.assert_allclose(part, whole[start : start + 1000], rtol=0, atol=atol)
    rest = decode(path, RATE_HZ, start_secs=start_secs).waveform
    assert len(rest) == len(whole) - start


@pytest.mark.parametrize(
    ("suffix", "muxer", "codec", "rate_hz"),
    [
        ("m4a", "ipod", "aac", 16000),
        ("webm", "webm", "libopus", 48000),
        ("wv", "wv", "wavpack", 16000),
    ],
)
def test_a_part_of_what_ffmpeg_reads_is_that_of_the_whole(tmp_path, suffix, muxer, codec, rate_hz):
    av = pytest.importorskip("av", reason="the extra `av` is not installed")
    path = tmp_path / f"clip.{suffix}"
    path.write_bytes(encoded_by_ffmpeg(av, muxer, codec, rate_hz))
    whole = decode(path, rate_hz).waveform
    start = round(1.2003 * rate_hz)
    part = decode(path, rate_hz, start_secs=1.2003, max_samples=5000).waveform
    # WebM has times in whole milliseconds.
    shifts = range(-rate_hz // 1000, rate_hz // 1000 + 1)
    errors = [np.abs(part - whole[start + by : start + by + 5000]).max() for by in shifts]
    assert min(errors) < 0.01


def test_a_part_of_a_pipe_and_of_joined_recordings(tmp_path):
    data = encoded("FLAC", noise(1.0, RATE_HZ)) + encoded("FLAC", noise(1.0, RATE_HZ, seed=1))
    (tmp_path / "joined.flac").write_bytes(data)
    for start_secs in (0.5, 1.0, 1.25):
        whole = decode(tmp_path / "joined.flac", RATE_HZ).waveform
        part = decode(tmp_path / "joined.flac", RATE_HZ, start_secs=start_secs).waveform
        np.testing.assert_array_equal(part, whole[round(start_secs * RATE_HZ) :])
    with pipe(tmp_path, wav(size=0xFFFFFFFF)) as path:
        part = decode(path, RATE_HZ, start_secs=0.1).waveform
    np.testing.assert_array_equal(part, np.frombuffer(pcm(), "<i2")[1600:] / np.float32(32768))


def test_a_start_behind_the_end_is_an_error_of_its_own(tmp_path):
    for suffix in ("wav", "flac", "mp3"):
        path = write(tmp_path / f"clip.{suffix}", noise(0.5, RATE_HZ), RATE_HZ)
        for start_secs in (0.6, 3600.0):
            with pytest.raises(StartError, match=r"ends after 0\.\d+ s, before"):
                decode(path, RATE_HZ, start_secs=start_secs)
    with pytest.raises(DecodeError, match="missing"):
        decode(tmp_path / "none.wav", start_secs=1.0)
    for start_secs in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="start_secs is not negative and finite"):
            decode(path, start_secs=start_secs)


def test_what_lies_before_the_start_is_not_decoded(tmp_path, monkeypatch):
    """Of 60 s, libsndfile and the reader of uncompressed files are asked for a few only."""
    read = []
    plain = libsndfile._ForwardSound.read

    def counted(self, frames=-1, **how):
        block = plain(self, frames, **how)
        read.append(len(block))
        return block

    monkeypatch.setattr(libsndfile._ForwardSound, "read", counted)
    path = write(tmp_path / "long.flac", np.zeros(60 * RATE_HZ, np.float32), RATE_HZ)
    decode(path, RATE_HZ, start_secs=50.0, max_samples=RATE_HZ)
    assert 0 < sum(read) <= 2 * RATE_HZ
    # A file with a hole can be long without taking room; before the hole nothing is audio.
    hole = tmp_path / "long.wav"
    head = wav(b"", size=2_000_000_000)
    hole.write_bytes(head)
    os.truncate(hole, len(head) + 2_000_000_000)
    with hole.open("rb+") as file:
        file.seek(len(head) + 2 * 50_000 * RATE_HZ)
        file.write(pcm())
    part = decode(hole, RATE_HZ, start_secs=50_000.0, max_samples=4000).waveform
    np.testing.assert_array_equal(part, np.frombuffer(pcm(), "<i2") / np.float32(32768))
