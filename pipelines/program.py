"""What all programs have in common: arguments, log, errors and a last line of JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from logging import WARNING, Formatter, LogRecord
from pathlib import Path

from absl import app, flags, logging

from aec_ofa_tf.files import require_replaceable, require_writable
from aec_ofa_tf.keras_settings import require_backend
from aec_ofa_tf.terminal import QUIET, BesideBars
from pipelines.flagfiles import expanded

CLOSED_PIPE = 128 + signal.SIGPIPE
"""Exit code of a program whose stdout was closed by its reader, as shells report it."""

_HELP = {"help", "helpshort", "helpfull", "helpxml", "h", "?"}

_OURS = ("aec_ofa_tf", "pipelines", "tfrecords", "")

flags.DEFINE_bool("traceback", False, "Show where in the code an error was raised.")
flags.DEFINE_bool(
    "quiet", False, "No progress, notes and tables on stderr: only warnings, errors and the result."
)


def run(
    main: Callable[[list[str]], dict[str, object]],
    takes_files: bool = False,
    uses_keras: bool = True,
    required: Sequence[str] = (),
) -> None:
    """Runs `main` under absl and prints its result as a JSON object, the last line of stdout.

    The log goes to stderr. A ValueError, an OSError or a RuntimeError, whose messages name the
    remedy, ends the program with the message and exit code 1. So does a missing package, or memory.

    Args:
        main: receives the positional arguments and returns a JSON-serialisable dict.
        takes_files: whether positional arguments are allowed.
        uses_keras: whether the program, or those that use its results, need Keras on TensorFlow.
        required: names of the flags that must be given.
    """

    def guarded(argv: list[str]) -> None:
        if flags.FLAGS.quiet:
            os.environ[QUIET] = "1"
            logging.set_verbosity(logging.WARNING)
        try:
            _check_arguments(argv[1:], takes_files, required)
            if uses_keras:
                require_backend()
            result = main(argv[1:])
        except ModuleNotFoundError as error:
            if flags.FLAGS.traceback or (error.name or "").partition(".")[0] in _OURS:
                raise
            print(
                f"error: {error.name} is not installed: this program needs more than the core "
                "install, in a clone pip install -e '.[train]'",
                file=sys.stderr,
            )
            sys.exit(1)
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            if flags.FLAGS.traceback:
                raise
            if sys.stdout is not None:
                sys.stdout.flush()
            print(f"error: {str(error) or 'the memory is exhausted'}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(128 + signal.SIGINT)
        if not print_line(json.dumps(result)):
            sys.exit(CLOSED_PIPE)

    logging.use_absl_handler()
    logging.get_absl_handler().addFilter(_concerns_users)
    logging.get_absl_handler().python_handler.stream = BesideBars()
    logging.get_absl_handler().setFormatter(_LogLine(datefmt="%Y-%m-%d %H:%M:%S"))
    logging.set_verbosity(logging.INFO)
    app.run(guarded, flags_parser=_parse_flags)


def _check_arguments(arguments: Sequence[str], takes_files: bool, required: Sequence[str]) -> None:
    if arguments and not takes_files:
        raise ValueError(
            f"unexpected arguments {' '.join(arguments)}: flags are written --name=value; "
            "--helpshort lists them"
        )
    for name in required:
        if not flags.FLAGS[name].value:
            raise ValueError(f"--{name} is required: {flags.FLAGS[name].help}")


def _parse_flags(arguments: list[str]) -> list[str]:
    try:
        given = expanded(arguments)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    try:
        return flags.FLAGS(given)
    except flags.Error as error:
        print(f"error: {error}; --helpshort lists the flags", file=sys.stderr)
        sys.exit(1)
    except SystemExit:
        if _HELP & {argument.lstrip("-") for argument in given if argument.startswith("-")}:
            sys.exit(0)  # absl ends with 1 as if to be asked were an error
        raise


def check_out(path: str | None) -> None:
    """Checks, before the work, that a program's result can be written to a file.

    Raises:
        ValueError: the path is no ordinary file, or lies below one.
        OSError: this process may not write there.
    """
    if path:
        require_replaceable(Path(path))
        require_writable(Path(path))


def print_line(line: str) -> bool:
    """Prints a line to stdout and flushes it.

    Returns:
        False if the reader has closed the pipe (as `| head` does); later output is then discarded.
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # Otherwise the interpreter prints an error when it flushes stdout at exit.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
        return False
    return True


class _LogLine(Formatter):
    """The time and the message; what is no mere note says so."""

    def format(self, record: LogRecord) -> str:
        """One line of the log."""
        level = "" if record.levelno < WARNING else f"{record.levelname.lower()}: "
        return f"{self.formatTime(record, self.datefmt)} {level}{super().format(record)}"


def _concerns_users(record: LogRecord) -> bool:
    """Selects warnings, and all messages but the info of TensorFlow, Keras and Beam."""
    chatty = ("tensorflow", "tensorboard", "keras", "apache_beam")
    return record.levelno >= WARNING or not any(name in record.pathname for name in chatty)
