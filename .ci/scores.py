"""Whether two lanes read the same records alike and compute the same scores.

python .ci/scores.py write MODEL.keras DATA_DIR FILE.npz   # once in every lane
python .ci/scores.py compare ONE.npz OTHER.npz
"""

import sys

import numpy as np

BOUND = 1e-5


def write(model_file: str, data_dir: str, out: str) -> None:
    """Keeps waveforms and scores of the evaluation clips, from records with audio."""
    import keras
    import tensorflow as tf

    from tfrecords.dataset import evaluation_batches
    from tfrecords.records import open_records

    model = keras.models.load_model(model_file, compile=False)
    records = open_records(data_dir)
    batches = evaluation_batches(records, "evaluation", 32, features=("log_mel", "waveform"))
    clips = [
        (batch["waveform"].numpy(), model(batch["log_mel"], training=False).numpy())
        for batch in batches
    ]
    waveforms, scores = (np.concatenate(parts) for parts in zip(*clips, strict=True))
    np.savez(out, waveforms=waveforms, scores=scores)
    print(f"TensorFlow {tf.__version__}, NumPy {np.__version__}: {len(scores)} clips")


def compare(one: str, other: str) -> None:
    """Exits with the difference where waveforms differ at all or scores by more than `BOUND`."""
    first, second = np.load(one), np.load(other)
    differ = int((first["waveforms"] != second["waveforms"]).sum())
    largest = float(np.abs(first["scores"] - second["scores"]).max())
    report = f"{differ} samples differ, scores by {largest:.2g} at most"
    if differ or largest > BOUND:
        sys.exit(f"{report}; expected none and {BOUND}")
    print(report)


if __name__ == "__main__":
    {"write": write, "compare": compare}[sys.argv[1]](*sys.argv[2:])
