"""One device, two logical devices and two processes on loopback train alike."""

import json
import socket
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.layers import prefix
from aec_ofa_tf.training import config
from aec_ofa_tf.training.devices import Devices, open_devices, peers_watched
from tests.programs import Running


def cluster(workers: int) -> list[dict[str, str]]:
    """The environment of every worker of a cluster on free ports of this machine."""
    sockets = [socket.socket() for _ in range(workers)]
    for one in sockets:
        one.bind(("localhost", 0))
    hosts = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    tasks = ({"type": "worker", "index": index} for index in range(workers))
    return [
        {"TF_CONFIG": json.dumps({"cluster": {"worker": hosts}, "task": task})} for task in tasks
    ]


def replicas(strategy: str, path: Path, environment=None) -> Running:
    return Running("tests.training.replicas", [strategy, path], environment)


def end_well(*programs: Running) -> None:
    for done in [program.finished() for program in programs]:
        assert done.code == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("replicas")
    paths = {name: folder / f"{name}.npz" for name in ("none", "mirrored", "multiworker")}
    for name in ("none", "mirrored"):
        end_well(replicas(name, paths[name]))
    end_well(*(replicas("multiworker", paths["multiworker"], one) for one in cluster(2)))
    return {name: dict(np.load(path)) for name, path in paths.items()}


@pytest.mark.parametrize(
    ("name", "run", "bound"),
    [
        ("multiworker", "float32", 1e-5),
        ("mirrored", "float64", 1e-10),
        ("mirrored", "toy", 1e-10),
        ("mirrored", "toy_masks", 1e-10),
    ],
)
def test_replicas_have_the_losses_and_weights_of_one_device(runs, name, run, bound):
    losses, expected = runs[name][f"{run}_losses"], runs["none"][f"{run}_losses"]

    assert len(expected) == 20
    assert len(set(expected)) == 20
    assert np.abs(losses - expected).max() <= bound
    weight, other = runs[name][f"{run}_weight"], runs["none"][f"{run}_weight"]
    assert np.abs(weight - other).max() <= 10 * bound


def test_float16_with_its_loss_scale_trains_on_replicas_too(runs):
    losses, expected = (runs[name]["float16_losses"] for name in ("mirrored", "none"))

    assert np.isfinite(losses).all()
    assert np.abs(losses - expected).max() <= 1e-2


def test_an_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match="'ring'"):
        open_devices("ring")
    assert config.EXECUTIONS == prefix.EXECUTIONS


def test_a_worker_that_ends_after_all_have_come_is_not_lost():
    devices = Devices(mock.create_autospec(tf.distribute.MultiWorkerMirroredStrategy))
    gone = tf.errors.UnavailableError(None, None, "Socket closed")
    with mock.patch.object(Devices, "_gather", side_effect=[[0, 0], gone]):
        devices.wait_for_all()
    with (
        mock.patch.object(Devices, "_gather", side_effect=gone),
        pytest.raises(tf.errors.UnavailableError),
    ):
        devices.wait_for_all()


def test_a_lost_worker_is_told_as_such():
    cluster = mock.create_autospec(Devices, is_cluster=True)
    with pytest.raises(RuntimeError, match="start all workers again"), peers_watched(cluster):
        raise tf.errors.UnavailableError(None, None, "Collective ops is aborted")
    alone = open_devices("none")
    with pytest.raises(tf.errors.UnavailableError), peers_watched(alone):
        raise tf.errors.UnavailableError(None, None, "something else")
