import json
import shutil
from dataclasses import replace

import pytest
import soundfile

from aec_ofa_tf.export.scoring import evaluate_tflite
from aec_ofa_tf.tagging.model_file import read_bundle, write_bundle
from tests.pipelines.conftest import RANK_SWAP, export
from tests.programs import run_program, run_without_tensorflow
from tfrecords.records import open_records


def test_evaluate_scores_tflite_keras_and_workdir_alike(trained):
    (row,) = [r for r in trained.result["stages"]["search"]["budgets"] if "<=" in r["budget"]]
    common = (f"--data_dir={trained.data_dir}",)
    results = [
        run_program("evaluate", *common, f"--model={export(trained) / name}").result
        for name in ("model.keras", "log_mel-float32.tflite", "waveform-float32.tflite")
    ]
    results.append(
        run_program(
            "evaluate", *common, f"--model={trained.workdir}", f"--subnet={row['subnet']}"
        ).result
    )

    for result in results:
        assert result["mAP"] == pytest.approx(row["evaluation"]["mAP"], abs=RANK_SWAP)
        assert result["clips"] == 24


def test_evaluate_scores_the_teacher_before_there_is_a_supernet(trained, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir)
    (workdir / "stages" / "supernet.json").unlink()
    result = run_program(
        "evaluate",
        f"--data_dir={trained.data_dir}",
        f"--model={workdir}",
        "--teacher",
        "--split=validation",
    ).result

    expected = trained.result["stages"]["teacher"]["validation_mAP/teacher"]
    assert result["mAP"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--model=nowhere.tflite"], "does not exist"),
        (["--model=README.md"], "neither a .tflite"),
        (["--model={export}/log_mel-float32.tflite", "--teacher"], "is a file"),
        (["--model={export}/front_end.tflite"], "is not a classifier"),
        (["--model={workdir}"], "--subnet or --teacher"),
        (["--model={workdir}", "--subnet=64x2-64x2-64x2-64x2"], "not in the search space"),
        (["--model={garbage}"], "garbage.keras"),
    ],
)
def test_evaluate_names_what_is_wrong(trained, tmp_path, flags, expected):
    garbage = tmp_path / "garbage.keras"
    garbage.write_bytes(b"not a model")
    places = {"workdir": trained.workdir, "export": export(trained), "garbage": garbage}
    flags = [flag.format(**places) for flag in flags]
    done = run_program("evaluate", f"--data_dir={trained.data_dir}", *flags)

    assert done.code == 1
    assert expected in done.stderr.splitlines()[-1]


def test_search_finds_what_train_found_and_reports_every_candidate(trained):
    result = run_program(
        "search",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        "--params=9e3",
        "--tolerance=2e3",
        "--population=3",
    ).result
    expected = trained.result["stages"]["search"]["budgets"][1]

    assert result["budgets"][0]["subnet"] == expected["subnet"]
    assert result["budgets"][0]["mAP"] == expected["mAP"]
    lines = (trained.workdir / "search" / "candidates.csv").read_text().splitlines()
    assert lines[0].startswith("budget,subnet,params,macs,")
    assert "validation_mAP" in lines[0].split(",")
    searched = [*trained.result["stages"]["search"]["budgets"], *result["budgets"]]
    assert len(lines) == 1 + sum(row["candidates"] for row in searched)
    kept = json.loads((trained.workdir / "search" / "result.json").read_text())["budgets"]
    assert [row["budget"] for row in kept] == [row["budget"] for row in searched]


def test_an_impossible_budget_is_answered_without_tensorflow(trained):
    done = run_without_tensorflow(
        "search",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        "--budget=params<=100",
    )

    assert done.code == 1
    assert "the nearest are 4x2-3x2-6x2-12x1 (params" in done.stderr.splitlines()[-1]


def test_files_of_another_front_end_are_not_scored(trained, tmp_path):
    flatbuffer, info = read_bundle(export(trained) / "log_mel-float32.tflite")
    other = replace(info, front_end=replace(info.front_end, min_hz=20.0))
    write_bundle(flatbuffer, other, tmp_path / "other.tflite")

    with pytest.raises(ValueError, match="needs the front end"):
        evaluate_tflite(tmp_path / "other.tflite", open_records(trained.data_dir), "evaluation")


def test_lost_checkpoints_are_an_error_and_not_a_random_model(trained, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir)
    shutil.rmtree(workdir / "checkpoints" / "supernet")
    done = run_program(
        "evaluate", f"--model={workdir}", "--subnet=largest", f"--data_dir={trained.data_dir}"
    )

    assert done.code == 1
    assert "restore the folder from a copy" in done.stderr.splitlines()[-1]


def test_tag_gives_the_same_scores_from_both_inputs(trained, tmp_path):
    scene = next((trained.data_dir / "source" / "audio").glob("evaluation-*.flac"))
    wav = tmp_path / "scene.wav"
    soundfile.write(wav, *soundfile.read(scene), subtype="PCM_24")
    tags = [
        run_program("tag", f"--model={export(trained) / name}", "--top_k=10", wav).result["files"][
            0
        ]["tags"]
        for name in ("log_mel-float32.tflite", "waveform-float32.tflite")
    ]
    scores = [{tag["label"]: tag["score"] for tag in one} for one in tags]

    assert len(scores[0]) == 10
    for label, score in scores[0].items():
        assert scores[1][label] == pytest.approx(score, abs=1e-4)


def test_the_flags_of_a_run_are_kept_and_run_again(trained, tmp_path):
    kept = trained.workdir / "flags.txt"
    workdir = tmp_path / "again"
    result = run_program(
        "train", f"--flagfile={kept}", f"--workdir={workdir}", "--stages=teacher"
    ).result

    expected = trained.result["stages"]["teacher"]["validation_mAP/teacher"]
    assert result["stages"]["teacher"]["validation_mAP/teacher"] == pytest.approx(expected)


def test_a_workdir_of_other_labels_is_refused(trained, tmp_path):
    workdir = tmp_path / "other"
    shutil.copytree(trained.workdir, workdir)
    config = json.loads((workdir / "config.json").read_text())
    config["labels"][0] = "something else"
    (workdir / "config.json").write_text(json.dumps(config))
    done = run_program(
        "evaluate", f"--model={workdir}", "--subnet=smallest", f"--data_dir={trained.data_dir}"
    )

    assert done.code == 1
    assert "belongs to another experiment: labels was" in done.stderr.splitlines()[-1]
