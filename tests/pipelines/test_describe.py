"""What `describe` says of everything that this project writes."""

import json
import re
import shlex
import shutil

import numpy as np
import pytest
import soundfile

import aec_ofa_tf as ofa
from aec_ofa_tf.description import Description, listed
from tests.pipelines.conftest import TINY, export
from tests.programs import run_program


def test_a_description_is_80_columns_wide_but_paths_and_commands_are_whole():
    path, command = "folder/" * 15, f"python -m pipelines.tag {'x' * 90}"
    facts = (("labels", listed([f"label {n}" for n in range(30)])), ("files", path))
    text = str(Description("here", "a thing", facts, {}, (command,)))

    assert text.splitlines()[0] == "here: a thing"
    long = [line for line in text.splitlines() if len(line) > 80]
    assert [line.strip() for line in long] == [f"files   {path}", command]
    assert "30: label 0; label 1" in text
    assert "and 18 more" in " ".join(text.split())


def test_a_run_is_described_with_its_figures_and_the_next_command(trained, tmp_path):
    found = ofa.describe(trained.workdir)
    values, text = found.as_dict(), str(found)

    assert values["kind"] == "a run directory"
    assert values["stages"] == dict.fromkeys(
        ["convert", "search", "soft_labels", "supernet", "teacher"], True
    )
    assert values["smallest"]["params"] < values["largest"]["params"]
    for row in trained.result["stages"]["search"]["budgets"]:
        assert row["subnet"] in text
    assert "pipelines.tag --model=" in found.commands[0]

    begun = tmp_path / "run"
    shutil.copytree(trained.workdir, begun)
    shutil.rmtree(begun / "export")
    assert "pipelines.convert" in ofa.describe(begun).commands[0]
    shutil.rmtree(begun / "search")
    assert "pipelines.search" in ofa.describe(begun).commands[0]
    (begun / "stages" / "supernet.json").unlink()
    assert ofa.describe(begun).commands == (
        f"python -m pipelines.train --flagfile={begun / 'flags.txt'}",
    )


def follow(command: str, *more: str, **words: object):
    """Runs a command of a description, with values for its placeholders."""
    for word, value in words.items():
        command = re.sub(rf"\b{word}\b", shlex.quote(str(value)), command)
    program, *arguments = shlex.split(command)[2:]
    return run_program(program.removeprefix("pipelines."), *arguments, *more)


def test_the_next_commands_of_a_run_run(trained, tmp_path):
    """In a folder whose name needs quotes."""
    clip, workdir = tmp_path / "clip.wav", tmp_path / "my runs" / "it's one"
    soundfile.write(clip, np.zeros(16000), 16000)
    shutil.copytree(trained.workdir, workdir)

    assert follow(ofa.describe(workdir).commands[0], RECORDING=clip).code == 0
    shutil.rmtree(workdir / "export")
    shutil.rmtree(workdir / "search")
    done = follow(ofa.describe(workdir).commands[0], DATA=trained.data_dir)
    assert len(done.result["budgets"]) == 1
    assert "pipelines.convert" in ofa.describe(workdir).commands[0]


def test_the_next_command_of_records_trains_on_them(trained, tmp_path):
    command = ofa.describe(trained.data_dir).commands[0]

    done = follow(command, "--dry_run", RUN=tmp_path / "run")

    assert done.result["stages"]["teacher"] == "would run"


def test_a_run_that_was_stopped_in_its_first_stage_has_its_flags(tmp_path):
    flags = [*TINY, f"--data_dir={tmp_path / 'data'}", f"--workdir={tmp_path / 'run'}"]
    stopped = run_program("train", *flags, "--stages=prepare,teacher", "--learning_rate=1e30")

    assert "the loss is" in stopped.stderr
    command = ofa.describe(tmp_path / "run").commands[0]
    assert command == f"python -m pipelines.train --flagfile={tmp_path / 'run' / 'flags.txt'}"


@pytest.mark.parametrize("part", ["export", "checkpoints", "flags.txt"])
def test_a_part_of_a_run_is_told_to_be_one(trained, part):
    with pytest.raises(ValueError, match="lies in the run directory"):
        ofa.describe(trained.workdir / part)


def test_records_are_described_and_their_damage_is_told(trained, tmp_path):
    found = ofa.describe(trained.data_dir)
    values = found.as_dict()

    assert (values["kind"], values["labels"]) == ("records", len(values["label_names"]))
    assert set(values["clips"]) == {"train", "validation", "evaluation"}
    assert "pipelines.train" in found.commands[0]

    damaged = tmp_path / "data"
    shutil.copytree(trained.data_dir, damaged)
    shard = next(damaged.glob("train-*.tfrecord"))
    shard.write_bytes(shard.read_bytes()[:-1])
    found = ofa.describe(damaged)
    assert [shard.name in text for text in found.as_dict()["damage"]] == [True]
    assert "pipelines.prepare" in found.commands[0]


def test_models_and_checkpoints_are_described(trained, tmp_path):
    folder = export(trained)
    checkpoint = next(trained.workdir.glob("checkpoints/supernet/step-*.index"))
    kinds = {
        folder / "log_mel-int8.tflite": "a TFLite model",
        folder / "model.keras": "a Keras model",
        checkpoint: f"a checkpoint of {trained.workdir}",
        checkpoint.with_suffix(""): f"a checkpoint of {trained.workdir}",
    }
    done = run_program("describe", *kinds)
    described = done.result["descriptions"]

    assert [row["kind"] for row in described] == list(kinds.values())
    assert [row["path"] for row in described] == list(map(str, kinds))
    tflite, keras, *checkpoints = described
    assert tflite["params"] == keras["params"]
    assert tflite["quantization"] == "int8"
    assert tflite["labels"] == keras["labels"] != []
    assert {row["step"] for row in checkpoints} == {int(checkpoint.stem.split("-")[1])}
    assert "next:" in done.stderr

    alone = tmp_path / checkpoint.name
    shutil.copy(checkpoint, alone)
    assert ofa.describe(alone).kind == "a checkpoint without its run directory"


@pytest.mark.parametrize("kind", ["nothing", "folder", "text", "keras", "tflite", "config"])
def test_what_is_not_ours_is_refused_by_name(tmp_path, kind):
    path = tmp_path / {"keras": "x.keras", "tflite": "x.tflite"}.get(kind, kind)
    if kind in ("folder", "config"):
        path.mkdir()
    if kind == "config":
        (path / "config.json").write_text(json.dumps({"learning_rate": 1}))
    if kind in ("text", "keras", "tflite"):
        path.write_text("hello")

    with pytest.raises(ValueError, match=kind):
        ofa.describe(path)


def test_a_program_without_a_path_says_what_it_takes():
    done = run_program("describe")
    assert done.code == 1
    assert "name a run directory" in done.stderr
