"""The order of the suite."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the programs: files that take long keep no process waiting at the end."""
    items.sort(key=lambda item: "pipelines" not in item.path.parts)
