"""The front end in C: `front_end.c` and `front_end.h` as they are, and a header of constants.

The sources lie in `sources`; what depends on the front end's configuration is in the header
`front_end_config.h`, which is written here. No TensorFlow here.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aec_ofa_tf.audio.front_end import ADD, PRESETS, FrontEndConfig
from aec_ofa_tf.audio.stft import check_front_end
from aec_ofa_tf.files import replacing
from aec_ofa_tf.micro.front_end_tables import (
    FrontEndTables,
    centre_samples,
    front_end_tables,
    history_samples,
    window_period,
)

INT16, FLOAT32 = SAMPLE_TYPES = ("int16", "float32")
CONFIG_NAME = "front_end_config.h"
EXAMPLE_NAME = "main.c"
NETWORK_NAME = "network.cc"
SOURCE_NAMES = ("front_end.h", "front_end.c", "network.h", EXAMPLE_NAME)
MIN_WINDOW_SAMPLES = 4

_SOURCES = Path(__file__).parent / "sources"
_FLOAT_BYTES = 4
_COUNTER_BYTES = 12
_LINE_WIDTH = 100


def write_front_end(
    config: FrontEndConfig, folder: Path, sample_type: str = INT16
) -> tuple[Path, ...]:
    """Writes the front end as C99 sources, with an example.

    `front_end.h` describes the functions, `main.c` is a program that reads a WAV file; with the
    functions of `network.h` it calls a network too.

    Args:
        config: the parameters of the front end.
        folder: where the files are written; it need not exist. Files of the same names are
            replaced.
        sample_type: type of the samples that the front end takes, "int16" or "float32".

    Returns:
        Paths of the files.

    Raises:
        ValueError: `config` is no front end or one that the C code cannot compute, or the type of
            samples is unknown.
        OSError: a file cannot be written.
    """
    texts = front_end_texts(config, sample_type)
    for name, text in texts.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    return tuple(folder / name for name in texts)


def front_end_texts(config: FrontEndConfig, sample_type: str = INT16) -> dict[str, str]:
    """The texts of the files of `write_front_end` by name.

    Raises:
        ValueError: as `write_front_end`.
    """
    texts = {CONFIG_NAME: config_header(config, sample_type)}
    return texts | {name: source_text(name) for name in SOURCE_NAMES}


def source_text(name: str) -> str:
    """The text of one of `SOURCE_NAMES`, or of `NETWORK_NAME`, which calls the micro library."""
    return (_SOURCES / name).read_text(encoding="utf-8")


def config_header(config: FrontEndConfig, sample_type: str = INT16) -> str:
    """The text of `front_end_config.h`: what `front_end.c` needs to know of a front end.

    Raises:
        ValueError: as `write_front_end`.
    """
    _check(config, sample_type)
    tables = front_end_tables(config)
    constants = _constants(config, sample_type, tables)
    return "\n".join(
        [
            *textwrap.wrap(
                f"{config}. Written by aec_ofa_tf.micro.front_end; write it again instead of "
                "editing it. */",
                _LINE_WIDTH,
                initial_indent="/* ",
                subsequent_indent=" * ",
            ),
            "#ifndef FRONT_END_CONFIG_H",
            "#define FRONT_END_CONFIG_H",
            "",
            *(f"#define FRONT_END_{name} {value}" for name, value in constants.items()),
            "",
            "#ifdef FRONT_END_TABLES /* in front_end.c alone */",
            "",
            *_arrays(tables),
            "#endif",
            "",
            "#endif",
            "",
        ]
    )


def ram_bytes(config: FrontEndConfig, sample_type: str = INT16) -> int:
    """Bytes of RAM that the front end takes, `sizeof(front_end_state)`."""
    has_pre_emphasis = bool(config.pre_emphasis)
    is_float = has_pre_emphasis or sample_type == FLOAT32
    kept_bytes = _FLOAT_BYTES if is_float else 2
    history = kept_bytes * (history_samples(config) + 1)
    counters = _COUNTER_BYTES + _FLOAT_BYTES * has_pre_emphasis
    return _FLOAT_BYTES * config.fft_samples + history + counters


def table_bytes(config: FrontEndConfig) -> int:
    """Bytes of flash that the front end's tables take, besides its code."""
    return front_end_tables(config).bytes


