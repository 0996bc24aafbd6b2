r"""Tags recordings with a TFLite model; needs only the core install, no TensorFlow.

python -m pipelines.tag --model=model.tflite dog.wav street.mp3
arecord -f S16_LE -r 48000 -t wav | python -m pipelines.tag --model=model.tflite --per_window -

Files may have any length and sample rate, and any format that soundfile reads. Of a folder, all
sound files are tagged. `-` is standard input: the bytes of a file, or raw samples. A recording is
cut into windows as long as the model's clip, the last one aligned to the end of the recording. A
label's score is the highest over all windows (the mean for a single_label model). A file that
cannot be decoded is listed with the reason; the other files are tagged, and the exit code is 1.
Ctrl-C or SIGTERM ends a live stream and reports the result so far.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path

from absl import flags

from aec_ofa_tf.audio.io.folders import recordings_named
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


def main(files: list[str]) -> dict[str, object]:
    """Tags every file; see the module's docstring.

    Raises:
        ValueError: the model or a flag cannot be used, or one of the files could not be tagged.
        OSError: the model or its front end is missing, or an output cannot be written.
    """
    files = recordings_named(files)
    if not files:
        raise ValueError("no audio files given; use - for standard input")
    if files.count(STANDARD_INPUT) > 1:
        raise ValueError("standard input can be read once only")
    raw = tag_flags.raw_format()
    if raw and STANDARD_INPUT not in files:
        raise ValueError("--raw_format describes standard input; give - as a file")
    thresholds = parse_label_thresholds(FLAGS.label_threshold)
    if sys.stdout is not None:  # None if a service closed it
        # A name that is not UTF-8 is printed escaped instead of ending the program.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    _check_outputs(files)
    if FLAGS.plot:
        check_plot(Path(FLAGS.plot), len(files))
    tagger = Tagger(FLAGS.model, FLAGS.threads)
    selection = LabelSelection(tagger.info.labels, FLAGS.top_k, FLAGS.threshold, thresholds)
    windows = WindowConfig(
        FLAGS.hop_secs, FLAGS.smoothing_secs, raw, FLAGS.per_window, FLAGS.float_scale
    )
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
    return _report(result)


def _check_outputs(files: list[str]) -> None:
    """Checks that the CSV and the picture do not overwrite an input."""
    front_end = Path(FLAGS.model).parent / FRONT_END_FILE
    inputs = [FLAGS.model, str(front_end), *(file for file in files if file != STANDARD_INPUT)]
    check_distinct([name for name in (FLAGS.csv, FLAGS.plot) if name], inputs)
    if FLAGS.csv == STANDARD_INPUT:
        raise ValueError("stdout shows the table; give --csv the path of a file to write")


def _report(result: TaggingResult) -> dict[str, object]:
    """Returns the result as JSON, or prints it and raises an error if a file was not tagged."""
    failed = [file for file in result.files if file.error is not None]
    if not failed:
        return result.as_dict()
    # `program.run` prints the result of a successful program only.
    program.print_line(json.dumps(result.as_dict()))
    reasons = "; ".join(f"{file.file}: {file.error}" for file in failed)
    raise ValueError(f"{len(failed)} of {len(result.files)} could not be tagged: {reasons}")


if __name__ == "__main__":
    FLAGS.set_gnu_getopt()  # flags may follow files
    program.run(main, takes_files=True, uses_keras=False, required=("model",))
