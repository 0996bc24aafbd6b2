"""The flags of `tag`. No TensorFlow here."""

from __future__ import annotations

from absl import flags

from aec_ofa_tf.audio.io.pcm_stream import ENCODINGS, PcmFormat
from pipelines.flags import front_end

FLAGS = flags.FLAGS


def define() -> None:
    """Defines all flags of `tag`."""
    flags.DEFINE_string("model", None, "A .tflite file that pipelines.convert wrote.")
    flags.DEFINE_integer("threads", 1, "Threads of the TFLite interpreter.", lower_bound=1)
    _define_windows()
    _define_reports()
    _define_raw()
    front_end.define_float_scale_flag()
    flags.adopt_module_key_flags(front_end)


def raw_format() -> PcmFormat | None:
    """The format of --raw_format, --raw_rate_hz and --raw_channels; None without --raw_format.

    Raises:
        ValueError: --raw_rate_hz or --raw_channels is given without --raw_format, or --raw_format
            without --raw_rate_hz.
    """
    if FLAGS.raw_format == "none":
        if FLAGS.raw_rate_hz is not None:
            raise ValueError(
                f"--raw_rate_hz={FLAGS.raw_rate_hz} is for raw samples: add --raw_format, one of "
                f"{', '.join(ENCODINGS)}; the header of other streams contains the rate"
            )
        if FLAGS["raw_channels"].present:
            raise ValueError(
                f"--raw_channels={FLAGS.raw_channels} is for raw samples: add --raw_format and "
                "--raw_rate_hz; the header of other streams contains the channels"
            )
        return None
    if FLAGS.raw_rate_hz is None:
        raise ValueError("raw samples have no header: add --raw_rate_hz, such as 16000")
    return PcmFormat(FLAGS.raw_format, FLAGS.raw_rate_hz, FLAGS.raw_channels)


def _define_windows() -> None:
    flags.DEFINE_float(
        "hop_secs",
        None,
        "Seconds from the start of a window to the start of the next. Default: the length of the "
        "model's clip.",
    )
    flags.DEFINE_float(
        "smoothing_secs",
        0.0,
        "Replace the scores of each window by their mean over the windows that begin less than "
        "this number of seconds before it, including itself. The scores of a recording are "
        "computed from the smoothed windows.",
    )
    flags.DEFINE_bool(
        "per_window",
        False,
        "Report every window as soon as it is scored: in the table, in the CSV (instead of whole "
        "recordings) and in the JSON (the last 10,000 windows of a recording).",
    )


def _define_reports() -> None:
    flags.DEFINE_integer("top_k", 3, "Maximum number of labels to report.", lower_bound=1)
    flags.DEFINE_float("threshold", 0.0, "Lowest score of a label to report.")
    flags.DEFINE_multi_string(
        "label_threshold",
        [],
        "Threshold of one label, such as Dog=0.7, instead of --threshold; repeatable.",
    )
    flags.DEFINE_string("csv", None, "CSV file to write the labels to, a row per label.")
    flags.DEFINE_string(
        "plot",
        None,
        "PNG file to draw the labels over time to; needs matplotlib (extra `plot`).",
    )


def _define_raw() -> None:
    flags.DEFINE_enum(
        "raw_format",
        "none",
        ("none", *ENCODINGS),
        "Format of samples without a header on standard input, interleaved and little-endian; "
        "none: standard input is a sound file.",
    )
    flags.DEFINE_integer("raw_rate_hz", None, "Sample rate of --raw_format in Hz.", lower_bound=1)
    flags.DEFINE_integer("raw_channels", 1, "Channels of --raw_format.", lower_bound=1)
