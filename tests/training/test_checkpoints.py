import logging
from pathlib import Path

import keras
import numpy as np
import pytest

from aec_ofa_tf.models.cnn10 import Cnn10Network, parse_subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.training.checkpoints import CheckpointStore


def store(directory, optimizer=True):
    supernet = Supernet([parse_subnet("2x2-2x2")], Cnn10Network(2, 32, embedding_units=4))
    return supernet, CheckpointStore(
        directory, supernet, keras.optimizers.Adam() if optimizer else None
    )


def fill(supernet, value):
    for weight in supernet.weights:
        weight.assign(weight * 0 + value)


def saved(tmp_path, *steps):
    supernet, kept = store(tmp_path)
    for step in steps:
        fill(supernet, step)
        kept.save(step)
    return kept


def assert_restores(directory, step):
    supernet, kept = store(directory)
    assert kept.restore() == step
    assert all((weight.numpy() == step).all() for weight in supernet.weights)


def test_a_fresh_directory_starts_at_step_0(tmp_path):
    _, kept = store(tmp_path)
    assert kept.restore() == 0


def test_the_newest_checkpoint_is_restored_and_old_ones_are_removed(tmp_path):
    kept = saved(tmp_path, 1, 2, 3, 10)

    assert kept.steps() == [10, 3, 2]
    assert_restores(tmp_path, 10)


def test_weights_can_be_restored_without_an_optimiser(tmp_path):
    saved(tmp_path, 5)
    supernet, kept = store(tmp_path, optimizer=False)

    assert kept.restore() == 5
    np.testing.assert_array_equal(supernet.weights[0].numpy(), 5)


@pytest.mark.parametrize("fault", ["flipped", "cut", "index", "missing"])
def test_a_damaged_newest_checkpoint_walks_back_loudly(tmp_path, caplog, fault):
    saved(tmp_path, 1, 2)
    data = tmp_path / "step-2.data-00000-of-00001"
    if fault == "flipped":
        content = bytearray(data.read_bytes())
        content[len(content) // 2] ^= 0x40
        data.write_bytes(content)
    elif fault == "cut":
        data.write_bytes(data.read_bytes()[:100])
    elif fault == "index":
        index = tmp_path / "step-2.index"
        index.write_bytes(index.read_bytes()[:20])
    else:
        data.unlink()

    logging.getLogger("absl").propagate = True
    assert_restores(tmp_path, 1)
    assert "step-2 cannot be read, trying an older" in caplog.text


@pytest.mark.parametrize("moves", [0, 1])
def test_a_save_that_is_cut_short_leaves_the_earlier_checkpoint(tmp_path, monkeypatch, moves):
    kept = saved(tmp_path, 7)
    left = iter(range(moves))
    move = Path.replace

    def cut(path: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise InterruptedError
        return move(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", cut)
        with pytest.raises(InterruptedError):
            kept.save(8)
    assert kept.steps() == [7]
    assert_restores(tmp_path, 7)
    kept.save(9)
    assert kept.steps() == [9, 7]


def test_nothing_but_damaged_checkpoints_is_an_error(tmp_path):
    saved(tmp_path, 1, 2)
    for path in tmp_path.glob("*.data*"):
        path.write_bytes(b"")

    with pytest.raises(OSError, match="none of the checkpoints"):
        assert_restores(tmp_path, 2)
