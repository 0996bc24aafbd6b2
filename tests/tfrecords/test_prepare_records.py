import json
import os
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pytest

from aec_ofa_tf.audio.io.decode import read_waveform
from tests.recordings import RATE_HZ, SECS, all_clips, cut, digests, noise, source, write
from tfrecords.clip import Clip, Source
from tfrecords.dataset import open_records
from tfrecords.inspection import describe_records
from tfrecords.manifest import ManifestError, load_manifest
from tfrecords.prepare import PrepareConfig, PrepareError, prepare
from tfrecords.shards import RecordError

CONFIG = PrepareConfig("folder", SECS, clips_per_shard=4)


def test_every_clip_is_there_with_its_labels_and_log_mel(tmp_path):
    raw = source(tmp_path / "raw")
    manifest = prepare(raw, CONFIG, tmp_path / "records")
    assert manifest.clips == {"train": 10, "validation": 4, "evaluation": 3}
    assert [shard.clips for shard in manifest.shards if shard.split == "train"] == [4, 4, 2]
    assert load_manifest(tmp_path / "records") == manifest
    for split in manifest.clips:
        clips = all_clips(tmp_path / "records", split)
        assert set(clips) == {clip.id.encode() for clip in raw.split(split)}
        for clip in raw.split(split):
            stored = clips[clip.id.encode()]
            expected = [float(label in clip.labels) for label in raw.labels]
            np.testing.assert_array_equal(stored["labels"], expected)
            np.testing.assert_allclose(
                stored["log_mel"], reference_log_mel(clip.path), rtol=0, atol=0.05
            )
    counts = {
        label: sum(label in clip.labels for clip in raw.split("train")) for label in raw.labels
    }
    assert manifest.clips_per_label["train"] == counts


def reference_log_mel(path: Path) -> np.ndarray:
    power = librosa.feature.melspectrogram(
        y=read_waveform(path), sr=RATE_HZ, n_fft=1024, hop_length=320, n_mels=64, fmin=50,
        fmax=14000, pad_mode="reflect",
    )  # fmt: skip
    return 10 * np.log10(np.maximum(power, 1e-10)).T[:-1]


def test_both_payloads_hold_the_same_clip(tmp_path):
    raw = source(tmp_path / "raw")
    prepare(raw, CONFIG, tmp_path / "log_mel")
    prepare(raw, replace(CONFIG, payload="audio"), tmp_path / "audio")
    stored = all_clips(tmp_path / "log_mel", "train")
    audio = all_clips(tmp_path / "audio", "train", "log_mel", "waveform")
    for clip in raw.split("train"):
        key = clip.id.encode()
        np.testing.assert_allclose(
            audio[key]["waveform"], read_waveform(clip.path), rtol=0, atol=2**-23
        )
        np.testing.assert_allclose(audio[key]["log_mel"], stored[key]["log_mel"], rtol=0, atol=0.05)


def test_audio_louder_than_full_scale_is_kept(tmp_path):
    loud = 5 * noise()
    clip = Clip("a", str(write(tmp_path / "a.wav", loud, subtype="FLOAT")), ("dog",), "train")
    prepare(Source(("dog",), (clip,)), replace(CONFIG, payload="audio"), tmp_path / "records")
    waveform = all_clips(tmp_path / "records", "train", "waveform")[b"a"]["waveform"]
    np.testing.assert_allclose(waveform, loud[:, 0], rtol=0, atol=8 * 2**-23)


def test_waveforms_are_refused_where_there_are_none(tmp_path):
    prepare(source(tmp_path / "raw"), CONFIG, tmp_path / "records")
    with pytest.raises(ValueError, match="prepare another directory with payload='audio'"):
        all_clips(tmp_path / "records", "train", "waveform")


