"""The rules of the house: who imports whom, who reads flags, how long a file may be."""

import ast
import re
from pathlib import Path

import pytest

from pipelines.__main__ import PROGRAMS
from tests.conftest import SLOW_TESTS

ROOT = Path(__file__).parents[1]
PACKAGES = ("aec_ofa_tf", "tfrecords", "pipelines")

# Inside aec_ofa_tf a module imports its own room and those above it.
ORDER = (
    (
        "files",
        "terminal",
        "config",
        "labels",
        "ownership",
        "keras_settings",
        "pinned_keras",
        "description",
    ),
    ("audio", "layers", "metrics", "per_class", "tasks", "dataset", "classes"),
    ("models",),
    ("costs", "workdir", "pretrained"),
    ("reporting", "tagging"),
    ("training",),
    ("search",),
    ("export", "micro", "planning", "robustness"),
    ("inspection",),
    ("report",),
    ("trained",),
    ("averaging", "experiment"),
    ("reproduction",),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}

# What tfrecords takes of aec_ofa_tf: no networks.
DATA_USES = (
    *("files", "terminal", "config", "labels", "ownership", "description"),
    *("dataset", "classes", "audio"),
)

# Benchmark code is imported by its own programs alone.
BENCHMARK_PROGRAMS = ("pipelines/benchmark.py", "pipelines/profile_device.py")
BENCHMARK_FLAGS = "pipelines/flags/benchmark.py"


def files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def imported(path: Path) -> set[str]:
    """Names of our packages that a file imports, at the top or within functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.split(".")[0] in PACKAGES}


@pytest.mark.parametrize("package", PACKAGES)
def test_keras_is_imported_with_its_settings_pinned(package):
    importers = []
    for path in files(package):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for_types = {id(n) for test in ast.walk(tree) for n in _imports_for_types(test)}
        imports = (n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom))
        names = {
            alias.name if isinstance(node, ast.Import) else node.module
            for node in imports
            for alias in node.names
            if id(node) not in for_types
        }
        importers += [place(path)] * any(name.split(".")[0] == "keras" for name in names if name)
    assert importers == ["aec_ofa_tf/pinned_keras.py"] * (package == "aec_ofa_tf")


def _imports_for_types(node: ast.AST) -> list[ast.stmt]:
    """The imports that only type checkers execute."""
    is_test = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    return node.body if is_test else []


def room(name: str) -> str:
    """The part of aec_ofa_tf that a dotted name lies in; "" for the package itself."""
    return name.split(".")[1] if "." in name else ""


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# `aec_ofa_tf/__init__.py` has the lazy names of the whole project.
LIBRARY = [path for path in files("aec_ofa_tf") if place(path) != "aec_ofa_tf/__init__.py"]


@pytest.mark.parametrize("path", LIBRARY, ids=place)
def test_the_library_imports_neither_data_nor_programs(path):
    assert not [name for name in imported(path) if not name.startswith("aec_ofa_tf")]


@pytest.mark.parametrize("path", LIBRARY, ids=place)
def test_rooms_import_their_own_level_and_those_below(path):
    own = path.relative_to(ROOT / "aec_ofa_tf").with_suffix("").parts[0]
    wrong = {
        name
        for name in imported(path)
        if name.startswith("aec_ofa_tf.") and LEVEL[room(name)] > LEVEL[own]
    }
    assert not wrong


@pytest.mark.parametrize("path", files("tfrecords"), ids=place)
def test_data_imports_no_networks(path):
    names = {name for name in imported(path) if not name.startswith("tfrecords")}

    assert not [name for name in names if name.startswith("pipelines")]
    assert {room(name) for name in names} <= set(DATA_USES)


def messages(path: Path) -> list[str]:
    """The strings of a file that are no docstrings; f-strings as one, with {} for values."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(n) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for n in node.values
    }
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [getattr(part, "value", "") for part in node.values]
            found.append("".join(part if isinstance(part, str) else "{}" for part in parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [node.value] * (id(node) not in inside | docs)
    return found


# Messages about recordings in a layout, whose arguments only programs have, name their flags.
ABOUT_PREPARATION = ("tfrecords/sources/", "tfrecords/prepare")
PARAMETERS = [
    path
    for path in [*LIBRARY, *files("tfrecords")]
    if not place(path).startswith(ABOUT_PREPARATION)
]


@pytest.mark.parametrize("path", PARAMETERS, ids=place)
def test_messages_of_the_library_name_flags_in_commands_only(path):
    for message in messages(path):
        words = re.sub(r"`python -m [^`]*`|^python -m .*", "", message)
        assert not re.search(r"(?<![\w-])--(?!runner|direct_)[a-z]", words), message


BENCHMARK_FILES = ("pipelines/benchmarks/", *BENCHMARK_PROGRAMS, BENCHMARK_FLAGS)
PRODUCTION = [path for path in files("pipelines") if not place(path).startswith(BENCHMARK_FILES)]


@pytest.mark.parametrize("path", PRODUCTION, ids=place)
def test_production_imports_no_benchmarks(path):
    assert not [name for name in imported(path) if name.startswith("pipelines.benchmarks")]


@pytest.mark.parametrize("package", PACKAGES)
def test_flags_are_read_by_programs_alone(package):
    readers = [
        place(path)
        for path in files(package)
        if "FLAGS" in path.read_text(encoding="utf-8")
        or "absl.flags" in path.read_text(encoding="utf-8")
        or "from absl import flags" in path.read_text(encoding="utf-8")
    ]
    allowed = [
        path
        for path in readers
        if path.startswith("pipelines/") and not path.startswith("pipelines/benchmarks/")
    ]
    assert readers == allowed


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_thin(name):
    source = (ROOT / "pipelines" / f"{name}.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 120


def test_the_list_of_slow_tests_is_of_tests_that_exist():
    for name in SLOW_TESTS:
        file, _, test = name.partition("::")
        assert (ROOT / file).exists(), name
        assert not test or f"def {test}" in (ROOT / file).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("package", PACKAGES)
def test_files_are_short(package):
    long = [place(p) for p in files(package) if len(p.read_text("utf-8").splitlines()) > 300]
    assert not long
