"""Front ends other than PANNs' at 32 kHz, through the programs."""

import json

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.audio.front_end import front_end
from aec_ofa_tf.tagging.model_file import read_info
from tests.programs import run_program
from tfrecords.records import open_records

RATE_HZ = 16000
WORDS = {"down": 300.0, "up": 3000.0}
TRAINING = [
    "--payload=audio",
    "--base_channels=4",
    "--width_ratios=0.5,1",
    "--subnets_per_step=2",
    "--batch_size=4",
    "--calibration_clips=8",
    "--largest_steps=2",
    "--supernet_steps=4",
    "--checkpoint_every=10",
    "--budget=params<=8k",
    "--parity_clips=8",
    "--representative_clips=4",
    "--input=log_mel,waveform",
    "--quantization=float32,int8",
    "--max_map_drop=1",
    "--gain_db=6",
]


def spoken(word: str, seed: int, secs: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(int(secs * RATE_HZ)) / RATE_HZ
    tone = 0.3 * np.sin(2 * np.pi * WORDS[word] * rng.uniform(0.9, 1.1) * time)
    return (tone + rng.normal(0, 0.01, time.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A folder of recordings of a second each, in a folder per word."""
    folder = tmp_path_factory.mktemp("words")
    for number in range(60):
        word = list(WORDS)[number % 2]
        (folder / word).mkdir(exist_ok=True)
        soundfile.write(folder / word / f"{number}.wav", spoken(word, number), RATE_HZ)
    return folder


def test_keywords_of_a_second_at_16_khz_go_from_recordings_to_tags(words, tmp_path):
    data, run = tmp_path / "data", tmp_path / "run"
    records = ["--dataset=folder", f"--source={words}", "--front_end=keyword_16k", "--clip_secs=1"]
    folders = [f"--data_dir={data}", f"--workdir={run}"]
    fractions = ["--validation_fraction=0.25", "--evaluation_fraction=0.25"]
    without_teacher = [
        "--stages=prepare,supernet,search,convert",
        "--distill_from=largest",
        "--sampler=sandwich",
    ]
    flags = [*records, *fractions, *folders, *TRAINING, *without_teacher]
    trained = run_program("train", *flags).result
    assert trained["stages"]["convert"]

    opened = open_records(data)
    assert opened.front_end == front_end("keyword_16k")
    assert opened.manifest.has_one_label_per_clip
    assert (opened.clip_samples, opened.frames) == (16000, 100)
    files = [next(run.rglob(f"{kind}.tflite")) for kind in ("log_mel-int8", "waveform-float32")]
    soundfile.write(tmp_path / "unheard.wav", spoken("up", 999, secs=0.8), RATE_HZ)
    for file in files:
        info = read_info(file)
        assert (info.sample_rate_hz, info.clip_samples) == (16000, 16000)
        assert info.front_end.mel_bins == 40
        tagged = run_program("tag", f"--model={file}", "--top_k=2", tmp_path / "unheard.wav")
        assert tagged.code == 0, tagged.stderr
        assert all(word in tagged.stdout for word in WORDS)
    table = tmp_path / "table.json"
    profiled = ["--check_subnets=0", "--repetitions=1", f"--workdir={run}", f"--out={table}"]
    assert run_program("profile_device", *profiled).result["layers"] > 0
    assert json.loads(table.read_text())["network"]["mel_bins"] == 40


def test_overrides_go_into_the_records(words, tmp_path):
    few = ["--dataset=folder", f"--source={words}", f"--data_dir={tmp_path}", "--clip_secs=0.5"]
    overrides = ["--mel_bins=32", "--window_samples=400", "--hop_samples=200", "--max_hz=7000"]
    run_program("prepare", *few, "--front_end=panns_16k", *overrides).result  # noqa: B018
    expected = front_end(
        "panns_16k", mel_bins=32, window_samples=400, hop_samples=200, max_hz=7000.0
    )

    assert open_records(tmp_path).front_end == expected
    assert expected.fft_samples == 512
    refused = run_program("prepare", *few, "--front_end=panns_16k")
    assert refused.code == 1
    assert "front_end:" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sample_rate_hz=16000"], "--front_end=panns_32k --sample_rate_hz=16000: --max_hz is"),
        (["--front_end=keyword_16k", "--mel_bins=300"], "mel filters between 20 and 7600 Hz"),
        (["--front_end=keyword_16k", "--clip_secs=0.02"], "at least 0.030 s"),
        (["--front_end=mfcc"], "value should be one of"),
    ],
)
def test_front_ends_that_cannot_be_computed_are_refused_before_work(tmp_path, arguments, message):
    ended = run_program("prepare", f"--data_dir={tmp_path / 'data'}", *arguments)

    assert ended.code != 0
    assert message in ended.stdout + ended.stderr
    assert not (tmp_path / "data").exists()
