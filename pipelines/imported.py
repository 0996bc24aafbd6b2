"""What `convert` does with a network that `import_weights` has imported."""

from __future__ import annotations

from pathlib import Path

from absl import flags

from aec_ofa_tf.export.child import require_temporary_folder
from aec_ofa_tf.export.config import ExportConfig
from aec_ofa_tf.export.imported import export_imported
from aec_ofa_tf.pretrained.importing import ImportedWeights
from tfrecords.records import open_records

FLAGS = flags.FLAGS


def convert_imported(config: ExportConfig) -> dict[str, object]:
    """Converts the network that `import_weights` has imported into `--workdir`."""
    if FLAGS.family or FLAGS.teacher or FLAGS.subnet or FLAGS.alone:
        raise ValueError(
            f"{FLAGS.workdir} holds an imported network, which is converted as it is: leave out "
            "--subnet, --teacher, --alone and --family"
        )
    if config.robustness:
        raise ValueError(
            "--robustness scores files on evaluation clips, which an imported network is not "
            "trained for: leave it out, and give the file to `evaluate --robustness`"
        )
    require_temporary_folder()
    records = open_records(FLAGS.data_dir) if FLAGS.data_dir else None
    out = Path(FLAGS.out) if FLAGS.out else None
    imported = ImportedWeights.open(Path(FLAGS.workdir))
    result = export_imported(imported, config, records, out)
    return {**result.files[0].as_dict(), **result.as_dict()}
