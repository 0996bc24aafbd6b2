"""What `prepare` is compared with: a script of one process, as one would write it by hand.

python -m pipelines.benchmarks.plain_prepare SOURCE OUT CLIP_SECS
"""

from __future__ import annotations

import sys
from pathlib import Path

import librosa
import numpy as np
import soundfile
import soxr
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS


def write_records(source: Path, out: Path, clip_secs: float) -> None:
    """Writes the log-mels of `source/<class>/*.wav` to one file of records."""
    rate_hz, samples = PANNS.sample_rate_hz, PANNS.clip_samples(clip_secs)
    basis = librosa.filters.mel(
        sr=rate_hz,
        n_fft=PANNS.window_samples,
        n_mels=PANNS.mel_bins,
        fmin=PANNS.min_hz,
        fmax=PANNS.max_hz,
    )
    classes = sorted(folder.name for folder in source.iterdir())
    with tf.io.TFRecordWriter(str(out)) as writer:
        for path in sorted(source.glob("*/*.wav")):
            waveform, found_hz = soundfile.read(path, dtype="float32")
            waveform = soxr.resample(waveform, found_hz, rate_hz, quality="HQ")
            waveform = librosa.util.fix_length(waveform, size=samples)
            spectrum = librosa.stft(
                waveform, n_fft=PANNS.window_samples, hop_length=PANNS.hop_samples
            )
            log_mel = librosa.power_to_db(basis @ np.abs(spectrum) ** 2, top_db=None)
            writer.write(_example(path.name, classes.index(path.parent.name), log_mel.T[:-1]))


def _example(name: str, label: int, log_mel: np.ndarray) -> bytes:
    feature = {
        "id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[name.encode()])),
        "labels": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        "log_mel": tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[log_mel.astype(np.float16).tobytes()])
        ),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


if __name__ == "__main__":
    write_records(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
