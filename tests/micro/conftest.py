"""The trained experiment of the tests of programs, for those of conversion for a target."""

from tests.pipelines.conftest import trained

__all__ = ["trained"]
