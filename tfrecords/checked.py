"""Batches of records, whose errors name what is damaged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import tensorflow as tf

from tfrecords.shards import RecordError

Batch = dict[str, tf.Tensor]
# How the error message begins if a record and its soft labels have different ids.
MISMATCH = "soft labels are of other clips"
# What TensorFlow and decoders raise for bytes that are no record.
_OF_CONTENTS = (tf.errors.InvalidArgumentError, tf.errors.DataLossError)


class CheckedBatches:
    """A dataset that raises a RecordError for a damaged record. It can be iterated repeatedly.

    tf.data wraps an error of its functions in an `OpError`. This class raises the original message
    again, which names the shard and the record, or the files that do not belong together. Records
    with other contents than this version writes are named by their directory.

    Args:
        batches: the dataset.
        data_dir: the directory of the records.
    """

    def __init__(self, batches: Iterable[Batch], data_dir: Path) -> None:
        self._batches = batches
        self._data_dir = data_dir

    def __iter__(self) -> Iterator[Batch]:
        try:
            yield from self._batches
        except tf.errors.OpError as error:
            found = re.search(rf"RecordError: (.*)|({MISMATCH}.*)", error.message or "")
            if found is not None:
                reason, mismatch = found.groups()
                raise RecordError(reason or f"{self._data_dir}: {mismatch}") from error
            if not isinstance(error, _OF_CONTENTS):
                raise
            raise self._other_contents(str(error.message)) from error
        except UnicodeDecodeError as error:  # TensorFlow's message has bytes of the record
            raise self._other_contents("they are no examples") from error

    def _other_contents(self, reason: str) -> RecordError:
        lines = reason.strip().splitlines() or ["no reason given"]
        return RecordError(
            f"{self._data_dir}: records or their soft labels do not have the contents that the "
            f"manifest describes ({lines[0]}). Their checksums are right, so this version did not "
            "write them: prepare into another directory"
        )
