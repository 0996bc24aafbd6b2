"""Batch-norm statistics are of clips that are disturbed as in training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.dataset import TRAIN
from aec_ofa_tf.models.cnn10 import Cnn10Network
from aec_ofa_tf.training.config import EvaluationConfig, TeacherConfig, TrainConfig, resume_key
from aec_ofa_tf.training.devices import open_devices
from aec_ofa_tf.training.disturbing import as_in_training, disturbances
from aec_ofa_tf.training.noise import NoiseDataset
from aec_ofa_tf.training.run import Run, Sizes
from aec_ofa_tf.training.stages import train_teacher
from aec_ofa_tf.workdir import Workdir
from tests.recordings import noise, write
from tests.training.steps import SPACE

DATA = NoiseDataset(("a", "b"), True, PANNS, 0.4, {TRAIN: 32})
NOISY = TrainConfig(batch_size=8, calibration_clips=16, noise_share=0.5, noise_low_dbfs=-20.0,
                    noise_high_dbfs=-20.0)  # fmt: skip


def run_in(folder: Path) -> Run:
    network = Cnn10Network(2, DATA.frames, embedding_units=8)
    return Run(Workdir(folder), DATA, SPACE, network, open_devices("none"))


def narrow_batches() -> list[dict[str, tf.Tensor]]:
    """Clips that are silent in the upper half."""
    rng = np.random.default_rng(0)
    clips = rng.normal(-40, 10, (4, 8, 40, 64)).astype(np.float32)
    clips[..., 32:] = -100.0
    return [{"log_mel": tf.constant(clip)} for clip in clips]


def test_clean_training_has_clean_statistics(tmp_path):
    batches = narrow_batches()

    assert as_in_training(batches, DATA, TrainConfig(gain_db=6.0)) is batches
    run = run_in(tmp_path)
    off = Sizes.of(replace(NOISY, noise_share=0.0))
    pairs = zip(run.calibration(Sizes(8, 16)), run.calibration(off), strict=True)
    for clean, own in pairs:
        np.testing.assert_array_equal(clean["log_mel"], own["log_mel"])


def test_bins_that_are_silent_in_clean_clips_vary_in_disturbed_ones():
    disturbed = as_in_training(narrow_batches(), DATA, NOISY)
    upper = np.concatenate([batch["log_mel"].numpy()[..., 32:] for batch in disturbed])

    noisy = (upper != -100.0).any(axis=(1, 2))
    assert 0.2 < noisy.mean() < 0.8
    assert upper.std() > 20.0


def test_disturbed_clips_are_the_same_in_every_iteration_and_other_batches_differ():
    class Reread:
        def __iter__(self):
            return iter(narrow_batches())

    found = as_in_training(Reread(), DATA, NOISY)
    first, second = ([batch["log_mel"].numpy() for batch in found] for _ in range(2))

    np.testing.assert_array_equal(first, second)
    chosen = [(batch[..., 32:] != -100.0).any(axis=(1, 2)).tolist() for batch in first]
    assert len({tuple(row) for row in chosen}) > 1


def test_a_finished_stage_says_how_its_statistics_are_made(tmp_path):

    run = run_in(tmp_path)
    config = TeacherConfig(train=NOISY)
    run.workdir.finish_stage("teacher", {}, resume_key(config))
    sizes = run.sizes(EvaluationConfig(), "teacher")

    assert (sizes.batch_size, sizes.calibration_clips) == (8, 16)
    assert sizes.train is not None
    assert (sizes.train.noise_share, sizes.train.noise_low_dbfs) == (0.5, -20.0)
    expected = as_in_training(run.calibration(Sizes(8, 16)), DATA, NOISY)
    for own, wanted in zip(run.calibration(sizes), expected, strict=True):
        np.testing.assert_array_equal(own["log_mel"], wanted["log_mel"])


def test_a_stage_that_was_trained_with_other_noises_is_not_gone_on_with(tmp_path):
    write(tmp_path / "noises" / "one.wav", noise(secs=1.0))
    train = TrainConfig(
        batch_size=4,
        calibration_clips=8,
        precision="float32",
        noise_source=str(tmp_path / "noises"),
    )
    config = TeacherConfig(train, base_channels=4, steps=2)
    run = run_in(tmp_path / "run")
    assert train_teacher(run, config) == train_teacher(run, config)

    write(tmp_path / "noises" / "two.wav", noise(secs=1.0))
    with pytest.raises(ConfigError, match=r"stage teacher .* has run: noises was "):
        train_teacher(run, config)


def test_a_run_without_its_noises_says_so_and_goes_on(caplog):
    away = TrainConfig(noise_source="/nowhere/noises", noise_share=0.5)
    found = as_in_training(narrow_batches(), DATA, away)

    assert len(list(found)) == 4
    assert "without backgrounds" in caplog.text
    with pytest.raises(ValueError, match="is no folder"):
        disturbances(DATA, away)
