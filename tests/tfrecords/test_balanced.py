"""Training clips that are drawn by class."""

from dataclasses import replace

import numpy as np
import pytest

from tests.recordings import SECS, source
from tfrecords.dataset import balanced_order, class_shares, evaluation_batches
from tfrecords.prepare import prepare
from tfrecords.prepare_config import PrepareConfig
from tfrecords.records import open_records

CONFIG = PrepareConfig("folder", SECS)


def test_every_class_is_drawn_alike(tmp_path):
    prepare(source(tmp_path / "raw"), CONFIG, tmp_path / "records")
    records = open_records(tmp_path / "records")
    shares = class_shares(records)
    (labels,) = (batch["labels"] for batch in evaluation_batches(records, "train", 99))
    assert shares.sum() == pytest.approx(1)
    # A clip of two labels has the shares of both.
    expected = (labels / labels.numpy().sum(axis=0)).numpy().sum(axis=1)
    np.testing.assert_allclose(shares, expected / expected.sum(), rtol=1e-6)

    drawn = np.concatenate([balanced_order(shares, 3, epoch) for epoch in range(4000)])

    counts = np.bincount(drawn, minlength=len(shares))
    np.testing.assert_allclose(counts / counts.sum(), shares, atol=0.005)
    assert drawn.max() < len(shares)


def test_clips_without_a_label_are_a_class(tmp_path):
    raw = source(tmp_path / "raw", train=6)
    bare = [replace(clip, labels=()) for clip in raw.clips[:2]]
    prepare(replace(raw, clips=(*bare, *raw.clips[2:])), CONFIG, tmp_path / "records")
    made = open_records(tmp_path / "records")
    (batch,) = evaluation_batches(made, "train", 99)
    shares = class_shares(made)
    without = batch["labels"].numpy().sum(axis=1) == 0
    assert np.count_nonzero(without) == 2
    assert shares[without].sum() == pytest.approx(1 / 4)
