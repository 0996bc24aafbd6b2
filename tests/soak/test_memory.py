import pytest

from tests.soak.memory import run


@pytest.mark.soak
def test_memory_of_prepare_hardly_grows_with_the_number_of_clips(tmp_path):
    result = run(tmp_path)
    assert result["ratio"] <= 1.1, result
