"""The page that tags in the browser: what is written, from what, and what is said without it."""

import json
import re
import shutil
from pathlib import Path

import pytest

from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.report import PAGE
from aec_ofa_tf.report.litert_web import (
    NPM_FILES,
    PACKAGE,
    open_package,
    runtime_script,
    version,
)
from aec_ofa_tf.report.try_it_files import TRY_IT_PAGE
from tests.programs import Running, run_program
from tests.report.litert_web import installed, needs_npm
from tests.report.page import commands_of, text_of
from tfrecords.records import open_records


@pytest.fixture
def copied(trained, tmp_path) -> Path:
    shutil.copytree(trained.workdir, tmp_path / "a run")
    return tmp_path / "a run"


@pytest.fixture
def litert_web(tmp_path_factory) -> Path:
    return installed(tmp_path_factory)


def try_it_command(workdir: Path) -> str:
    (command,) = [text for text in commands_of(workdir) if text.endswith("--try_it")]
    return command


def report(workdir: Path, *flags: str, **environment: str):
    """`python -m pipelines.report --workdir=WORKDIR`."""
    arguments = [f"--workdir={workdir}", *flags]
    return Running("pipelines.report", arguments, environment).finished()


def models_of(workdir: Path) -> list[Path]:
    return sorted((workdir / TRY_IT_PAGE).parent.glob("models/*"))


@needs_npm
def test_the_page_has_the_runtime_and_every_file_that_takes_a_waveform(copied, litert_web):
    run_program("report", f"--workdir={copied}")
    assert not (copied / TRY_IT_PAGE).exists()
    assert "try_it/index.html" not in text_of(copied)
    assert f"--workdir='{copied}'" in try_it_command(copied)

    done = run_program(
        "report",
        f"--workdir={copied}",
        "--try_it",
        f"--litert_web={litert_web.parents[2]}",
    )

    page = copied / TRY_IT_PAGE
    assert done.result == {"report": str(copied / PAGE), "try_it": str(page)}
    names = sorted(path.name for path in page.parent.iterdir())
    assert names == ["index.html", "models", "runtime.js"]
    exported = sorted((copied / "export").rglob("waveform-*.tflite"))
    assert len(models_of(copied)) == len(exported) == 4
    text = page.read_text(encoding="utf-8")
    for path in exported:
        assert path.relative_to(copied / "export").as_posix() in text
    assert 'href="try_it/index.html"' in text_of(copied)
    assert not [text for text in commands_of(copied) if "--try_it" in text]


@needs_npm
def test_a_report_tells_of_a_page_with_older_models_until_it_is_written_again(copied, litert_web):
    report(copied, "--try_it", f"--litert_web={litert_web}")
    gone, other = sorted((copied / "export").rglob("waveform-*.tflite"))[:2]
    shutil.copy(other, gone)

    report(copied)

    assert 'href="try_it/index.html"' in text_of(copied)
    assert "since that page was written" in text_of(copied)
    assert try_it_command(copied)
    before = models_of(copied)
    report(copied, "--try_it", f"--litert_web={litert_web}")
    assert "since that page was written" not in text_of(copied)
    assert len(set(models_of(copied)) - set(before)) == 0
    assert len(models_of(copied)) == 3  # two files are the same now


@needs_npm
def test_npm_installs_it_once_and_then_it_needs_neither_npm_nor_network(
    trained, copied, litert_web, tmp_path
):
    # The package comes from npm's cache, which the fixture has filled.
    cache = {"XDG_CACHE_HOME": str(tmp_path), "npm_config_prefer_offline": "true"}
    first = report(copied, "--try_it", **cache)
    assert first.code == 0, first.stderr
    assert "npm installs @litertjs/core" in first.stderr

    again = report(copied, "--try_it", **cache, PATH=str(tmp_path))

    assert again.code == 0, again.stderr
    assert "npm installs" not in again.stderr
    run = Experiment.open(copied, open_records(trained.data_dir))
    shutil.rmtree((copied / TRY_IT_PAGE).parent)
    assert run.report(try_it=True, litert_web=litert_web) == copied / PAGE
    assert (copied / TRY_IT_PAGE).is_file()


