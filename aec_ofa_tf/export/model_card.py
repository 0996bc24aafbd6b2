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
from aec_ofa_tf.micro.report import PortReport
from aec_ofa_tf.reporting.machine import Machine
from aec_ofa_tf.tagging.model_file import ModelInfo
from aec_ofa_tf.tasks import get_task

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
        **_robustness(file),
        **_per_class(file),
        **_port(file),
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
    heard = f"of {info.clip_samples / info.sample_rate_hz:g} s"
    if info.windows_per_clip > 1:
        combined = "mean" if get_task(info.task).single_label else "highest"
        heard = f"in {info.windows_per_clip} windows {heard}, scored by their {combined}"
    chosen = ", the subnet was chosen on the validation split" if file.budget else ""
    return (
        f"- Data set: {data.name}; clips {heard}: {clips}. Left out: {data.quarantined:,} "
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
        ("multiply-adds of an inference, without the front end", f"{file.macs:,}"),
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


def _robustness(file: ConvertedFile) -> dict[str, str]:
    """The figures under conditions that the recordings do not have."""
    found = file.robustness
    if found is None:
        return {}
    table = _table(found.rows, ".4f")
    about = (
        f"The {found.figure} on {found.clips:,} {found.split} clips as they are and after a change "
        "of their waveforms. Levels are relative to full scale (RMS). Clips come from other rates "
        "by straight lines between samples, or by MediaPipe's short filter: both leave images of "
        "the spectrum."
    )
    return {"Robustness": f"{about}\n\n{table}"}


def _port(file: ConvertedFile) -> dict[str, str]:
    """The C files, and the figures on a microcontroller or an NPU."""
    port = file.port
    if port is None:
        return {}
    rows = [
        ("C array", f"{port.model_bytes:,} bytes"),
        ("arena to reserve, with a margin", f"{port.tensor_arena_bytes:,} bytes"),
    ]
    if port.micro:
        micro = port.micro
        parts = f"{micro.head_bytes:,} head, {micro.tail_bytes:,} tail"
        rows += [
            ("recorded arena", f"{micro.arena_bytes:,} bytes ({parts})"),
            (
                f"largest difference of a logit on {micro.clips} clips, in steps",
                str(micro.logit_steps),
            ),
            ("of a score, in steps", str(micro.score_steps)),
        ]
        if micro.drop is not None:
            rows.append((f"drop of {file.figure} on these clips", f"{micro.drop:.4f}"))
    if port.npu:
        npu = port.npu
        rows += [
            ("SRAM", f"{npu.sram_bytes:,} bytes"),
            ("DRAM", f"{npu.dram_bytes:,} bytes"),
            ("flash", f"{npu.flash_bytes:,} bytes"),
            ("an inference", f"{npu.cycles:,} cycles, {npu.ms:.3f} ms"),
        ]
    table = tabulate(rows, headers=("figure", ""), tablefmt="github", disable_numparse=True)
    operators = ", ".join(f"`{name}`" for name in port.operators)
    about = (
        f"`{port.folder}` beside this file has the model as a C array (`model_data.h`) and the "
        f"lines that register its operators (`op_resolver.h`): {operators}."
    )
    return {f"On the target {port.target}": "\n\n".join([about, table, _meaning(port)])}


def _meaning(port: PortReport) -> str:
    """How the figures of a target were found."""
    if port.npu:
        return (
            f"The figures are Vela's estimates for the system {port.npu.system_config} with memory "
            f"mode {port.npu.memory_mode}, not measurements. No operator is left to the CPU. The "
            "arena was not tried: it is what activations take by Vela, and room for the "
            "interpreter."
        )
    return (
        "The array lacks the names and metadata of the file. The arena was recorded by "
        "`tflite_micro` on a 64-bit computer with reference kernels, and the one to reserve was "
        "tried there. On 32-bit processors less persists; optimised kernels (CMSIS-NN, ESP-NN) "
        "may need scratch memory besides. Differences are from LiteRT's reference kernels; "
        "LiteRT's other kernels, which the scores above come from, round otherwise."
    )


def _table(rows: Sequence[Mapping[str, object]], form: str = ".3f") -> str:
    return tabulate(rows, headers="keys", tablefmt="github", floatfmt=form, missingval="")


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
