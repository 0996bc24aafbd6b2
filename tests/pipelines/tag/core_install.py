"""The core install in an environment of its own, as on a device."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("aec_ofa_tf", "tfrecords", "pipelines", "setup.py", "pyproject.toml", "README.md")


def install_core(folder: Path) -> Path:
    """The interpreter of a new virtual environment after `pip install .`, without extras."""
    source = copy_source(folder)
    run([sys.executable, "-m", "venv", folder / "venv"])
    python = folder / "venv" / "bin" / "python"
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", source])
    return python


def copy_source(folder: Path) -> Path:
    """A copy of what a package is built from: building leaves files in the source folder."""
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    return source


def clean_environment() -> dict[str, str]:
    """Nothing that would let an environment import from another one."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(command: list) -> None:
    done = subprocess.run(
        [*map(os.fspath, command)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
