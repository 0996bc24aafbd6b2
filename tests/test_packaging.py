"""The installed package: no -e, and a space in the name of its folder."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import aec_ofa_tf
from pipelines.__main__ import PROGRAMS
from pipelines.flagfiles import expanded
from tests.pipelines.tag.core_install import copy_source, run

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = [
    line
    for line in (ROOT / "pipelines" / "configs" / "quickstart.flags").read_text().splitlines()
    if line.startswith("--")
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The `bin` folder of an environment with the wheel; other packages come from this one."""
    folder = tmp_path_factory.mktemp("a folder")
    source = copy_source(folder)
    pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
    run([sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", folder, source])
    (wheel,) = folder.glob(f"aec_ofa_tf-{aec_ofa_tf.__version__}-*.whl")
    run([sys.executable, "-m", "venv", folder / "venv"])
    python = folder / "venv" / "bin" / "python"
    run([python, *pip, "install", "--no-deps", wheel])
    return python.parent


def start(command: list, folder: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    return subprocess.run(
        [*map(os.fspath, command)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_wheel_is_typed_and_knows_its_version(installed, tmp_path):
    code = (
        "import aec_ofa_tf, importlib.metadata, pathlib, pipelines, tfrecords\n"
        "for package in (aec_ofa_tf, pipelines, tfrecords):\n"
        "    folder = pathlib.Path(package.__file__).parent\n"
        "    print((folder / 'py.typed').is_file(), 'a folder' in str(folder))\n"
        "print(importlib.metadata.version('aec-ofa-tf') == aec_ofa_tf.__version__)\n"
    )
    done = start([installed / "python", "-c", code], tmp_path)
    assert done.stdout.split() == ["True"] * 7, done.stderr


@pytest.mark.slow
def test_the_wheel_has_the_sources_of_the_front_end_in_c(installed, tmp_path):
    code = (
        "from pathlib import Path\n"
        "from aec_ofa_tf.audio.front_end import PANNS\n"
        "from aec_ofa_tf.micro.front_end import write_front_end\n"
        "print(*(path.name for path in write_front_end(PANNS, Path('firmware'))))\n"
    )
    done = start([installed / "python", "-c", code], tmp_path)
    written = sorted(path.name for path in (tmp_path / "firmware").iterdir())
    assert sorted(done.stdout.split()) == written, done.stderr
    assert "front_end.c" in written


@pytest.mark.slow
def test_the_wheel_has_the_versions_that_npm_installs(installed, tmp_path):
    code = (
        "from aec_ofa_tf.report import litert_web\n"
        "print(litert_web.version(), *sorted(p.name for p in litert_web.NPM_FILES.iterdir()))\n"
    )
    done = start([installed / "python", "-c", code], tmp_path)
    assert done.stdout.split()[1:] == ["package-lock.json", "package.json"], done.stderr


@pytest.mark.slow
def test_the_console_command_runs_a_program_with_a_shipped_flagfile(installed, tmp_path):
    data_dir = tmp_path / "the data"
    clips = ["--train_clips=4", "--validation_clips=2", "--evaluation_clips=2"]
    places = [f"--data_dir={data_dir}", f"--workdir={tmp_path / 'the run'}"]
    command = [installed / "aec-ofa", "train", "--flagfile=quickstart.flags", "--stages=prepare"]
    done = start([*command, *clips, *places], tmp_path)
    assert done.returncode == 0, done.stderr
    assert (data_dir / "manifest.json").is_file()


@pytest.mark.slow
def test_the_console_command_and_the_module_list_the_programs(installed, tmp_path):
    listed = start([installed / "aec-ofa", "--help"], tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert all(f"\n  {name} " in listed.stdout for name in PROGRAMS)
    assert start([installed / "python", "-m", "pipelines"], tmp_path).stdout == listed.stdout


def test_every_program_is_listed():
    files = (ROOT / "pipelines").glob("*.py")
    runnable = {path.stem for path in files if "program.run(main" in path.read_text("utf-8")}
    assert set(PROGRAMS) == runnable


def test_an_unknown_program_ends_with_the_list_and_the_nearest_name():
    done = start([sys.executable, "-m", "pipelines", "serch"], ROOT)
    assert done.returncode == 2
    assert "no program 'serch'; did you mean 'search'?" in done.stderr
    assert "\n  prepare " in done.stderr


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["--flagfile=quickstart.flags"], SHIPPED),
        (["--flagfile", "quickstart.flags", "--seed=1"], [*SHIPPED, "--seed=1"]),
        (["--flagfile"], ["--flagfile"]),
        (["--", "--flagfile=quickstart.flags"], ["--", "--flagfile=quickstart.flags"]),
        (["--seed=1", "quickstart.flags"], ["--seed=1", "quickstart.flags"]),
    ],
)
def test_a_shipped_flagfile_is_found_by_its_bare_name(given, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert expanded(["train", *given]) == ["train", *read]


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("./quickstart.flags", "did you mean quickstart.flags"),
        ("quikstart.flags", "did you mean quickstart.flags"),
        ("zzz", "shipped with this package: audioset_full.flags, audioset_mob"),
    ],
)
def test_an_unknown_flagfile_is_told_with_the_nearest(given, hint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"does not exist; {hint}"):
        expanded(["train", f"--flagfile={given}"])


def test_a_flagfile_in_the_working_directory_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart.flags").write_text("--seed=7\n")
    assert expanded(["train", "--flagfile=quickstart.flags"]) == ["train", "--seed=7"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_flagfile_is_read_as_windows_saves_it(encoding, end, tmp_path):
    inner, outer = tmp_path / "inner.flags", tmp_path / "outer.flags"
    outer.write_bytes(f"--source=Bär{end}# why{end}{end}--flagfile={inner}{end}".encode(encoding))
    inner.write_bytes(f"--seed=7{end}--flagfile={outer}".encode(encoding))
    assert expanded(["train", f"--flagfile={outer}"]) == ["train", "--source=Bär", "--seed=7"]


def test_a_flagfile_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "latin1.flags"
    path.write_bytes("--source=Bär\n".encode("latin-1"))
    with pytest.raises(ValueError, match=f"--flagfile={path} is not UTF-8 text.*save it as UTF-8"):
        expanded(["train", f"--flagfile={path}"])


@pytest.mark.parametrize("line", ["--" + "a" * 300, "-" + '{"a":' * 1000])
def test_a_flag_too_long_to_be_one_is_named_at_once(tmp_path, line):
    """The parser of flags would take minutes, or end in a RecursionError."""
    (tmp_path / "own.flags").write_text(f"--seed=1\n{line}\n")
    with pytest.raises(ValueError, match=r"own\.flags has a flag '-.*longer than any"):
        expanded([f"--flagfile={tmp_path / 'own.flags'}"])
