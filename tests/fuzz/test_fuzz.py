"""Short runs of the fuzzers; counts of the long ones are in docs/results/fuzz_*.json."""

import pytest

pytest.importorskip("resource", reason="bounds on memory are set on POSIX systems only")

from tests.fuzz.run import READERS, run

# Kinds whose damage is nearly always noticed, or nearly always passed over, in so few cases.
NEVER_REFUSED = {"marker", "evaluations"}


# Of readers whose processes begin with seconds of imports, the kinds of most readers' files.
SOME_KINDS = {"records": ("manifest", "log_mel_shard"), "models": ("tflite",)}


@pytest.mark.parametrize("reader", READERS)
def test_damaged_files_are_read_or_refused_within_bounds(tmp_path, reader):
    cases = 120 if reader == "records" else 300
    kinds = SOME_KINDS.get(reader, ())
    result = run(reader, cases, tmp_path / "failures", kinds=kinds)
    assert result["cases"] >= 0.95 * cases
    assert result["wrong"] == 0, [path.name for path in (tmp_path / "failures").iterdir()]
    assert result["peak_mib"] < 256
    for kind, counts in result["kinds"].items():
        assert counts.get("refused", 0) > 0 or kind in NEVER_REFUSED
        assert counts.get("refused", 0) + counts.get("read", 0) == counts["cases"]
