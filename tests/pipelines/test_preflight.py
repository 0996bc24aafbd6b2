"""What the training programs refuse before TensorFlow is imported."""

import pytest
from absl import flags
from absl.testing import flagsaver

from pipelines import preflight, train

FLAGS = flags.FLAGS


@pytest.fixture
def parse():
    """Parses a command line of `train`, and forgets it afterwards."""
    with flagsaver.flagsaver():
        yield lambda *arguments: FLAGS(["train", "--workdir=w", "--data_dir=d", *arguments])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--jit_compile", "add --execution=masks"),
        ("--jit_compile --execution=masks --strategy=mirrored", "leave out --jit_compile"),
        ("--logical_cpus=2", "are for --strategy=mirrored"),
        ("--strategy=mirrored --logical_cpus=3 --batch_size=64", "make it a multiple"),
        ("--sampler=sandwich --subnets_per_step=1", "raise --subnets_per_step"),
        ("--distill_from=largest", "add --sampler=sandwich"),
        ("--strategy=multiworker --precision=mixed_float16", "use --precision=mixed_bfloat16"),
        ("--strategy=multiworker --stages=prepare", "run `python -m pipelines.prepare` once"),
        ("--strategy=multiworker --stages=teacher", "needs the environment variable TF_CONFIG"),
    ],
)
def test_flags_that_contradict_each_other_are_refused_with_the_remedy(parse, arguments, expected):
    parse(*arguments.split())

    with pytest.raises(ValueError, match=expected):
        preflight.check_training_flags()


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
        preflight.check_training_flags()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "prepare teacher soft_labels supernet search convert"),
        ("--distill_from=online", "prepare teacher supernet search convert"),
        ("--distill_from=largest", "prepare supernet search convert"),
        (
            "--distill_from=largest --supernet_init=teacher",
            "prepare teacher supernet search convert",
        ),
        ("--strategy=multiworker", "teacher soft_labels supernet search convert"),
    ],
)
def test_stages_that_nothing_needs_are_left_out(parse, arguments, expected):
    parse(*arguments.split())

    assert train.needed_stages() == expected.split()


@pytest.mark.parametrize(
    "arguments",
    ["--quantization=float32,int8", "--quantization=int8 --input=log_mel,waveform"],
)
def test_integer_ends_of_networks_that_do_not_have_them_are_refused(parse, arguments):
    parse("--io_type=int8", *arguments.split())

    with pytest.raises(ValueError, match=r"cannot have int8 tensors.*io_type=float32"):
        preflight.conversion_kinds("audio")


def test_integer_ends_of_an_int8_network_are_fine(parse):
    parse("--io_type=int8", "--quantization=int8")

    assert preflight.conversion_kinds("log_mel") == [("log_mel", "int8")]


def test_a_pair_that_cannot_be_is_left_out_where_others_can(parse, caplog):
    parse("--input=log_mel,waveform", "--quantization=float32,float16")

    assert preflight.conversion_kinds("audio") == [
        ("log_mel", "float32"),
        ("log_mel", "float16"),
        ("waveform", "float32"),
    ]
    assert "left out: a waveform-in model cannot be float16" in caplog.text


def test_an_input_or_quantisation_that_is_met_in_no_pair_is_refused(parse):
    parse("--input=log_mel,waveform", "--quantization=float16")

    with pytest.raises(ValueError, match="waveform-in model cannot be float16"):
        preflight.conversion_kinds("audio")
