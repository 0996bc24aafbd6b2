"""Recordings read block by block, from files and from pipes."""

import io
import os
import time

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.audio.io import sound_source
from aec_ofa_tf.audio.io.containers import header_of_stream
from aec_ofa_tf.audio.io.decode import DecodeError, decode
from aec_ofa_tf.audio.io.pcm_stream import PcmFormat, ReadAhead
from aec_ofa_tf.audio.io.sound_reader import WaveformReader
from tests.audio.io.files import pipe
from tests.recordings import cut, noise, write


def encoded(form: str, subtype: str | None = None, waveform=None, rate_hz: int = 44100) -> bytes:
    file = io.BytesIO()
    soundfile.write(
        file, noise(1.0) if waveform is None else waveform, rate_hz, format=form, subtype=subtype
    )
    return file.getvalue()


def reason_of(path, raw=None) -> str:
    with pytest.raises(DecodeError) as caught:
        list(WaveformReader(path, 32000, raw))
    return caught.value.reason


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate_hz", [8000, 32000, 48000])
def test_blocks_are_the_whole(tmp_path, monkeypatch, suffix, rate_hz):
    path = write(tmp_path / f"clip.{suffix}", noise(3.0, rate_hz, channels=2), rate_hz)
    whole = decode(path).waveform
    for name in ("_BLOCK_SAMPLES", "_PCM_BLOCK_SAMPLES"):
        monkeypatch.setattr(sound_source, name, 6001)
    blocks = [*WaveformReader(path)]
    assert len(blocks) >= 8
    assert all(block.dtype == np.float32 and 0 < len(block) < 20000 for block in blocks)
    # libsndfile's MP3 decoder rounds differently from one size of block to the next.
    atol = 1e-6 if suffix == "mp3" else 0
    np.testing.assert_allclose(np.concatenate(blocks), whole, rtol=0, atol=atol)


def test_what_is_known_at_the_end_only_is_still_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sound_source, "_BLOCK_SAMPLES", 4096)
    broken = cut(write(tmp_path / "clip.flac", noise(3.0)), 0.7)
    reader = iter(WaveformReader(broken))
    assert len(next(reader)) == 4096
    with pytest.raises(DecodeError, match="truncated"):
        list(reader)
    left = noise(2.0)
    left[:40000] = 0
    reader = WaveformReader(write(tmp_path / "c.wav", np.hstack([left, -left]), subtype="FLOAT"))
    assert sum(map(len, reader)) == 64000
    assert reader.notes == ("its 2 channels cancel in the mono mix",)


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        ("WAV", "PCM_U8"),
        ("WAV", "PCM_16"),
        ("WAVEX", "PCM_24"),
        ("WAV", "PCM_32"),
        ("WAV", "FLOAT"),
        ("WAV", "DOUBLE"),
        ("WAV", "ULAW"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("MP3", None),
    ],
)
def test_a_pipe_gives_what_the_file_gives(tmp_path, form, subtype):
    data = encoded(form, subtype, noise(1.0, 44100, channels=2))
    (tmp_path / "file").write_bytes(data)
    with pipe(tmp_path, data) as path:
        piped = np.concatenate([*WaveformReader(path)])
    np.testing.assert_array_equal(piped, decode(tmp_path / "file").waveform)


def test_what_stands_behind_the_samples_of_a_piped_wav_is_no_sound(tmp_path):
    with pipe(tmp_path, encoded("WAV", "PCM_16") + b"LIST\x04\x00\x00\x00abcd") as path:
        assert sum(map(len, WaveformReader(path, 44100))) == len(noise(1.0))


def test_a_piped_wav_of_contradictory_frames_is_what_libsndfile_makes_of_it(tmp_path):
    data = bytearray(encoded("WAV", "PCM_32"))
    assert data[12:16] == b"fmt "
    data[34:36] = (24).to_bytes(2, "little")  # bits of a sample; a frame keeps its four bytes
    (tmp_path / "clip.wav").write_bytes(data)
    with pipe(tmp_path, bytes(data)) as path:
        # Taken as packed they would be a third longer, and noise.
        assert reason_of(path) == reason_of(tmp_path / "clip.wav") == "NaN or infinite samples"


