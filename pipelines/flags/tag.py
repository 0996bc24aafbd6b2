"""The flags of `tag`. Nothing heavy is imported here."""

from __future__ import annotations

from absl import flags

from aec_ofa_tf.audio.io.pcm_stream import ENCODINGS, PcmFormat

FLAGS = flags.FLAGS


def define() -> None:
    """Defines all of them."""
    flags.DEFINE_string(
        "model", None, "A .tflite file that pipelines.convert wrote.", required=True
    )
    flags.DEFINE_integer("threads", 1, "Threads of the interpreter.", lower_bound=1)
    _define_windows()
    _define_reports()
    _define_raw()


def raw_format() -> PcmFormat | None:
    """What --raw_format, --raw_rate_hz and --raw_channels say; None for a stream with a header.

    Raises:
        ValueError: there is a rate, or channels, without a format, or a format without a rate.
    """
    if FLAGS.raw_format == "none":
        if FLAGS.raw_rate_hz is not None:
            raise ValueError(
                f"--raw_rate_hz={FLAGS.raw_rate_hz} is for raw samples: add --raw_format, one of "
                f"{', '.join(ENCODINGS)}; other streams state their rate themselves"
            )
        if FLAGS["raw_channels"].present:
            raise ValueError(
                f"--raw_channels={FLAGS.raw_channels} is for raw samples: add --raw_format and "
                "--raw_rate_hz; other streams state their channels themselves"
            )
        return None
    if FLAGS.raw_rate_hz is None:
        raise ValueError("raw samples do not tell their rate: add --raw_rate_hz, such as 16000")
    return PcmFormat(FLAGS.raw_format, FLAGS.raw_rate_hz, FLAGS.raw_channels)


def _define_windows() -> None:
    flags.DEFINE_float(
        "hop_secs", None, "From a window's begin to the next one's. Default: the clip's length."
    )
    flags.DEFINE_float(
        "smoothing_secs",
        0.0,
        "A window's scores become the mean over it and the windows that begin less than this "
        "before it; the highest score over a recording is that of smoothed windows.",
    )
    flags.DEFINE_bool(
        "per_window",
        False,
        "Report each window, too, when it is scored: in the table, in the CSV (in place of whole "
        "recordings) and in the JSON, which keeps the last 10,000 of a recording.",
    )


def _define_reports() -> None:
    flags.DEFINE_integer("top_k", 3, "Labels to report at most.", lower_bound=1)
    flags.DEFINE_float("threshold", 0.0, "Report no label with a lower score.")
    flags.DEFINE_multi_string(
        "label_threshold", [], "In place of --threshold for one label, as Dog=0.7; repeatable."
    )
    flags.DEFINE_string("csv", None, "File to write the reports to, a row per label.")
    flags.DEFINE_string(
        "plot", None, "PNG to draw the labels over time to; needs matplotlib (extra `plot`)."
    )


def _define_raw() -> None:
    flags.DEFINE_enum(
        "raw_format",
        "none",
        ("none", *ENCODINGS),
        "Samples on standard input without a header: interleaved, little-endian.",
    )
    flags.DEFINE_integer("raw_rate_hz", None, "Their rate.", lower_bound=1)
    flags.DEFINE_integer("raw_channels", 1, "Their channels.", lower_bound=1)
