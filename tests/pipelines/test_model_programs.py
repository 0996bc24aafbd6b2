import csv
import json
import shutil
import time
from dataclasses import replace

import pytest
import soundfile

from aec_ofa_tf.export.bundle import read_bundle, read_info, write_bundle
from pipelines.scoring import evaluate_keras, evaluate_tflite
from pipelines.workdir import Workdir
from tests.pipelines.conftest import RANK_SWAP, run_program
from tfrecords.records import open_records


def export(trained):
    return trained.workdir / "export" / "params_max_8k"


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
        (["--model={workdir}"], "--subnet or --teacher"),
        (["--model={workdir}", "--subnet=64x2-64x2-64x2-64x2"], "not in the search space"),
        (["--model={garbage}"], "garbage.keras"),
    ],
)
def test_evaluate_names_what_is_wrong(trained, tmp_path, flags, expected):
    garbage = tmp_path / "garbage.keras"
    garbage.write_bytes(b"not a model")
    flags = [flag.format(workdir=trained.workdir, garbage=garbage) for flag in flags]
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


def test_an_impossible_budget_is_answered_at_once_without_tensorflow(trained):
    began = time.monotonic()
    done = run_program(
        "search",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        "--budget=params<=100",
    )

    assert done.code == 1
    assert "the nearest are 4x2-3x2-6x2-12x1 (params" in done.stderr.splitlines()[-1]
    assert "tensorflow" not in done.stderr.lower()
    assert time.monotonic() - began < 10


def test_convert_writes_what_is_asked_for(trained, tmp_path):
    result = run_program(
        "convert",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        "--subnet=largest",
        f"--out={tmp_path}",
        "--quantization=float16,dynamic",
        "--representative_clips=8",
    ).result

    assert result["file"] == str(tmp_path / "log_mel-float16.tflite")
    assert result["max_abs_error"] <= 1e-2
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "model.keras",
        "front_end.tflite",
        "log_mel-float16.tflite",
        "log_mel-dynamic.tflite",
    }


def test_integers_at_both_ends_stand_beside_floats_and_score_alike(trained, tmp_path):
    folder = tmp_path / "export"
    shutil.copytree(export(trained), folder)
    (row,) = [r for r in trained.result["stages"]["search"]["budgets"] if "<=" in r["budget"]]
    done = run_program(
        "convert",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        f"--subnet={row['subnet']}",
        f"--out={folder}",
        "--quantization=int8,int8_qat",
        "--io_type=int8",
        "--parity_clips=6",
        "--representative_clips=12",
        "--max_map_drop=1",
        "--qat_steps=3",
        "--qat_batch_size=4",
        "--qat_clips=10",
    )

    assert [file["file"] for file in done.result["files"]] == [
        str(folder / f"log_mel-{kind}-io_int8.tflite") for kind in ("int8", "int8_qat")
    ]
    assert all(file["io_type"] == "int8" for file in done.result["files"])
    assert "fine-tuning int8_qat: step 3 of 3" in done.stderr
    records = open_records(trained.data_dir)
    twins = [folder / "log_mel-int8.tflite", folder / "log_mel-int8-io_int8.tflite"]
    scores = [evaluate_tflite(path, records, "evaluation") for path in twins]
    assert scores[0] == scores[1]
    # What was trained for int8 is as good as the float network that was trained alike.
    tuned = evaluate_keras(folder / "model-fine_tuned.keras", records, "evaluation", 8)
    row = done.result["files"][1]
    assert row["keras_mAP"] == pytest.approx(tuned.mAP)
    assert row["mAP"] == pytest.approx(tuned.mAP, abs=0.1)


