"""The run that the tests of programs share."""

from tests.pipelines.conftest import trained

__all__ = ["trained"]
