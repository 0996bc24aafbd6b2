"""The flagfile for keywords: from a folder of words to files of which the recorder says 64 KiB."""

import re

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.costs.arena import arena_bytes
from aec_ofa_tf.workdir import Workdir
from tests.programs import run_program

pytestmark = pytest.mark.slow
RATE_HZ = 16000
WORDS = {"low": 300, "middle": 1200, "high": 4000}
TINY = (
    *("--supernet_steps=6", "--warmup_steps=1", "--validate_every=3", "--checkpoint_every=3"),
    *(
        "--subnets_per_step=3",
        "--batch_size=8",
        "--calibration_clips=8",
        "--population=2",
        "--generations=1",
    ),
)


def write_words(folder) -> None:
    """Sounds of three pitches that glide, in noise: 14 recordings of each word."""
    rng = np.random.default_rng(0)
    time = np.arange(RATE_HZ) / RATE_HZ
    for word, pitch_hz in WORDS.items():
        for take in range(14):
            glide = pitch_hz * (1 + 0.2 * rng.uniform(-1, 1) * time)
            loud = np.exp(-(((time - rng.uniform(0.3, 0.7)) / 0.15) ** 2))
            sound = 0.4 * loud * np.sin(2 * np.pi * glide * time) + 0.01 * rng.normal(size=RATE_HZ)
            path = folder / word / f"{take}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, sound, RATE_HZ, subtype="PCM_16")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keyword")
    write_words(folder / "words")
    places = f"--data_dir={folder / 'data'}", f"--workdir={folder / 'run'}"
    done = run_program(
        "train", "--flagfile=keyword.flags", f"--source={folder / 'words'}", *places, *TINY,
        "--stages=prepare,supernet,search",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    return folder, done.result


def test_every_budget_has_a_subnet_within_it(run):
    folder, result = run
    space, network = Workdir(folder / "run").space_and_network()
    assert (network.frames, network.mel_bins, network.task) == (100, 40, "single_label")
    bounds = [44_000, 52_000, 64_000]
    rows = result["stages"]["search"]["budgets"]
    for row, bound in zip(rows, bounds, strict=True):
        assert arena_bytes(space.parse_subnet(row["subnet"]), network) <= bound


def test_boards_show_the_best_candidate_that_fits(run):
    folder, result = run
    done = run_program("boards", f"--workdir={folder / 'run'}", "--ram_kib=55")
    rows = {row["board"]: row for row in done.result["boards"]}
    searched = result["stages"]["search"]["budgets"]

    yours = rows["yours"]
    assert yours["ram_bytes"] <= 55 * 1024
    assert yours["score"] is not None
    small = [row["validation"]["accuracy"] for row in searched[:2]]
    assert yours["score"] >= max(small) - 1e-9
    assert re.search(r"\| 64 KiB SRAM, 256 KiB flash +\| 8-", done.stderr)


def test_the_recorder_shows_that_the_files_keep_to_64_kib(run):
    pytest.importorskip("tflite_micro", reason="needs the extra micro")
    folder, _ = run
    done = run_program(
        "convert", f"--workdir={folder / 'run'}", f"--data_dir={folder / 'data'}", "--family",
        "--target=micro", "--max_map_drop=1", "--representative_clips=8", "--parity_clips=8",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    rows = {row["budget"]: row for row in done.result["files"]}
    assert len(rows) == 3
    recorded = rows["arena_bytes<=64k"]["port"]["micro"]["arena_bytes"]
    assert recorded == rows["arena_bytes<=64k"]["arena_bytes"] <= 64_000
    for row in rows.values():
        place = (folder / "run" / "export" / row["file"]).parent / row["port"]["folder"]
        names = {path.name for path in place.iterdir()}
        assert names == {
            *("front_end.c", "front_end.h", "front_end_config.h", "main.c", "network.h"),
            *("model_data.cc", "model_data.h", "network.cc", "op_resolver.h"),
        }
