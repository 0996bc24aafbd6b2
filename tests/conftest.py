"""The order of the suite."""

import pytest

pytest_plugins = ["tests.exported"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the programs: files that take long keep no process waiting at the end."""
    items.sort(key=lambda item: "pipelines" not in item.path.parts)