def test_a_pipe_that_has_nothing_yet_has_not_ended():
    taken, given = os.pipe()
    os.set_blocking(taken, False)
    stream = ReadAhead(io.FileIO(taken))
    time.sleep(0.1)
    with io.FileIO(given, "w") as writer:
        writer.write(b"late")

    assert stream.read(5) == b"late"


def test_a_cut_header_is_put_back(tmp_path):
    data = encoded("WAV", "PCM_16")[:40]
    with pipe(tmp_path, data) as path:
        stream = ReadAhead(io.FileIO(path))
        assert header_of_stream(stream) is None
        assert stream.read(100) == data


def test_a_piped_wav_that_ends_early_is_truncated(tmp_path):
    with pipe(tmp_path, encoded("WAV", "PCM_16")[:-3200]) as path:
        assert reason_of(path) == "truncated: at least 3200 of 64000 bytes are missing at its end"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"no sound at all, but long enough for a header", "undecodable"),
        (b"RIFF", "undecodable"),
        (encoded("FLAC")[:-500], "undecodable: corrupt or truncated FLAC"),
        (encoded("OGG")[:-500], "truncated"),
        (encoded("WAV", "PCM_16", np.zeros(0)), "0 frames"),
        (encoded("WAV", "FLOAT", np.full(9, np.nan)), "NaN"),
    ],
)
def test_a_pipe_without_usable_sound_says_why(tmp_path, data, reason):
    with pipe(tmp_path, data) as path:
        assert reason_of(path).startswith(reason)


def test_an_endless_pipe_of_another_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sound_source, "_MAX_SPOOLED_BYTES", 10000)
    with pipe(tmp_path, encoded("FLAC")) as path:
        assert "pipe it as WAV" in reason_of(path)


@pytest.mark.parametrize(
    ("encoding", "dtype", "scale"),
    [
        ("int8", "i1", 2**7),
        ("int16", "<i2", 2**15),
        ("int32", "<i4", 2**31),
        ("float32", "<f4", 1),
        ("float64", "<f8", 1),
    ],
)
def test_raw_samples_are_scaled_to_one(tmp_path, encoding, dtype, scale):
    samples = (noise(0.5, channels=3).clip(-0.9, 0.9) * scale).astype(dtype)
    with pipe(tmp_path, samples.tobytes()) as path:
        received = np.concatenate([*WaveformReader(path, 32000, PcmFormat(encoding, 32000, 3))])
    expected = (samples / scale).mean(axis=1)
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-6)


def test_bytes_that_are_no_whole_frame_are_noted(tmp_path):
    with pipe(tmp_path, bytes(4001)) as path:
        reader = WaveformReader(path, 32000, PcmFormat("int16", 32000, 2))
        assert sum(map(len, reader)) == 1000
    (note,) = reader.notes
    assert note.startswith("1 bytes at its end are not a whole frame of 2 int16 samples")


def test_raw_samples_in_a_file_are_read_too(tmp_path):
    (tmp_path / "x.pcm").write_bytes(bytes(range(256)))
    (block,) = WaveformReader(tmp_path / "x.pcm", 8000, PcmFormat("uint8", 8000))
    np.testing.assert_allclose(block, (np.arange(256) - 128) / 128)


def test_what_cannot_be_read_says_nothing_of_its_suffix(tmp_path):
    reader = WaveformReader(tmp_path / "absent.wav")
    with pytest.raises(DecodeError, match="missing"):
        list(reader)
    assert reader.notes == ()


def test_a_folder_is_no_recording(tmp_path):
    assert reason_of(tmp_path) == "unreadable: Is a directory"


@pytest.mark.parametrize(
    "wrong", [("int12", 8000, 1), ("int16", 0, 1), ("int16", 8000, 0)], ids=str
)
def test_impossible_raw_formats_are_refused(wrong):
    with pytest.raises(ValueError, match=r"unknown|rates from|channels"):
        PcmFormat(*wrong)
