"""The clips that conversions of a run look at: which split, which clips of it."""

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from pipelines.experiment import open_trained
from pipelines.stages.conversion_clips import conversion_clips

from aec_ofa_tf.export.representative import choose_representative
from pipelines import train  # noqa: F401 - defines the flags
from tfrecords.clip import TRAIN, VALIDATION
from tfrecords.dataset import evaluation_batches

FLAGS = flags.FLAGS


@pytest.fixture
def experiment(trained):
    with flagsaver.flagsaver():
        FLAGS(["train", *trained.flags])
        yield open_trained(trained.workdir)


def split_of(experiment, split, feature="log_mel"):
    batches = list(evaluation_batches(experiment.records, split, 8, (feature,)))
    names = (feature, "labels")
    return {name: np.concatenate([batch[name] for batch in batches]) for name in names}


def test_int8_is_calibrated_on_chosen_training_clips_and_silence(experiment):
    clips = conversion_clips(experiment, "log_mel")["representative_clips"]
    pool = split_of(experiment, TRAIN)
    chosen = choose_representative(pool["log_mel"], pool["labels"], FLAGS.representative_clips)

    assert len(clips) == FLAGS.representative_clips + 1
    np.testing.assert_array_equal(clips[:-1], pool["log_mel"][np.sort(chosen)])
    assert (clips[-1] == -100.0).all()


def test_waveforms_are_those_of_the_same_clips(experiment):
    clips = conversion_clips(experiment, "waveform")["representative_clips"]
    pool = split_of(experiment, TRAIN)
    chosen = choose_representative(pool["log_mel"], pool["labels"], FLAGS.representative_clips)
    waveforms = split_of(experiment, TRAIN, "waveform")["waveform"]

    np.testing.assert_array_equal(clips[:-1], waveforms[np.sort(chosen)])
    assert not clips[-1].any()


def test_files_are_compared_on_validation_clips(experiment):
    found = conversion_clips(experiment, "log_mel")
    expected = split_of(experiment, VALIDATION)

    np.testing.assert_array_equal(found["parity_clips"], expected["log_mel"])
    np.testing.assert_array_equal(found["parity_labels"], expected["labels"])
