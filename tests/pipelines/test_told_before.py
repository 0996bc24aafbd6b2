"""What would fail after hours of work is said before the first stage writes anything."""

import shutil

import pytest

from tests.pipelines.conftest import TINY
from tests.pipelines.test_preflight import WITHOUT_OVERRIDE, refused, run
from tests.programs import run_program
from tests.test_ownership import content


def last_line(name: str, *arguments: object) -> str:
    done = run_program(name, *arguments)
    assert done.code == 1
    return done.stderr.splitlines()[-1]


def test_a_list_without_validation_clips_is_refused_with_the_remedy_of_its_layout(tmp_path):
    rows = {"1 train": "dog", "2 train": "cat", "3 evaluation": "dog", "4 evaluation": "cat"}
    message = refused(tmp_path, rows)

    assert "there are none. In a list (csv), give rows the split validation" in message
    assert "--validation_fraction (folder" in message


def test_one_empty_folder_for_records_and_run_is_refused(tmp_path):
    place = tmp_path / "both"
    place.mkdir()
    message = last_line("train", *TINY, f"--data_dir={place}", f"--workdir={place}")

    assert f"--data_dir and --workdir are both {place}" in message
    assert not list(place.iterdir())


@pytest.mark.parametrize("flag", ["data_dir", "workdir"])
def test_places_where_there_can_be_no_folder_are_refused(tmp_path, flag):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    (tmp_path / "file").write_text("mine")
    places = {"data_dir": tmp_path / "data", "workdir": tmp_path / "run"}
    for place, reason in (
        ("link", f"link is a link to {tmp_path / 'gone'}, which does not exist"),
        ("link/deep", "link is a link to"),
        ("file/deep", f"file is a file, so there can be no folder {tmp_path / 'file' / 'deep'}"),
    ):
        given = {**places, flag: tmp_path / place}
        message = last_line("train", *TINY, *(f"--{n}={path}" for n, path in given.items()))
        assert reason in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


@pytest.mark.parametrize("flag", ["base_channels", "teacher_base_channels"])
def test_the_room_for_all_stages_is_checked_before_the_first(tmp_path, flag):
    places = f"--data_dir={tmp_path / 'data'}", f"--workdir={tmp_path / 'run'}"
    flags = [flag for flag in TINY if not flag.startswith("--budget")]
    flags += ["--budget=params<=9000G", f"--{flag}=100000"]
    message = last_line("train", *flags, *places)

    assert "stages prepare, teacher, soft_labels, supernet, convert need about" in message
    assert not (tmp_path / "run").exists()
    assert not list((tmp_path / "data").glob("*.tfrecord"))


def test_a_run_that_cannot_be_written_is_not_searched(trained, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir)
    before = content(workdir)
    folders = [workdir, *(path for path in workdir.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    places = [f"--workdir={workdir}", f"--data_dir={trained.data_dir}"]
    searched = run("search", *places, "--budget=params<=8k", before=WITHOUT_OVERRIDE)
    converted = run("convert", *places, "--subnet=smallest", before=WITHOUT_OVERRIDE)
    for folder in folders:
        folder.chmod(0o755)

    for done in (searched, converted):
        assert done.code == 1
        assert "is read-only for this process" in done.stderr.splitlines()[-1]
        assert "it/s" not in done.stderr
    assert content(workdir) == before


def test_an_output_file_that_cannot_be_written_is_refused_before_the_measurement(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    (tmp_path / "file").touch()
    for name in ("benchmark", "profile_device"):
        out = f"--out={tmp_path / 'locked' / 'result.json'}"
        done = run(name, out, before=WITHOUT_OVERRIDE)
        assert done.code == 1
        assert f"{tmp_path / 'locked'} is read-only" in done.stderr.splitlines()[-1]
    message = last_line("benchmark", f"--out={tmp_path / 'file' / 'result.json'}")
    assert f"{tmp_path / 'file'} is no folder" in message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"floatx": "float8"}', "floatx 'float8', not one of float16"),
        ('{"epsilon": "small"}', "epsilon 'small', not a number"),
        ("[1]", "[1], not an object"),
    ],
)
def test_values_with_which_keras_cannot_be_imported_are_told(tmp_path, content, problem):
    (tmp_path / "keras.json").write_text(content)
    done = run("evaluate", "--model=m", f"--data_dir={tmp_path}", KERAS_HOME=str(tmp_path))

    assert done.code == 1
    assert f"{tmp_path / 'keras.json'} has {problem}" in done.stderr.splitlines()[-1]