def test_a_family_is_files_a_table_and_cards(trained, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir)
    out = workdir / "export"
    result = run_program(
        "convert",
        "--family",
        f"--workdir={workdir}",
        f"--data_dir={trained.data_dir}",
        "--input=log_mel,waveform",
        "--quantization=float32,int8",
        "--representative_clips=12",
        "--max_map_drop=0.3",
        "--data_licence=CC BY 4.0",
    ).result

    winners = Workdir(workdir).winners()
    files = {str(path.relative_to(out)) for path in out.glob("*/*-*.tflite")}
    assert len(files) == len(winners) * 4
    table = json.loads((out / "family.json").read_text())
    assert table["rows"] == result["files"]
    assert {row["file"] for row in table["rows"]} == files
    with (out / "family.csv").open(newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [r["file"] for r in table["rows"]]
    markdown = (out / "family.md").read_text()
    assert result["table"] == str(out / "family.md")
    assert len(markdown.splitlines()) == 2 + len(files)
    cards = {str(path.relative_to(out)) for path in out.glob("*/*.md")}
    assert cards == {f"{file}.md" for file in files} == {row["card"] for row in table["rows"]}
    for row in table["rows"]:
        path = out / row["file"]
        assert row["bytes"] == path.stat().st_size
        assert row["subnet"] == winners[row["budget"]] == read_info(path).subnet
        assert row["params"] == read_info(path).params
        assert row["latency_ms"] > 0
        assert row["map_drop"] == pytest.approx(row["keras_mAP"] - row["mAP"])
        line = next(line for line in markdown.splitlines() if row["file"] in line)
        card = (out / row["card"]).read_text()
        for shown in (f"{row['mAP']:.4f}", f"{row['map_drop']:.4f}", f"{row['macs']:,}"):
            assert shown in line
            assert shown in card
        assert "Licence of the data: CC BY 4.0." in card
        assert all(f"- {label}\n" in card for label in read_info(path).labels)
    assert not list((trained.workdir / "export").rglob("*.md"))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--family", "--subnet=largest"], "one of --subnet=SUBNET and --family"),
        ([], "one of --subnet=SUBNET and --family"),
        (["--subnet=largest", "--data_licence=CC0"], "add it"),
        (["--family", "--noscore"], "leave out --noscore"),
        (["--family"], "there is no search result in {workdir}"),
    ],
)
def test_convert_names_what_is_wrong_with_a_family(trained, tmp_path, flags, expected):
    done = run_program("convert", f"--workdir={tmp_path}", f"--data_dir={trained.data_dir}", *flags)

    assert done.code == 1
    assert expected.format(workdir=tmp_path) in done.stderr.splitlines()[-1]
    assert "tensorflow" not in done.stderr.lower()


def test_convert_does_not_mix_subnets_in_a_folder(trained):
    done = run_program(
        "convert",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        "--subnet=largest",
        f"--out={export(trained)}",
    )

    assert done.code == 1
    assert "use another --out" in done.stderr.splitlines()[-1]


def test_convert_does_not_mix_training_runs_in_a_folder(trained, tmp_path):
    flatbuffer, info = read_bundle(export(trained) / "log_mel-float32.tflite")
    earlier = replace(info, extra={**info.extra, "run_fingerprint": "of an earlier run"})
    write_bundle(flatbuffer, earlier, tmp_path / "log_mel-float32.tflite")
    done = run_program(
        "convert",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        f"--subnet={info.subnet}",
        f"--out={tmp_path}",
    )

    assert done.code == 1
    assert "another training run: use another --out" in done.stderr.splitlines()[-1]


def test_files_of_another_front_end_are_not_scored(trained, tmp_path):
    flatbuffer, info = read_bundle(export(trained) / "log_mel-float32.tflite")
    other = replace(info, front_end={**info.front_end, "min_hz": 20.0})
    write_bundle(flatbuffer, other, tmp_path / "other.tflite")

    with pytest.raises(ValueError, match="expects another front end"):
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


def test_convert_refuses_waveform_float16_with_evidence(trained, tmp_path):
    done = run_program(
        "convert",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        "--subnet=smallest",
        f"--out={tmp_path}",
        "--input=waveform",
        "--quantization=float16",
    )

    assert done.code == 1
    assert "-inf dB" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


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
