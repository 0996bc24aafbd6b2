"""Prints what the flags of `train` and their recipe come to, as JSON.

python -m tests.recipe_flags --flag=value ...
"""

import json
import sys

from absl import flags

import pipelines.train
from pipelines.flags import experiment


def main() -> None:
    """Reads the command line as `train` does."""
    flags.FLAGS(sys.argv)
    request = experiment.train_flags()
    assert request.supernet is not None
    train = request.supernet.train
    found = {
        **{name: getattr(train, name) for name in ("batch_size", "mixup_domain", "crop_secs")},
        "base_channels": request.space.base_channels,
        "supernet_init": request.supernet.init,
        "student_mixup": request.supernet.student_mixup,
        "block_dropout": request.options.block_dropout,
        "teacher_steps": request.teacher.steps if request.teacher else 0,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    assert pipelines.train.__name__
    main()
