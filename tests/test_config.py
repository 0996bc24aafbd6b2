"""What the configuration dataclasses refuse, and what resumes by them."""

import dataclasses
import json

import numpy as np
import pytest

import aec_ofa_tf as ofa
from aec_ofa_tf.config import ConfigError, from_values, outcome
from aec_ofa_tf.costs.budget import Budget
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.request import check_kind
from aec_ofa_tf.models.cnn10 import cnn10_space
from aec_ofa_tf.models.network_options import NetworkOptions
from aec_ofa_tf.search.config import SearchConfig, subspace
from aec_ofa_tf.training.config import EvaluationConfig, TeacherConfig, TrainConfig
from aec_ofa_tf.training.device_config import DeviceConfig, check_devices
from aec_ofa_tf.training.origins import TransferConfig
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig

SMALL, LARGE = Budget("small", (("params", 0, 8e3),)), Budget("large", (("params", 0, 9e3),))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: TrainConfig(batch_size=0), "batch_size is at least 1, received 0"),
        (lambda: TrainConfig(batch_size=2.5), "batch_size is a whole number"),
        (
            lambda: TrainConfig(learning_rate=float("nan")),
            "learning_rate is at least 1e-12",
        ),
        (lambda: TrainConfig(batch_size=True), "batch_size is a whole number"),
        (lambda: TrainConfig(batch_size=None), "batch_size is a whole number, received None"),
        (lambda: TrainConfig(learning_rate="fast"), "learning_rate is a number, received 'fast'"),
        (lambda: TrainConfig(learning_rate=float("inf")), "learning_rate is at least"),
        (lambda: TrainConfig(time_roll=1), "time_roll is True or False"),
        (lambda: TrainConfig(schedule="linear"), "schedule is one of constant, cosine"),
        (
            lambda: TrainConfig(seed=2**31),
            "seed is a number from 0 to 2147483647, received 2147483648",
        ),
        (lambda: TrainConfig(mixup_alpha=1e9), "mixup_alpha is a number from 0 to 100"),
        (lambda: TrainConfig(gain_db=1e9), "gain_db is a number from 0 to 100"),
        (lambda: TrainConfig(jit_compile=True), "add execution='masks'"),
        (lambda: TeacherConfig(steps=0), "steps is at least 1"),
        (lambda: SupernetConfig(label_weight=3), "label_weight is a number from 0 to 1"),
        (lambda: SupernetConfig(sampler="sandwich", subnets_per_step=1), "subnets_per_step"),
        (lambda: SupernetConfig(distill_from="largest"), "add sampler='sandwich'"),
        (lambda: SubnetConfig(objective="both"), "objective is one of labels, distill"),
        (lambda: NetworkOptions(task="ranking"), "task is one of auto, multi_label"),
        (lambda: NetworkOptions(block_dropout=2), "block_dropout is a number from 0 to below 1"),
        (lambda: DeviceConfig(logical_cpus=2), "add it"),
        (lambda: EvaluationConfig(batch_size=0), "batch_size is at least 1"),
        (lambda: SearchConfig(), "search needs a budget"),
        (lambda: SearchConfig(["params<8"]), "cannot read the budget"),
        (lambda: SearchConfig([6000]), "each element Budget or text"),
        (lambda: SearchConfig(["latency_ms<=3"]), "give its latency_table"),
        (lambda: SearchConfig([SMALL, dataclasses.replace(LARGE, text="small")]), "need different"),
        (lambda: SearchConfig(["params<=8k"], storage="x"), "storage is for"),
        (lambda: SearchConfig(["params<=8k"], algorithm="guess"), "algorithm is one of"),
        (lambda: SearchConfig([SMALL], bootstrap_resamples=10**24), "from 100 to 1000000"),
        (lambda: ExportConfig(max_map_drop=5), "max_map_drop is a number from 0 to 1"),
        (lambda: ExportConfig(inputs=()), "name no file to make"),
        (lambda: ExportConfig(quantizations=("int4",)), "^quantizations is a list .* 'int4'$"),
        (lambda: ExportConfig(inputs="wave"), "^inputs is a list of log_mel, waveform, .* 'wave'$"),
        (lambda: check_kind("wave", "int8"), "^input is one of log_mel, waveform, .* 'wave'$"),
        (lambda: check_kind("log_mel", "int4"), "^quantization is one of .* received 'int4'$"),
        (lambda: check_kind("log_mel", "int8", "int4"), "^io_type is one of float32, int8, "),
        (lambda: ExportConfig(inputs="waveform", quantizations="float16"), "cannot be float16"),
        (lambda: ExportConfig(io_type="int8"), "cannot have int8 input and output tensors"),
        (lambda: ExportConfig(max_map_drop=-1), "max_map_drop is a number from 0 to 1"),
    ],
)
def test_an_impossible_value_fails_when_the_configuration_is_made(make, expected):
    with pytest.raises(ValueError, match=expected):
        make()


