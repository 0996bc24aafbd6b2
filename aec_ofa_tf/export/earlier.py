"""The files that earlier exports left in a run's export folder: ours to remove; others are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from absl import logging

from aec_ofa_tf.export.model_card import card_path
from aec_ofa_tf.export.results import FINE_TUNED_FILE
from aec_ofa_tf.export.run import files_of_others
from aec_ofa_tf.files import read_json, write_json
from aec_ofa_tf.micro.c_files import remove_ports
from aec_ofa_tf.models.space import Subnet
from aec_ofa_tf.training.run import Run
from aec_ofa_tf.training.stages import SUPERNET

_LIST_NAME = ".files.json"
_QAT = "int8_qat"


class EarlierFiles:
    """Names of the files that a run's exports have written, as `FOLDER/NAME`.

    They are kept in the export folder, because the stage's record names the last export only and
    goes when the stage is reset.

    Args:
        run: the run, whose directory the caller has locked.
        stage: name of the stage whose record names files too.
    """

    def __init__(self, run: Run, stage: str) -> None:
        self._run, self._path = run, run.export_path / _LIST_NAME
        listed = read_json(self._path)["files"] if self._path.is_file() else []
        self._names = {str(name) for name in listed}
        if stage in run.workdir.stages():
            with run.workdir.reading_stage(stage) as done:
                rows = [*done["files"], *done["companions"]]
                self._names |= {_name(Path(row["file"])) for row in rows}

    def add(self, paths: Iterable[Path]) -> None:
        """Notes files that are about to be written, so that a kill leaves none unknown."""
        self._names |= {_name(path) for path in paths}
        write_json(self._path, {"files": sorted(self._names)})

    def remove_replaced(self, folders: Mapping[Path, Subnet], written: Iterable[Path]) -> None:
        """Removes files of ours beside which there is now a `model.keras` of another subnet.

        Files that no export has written are the user's: they are kept, with a warning.

        Args:
            folders: the folders of an export, with the subnets that they now hold.
            written: its files.
        """
        new = {_name(path) for path in written}
        for folder, subnet in folders.items():
            stale = files_of_others(self._run, folder, subnet, SUPERNET)
            removed = [path for path in stale if _name(path) in self._names]
            tuned = folder / FINE_TUNED_FILE
            if _name(tuned) in self._names - new and any(_QAT in path.name for path in removed):
                removed.append(tuned)
            for path in removed:
                path.unlink(missing_ok=True)
                card_path(path).unlink(missing_ok=True)
                remove_ports(path)
                self._names.discard(_name(path))
            _warn_of_kept(set(stale) - set(removed))
        self.add([])


def _warn_of_kept(paths: Iterable[Path]) -> None:
    for path in sorted(paths):
        logging.warning(
            "%s is of another subnet than the new files beside it, or of another training run; it "
            "is kept, because no export of this run wrote a file of this name",
            path,
        )


def _name(path: Path) -> str:
    """The path within the export folder, wherever the run directory lay when it was written."""
    return "/".join(path.parts[-2:])
