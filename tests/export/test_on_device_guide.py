"""The guide's Python snippet gives the scores that `tag` gives, and its tensors are the files'."""

from dataclasses import replace

import numpy as np
import pytest

from aec_ofa_tf.audio.io.decode import fit_length
from aec_ofa_tf.tagging.interpreter import interpreter_class
from aec_ofa_tf.tagging.model_file import read_bundle, write_bundle
from aec_ofa_tf.tagging.tagger import Tagger
from tests.export.guide import GUIDE, run_guide, start_guide
from tests.exported import FRAMES, LABELS, SAMPLES


def best_three(scores):
    best = np.argsort(-scores)[:3]
    return {LABELS[i]: pytest.approx(scores[i], abs=6e-4) for i in best}


@pytest.mark.parametrize(
    ("form", "quantization"), [("waveform", "float32"), ("log_mel", "int8"), ("log_mel", "float32")]
)
def test_the_python_snippet_scores_every_window(
    exported, largest, waveforms, tmp_path, form, quantization
):
    path = exported.path(largest, form, quantization)
    recording = np.concatenate([waveforms[3], waveforms[5][: SAMPLES // 2]])
    windows = run_guide(path, recording, tmp_path)

    tagger = Tagger(path, fit_length=fit_length)
    clips = [recording[:SAMPLES], recording[-SAMPLES:]]
    assert windows == [best_three(tagger.tag(clip)) for clip in clips]


def test_the_python_snippet_repeats_short_recordings_where_the_card_says_so(
    exported, smallest, waveforms, tmp_path
):
    path = exported.path(smallest, "waveform")
    recording = waveforms[3][: SAMPLES // 3]

    expected = best_three(Tagger(path, fit_length=fit_length).tag(recording))
    assert run_guide(path, recording, tmp_path) == [expected]


@pytest.mark.parametrize(("policy", "samples"), [("repeat", 0), ("crop", SAMPLES // 3)])
def test_the_python_snippet_scores_nothing_that_is_too_short(
    exported, smallest, waveforms, tmp_path, policy, samples
):
    flatbuffer, info = read_bundle(exported.path(smallest, "waveform"))
    write_bundle(flatbuffer, replace(info, length_policy=policy), tmp_path / "model.tflite")
    done = start_guide(tmp_path / "model.tflite", waveforms[3][:samples], tmp_path)

    assert done.returncode == 1
    assert "is too short" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("form", "taken", "shape", "given"),
    [
        ("waveform", "waveform", [1, SAMPLES], [1, len(LABELS)]),
        ("log_mel", "log_mel", [1, FRAMES, 64], [1, len(LABELS)]),
        ("front_end", "waveform", [1, SAMPLES], [1, FRAMES, 64]),
    ],
)
def test_tensors_are_those_of_the_guide(exported, smallest, form, taken, shape, given):
    path = (
        exported.folder / "front_end.tflite"
        if form == "front_end"
        else exported.path(smallest, form)
    )
    interpreter = interpreter_class()(model_path=str(path))
    (input_,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()

    signature = {"serving_default": {"inputs": [taken], "outputs": ["output_0"]}}
    assert interpreter.get_signature_list() == signature
    assert input_["name"] == f"serving_default_{taken}:0"
    assert f"`serving_default_{taken}:0`" in GUIDE
    assert (input_["shape"].tolist(), output["shape"].tolist()) == (shape, given)
    assert (input_["dtype"], output["dtype"]) == (np.float32, np.float32)
