"""The configuration of a preparation, and its comparison with the one of existing records."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from aec_ofa_tf.audio.front_end import PANNS, FrontEndConfig
from aec_ofa_tf.audio.io.decode import LENGTH_POLICIES
from aec_ofa_tf.audio.io.lengths import MAX_MISSING_SHARE
from aec_ofa_tf.audio.io.sound_reader import FLOAT_SCALES
from aec_ofa_tf.config import check_fields, choice, number
from aec_ofa_tf.files import fingerprint
from tfrecords.clip import Source
from tfrecords.clip_format import PAYLOADS, ClipFormat
from tfrecords.recordings import CHECKS

CONFIGURATION_NAME = "configuration.json"
"""Name of the file in a data directory that has the configuration of its records."""

_FIRST_FRONT_END = {
    name: getattr(PANNS, name) for name in ("window", "mel_scale", "floor_rule", "pre_emphasis")
}

# Choices of a reader that change a data set: name in `Source.facts` -> what the first version did.
_FIRST_RULES = {"split_rule": "by_hash", "audioset_cut": "beginning"}


_FLOAT16_BYTES = 2
_RECORD_BYTES = 128  # id, labels and frame of a record


@dataclass(frozen=True)
class ClipBytes:
    """The estimated size of a record: at least, and likely."""

    least: int
    likely: int


class PrepareError(ValueError):
    """A preparation is refused or fails. The message names the cause and the remedy."""


@dataclass(frozen=True)
class PrepareConfig:
    """How a source is turned into records.

    Attributes:
        dataset: name of the source's layout; only recorded.
        clip_secs: length of a clip.
        length_policy: "pad", "repeat" or "crop" (`decode.fit_length`).
        payload: "log_mel" (float16) or "audio" (24-bit FLAC; the log-mel is computed when read).
        seed: seed that the source was drawn with; only recorded.
        clips_per_shard: clips of a full shard; shards are the unit of work and of resuming. None:
            that of existing records, otherwise chosen by size (`plan.clips_per_shard`).
        front_end: the parameters of the log-mel.
        float_scale: full scale of recordings that are stored as floating-point numbers
            (`decode.decode`).
        max_missing_audio: largest share of the length that a recording's header gives that may be
            missing at its end; with more the clip is quarantined.
        source_check: how recordings that were edited since their preparation are noticed
            (`recordings.CHECKS`).
        max_bad_fraction: bound on the quarantined share of each split's clips.
        max_missing_fraction: bound on the missing share of each split's listed clips.

    Raises:
        ValueError: a value is outside the range described above.

    Example:
        >>> ofa.PrepareConfig("folder", clip_secs=4.0, payload="audio").length_policy
        'pad'
    """

    dataset: str
    clip_secs: float
    length_policy: str = choice("pad", LENGTH_POLICIES)
    payload: str = choice("log_mel", PAYLOADS)
    seed: int = 0
    clips_per_shard: int | None = number(None, 1)
    front_end: FrontEndConfig = PANNS
    float_scale: str = choice(FLOAT_SCALES[0], FLOAT_SCALES)
    max_missing_audio: float = number(MAX_MISSING_SHARE, 0.0, 1.0)
    source_check: str = choice(CHECKS[0], CHECKS)
    max_bad_fraction: float = number(0.1, 0.0, 1.0)
    max_missing_fraction: float = number(0.5, 0.0, 1.0)

    def __post_init__(self) -> None:
        check_fields(self)
        self.front_end.clip_samples(self.clip_secs)

    @property
    def clip_format(self) -> ClipFormat:
        """The part of the configuration that a single record depends on."""
        samples = self.front_end.clip_samples(self.clip_secs)
        return ClipFormat(
            samples,
            self.length_policy,
            self.payload,
            self.front_end,
            self.float_scale,
            self.max_missing_audio,
        )

    @property
    def clip_bytes(self) -> ClipBytes:
        """Estimated bytes of a record."""
        if self.payload == "audio":
            samples = self.front_end.clip_samples(self.clip_secs)
            # FLAC keeps nearly nothing of silence and nearly all 24 bits of noise.
            return ClipBytes(0, 2 * samples + _RECORD_BYTES)
        size = self.front_end.frames(self.clip_secs) * self.front_end.mel_bins * _FLOAT16_BYTES
        return ClipBytes(size, size + _RECORD_BYTES)

    def recorded(self, source: Source) -> dict[str, object]:
        """The configuration and a fingerprint of the source, as JSON values without the bounds.

        Rules by which a reader split or cut the recordings are there if the first version had
        other ones.
        """
        rules = {
            name: source.facts[name]
            for name, first in _FIRST_RULES.items()
            if source.facts.get(name, first) != first
        }
        return {**self.stored(), **rules, "source": _source_fingerprint(source)}

    def stored(self) -> dict[str, object]:
        """This configuration as JSON values, without the bounds."""
        configuration = asdict(self)
        for name in ("max_bad_fraction", "max_missing_fraction", "source_check"):
            del configuration[name]
        # What records of earlier versions have.
        for name, first in (
            ("float_scale", FLOAT_SCALES[0]),
            ("max_missing_audio", MAX_MISSING_SHARE),
        ):
            if configuration[name] == first:
                del configuration[name]
        return configuration

    def shard_key(self) -> dict[str, object]:
        """The configuration that a shard's bytes depend on, in the form of the first version.

        Fields of the front end that were added later are left out if they have the value that the
        first version always used, so that whole shards of earlier versions are kept.
        """
        configuration = self.stored()
        shortest = 1 << (self.front_end.window_samples - 1).bit_length()
        implied = {**_FIRST_FRONT_END, "fft_samples": shortest}
        configuration["front_end"] = {
            name: value
            for name, value in asdict(self.front_end).items()
            if name not in implied or value != implied[name]
        }
        return configuration


def check_configuration(
    found: dict[str, object], wanted: dict[str, object], data_dir: Path
) -> None:
    """Raises an error if a directory already has records of another configuration.

    Args:
        found: the configuration of the directory, as JSON values.
        wanted: the configuration of this preparation, as JSON values.
        data_dir: the directory.

    Raises:
        PrepareError: the configurations differ; the message names the differences.
    """
    found, wanted = with_whole_front_end(found), with_whole_front_end(wanted)
    keys = sorted(found.keys() | wanted.keys())
    differing = [key for key in keys if found.get(key) != wanted.get(key)]
    if not differing:
        return
    rules = [key for key in differing if key in _FIRST_RULES]
    if rules and found.get("dataset") == wanted.get("dataset"):
        raise PrepareError(_other_rules(rules, found, wanted, data_dir))
    differences = [
        "source: other clips, labels, splits or file sizes"
        if key == "source"
        else f"{key}: {found.get(key)!r} there, {wanted.get(key)!r} requested"
        for key in differing
    ]
    raise PrepareError(
        f"{data_dir} was prepared with another configuration ({'; '.join(differences)}); use "
        "another --data_dir"
    )


def _other_rules(
    rules: list[str], found: dict[str, object], wanted: dict[str, object], data_dir: Path
) -> str:
    there = {rule: found.get(rule, _FIRST_RULES[rule]) for rule in rules}
    requested = {rule: wanted.get(rule, _FIRST_RULES[rule]) for rule in rules}
    differences = "; ".join(
        f"{rule}: {there[rule]!r} there, {requested[rule]!r} requested" for rule in rules
    )
    keep = ", ".join(f"{rule}={value}" for rule, value in there.items())
    return (
        f"{data_dir} was prepared by another rule ({differences}). Set {keep} to keep its records, "
        "or use another --data_dir"
    )


def with_whole_front_end(configuration: dict[str, object]) -> dict[str, object]:
    """Adds the fields that the front ends of older records do not list."""
    front_end = configuration.get("front_end")
    if not isinstance(front_end, dict):
        return configuration
    return {**configuration, "front_end": asdict(FrontEndConfig.from_dict(front_end))}


def _source_fingerprint(source: Source) -> str:
    """A hash of the labels, the clips, their splits and the sizes of their files.

    Times are not part of it, so that a copied data set has the same; see `recordings`.
    """
    rows = [
        (clip.id, clip.split, clip.labels, os.stat(clip.file).st_size)  # noqa: PTH116
        for clip in source.clips
    ]
    missing = sorted((clip.id, clip.split) for clip in source.missing)
    return fingerprint([source.labels, sorted(rows), missing])
