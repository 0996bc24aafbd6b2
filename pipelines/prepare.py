r"""Turns recordings into records: python -m pipelines.prepare --dataset=synthetic --data_dir=DIR.

A folder in the ESC-50 layout instead:
python -m pipelines.prepare --dataset=esc50 --source=ESC-50 --data_dir=DIR --eval_folds=5

Spoken commands of one second at 16 kHz, in a folder per word:
python -m pipelines.prepare --dataset=folder --source=WORDS --front_end=keyword_16k --clip_secs=1 \
    --data_dir=DIR
"""

from __future__ import annotations

import time

from absl import flags

from pipelines import program
from pipelines.flags import data, naming_flags

FLAGS = flags.FLAGS
data.define_prepare_flags()
flags.adopt_module_key_flags(data)


@naming_flags
def main(_: list[str]) -> dict[str, object]:
    """Prepares the records; see the module's docstring."""
    started = time.monotonic()
    manifest = data.prepare_from_flags()
    seconds = round(time.monotonic() - started, 1)
    return {**manifest.summary(), "data_dir": FLAGS.data_dir, "seconds": seconds}


if __name__ == "__main__":
    program.run(main)
