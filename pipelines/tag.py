r"""Tags recordings with a TFLite model; needs the core install only, no TensorFlow.

python -m pipelines.tag --model=model.tflite dog.wav street.mp3
arecord -f S16_LE -r 48000 -t wav | python -m pipelines.tag --model=model.tflite --per_window -

Files have any length, rate and format that soundfile reads; `-` is standard input, a file's bytes
or raw samples. A recording is cut into windows as long as the model's clip, the last one aligned to
its end, and every label gets its highest score over them. A file that cannot be decoded is listed
with the reason; the others are tagged all the same, and the exit code is 1. Ctrl-C or SIGTERM ends
a live stream with what was tagged so far.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from absl import app, flags

from aec_ofa_tf.audio.io.sound_source import STANDARD_INPUT
from aec_ofa_tf.tagging.recordings import Output, RecordingTagger, WindowConfig
from aec_ofa_tf.tagging.results import TaggingResult
from aec_ofa_tf.tagging.selection import LabelSelection, parse_label_thresholds
from aec_ofa_tf.tagging.tagger import FRONT_END_FILE, Tagger
from pipelines import program
from pipelines.flags import tag as tag_flags
from pipelines.interrupts import Interrupts
from pipelines.tag_output import Table, check_distinct, check_plot, open_csv, open_plot

FLAGS = flags.FLAGS
tag_flags.define()
flags.adopt_module_key_flags(tag_flags)


def main(files: list[str]) -> dict[str, Any]:
    """Tags every file; see the module's docstring.

    Raises:
        ValueError: the model or a flag cannot be used, or one of the files could not be tagged.
        OSError: the model or its front end is missing, or an output cannot be written.
    """
    if not files:
        raise app.UsageError("no audio files given; - is standard input")
    if files.count(STANDARD_INPUT) > 1:
        raise app.UsageError("standard input can be read once only")
    raw = tag_flags.raw_format()
    if raw and STANDARD_INPUT not in files:
        raise app.UsageError("--raw_format describes standard input; give - as a file")
    thresholds = parse_label_thresholds(FLAGS.label_threshold)
    if sys.stdout is not None:  # as it is where a service closed it
        # A name that is not UTF-8 is printed escaped instead of ending the program.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    _check_outputs(files)
    if FLAGS.plot:
        check_plot(Path(FLAGS.plot), len(files))
    tagger = Tagger(FLAGS.model, FLAGS.threads)
    selection = LabelSelection(tagger.info.labels, FLAGS.top_k, FLAGS.threshold, thresholds)
    windows = WindowConfig(FLAGS.hop_secs, FLAGS.smoothing_secs, raw, FLAGS.per_window)
    with ExitStack() as stack:
        persists = bool(FLAGS.csv or FLAGS.plot)
        overall = "mean" if tagger.info.task == "single_label" else "highest"
        outputs: list[Output] = [Table(FLAGS.per_window, persists, overall)]
        interrupts = Interrupts()
        tagging = RecordingTagger(tagger, selection, windows, outputs, interrupts.allowed)
        if FLAGS.plot:
            outputs.append(stack.enter_context(open_plot(Path(FLAGS.plot), selection)))
        if FLAGS.csv:
            outputs.append(stack.enter_context(open_csv(Path(FLAGS.csv), FLAGS.per_window)))
        with interrupts:
            result = tagging.tag(files)
    return _complain(result)


def _check_outputs(files: list[str]) -> None:
    """Refuses a CSV or a picture in the place of what is read."""
    front_end = Path(FLAGS.model).parent / FRONT_END_FILE
    inputs = [FLAGS.model, str(front_end), *(file for file in files if file != STANDARD_INPUT)]
    check_distinct([name for name in (FLAGS.csv, FLAGS.plot) if name], inputs)
    if FLAGS.csv == STANDARD_INPUT:
        raise ValueError("stdout has the table; give --csv the path of a file to write")


def _complain(result: TaggingResult) -> dict[str, Any]:
    """Raises where a file could not be tagged, after what could be tagged is reported."""
    bad = [one for one in result.files if one.error is not None]
    if not bad:
        return result.as_dict()
    # The program's own last line needs success.
    program.print_line(json.dumps(result.as_dict()))
    reasons = "; ".join(f"{one.file}: {one.error}" for one in bad)
    raise ValueError(f"{len(bad)} of {len(result.files)} could not be tagged: {reasons}")


if __name__ == "__main__":
    FLAGS.set_gnu_getopt()  # flags may follow files
    program.run(main, takes_files=True)
