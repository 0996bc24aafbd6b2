"""Front ends that are compiled once."""

import pytest

from tests.micro.compiled import compiler_of


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """A function of a front end, the type of its samples, and the name of a platform's FFT."""
    return compiler_of(tmp_path_factory.mktemp("front ends"))
