"""The rule of the house: programs import data and networks, data imports spec and audio only."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("aec_ofa_tf", "tfrecords", "pipelines")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.split(".")[0] in PACKAGES}


def files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("path", files("aec_ofa_tf"), ids=str)
def test_networks_import_neither_data_nor_programs(path):
    assert all(name.startswith("aec_ofa_tf") for name in imported(path))


@pytest.mark.parametrize("path", files("tfrecords"), ids=str)
def test_data_imports_only_spec_and_audio_of_the_networks(path):
    allowed = (
        "tfrecords",
        "aec_ofa_tf.files",
        "aec_ofa_tf.models.network",
        "aec_ofa_tf.models.space",
        "aec_ofa_tf.audio",
    )
    assert all(name.startswith(allowed) for name in imported(path))


@pytest.mark.parametrize("package", PACKAGES)
def test_files_are_short(package):
    long = [str(p) for p in files(package) if len(p.read_text(encoding="utf-8").splitlines()) > 300]
    assert not long
