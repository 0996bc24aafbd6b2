"""Short runs of the fuzzers; counts of the long ones are in docs/results/fuzz_*.json."""

import pytest

pytest.importorskip("resource", reason="bounds on memory are set on POSIX systems only")

from tests.fuzz.run import READERS, run

# Kinds whose damage is nearly always noticed, or nearly always passed over, in so few cases.
NEVER_REFUSED = {"marker", "evaluations", "report"}


@pytest.mark.parametrize("reader", READERS)
def test_damaged_files_are_read_or_refused_within_bounds(tmp_path, reader):
    result = run(reader, 300, tmp_path / "failures")
    assert result["cases"] >= 290
    assert result["wrong"] == 0, [path.name for path in (tmp_path / "failures").iterdir()]
    assert result["peak_mib"] < 256
    for kind, counts in result["kinds"].items():
        assert counts.get("refused", 0) > 0 or kind in NEVER_REFUSED
        assert counts.get("refused", 0) + counts.get("read", 0) == counts["cases"]
