"""The soak as a test; the counts of a run are in docs/results/kills.json."""

import pytest

from tests.soak.kills import run


@pytest.mark.soak
def test_programs_that_are_killed_at_random_moments_end_with_the_same_results(tmp_path):
    result = run(52, tmp_path)
    assert result["kills"] >= 50
    assert result["different"] == 0, result
