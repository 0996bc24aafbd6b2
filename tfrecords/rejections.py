"""The clips that a preparation leaves out, and the bounds on their number."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from aec_ofa_tf.dataset import Rejected
from aec_ofa_tf.files import write_json
from tfrecords.clip import SPLITS, Source
from tfrecords.manifest import Manifest
from tfrecords.prepare_config import PrepareConfig, PrepareError

REPORT_NAME = "rejected.json"


@dataclass(frozen=True)
class Rejections:
    """The clips without a record, and how many clips have a file.

    Attributes:
        present: split -> number of clips that have a file.
        missing: clips without a file.
        quarantined: clips whose file cannot be decoded.
    """

    present: Mapping[str, int]
    missing: tuple[Rejected, ...]
    quarantined: tuple[Rejected, ...] = ()

    @classmethod
    def of_source(cls, source: Source, quarantined: tuple[Rejected, ...] = ()) -> Rejections:
        """The missing clips of a source, and the clips that could not be decoded."""
        missing = tuple(
            Rejected(clip.id, clip.split, clip.file, "missing") for clip in source.missing
        )
        return cls(Counter(clip.split for clip in source.clips), missing, quarantined)

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> Rejections:
        """The clips that a finished preparation left out."""
        quarantined = Counter(clip.split for clip in manifest.quarantined)
        present = Counter(manifest.clips) + quarantined
        return cls(present, manifest.missing, manifest.quarantined)

    def save(self, data_dir: Path) -> None:
        """Lists every clip with its reason in `rejected.json`."""
        lists = {"quarantined": self.quarantined, "missing": self.missing}
        write_json(
            data_dir / REPORT_NAME,
            {name: [asdict(clip) for clip in clips] for name, clips in lists.items()},
        )

    def check_missing(self, config: PrepareConfig, data_dir: Path) -> None:
        """Checks the bound on missing clips; if it is exceeded, writes their list.

        Raises:
            PrepareError: too many clips are missing; names the split, the bound and the list.
        """
        missing = Counter(clip.split for clip in self.missing)
        for split in SPLITS:
            count, listed = missing[split], missing[split] + self.present.get(split, 0)
            if count > config.max_missing_fraction * listed:
                self.save(data_dir)
                first = next(clip.file for clip in self.missing if clip.split == split)
                raise PrepareError(
                    f"{count} of {listed} {split} clips have no file, more than "
                    f"max_missing_fraction={config.max_missing_fraction:g}; the first was looked "
                    f"for at {os.path.abspath(first)}, all are listed in "  # noqa: PTH100
                    f"{data_dir / REPORT_NAME}. Fetch them, or raise the bound"
                )

    def check_quarantined(self, config: PrepareConfig, data_dir: Path) -> None:
        """Checks the bound on undecodable clips; if it is exceeded, writes their list.

        Raises:
            PrepareError: too many clips, or all clips of a split, are undecodable; names the split,
                the bound, the first such clip and the list.
        """
        for split, count in Counter(clip.split for clip in self.quarantined).items():
            total = self.present[split]
            if count > config.max_bad_fraction * total or count == total:
                self.save(data_dir)
                first = next(clip for clip in self.quarantined if clip.split == split)
                raise PrepareError(
                    f"{count} of {total} {split} clips cannot be decoded, more than "
                    f"max_bad_fraction={config.max_bad_fraction:g}; the first is {first.file} "
                    f"({first.reason}), all are listed in {data_dir / REPORT_NAME}. Repair or "
                    "remove them, or raise the bound"
                )