REQUIRED = {ofa.PrepareConfig: {"dataset": "folder", "clip_secs": 1.0},
            ofa.SearchConfig: {"budgets": "params<=8k"},
            ofa.ReproduceConfig: {"search": ofa.SearchConfig("params<=8k")}}  # fmt: skip
PUBLIC = [getattr(ofa, name) for name in ofa.__all__ if name.endswith(("Config", "Options"))]
CONFIGURATIONS = [value for value in PUBLIC if dataclasses.is_dataclass(value)]


@pytest.mark.parametrize("kind", CONFIGURATIONS, ids=lambda kind: kind.__name__)
def test_a_value_of_a_wrong_type_is_named_in_every_field(kind):
    for field in dataclasses.fields(kind):
        for value in (object(), {}, b"bytes"):
            with pytest.raises(ConfigError, match=f"{field.name} is .*, received"):
                kind(**{**REQUIRED.get(kind, {}), field.name: value})


def test_numbers_of_numpy_become_python_s():
    config = TrainConfig(batch_size=np.int64(8), learning_rate=np.float32(0.5))

    assert config == TrainConfig(batch_size=8, learning_rate=0.5)
    assert json.dumps(outcome(config))


def test_devices_that_cannot_train_so_are_refused():
    with pytest.raises(ConfigError, match="batch_size=64 cannot be cut"):
        check_devices(TrainConfig(), DeviceConfig("mirrored", 3))


def test_a_teacher_of_other_widths_is_refused():
    config, space = SupernetConfig(init="teacher"), cnn10_space("[2,2,X]", 16)

    config.check_teacher(TeacherConfig(base_channels=16), space)
    with pytest.raises(ConfigError, match="this one has 8x2-16x2-32x2-64x2"):
        config.check_teacher(TeacherConfig(base_channels=8), space)


def test_budgets_are_read_at_the_door():
    assert SearchConfig("params<=8k") == SearchConfig(["params<=8k"])
    assert SearchConfig("params<=8k,macs>=1").bounded_costs == {"params", "macs"}


def test_a_part_of_the_trained_space_can_be_named_and_no_other():
    trained = cnn10_space("[2,2,X]", 16)

    assert subspace(trained) == trained
    assert subspace(trained, "[2,2,2]", (0.4,)).size == 1
    with pytest.raises(ConfigError, match="were not trained"):
        subspace(trained, "[X,2,2]")
    with pytest.raises(ValueError, match="width ratios must lie"):
        subspace(trained, width_ratios=())
    with pytest.raises(ValueError, match="unknown search space ''"):
        subspace(trained, "")


def test_the_resume_key_is_what_changes_the_outcome():
    train = TrainConfig(batch_size=8, checkpoint_every=3, execution="masks")
    values = outcome(TeacherConfig(train, steps=5))

    assert values["batch_size"] == 8
    assert values["steps"] == 5
    assert not {"checkpoint_every", "execution", "train"} & values.keys()
    assert from_values(TeacherConfig, values) == TeacherConfig(TrainConfig(batch_size=8), steps=5)
    transfer = TransferConfig("mn04.keras", classifier_steps=3)
    pretrained = SupernetConfig(init="pretrained", transfer=transfer)
    assert from_values(SupernetConfig, outcome(pretrained)) == pretrained


def test_pairs_that_cannot_be_made_are_left_out_where_others_can(caplog):
    config = ExportConfig(inputs=("log_mel", "waveform"), quantizations=("float32", "float16"))

    assert config.kinds("audio") == [
        ("log_mel", "float32"),
        ("log_mel", "float16"),
        ("waveform", "float32"),
    ]
    assert "left out: a model with waveform input cannot be float16" in caplog.text
    with pytest.raises(ConfigError, match="payload='audio'"):
        config.kinds("log_mel")


def test_fine_tuning_is_part_of_the_resume_key_where_there_is_any():
    assert "qat_steps" not in ExportConfig().settings
    assert ExportConfig(quantizations=("int8_qat",)).settings["qat_steps"] == 300
