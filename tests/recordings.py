"""Small real recordings and datasets that tests write for themselves."""

import hashlib
from pathlib import Path

import numpy as np
import soundfile

from aec_ofa_tf.ownership import MARKER_NAME
from tfrecords.clip import Clip, Source

RATE_HZ = 32000
SECS = 0.5


def noise(secs: float = SECS, rate_hz: int = RATE_HZ, seed: int = 0, channels: int = 1):
    rng = np.random.default_rng(seed)
    samples = (int(secs * rate_hz), channels)
    return (0.2 * rng.standard_normal(samples)).clip(-1, 1).astype(np.float32)


def write(path: Path, waveform=None, rate_hz: int = RATE_HZ, **how) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise() if waveform is None else waveform, rate_hz, **how)
    return path


def cut(path: Path, keep: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def source(
    folder: Path, train: int = 10, validation: int = 4, evaluation: int = 3, keep: bool = False
) -> Source:
    """Clips of 0.5 s with one or two of three labels; `keep` leaves existing files as they are."""
    labels = ("dog", "rain", "siren")
    splits = ["train"] * train + ["validation"] * validation + ["evaluation"] * evaluation
    clips = []
    for number, split in enumerate(splits):
        path = folder / f"{number}.wav"
        if not (keep and path.exists()):
            write(path, noise(seed=number), subtype="FLOAT")
        names = (
            (labels[number % 3],) if number % 2 else (labels[number % 3], labels[1 - number % 2])
        )
        clips.append(Clip(path.name, str(path), tuple(dict.fromkeys(names)), split))
    return Source(labels, tuple(clips))


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file() and path.name not in (".lock", MARKER_NAME)
    }


def all_clips(data_dir: Path, split: str, *features: str) -> dict[bytes, dict]:
    """Every clip of a split of records, by its id."""
    from tfrecords.dataset import evaluation_batches, open_records  # TensorFlow is slow to import

    batches = evaluation_batches(open_records(data_dir), split, 3, features or ("log_mel",))
    clips: dict[bytes, dict] = {}
    for batch in batches.as_numpy_iterator():
        for index, clip_id in enumerate(batch["id"]):
            clips[clip_id] = {name: value[index] for name, value in batch.items()}
    return clips
