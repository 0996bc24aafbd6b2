"""The documentation: every command is run, or says why not, and none has flags that do not exist.

Commands run as they are printed, in one folder, with the flags of `SMALL` behind them: fewer steps,
shorter clips. A block that begins with `# Not run by the tests: REASON` is not run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

import aec_ofa_tf as ofa
from pipelines.__main__ import PROGRAMS
from tests.pages import (
    MARK,
    PAGES,
    README,
    ROOT,
    calls_in,
    program_calls,
    prose,
    python_blocks,
    shell_blocks,
)
from tests.programs import Running

DOCS = ROOT / "docs"
RATE_HZ = 16000
CI_RUNS = 2
"""So many blocks, the README's first ones, are run by `.ci/run`."""

FEW_CHECKS = ("--parity_clips=4", "--representative_clips=8", "--max_map_drop=1")
FEW_STEPS = (
    *("--teacher_steps=4", "--supernet_steps=4", "--validate_every=0", "--checkpoint_every=4"),
    *("--batch_size=4", "--calibration_clips=8", "--clip_secs=0.5", "--bootstrap_resamples=100"),
    *FEW_CHECKS,
)
SMALL = {
    ("your_recordings.md", "train"): (*FEW_STEPS, "--train_hours=0", "--quantization=int8"),
    ("audioset.md", "prepare"): ("--clip_secs=0.5", "--validation_clips=2"),
    ("budgets.md", "convert"): (*FEW_CHECKS, "--quantization=int8"),
    "search": ("--calibration_clips=8", "--bootstrap_resamples=100"),
    "convert": FEW_CHECKS,
}
"""Flags behind those of a page, by page and program or by program."""


def write_sound(path: Path, seed: int, secs: float = 0.6) -> None:
    """A tone in noise."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(secs * RATE_HZ)) / RATE_HZ
    tone = np.sin(2 * np.pi * 200 * (1 + seed % 7) * time)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.2 * tone + 0.02 * generator.normal(size=time.size), RATE_HZ)


def write_esc50(root: Path) -> None:
    """Eight recordings of each of three classes, and one that is not part of ESC-10."""
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for number in range(25):
        label = ("dog", "rain", "rooster")[number % 3] if number < 24 else "cow"
        name = f"1-{100032 + number}-A-{number % 3}.wav"
        rows.append(f"{name},1,{number % 3},{label},{number < 24},{100032 + number},A")
        write_sound(root / "audio" / name, number)
    (root / "meta").mkdir()
    (root / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")


def write_audioset(root: Path) -> None:
    """A few clips of two labels, in the form of AudioSet's lists."""
    root.mkdir()
    (root / "class_labels_indices.csv").write_text(
        'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/0bt9lr,"Dog"\n'
    )
    for name, first in (("balanced_train", 0), ("eval", 20)):
        ids = [f"{number:011d}" for number in range(first, first + 12)]
        rows = [f'{one}, 0.000, 10.000, "{("/m/09x0r", "/m/0bt9lr")[int(one) % 2]}"' for one in ids]
        (root / f"{name}_segments.csv").write_text(
            "# YTID, start_seconds, end_seconds, positive_labels\n" + "\n".join(rows) + "\n"
        )
        for one in ids:
            write_sound(root / "audio" / f"{one}.wav", int(one))


def follow(page: str, folder: Path) -> str:
    """Runs the commands of a page in order and returns what they print."""
    blocks = [block for block in shell_blocks(DOCS / page) if block.reason is None]
    assert blocks
    printed = ""
    for block in blocks:
        if all(line.startswith("python -m pipelines.") and "|" not in line for line in block.lines):
            for line in block.lines:
                printed += _run_program(page, line, folder)
        else:
            printed += _run_shell(block.text, folder)
    return printed


def _run_program(page: str, line: str, folder: Path) -> str:
    ((name, arguments),) = calls_in(line)
    small = SMALL.get((page, name), SMALL.get(name, ()))
    done = Running(f"pipelines.{name}", [*arguments, *small], folder=folder).finished()
    assert done.code == 0, f"{line}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def _run_shell(text: str, folder: Path) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],  # noqa: S607 - whatever bash a reader has
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a reader works: with ESC-50, AudioSet and three recordings."""
    place = tmp_path_factory.mktemp("reader")
    write_esc50(place / "ESC-50-master")
    write_audioset(place / "AudioSet")
    for number, name in enumerate(("dog.wav", "street.mp3", "night.flac")):
        write_sound(place / name, number, secs=2.0)
    return place


@pytest.fixture(scope="module")
def followed(folder):
    """What the tutorial on recordings of one's own prints."""
    return follow("your_recordings.md", folder)


@pytest.mark.slow
def test_the_folder_tutorial_goes_from_recordings_to_tags(followed, folder):
    labels = {path.name for path in (folder / "recordings").iterdir()}
    assert labels == {"dog", "rain", "rooster"}
    assert (folder / "runs" / "mine" / "report" / "index.html").is_file()
    assert (folder / "runs" / "mine" / "export" / "family.md").is_file()
    assert set(re.findall(r'"label": "(\w+)"', followed)) == labels


