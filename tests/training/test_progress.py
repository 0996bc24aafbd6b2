"""What the loop logs of its steps, and the profile of a few of them."""

import time

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.reporting.summaries import SummaryLog
from aec_ofa_tf.training.loop import LoopConfig
from aec_ofa_tf.training.profile import WARM_UP
from aec_ofa_tf.training.progress import Progress, StepValues
from tests.reporting.events import logged
from tests.training.test_loop import STEPS, feed, new_loop


def values(loss: float, norm: float = 1.0) -> StepValues:
    """A step with the largest, the smallest and two drawn subnets."""
    return StepValues(4 * loss, 0.0, norm, (loss, loss, 2 * loss), (1.0, 1.0, 2.0))


def test_losses_and_norms_are_means_since_the_last_summary():
    progress = Progress(batch_size=4, by_size=True)
    progress.add(values(9.0))
    progress.scalars()
    for loss, norm in ((1.0, 2.0), (2.0, float("inf")), (3.0, 4.0)):
        progress.add(values(loss, norm))

    scalars = progress.scalars()
    means = {"loss/mean", "loss/largest", "loss/smallest", "loss/drawn"}
    assert {name: scalars[name] for name in means} == pytest.approx(dict.fromkeys(means, 2.0))
    assert scalars["optimizer/gradient_norm"] == pytest.approx(3.0)


def test_one_subnet_alone_has_no_size():
    progress = Progress(batch_size=4, by_size=False)
    progress.add(values(1.0))
    assert {name for name in progress.scalars() if name.startswith("loss/")} == {"loss/mean"}


def test_the_share_of_waiting_is_that_of_slow_batches():
    def slow():
        for number in range(4):
            time.sleep(0.05)
            yield number

    progress = Progress(batch_size=4, by_size=True)
    for _ in progress.timed(slow()):
        progress.add(values(1.0))
        time.sleep(0.05)
    scalars = progress.scalars()

    assert 0.3 < scalars["speed/input_share"] < 0.7
    assert scalars["speed/clips_per_second"] < 4 / 0.1


def test_a_loop_logs_its_groups_of_scalars(tmp_path):
    loop = new_loop(tmp_path / "checkpoints")
    loop.log = SummaryLog(tmp_path / "events")
    loop.run(feed(), 0, LoopConfig(STEPS, summary_every=3))

    scalars = logged(tmp_path / "events")
    assert scalars.keys() == {
        *("loss/mean", "loss/drawn", "optimizer/learning_rate", "optimizer/gradient_norm"),
        *("speed/clips_per_second", "speed/input_share"),
    }
    assert all(np.isfinite(value) for value in scalars.values())
    assert float(scalars["optimizer/learning_rate"]) == pytest.approx(1e-3)


def test_a_profile_has_the_steps_that_were_asked_for(tmp_path):
    loop = new_loop(tmp_path / "checkpoints")
    loop.log = SummaryLog(tmp_path / "events")
    loop.run(feed(), 0, LoopConfig(WARM_UP + 4, profile_steps=2))

    (profile,) = (tmp_path / "events" / "plugins" / "profile").rglob("*.xplane.pb")
    content = profile.read_bytes()
    assert b"train" in content
    assert b"Conv2D" in content


def test_a_loop_that_ends_in_a_profile_stops_the_profiler(tmp_path):
    loop = new_loop(tmp_path / "checkpoints")
    loop.log = SummaryLog(tmp_path / "events")
    loop.run(feed(), 0, LoopConfig(WARM_UP + 1, profile_steps=9))

    assert list((tmp_path / "events").rglob("*.xplane.pb"))
    tf.profiler.experimental.start(str(tmp_path))  # raises if one is at work
    tf.profiler.experimental.stop(save=False)
