"""The report of a finished run: what is in it is what the stages have found."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.inspection import example_budget
from aec_ofa_tf.report import PAGE
from aec_ofa_tf.workdir import Workdir
from tests.programs import run_program
from tests.report.page import commands_of, text_of, values_of
from tfrecords.records import open_records


@pytest.fixture
def copied(trained, tmp_path) -> Path:
    """A copy of the run directory."""
    return shutil.copytree(trained.workdir, tmp_path / "run")


def read(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_subnets_are_the_candidates_of_the_search_and_the_largest(trained):
    subnets = values_of(trained.workdir)["subnets"]
    candidates = read(trained.workdir / "search" / "candidates.json")
    found = read(trained.workdir / "search" / "result.json")

    assert set(subnets["names"]) == {
        *(row["subnet"] for row in candidates),
        found["largest"]["subnet"],
    }
    for row in candidates:
        index = subnets["names"].index(row["subnet"])
        for axis in subnets["axes"]:
            assert subnets["columns"][axis["name"]][index] == row[axis["name"]]
    roles = dict(zip(subnets["names"], subnets["roles"], strict=True))
    for row in found["budgets"]:
        assert row["budget"] in roles[row["subnet"]]
    assert roles[found["largest"]["subnet"]][-1] == "largest"
    assert subnets["figure"] == "validation_mAP"
    assert {"params", "macs", "arena_bytes", "validation_mAP"} <= subnets["columns"].keys()


def test_winners_have_their_intervals(trained):
    rows = values_of(trained.workdir)["winners"]
    found = read(trained.workdir / "search" / "result.json")

    expected = [*found["budgets"], found["largest"]]
    assert [row["subnet"] for row in rows] == [row["subnet"] for row in expected]
    for row, given in zip(rows, expected, strict=True):
        assert row["evaluation"] == given["evaluation"]["mAP"]
        assert row["interval"] == given["evaluation"]["interval"]
        assert row["validation"] == given["validation"]["mAP"]
        low, high = given["evaluation"]["interval"]
        assert f"{low:.3f} to {high:.3f}" in text_of(trained.workdir)


def test_files_have_bytes_figures_and_drops(trained):
    text = text_of(trained.workdir)
    rows = read(trained.workdir / "stages" / "convert.json")["result"]["files"]

    assert len(rows) == 8
    for row in rows:
        name = Path(row["file"]).relative_to(Path(row["file"]).parents[1]).as_posix()
        (line,) = re.findall(rf'<tr><th scope="row">{re.escape(name)}</th>.*?</tr>', text, re.S)
        assert f"<td>{row['bytes']:,}</td>" in line
        assert f"mAP {row['mAP']:.4f}" in line
        assert f"<td>{row['map_drop']:.4f}</td>" in line


def test_classes_are_those_of_the_files(trained):
    classes = values_of(trained.workdir)["classes"]
    rows = read(trained.workdir / "stages" / "convert.json")["result"]["files"]

    assert len(classes) == len(rows)
    for file in classes:
        (row,) = (row for row in rows if row["file"].endswith(f"/{file['file']}"))
        by_label = {one["label"]: one for one in row["per_class"]["classes"]}
        assert {one["label"] for one in file["classes"]} == set(by_label)
        for one in file["classes"]:
            assert one["average_precision"] == by_label[one["label"]]["average_precision"]
        assert file["confusions"] == row["per_class"]["confusions"]


def test_curves_are_the_events(trained):
    charts = values_of(trained.workdir)["charts"]

    assert {chart["stage"] for chart in charts} == {"teacher", "supernet"}
    found = {(chart["stage"], one["name"]): one for chart in charts for one in chart["curves"]}
    (events,) = (trained.workdir / "events" / "supernet").glob("events.out.tfevents.*")
    scalars = {}
    for record in tf.data.TFRecordDataset(str(events)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "scalars":
                scalar = float(tf.make_ndarray(value.tensor))
                scalars.setdefault(value.tag, {})[event.step] = scalar
    assert scalars
    for name, points in scalars.items():
        curve = found["supernet", name]
        assert dict(zip(curve["steps"], curve["values"], strict=True)) == points


def test_clips_have_sound_a_log_mel_and_the_tags_of_a_file(trained):
    text = text_of(trained.workdir)

    articles = re.findall(r"<article>.*?</article>", text, re.S)
    assert len(articles) == 6
    for article in articles:
        assert 'src="data:audio/flac;base64,' in article
        assert 'src="data:image/png;base64,' in article
        assert len(re.findall("<meter ", article)) == 3


def test_the_data_are_those_of_the_manifest(trained):
    balance = values_of(trained.workdir)["balance"]
    manifest = read(trained.data_dir / "manifest.json")

    assert list(balance["splits"]) == ["train", "validation", "evaluation"]
    for split, counts in balance["splits"].items():
        by_label = dict(zip(balance["labels"], counts, strict=True))
        expected = manifest["clips_per_label"][split]
        assert by_label == {label: expected.get(label, 0) for label in manifest["labels"]}


def test_it_shows_the_flags_and_the_command_that_repeats_the_run(trained):
    text, commands = text_of(trained.workdir), commands_of(trained.workdir)
    made_in = read(trained.workdir / "stages" / "convert.json")["result"]["files"][0]["file"]
    workdir = Path(made_in).parents[2]

    assert f"python -m pipelines.train --flagfile={workdir}/flags.txt" in commands
    assert "--teacher_steps=12" in text
    assert any(command.startswith("python -m pipelines.tag --model=") for command in commands)


def test_a_program_writes_it_again_and_finds_the_records_by_itself(trained):
    before = values_of(trained.workdir)
    (trained.workdir / PAGE).unlink()

    done = run_program("report", f"--workdir={trained.workdir}")

    assert done.result == {"report": str(trained.workdir / PAGE)}
    after = values_of(trained.workdir)
    assert str(trained.workdir) in after["convert"]
    assert {**after, "convert": before["convert"]} == before


def test_the_command_of_a_subnet_converts_it(trained):
    run_program("report", f"--workdir={trained.workdir}")
    values = values_of(trained.workdir)
    subnet = values["subnets"]["names"][0]

    words = shlex.split(values["convert"].replace("SUBNET", subnet))
    assert words[:3] == ["python", "-m", "pipelines.convert"]
    done = run_program("convert", *words[3:], "--max_map_drop=1", "--representative_clips=8")

    assert done.result["subnet"] == subnet
    run_program("report", f"--workdir={trained.workdir}")
    assert f"{subnet}/waveform-int8.tflite" in text_of(trained.workdir)


def test_a_problem_with_the_report_is_a_warning_and_the_stage_is_done(copied, trained, caplog):
    shutil.rmtree(copied / PAGE.parent)
    (copied / PAGE.parent).write_text("no folder")
    run = Experiment.open(copied, open_records(trained.data_dir))

    assert run.reset("convert") == ["convert"]

    assert f"the report of {copied} was not written" in caplog.text
    assert "convert" not in run.workdir.stages()


def test_what_has_not_run_is_left_out_with_the_command_that_makes_it(copied, trained):
    for name in ("search", "export", PAGE.parent):
        shutil.rmtree(copied / name)
    (copied / "stages" / "convert.json").unlink()

    run_program("report", f"--workdir={copied}", f"--data_dir={trained.data_dir}")

    text, commands = text_of(copied), commands_of(copied)
    for sentence in (
        "No subnets have been evaluated yet.",
        "No budget has a winner yet.",
        "There are no TFLite files yet.",
        "They get tags when there is a TFLite file.",
    ):
        assert sentence in text
    where = f"--workdir={copied} --data_dir={trained.data_dir}"
    budget = example_budget(*Workdir(copied).space_and_network())
    assert f"python -m pipelines.search {where} --budget='{budget}'" in commands
    values = values_of(copied)
    assert values["subnets"] is None
    assert values["winners"] == values["classes"] == []
    assert values["charts"]


def test_a_report_without_records_says_what_it_lacks(copied):
    (copied / "flags.txt").unlink()

    done = run_program("report", f"--workdir={copied}")

    assert "--data_dir is needed" in done.stderr
    assert f"python -m pipelines.report --workdir={copied} --data_dir=DATA" in commands_of(copied)
    assert values_of(copied)["balance"] is None


def test_a_password_in_the_flags_is_not_shown(copied):
    with (copied / "flags.txt").open("a") as file:
        file.write("--storage=postgresql://me:se/cret@host/optuna\n")

    run_program("report", f"--workdir={copied}")

    assert "--storage=postgresql://***@host/optuna" in text_of(copied)
    assert "cret" not in text_of(copied)


def test_damage_is_named_by_the_program(copied):
    (copied / "search" / "candidates.json").write_text("[3]")

    done = run_program("report", f"--workdir={copied}")

    assert done.code == 1
    assert "candidates.json is damaged" in done.stderr


def test_a_finished_stage_that_is_skipped_leaves_the_report_as_it_is(copied, trained):
    run = Experiment.open(copied, open_records(trained.data_dir))
    page = run.report()
    before = page.stat().st_mtime_ns

    run.train_teacher(run.run.trained_teacher())
    assert page.stat().st_mtime_ns == before
    run.reset("convert")
    assert page.stat().st_mtime_ns > before
    assert values_of(copied)["classes"] == []