def test_bytes_depend_on_source_and_configuration_alone(tmp_path):
    raw = source(tmp_path / "raw")
    shuffled = Source(raw.labels, raw.clips[::-1])
    prepare(raw, CONFIG, tmp_path / "a")
    prepare(shuffled, CONFIG, tmp_path / "b")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_preparing_again_changes_nothing(tmp_path):
    raw = source(tmp_path / "raw")
    first = prepare(raw, CONFIG, tmp_path / "records")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "records").iterdir()}
    assert prepare(raw, CONFIG, tmp_path / "records") == first
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "records").iterdir()}
    assert {key: value for key, value in after.items() if key.name != ".lock"} == {
        key: value for key, value in before.items() if key.name != ".lock"
    }


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove"])
def test_only_a_damaged_shard_is_written_again(tmp_path, damage):
    raw = source(tmp_path / "raw")
    records = tmp_path / "records"
    manifest = prepare(raw, CONFIG, records)
    whole = digests(records)
    victim = records / manifest.shards[1].name
    data = bytearray(victim.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
        victim.write_bytes(data)
    elif damage == "remove":
        victim.unlink()
    else:
        victim.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    if damage != "flip":
        with pytest.raises(ManifestError, match=rf"{victim.name}.*Prepare again"):
            open_records(records)
    before = {
        shard.name: (records / shard.name).stat().st_mtime_ns
        for shard in manifest.shards
        if (records / shard.name).exists()
    }
    prepare(raw, CONFIG, records)
    assert digests(records) == whole
    rewritten = [
        name for name, when in before.items() if (records / name).stat().st_mtime_ns != when
    ]
    assert rewritten in ([victim.name], [])
    open_records(records)


def test_records_of_a_wrong_number_or_a_damaged_header_are_told(tmp_path):
    records = tmp_path / "records"
    manifest = prepare(source(tmp_path / "raw"), CONFIG, records)
    path = records / "manifest.json"
    text = path.read_text()
    value = json.loads(text)
    value["shards"][0]["clips"] += 1
    path.write_text(json.dumps(value))
    with pytest.raises(
        RecordError, match=rf"{manifest.shards[0].name} contains 4 records.*expected 5"
    ):
        open_records(records)
    path.write_text(text)
    shard = records / manifest.shards[0].name
    data = bytearray(shard.read_bytes())
    data[0] ^= 1
    shard.write_bytes(data)
    with pytest.raises(RecordError, match=rf"{shard.name}: record 0 is damaged"):
        open_records(records)


def test_a_directory_holds_one_configuration(tmp_path):
    raw = source(tmp_path / "raw")
    prepare(raw, CONFIG, tmp_path / "records")
    with pytest.raises(PrepareError, match=r"clip_secs: 0.5 there, 0.25 requested"):
        prepare(raw, replace(CONFIG, clip_secs=0.25), tmp_path / "records")
    fewer = Source(raw.labels, raw.clips[1:])
    with pytest.raises(PrepareError, match="source: other clips"):
        prepare(fewer, CONFIG, tmp_path / "records")


def spoil(raw: Source) -> None:
    """Makes four of ten training clips unusable, each in its way."""
    empty, short, hollow, text = raw.split("train")[:4]
    empty.path.write_bytes(b"")
    cut(short.path, 0.5)
    write(hollow.path, np.full(16000, np.nan), subtype="FLOAT")
    text.path.write_text("not audio")


def test_bad_clips_are_quarantined_with_their_reasons(tmp_path):
    raw = source(tmp_path / "raw")
    spoil(raw)
    silent = raw.split("train")[5]
    write(silent.path, np.zeros(int(SECS * RATE_HZ)))
    manifest = prepare(raw, replace(CONFIG, max_bad_fraction=0.4), tmp_path / "records")
    reasons = {clip.id: clip.reason for clip in manifest.quarantined}
    assert reasons["0.wav"] == "empty file"
    assert reasons["1.wav"].startswith("truncated")
    assert reasons["2.wav"] == "NaN or infinite samples"
    assert reasons["3.wav"].startswith("undecodable")
    assert manifest.clips["train"] == 6
    assert manifest.silent == 1
    assert not set(reasons) & {key.decode() for key in all_clips(tmp_path / "records", "train")}


def test_a_header_that_is_wrong_by_a_trifle_loses_no_clip(tmp_path):
    raw = source(tmp_path / "raw")
    trifle, killed, much, long = (clip.path for clip in raw.split("train")[:4])
    for path, size in ((trifle, lambda size: size + 44), (killed, lambda size: 0)):
        data = bytearray(path.read_bytes())
        position = data.index(b"data") + 4
        stated = int.from_bytes(data[position : position + 4], "little")
        data[position : position + 4] = size(stated).to_bytes(4, "little")
        path.write_bytes(data)
    cut(much, 0.9)
    write(long, noise(60 * SECS), subtype="FLOAT")
    manifest = prepare(raw, CONFIG, tmp_path / "records")
    assert [clip.id for clip in manifest.quarantined] == [much.name]
    assert manifest.notes == {
        trifle.name: "44 of the 64044 bytes that its header gives are missing at its end",
        killed.name: "its header gives no length: it was read to its end",
    }
    assert manifest.clips["train"] == 9


def test_a_file_whose_header_states_a_rate_of_one_hertz_is_named(tmp_path):
    raw = source(tmp_path / "raw", 3)
    path = raw.split("train")[0].path
    data = bytearray(path.read_bytes())
    data[24:28] = (1).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(PrepareError, match=rf"the first is {path} \(a sample rate of 1 Hz"):
        prepare(raw, CONFIG, tmp_path / "records")


def test_too_many_bad_clips_are_an_error_that_repairing_cures(tmp_path):
    raw = source(tmp_path / "raw")
    records = tmp_path / "records"
    spoil(raw)
    with pytest.raises(PrepareError, match=r"4 of 10 train clips .*max_bad_fraction=0.1"):
        prepare(raw, CONFIG, records)
    listed = json.loads((records / "rejected.json").read_text())["quarantined"]
    assert sorted(clip["id"] for clip in listed) == ["0.wav", "1.wav", "2.wav", "3.wav"]
    with pytest.raises(ManifestError, match=r"run python -m pipelines.prepare"):
        open_records(records)
    repaired = source(tmp_path / "raw")
    manifest = prepare(repaired, CONFIG, records)
    assert manifest == prepare(repaired, CONFIG, tmp_path / "fresh")


def test_lowered_bounds_hold_for_finished_records_too(tmp_path):
    raw = source(tmp_path / "raw")
    spoil(raw)
    lost = (replace(raw.clips[0], id="lost.wav", file=str(tmp_path / "lost.wav")),)
    raw = replace(raw, missing=lost)
    config = replace(CONFIG, max_bad_fraction=0.4)
    records = tmp_path / "records"
    manifest = prepare(raw, config, records)
    before = digests(records)
    with pytest.raises(PrepareError, match=r"4 of 10 train clips cannot .*max_bad_fraction=0;"):
        prepare(raw, replace(CONFIG, max_bad_fraction=0.0), records)
    with pytest.raises(PrepareError, match=r"1 of 11 train clips have no file"):
        prepare(raw, replace(config, max_missing_fraction=0.0), records)
    assert digests(records) == before
    assert prepare(raw, config, records) == manifest


def test_missing_clips_have_a_bound_of_their_own(tmp_path):
    raw = source(tmp_path / "raw")
    lost = tuple(replace(clip, id=f"lost{clip.id}") for clip in raw.split("train")[:5])
    manifest = prepare(replace(raw, missing=lost), CONFIG, tmp_path / "records")
    assert len(manifest.missing) == 5
    assert manifest.quarantined == ()
    with pytest.raises(PrepareError, match=r"5 of 15 train clips have no file"):
        prepare(
            replace(raw, missing=lost), replace(CONFIG, max_missing_fraction=0.3), tmp_path / "b"
        )
    assert len(json.loads((tmp_path / "b" / "rejected.json").read_text())["missing"]) == 5


def test_nothing_to_train_on_is_an_error(tmp_path):
    raw = source(tmp_path / "raw")
    untrained = Source(raw.labels, raw.split("validation"))
    with pytest.raises(PrepareError, match="no training clips"):
        prepare(untrained, CONFIG, tmp_path / "records")


def test_an_absent_split_is_allowed_until_it_is_read(tmp_path):
    raw = source(tmp_path / "raw", validation=0)
    prepare(raw, CONFIG, tmp_path / "records")
    with pytest.raises(ManifestError, match="has no validation clips"):
        all_clips(tmp_path / "records", "validation")


def test_length_policies_reach_the_records(tmp_path):
    raw = source(tmp_path / "raw", 1, 0, 0)
    for policy in ("pad", "repeat"):
        config = replace(CONFIG, clip_secs=1.0, length_policy=policy)
        prepare(raw, config, tmp_path / policy)
    padded = all_clips(tmp_path / "pad", "train")[b"0.wav"]["log_mel"]
    repeated = all_clips(tmp_path / "repeat", "train")[b"0.wav"]["log_mel"]
    np.testing.assert_array_equal(padded[:45], repeated[:45])
    assert (padded[55:] == -100).all()
    assert (repeated[55:] > -60).all()
    with pytest.raises(PrepareError, match=r"too short: 16000 of 32000 samples"):
        prepare(raw, replace(CONFIG, clip_secs=1.0, length_policy="crop"), tmp_path / "crop")


def test_names_that_are_not_utf8_keep_their_id(tmp_path):
    name = os.fsdecode(b"caf\xe9.wav")
    path = write(tmp_path / "plain.wav").rename(tmp_path / name)
    clips = (Clip(name, str(path), ("dog",), "train"),)
    prepare(Source(("dog",), clips), CONFIG, tmp_path / "records")
    assert list(all_clips(tmp_path / "records", "train")) == [b"caf\xe9.wav"]


@pytest.mark.parametrize("payload", ["log_mel", "audio"])
def test_the_bandwidth_of_the_recordings_is_measured_and_a_front_end_proposed(
    tmp_path, payload, caplog
):
    narrow = [
        write(tmp_path / f"{n}.wav", noise(rate_hz=8000, seed=n), rate_hz=8000) for n in range(6)
    ]
    clips = [Clip(path.stem, str(path), (), "train") for path in narrow]
    silent = write(tmp_path / "silent.wav", np.zeros(16000))
    raw = Source(("dog",), (*clips, Clip("silent", str(silent), ("dog",), "train")))
    config = replace(CONFIG, payload=payload)
    manifest = prepare(raw, config, tmp_path / "records")

    assert manifest.silent == 1
    assert manifest.clips_per_bandwidth == {"4000": 6}
    assert load_manifest(tmp_path / "records").bandwidths.quantile_hz(0.5) == 4000
    advice = "Prepare with front_end=panns_16k and max_hz=3800"
    assert advice in caplog.text
    assert manifest.summary()["bandwidth_hz"] == {"10%": 4000, "50%": 4000, "90%": 4000}
    assert advice in manifest.summary()["advice"]
    described = describe_records(tmp_path / "records")
    assert "half of the clips reach 4,000 Hz" in dict(described.facts)["bandwidth"]
    caplog.clear()
    prepare(raw, config, tmp_path / "records")  # finished: says it again
    assert advice in caplog.text


def test_records_of_wide_recordings_give_no_advice(tmp_path, caplog):
    manifest = prepare(source(tmp_path / "raw"), CONFIG, tmp_path / "records")

    assert manifest.summary()["advice"] is None
    assert "no sound above" not in caplog.text
