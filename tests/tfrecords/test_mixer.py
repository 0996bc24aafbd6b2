import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.audio.io.decode import read_waveform
from tfrecords.clip import SourceError
from tfrecords.sources.esc50 import read_esc50
from tfrecords.sources.mixer import MixerConfig, mix
from tfrecords.sources.scenes import read_scenes
from tfrecords.sources.synthesis import KINDS
from tfrecords.sources.synthetic import read_synthetic

ESC10 = Path(__file__).resolve().parents[3] / "shared" / "data" / "esc10"
CLIPS = {"train": 12, "validation": 3, "evaluation": 2}


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


class ToneBank:
    """Events of one frequency each, so that what sounds can be measured."""

    labels = ("low", "mid", "high")
    facts = {"events": "tones"}  # noqa: RUF012
    pitches_hz = {"low": 500, "mid": 2000, "high": 8000}  # noqa: RUF012

    def event(self, split, label, rng):
        samples = int(rng.uniform(0.3, 1.0) * 32000)
        return np.sin(2 * np.pi * self.pitches_hz[label] * np.arange(samples) / 32000)


def test_same_seed_same_bytes_however_often_it_was_broken_off(tmp_path):
    read_synthetic(tmp_path / "a", CLIPS, 1.0, seed=3)
    read_synthetic(tmp_path / "b", CLIPS, 1.0, seed=3)
    whole = digests(tmp_path / "a")
    assert whole == digests(tmp_path / "b")
    (tmp_path / "b" / "clips.csv").unlink()
    for name in ("train-000003", "evaluation-000001"):
        (tmp_path / "b" / "audio" / f"{name}.flac").unlink()
    (tmp_path / "b" / "audio" / ".train-000003.flac.partial").write_bytes(b"half")
    read_synthetic(tmp_path / "b", CLIPS, 1.0, seed=3)
    assert whole == digests(tmp_path / "b")
    read_synthetic(tmp_path / "c", CLIPS, 1.0, seed=4)
    assert whole.items().isdisjoint(
        {key: value for key, value in digests(tmp_path / "c").items() if "audio" in key}.items()
    )


def test_other_settings_in_one_directory_are_refused(tmp_path):
    read_synthetic(tmp_path, CLIPS, 1.0, seed=3)
    with pytest.raises(SourceError, match=r"scenes with seed 3, not 4"):
        read_synthetic(tmp_path, CLIPS, 1.0, seed=4)


def test_scenes_are_what_they_say(tmp_path):
    source = read_synthetic(tmp_path, CLIPS, 1.5, seed=0)
    assert {split: len(source.split(split)) for split in CLIPS} == CLIPS
    assert source.labels == tuple(KINDS)
    for clip in source.clips:
        info = soundfile.info(clip.path)
        assert (info.format, info.samplerate, info.frames) == ("FLAC", 32000, 48000)
        assert 1 <= len(clip.labels) <= 3


def test_labels_are_exact(tmp_path):
    source = mix(ToneBank(), MixerConfig({"train": 30}, 1.5), tmp_path)
    counts = set()
    for clip in source.clips:
        counts.add(len(clip.labels))
        frames = read_waveform(clip.path).reshape(-1, 1600)
        level = np.abs(np.fft.rfft(frames * np.hanning(1600)))
        # Loudest frame over the median: an event is heard in some frames of a scene only.
        for label, pitch_hz in ToneBank.pitches_hz.items():
            bin_level = level[:, round(pitch_hz / 20)]
            neighbour = level[:, round(pitch_hz / 20) + 12]
            is_heard = bin_level.max() > 6 * neighbour.max()
            assert is_heard == (label in clip.labels), (clip.id, label)
    assert counts == {1, 2, 3}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_are_audible_finite_and_varied(kind):
    rng = np.random.default_rng(0)
    events = [KINDS[kind](rng) for _ in range(5)]
    for event in events:
        assert 0.15 * 32000 < len(event) < 3.5 * 32000
        assert np.isfinite(event).all()
        assert np.sqrt(np.mean(event**2)) > 1e-3
    assert len({len(event) for event in events}) > 1


@pytest.mark.skipif(not ESC10.is_dir(), reason="ESC-10 is not beside the repository")
def test_scenes_take_events_from_their_own_folds(tmp_path):
    esc50 = read_esc50(ESC10)
    source = read_scenes(esc50, tmp_path, MixerConfig({"evaluation": 5}, 2.0))
    assert len(source.clips) == 5
    assert source.labels == esc50.labels
    assert source.facts["unusable_recordings"] == {}
    assert all(read_waveform(clip.path).any() for clip in source.clips)


def test_scenes_that_the_disk_cannot_hold_are_refused_before_the_first(tmp_path):
    with pytest.raises(OSError, match=r"the scenes need about 2\.9e\+05 GB and the disk has"):
        mix(ToneBank(), MixerConfig({"train": 3}, clip_secs=3e9), tmp_path / "scenes")
    assert not (tmp_path / "scenes" / "audio").exists()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
here, folder = sys.argv[1:]
sys.path.insert(0, here)
from tfrecords.sources.synthetic import read_synthetic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    read_synthetic(Path(folder), {"train": 2}, 1.0, 0)
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes")
def test_a_disk_that_fills_up_is_one_sentence_and_leaves_no_half_scene(tmp_path):
    command = [sys.executable, "-c", FULL_DISK, str(Path(__file__).parents[2]), str(tmp_path / "s")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "train-000000.flac could not be written" in done.stdout
    assert "make room on its disk" in done.stdout
    assert not list((tmp_path / "s" / "audio").iterdir())
