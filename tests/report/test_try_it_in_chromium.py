"""The page that tags in a real browser: its scores, a dropped file, the microphone, what fails."""

import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.report import PAGE
from aec_ofa_tf.report.page import write_report
from aec_ofa_tf.report.try_it import write_try_it
from aec_ofa_tf.report.try_it_files import TRY_IT_PAGE
from aec_ofa_tf.tagging.interpreter import runtime_version
from aec_ofa_tf.tagging.model_file import read_bundle, write_bundle
from aec_ofa_tf.tagging.tagger import Tagger
from aec_ofa_tf.workdir import Workdir
from tests.browser import BEYOND, DESKTOP, PHONE, Browser, chromium, needs_chromium
from tests.report.litert_web import installed, needs_npm

pytestmark = [needs_chromium, needs_npm, pytest.mark.slow]

RATE_HZ, CLIP = 32000, 20480
BUZZ_PEAK, BUZZ_PERIOD = 0.5, 320
EVIL = "<img src=x onerror=alert(1)>"
INSECURE = "somewhere.test"
# The interpreter of lane `train` rounds differently in int8, by a few steps of 1/256.
INT8_TOLERANCE = 1e-4 if runtime_version().startswith("ai_edge_litert") else 8 / 256

MODEL = "params_max_8k/waveform-float32.tflite"
READY = "return !document.getElementById('file').disabled"
STATUS = "return document.getElementById('status').textContent"
PROBLEM = """
const e = document.getElementById("problem");
return !e.hidden && getComputedStyle(e).display !== "none" && e.textContent;
"""
SCORES = """
if (document.getElementById("result").hidden) return null;
return Object.fromEntries([...document.querySelectorAll(".tags li")]
  .map((e) => [e.firstChild.textContent, e.querySelector("meter").value]));
"""
HEARD = "return document.getElementById('heard').textContent"
CHOOSE = """
const e = document.getElementById("model");
e.value = [...e.options].findIndex((option) => option.text.startsWith(arguments[0]));
e.dispatchEvent(new Event("change"));
"""
# As in a browser that does not resample the microphone.
OWN_RATE_ONLY = """
const Any = AudioContext;
window.AudioContext = class extends Any {
  constructor(options) {
    if (options?.sampleRate) throw new DOMException("no resampling", "NotSupportedError");
    super(options);
  }
};
"""
CONTRAST = """
const light = (text) => {
  const [r, g, b] = text.match(/\\d+/g).slice(0, 3)
    .map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
};
const over = (e) => {
  for (; e; e = e.parentElement) {
    const colour = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$/.test(colour)) return light(colour);
  }
};
return ["body", ".note", "a", "#drop", "#microphone", "#tags li", "#from-disk code"].map((name) => {
  const e = document.querySelector(name), text = light(getComputedStyle(e).color), back = over(e);
  return Math.max(text, back) / Math.min(text, back);
});
"""


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory) -> Path:
    """The shared run with the page, and with more files of the first model by other cards."""
    exported = trained.workdir / "export"
    flatbuffer, info = read_bundle(exported / "params_max_8k" / "waveform-float32.tflite")
    labels = (EVIL, *info.labels[1:])
    single = replace(info, labels=labels, task="single_label", length_policy="repeat")
    others = exported / "with_other_cards"
    others.mkdir()
    write_bundle(flatbuffer, single, others / "single.tflite")
    write_bundle(flatbuffer, replace(info, length_policy="crop"), others / "crop.tflite")
    write_try_it(Workdir(trained.workdir), installed(tmp_path_factory))
    write_report(Workdir(trained.workdir))
    return trained.workdir


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    """A folder of recordings at the model's rate, in 16 bits and in floats."""
    folder, rng = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0)
    for name, shape in {
        "clip": (CLIP,),
        "long": (int(2.6 * CLIP), 2),
        "short": (CLIP // 3,),
    }.items():
        secs = np.arange(shape[0]) / RATE_HZ
        sweep = 0.4 * np.sin(2 * np.pi * (300 + 900 * secs) * secs)
        samples = (sweep + 0.05 * rng.normal(size=shape[::-1])).T
        soundfile.write(folder / f"{name}.wav", samples, RATE_HZ, "PCM_16")
        soundfile.write(folder / f"{name}-float.wav", samples, RATE_HZ, "FLOAT")
    soundfile.write(folder / "buzz.wav", buzz(4 * RATE_HZ), RATE_HZ, "PCM_16")
    (folder / "letter.wav").write_text("Dear reader, this is no sound.")
    soundfile.write(folder / "empty.wav", np.zeros(0), RATE_HZ)
    return folder


def buzz(samples: int) -> np.ndarray:
    """A sound that fills all mel bins and is nearly the same at any time."""
    rng = np.random.default_rng(1)
    period = rng.uniform(-1, 1, BUZZ_PERIOD)
    return np.resize(BUZZ_PEAK * period, samples) + 0.05 * rng.normal(size=samples)


@pytest.fixture(scope="module")
def browser(tmp_path_factory, sounds):
    """A browser whose microphone is a file, which it gives to any page."""
    switches = (
        "use-fake-device-for-media-stream",
        "use-fake-ui-for-media-stream",
        f"use-file-for-fake-audio-capture={sounds / 'buzz.wav'}",
        f"host-resolver-rules=MAP {INSECURE} 127.0.0.1",
    )
    with chromium(tmp_path_factory, *switches) as browser:
        yield browser


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """The port of a server for a folder, as of `python -m http.server --directory`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server(run) -> str:
    with served(run / PAGE.parent) as port:
        yield f"http://localhost:{port}/"


@pytest.fixture(params=["disk", "server"])
def address(request, run, server) -> Path | str:
    """Both roads to the page."""
    return run / TRY_IT_PAGE if request.param == "disk" else f"{server}try_it/"


def opened(browser: Browser, address: Path | str, model: str = MODEL) -> Browser:
    """The page with a model chosen, on a wide screen."""
    browser.use(DESKTOP, "light")
    browser.open(address)
    browser.wait_for(READY)
    browser.run(CHOOSE, model)
    return browser


def element(browser: Browser, name: str):
    return browser.driver.find_element("id", name)


def tagged(browser: Browser, recording: Path) -> dict[str, float]:
    """Chooses a recording in the page; returns its scores by label."""
    element(browser, "file").send_keys(str(recording))
    return scores_of(browser, recording)


def scores_of(browser: Browser, recording: Path) -> dict[str, float]:
    done = f"{STATUS}.startsWith(arguments[0])"
    browser.wait_for(done, f"{recording.name} is tagged")
    return browser.run(SCORES)


def expected(model: Path, recording: Path) -> dict[str, float]:
    """The scores by Python's interpreter, as of `python -m pipelines.tag`."""
    tagger = Tagger(model)
    samples, rate_hz = soundfile.read(recording, dtype="float32", always_2d=True)
    assert rate_hz == tagger.info.sample_rate_hz
    return scored(tagger, samples.mean(axis=1))


def scored(tagger: Tagger, samples: np.ndarray) -> dict[str, float]:
    scores = tagger.tag(samples.astype(np.float32))
    return dict(zip(tagger.info.labels, map(float, scores), strict=True))


def test_scores_are_those_of_the_interpreter(browser, run, sounds, address):
    page = opened(browser, address)

    found = {}
    for name in ("clip", "long", "short"):
        found[name] = tagged(page, sounds / f"{name}.wav")
        wanted = expected(run / "export" / MODEL, sounds / f"{name}.wav")
        assert found[name] == pytest.approx(wanted, abs=1e-4)

    assert np.ptp([list(scores.values()) for scores in found.values()], axis=0).max() > 0.01
    assert page.messages() == []


def test_scores_in_int8_are_those_of_the_interpreter(browser, run, sounds):
    page = opened(browser, run / TRY_IT_PAGE, "params_max_8k/waveform-int8.tflite")

    for name in ("clip", "long", "short"):
        # Of 16 bits, browsers make other floats than Python does, by a third of a millionth.
        recording = sounds / f"{name}-float.wav"
        wanted = expected(run / "export" / "params_max_8k" / "waveform-int8.tflite", recording)
        assert tagged(page, recording) == pytest.approx(wanted, abs=INT8_TOLERANCE)
    assert page.messages() == []


def test_scores_of_one_label_a_clip_are_means_and_short_sounds_are_repeated(browser, run, sounds):
    page = opened(browser, run / TRY_IT_PAGE, "with_other_cards/single.tflite")

    for name in ("long", "short"):
        wanted = expected(
            run / "export" / "with_other_cards" / "single.tflite", sounds / f"{name}.wav"
        )
        assert tagged(page, sounds / f"{name}.wav") == pytest.approx(wanted, abs=1e-4)
    assert page.run("return document.querySelectorAll('img').length") == 0
    assert page.messages() == []


def test_the_model_that_is_best_on_the_validation_split_is_chosen_first(browser, run):
    browser.open(run / TRY_IT_PAGE)
    winners = json.loads((run / "search" / "result.json").read_text())["budgets"]
    best = max(winners, key=lambda winner: winner["validation"]["mAP"])

    facts = browser.run("return document.getElementById('facts').innerText")
    assert best["subnet"] in facts
    assert best["budget"] in facts


def test_nothing_is_asked_of_the_network(browser, sounds, address):
    page = opened(browser, address)
    tagged(page, sounds / "clip.wav")

    asked = page.requests()
    own = address.parent.resolve().as_uri() if isinstance(address, Path) else address
    assert f"{own.rstrip('/')}/runtime.js" in asked
    assert [url for url in asked if not url.startswith((own, "data:", "blob:"))] == []
    policy = page.run("return document.querySelector('meta[http-equiv]').content")
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert "http" not in policy


def test_the_report_and_the_page_lead_to_each_other(browser, run):
    browser.use(DESKTOP, "light")
    browser.open(run / PAGE)
    browser.driver.find_element("css selector", "#try-it a").click()
    browser.wait_for(READY)
    assert browser.run("return document.title") == f"Try it: {run.name}"
    browser.driver.find_element("link text", "Report").click()
    assert (
        browser.wait_for("return document.getElementById('pareto') && document.title") == run.name
    )
    assert browser.messages() == []


def test_a_long_recording_is_shown_over_time(browser, run, sounds):
    page = opened(browser, run / TRY_IT_PAGE)
    tagged(page, sounds / "long.wav")

    assert page.run(HEARD) == "long.wav: 1.66 s, 3 windows"
    assert page.run("return document.querySelectorAll('#strips .cells').length") == 5
    cells = page.run(
        "return [...document.querySelector('#strips .cells').children].map((e) => e.style.opacity)"
    )
    label = page.run("return document.querySelector('#tags li').firstChild.textContent")
    tagger = Tagger(run / "export" / MODEL)
    samples = soundfile.read(sounds / "long.wav", dtype="float32")[0].mean(axis=1)
    windows = list(tagger.score_windows([samples]))
    index = tagger.info.labels.index(label)
    assert list(map(float, cells)) == pytest.approx([w.scores[index] for w in windows], abs=1e-4)
    rows = page.run(
        "return [...document.querySelectorAll('#windows tr')].map((e) => e.textContent)"
    )
    assert [row[:8] for row in rows] == ["0.000.64", "0.641.28", "1.021.66"]
    assert page.wait_for("return document.getElementById('player').duration") == pytest.approx(
        1.664, abs=0.01
    )
    tagged(page, sounds / "clip.wav")
    assert page.run("return document.getElementById('timeline').hidden")
    assert page.messages() == []


def test_a_file_can_be_dropped(browser, run, sounds):
    page = opened(browser, run / TRY_IT_PAGE)
    x, y = page.run(
        "const box = document.getElementById('drop').getBoundingClientRect();"
        "return [box.x + box.width / 2, box.y + 10]"
    )
    dragged = {"items": [], "files": [str(sounds / "clip.wav")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        page.command("Input.dispatchDragEvent", type=kind, x=x, y=y, data=dragged)

    wanted = expected(run / "export" / MODEL, sounds / "clip.wav")
    assert scores_of(page, sounds / "clip.wav") == pytest.approx(wanted, abs=1e-4)
    assert page.messages() == []


def test_another_model_tags_the_same_recording_again(browser, run, sounds):
    page = opened(browser, run / TRY_IT_PAGE)
    first, other = tagged(page, sounds / "clip.wav"), "params_9k_pm_2k/waveform-float32.tflite"

    page.run(CHOOSE, other)

    wanted = expected(run / "export" / other, sounds / "clip.wav")
    assert scores_of(page, sounds / "clip.wav") == pytest.approx(wanted, abs=1e-4)
    assert first != pytest.approx(wanted, abs=1e-2)
    assert page.messages() == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("letter.wav", "letter.wav cannot be decoded: this browser finds no sound in it"),
        ("empty.wav", "empty.wav c"),
    ],
)
def test_a_file_without_sound_gets_one_sentence(browser, run, sounds, name, sentence):
    page = opened(browser, run / TRY_IT_PAGE)
    element(page, "file").send_keys(str(sounds / name))

    assert page.wait_for(PROBLEM).startswith(sentence)
    assert page.run("return document.getElementById('result').hidden")
    assert page.messages() == []
    tagged(page, sounds / "clip.wav")
    assert not page.run(PROBLEM)


def test_a_recording_that_is_too_short_for_the_model_gets_one_sentence(browser, run, sounds):
    page = opened(browser, run / TRY_IT_PAGE, "with_other_cards/crop.tflite")
    element(page, "file").send_keys(str(sounds / "short.wav"))

    assert page.wait_for(PROBLEM) == (
        "The recording is shorter than 0.64 s, which the model takes; choose a longer one."
    )
    assert page.messages() == []


@pytest.mark.parametrize("resamples", [True, False])
def test_the_microphone_is_tagged_until_it_is_stopped(browser, run, address, resamples):
    page = opened(browser, address)
    if not resamples:
        page.run(OWN_RATE_ONLY)
    element(page, "microphone").click()

    page.wait_for(SCORES)
    first = page.run(HEARD)
    assert first.startswith("The last 0.64 s of the microphone, after ")
    page.wait_for(f"{HEARD} !== arguments[0]", first)
    tagger = Tagger(run / "export" / MODEL)
    wanted = scored(tagger, buzz(CLIP))
    close = f"""
    const wanted = arguments[0], found = (() => {{{SCORES}}})();
    return Object.keys(wanted).every((label) => Math.abs(found[label] - wanted[label]) < 0.05);
    """
    page.wait_for(close, wanted)
    silence = scored(tagger, np.zeros(CLIP))
    assert max(abs(wanted[label] - score) for label, score in silence.items()) > 0.05
    heard, rate_hz = page.run("return [Array.from(microphone.kept), microphone.context.sampleRate]")
    assert (rate_hz == RATE_HZ) == resamples
    lag = BUZZ_PERIOD * rate_hz // RATE_HZ
    assert np.corrcoef(heard[lag:], heard[:-lag])[0, 1] > 0.9
    assert page.run("return document.getElementById('level').value") > BUZZ_PEAK / 2
    track = page.run("window.track = microphone.stream.getTracks()[0]; return track.readyState")
    assert track == "live"

    element(page, "microphone").click()

    assert page.wait_for(STATUS) == "The microphone is off."
    assert page.run("return track.readyState") == "ended"
    assert element(page, "microphone").text == "Start the microphone"
    assert page.messages() == []


def test_a_recording_ends_the_microphone(browser, run, sounds):
    page = opened(browser, run / TRY_IT_PAGE)
    element(page, "microphone").click()
    page.wait_for(SCORES)

    wanted = expected(run / "export" / MODEL, sounds / "clip.wav")
    assert tagged(page, sounds / "clip.wav") == pytest.approx(wanted, abs=1e-4)
    assert element(page, "microphone").text == "Start the microphone"
    assert page.run("return microphone === undefined")
    assert page.messages() == []


def test_a_refused_microphone_is_explained(tmp_path_factory, server):
    refused = {"permission": {"name": "microphone"}, "setting": "denied"}
    with chromium(tmp_path_factory, "use-fake-device-for-media-stream") as asking:
        page = opened(asking, f"{server}try_it/")
        page.command("Browser.setPermission", **refused, origin=server.rstrip("/"))
        element(page, "microphone").click()

        assert page.wait_for(PROBLEM).startswith(
            "The browser did not allow the microphone. Allow it for this page"
        )
        assert element(page, "microphone").text == "Start the microphone"
        assert page.messages() == []


def test_an_address_without_a_microphone_is_told_of_the_server(browser, server, sounds):
    page = opened(browser, f"{server.replace('localhost', INSECURE)}try_it/")
    command = page.run("return document.getElementById('from-disk').innerText")
    assert re.search(r"python -m http\.server --bind localhost --directory \S*/report", command)

    element(page, "microphone").click()

    assert "to pages from https or localhost only" in page.wait_for(PROBLEM)
    tagged(page, sounds / "clip.wav")
    assert page.messages() == []


def test_from_disk_it_tells_of_the_server_and_from_the_server_it_does_not(browser, run, server):
    hidden = "return document.getElementById('from-disk').hidden"
    assert not opened(browser, run / TRY_IT_PAGE).run(hidden)
    assert opened(browser, f"{server}try_it/").run(hidden)


def test_a_missing_script_gets_one_sentence(browser, run, tmp_path):
    shutil.copy(run / TRY_IT_PAGE, tmp_path / "index.html")
    browser.use(DESKTOP, "light")
    browser.open(tmp_path / "index.html")

    assert browser.wait_for(PROBLEM).startswith("runtime.js is missing beside this page")
    assert browser.run(READY) is False
    browser.messages()  # the browser itself tells of the file


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_light_and_in_dark(browser, run, sounds, scheme):
    page = opened(browser, run / TRY_IT_PAGE)
    page.use(DESKTOP, scheme)
    tagged(page, sounds / "long.wav")

    background = page.run("return getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
    assert min(page.run(CONTRAST)) > 4.5
    page.screenshot(f"try-it-{scheme}")


def test_nothing_overflows_a_phone(browser, run, sounds):
    page = opened(browser, run / TRY_IT_PAGE)
    page.use(PHONE, "light")
    tagged(page, sounds / "long.wav")

    assert page.run("return document.documentElement.scrollWidth") == PHONE[0]
    assert page.run(BEYOND) == []
    assert page.messages() == []
    page.screenshot("try-it-phone")
