"""Every program explains itself, in the README and by itself."""

import pytest

from tests.pipelines.conftest import ROOT, run_program

FILES = sorted((ROOT / "pipelines").glob("*.py"))
PROGRAMS = [path.stem for path in FILES if "program.run(main" in path.read_text("utf-8")]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_tells_its_flags_and_a_command(name):
    told = run_program(name, "--helpshort").stdout

    assert f"python -m pipelines.{name}" in told
    assert "\n  --" in told
    assert ">>>" not in told
    assert "Example:" not in told
    assert f"| `{name}` |" in (ROOT / "README.md").read_text(encoding="utf-8")
