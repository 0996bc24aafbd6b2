"""The report in a real browser: what a reader sees, points at, clicks and copies."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.experiment import Experiment
from aec_ofa_tf.models.cnn10 import cnn10_space
from aec_ofa_tf.report import PAGE
from aec_ofa_tf.training.config import TeacherConfig, TrainConfig
from tests.browser import BEYOND, DESKTOP, PHONE, Browser, chromium, needs_chromium
from tests.report.page import values_of
from tfrecords.prepare import prepare
from tfrecords.prepare_config import PrepareConfig
from tfrecords.records import open_records
from tfrecords.sources.csv_list import read_csv

pytestmark = [needs_chromium, pytest.mark.slow]

EVIL = "<script>alert(1)</script>"
BOLD = "<b>&amp 'bold'\"</b>"
CHARTS = ("pareto", "intervals", "per-class", "balance")

# Where a point of a trace is on the screen.
PLACE = """
const chart = document.getElementById(arguments[0]), trace = chart.data[arguments[1]];
chart.scrollIntoView({block: "center", behavior: "instant"});
const box = chart.getBoundingClientRect(), {xaxis, yaxis} = chart._fullLayout;
return [box.left + xaxis._offset + xaxis.d2p(trace.x[arguments[2]]),
        box.top + yaxis._offset + yaxis.d2p(trace.y[arguments[2]])];
"""
CONTRAST = """
const light = (text) => {
  const [r, g, b] = text.match(/\\d+/g).slice(0, 3)
    .map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
};
const page = light(getComputedStyle(document.body).backgroundColor);
const texts = [document.body, document.querySelector(".note"), document.querySelector("a")]
  .map((e) => light(getComputedStyle(e).color));
texts.push(light(getComputedStyle(document.querySelector("#pareto .xtick text")).fill));
return texts.map((text) => Math.max(text, page) / Math.min(text, page));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory) as browser:
        yield browser


@pytest.fixture
def page(browser, trained) -> Browser:
    """The report of the shared run, on a wide screen."""
    browser.use(DESKTOP, "light")
    browser.open(trained.workdir / PAGE)
    browser.wait_for("return document.querySelectorAll('#pareto .points path').length > 0")
    return browser


def point_at(browser: Browser, place: list[float]) -> str:
    """Moves the mouse to a place of the chart of subnets; returns what the chart then tells."""
    x, y = place
    for step in (1, 0):  # a mouse that did not move points at nothing
        browser.command("Input.dispatchMouseEvent", type="mouseMoved", x=x + step, y=y)
    return browser.wait_for("return document.querySelector('#pareto .hoverlayer')?.textContent")


def pick(browser: Browser, trace: int, number: int, secs: float = 30) -> None:
    """Clicks on a subnet until its command is there; charts of a busy machine may still move."""
    end = time.monotonic() + secs
    while browser.run("return document.getElementById('chosen').hidden"):
        assert time.monotonic() < end, "no subnet was chosen"
        x, y = browser.run(PLACE, "pareto", trace, number)
        point_at(browser, [x, y])
        for kind in ("mousePressed", "mouseReleased"):
            pressed = {"button": "left", "clickCount": 1}
            browser.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)


def choose(browser: Browser, name: str, value: str) -> None:
    browser.run(
        "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
        "e.dispatchEvent(new Event('change'));",
        *(name, value),
    )


def test_it_draws_everything_without_the_network_and_without_complaints(page, trained):
    assert page.messages() == []
    asked = page.requests()
    assert asked
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    for name in CHARTS:
        drawn = f"return document.querySelectorAll('#{name} .trace').length"
        assert page.run(drawn) > 0, name
    curves = page.run("return [...document.querySelectorAll('#curves .chart')].map(e => e.data)")
    assert len(curves) == len(values_of(trained.workdir)["charts"])
    assert all(trace["y"] for chart in curves for trace in chart)


def test_sounds_can_be_played_and_log_mels_are_shown(page):
    sounds = page.wait_for(
        "const s = [...document.querySelectorAll('audio')].map((e) => e.duration);"
        "return s.every((d) => d > 0) && s",
    )
    assert len(sounds) == 6
    assert sounds == pytest.approx([0.64] * 6, abs=0.01)
    pictures = "return [...document.querySelectorAll('.clips img')].map((e) => e.naturalHeight)"
    assert page.run(pictures) == [64] * 6


def test_pointing_at_a_subnet_tells_what_it_costs(page, trained):
    subnets = values_of(trained.workdir)["subnets"]
    front = page.run("return document.getElementById('pareto').data[1].customdata")

    text = point_at(page, page.run(PLACE, "pareto", 1, 0))

    index = front[0]
    columns = subnets["columns"]
    assert subnets["names"][index] in text.replace("\n", "")
    assert f"parameters: {columns['params'][index]:,}" in text
    assert f"multiply-adds: {columns['macs'][index] / 1e6:,.2f}".rstrip("0").rstrip(".") in text
    assert f"arena on a microcontroller, bytes: {columns['arena_bytes'][index]:,}" in text
    assert "validation mAP: " in text
    page.screenshot("report-hover", whole=False)


