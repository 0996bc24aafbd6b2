"""The order of the suite, and what of it is slow."""

import os
from pathlib import Path

import pytest

from tests.programs import serve_forked_python

pytest_plugins = ["tests.exported"]

ROOT = Path(__file__).resolve().parents[1]

# Programs that tests start import this clone, in whatever folder they run.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.getenv("PYTHONPATH")]))

serve_forked_python()

# A whole training run, files of many subnets, a new virtual environment.
SLOW_FIXTURES = {"trained", "exported", "core_python", "installed"}
# Programs in processes of their own, conversions, several workers, kills at every step.
SLOW_TESTS = (
    "tests/export/test_convert_failures.py",
    "tests/pipelines/test_dry_run.py",
    "tests/export/test_costs.py",
    "tests/export/test_front_end_files.py",
    "tests/export/test_int8_graph.py",
    "tests/export/test_io_type.py",
    "tests/export/test_operators.py",
    "tests/export/test_part_files.py",
    "tests/export/test_qat.py",
    "tests/export/test_refused.py",
    "tests/export/test_residual.py",
    "tests/export/test_rounding.py",
    "tests/families/test_toy_experiment.py",
    "tests/families/test_toy.py::test_a_subnet_is_converted",
    "tests/families/test_toy.py::test_training_learns",
    "tests/fuzz/",
    "tests/models/mobilenet/test_mobilenet.py::test_tree_twin_and_copy",
    "tests/models/test_supernet.py::test_supernet_at_a_spec",
    "tests/pipelines/tag/",
    "tests/pipelines/test_average.py",
    "tests/pipelines/test_benchmark.py",
    "tests/pipelines/test_convert_program.py",
    "tests/pipelines/test_front_end_flags.py",
    "tests/pipelines/test_help.py",
    "tests/pipelines/test_model_programs.py",
    "tests/pipelines/test_ownership.py",
    "tests/pipelines/test_prepare.py",
    "tests/pipelines/test_preflight.py",
    "tests/pipelines/test_profile_device.py",
    "tests/pipelines/test_search.py",
    "tests/pipelines/test_size_bounds.py",
    "tests/pipelines/test_strategies.py",
    "tests/pipelines/test_train.py",
    "tests/pipelines/test_train_hours.py",
    "tests/reproduction/test_reproduce.py",
    "tests/search/test_algorithms.py::test_later_generations_are_better_than_the_first",
    "tests/search/test_algorithms.py::test_searchers_at_work_at_the_same_time",
    "tests/costs/test_members.py::test_evolution_in_a_huge_space",
    "tests/test_experiment.py",
    "tests/test_library.py::test_the_quick_start",
    "tests/test_planning.py",
    "tests/tfrecords/test_many_shards.py",
    "tests/tfrecords/test_prepare_beam.py::test_any_number_of_workers_writes_the_same_bytes",
    "tests/tfrecords/test_prepare_interrupted.py",
    "tests/training/test_devices.py",
    "tests/training/test_loop.py::test_killed_at_any_step",
)
# What takes longest comes first, so that no process waits for it at the end.
FIRST = (
    "tests/reproduction/test_reproduce.py",
    *("tests/training/test_devices.py", "tests/pipelines/", "tests/models/mobilenet/"),
    "tests/test_docs.py",
)


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by marker
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what is slow, leaves out soaks unless `-m` names them, and begins with what is long."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & SLOW_FIXTURES or item.nodeid.startswith(SLOW_TESTS):
            item.add_marker(pytest.mark.slow)
    if "soak" not in config.option.markexpr:
        soaks = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=soaks)
        items[:] = [item for item in items if item not in soaks]
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))
