"""What a reproduction refuses, each in one sentence that names the parameter."""

import pytest

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.training.config import EvaluationConfig, TeacherConfig, TrainConfig
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig
from tests.reproduction.made import BUDGETS, SPACES, config


@pytest.mark.parametrize(
    ("changes", "parameter", "message"),
    [
        ({"arms": ["ofa", "sratch"]}, "arms", "received ofa, sratch"),
        ({"arms": []}, "arms", "received none"),
        ({"arms": ["kd"], "fixed_ratios": []}, "arms", "arms=kd has nothing to train"),
        ({"arms": ["ofa", "init"], "ablation_seeds": 0}, "arms", "ablation_seeds is empty or 0"),
        ({"tune_steps": []}, "arms", "arms=tuned has nothing to train: tune_steps is empty or 0"),
        (
            {"subnet": SubnetConfig(TrainConfig(warmup_steps=10)), "tune_steps": [10, 100]},
            "warmup_steps",
            "a network of 10 steps never reaches its learning rate: warmup_steps=10 ",
        ),
        ({"seeds": 0}, "seeds", "seeds is at least 1|a number from 1"),
        ({"spaces": []}, "spaces", "received none"),
        ({"spaces": SPACES[:1] * 2}, "spaces", r"received \[2,2,X\], \[2,2,X\]"),
        ({"fixed_ratios": [0.4, 0.5]}, "fixed_ratios", "received 0.4, 0.5"),
        ({"fixed_ratios": [0.4, 2.0]}, "fixed_ratios", "received 0.4, 2"),
        ({"tune_steps": [10, 10]}, "tune_steps", r"received \[10, 10\]"),
        ({"supernet": SupernetConfig(init="teacher")}, "init", "leave out init='teacher'"),
        ({"subnet": SubnetConfig(distill_from="online")}, "distill_from", "leave out distill_from"),
        ({"teacher": TeacherConfig(TrainConfig(seed=2**31 - 1))}, "seed|seeds", "seed"),
    ],
)
def test_what_is_refused(changes, parameter, message):
    with pytest.raises(ConfigError, match=message) as raised:
        config(**changes)
    assert set(raised.value.parameters) & set(parameter.split("|"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["batch_size", "calibration_clips"])
@pytest.mark.parametrize("arm", ["teacher", "supernet", "subnet", "search"])
def test_no_arm_is_recalibrated_by_another_rule(arm, name):
    other = {name: 48}
    kinds = {"teacher": TeacherConfig, "supernet": SupernetConfig, "subnet": SubnetConfig}
    search = SearchConfig(BUDGETS, evaluation=EvaluationConfig(**other))
    value = search if arm == "search" else kinds[arm](train=TrainConfig(**other))
    with pytest.raises(ConfigError, match="the same rule") as raised:
        config(**{arm: value})
    assert raised.value.parameters == (name,)


def test_every_seed_trains_with_its_own():
    made = config(seeds=3, ablation_seeds=2)

    assert list(made.all_seeds) == [0, 1, 2]
    assert list(made.few_seeds) == [0, 1]
    assert made.teacher_of(2).train.seed == made.supernet_of(2).train.seed == 2
    assert made.search_of(2, "random").seed == 2
    one = made.subnet_of(1, "distill", "supernet", 10)
    assert (one.train.seed, one.objective, one.init, one.steps) == (1, "distill", "supernet", 10)
