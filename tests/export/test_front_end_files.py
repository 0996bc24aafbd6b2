"""The front end in TFLite files: its bytes, its operators, and its values against librosa's."""

import numpy as np
import pytest

from aec_ofa_tf.audio.front_end import PANNS, PRESETS
from aec_ofa_tf.costs.file_bytes import front_end_bytes
from aec_ofa_tf.export.child import CONVERTER, FRONT_END, ConversionJob, run_child, write_jobs
from aec_ofa_tf.tagging.interpreter import interpreter_class
from pipelines.benchmarks.clips import synthetic_clips
from pipelines.benchmarks.front_end_error import NEAR_DB, librosa_log_mel

SECS = (1.0, 10.0)
MOST_BYTES = {"panns_32k": 26e3, "panns_16k": 20e3, "efficientat_32k": 35e3, "keyword_16k": 18e3}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Front ends by preset and seconds of the clip, converted in one child process."""
    folder = tmp_path_factory.mktemp("front_ends")
    jobs = {
        (name, secs): ConversionJob(
            FRONT_END, "float32", config.clip_samples(secs), config, f"{name}-{secs:g}"
        )
        for name, config in PRESETS.items()
        for secs in SECS
    }
    write_jobs(list(jobs.values()), folder)
    run_child(["-m", CONVERTER], folder, "converting front ends")
    return {key: (folder / job.output).read_bytes() for key, job in jobs.items()}


@pytest.mark.parametrize("name", PRESETS)
def test_a_front_end_has_the_bytes_that_budgets_count(files, name):
    short, long = (len(files[name, secs]) for secs in SECS)

    assert abs(short - long) < 100
    assert long <= MOST_BYTES[name]
    assert front_end_bytes(PRESETS[name]) == pytest.approx(long, rel=0.05)


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_a_file_with_waveform_input_is_larger_by_its_front_end(exported, largest, quantization):
    waveform, log_mel = (
        exported.conversions[largest, form, quantization].bytes for form in ("waveform", "log_mel")
    )

    assert waveform - log_mel == pytest.approx(front_end_bytes(PANNS), abs=600)


@pytest.mark.parametrize("name", PRESETS)
def test_the_values_are_librosa_s(files, name):
    config = PRESETS[name]
    interpreter = interpreter_class()(model_content=files[name, SECS[0]])
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    for clip in synthetic_clips(config.clip_samples(SECS[0]), config.sample_rate_hz).values():
        waveform = clip.astype(np.float32)
        interpreter.set_tensor(given["index"], waveform[None])
        interpreter.invoke()
        expected = librosa_log_mel(waveform, config)
        near = expected > expected.max() - NEAR_DB
        error = np.abs(interpreter.get_tensor(made["index"])[0] - expected)[near]
        assert error.max() <= 1e-3