def test_a_click_on_a_subnet_shows_and_copies_its_command(page, trained):
    page.allow_clipboard()
    values = values_of(trained.workdir)
    index = page.run("return document.getElementById('pareto').data[1].customdata[0]")
    command = values["convert"].replace("SUBNET", values["subnets"]["names"][index])

    pick(page, trace=1, number=0)

    assert page.wait_for("return document.getElementById('copied').textContent") == (
        "The command was copied."
    )
    assert page.run("return document.querySelector('#chosen code').innerText") == command
    assert page.run("return navigator.clipboard.readText()") == command


def test_the_buttons_copy_what_stands_beside_them(page):
    page.allow_clipboard()
    page.run("document.querySelector('#commands .command button').click()")

    page.wait_for("return document.querySelector('#commands button').textContent === 'copied'")
    shown = page.run("return document.querySelector('#commands .command code').innerText")
    assert page.run("return navigator.clipboard.readText()") == shown
    assert shown.startswith("python -m pipelines.train --flagfile=")


def dominated(values: np.ndarray, index: int) -> bool:
    """Whether a row is no better than another anywhere and worse somewhere; lower is better."""
    no_worse = (values <= values[index]).all(axis=1)
    return bool((no_worse & (values < values[index]).any(axis=1)).any())


@pytest.mark.parametrize(
    ("x", "y"),
    [("params", "validation_mAP"), ("macs", "validation_mAUC"), ("arena_bytes", "macs")],
)
def test_the_front_is_what_nothing_dominates_over_any_two_axes(page, trained, x, y):
    choose(page, "axis-x", x)
    choose(page, "axis-y", y)

    subnets = values_of(trained.workdir)["subnets"]
    sign = {axis["name"]: 1 if axis["lower_is_better"] else -1 for axis in subnets["axes"]}
    names = [x, y] + ([] if y.startswith("validation_") else [subnets["figure"]])
    table = np.array([np.array(subnets["columns"][n], float) * sign[n] for n in names]).T
    expected = {tuple(row) for i, row in enumerate(table) if not dominated(table, i)}
    front = page.run("return document.getElementById('pareto').data[1].customdata")
    assert {tuple(table[index]) for index in front} == expected
    assert len(front) == len(expected)
    drawn = page.run("const d = document.getElementById('pareto').data[0]; return [d.x, d.y]")
    assert drawn == [subnets["columns"][x], subnets["columns"][y]]
    assert page.messages() == []


def test_results_per_class_are_those_of_the_file_that_is_chosen(page, trained):
    classes = values_of(trained.workdir)["classes"]

    for number in (1, len(classes) - 1):
        choose(page, "class-file", str(number))
        shown = page.run("return document.getElementById('per-class').data[0].x")
        assert shown == [row["average_precision"] for row in classes[number]["classes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_light_and_in_dark(page, scheme):
    page.use(DESKTOP, scheme)

    background = page.run("return getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
    page.wait_for(f"return Math.min(...(() => {{{CONTRAST}}})()) > 4.5")  # charts are drawn again
    page.screenshot(f"report-{scheme}")


def test_nothing_overflows_a_phone(browser, trained):
    browser.use(PHONE, "light")
    browser.open(trained.workdir / PAGE)

    assert browser.run("return document.documentElement.scrollWidth") == PHONE[0]
    assert browser.run(BEYOND) == []
    assert browser.messages() == []
    browser.screenshot("report-phone")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """The run directory of an experiment whose labels and files are named to do harm."""
    folder = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    lines = ["path,labels,split"]
    for number in range(24):
        name, split = f"<img src=x onerror=alert({number})>.wav", ("train", "test")[number % 3 == 0]
        soundfile.write(folder / name, 0.1 * rng.normal(size=6400), 16000)
        label = (EVIL, BOLD.replace('"', '""'))[number % 2]
        lines.append(f'{name},"{label}",{"evaluation" if split == "test" else split}')
    (folder / "list.csv").write_text("\n".join([*lines, f'none.wav,"{EVIL}",train']) + "\n")
    config = PrepareConfig("csv", clip_secs=0.4, payload="audio")
    prepare(read_csv(folder / "list.csv"), config, folder / "data")
    workdir, records = folder / EVIL.replace("/", "|"), open_records(folder / "data")
    run = Experiment(workdir, records, cnn10_space("[2,2,X]", 4))
    train = TrainConfig(batch_size=4, calibration_clips=8, precision="float32")
    run.train_teacher(TeacherConfig(train, base_channels=4, steps=2))
    return run.workdir.path


def test_labels_and_names_of_files_are_text_and_nothing_else(browser, hostile):
    browser.use(DESKTOP, "light")
    browser.open(hostile / PAGE)

    assert browser.run("return document.title") == hostile.name  # an alert would raise here
    text = browser.run("return document.body.innerText")
    for shown in (EVIL, BOLD, "<img src=x onerror=alert(", "none.wav"):
        assert shown in text
    ticks = browser.run("return document.querySelector('#balance .xaxislayer-above').textContent")
    assert "<script>al" in ticks
    assert browser.messages() == []
    values = values_of(hostile)
    assert set(values["balance"]["labels"]) == {EVIL, BOLD}
    page = (hostile / PAGE).read_text(encoding="utf-8")
    assert EVIL not in page
    assert json.dumps(EVIL)[1:-1] not in page
