"""The child process that converts: `python -m aec_ofa_tf.export.tflite_converter` in a job folder.

No other module calls TensorFlow's converter, which aborts its process if it cannot convert a model.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from aec_ofa_tf.audio.log_mel import compact_log_mel
from aec_ofa_tf.export.child import BEGUN, FRONT_END, ConversionJob, read_jobs
from aec_ofa_tf.pinned_keras import keras

Network: TypeAlias = keras.Model | tf.Module
"""A Keras model, or the module that `qat_trainer` saved."""

SIGNATURE = "serving_default"
"""Name of the only signature of a file."""


def main() -> None:
    """Runs every job of the working directory."""
    folder = Path.cwd()
    graphs: dict[tuple[object, ...], str] = {}
    with tempfile.TemporaryDirectory(dir=folder) as saved_models:
        for job in read_jobs(folder):
            print(f"{BEGUN}converting {job.content} to {job.quantization}", flush=True)
            graph = (job.content, job.model, job.front_end, job.samples)
            # Tracing and saving take longer than converting, so quantisations share a graph.
            if graph not in graphs:
                graphs[graph] = str(Path(saved_models, str(len(graphs))))
                _save(_load(job, folder), job, graphs[graph])
            (folder / job.output).write_bytes(_convert(job, graphs[graph], folder))


def _load(job: ConversionJob, folder: Path) -> Network | None:
    """The job's network; None for a front end."""
    if not job.model:
        return None
    if job.quantization == "int8_qat":
        return tf.saved_model.load(job.model)
    return keras.models.load_model(folder / job.model, compile=False, safe_mode=True)


def _save(network: Network | None, job: ConversionJob, saved_model: str) -> None:
    """Writes the job's graph as a SavedModel with a batch size of 1.

    The converter aborts if it is given a Keras 3 model directly. Keras' `ExportArchive` writes the
    same graph, but traces it twice and looks for lookup tables in every layer.
    """
    function, shape = _graph(network, job)
    name = "log_mel" if job.content == "log_mel" else "waveform"
    graph = tf.function(
        function, input_signature=[tf.TensorSpec(shape, tf.float32, name=name)], autograph=False
    ).get_concrete_function()
    module = tf.Module()
    module.kept = graph.variables
    # Tensors have the names that they would have with `ExportArchive`, which adds "serve" as well.
    tf.saved_model.save(module, saved_model, {"serve": graph, SIGNATURE: graph})


def _graph(
    network: Network | None, job: ConversionJob
) -> tuple[Callable[[tf.Tensor], tf.Tensor], list[int]]:
    config = job.front_end

    def front_end(waveform: tf.Tensor) -> tf.Tensor:
        # Quantisation recognises the front end by this name.
        with tf.name_scope(FRONT_END):
            return compact_log_mel(waveform, config)

    if job.content == FRONT_END:
        return front_end, [1, job.samples]
    if network is None:
        raise ValueError(f"a {job.content} conversion needs a model")
    if job.quantization == "int8_qat":
        scores, shape = network.scores, [1, job.samples // config.hop_samples, config.mel_bins]
    else:
        scores = partial(network, training=False)
        shape = [1, *network.input_shape[1:]]
    if job.content == "waveform":
        return lambda waveform: scores(front_end(waveform)), [1, job.samples]
    return lambda clip: scores(clip), shape


def _convert(job: ConversionJob, saved_model: str, folder: Path) -> bytes:
    converter = _open(saved_model)
    if job.quantization == "float32":
        return converter.convert()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if job.quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if job.quantization == "int8_qat":
        # The scales are those of the simulation. It does not include the front end, which
        # therefore stays float32.
        return _with_io_types(converter, job).convert()
    if job.quantization != "int8":
        return converter.convert()
    clips = np.load(folder / job.representative, allow_pickle=False)

    def representative() -> Iterator[list[np.ndarray]]:
        for clip in clips:
            yield [clip[None].astype(np.float32)]

    # Input and output are float32 unless int8 is requested, so callers need not know the scales.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = representative
    if job.content == "log_mel":
        return _with_io_types(converter, job).convert()
    return _quantize_after_front_end(converter, representative, saved_model)


def _open(saved_model: str) -> tf.lite.TFLiteConverter:
    return tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=[SIGNATURE])


def _with_io_types(
    converter: tf.lite.TFLiteConverter, job: ConversionJob
) -> tf.lite.TFLiteConverter:
    converter.inference_input_type = tf.int8 if job.integer_input else tf.float32
    converter.inference_output_type = tf.int8 if job.integer_output else tf.float32
    return converter


def _quantize_after_front_end(
    converter: tf.lite.TFLiteConverter,
    representative: Callable[[], Iterator[list[np.ndarray]]],
    saved_model: str,
) -> bytes:
    """Quantises everything except the front end, whose power spectrum needs far more than 8 bits.

    Only TensorFlow's quantisation debugger can keep selected operators in float32.
    """
    float_model = _open(saved_model).convert()
    options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_nodes=_front_end_tensors(float_model)
    )
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=representative, debug_options=options
    )
    return debugger.get_nondebug_quantized_model()


def _front_end_tensors(tflite_bytes: bytes) -> list[str]:
    (graph,) = schema.ModelT.InitFromPackedBuf(tflite_bytes, 0).subgraphs
    outputs = [graph.tensors[i].name.decode() for op in graph.operators for i in op.outputs]
    found = [name for name in outputs if name.startswith(f"{FRONT_END}/")]
    if not found:
        raise RuntimeError(f"the converted graph has no operators under {FRONT_END}/: {outputs}")
    return found


if __name__ == "__main__":
    main()