def test_without_npm_one_sentence_says_what_to_do(copied, tmp_path):
    done = report(copied, "--try_it", XDG_CACHE_HOME=str(tmp_path / "cache"), PATH=str(tmp_path))

    assert done.code == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert line == (
        f"error: the page needs {PACKAGE} {version()}, which npm installs, but there is no npm: "
        f"install Node.js with npm, or give --litert_web, a folder in which `npm install "
        f"{PACKAGE}@{version()}` was run on another computer"
    )
    assert not (copied / TRY_IT_PAGE).exists()


@needs_npm
def test_where_npm_fails_its_reason_is_told_and_nothing_is_kept(copied, tmp_path):
    cache = tmp_path / "cache"
    done = report(
        copied,
        "--try_it",
        XDG_CACHE_HOME=str(cache),
        npm_config_offline="true",
        npm_config_cache=str(tmp_path / "empty"),
    )

    assert done.code == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert line.startswith(f"error: npm could not install {PACKAGE} {version()} (request to ")
    assert "cache mode is 'only-if-cached'" in line
    assert "): give --litert_web, a folder in which `npm install" in line
    assert list((cache / "aec-ofa-tf").iterdir()) == []


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, "no package of npm"),
        ({"package.json": "no JSON"}, "no package of npm"),
        ({"package.json": '{"name": "other", "version": "1.0.0"}'}, "other 1.0.0"),
        ({"package.json": '{"name": "@litertjs/core", "version": "9.9.9"}'}, f"{PACKAGE} 9.9.9"),
        (
            {"package.json": json.dumps({"name": PACKAGE, "version": version()})},
            "it without dist/index.js",
        ),
    ],
)
def test_a_wrong_folder_is_refused_with_the_right_one(tmp_path, files, found):
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(ValueError, match=re.escape(f"{tmp_path} has {found}: `npm install")):
        open_package(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no package of npm"):
        open_package(tmp_path / "absent")


@needs_npm
def test_a_package_that_was_changed_is_refused(litert_web, tmp_path):
    shutil.copytree(open_package(litert_web), tmp_path, dirs_exist_ok=True)
    (tmp_path / "dist" / "index.js").write_text("export default 1;\n")

    with pytest.raises(ValueError, match=r"index\.js is not that of @litertjs/core"):
        runtime_script(open_package(tmp_path))


def test_a_run_without_files_for_a_browser_is_told_how_to_make_them(copied):
    for path in (copied / "export").rglob("waveform-*.tflite"):
        path.unlink()

    done = report(copied, "--try_it")
    report(copied)

    assert done.code == 1
    assert "has no TFLite file that takes a waveform, which a browser can run: `python -m" in (
        done.stderr
    )
    section = text_of(copied).partition('<section id="try-it">')[2].partition("</section>")[0]
    assert "of which there are none yet" in section
    assert "python -m pipelines.convert" in section
    assert "--input=waveform" in section
    assert "--try_it" not in section


def test_a_folder_without_the_page_is_a_mistake(copied, tmp_path):
    done = report(copied, f"--litert_web={tmp_path}")

    assert done.code == 1
    assert "error: --litert_web is of use only with --try_it: add it" in done.stderr


def test_the_lock_file_pins_this_version_by_checksum_and_names_no_host():
    lock = json.loads((NPM_FILES / "package-lock.json").read_text())
    packages = {name: row for name, row in lock["packages"].items() if name}

    assert packages[f"node_modules/{PACKAGE}"]["version"] == version()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version())
    for row in packages.values():
        assert row["integrity"].startswith("sha512-")
        assert "resolved" not in row