def size_table() -> str:
    """RAM and tables of every preset, as a table in Markdown."""
    rows = [
        f"| `{name}` | {ram_bytes(config):,} | {ram_bytes(config, FLOAT32):,} | "
        f"{table_bytes(config):,} | {_lookahead_ms(config):.1f} |"
        for name, config in PRESETS.items()
    ]
    titles = [
        "| preset | RAM, int16 samples | RAM, float32 samples | tables in flash | look-ahead, ms |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*titles, *rows])


def _check(config: FrontEndConfig, sample_type: str) -> None:
    check_front_end(config)
    if sample_type not in SAMPLE_TYPES:
        raise ValueError(
            f"sample_type is one of {', '.join(SAMPLE_TYPES)}, received {sample_type!r}"
        )
    if config.window_samples < MIN_WINDOW_SAMPLES:
        raise ValueError(
            f"the front end in C takes window_samples of at least {MIN_WINDOW_SAMPLES}, received "
            f"{config.window_samples}"
        )
    if config.pre_emphasis and config.hop_samples == 1:
        raise ValueError(
            "the front end in C takes no pre_emphasis with hop_samples=1: use hop_samples=2 or more"
        )
    if config.power_floor > float(np.finfo(np.float32).max):
        raise ValueError(
            f"the front end in C takes a power_floor within float32, received {config.power_floor}"
        )


def _constants(
    config: FrontEndConfig, sample_type: str, tables: FrontEndTables
) -> dict[str, int | str]:
    return {
        "SAMPLE_RATE_HZ": config.sample_rate_hz,
        "WINDOW_SAMPLES": config.window_samples,
        "WINDOW_PERIOD": window_period(config),
        "FFT_SAMPLES": config.fft_samples,
        "HOP_SAMPLES": config.hop_samples,
        "HISTORY_SAMPLES": history_samples(config),
        "LOOKAHEAD_SAMPLES": _lookahead_samples(config),
        "MIN_SAMPLES": config.min_samples,
        "MEL_BINS": config.mel_bins,
        "POWER_FLOOR": _literal(config.power_floor),
        "ADDS_FLOOR": int(config.floor_rule == ADD),
        "HAS_PRE_EMPHASIS": int(bool(config.pre_emphasis)),
        "PRE_EMPHASIS": _literal(config.pre_emphasis),
        "FLOAT_SAMPLES": int(sample_type == FLOAT32),
        "RAM_BYTES": ram_bytes(config, sample_type),
        "TABLE_BYTES": tables.bytes,
    }


def _lookahead_samples(config: FrontEndConfig) -> int:
    return centre_samples(config) + bool(config.pre_emphasis)


def _lookahead_ms(config: FrontEndConfig) -> float:
    return 1000.0 * _lookahead_samples(config) / config.sample_rate_hz


def _arrays(tables: FrontEndTables) -> Iterator[str]:
    """The definitions of the tables."""
    yield from _array("float", "window", tables.window)
    yield "#if !defined(FRONT_END_RFFT) /* the platform's FFT has a table of its own */"
    yield from _array("float", "cosine", tables.cosine)
    yield "#endif\n"
    yield from _array("uint16_t", "first_bins", tables.first_bins)
    yield from _array("uint16_t", "bin_counts", tables.bin_counts)
    yield from _array("float", "weights", tables.weights)


def _array(c_type: str, name: str, values: np.ndarray) -> Iterator[str]:
    yield f"static const {c_type} front_end_{name}[{len(values)}] = {{"
    line = "   "
    for value in values:
        text = f" {_literal(value) if c_type == 'float' else value},"
        if len(line + text) > _LINE_WIDTH:
            yield line
            line = "   "
        line += text
    yield line
    yield "};\n"


def _literal(value: float) -> str:
    """The shortest decimal number that C reads as the same float."""
    return f"{np.float32(value)!s}f"
