"""A model card beside every file of a family. No TensorFlow here."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from aec_ofa_tf.files import replacing
from aec_ofa_tf.tagging.model_file import ModelInfo
from tfrecords.clip import EVALUATION, SPLITS
from tfrecords.manifest import Manifest

NOT_STATED = "not stated"
_SHORTER = {
    "pad": "is padded with silence",
    "repeat": "is repeated",
    "crop": "was not among the training clips; it is not to be scored",
}


@dataclass(frozen=True)
class Circumstances:
    """What the cards of a family have in common.

    Attributes:
        manifest: of the records.
        machine: where latency was measured, as `describe_machine` has it.
        data_licence: of the recordings; "" if the user gave none.
    """

    manifest: Manifest
    machine: Mapping[str, Any]
    data_licence: str = ""

    @property
    def licence(self) -> str:
        """The licence of the data, or that it was not stated."""
        return self.data_licence or NOT_STATED


def card_path(path: Path) -> Path:
    """Where a file's card stands."""
    return path.with_name(f"{path.name}.md")


def write_card(
    path: Path, info: ModelInfo, figures: Mapping[str, Any], circumstances: Circumstances
) -> None:
    """Writes the model card of a TFLite file beside it.

    Args:
        path: the TFLite file.
        info: its metadata.
        figures: `budget`, `bytes`, `macs`, `latency_ms`, `max_abs_error` and, where there are
            evaluation clips, `mAP` and `map_drop`.
        circumstances: data and machine.
    """
    sections = {
        "What it hears": _labels(info),
        "Tensors": _tensors(info),
        "Data": _data(info, circumstances),
        "Figures": _figures(info, figures, circumstances),
        "Limits": _limits(info, figures, circumstances),
    }
    lines = [f"# {path.parent.name}/{path.name}", "", _summary(info, figures["budget"])]
    for title, text in sections.items():
        lines += ["", f"## {title}", "", text]
    with replacing(card_path(path)) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _summary(info: ModelInfo, budget: str) -> str:
    run = info.extra.get("run", "an unnamed run")
    tuned = info.extra.get("fine_tuning")
    tuning = f" It was fine-tuned for int8 in {tuned['qat_steps']} steps." if tuned else ""
    return (
        f"Tells {len(info.labels)} kinds of sounds apart. A CNN10 with the channels "
        f"`{info.subnet}`, found for the budget `{budget}` in the weight-sharing supernet of the "
        f"run `{run}`, {info.quantization}.{tuning}"
    )


def _labels(info: ModelInfo) -> str:
    return "\n".join(f"- {label}" for label in info.labels)


def _tensors(info: ModelInfo) -> str:
    front_end = info.front_end
    if info.input == "waveform":
        taken = (
            f"`[1, {info.clip_samples}]`: mono samples at {info.sample_rate_hz} Hz within [-1, 1]. "
            "The log-mel front end is inside, in float32"
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
        "independent of the others."
    )


def _data(info: ModelInfo, circumstances: Circumstances) -> str:
    manifest = circumstances.manifest
    clips = ", ".join(f"{manifest.clips.get(split, 0):,} {split}" for split in SPLITS)
    secs = info.clip_samples / info.sample_rate_hz
    return (
        f"- Dataset: {manifest.configuration['dataset']}; clips of {secs:g} s: {clips}. Left out: "
        f"{len(manifest.quarantined):,} that could not be decoded, {len(manifest.missing):,} "
        "without a file.\n"
        "- Weights were trained on the train split, the subnet was chosen on the validation "
        "split; mAP, where it is given below, is that of the evaluation split.\n"
        f"- Records: `{manifest.fingerprint}`.\n"
        f"- Licence of the data: {circumstances.licence}."
    )


def _figures(info: ModelInfo, figures: Mapping[str, Any], circumstances: Circumstances) -> str:
    machine = circumstances.machine
    rows = [
        ("size", f"{figures['bytes']:,} bytes"),
        ("parameters", f"{info.params:,}"),
        ("multiply-adds of a clip, front end apart", f"{figures['macs']:,}"),
        ("latency, median, one thread", f"{figures['latency_ms']:.2f} ms"),
        (
            "greatest difference from Keras' scores on parity clips",
            f"{figures['max_abs_error']:.2g}",
        ),
    ]
    if "mAP" in figures:
        clips = circumstances.manifest.clips[EVALUATION]
        rows.append((f"mAP on {clips:,} evaluation clips", f"{figures['mAP']:.4f}"))
        tuned = " fine-tuned alike in float32" if "fine_tuning" in info.extra else ""
        rows.append((f"drop of it, from the Keras model{tuned}", f"{figures['map_drop']:.4f}"))
    table = tabulate(rows, headers=("figure", ""), tablefmt="github", disable_numparse=True)
    features = " ".join(machine["cpu_features"]) or "none of note"
    return (
        f"{table}\n\nLatency is that of a machine ({platform.machine()}, {machine['cores']} cores, "
        f"{features}), not of a phone."
    )


def _limits(info: ModelInfo, figures: Mapping[str, Any], circumstances: Circumstances) -> str:
    front_end = info.front_end
    secs = info.clip_samples / info.sample_rate_hz
    limits = [
        f"It hears {secs:g} s at a time. Longer audio is cut into windows; shorter audio "
        f"{_SHORTER[info.length_policy]}.",
        f"It hears one channel at {info.sample_rate_hz} Hz, resampled where need be, and nothing "
        f"below {front_end.min_hz:g} Hz or above {front_end.max_hz:g} Hz.",
        "A sound of no label gets scores too. Scores are not calibrated probabilities, and no "
        "thresholds were chosen.",
        "Not tested: recordings of other sources, rooms and microphones than the dataset's; "
        "phones; delegates other than the interpreter's own.",
    ]
    if "mAP" not in figures:
        limits.append("Not tested: accuracy, for want of evaluation clips.")
    if info.quantization not in ("float32", "float16"):
        limits.append(
            "Integer kernels round differently from device to device, so that scores may differ "
            "in the last steps."
        )
    return "\n".join(f"- {limit}" for limit in limits)
