"""Why waveform-in files are neither float16 nor dynamic: what becomes of the front end."""

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS, FrontEndConfig, front_end
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.child import FRONT_END, ConversionJob, run_child, write_jobs
from aec_ofa_tf.export.request import check_kind
from aec_ofa_tf.tagging.interpreter import interpreter_class
from tests.exported import SAMPLES, make_waveforms

# The highest of its mel filters has more than 1,024 values, which the converter stores in 8 bits.
LONG = front_end("panns_32k", window_samples=8192, hop_samples=2048, mel_bins=8)
CONFIGS = {"float16": PANNS, "dynamic": LONG}


@pytest.fixture(scope="module")
def front_ends(tmp_path_factory):
    """Front ends by the quantisation that they are measured for and by their own."""
    folder = tmp_path_factory.mktemp("front_ends")
    jobs = {
        (kind, own): ConversionJob(FRONT_END, own, SAMPLES, config, f"{kind}-{own}")
        for kind, config in CONFIGS.items()
        for own in ("float32", kind)
    }
    write_jobs(list(jobs.values()), folder)
    run_child(["-m", "aec_ofa_tf.export.tflite_converter"], folder, "converting front ends")
    return {key: (folder / job.output).read_bytes() for key, job in jobs.items()}


def error_db(flatbuffer: bytes, waveforms: np.ndarray, config: FrontEndConfig) -> float:
    """The largest error in bins within 60 dB of a clip's maximum."""
    interpreter = interpreter_class()(model_content=flatbuffer)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    received = []
    for clip in waveforms:
        interpreter.set_tensor(taken["index"], clip[None])
        interpreter.invoke()
        received.append(interpreter.get_tensor(given["index"])[0])
    expected = log_mel(tf.constant(waveforms), config).numpy()
    near = expected > expected.max(axis=(1, 2), keepdims=True) - 60
    return float(np.nan_to_num(np.abs(np.array(received) - expected)[near], nan=np.inf).max())


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_front_end_would_be_far_off(front_ends, kind):
    waveforms = make_waveforms(8, seed=2)

    assert error_db(front_ends[kind, "float32"], waveforms, CONFIGS[kind]) < 1e-3
    assert error_db(front_ends[kind, kind], waveforms, CONFIGS[kind]) > 0.1
    with pytest.raises(ValueError, match=f"model with waveform input cannot be {kind}"):
        check_kind("waveform", kind)
