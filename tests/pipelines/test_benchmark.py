import json

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.models.family import search_space
from aec_ofa_tf.training.sampler import uniform_sampler
from pipelines.benchmarks.measuring import median_seconds, ratio
from pipelines.benchmarks.operations import counted_ratios
from pipelines.benchmarks.settings import TrainStepSettings
from pipelines.benchmarks.workload import draw_subnets
from tests.programs import run_program, run_without_tensorflow

TINY = (
    "--base_channels=4",
    "--frames=40",
    "--classes=5",
    "--batch_size=4",
    "--subnets_per_step=2",
    "--draws=1",
    "--repetitions=1",
    "--loop_steps=1",
    "--bfloat16_draws=1",
)

SEARCH_SIZES = ("--base_channels", "--frames", "--classes", "--batch_size")


def test_train_step_reports_every_figure_of_the_suite(tmp_path):
    out = tmp_path / "results" / "train_step.json"
    result = run_program("benchmark", "--suite=train_step", *TINY, f"--out={out}").result

    assert json.loads(out.read_text()) == result
    ratios = ["ratio_over_standalone", "ratio_over_standalone_bf16", "ratio_over_masks"]
    for name in [*ratios, "bf16_over_float32", "memory_over_largest"]:
        assert result[name] > 0, name
    assert result["traces"] == 1
    assert min(result[f"loop_{n}"] for n in ("overhead", "summaries", "summaries_cpu")) > -1
    assert set(result["steps_per_second"]) == {"float32", "mixed_bfloat16"}
    candidates = {"shared_slices", "separate_slices", "masks", "standalone"}
    rates = result["achieved_gflops"]
    assert min(rates["mixed_bfloat16"].values()) > 0
    for figures in (rates["float32"], *(row["seconds"] for row in result["draws"])):
        assert set(figures) == candidates
        assert min(figures.values()) > 0
    assert 0 < result["counted"]["ratio_over_masks"] < result["counted"]["ratio_over_standalone"]
    memory = result["memory"]
    for peaks in (memory, memory["freed_at_once"]):
        assert peaks["shared_over_largest"] > 0
        assert peaks["largest_mib"] > 0
    assert memory["freed_at_once"]["shared_with_largest_over_largest"] > 0
    assert [len(row["subnets"].split()) for row in result["draws"]] == [2]
    assert result["bfloat16"]["draws"] == 1
    assert isinstance(result["machine"]["bfloat16_units"], bool)
    assert 0 <= result["machine"]["share_of_other_programs"] < 1


@pytest.mark.parametrize("name", ["[2,2,X]", "mn01"])
def test_draws_are_those_of_the_sampler_in_every_family(name):
    space = search_space(name)
    network = space.network(5, 64, 64, task="multi_label")
    settings = TrainStepSettings(space, network, 2, 3, 4, 1, 1, ("float32",), None)
    draws = draw_subnets(settings)

    sample = uniform_sampler(space, 3)
    for seed, draw in enumerate(draws):
        assert [subnet.row() for subnet in draw] == sample(tf.constant([seed, 0])).numpy().tolist()
        assert all(subnet in space for subnet in draw)
    assert counted_ratios(settings, draws)["ratio_over_standalone"] < 1


def test_search_compares_the_tree_with_evaluating_subnets_alone():
    sizes = [flag for flag in TINY if "=" in flag and flag.split("=")[0] in SEARCH_SIZES]
    result = run_program(
        "benchmark", "--suite=search", *sizes, "--clips=6", "--walks=2", "--random_draws=20"
    ).result

    for name in ("ratio_tree_over_single", "ratio_tree_over_random"):
        assert result[name] > 0
    assert result["max_map_difference"] <= 1e-3
    assert result["impossible_budget_secs"] > 0
    assert result["subnets"] == 128
    assert len(result["tree_seconds"]) == 2
    assert min(result["peak_memory_mib"].values()) > 0
    assert 0.1 < result["counted"]["ratio_tree_over_single"] < 0.2


