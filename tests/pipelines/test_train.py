import json
import re
import shutil
import signal
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.dataset import TRAIN
from aec_ofa_tf.tagging.model_file import read_info
from tests.pipelines.conftest import RANK_SWAP, TINY, final_weights, reached
from tests.programs import Running, run_program
from tests.reporting.events import logged
from tfrecords.records import open_records


def test_the_whole_path_ends_in_files_that_were_scored(trained):
    stages = trained.result["stages"]

    assert list(stages) == ["prepare", "teacher", "soft_labels", "supernet", "search", "convert"]
    assert stages["prepare"]["clips"] == {"train": 48, "validation": 24, "evaluation": 24}
    assert [row["budget"] for row in stages["search"]["budgets"]] == [
        "params<=8k",
        "params=9k+-2k",
    ]
    files = stages["convert"]["files"]
    assert len(files) == 2 * 4
    for file in files:
        assert 0 <= file["mAP"] <= 1
        assert file["parity_map_drop"] <= 0.2
        bound = 1e-4 if file["quantization"] == "float32" else 0.5
        assert file["max_abs_error"] <= bound
    exact = [file for file in files if file["quantization"] == "float32"]
    assert all(abs(file["mAP"] - file["keras_mAP"]) < RANK_SWAP for file in exact)
    assert all(file["max_abs_error"] < 1e-5 for file in exact)


def test_a_file_tells_the_run_that_it_comes_from(trained):
    extra = read_info(trained.result["stages"]["convert"]["files"][0]["file"]).extra

    assert {name: extra[name] for name in ("run", "dataset", "training_steps", "seed")} == {
        "run": trained.workdir.name,
        "dataset": "synthetic",
        "training_steps": 4 + 8,
        "seed": 0,
    }
    assert extra["records_fingerprint"] == open_records(trained.data_dir).fingerprint
    assert len(extra["run_fingerprint"]) == 64


def test_searched_subnets_meet_their_budgets(trained):
    small, ranged = trained.result["stages"]["search"]["budgets"]

    assert small["params"] <= 8_000
    assert 7_000 <= ranged["params"] <= 11_000
    for row in (small, ranged):
        assert row["candidates"] == row["in_budget"] >= 3
        assert row["mAP"] == row["validation"]["mAP"]
        assert {"mAP", "mAUC", "d_prime"} <= row["evaluation"].keys()


def test_running_again_skips_what_is_done(trained):
    before = (trained.workdir / "teacher.keras").stat().st_mtime_ns
    again = run_program(
        "train", *trained.flags, "--stages=prepare,teacher,soft_labels,supernet"
    ).result

    assert (trained.workdir / "teacher.keras").stat().st_mtime_ns == before
    for name in ("teacher", "soft_labels", "supernet"):
        assert {**again["stages"][name], "seconds": 0} == {
            **trained.result["stages"][name],
            "seconds": 0,
        }


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ("--budget=params<=10", "the nearest are"),
        ("--budget=params<=9k --sample_budget=params<=10", "the nearest are"),
        ("--budget=params<=9k --sample_budget=wide", "cannot read the budget 'wide'"),
        ("--budget=latency_ms<=9", "give its --latency_table"),
        ("--budget=params<=8k --latency_table=no.json", "cannot read the latency table no.json"),
    ],
)
def test_an_impossible_budget_fails_before_anything_is_prepared(tmp_path, budget, expected):
    where = f"--data_dir={tmp_path}/data", f"--workdir={tmp_path}/run"
    tiny = [flag for flag in TINY if not flag.startswith("--budget")]
    done = run_program("train", *tiny, *where, *budget.split())

    assert done.code == 1
    assert expected in done.stderr.splitlines()[-1]
    assert not (tmp_path / "data" / "manifest.json").exists()
    assert not (tmp_path / "run").exists()


