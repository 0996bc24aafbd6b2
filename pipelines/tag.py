r"""Tags audio files with a TFLite model; needs the core install only, no TensorFlow.

python -m pipelines.tag --model=runs/demo/export/model.tflite --top_k=3 dog.wav street.mp3

Files may have any rate and any format that soundfile reads. Of a recording longer than the model's
clip, every label gets its highest score over consecutive windows. A file that cannot be decoded is
listed with the reason; the others are tagged all the same, and the exit code is 1.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from absl import app, flags

from aec_ofa_tf.export.tagger import Tagger
from pipelines import program
from tfrecords.decode import DecodeError, fit_length, read_waveform

_MODEL = flags.DEFINE_string(
    "model", None, "A .tflite file that pipelines.convert wrote.", required=True
)
_TOP_K = flags.DEFINE_integer("top_k", 3, "Labels to report per file.", lower_bound=1)
_THREADS = flags.DEFINE_integer("threads", 1, "Threads of the interpreter.", lower_bound=1)


def main(files: list[str]) -> dict[str, Any]:
    """Tags every file; see the module's docstring.

    Raises:
        ValueError: the model cannot be used, or one of the files could not be tagged.
        OSError: the model or its front end is missing.
    """
    if not files:
        raise app.UsageError("no audio files given; write them after the flags")
    # A name that is not UTF-8 is printed escaped instead of ending the program.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    tagger = Tagger(_MODEL.value, _THREADS.value, fit_length=fit_length)
    results = [_tag(tagger, file) for file in files]
    for result in results:
        _print_table(result)
    bad = [result for result in results if "error" in result]
    if bad:
        # The caller still gets what could be tagged; the program's own last line needs success.
        print(json.dumps({"files": results}))
        reasons = "; ".join(f"{result['file']}: {result['error']}" for result in bad)
        raise ValueError(f"{len(bad)} of {len(files)} files could not be tagged: {reasons}")
    return {"files": results}


def _tag(tagger: Tagger, file: str) -> dict[str, Any]:
    try:
        scores = tagger.tag(read_waveform(file, tagger.info.sample_rate_hz))
    except DecodeError as error:
        return {"file": file, "error": error.reason}
    best = np.argsort(-scores, kind="stable")[: _TOP_K.value]
    labels = tagger.info.labels
    return {
        "file": file,
        "tags": [{"label": labels[i], "score": round(float(scores[i]), 6)} for i in best],
    }


def _print_table(result: dict[str, Any]) -> None:
    print(result["file"])
    for tag in result.get("tags", []):
        print(f"  {tag['score']:.3f}  {tag['label']}")
    if "error" in result:
        print("  not tagged: " + result["error"])


if __name__ == "__main__":
    program.run(main, takes_files=True)
