"""From command lines to configurations, and from the library's errors to the program's."""

import dataclasses

import pytest
from absl import flags
from absl.testing import flagsaver

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.costs import missing_table
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.models.network_options import NetworkOptions
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.training.config import EvaluationConfig, TeacherConfig, TrainConfig
from aec_ofa_tf.training.device_config import DeviceConfig
from aec_ofa_tf.training.student_config import SubnetConfig, SupernetConfig
from pipelines import train  # noqa: F401 - defines the flags
from pipelines.flags import (
    documentation,
    experiment,
    flag_name,
    given,
    naming_flags,
    used,
    with_flags,
)
from pipelines.preflight import check_request

FLAGS = flags.FLAGS
CONFIGS = (
    NetworkOptions,
    TrainConfig,
    TeacherConfig,
    SupernetConfig,
    SubnetConfig,
    DeviceConfig,
    SearchConfig,
    ExportConfig,
    EvaluationConfig,
)
ENOUGH = ("--workdir=w", "--data_dir=d", "--budget=params<=8k")


@pytest.fixture
def parse():
    """Parses a command line of `train`, and forgets it afterwards."""
    with flagsaver.flagsaver():
        yield lambda *arguments: FLAGS(["train", *ENOUGH, *arguments])


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_field_is_documented_and_has_a_flag_with_its_default(kind, parse):
    parse()
    meanings = documentation(kind)
    for field in dataclasses.fields(kind):
        assert meanings[field.name]
        assert ">>>" not in meanings[field.name]
        if field.default is dataclasses.MISSING or field.name == "budgets":
            continue
        flag = FLAGS[flag_name(kind, field.name)]
        assert flag.help
        if kind is not EvaluationConfig:  # whose values are those of training
            expected = field.default
            assert flag.value == (list(expected) if isinstance(expected, tuple) else expected)


def test_flags_become_configurations(parse):
    parse(
        "--batch_size=8",
        "--teacher_steps=12",
        "--supernet_steps=7",
        "--supernet_init=teacher",
        "--params=9e3",
        "--latency_table=table.json",
        "--input=log_mel,waveform",
        "--task=single_label",
        "--stages=teacher,supernet,search,convert",
    )
    asked = experiment.train_flags()

    assert asked.teacher == TeacherConfig(TrainConfig(batch_size=8), steps=12)
    assert asked.supernet == SupernetConfig(asked.teacher.train, steps=7, init="teacher")
    assert asked.subnet is None
    assert [str(budget) for budget in asked.search.budgets] == ["params<=8k", "params=9000+-200000"]
    assert asked.search.latency_table.name == "table.json"
    assert asked.search.evaluation == asked.export.evaluation == EvaluationConfig(8, 1024)
    assert asked.export.inputs == ("log_mel", "waveform")
    assert asked.options.task == "single_label"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--jit_compile", "add --execution='masks'"),
        ("--jit_compile --execution=masks --strategy=mirrored", "leave out --jit_compile"),
        ("--logical_cpus=2", "are for --strategy='mirrored'"),
        ("--strategy=mirrored --logical_cpus=3 --batch_size=64", "make it a multiple"),
        ("--sampler=sandwich --subnets_per_step=1", "raise --subnets_per_step"),
        ("--distill_from=largest", "add --sampler='sandwich'"),
        ("--strategy=multiworker --precision=mixed_float16", "use --precision='mixed_bfloat16'"),
        ("--strategy=multiworker --stages=prepare,teacher", "TF_CONFIG"),
        ("--strategy=multiworker --stages=prepare", "run `python -m pipelines.prepare` once"),
        ("--strategy=multiworker --stages=teacher", "needs the environment variable TF_CONFIG"),
        (
            "--supernet_init=teacher --teacher_base_channels=8",
            "--supernet_init='teacher' needs.*--teacher_base_channels",
        ),
        ("--storage=sqlite:///x.db", "add --algorithm='evolutionary'|--storage is for"),
        ("--stages=subnet", "needs --subnet"),
        ("--stages=subnet --subnet=biggest", "names smallest, largest, 0.4, 0.6, 0.8, 1"),
        (
            "--input=waveform --payload=audio --budget=tflite_bytes<=1M",
            "bound tflite_bytes_waveform instead of tflite_bytes, or add --input='log_mel'",
        ),
        ("--input=waveform", "--payload='log_mel' keeps none: prepare them with --payload='audio'"),
    ],
)
def test_flags_that_contradict_each_other_are_refused_with_the_remedy(parse, arguments, expected):
    parse(*arguments.split())

    @naming_flags
    def main(_):
        check_request(experiment.train_flags())

    with pytest.raises(ValueError, match=expected):
        main([])