def test_tensorboard_gets_losses_rates_and_validation(trained):
    teacher, supernet = (logged(trained.workdir / "events" / n) for n in ("teacher", "supernet"))

    losses = {f"loss/{size}" for size in ("mean", "largest", "smallest", "drawn")}
    assert losses <= supernet.keys()
    assert {name for name in teacher if name.startswith("loss/")} == {"loss/mean"}
    done = trained.result["stages"]["supernet"]
    for name in ("smallest", "ratio_0.6", "largest"):
        figure = float(supernet[f"validation/mAP_{name}"])
        assert figure == pytest.approx(done[f"validation_mAP/{name}"], abs=1e-6)
    per_class = [float(v) for k, v in supernet.items() if k.startswith("validation_AP_of_class/")]
    assert np.mean(per_class) == pytest.approx(done["validation_mAP/largest"], abs=1e-6)
    assert float(teacher["validation/mAP_teacher"]) > 0


def test_tensorboard_gets_clips_before_and_after_augmentation_with_sound_and_tags(trained):
    records = open_records(trained.data_dir)
    for stage in ("teacher", "supernet"):
        found = logged(trained.workdir / "events" / stage)
        width, height, *pictures = found["training_clips/before_and_after"]
        assert len(pictures) == 1
        assert tf.io.decode_png(pictures[0]).shape[:2] == [int(height), int(width)]
        (batch,) = records.evaluation_batches(TRAIN, 4, ("waveform",), limit=4)
        for (sound, _), waveform in zip(
            found["training_clips/sound"], batch["waveform"].numpy(), strict=True
        ):
            heard, rate_hz = tf.audio.decode_wav(sound)
            assert int(rate_hz) == records.front_end.sample_rate_hz
            np.testing.assert_allclose(heard.numpy()[:, 0], waveform, atol=1e-4)
        tags = found["training_clips/tags"].item().decode()
        for name in batch["id"].numpy():
            assert f"| {name.decode()} |" in tags
        assert len(re.findall(r"[a-z_]+ [01]\.\d{3}", tags)) == 3 * len(batch["id"])
        assert len(found["validation/co-occurrence"]) == 3


def test_tensorboard_gets_configuration_and_network_as_texts(trained):
    found = logged(trained.workdir / "events" / "supernet")
    stage, experiment = (
        json.loads(found[f"configuration/{name}"].item().decode()[len("```json") : -len("```")])
        for name in ("stage", "experiment")
    )
    assert stage["steps"] == 8
    assert stage["train"]["batch_size"] == 8
    assert experiment == json.loads((trained.workdir / "config.json").read_text())
    (total,) = re.findall(r"\| \*\*(\d[\d,]*)\*\* \|", found["model/largest"].item().decode())[:1]
    largest = trained.result["stages"]["search"]["largest"]
    assert int(total.replace(",", "")) == largest["params"]


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--base_channels=6", "belongs to another experiment: "),
        ("--space=EW", "belongs to another experiment: "),
        ("--teacher_steps=13", "--teacher_steps was 12, now 13"),
        ("--budget=params<=1k", "the nearest are 4x2-"),
        ("--stages=teacher,fly", "unknown --stages"),
        ("--input=video", "received 'video'"),
        ("--label_weight=3", "label_weight"),
        ("--supernet_init=teacher --base_channels=6", "set the teacher's --teacher_base_channels"),
        ("--quantization=", "name no file to make"),
        ("--width_ratios=a,b", "--width_ratios takes numbers"),
    ],
)
def test_a_mistake_is_told_with_its_remedy_and_no_traceback(trained, flag, expected):
    kept = (trained.workdir / "flags.txt").read_text()
    done = run_program("train", *trained.flags, *flag.split())

    assert done.code == 1
    assert expected in done.stderr
    assert (trained.workdir / "flags.txt").read_text() == kept
    assert "Traceback" not in done.stderr


def test_two_jobs_in_one_workdir_the_second_refuses(trained):
    import filelock

    with filelock.FileLock(trained.workdir / ".lock"):
        done = run_program("train", *trained.flags, "--stages=teacher")
    assert done.code == 1
    assert "in use by another job" in done.stderr


