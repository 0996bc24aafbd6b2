"""Reading the events that were written."""

from pathlib import Path
from typing import Any

import tensorflow as tf


def logged(directory: Path) -> dict[str, Any]:
    """The last values in a directory's event files by tag; of HParams the content."""
    return {
        value.tag: value.metadata.plugin_data.content
        if value.metadata.plugin_data.plugin_name == "hparams"
        else tf.make_ndarray(value.tensor)
        for log in sorted(directory.glob("events*"))
        for record in tf.data.TFRecordDataset(str(log))
        for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value
    }
