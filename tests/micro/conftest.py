"""Front ends that are compiled once, and the trained experiment of the tests of programs."""

import pytest

from tests.micro.compiled import compiler_of
from tests.pipelines.conftest import trained

__all__ = ["compiled", "trained"]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """A function of a front end, the type of its samples, and the name of a platform's FFT."""
    return compiler_of(tmp_path_factory.mktemp("front ends"))