@pytest.mark.parametrize("objective", ["labels", "distill"])
def test_a_subnet_can_be_trained_alone_or_from_the_supernet(trained, objective):
    init = {"labels": "random", "distill": "supernet"}[objective]
    result = run_program(
        "train",
        *trained.flags,
        "--stages=subnet",
        "--subnet=0.4",
        f"--objective={objective}",
        f"--init={init}",
        "--steps=3",
    ).result["stages"]["subnet"]

    assert result["subnet"] == "4x2-3x2-6x2-12x2"
    assert 0 <= result["mAP"] <= 1
    model = keras.models.load_model(result["file"])
    assert sum(w.numpy().size for w in model.trainable_weights) == result["params"]
    name = Path(result["file"]).stem
    file = run_program(
        "convert",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        f"--alone={name}",
        "--parity_clips=8",
    ).result
    # The file is of this network, not of the supernet's subnet with the same widths.
    assert Path(file["file"]) == trained.workdir / "export" / name / "log_mel-float32.tflite"
    assert file["keras_mAP"] == pytest.approx(result["mAP"], abs=1e-6)
    assert file["mAP"] == pytest.approx(result["mAP"], abs=RANK_SWAP)


def test_an_unknown_network_is_named_with_the_known_ones(trained):
    done = run_program(
        "convert",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        "--alone=subnet-none",
    )

    assert done.code == 1
    assert "has no network subnet-none; trained alone: " in done.stderr.splitlines()[-1]


def test_a_run_that_was_killed_ends_with_the_weights_of_an_unbroken_one(trained, tmp_path):
    flags = [
        *(f for f in trained.flags if not f.startswith("--workdir")),
        "--stages=supernet",
        "--largest_steps=10",
        "--supernet_steps=20",
        "--checkpoint_every=3",
        "--subnets_per_step=2",
    ]
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    for workdir in (unbroken, killed):
        shutil.copytree(trained.workdir, workdir)
        shutil.rmtree(workdir / "checkpoints" / "supernet")
        (workdir / "stages" / "supernet.json").unlink()
    assert run_program("train", *flags, f"--workdir={unbroken}").code == 0
    folder = killed / "checkpoints" / "supernet"
    # In phase 1, and in phase 2 by a signal that lets the step end.
    for signal_number, least in ((signal.SIGKILL, 3), (signal.SIGTERM, 15)):
        process = Running("pipelines.train", [*flags, f"--workdir={killed}"])
        process.wait_until(lambda least=least: reached(folder, least))
        process.send(signal_number)
        done = process.finished()
        assert done.code in (-signal.SIGKILL, 128 + signal.SIGTERM), done.stderr
        assert not reached(folder, 30)
    assert run_program("train", *flags, f"--workdir={killed}").code == 0

    one, other = final_weights(unbroken, 30), final_weights(killed, 30)
    assert len(one) == len(other) > 50
    for array, again in zip(one, other, strict=True):
        np.testing.assert_array_equal(array, again)


def test_a_loss_that_is_not_finite_stops_before_saving_and_names_the_clips(trained, tmp_path):
    done = run_program(
        "train",
        *(f for f in trained.flags if not f.startswith("--workdir")),
        f"--workdir={tmp_path}",
        "--stages=teacher",
        "--learning_rate=1e30",
        "--checkpoint_every=1",
    )

    assert done.code == 1
    assert "the loss is" in done.stderr.splitlines()[-1]
    assert "train-" in done.stderr.splitlines()[-1]


def test_soft_labels_of_another_teacher_are_refused(trained, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir)
    flags = [f for f in trained.flags if not f.startswith("--workdir")]
    model = keras.models.load_model(workdir / "teacher.keras")
    model.weights[0].assign(model.weights[0] + 1)
    model.save(workdir / "teacher.keras")
    done = run_program("train", *flags, f"--workdir={workdir}", "--stages=soft_labels")

    assert done.code == 1
    assert "stage soft_labels" in done.stderr.splitlines()[-1]
