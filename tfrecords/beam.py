"""Writes shards in parallel by Apache Beam."""

from __future__ import annotations

import difflib
import io
import logging
import os
import threading
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from types import ModuleType
from typing import TYPE_CHECKING

from aec_ofa_tf.terminal import progress
from tfrecords.prepare_config import PrepareError
from tfrecords.shard_writer import ShardJob, report_path, write_shard

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

_PROGRESS_SECS = 0.5


def write_shards(jobs: list[ShardJob], beam_args: Sequence[str]) -> None:
    """Writes shards by Apache Beam and shows a progress bar.

    Args:
        jobs: the shards to write.
        beam_args: Apache Beam's pipeline options.

    Raises:
        PrepareError: Beam does not accept the options.
    """
    if not jobs:
        return
    beam = _import_beam()
    options = beam_options(with_workers(beam_args))
    for job in jobs:
        report_path(job.path).unlink(missing_ok=True)
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    # "DirectRunner" may fetch and start a runner in Go; this one is in-process and offline.
    named = any(argument.startswith("--runner") for argument in beam_args)
    with (
        _Progress(jobs),
        beam.Pipeline(runner=None if named else FnApiRunner(), options=options) as pipeline,
    ):
        _ = pipeline | beam.Create(jobs) | beam.Reshuffle() | beam.Map(_try_shard)


def with_workers(beam_args: Sequence[str]) -> list[str]:
    """Adds a thread per core of this machine, unless the options choose a runner or workers.

    Decoding, resampling and the log-mel leave Python's lock, so threads keep all cores busy without
    the start of further processes.
    """
    chosen = ("--runner", "--direct_num_workers", "--direct_running_mode")
    if any(argument.startswith(chosen) for argument in beam_args):
        return list(beam_args)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = ["--direct_running_mode=multi_threading", f"--direct_num_workers={cores or 1}"]
    return [*beam_args, *workers]


def _try_shard(job: ShardJob) -> None:
    """Writes a shard in one of Beam's workers; ignores a failure.

    Beam would print an exception with its own stack trace before raising it. `prepare` writes a
    shard that is not there afterwards again, and its error reaches the user unchanged.
    """
    with suppress(OSError):
        write_shard(job)


def beam_options(beam_args: Sequence[str]) -> PipelineOptions:
    """Parses Apache Beam's pipeline options.

    Raises:
        PrepareError: Beam does not accept them.
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    options = PipelineOptions(list(beam_args))
    usage = io.StringIO()
    try:
        with redirect_stderr(usage):
            options.get_all_options()  # parses the values; Beam's parser exits at an invalid one
    except SystemExit as error:
        reason = usage.getvalue().strip().rpartition("error: ")[2]
        raise PrepareError(
            f"Apache Beam does not accept beam_args={list(beam_args)}: {reason}"
        ) from error
    _check_known(beam_args, options)
    return options


def _check_known(beam_args: Sequence[str], options: PipelineOptions) -> None:
    """Refuses options that Beam would drop; other runners than the local one have their own.

    Raises:
        PrepareError: Beam has no option of such a name, or an argument is none.
    """
    if any(argument.startswith("--runner") for argument in beam_args):
        return
    known = set(options.get_all_options())
    unknown = set(options.get_all_options(retain_unknown_options=True)) - known
    before = ("", *beam_args)
    stray = [
        argument
        for last, argument in zip(before, beam_args, strict=False)
        if not argument.startswith("--") and (not last.startswith("--") or "=" in last)
    ]
    for name in sorted(unknown):
        nearest = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean --{nearest[0]}?" if nearest else ""
        raise PrepareError(
            f"Apache Beam has no option --{name}, which was given in beam_args{hint}"
        )
    if stray:
        raise PrepareError(
            f"Apache Beam's options begin with two dashes, received beam_args={stray}"
        )


def _import_beam() -> ModuleType:
    """Imports Beam, which takes a second, and hides its warnings about unused cloud services."""
    logging.disable(logging.WARNING)
    try:
        import apache_beam
    finally:
        logging.disable(logging.NOTSET)
    logging.getLogger("apache_beam").setLevel(logging.WARNING)
    return apache_beam


class _Progress:
    """A progress bar of finished shards, counted on disk: workers may be other processes."""

    def __init__(self, jobs: list[ShardJob]) -> None:
        self._waiting = {report_path(job.path) for job in jobs}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        with progress(total=len(self._waiting), desc="prepare", unit="shard") as bar:
            ended = False
            while not ended:
                ended = self._ended.wait(_PROGRESS_SECS)
                done = {path for path in self._waiting if path.exists()}
                self._waiting -= done
                bar.update(len(done))