def test_tflite_reports_every_figure_of_the_suite():
    sizes = ("--space=[2,2,2]", "--base_channels=4", "--frames=40", "--classes=5")
    counts = ("--repetitions=8", "--warm_up=1")
    result = run_program("benchmark", "--suite=tflite", *sizes, *counts).result

    assert 0.2 < result["latency_over_handwritten"] < 5
    assert result["bytes_over_weights"] > 1
    assert 0 < result["front_end_error_db"] <= 1e-3
    assert result["front_end"]["silence_is_finite"] is True
    assert 0 < result["tag_startup_secs"] < 30
    subnets = [row["file"].split("/")[0] for row in result["handwritten"]]
    assert subnets == ["4x2-8x2-16x2-32x2", "4x2-3x2-6x2-12x2"]
    for row in result["handwritten"]:
        assert row["bytes_over_handwritten"] == pytest.approx(1, abs=0.02)
    kinds = ("log_mel-float32", "log_mel-float16", "log_mel-dynamic", "log_mel-int8")
    kinds += ("waveform-float32", "waveform-int8")
    names = [f"{subnet}/{kind}.tflite" for subnet in subnets for kind in kinds]
    tuned = "4x2-4x1-4x1-4x1/waveform-int8_qat.tflite"
    front_end = f"{subnets[0]}/front_end.tflite"
    assert [row["file"] for row in result["files"]] == [*names, tuned, front_end]
    for row in result["files"]:
        assert 0 < row["latency_ms"] <= row["latency_p90_ms"]
        assert min(row["load_ms"], row["peak_memory_mib"], row["bytes"]) > 0
    hear_waveforms = [row for row in result["files"] if row["input"] == "waveform"]
    assert all(0 < row["front_end_ms"] < row["latency_p90_ms"] for row in hear_waveforms)
    have_a_body = [row for row in hear_waveforms if row["file"] != tuned]
    assert all(0 < row["body_ms"] < row["latency_p90_ms"] for row in have_a_body)
    assert len(have_a_body) >= 4
    assert set(result["front_end"]["error_db_by_clip"]) == {
        f"{subnets[1]}/waveform-float32.tflite",
        f"{subnets[1]}/waveform-int8.tflite",
        tuned,
        front_end,
    }


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--suite=tflite", "--model=nowhere.tflite"], "--model=nowhere.tflite does not exist"),
        (["--suite=tflite", "--model=README.md", "--frames=9999"], "--frames cannot be used with"),
        (["--model=README.md"], "--model does not apply to --suite=train_step; it is for tflite"),
        (["--suite=search", "--threads=2"], "it is for tflite"),
        (["--suite=tflite", "--batch_size=4"], "it is for train_step and search"),
    ],
)
def test_flags_are_checked_before_anything_is_measured(flags, expected):
    done = run_without_tensorflow("benchmark", *flags)

    assert done.code == 1
    assert expected in done.stderr.splitlines()[-1]


def test_precisions_are_checked_before_anything_is_measured():
    done = run_without_tensorflow("benchmark", *TINY, "--precisions=mixed_bfloat16")

    assert done.code == 1
    assert "--precisions are float32" in done.stderr.splitlines()[-1]


def test_candidates_take_turns_in_alternating_order():
    calls: list[str] = []
    candidates = {name: lambda name=name: calls.append(name) for name in ("one", "two")}
    seconds = median_seconds(candidates, repetitions=3)

    assert calls == ["one", "two", "two", "one", "one", "two"]
    assert set(seconds) == {"one", "two"}


def test_a_figure_is_a_ratio_of_medians_not_a_median_of_ratios():
    rows = [{"a": 1.0, "b": 2.0}, {"a": 4.0, "b": 4.0}, {"a": 9.0, "b": 3.0}]

    assert ratio(rows, "a", "b") == pytest.approx(4.0 / 3.0)


def test_prepare_compares_with_a_plain_script():
    counts = ("--clips=4", "--clip_secs=0.5", "--repetitions=1")
    result = run_program("benchmark", "--suite=prepare", *counts).result

    assert result["ratio_over_plain"] > 0
    assert {name: len(every) for name, every in result["seconds"].items()} == {
        "prepare": 1,
        "plain": 1,
    }
    assert min(result["clips_per_second"].values()) > 0


def test_the_plain_script_computes_the_log_mel_of_the_records(tmp_path):
    from aec_ofa_tf.audio.io.decode import read_waveform
    from pipelines.benchmarks.plain_prepare import write_records
    from tests.recordings import noise, write
    from tests.tfrecords.test_prepare_records import reference_log_mel

    path = write(tmp_path / "raw" / "a" / "x.wav", noise(0.5))
    write_records(tmp_path / "raw", tmp_path / "out", 0.5)
    (record,) = tf.data.TFRecordDataset(str(tmp_path / "out")).as_numpy_iterator()
    example = tf.train.Example.FromString(record).features.feature
    assert example["id"].bytes_list.value[0] == b"x.wav"
    stored = np.frombuffer(example["log_mel"].bytes_list.value[0], np.float16).reshape(-1, 64)
    assert len(read_waveform(path)) == 16000
    # The ends differ: librosa pads with zeros by default, the front end by reflection.
    np.testing.assert_allclose(stored[2:-2], reference_log_mel(path)[2:-2], rtol=0, atol=0.05)


def test_input_compares_with_a_step():
    sizes = [flag for flag in TINY if not flag.startswith(("--loop", "--bfloat16"))]
    result = run_program("benchmark", "--suite=input", *sizes).result

    assert result["clips_per_second"] > 0
    assert result["ratio_over_step"] > 0
    assert 0 < result["share_of_checks"] < 1
