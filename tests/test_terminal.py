"""Progress is for people: bars on a terminal, lines in CI, nothing elsewhere."""

import io
from contextlib import redirect_stderr

import pytest

from aec_ofa_tf import terminal
from aec_ofa_tf.reporting.tables import markdown, shown
from aec_ofa_tf.terminal import BesideBars, progress, show


class Screen(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Without the variables that matter, and without waiting."""
    for name in ("CI", terminal.QUIET):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(terminal, "_SHORT_SECS", 0.0)
    monkeypatch.setattr(terminal, "_LINE_SECS", 0.0)
    monkeypatch.setenv("COLUMNS", "80")


def work(stream: io.StringIO) -> str:
    """What three steps of work write to stderr."""
    with redirect_stderr(stream):
        assert list(progress(range(3), desc="steps of work", unit="step")) == [0, 1, 2]
    return stream.getvalue()


def test_a_terminal_shows_a_bar_with_rate_and_remaining_time():
    last = work(Screen()).split("\r")[-1]

    assert "steps of work: 100%" in last
    assert "3/3" in last
    assert "step/s" in last


def test_short_work_shows_nothing(monkeypatch):
    monkeypatch.setattr(terminal, "_SHORT_SECS", 60.0)

    assert work(Screen()) == ""


def test_a_file_gets_nothing():
    assert work(io.StringIO()) == ""


@pytest.mark.parametrize("stream", [io.StringIO, Screen])
def test_ci_gets_plain_lines(stream, monkeypatch):
    monkeypatch.setenv("CI", "true")

    text = work(stream())

    assert "\r" not in text
    assert text.splitlines()[-1].startswith("steps of work: 3 of 3 step, ")
    assert text.splitlines()[-1].endswith(" left")


def test_quiet_is_quiet(monkeypatch):
    monkeypatch.setenv(terminal.QUIET, "1")
    monkeypatch.setenv("CI", "true")

    with redirect_stderr(Screen()) as screen:
        work(screen)
        show("a table")

    assert screen.getvalue() == ""


def test_a_line_of_the_log_does_not_tear_a_bar():
    with (
        redirect_stderr(Screen()) as screen,
        progress(desc="work", unit="step", total=2) as bar,
    ):
        bar.update()
        print("a line", file=BesideBars())
        bar.update()

    lines = screen.getvalue().replace("\r", "\n").splitlines()
    assert "a line" in [line.strip() for line in lines]


def test_a_table_that_is_too_wide_for_a_terminal_becomes_blocks():
    subnet = "8-16x1e100-16x3e50-32x2e50-48x1e25-64x3e25-96-128" * 2
    columns = {"budget": "", "subnet": "", "params": ",d"}
    rows = [{"budget": "params<=50k", "subnet": subnet, "params": 49_314}]
    narrow = [{"budget": "params<=50k", "subnet": "x", "params": 1}]

    with redirect_stderr(Screen()):
        text = shown(rows, columns)
        assert shown(narrow, columns) == markdown(narrow, columns)

    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[0] == "params<=50k"
    assert "params  49,314" in text
    assert "".join(text.split()).count(subnet) == 1
    with redirect_stderr(io.StringIO()):
        assert shown(rows, columns) == markdown(rows, columns)