@pytest.mark.slow
@pytest.mark.parametrize("page", ["budgets.md", "deployment.md", "robustness.md"])
def test_the_guides_go_on_from_the_tutorial(page, followed, folder):
    follow(page, folder)
    for block in python_blocks(DOCS / page):
        subprocess.run([sys.executable, "-c", block], cwd=folder, check=True)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["audioset.md", "microcontrollers.md"])
def test_commands_of_other_pages_run(page, folder):
    follow(page, folder)


def test_every_page_that_has_commands_to_run_is_followed():
    here = Path(__file__).read_text(encoding="utf-8")
    for page in PAGES:
        blocks = shell_blocks(page)[CI_RUNS if page == README else 0 :]
        if any(block.reason is None for block in blocks):
            assert f'"{page.name}"' in here, f"{page.name} has commands that nothing runs"
        assert all(block.reason != "" for block in blocks), f"{page.name}: a reason is missing"


def test_ci_runs_the_readme_s_first_blocks_and_builds_the_pages():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for number in range(1, CI_RUNS + 1):
        assert f'"$(readme_block {number})"' in script
    first, second = shell_blocks(README)[:CI_RUNS]
    assert (first.lines[0], second.lines[0]) == (
        "pip install -e '.[train]'",
        "pip install -e '.[test]'",
    )
    assert "sphinx -W --keep-going -b html docs" in script


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_in_blocks_with_a_language(page):
    text = prose(page)
    assert not re.search(r"^ {4}(python|pip|aec-ofa|tensorboard|arecord|for) ", text, re.MULTILINE)
    assert "```" not in text
    assert MARK not in text


def test_every_flag_in_the_pages_exists():
    lines: dict[str, list[list[str]]] = defaultdict(list)
    for page in PAGES:
        for program, arguments in program_calls(page):
            lines[program].append(arguments)
    assert len(lines) > 6
    running = {
        program: Running("tests.parsed_flags", [program, json.dumps(calls)])
        for program, calls in lines.items()
    }
    for program, process in running.items():
        done = process.finished()
        assert (done.code, done.stdout) == (0, ""), f"{program}: {done.stdout}{done.stderr[-2000:]}"


def test_every_extra_in_the_pages_exists():
    extras = set(
        re.findall(r'^        "([a-z-]+)": ', (ROOT / "setup.py").read_text(), re.MULTILINE)
    )
    for page in PAGES:
        for named in re.findall(r"pip install (?:-e )?'\.\[([a-z,-]+)\]'", page.read_text("utf-8")):
            assert set(named.split(",")) <= extras, f"{page.name}: {named}"


def test_the_reference_has_every_public_name():
    text = (DOCS / "reference.md").read_text(encoding="utf-8")
    names = re.findall(r"^\.\. auto(?:class|function):: (\w+)$", text, re.MULTILINE)
    assert sorted(names) == sorted(ofa.__all__)


def test_the_flags_of_every_program_are_listed():
    text = (DOCS / "flags.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^```\{program-flags\} (\w+)$", text, re.MULTILINE)) == PROGRAMS


def test_the_tutorial_s_figures_are_those_of_the_run_in_its_results():
    text = (DOCS / "your_recordings.md").read_text(encoding="utf-8")
    run = json.loads((DOCS / "results" / "your_recordings.json").read_text(encoding="utf-8"))
    searched, files = (run["stages"][stage] for stage in ("search", "convert"))
    sizes = {
        Path(file["file"]).parent.name: f"{file['accuracy']:.3f}, {file['bytes']:,} bytes"
        for file in files["files"]
        if file["quantization"] == "int8"
    }
    for row in [*searched["budgets"], searched["largest"]]:
        low, high = row["evaluation"]["interval"]
        cells = [
            f"{row['params']:,}",
            f"{row['macs'] / 1e6:.0f} M",
            f"{row['validation']['accuracy']:.3f}",
            f"{row['evaluation']['accuracy']:.3f} ({low:.3f} to {high:.3f})",
        ]
        assert f"| {' | '.join(cells)} |" in text
    assert all(f"| {size} |" in text for size in sizes.values())


def test_the_figure_is_what_its_script_draws(tmp_path):
    script = DOCS / "images" / "supernet.py"
    (tmp_path / script.name).write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    subprocess.run([sys.executable, tmp_path / script.name], check=True)
    drawn = (tmp_path / "supernet.svg").read_bytes()
    assert drawn == script.with_suffix(".svg").read_bytes()


def test_every_page_and_picture_is_used():
    linked = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    listed = (DOCS / "index.md").read_text(encoding="utf-8").splitlines()
    for page in PAGES:
        assert page.stem in ("README", "index") or page.stem in listed
    for picture in (DOCS / "images").glob("*.[ps][nv]g"):
        assert f"images/{picture.name}" in linked, f"{picture.name} is shown nowhere"
