"""The process that compiles many files by Vela; see `micro.npu_profile`.

To start Vela takes longer than to compile a layer. No TensorFlow here.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aec_ofa_tf.export.child import BEGUN

MODULE = "aec_ofa_tf.micro.vela_runner"

_FIGURES_OF_OPERATORS = "verbose-performance"


def main() -> None:
    """Compiles every `NAME.tflite` of the working directory into `ACCELERATOR/NAME`.

    The arguments are the accelerators. Besides its file and its summary, Vela writes the figures
    of every operator.
    """
    from ethosu.vela import vela

    for accelerator in sys.argv[1:]:
        for source in sorted(Path.cwd().glob("*.tflite")):
            print(f"{BEGUN}compiling {source.name} for {accelerator}", flush=True)
            out = Path(accelerator, source.stem)
            options = {"accelerator-config": accelerator, "output-dir": str(out)}
            given = [f"--{option}={value}" for option, value in options.items()]
            status = vela.main([*given, f"--{_FIGURES_OF_OPERATORS}", str(source)])
            if status:
                sys.exit(status)


if __name__ == "__main__":
    main()
