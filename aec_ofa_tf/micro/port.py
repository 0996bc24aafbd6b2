"""Makes the files for a microcontroller from a converted file, and checks them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aec_ofa_tf.costs.arena import reserved_bytes
from aec_ofa_tf.export.parity import checked_drop, keras_scores
from aec_ofa_tf.export.request import ConversionRequest
from aec_ofa_tf.files import replacing
from aec_ofa_tf.micro.c_files import VELA_FILE, CModel, c_files, is_changed_example, port_folder
from aec_ofa_tf.micro.front_end import NETWORK_NAME, front_end_texts, source_text
from aec_ofa_tf.micro.graph import (
    GraphOperator,
    graph_operators,
    slim,
    with_order,
    without_first_reshape,
)
from aec_ofa_tf.micro.interpreter import ReferenceModel, run_micro
from aec_ofa_tf.micro.operators import OPERATORS
from aec_ofa_tf.micro.order import least_arena_order
from aec_ofa_tf.micro.report import MicroFigures, NpuFigures, PortReport
from aec_ofa_tf.micro.targets import MICRO
from aec_ofa_tf.micro.vela import compile_for_npu
from aec_ofa_tf.pinned_keras import keras

_log = logging.getLogger(__name__)

MAX_STEPS = 1
"""Largest allowed difference of a logit from LiteRT's reference kernels, in steps of the logits.

The last dense layer rounds otherwise in about one of 300 logits. The activation may make several
steps of the scores of one step of a logit.
"""

_PLACE = " in the micro interpreter"

# The arena of a file for an NPU cannot be recorded without one: its activations by Vela, what
# persists of a file with one operator, and the margin.
_NPU_PERSISTENT_BYTES = 2048


@dataclass(frozen=True, eq=False)
class Port:
    """The files of a model for a target, and their figures.

    Attributes:
        files: contents by name.
        report: the figures.
    """

    files: Mapping[str, bytes]
    report: PortReport

    def write(self, path: Path) -> None:
        """Writes the files into their folder beside a model file.

        Args:
            path: path of the model file.
        """
        folder = path.parent / self.report.folder
        folder.mkdir(exist_ok=True)
        for name, content in self.files.items():
            if is_changed_example(folder / name):
                continue  # it is the user's program by now
            with replacing(folder / name) as temporary:
                temporary.write_bytes(content)


def make_port(
    model: keras.Model, request: ConversionRequest, tflite_bytes: bytes, folder: Path
) -> Port:
    """Makes the files of one request for its target.

    For microcontrollers, the file that is written is run in the micro interpreter on the parity
    clips. Its scores are compared with those of LiteRT's reference kernels, and the task's figure
    with Keras'. For NPUs, Vela must leave no operator to the CPU.

    Args:
        model: from float32 [batch, frames, mel_bins] to float32 [batch, classes].
        request: the request, whose file has int8 ends and log-mel input.
        tflite_bytes: the flatbuffer that was made.
        folder: folder for temporary files.

    Raises:
        RuntimeError: the micro interpreter or the NPU lacks an operator, or scores differ.
    """
    reference = ReferenceModel(slim(tflite_bytes), graph_operators(tflite_bytes))
    micro, npu = None, None
    program, no_front_end = _program(request)
    files: dict[str, bytes] = {}
    if request.target == MICRO:
        lean = without_first_reshape(tflite_bytes)
        _check_operators(request, graph_operators(lean))
        order = least_arena_order(slim(lean), folder)
        lean = with_order(lean, order)
        content, used = slim(lean), graph_operators(lean)
        micro, arena_bytes = _checked(model, request, content, used, reference, folder)
    else:
        content, npu = compile_for_npu(tflite_bytes, request.target, folder)
        used, arena_bytes = graph_operators(content), _npu_arena_bytes(npu)
        files[VELA_FILE] = content
    report = PortReport(
        request.target,
        port_folder(Path(request.path), request.target).name,
        len(content),
        arena_bytes,
        tuple(sorted({operator.name for operator in used})),
        micro,
        npu,
        no_front_end,
    )
    return Port({**_texts(request, report, content, reference), **program, **files}, report)


def _program(request: ConversionRequest) -> tuple[dict[str, bytes], str]:
    """The front end, the calls of the micro library and an example by name; or why not."""
    try:
        texts = front_end_texts(request.info.front_end)
    except ValueError as error:
        _log.warning("%s gets no front end in C: %s", Path(request.path).name, error)
        return {}, str(error)
    texts[NETWORK_NAME] = source_text(NETWORK_NAME)
    return {name: text.encode("utf-8") for name, text in texts.items()}, ""


def _texts(
    request: ConversionRequest, report: PortReport, content: bytes, reference: ReferenceModel
) -> dict[str, bytes]:
    """The C files by name."""
    info = request.info
    facts = CModel(
        content,
        f"{info.network} {info.subnet} for {report.target}".lstrip(),
        info,
        reference.input,
        reference.output,
        report.tensor_arena_bytes,
        report.operators,
    )
    return {name: text.encode("utf-8") for name, text in c_files(facts).items()}


def _checked(
    model: keras.Model,
    request: ConversionRequest,
    content: bytes,
    operators: tuple[GraphOperator, ...],
    reference: ReferenceModel,
    folder: Path,
) -> tuple[MicroFigures, int]:
    """The figures of the file in the micro interpreter, and an arena that does."""
    inputs = reference.input.from_floats(request.parity_clips)
    received, arena = run_micro(content, inputs, operators, folder)
    expected = reference.run(inputs)
    logits = _most(received.logits, expected.logits)
    if logits > MAX_STEPS:
        raise RuntimeError(
            f"{Path(request.path).name}: logits in the micro interpreter differ from LiteRT's by "
            f"{logits} steps (bound {MAX_STEPS}) on {len(inputs)} clips; no file was written. Its "
            "kernels should compute the same: report it with the file"
        )
    before = keras_scores(model, request.parity_clips, request.info)
    drop = checked_drop(request, before, reference.output.to_floats(received.outputs), _PLACE)
    steps = _most(received.outputs, expected.outputs)
    sizes = arena.total, arena.head, arena.tail
    return MicroFigures(*sizes, len(inputs), logits, steps, drop), arena.enough


def _most(received: np.ndarray, expected: np.ndarray) -> int:
    return int(np.max(np.abs(received.astype(np.int32) - expected)))


def _check_operators(request: ConversionRequest, operators: tuple[GraphOperator, ...]) -> None:
    lacking = [operator for operator in operators if operator.name not in OPERATORS]
    if lacking:
        raise RuntimeError(
            f"{Path(request.path).name}: the micro interpreter lacks "
            f"{', '.join(map(str, lacking))}; no file was written. Build the network without "
            "these layers"
        )


def _npu_arena_bytes(npu: NpuFigures) -> int:
    return reserved_bytes(npu.arena_bytes + _NPU_PERSISTENT_BYTES)
