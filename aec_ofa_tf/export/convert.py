"""Converts Keras models to TFLite files and compares their scores."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.export.channel_groups import split_first_channels
from aec_ofa_tf.export.child import CONVERTER, FRONT_END, ConversionJob, run_jobs, write_jobs
from aec_ofa_tf.export.metadata import add_metadata
from aec_ofa_tf.export.parity import (
    Parity,
    check_measurable,
    check_parity,
    log_mel_batches,
    run_draft,
)
from aec_ofa_tf.export.request import Conversion, ConversionRequest, check_requests
from aec_ofa_tf.export.rounding import ROUNDED, round_first_convolution
from aec_ofa_tf.files import replacing
from aec_ofa_tf.micro.c_files import remove_ports
from aec_ofa_tf.micro.port import Port, make_port
from aec_ofa_tf.micro.targets import TFLITE, require_packages
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.tagging.model_file import (
    LABELS_FILE,
    ModelInfo,
    labels_text,
    read_info,
    write_bundle,
)
from aec_ofa_tf.tagging.tagger import FRONT_END_FILE, check_front_end

MAX_FRONT_END_ERROR_DB = 1e-3
"""Largest allowed difference between `front_end.tflite` and `log_mel` on white noise."""


def convert(model: keras.Model, request: ConversionRequest) -> Conversion:
    """`convert_models` for one file."""
    return convert_models([(model, request)])[0]


def convert_models(work: Sequence[tuple[keras.Model, ConversionRequest]]) -> list[Conversion]:
    """Makes TFLite files and compares each with the Keras model that it was made from.

    Conversion runs in one child process, because TensorFlow's converter aborts its process if it
    cannot convert a model. The front end is float32 in every file. Beside the files it writes
    `labels.txt` and, for files with log-mel input, `front_end.tflite`, which computes the log-mel
    of a waveform. For microcontrollers and NPUs it writes C files into a folder beside each file
    (`micro.port`). Files get their final names when all of them have been made and are within
    their bounds.

    Args:
        work: models from float32 [batch, frames, mel_bins] to float32 [batch, classes], of
            built-in Keras layers only, each with the file to make from it. A model may be listed
            several times; all files must have the same clip length and front end.

    Returns:
        One conversion per request, in the order of the requests.

    Raises:
        ValueError: a request is invalid or does not match its model, or the folder contains the
            front end or the labels of another model.
        RuntimeError: the converter failed, or a file differs from Keras by more than its bound
            (`check_parity`), or a target cannot run it.
        OSError: a file cannot be written.
    """
    check_requests(work)
    for _, request in work:
        check_measurable(request)
        require_packages(request.target)
    requests = [request for _, request in work]
    front_end_info = _front_end_info(requests[0].info)
    front_ends = _front_end_paths(requests, front_end_info)
    labels = _label_files(requests)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drafts = _run(work, front_end_info if front_ends else None, folder)
        parities = [
            check_parity(model, request, draft, folder)
            for (model, request), draft in zip(work, drafts, strict=False)
        ]
        ports = [
            make_port(model, request, draft, folder) if request.target != TFLITE else None
            for (model, request), draft in zip(work, drafts, strict=False)
        ]
        if front_ends:
            _check_front_end_values(drafts[-1], front_end_info, folder)
    for path in front_ends:
        write_bundle(drafts[-1], front_end_info, path)
    for path, text in labels.items():
        with replacing(path) as temporary:
            temporary.write_bytes(text.encode("utf-8"))
    for request, draft, port in zip(requests, drafts, ports, strict=False):
        remove_ports(Path(request.path))  # of an earlier file of this name
        write_bundle(draft, request.info, request.path)
        if port:
            port.write(Path(request.path))
    made = zip(requests, parities, ports, strict=True)
    return [_conversion(request, parity, port) for request, parity, port in made]


def _conversion(request: ConversionRequest, parity: Parity, port: Port | None) -> Conversion:
    return Conversion(
        file=str(request.path),
        bytes=Path(request.path).stat().st_size,
        max_abs_error=parity.max_abs_error,
        figure=parity.figure,
        parity_drop=parity.drop,
        quantization=request.info.quantization,
        input=request.info.input,
        io_type=request.info.io_type,
        port=port.report if port else None,
    )


def _front_end_info(info: ModelInfo) -> ModelInfo:
    """The card of the `front_end.tflite` for a model with this card."""
    return dataclasses.replace(
        info,
        labels=(),
        input="waveform",
        quantization="float32",
        subnet=FRONT_END,
        params=0,
        extra={},
        io_type="float32",
    )


def _front_end_paths(requests: Sequence[ConversionRequest], info: ModelInfo) -> list[Path]:
    """The path of `front_end.tflite` in every folder with log-mel files.

    Raises:
        ValueError: a folder contains the front end of another model.
    """
    folders = {Path(r.path).parent for r in requests if r.info.input == "log_mel"}
    paths = [folder / FRONT_END_FILE for folder in sorted(folders)]
    for path in filter(Path.exists, paths):
        try:
            found = read_info(path)
        except ValueError as error:
            logging.warning("%s; replacing it", error)
        else:
            check_front_end(path, found, info)
    return paths


def _label_files(requests: Sequence[ConversionRequest]) -> dict[Path, str]:
    """Path and content of `labels.txt` of every folder.

    Raises:
        ValueError: a folder contains the labels of another model.
    """
    texts = {
        Path(request.path).parent / LABELS_FILE: labels_text(request.info.labels)
        for request in requests
    }
    for path, text in texts.items():
        if path.exists() and path.read_bytes() != text.encode("utf-8"):
            raise ValueError(
                f"{path} has other labels than the files to be written; keep models with different "
                "labels in different folders, or remove it"
            )
    return texts


def _run(
    work: Sequence[tuple[keras.Model, ConversionRequest]],
    front_end_info: ModelInfo | None,
    folder: Path,
) -> list[bytes]:
    """Converts in a child process; returns a flatbuffer per request, then the front end if any."""
    saved = dict[tuple[int, int, str], str]()
    jobs = [
        _prepared(index, model, request, folder, saved)
        for index, (model, request) in enumerate(work)
    ]
    if front_end_info:
        jobs.append(_job(FRONT_END, front_end_info, len(jobs)))
    write_jobs(jobs, folder)
    names = ", ".join(Path(request.path).name for _, request in work)
    run_jobs(["-m", CONVERTER], folder, f"converting to {names}", len(jobs))
    infos = [request.info for _, request in work] + ([front_end_info] if front_end_info else [])
    return [
        add_metadata((folder / job.output).read_bytes(), info)
        for job, info in zip(jobs, infos, strict=True)
    ]


def _prepared(
    index: int,
    model: keras.Model,
    request: ConversionRequest,
    folder: Path,
    saved: dict[tuple[int, int, str], str],
) -> ConversionJob:
    """The job of a request; saves network and clips for the child unless they are in `saved`."""
    info = request.info
    if request.twin:
        return _job(info.input, info, index, str(request.twin.resolve()))
    clips = request.representative_clips if info.quantization in ROUNDED else None
    kind = f"{info.quantization} {request.split_channels}" if clips is not None else ""
    key = id(model), id(clips), kind
    if key not in saved:
        saved[key] = f"{index}.keras"
        if clips is not None:
            batches = log_mel_batches(clips, info)
            model = round_first_convolution(model, batches, info.quantization)
            if request.split_channels and info.quantization == "int8":
                model = split_first_channels(model, log_mel_batches(clips, info))
        model.save(folder / saved[key])
    if clips is None or info.quantization != "int8":
        return _job(info.input, info, index, saved[key])
    np.save(folder / f"{index}.npy", clips.astype(np.float32))
    return _job(info.input, info, index, saved[key], f"{index}.npy")


def _job(
    content: str, info: ModelInfo, index: int, model: str = "", representative: str = ""
) -> ConversionJob:
    return ConversionJob(
        content=content,
        quantization=info.quantization,
        samples=info.clip_samples,
        front_end=info.front_end,
        output=f"{index}.flatbuffer",
        model=model,
        representative=representative,
        integer_input=info.io_type == "int8",
        integer_output=info.io_type == "int8",
    )


def _check_front_end_values(tflite_bytes: bytes, info: ModelInfo, folder: Path) -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.1, info.clip_samples).astype(np.float32)
    received = run_draft(tflite_bytes, info, noise[None], folder)
    expected = log_mel(tf.constant(noise[None]), info.front_end).numpy()
    error = float(np.max(np.abs(received - expected)))
    if not error <= MAX_FRONT_END_ERROR_DB:
        raise RuntimeError(
            f"{FRONT_END_FILE} differs from log_mel by {error:.3g} dB on white noise (bound "
            f"{MAX_FRONT_END_ERROR_DB} dB); no file was written"
        )
