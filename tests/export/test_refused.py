"""Why waveform-in files are neither float16 nor dynamic: what becomes of the front end."""

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.front_end import PANNS
from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.child import FRONT_END, ConversionJob, run_child, write_jobs
from aec_ofa_tf.export.request import check_kind
from aec_ofa_tf.tagging.interpreter import interpreter_class
from tests.exported import SAMPLES, make_waveforms


@pytest.fixture(scope="module")
def front_ends(tmp_path_factory):
    folder = tmp_path_factory.mktemp("front_ends")
    kinds = ("float32", "float16")
    config = PANNS
    write_jobs([ConversionJob(FRONT_END, kind, SAMPLES, config, kind) for kind in kinds], folder)
    run_child(["-m", "aec_ofa_tf.export.tflite_converter"], folder, "converting front ends")
    return {kind: (folder / kind).read_bytes() for kind in kinds}


def error_db(flatbuffer: bytes, waveforms: np.ndarray) -> float:
    """The largest error in bins within 60 dB of a clip's maximum."""
    interpreter = interpreter_class()(model_content=flatbuffer)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    received = []
    for clip in waveforms:
        interpreter.set_tensor(taken["index"], clip[None])
        interpreter.invoke()
        received.append(interpreter.get_tensor(given["index"])[0])
    expected = log_mel(tf.constant(waveforms)).numpy()
    near = expected > expected.max(axis=(1, 2), keepdims=True) - 60
    return float(np.nan_to_num(np.abs(np.array(received) - expected)[near], nan=np.inf).max())


def test_the_front_end_would_be_far_off_in_float16(front_ends):
    waveforms = make_waveforms(8, seed=2)

    assert error_db(front_ends["float32"], waveforms) < 1e-3
    assert error_db(front_ends["float16"], waveforms) > 1.0


@pytest.mark.parametrize("kind", ["float16", "dynamic"])
def test_waveform_input_is_refused_in_these(kind):
    # Dynamic-range quantisation leaves PANNs' small mel blocks in float32, but no larger ones.
    with pytest.raises(ValueError, match=f"model with waveform input cannot be {kind}"):
        check_kind("waveform", kind)
