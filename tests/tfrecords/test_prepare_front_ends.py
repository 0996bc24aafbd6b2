"""Records of other front ends and of earlier versions, and what manifests know of labels."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.audio.front_end import front_end
from tests.recordings import SECS, all_clips, source, write
from tfrecords.clip import Clip, Source
from tfrecords.dataset import open_records
from tfrecords.prepare import PrepareConfig, PrepareError, prepare

CONFIG = PrepareConfig("folder", SECS, clips_per_shard=4)


def as_an_earlier_version_wrote_it(data_dir: Path) -> None:
    """Takes from the JSON files what came later."""
    later = ("fft_samples", "window", "mel_scale", "floor_rule", "pre_emphasis")
    for path in data_dir.glob("*.json"):
        value = json.loads(path.read_text())
        value.pop("clips_per_count", None)
        for name in later:
            value.get("configuration", value).get("front_end", {}).pop(name, None)
        path.write_text(json.dumps(value))


def test_records_of_an_earlier_version_are_opened_and_kept(tmp_path):
    raw, records = source(tmp_path / "raw"), tmp_path / "records"
    manifest = prepare(raw, CONFIG, records)
    as_an_earlier_version_wrote_it(records)
    shards = {path: path.stat().st_mtime_ns for path in records.glob("*.tfrecord")}

    assert open_records(records).front_end == CONFIG.front_end
    assert prepare(raw, CONFIG, records).fingerprint == manifest.fingerprint
    (records / "manifest.json").unlink()
    again = prepare(raw, CONFIG, records)
    assert (again.fingerprint, again.clips_per_count) == (manifest.fingerprint, {})
    assert {path: path.stat().st_mtime_ns for path in shards} == shards
    with pytest.raises(PrepareError, match=r"front_end: .* requested"):
        prepare(raw, replace(CONFIG, front_end=front_end(mel_bins=40)), records)


@pytest.mark.parametrize(
    ("names", "single"),
    [
        ([("dog",), ("rain",), ("dog",)], True),
        ([("dog",), ("dog", "rain"), ("rain",)], False),
        ([("dog",), ("dog", "rain"), ()], False),
    ],
)
def test_the_manifest_knows_whether_every_clip_has_one_label(tmp_path, names, single):
    clips = tuple(
        Clip(f"{n}", str(write(tmp_path / f"{n}.wav")), labels, "train")
        for n, labels in enumerate(names)
    )
    manifest = prepare(Source(("dog", "rain"), clips), CONFIG, tmp_path / "records")
    assert manifest.has_one_label_per_clip == single
    assert sum(manifest.clips_per_count.values()) == 3
    one_class = replace(manifest, labels=("dog",), clips_per_count={"1": 3})
    assert not one_class.has_one_label_per_clip


def test_the_payloads_of_another_front_end_hold_the_same_clip(tmp_path):
    raw = source(tmp_path / "raw")
    config = replace(CONFIG, front_end=front_end("keyword_16k"))
    prepare(raw, config, tmp_path / "log_mel")
    prepare(raw, replace(config, payload="audio"), tmp_path / "audio")
    stored = all_clips(tmp_path / "log_mel", "train")
    audio = all_clips(tmp_path / "audio", "train", "log_mel", "waveform")

    assert stored.keys() == audio.keys()
    for key, clip in stored.items():
        assert clip["log_mel"].shape == (50, 40)
        assert audio[key]["waveform"].shape == (8000,)
        np.testing.assert_allclose(audio[key]["log_mel"], clip["log_mel"], rtol=0, atol=0.05)


def test_recordings_in_the_scale_of_integers_become_records_of_their_true_scale(tmp_path):
    small = source(tmp_path / "raw")
    clips = []
    for clip in small.clips:
        samples, rate_hz = soundfile.read(clip.path, dtype="float32")
        path = write(tmp_path / "large" / clip.id, 32768 * samples, rate_hz, subtype="FLOAT")
        clips.append(replace(clip, file=str(path)))
    prepare(small, CONFIG, tmp_path / "small")
    scaled = replace(CONFIG, float_scale="int16")
    prepare(Source(small.labels, tuple(clips)), scaled, tmp_path / "scaled")

    expected = all_clips(tmp_path / "small", "train")
    received = all_clips(tmp_path / "scaled", "train")
    assert received.keys() == expected.keys()
    for key, clip in expected.items():
        np.testing.assert_array_equal(received[key]["log_mel"], clip["log_mel"])
    with pytest.raises(PrepareError, match="float_scale: 'int16' there, None requested"):
        prepare(Source(small.labels, tuple(clips)), CONFIG, tmp_path / "scaled")
    with pytest.raises(ValueError, match="float_scale is one of"):
        replace(CONFIG, float_scale="float")
