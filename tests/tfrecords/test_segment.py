"""A clip in a file of the whole recording, or in a file of its own that has the same name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aec_ofa_tf.audio.front_end import PRESETS
from aec_ofa_tf.audio.io.decode import DecodeError
from tests.recordings import all_clips, digests, noise, write
from tfrecords.clip import Clip, Source
from tfrecords.clip_format import ClipFormat
from tfrecords.prepare import PrepareConfig, PrepareError, prepare
from tfrecords.segment import decode_clip

RATE_HZ = 16000
BEGIN, END = 3.0, 4.0


def segment(path: Path, secs: float, begin: float = BEGIN, **how) -> tuple[Clip, np.ndarray]:
    waveform = noise(secs, RATE_HZ)[:, 0]
    write(path, waveform, RATE_HZ, **how)
    return Clip(path.name, str(path), ("dog",), "train", begin, begin + 1.0), waveform


def decoded(clip: Clip, samples: int = RATE_HZ) -> np.ndarray:
    form = ClipFormat(samples, "pad", "log_mel", PRESETS["panns_16k"])
    return decode_clip(clip, form).waveform


@pytest.mark.parametrize("secs", [4.0, 9.0])
@pytest.mark.parametrize("samples", [RATE_HZ // 2, RATE_HZ, 2 * RATE_HZ])
def test_the_seconds_of_the_segment_are_taken_from_the_whole(tmp_path, secs, samples):
    clip, waveform = segment(tmp_path / "id.wav", secs, subtype="FLOAT")
    start = round(BEGIN * RATE_HZ)
    expected = waveform[start : start + min(samples, RATE_HZ)]
    np.testing.assert_array_equal(decoded(clip, samples), expected)


@pytest.mark.parametrize("secs", [0.8, 1.0, 1.9])
def test_a_file_of_the_segment_is_taken_from_its_beginning(tmp_path, secs):
    clip, waveform = segment(tmp_path / "id.wav", secs, subtype="FLOAT")
    np.testing.assert_array_equal(decoded(clip), waveform[:RATE_HZ])


def test_a_segment_shortly_after_the_beginning(tmp_path):
    clip, waveform = segment(tmp_path / "id.wav", 1.0, begin=0.4, subtype="FLOAT")
    np.testing.assert_array_equal(decoded(clip), waveform)
    clip, waveform = segment(tmp_path / "id.wav", 1.4, begin=0.4, subtype="FLOAT")
    np.testing.assert_array_equal(decoded(clip), waveform[6400:])
    clip, waveform = segment(tmp_path / "id.wav", 9.0, begin=0.0, subtype="FLOAT")
    np.testing.assert_array_equal(decoded(clip, 2 * RATE_HZ), waveform[:RATE_HZ])


def test_a_file_that_is_neither_is_refused(tmp_path):
    clip, _ = segment(tmp_path / "id.wav", 3.2)
    with pytest.raises(DecodeError, match=r"more than 2 s, .* at 4 s; audioset_cut=beginning"):
        decoded(clip)


def test_records_of_segments_are_not_taken_for_those_of_beginnings(tmp_path):
    clip, waveform = segment(tmp_path / "id.wav", 9.0, subtype="FLOAT")
    cut = Source(("dog",), (clip,), facts={"audioset_cut": "segment"})
    first = Source(("dog",), (replace(clip, begin_secs=0.0, end_secs=None),))
    config = PrepareConfig("audioset", 1.0, payload="audio", front_end=PRESETS["panns_16k"])
    prepare(cut, config, tmp_path / "cut")
    (stored,) = all_clips(tmp_path / "cut", "train", "waveform").values()
    np.testing.assert_allclose(stored["waveform"], waveform[48000:64000], rtol=0, atol=2**-23)
    prepare(first, config, tmp_path / "first")
    before = digests(tmp_path / "first")
    with pytest.raises(PrepareError, match="Set audioset_cut=beginning to keep its records"):
        prepare(cut, config, tmp_path / "first")
    assert digests(tmp_path / "first") == before
    # Nor are whole shards of an unfinished preparation.
    for name in ("manifest.json", "configuration.json"):
        (tmp_path / "first" / name).unlink()
    prepare(cut, config, tmp_path / "first")
    shard = "train-00000-of-00001.tfrecord"
    assert digests(tmp_path / "first")[shard] == digests(tmp_path / "cut")[shard]
