"""A short run of the fuzzer; the long one's counts are in docs/results/fuzz_sound.json."""

import pytest

pytest.importorskip("resource", reason="bounds on memory are set on POSIX systems only")

from tests.fuzz.fuzz_sound import run


def test_damaged_recordings_are_decoded_or_refused_within_bounds(tmp_path):
    result = run(300, tmp_path / "failures")
    assert result["cases"] >= 290
    assert result["wrong"] == 0, [path.name for path in (tmp_path / "failures").iterdir()]
    assert result["peak_mib"] < 256
    for counts in result["formats"].values():
        assert counts["refused"] > 0
        assert counts["decoded"] > 0
