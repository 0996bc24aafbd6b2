import logging
import re
import subprocess
import sys
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
    _, again = store(tmp_path)
    assert again.restore() == 7 + moves  # with its data in place, the new one is complete
    kept.save(9)
    assert kept.steps() == ([9, 8, 7] if moves else [9, 7])


def test_checkpoints_that_were_copied_without_their_index_are_not_passed_over(tmp_path, caplog):
    saved(tmp_path, 4, 8)
    (tmp_path / "step-8.index").unlink()
    logging.getLogger("absl").propagate = True
    assert_restores(tmp_path, 4)
    assert "has data of the steps [8] without their step-N.index files" in caplog.text
    (tmp_path / "step-4.index").unlink()
    with pytest.raises(OSError, match=r"steps \[4, 8\].*copy the \*\.index files too") as caught:
        assert_restores(tmp_path, 0)
    assert "remove" not in str(caught.value)
    assert len(list(tmp_path.glob("step-*.data-*"))) == 2


def test_the_reason_of_a_failed_save_is_free_of_tensorflow_s_own_names(tmp_path):
    _, kept = store(tmp_path / "file" / "checkpoints")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="checkpoint of step 1 could not be written") as caught:
        kept.save(1)
    assert not re.search(r"\{\{|__wrapped__|\[Op:", str(caught.value))


def test_nothing_but_damaged_checkpoints_is_an_error(tmp_path):
    saved(tmp_path, 1, 2)
    for path in tmp_path.glob("*.data*"):
        path.write_bytes(b"")

    with pytest.raises(OSError, match="none of the checkpoints"):
        assert_restores(tmp_path, 2)


@pytest.mark.parametrize("name", ["[2,2,X]", "a*b", "what?", "back\\slash", "[[]]"])
def test_wildcards_in_a_path_are_ordinary_characters(tmp_path, name):
    folder = tmp_path / name / "checkpoints"
    saved(folder, 1, 2)
    assert_restores(folder, 2)
    (tmp_path / "2").mkdir()  # what a pattern would find
    (folder / "step-2.index").write_bytes(b"")
    assert_restores(folder, 1)


def test_a_checkpoint_that_cannot_be_read_is_not_called_damaged(tmp_path):
    saved(tmp_path, 1)
    (tmp_path / "step-1.index").write_bytes(b"")
    with pytest.raises(OSError, match=r"step 1: .*Restore them from a copy, or train") as caught:
        assert_restores(tmp_path, 1)
    assert "remove" not in str(caught.value)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
here, folder = sys.argv[1:]
sys.path.insert(0, here)
from tests.training.test_checkpoints import saved
saved(Path(folder), 1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    saved(Path(folder), 2)
except OSError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_leaves_the_earlier_checkpoint(tmp_path):
    command = [sys.executable, "-c", FULL_DISK, str(Path(__file__).parents[2]), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"checkpoint of step 2 could not be written to {tmp_path}: " in done.stdout
    assert "{{" not in done.stdout
    assert "make room and run the same command again" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert not (tmp_path / ".partial").exists()
    assert_restores(tmp_path, 1)
