"""The C and C++ files of a model: its bytes, its facts and its operators. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aec_ofa_tf.micro.front_end import (
    CONFIG_NAME,
    EXAMPLE_NAME,
    NETWORK_NAME,
    SOURCE_NAMES,
    source_text,
)
from aec_ofa_tf.micro.operators import resolver_lines
from aec_ofa_tf.micro.targets import TARGETS
from aec_ofa_tf.tagging.interpreter import Tensor
from aec_ofa_tf.tagging.model_file import ModelInfo

DATA_HEADER, DATA_SOURCE, RESOLVER_HEADER = "model_data.h", "model_data.cc", "op_resolver.h"
VELA_FILE = "model_vela.tflite"
"""Name of the file for an NPU, beside its C files."""

_PER_LINE = 16


@dataclass(frozen=True, eq=False)
class CModel:
    """What the C files say of a model.

    Attributes:
        content: the flatbuffer.
        name: what it is, for the comments.
        info: its model card.
        input: its input tensor, int8 [1, frames, mel bins].
        output: its output tensor, int8 [1, classes].
        arena_bytes: size of the arena to reserve.
        operators: names of the operators to register.
    """

    content: bytes
    name: str
    info: ModelInfo
    input: Tensor
    output: Tensor
    arena_bytes: int
    operators: tuple[str, ...]


def c_files(model: CModel) -> dict[str, str]:
    """The texts of `model_data.h`, `model_data.cc` and `op_resolver.h` by name.

    The first is C and C++; the array is aligned to 16 bytes, which kernels need to read weights in
    place. The last fills a `MicroMutableOpResolver` with the model's operators and no others.
    """
    return {
        DATA_HEADER: _header(model),
        DATA_SOURCE: _source(model),
        RESOLVER_HEADER: _resolver(model),
    }


def port_folder(path: Path, target: str) -> Path:
    """The folder of the C files that are made from a model file for a target."""
    return path.parent / f"{path.stem}-{target}"


def port_files(folder: Path) -> list[Path]:
    """The files of ours in such a folder; an example that was changed is the user's."""
    names = {DATA_HEADER, DATA_SOURCE, RESOLVER_HEADER, VELA_FILE, CONFIG_NAME, NETWORK_NAME}
    found = [folder / name for name in sorted({*names, *SOURCE_NAMES}) if (folder / name).is_file()]
    return [path for path in found if not is_changed_example(path)]


def is_changed_example(path: Path) -> bool:
    """Whether a file is an example that is no longer as it was written."""
    if path.name != EXAMPLE_NAME or not path.is_file():
        return False
    return path.read_bytes() != source_text(EXAMPLE_NAME).encode("utf-8")


def remove_ports(path: Path) -> None:
    """Removes the C files that were made from a model file, for any target."""
    for target in TARGETS:
        folder = port_folder(path, target)
        for file in port_files(folder):
            file.unlink()
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _header(model: CModel) -> str:
    _, frames, mel_bins = model.input.shape
    facts = {
        "MODEL_ARENA_BYTES": (model.arena_bytes, "to reserve for the interpreter"),
        "MODEL_SAMPLE_RATE_HZ": (model.info.sample_rate_hz, ""),
        "MODEL_CLIP_SAMPLES": (model.info.clip_samples, ""),
        "MODEL_FRAMES": (frames, "of log-mel in dB"),
        "MODEL_MEL_BINS": (mel_bins, ""),
        "MODEL_INPUT_SCALE": (_float(model.input.scale), "dB per step"),
        "MODEL_INPUT_ZERO_POINT": (model.input.zero_point, ""),
        "MODEL_CLASSES": (model.output.shape[-1], ""),
        "MODEL_OUTPUT_SCALE": (_float(model.output.scale), "score per step"),
        "MODEL_OUTPUT_ZERO_POINT": (model.output.zero_point, ""),
    }
    lines = [
        f"#define {name} ({value})" + (f"  /* {meaning} */" if meaning else "")
        for name, (value, meaning) in facts.items()
    ]
    return "\n".join(
        [
            f"/* {_comment(model.name)}. Generated; do not edit. */",
            "#ifndef MODEL_DATA_H_",
            "#define MODEL_DATA_H_",
            "",
            "#include <stddef.h>",
            "",
            "/* A value is (step - zero point) * scale. */",
            *lines,
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            "extern const unsigned char kModelData[];",
            "extern const size_t kModelDataBytes;",
            "extern const char *const kModelLabels[MODEL_CLASSES];",
            "",
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "",
            "#endif  /* MODEL_DATA_H_ */",
            "",
        ]
    )


def _source(model: CModel) -> str:
    labels = "".join(f"    {_c_string(label)},\n" for label in model.info.labels)
    rows = "\n".join(_rows(model.content))
    return (
        f"// {_comment(model.name)}. Generated; do not edit.\n"
        f'#include "{DATA_HEADER}"\n\n'
        f"alignas(16) const unsigned char kModelData[] = {{\n{rows}\n}};\n\n"
        "const size_t kModelDataBytes = sizeof(kModelData);\n\n"
        f"const char *const kModelLabels[MODEL_CLASSES] = {{\n{labels}}};\n"
    )


def _resolver(model: CModel) -> str:
    methods = resolver_lines(model.operators)
    lines = "\n".join(f"  TF_LITE_ENSURE_STATUS(resolver.{method}());" for method in methods)
    return (
        f"// The operators of {_comment(model.name)}. Generated; do not edit.\n"
        "#ifndef OP_RESOLVER_H_\n"
        "#define OP_RESOLVER_H_\n\n"
        '#include "tensorflow/lite/c/common.h"\n'
        '#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"\n\n'
        "namespace tflite {\n"
        "namespace micro {}  // later versions of the library have their names here\n"
        "}  // namespace tflite\n\n"
        "namespace model_ops {\n"
        "using namespace tflite;\n"
        "using namespace tflite::micro;\n"
        f"using Resolver = MicroMutableOpResolver<{len(methods)}>;\n"
        "}  // namespace model_ops\n\n"
        "using ModelOpResolver = model_ops::Resolver;\n\n"
        "inline TfLiteStatus RegisterModelOps(ModelOpResolver &resolver) {\n"
        f"{lines}\n"
        "  return kTfLiteOk;\n"
        "}\n\n"
        "#endif  // OP_RESOLVER_H_\n"
    )


def _rows(content: bytes) -> Iterator[str]:
    for start in range(0, len(content), _PER_LINE):
        yield (
            "    " + ", ".join(f"0x{byte:02x}" for byte in content[start : start + _PER_LINE]) + ","
        )


def _float(value: float) -> str:
    """A C literal that is read back as the same float32."""
    return f"{value:.9g}f" if {".", "e"} & set(f"{value:.9g}") else f"{value:.9g}.0f"


def _comment(text: str) -> str:
    """Text that ends neither a comment nor a line of it."""
    return text.replace("*/", "* /").replace("\\", "/").replace("\n", " ")


def _c_string(text: str) -> str:
    """A string literal of UTF-8 bytes; octal escapes end after three digits, hexadecimal do not."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
        for byte in text.encode("utf-8")
    )
    return f'"{plain}"'