@pytest.mark.parametrize(
    "config",
    [
        "",
        "{}",
        "[]",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": -1}}',
    ],
)
def test_a_cluster_that_is_not_one_is_refused_with_an_example(parse, monkeypatch, config):
    parse("--strategy=multiworker", "--stages=teacher")
    monkeypatch.setenv("TF_CONFIG", config)

    with pytest.raises(ValueError, match="for example TF_CONFIG="):
        check_request(experiment.train_flags())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "prepare teacher soft_labels supernet search convert"),
        ("--distill_from=online", "prepare teacher supernet search convert"),
        ("--distill_from=largest", "prepare supernet search convert"),
        ("--distill_from=frozen_largest", "prepare supernet search convert"),
        (
            "--distill_from=largest --supernet_init=teacher",
            "prepare teacher supernet search convert",
        ),
        ("--strategy=multiworker", "teacher soft_labels supernet search convert"),
    ],
)
def test_stages_that_nothing_needs_are_left_out(parse, arguments, expected):
    parse(*arguments.split())

    assert experiment.needed_stages() == tuple(expected.split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--subnet=0.4", "--subnet is for the stage subnet.*add --stages=subnet"),
        ("--steps=5", "--steps is for .*--teacher_steps, --largest_steps and --supernet_steps"),
        ("--init=supernet", "--init is for .*--supernet_init"),
        ("--objective labels", "--objective is for the stage subnet"),
    ],
)
def test_flags_of_a_single_network_need_its_stage(parse, arguments, expected):
    parse(*arguments.split())
    found = given(arguments.split())

    with pytest.raises(ValueError, match=expected):
        used.check_given(experiment.STAGES, found)
    used.check_given(("subnet",), found)


def test_flags_whose_stage_does_not_run_are_told(parse, caplog):
    arguments = "--teacher_steps=5", "--norank_correlation", "--batch_size=8", "--label_weight=1"
    parse(*arguments)

    used.check_given(("supernet",), given(arguments))

    assert caplog.messages == [
        "not used, because their stages do not run: --teacher_steps, --rank_correlation"
    ]


def test_flags_of_flagfiles_are_not_those_of_the_command_line(parse, tmp_path):
    path = tmp_path / "run.flags"
    path.write_text("--steps=5\n")
    arguments = f"--flagfile={path}", "--seed", "3", "--", "--subnet=0.4"
    parse(*arguments)

    assert FLAGS.steps == 5
    assert given(arguments) == ["seed"]


def _error(make):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        make()
    return caught.value


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConfigError("steps was 12, now 13", "steps", owner=TeacherConfig), "--teacher_steps was"),
        (ConfigError("add execution='masks'", "execution"), "add --execution='masks'"),
        (ValueError("allow a larger drop (max_map_drop)"), "drop (--max_map_drop)"),
        (ValueError("lower --learning_rate"), "lower --learning_rate"),
        (ValueError("does not accept beam_args=['x']"), "does not accept --beam_arg=['x']"),
        (missing_table(), "give its --latency_table, a file"),
        (_error(lambda: ExportConfig(quantizations=["int4"])), "--quantization is a list of"),
        (_error(lambda: ExportConfig(inputs=["wave"])), "--input is a list of"),
        (ValueError("/runs/data_dir/x is damaged"), "/runs/data_dir/x is damaged"),
        (ValueError("the steps of a run"), "the steps of a run"),
    ],
)
def test_parameters_in_messages_become_flags(parse, error, expected):
    parse()

    assert expected in with_flags(error)
