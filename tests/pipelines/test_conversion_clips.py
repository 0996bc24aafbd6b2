"""The clips that conversions of a run look at: which split, which clips of it."""

import numpy as np
import pytest

from aec_ofa_tf.dataset import TRAIN, VALIDATION
from aec_ofa_tf.export.clips import conversion_clips
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.representative import choose_representative
from tfrecords.records import open_records

CONFIG = ExportConfig(representative_clips=12, parity_clips=24)


@pytest.fixture
def records(trained):
    return open_records(trained.data_dir)


def split_of(records, split, feature="log_mel"):
    batches = list(records.evaluation_batches(split, 8, (feature,)))
    names = (feature, "labels")
    return {name: np.concatenate([batch[name] for batch in batches]) for name in names}


def test_int8_is_calibrated_on_chosen_training_clips_and_silence(records):
    clips = conversion_clips(records, CONFIG, "log_mel", 8).representative_clips
    pool = split_of(records, TRAIN)
    chosen = choose_representative(pool["log_mel"], pool["labels"], CONFIG.representative_clips)

    assert len(clips) == CONFIG.representative_clips + 1
    np.testing.assert_array_equal(clips[:-1], pool["log_mel"][np.sort(chosen)])
    assert (clips[-1] == -100.0).all()


def test_waveforms_are_those_of_the_same_clips(records):
    clips = conversion_clips(records, CONFIG, "waveform", 8).representative_clips
    pool = split_of(records, TRAIN)
    chosen = choose_representative(pool["log_mel"], pool["labels"], CONFIG.representative_clips)
    waveforms = split_of(records, TRAIN, "waveform")["waveform"]

    np.testing.assert_array_equal(clips[:-1], waveforms[np.sort(chosen)])
    assert not clips[-1].any()


def test_files_are_compared_on_validation_clips(records):
    found = conversion_clips(records, CONFIG, "log_mel", 8)
    expected = split_of(records, VALIDATION)

    np.testing.assert_array_equal(found.parity_clips, expected["log_mel"])
    np.testing.assert_array_equal(found.parity_labels, expected["labels"])
