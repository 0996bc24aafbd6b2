import pytest

from tests.soak.memory import run


@pytest.mark.soak
def test_memory_of_prepare_hardly_grows_with_the_number_of_clips(tmp_path):
    result = run(tmp_path)
    # A clip in the list of clips, and in its shard, takes more than that while it is there.
    assert result["kib_per_further_clip"] <= 0.4, result
