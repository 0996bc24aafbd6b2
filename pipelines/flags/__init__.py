"""Maps flags onto configuration dataclasses. No TensorFlow here.

The flags of a configuration are derived from its fields: name, type, default, bounds, and the help
text from the docstring of the dataclass. `define` defines them, `read` builds the configuration.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from absl import flags

from aec_ofa_tf.config import ConfigError
from aec_ofa_tf.costs.budget import UnsatisfiableBudgetError
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.search.config import SearchConfig
from aec_ofa_tf.training.config import TeacherConfig
from aec_ofa_tf.training.student_config import SupernetConfig

FLAGS = flags.FLAGS
Config = TypeVar("Config")
_RENAMED: dict[type, dict[str, str]] = {
    TeacherConfig: {"steps": "teacher_steps", "base_channels": "teacher_base_channels"},
    SupernetConfig: {
        "steps": "supernet_steps",
        "init": "supernet_init",
        "base_channels": "teacher_base_channels",  # those of the supernet's teacher
    },
    ExportConfig: {"inputs": "input", "quantizations": "quantization"},
    SearchConfig: {"budgets": "budget"},
}
"""Field -> flag, where the names differ."""
_ARGUMENTS = {
    **{"beam_args": "beam_arg", "accelerators": "target", "litert_web": "litert_web"},
    "hours": "train_hours",
}
"""Argument of a library function -> flag, where the names differ or a program has it alone."""


def define(kind: type, leave_out: Iterable[str] = (), **others: object) -> None:
    """Defines a flag for every field of a configuration, except for nested configurations.

    A flag that is defined already, because two configurations share it, is kept.

    Args:
        kind: the dataclass.
        leave_out: fields without a flag.
        others: default values by field that differ from those of the dataclass.
    """
    meanings = documentation(kind)
    for field in dataclasses.fields(kind):
        name = flag_name(kind, field.name)
        if field.default is dataclasses.MISSING or field.name in leave_out or name in FLAGS:
            continue
        default = others.get(field.name, field.default)
        _define(name, field, default, _with_dashes(meanings[field.name], meanings))


def read(kind: type[Config], **given: object) -> Config:
    """Builds a configuration from the flags.

    Args:
        kind: the dataclass.
        given: values of fields that are not read from flags.

    Raises:
        ConfigError: a value is invalid.
    """
    values = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        name = flag_name(kind, field.name)
        if field.name not in given and name in FLAGS:
            value = FLAGS[name].value
            values[field.name] = Path(value) if value and "Path" in str(field.type) else value
    return kind(**values, **given)


def flag_name(kind: type | None, field: str) -> str:
    """The flag of a configuration's field."""
    return _RENAMED.get(kind, {}).get(field, field) if kind else field


def naming_flags(
    main: Callable[[list[str]], dict[str, object]],
) -> Callable[..., dict[str, object]]:
    """A decorator of `main`: error messages of the library name flags instead of parameters."""

    @functools.wraps(main)
    def run(arguments: list[str]) -> dict[str, object]:
        try:
            return main(arguments)
        except (ValueError, RuntimeError) as error:
            message = with_flags(error)
            if message == str(error):
                raise
            kind = RuntimeError if isinstance(error, RuntimeError) else ValueError
            raise kind(message) from error

    return run


@contextmanager
def naming(flag: str) -> Iterator[None]:
    """Errors in the block begin with the flag whose value is wrong, unless they name it."""
    try:
        yield
    except UnsatisfiableBudgetError as error:
        raise ValueError(f"--{flag}: {error}") from error
    except ConfigError:
        raise
    except ValueError as error:
        if f"--{flag}" in str(error):
            raise
        raise ValueError(f"--{flag}: {error}") from error


def with_flags(error: Exception) -> str:
    """The message of an error, in which parameters are replaced by this program's flags."""
    message = str(error)
    named = set()
    if isinstance(error, ConfigError):
        for parameter in error.parameters:
            flag = flag_name(error.owner, parameter)
            if flag in FLAGS:
                message = _replaced(message, parameter, f"--{flag}")
                named |= {flag, parameter}
    # Other errors do not list their parameters. Names with an underscore are not ordinary words.
    names = {flag: flag for flag in set(own_flags()) - named if "_" in flag}
    for name, flag in {**names, **_ARGUMENTS}.items():
        if flag in FLAGS:
            message = _replaced(message, name, f"--{flag}")
    return message


def own_flags() -> dict[str, flags.Flag]:
    """The flags of this program that this package defines, by name."""
    return {
        flag.name: flag
        for module, found in FLAGS.flags_by_module_dict().items()
        if module.startswith("pipelines")
        for flag in found
    }


def given(arguments: Iterable[str]) -> list[str]:
    """The names of the flags on a command line, without those in its flagfiles.

    Args:
        arguments: the command line without the program's name.
    """
    names = []
    for argument in arguments:
        if argument == "--":
            break
        name = argument.lstrip("-").partition("=")[0] if argument.startswith("-") else ""
        if name not in FLAGS and name.startswith("no"):
            name = name.removeprefix("no")
        if name in FLAGS:
            names.append(FLAGS[name].name)
    return names


def documentation(kind: type) -> dict[str, str]:
    """Field -> its description in the docstring of a dataclass."""
    text = (kind.__doc__ or "").partition("Attributes:")[2]
    text = re.split(r"\n {4}(?=\w+:)", text)[0]  # the next section, such as Raises or Example
    entries = re.split(r"\n {8}(?=\w+: )", text)
    pairs = (entry.partition(": ") for entry in entries[1:])
    return {name: " ".join(meaning.split()) for name, _, meaning in pairs}


def _define(name: str, field: dataclasses.Field[object], default: Any, meaning: str) -> None:
    kind, bounds = str(field.type), field.metadata
    least, most = bounds.get("least"), bounds.get("most")
    if "choices" in bounds:
        flags.DEFINE_enum(name, default, bounds["choices"], meaning)
    elif kind.startswith("int"):
        flags.DEFINE_integer(name, default, meaning, least, most)
    elif kind.startswith("float"):
        flags.DEFINE_float(name, default, meaning, least, most)
    elif kind.startswith("bool"):
        flags.DEFINE_bool(name, default, meaning)
    elif kind.startswith("Sequence"):
        flags.DEFINE_list(name, list(default), meaning)
    else:
        flags.DEFINE_string(name, default, meaning)


def _with_dashes(text: str, names: Iterable[str]) -> str:
    for name in names:
        text = _replaced(text, name, f"--{name}") if "_" in name else text
    return text


def _replaced(text: str, word: str, by: str) -> str:
    """Replaces a whole word that is not part of a path, a flag or a longer name.

    A word without an underscore may be an ordinary one: it is replaced where a value follows it
    (`steps=3`, `steps was 3`), and at the beginning.
    """
    name = rf"(?<![\w/.'-]){re.escape(word)}(?![\w/'-])"
    if "_" not in word:
        name = rf"(?:\A{re.escape(word)}(?![\w/'-])|{name}(?==| was ))"
    return re.sub(name, by, text)
