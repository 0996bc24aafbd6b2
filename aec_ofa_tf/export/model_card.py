"""Writes a model card beside every TFLite file. No TensorFlow here."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from aec_ofa_tf.classes import ClassGap
from aec_ofa_tf.dataset import EVALUATION, SPLITS, DatasetSummary
from aec_ofa_tf.export.results import ConvertedFile
from aec_ofa_tf.files import replacing
from aec_ofa_tf.reporting.machine import Machine
from aec_ofa_tf.tagging.model_file import ModelInfo

NOT_STATED = "not stated"
_SHORTER = {
    "pad": "is padded with silence",
    "repeat": "is repeated",
    "crop": "was not among the training clips and should not be scored",
}
_SCORES = {
    "multi_label": "independent of the others",
    "single_label": "all of which sum to 1",
}


@dataclass(frozen=True)
class CardContext:
    """The information that the cards of files of one export share.

    Attributes:
        data: the data set.
        machine: the machine that latency was measured on (`describe_machine`).
        data_licence: licence of the recordings; "" if it was not given.
        gaps: classes of the evaluation split that figures leave out.
    """

    data: DatasetSummary
    machine: Machine
    data_licence: str = ""
    gaps: tuple[ClassGap, ...] = ()

    @property
    def licence(self) -> str:
        """The licence of the data, or "not stated"."""
        return self.data_licence or NOT_STATED


def card_path(path: Path) -> Path:
    """The path of a file's card."""
    return path.with_name(f"{path.name}.md")


def write_card(file: ConvertedFile, info: ModelInfo, context: CardContext) -> None:
    """Writes the model card of a TFLite file beside it.

    Args:
        file: the file, with its scores and latency if they are known.
        info: the model card inside the file.
        context: data set and machine.
    """
    sections = {
        "Labels": _labels(info),
        "Tensors": _tensors(info),
        "Data": _data(file, info, context),
        "Figures": _figures(file, info, context),
        **_per_class(file),
        "Limits": _limits(file, info),
    }
    path = file.path
    lines = [f"# {path.parent.name}/{path.name}", "", _summary(file, info)]
    for title, text in sections.items():
        lines += ["", f"## {title}", "", text]
    with replacing(card_path(path)) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _summary(file: ConvertedFile, info: ModelInfo) -> str:
    run = info.extra.get("run", "an unnamed run")
    tuned = info.extra.get("fine_tuning")
    tuning = f" It was fine-tuned for int8 in {tuned['qat_steps']} steps." if tuned else ""
    origin = f"of the run `{run}`"
    if file.budget:
        origin = (
            f"found for the budget `{file.budget}` in the weight-sharing supernet of the run "
            f"`{run}`"
        )
    return (
        f"Recognises {len(info.labels)} kinds of sounds. {info.network or 'A network'} "
        f"`{info.subnet}`, {origin}, {info.quantization}.{tuning}"
    )


def _labels(info: ModelInfo) -> str:
    return "\n".join(f"- {label}" for label in info.labels)


def _tensors(info: ModelInfo) -> str:
    front_end = info.front_end
    if info.input == "waveform":
        taken = (
            f"`[1, {info.clip_samples}]`: mono samples at {info.sample_rate_hz} Hz within [-1, 1]. "
            "The file includes the log-mel front end, in float32"
        )
    else:
        frames = info.clip_samples // front_end.hop_samples
        taken = (
            f"`[1, {frames}, {front_end.mel_bins}]`: log-mel in dB, which `front_end.tflite` "
            f"beside this file computes from {info.clip_samples} samples at "
            f"{info.sample_rate_hz} Hz"
        )
    return (
        f"- In: {info.io_type} {taken}.\n"
        f"- Out: {info.io_type} `[1, {len(info.labels)}]`: a score from 0 to 1 for every label, "
        f"{_SCORES[info.task]}."
    )


def _data(file: ConvertedFile, info: ModelInfo, context: CardContext) -> str:
    data = context.data
    clips = ", ".join(f"{data.clips.get(split, 0):,} {split}" for split in SPLITS)
    secs = info.clip_samples / info.sample_rate_hz
    chosen = ", the subnet was chosen on the validation split" if file.budget else ""
    return (
        f"- Data set: {data.name}; clips of {secs:g} s: {clips}. Left out: {data.quarantined:,} "
        f"that could not be decoded, {data.missing:,} without a file.\n"
        f"- Weights were trained on the train split{chosen}; scores below are those on the "
        "evaluation split.\n"
        f"- Records: `{data.fingerprint}`.\n"
        f"- Licence of the data: {context.licence}."
    )


def _figures(file: ConvertedFile, info: ModelInfo, context: CardContext) -> str:
    machine = context.machine
    rows = [
        ("size", f"{file.bytes:,} bytes"),
        ("parameters", f"{info.params:,}"),
        ("multiply-adds of a clip, without the front end", f"{file.macs:,}"),
    ]
    if file.latency_ms is not None:
        rows.append(("latency, median, one thread", f"{file.latency_ms:.2f} ms"))
    error = f"{file.max_abs_error:.2g}"
    rows.append(("largest difference from Keras' scores on parity clips", error))
    if file.scores:
        figure, clips = file.scores.figure, context.data.clips[EVALUATION]
        score, drop = f"{file.scores.own[figure]:.4f}", f"{file.scores.drop:.4f}"
        rows.append((f"{figure} on {clips:,} evaluation clips", score))
        tuned = " fine-tuned in the same way in float32" if "fine_tuning" in info.extra else ""
        rows.append((f"drop of {figure} from the Keras model{tuned}", drop))
    table = tabulate(rows, headers=("figure", ""), tablefmt="github", disable_numparse=True)
    if file.scores:
        table = "\n\n".join([table, *map(str, context.gaps)])
    if file.latency_ms is None:
        return table
    features = " ".join(machine.cpu_features) or "no special CPU features"
    return (
        f"{table}\n\nLatency was measured on a computer ({platform.machine()}, {machine.cores} "
        f"cores, {features}), not on a phone."
    )


def _per_class(file: ConvertedFile) -> dict[str, str]:
    """Results per class, the worst first, and the classes that are confused most often."""
    report = file.scores.per_class if file.scores else None
    if report is None:
        return {}
    sections = {"Results of every class": _table(report.rows())}
    if report.confusions:
        rows = [vars(confusion) for confusion in report.confusions]
        sections["Most frequent confusions"] = _table(rows)
    return sections


def _table(rows: Sequence[Mapping[str, object]]) -> str:
    return tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3f", missingval="")


def _limits(file: ConvertedFile, info: ModelInfo) -> str:
    front_end = info.front_end
    secs = info.clip_samples / info.sample_rate_hz
    limits = [
        f"The input is a clip of {secs:g} s. Longer audio is cut into windows; shorter audio "
        f"{_SHORTER[info.length_policy]}.",
        f"The input has one channel at {info.sample_rate_hz} Hz; other audio must be resampled. "
        f"Frequencies below {front_end.min_hz:g} Hz and above {front_end.max_hz:g} Hz are not "
        "used.",
        "Sounds without a label get scores too. Scores are not calibrated probabilities, and no "
        "thresholds were chosen.",
        "Not tested: recordings of other sources, rooms and microphones than those of the data "
        "set; phones; delegates other than the interpreter's default.",
    ]
    if file.scores is None:
        limits.append("Not tested: accuracy on evaluation clips.")
    if info.quantization not in ("float32", "float16"):
        limits.append(
            "Integer kernels round differently on different devices, so scores may differ by a few "
            "quantisation steps."
        )
    return "\n".join(f"- {limit}" for limit in limits)
