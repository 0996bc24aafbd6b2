"""The robustness of model files and of a run's subnets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from aec_ofa_tf.dataset import EVALUATION, Dataset
from aec_ofa_tf.export.results import ConvertedFile
from aec_ofa_tf.export.scoring import open_keras, open_tflite
from aec_ofa_tf.micro.scores import micro_scores
from aec_ofa_tf.micro.targets import LITERT, MICRO
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.robustness.measure import Clips, Scorer, measure_robustness
from aec_ofa_tf.robustness.results import Robustness, require_audio
from aec_ofa_tf.training.run import Run, Sizes


def file_robustness(
    path: str | os.PathLike[str],
    records: Dataset,
    split: str = EVALUATION,
    batch_size: int = 64,
    interpreter: str = LITERT,
    figure: str | None = None,
) -> Robustness:
    """Scores a `.tflite` or `.keras` file on a split, clean and under every condition.

    Args:
        path: the file.
        records: records of audio.
        split: the split to score on.
        batch_size: clips per batch of a Keras model; TFLite files process one clip at a time.
        interpreter: "litert", or "micro" for TFLite files with int8 input and output.
        figure: what is measured; by default the accuracy if every clip has one label, else the mAP.

    Raises:
        ConfigError: the records hold no waveforms.
        ValueError: the file is not a model for this data or this interpreter, or the split has no
            clips.
        RuntimeError: the micro interpreter is not installed or cannot run the file.

    Example:
        >>> print(ofa.file_robustness("waveform-int8.tflite", records))  # doctest: +SKIP
    """
    require_audio(records.payload)
    figure = figure or ("accuracy" if records.single_label else "mAP")
    path = Path(path)
    scorer, records = (
        _tflite(path, records, interpreter, figure)
        if path.suffix == ".tflite"
        else _keras(path, records, figure)
    )
    return measure_robustness(scorer, records, split, batch_size)


def with_robustness(run: Run, files: Sequence[ConvertedFile]) -> list[ConvertedFile]:
    """Adds the robustness of files on the evaluation split.

    Raises:
        ConfigError: the records hold no waveforms.
        ValueError: there are no evaluation clips.
    """
    figure = run.task.figure
    return [
        replace(file, robustness=file_robustness(file.path, run.records, figure=figure))
        for file in files
    ]


def _tflite(path: Path, records: Dataset, interpreter: str, figure: str) -> tuple[Scorer, Dataset]:
    model, records = open_tflite(path, records)
    feature = model.info.input

    def score(batch: Clips) -> np.ndarray:
        clips = _each(batch, feature)
        return micro_scores(path, clips) if interpreter == MICRO else model.batch_scores(clips)

    return Scorer(feature, score, figure, model.info.task), records


def _keras(path: Path, records: Dataset, figure: str) -> tuple[Scorer, Dataset]:
    predict, records = open_keras(path, records)
    return Scorer("log_mel", lambda batch: predict(batch["log_mel"]).numpy(), figure), records


def _each(batch: Clips, feature: str) -> Iterator[np.ndarray]:
    return iter(batch[feature].numpy())


def subnet_robustness(run: Run, subnet: Subnet, split: str, sizes: Sizes) -> Robustness:
    """Recalibrates a subnet of the trained supernet, and scores it as a file.

    Args:
        run: a run with a trained supernet, on records of audio.
        subnet: the subnet.
        split: the split to score on.
        sizes: numbers of clips.

    Raises:
        ConfigError: the records hold no waveforms.
        ValueError: the supernet is not trained, or the split has no clips.
    """
    require_audio(run.records.payload)
    evaluator = run.evaluator(run.load_supernet(), sizes)
    statistics = evaluator.recalibrate(subnet)
    scorer = Scorer(
        "log_mel",
        lambda batch: evaluator.scores(subnet, statistics, [batch]),
        run.task.figure,
        run.network.task,
    )
    return measure_robustness(scorer, run.records, split, sizes.batch_size)
