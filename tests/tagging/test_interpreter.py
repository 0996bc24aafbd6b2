"""TFLiteModel runs what the interpreter runs, in real numbers, and refuses what it cannot."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.tagging.interpreter import TFLiteModel, interpreter_class
from aec_ofa_tf.tagging.model_file import write_bundle


@pytest.fixture
def clip(waveforms):
    return log_mel(tf.constant(waveforms[3])).numpy()


def test_the_interpreter_ignores_the_card(exported, largest, clip):
    path = exported.path(largest, "log_mel")
    interpreter = interpreter_class()(model_path=str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], clip[None])
    interpreter.invoke()
    bare = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
    np.testing.assert_allclose(TFLiteModel(path).scores(clip), bare, atol=1e-6)


def test_a_batch_axis_of_one_is_optional(exported, largest, clip):
    model = TFLiteModel(exported.path(largest, "log_mel"), threads=2)
    scores = model.scores(clip)
    assert scores.shape == (5,)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(model.scores(clip[None]), scores)
    np.testing.assert_array_equal(model.batch_scores([clip, clip]), [scores, scores])


def test_a_clip_of_another_shape_is_refused(exported, largest, clip):
    model = TFLiteModel(exported.path(largest, "log_mel"))
    with pytest.raises(ValueError, match=r"one log_mel clip of shape \(64, 64\).*\(63, 64\)"):
        model.scores(clip[:-1])


def test_integer_ends_are_read_and_written_in_real_numbers(tmp_path, info):
    @tf.function(input_signature=[tf.TensorSpec([1, 4], tf.float32)])
    def double(x):
        return 2.0 * x + 1.0

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [double.get_concrete_function()], tf.Module()
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    inputs = np.linspace(-3, 3, 64, dtype=np.float32).reshape(16, 1, 4)
    converter.representative_dataset = lambda: ([x] for x in inputs)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    write_bundle(converter.convert(), info, tmp_path / "double.tflite")
    model = TFLiteModel(tmp_path / "double.tflite")
    # One step is 6 / 255 at the input and 12 / 255 at the output.
    for x in inputs:
        np.testing.assert_allclose(model.scores(x), 2 * x[0] + 1, atol=0.1)
    np.testing.assert_allclose(model.scores(np.full(4, 99.0)), 7.0, atol=0.1)


def test_a_file_that_is_no_model_is_named(tmp_path, info):
    write_bundle(b"not a flatbuffer" * 99, info, tmp_path / "odd.tflite")
    with pytest.raises(ValueError, match=r"odd\.tflite is not a model that TFLite can run"):
        TFLiteModel(tmp_path / "odd.tflite")


def test_a_model_of_two_inputs_is_refused(tmp_path, info):
    spec = tf.TensorSpec([1, 4], tf.float32)
    add = tf.function(lambda x, y: x + y, input_signature=[spec, spec])
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [add.get_concrete_function()], tf.Module()
    )
    write_bundle(converter.convert(), dataclasses.replace(info), tmp_path / "two.tflite")
    with pytest.raises(ValueError, match=r"two\.tflite is not a model"):
        TFLiteModel(tmp_path / "two.tflite")


def test_without_an_interpreter_the_remedy_is_named(exported, largest):
    code = (
        "import sys\n"
        "for name in ('tflite_runtime', 'ai_edge_litert', 'tensorflow'): sys.modules[name] = None\n"
        "from aec_ofa_tf.tagging.interpreter import TFLiteModel\n"
        "TFLiteModel(sys.argv[1])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, exported.path(largest, "log_mel")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "RuntimeError: no TFLite interpreter is installed; install tflite-runtime" in (
        result.stderr
    )


def test_tensorflows_own_interpreter_serves_where_it_is_the_only_one(exported, largest, clip):
    code = (
        "import sys\n"
        "for name in ('tflite_runtime', 'ai_edge_litert'): sys.modules[name] = None\n"
        "import numpy as np\n"
        "from aec_ofa_tf.tagging.interpreter import TFLiteModel\n"
        "scores = TFLiteModel(sys.argv[1]).scores(np.zeros((64, 64)))\n"
        "print(*scores)\n"
    )
    path = exported.path(largest, "log_mel")
    result = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    expected = TFLiteModel(path).scores(np.zeros((64, 64)))
    np.testing.assert_allclose(np.fromstring(result.stdout, sep=" "), expected, atol=1e-5)
