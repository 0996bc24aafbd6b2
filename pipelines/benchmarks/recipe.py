"""What each part of the recipe for small data sets is worth: trainings that leave one part out.

python -m pipelines.benchmarks.recipe --source=ESC-10 --out=runs/recipe --folds=1,5 --seeds=3

A thin CNN10 is trained on the labels of an ESC-50 layout, without the clips of a fold, and scored
on that fold after the last step. A training that is there is not repeated, so that several
processes may share the work by --folds, --parts and --first_seed; any of them tells all that is
there.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import aec_ofa_tf as ofa
from aec_ofa_tf.reporting.tables import shown

CLIP_SECS, CHANNELS = 5.0, 16
WHOLE = replace(ofa.small_data(CLIP_SECS), ema_momentum=0.998)
WITHOUT: Mapping[str, Mapping[str, Any]] = {
    "nothing": {},
    "mixing": {"mixup_alpha": 0.0},
    "mixing-in-power": {"mixup_domain": "log_mel"},
    "crops": {"crop_secs": 0.0, "crop_silence": 0.0, "time_mask_frames": 50},
    "stretch": {"time_stretch": 0.0},
    "gain": {"gain_db": 0.0},
    "equaliser": {"equalizer_db": 0.0},
    "shift": {"mel_shift_bins": 0},
    "masks": {"time_mask_frames": 1, "mel_mask_bins": 1},
    "average": {"ema_momentum": 0.0},
    "weight-decay": {"weight_decay": 0.0},
    "decay-of-rate": {"schedule": "constant"},
    "warm-up": {"warmup_steps": 0},
    "hard-labels": {"label_smoothing": 0.1},
}
"""The changes that leave a part out, by its name. Masks are a tenth of the window, of whole clips
too. Without hard labels they are smoothed, which the recipe does not do."""
PAPER = "all"
"""The paper's settings, but for batch, precision and calibration: Adam, mixup, SpecAugment."""
COLUMNS = {"without": "", "accuracy": ".3f", "log_loss": ".3f", "trainings": "d", "difference": ""}


def config(without: str, seed: int, steps: int) -> ofa.TeacherConfig:
    """The training that leaves a part out."""
    alike: dict[str, Any] = {"batch_size": 32, "precision": "float32", "calibration_clips": 512}
    whole = replace(WHOLE, warmup_steps=steps // 20)
    train = ofa.TrainConfig(**alike) if without == PAPER else replace(whole, **WITHOUT[without])
    train = replace(train, seed=seed, checkpoint_every=steps, summary_every=steps)
    return ofa.TeacherConfig(train, CHANNELS, steps)


def trained(
    without: str, fold: int, seed: int, steps: int, source: str, out: Path
) -> dict[str, Any]:
    """The figures of a training on its fold, which is trained unless it was before."""
    place = out / "runs" / f"{without}-{steps}-fold{fold}-seed{seed}"
    kept = place / "figures.json"
    if not kept.exists():
        clips = ofa.read_esc50(source, validation_folds=(), evaluation_folds=(fold,))
        prepared = ofa.PrepareConfig("esc50", clip_secs=CLIP_SECS)
        records = ofa.prepare(clips, out / f"records-{fold}", prepared)
        space = ofa.search_space("[2,2,X]", CHANNELS)
        options = ofa.NetworkOptions(block_dropout=0.0, embedding_dropout=0.2)
        experiment = ofa.Experiment(place, records, space, options)
        experiment.train_teacher(config(without, seed, steps))
        found = experiment.evaluate_teacher("evaluation").metrics
        figures = {"accuracy": found.accuracy, "log_loss": found.log_loss, "clips": found.clips}
        kept.write_text(json.dumps(figures))
    return {"fold": fold, "seed": seed, "without": without, **json.loads(kept.read_text())}


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row per part: means over folds and seeds, and the difference to the whole recipe.

    A difference is of the same folds and seeds, with its standard error over them.
    """
    by_part: dict[str, dict[tuple[int, int], dict[str, Any]]] = {}
    for row in rows:
        by_part.setdefault(row["without"], {})[row["fold"], row["seed"]] = row
    whole = by_part.get("nothing", {})
    found = []
    for part, own in by_part.items():
        both = sorted(own.keys() & whole.keys())
        gaps = [100 * (own[key]["accuracy"] - whole[key]["accuracy"]) for key in both]
        means = {
            name: statistics.fmean(one[name] for one in own.values())
            for name in ("accuracy", "log_loss")
        }
        error = f" ± {statistics.stdev(gaps) / len(gaps) ** 0.5:.1f}" if len(gaps) > 1 else ""
        gap = f"{statistics.fmean(gaps):+.1f}{error}" if gaps else ""
        found.append({"without": part, **means, "trainings": len(own), "difference": gap})
    return found


def main() -> None:
    """Trains what is left, and tells all that is there; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, help="folder of the ESC-50 layout")
    parser.add_argument("--out", required=True, type=Path, help="folder of runs and figures")
    parser.add_argument("--folds", default="1,5", help="folds that are held out, each in turn")
    parser.add_argument("--parts", default=",".join([*WITHOUT, PAPER]), help="what is left out")
    parser.add_argument("--seeds", default=1, type=int, help="trainings of each part and fold")
    parser.add_argument("--first_seed", default=0, type=int)
    parser.add_argument("--steps", default=1200, type=int, help="steps of a training")
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    asked = product(seeds, given.parts.split(","), map(int, given.folds.split(",")))
    rows = [
        trained(part, fold, seed, given.steps, given.source, given.out)
        for seed, part, fold in asked
    ]
    found = table(rows)
    result = {"steps": given.steps, "table": found, "trainings": rows}
    (given.out / "recipe.json").write_text(json.dumps(result, indent=1) + "\n")
    print(shown(found, COLUMNS))


if __name__ == "__main__":
    main()
