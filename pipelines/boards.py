r"""Shows which subnet of a search space fits which microcontroller, with its front end in C.

python -m pipelines.boards --workdir=runs/demo
python -m pipelines.boards --space=mn04 --front_end=keyword_16k --clip_secs=1 --classes=12
python -m pipelines.boards --space=mn04 --ram_kib=320 --flash_kib=1024

Of a run that was searched it shows the best candidate that fits; of any other space, and where no
candidate fits, the subnet with most multiply-adds. A board needs flash for the interpreter besides.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from absl import flags

import pipelines.flags
from aec_ofa_tf.audio.front_end import FrontEndConfig
from aec_ofa_tf.micro.boards import BOARDS, KIB, Board, fit_boards, searched_scores
from aec_ofa_tf.models.network import NetworkConfig
from aec_ofa_tf.models.network_options import NetworkOptions
from aec_ofa_tf.models.space import SearchSpace
from aec_ofa_tf.terminal import show
from aec_ofa_tf.workdir import Workdir
from pipelines import program
from pipelines.flags import experiment, front_end, naming_flags, read
from pipelines.flags import space as space_flags

FLAGS = flags.FLAGS
experiment.define_workdir_flag()
space_flags.define_space_flags(leave_out=("block_dropout", "embedding_dropout"))
front_end.define_front_end_flags()
flags.DEFINE_float("clip_secs", 1.0, "Length of a clip, unless --workdir is given.", 0.0)
flags.DEFINE_integer("classes", 10, "Classes of the classifier, unless --workdir is given.", 1)
flags.DEFINE_integer("ram_kib", None, "RAM of a board of your own, in KiB.", 1)
flags.DEFINE_integer("flash_kib", None, "Flash of a board of your own, in KiB.", 1)
for module in (pipelines.flags, experiment, space_flags, front_end):
    flags.adopt_module_key_flags(module)

COLUMNS = {
    **{"board": "", "subnet": "", "params": ",d", "macs": ",d", "ram_bytes": ",d"},
    **{"flash_bytes": ",d", "score": ".3f", "longest_clip_secs": ".2f"},
}


@naming_flags
def main(_: list[str]) -> dict[str, object]:
    """Prints a row per board; see the module's docstring."""
    from aec_ofa_tf.reporting.tables import shown  # needs more than the core install

    space, network, features = _what_is_asked()
    scores = searched_scores(Workdir(Path(FLAGS.workdir))) if FLAGS.workdir else {}
    fits = [fit.as_dict() for fit in fit_boards(space, network, features, _boards(), scores)]
    rows = [{**fit, "subnet": fit["subnet"] or "none"} for fit in fits]
    show(shown(rows, COLUMNS))
    return {"space": str(space), "front_end": str(features), "boards": fits}


def _what_is_asked() -> tuple[SearchSpace, NetworkConfig, FrontEndConfig]:
    if FLAGS.workdir:
        workdir = Workdir(Path(FLAGS.workdir))
        return *workdir.space_and_network(), workdir.front_end()
    space, features = space_flags.space_from_flags(), front_end.front_end_from_flags()
    sizes = FLAGS.classes, features.frames(FLAGS.clip_secs), features.mel_bins
    options = replace(read(NetworkOptions), block_dropout=None, embedding_dropout=None)
    return space, options.network(space, *sizes, single_label=True), features


def _boards() -> tuple[Board, ...]:
    if FLAGS.ram_kib is None and FLAGS.flash_kib is None:
        return BOARDS
    given = {"ram_bytes": FLAGS.ram_kib, "flash_bytes": FLAGS.flash_kib}
    return (Board("yours", **{n: KIB * value for n, value in given.items() if value}), *BOARDS)


if __name__ == "__main__":
    program.run(main)
