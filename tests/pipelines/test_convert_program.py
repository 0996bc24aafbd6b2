import csv
import json
import shutil
from dataclasses import replace

import pytest

from aec_ofa_tf.export.scoring import evaluate_keras, evaluate_tflite
from aec_ofa_tf.tagging.model_file import read_bundle, read_info, write_bundle
from aec_ofa_tf.workdir import Workdir
from tests.pipelines.conftest import changed, export
from tests.programs import run_program, run_without_tensorflow
from tfrecords.records import open_records


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
    names = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    files = {"log_mel-float16.tflite", "log_mel-dynamic.tflite"}
    cards = {f"{file}.md" for file in files}
    assert names - {"labels.txt"} == {"model.keras", "front_end.tflite", *files, *cards}
    card = (tmp_path / "log_mel-float16.tflite.md").read_text()
    assert f"{result['mAP']:.4f}" in card
    assert "Licence of the data: not stated." in card


def test_the_teacher_is_converted_like_a_subnet(trained, tmp_path):
    result = run_program(
        "convert",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        "--teacher",
        f"--out={tmp_path}",
    ).result

    path = tmp_path / "log_mel-float32.tflite"
    assert result["file"] == str(path)
    assert result["subnet"] == "4x2-8x2-16x2-32x2"
    assert read_info(path).extra["training_steps"] == 12
    assert result["keras_mAP"] == pytest.approx(
        evaluate_keras(
            trained.workdir / "teacher.keras", open_records(trained.data_dir), "evaluation", 8
        ).metrics.mAP
    )


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
    records = open_records(trained.data_dir)
    twins = [folder / "log_mel-int8.tflite", folder / "log_mel-int8-io_int8.tflite"]
    scores = [evaluate_tflite(path, records, "evaluation") for path in twins]
    assert scores[0] == scores[1]
    # What was trained for int8 is as good as the float network that was trained alike.
    tuned = evaluate_keras(folder / "model-fine_tuned.keras", records, "evaluation", 8)
    row = done.result["files"][1]
    assert row["keras_mAP"] == pytest.approx(tuned.metrics.mAP)
    assert row["mAP"] == pytest.approx(tuned.metrics.mAP, abs=0.1)


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
    before = trained.workdir / "export"
    assert not any("CC BY" in card.read_text() for card in before.rglob("*.md"))


def test_a_family_is_whole_again_after_a_loss_and_kept_by_a_failure(trained, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir)
    where = (f"--workdir={workdir}", f"--data_dir={trained.data_dir}", "--family")
    how = ("--representative_clips=12", "--parity_clips=24", "--max_map_drop=0.3")
    files = run_program("convert", *where, *how, "--quantization=float32,int8").result["files"]
    folder = export(replace(trained, workdir=workdir))
    companions = [folder / name for name in ("front_end.tflite", "model.keras")]
    before = {path: path.read_bytes() for path in companions}
    companions[0].write_bytes(b"damaged")
    companions[1].unlink()
    again = run_program("convert", *where, *how, "--quantization=float32,int8").result["files"]

    assert companions[0].read_bytes() == before[companions[0]]
    assert companions[1].is_file()
    assert [file["sha256"] for file in again] == [file["sha256"] for file in files]

    with changed(workdir / "search" / "result.json") as found:
        for row in found["budgets"]:
            row["subnet"] = "4x2-3x2-6x2-12x1"
    fails = ("--quantization=int8_qat", "--qat_learning_rate=1e30", "--qat_clips=8")
    refused = run_program("convert", *where, *how, *fails)

    assert "lower the learning rate" in refused.stderr
    assert all((workdir / "export" / file["file"]).is_file() for file in files)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            ["--family", "--subnet=largest"],
            "one of --subnet=NAME, --teacher, --alone=NAME, --family",
        ),
        ([], "one of --subnet=NAME, --teacher, --alone=NAME, --family"),
        (["--subnet=largest", "--data_licence=CC0"], "add --family"),
        (["--family", "--noscore"], "leave out --noscore"),
        (["--family"], "{workdir} contains no experiment"),
        (["--subnet=largest"], "{workdir} contains no experiment"),
    ],
)
def test_convert_names_what_is_wrong_without_making_a_folder(trained, tmp_path, flags, expected):
    workdir = tmp_path / "mistyped"
    done = run_without_tensorflow(
        "convert", f"--workdir={workdir}", f"--data_dir={trained.data_dir}", *flags
    )

    assert done.code == 1
    assert not workdir.exists()
    assert expected.format(workdir=workdir) in done.stderr.splitlines()[-1]


def test_convert_does_not_mix_subnets_in_a_folder(trained):
    done = run_program(
        "convert",
        f"--workdir={trained.workdir}",
        f"--data_dir={trained.data_dir}",
        "--subnet=largest",
        f"--out={export(trained)}",
    )

    assert done.code == 1
    assert "use another folder (out)" in done.stderr.splitlines()[-1]


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
    assert "another training run: use another folder" in done.stderr.splitlines()[-1]


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
