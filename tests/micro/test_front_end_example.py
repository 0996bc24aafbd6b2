"""The example `main.c`: from a WAV file to log-mel, and through a network to a class."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.audio.front_end import PRESETS
from aec_ofa_tf.audio.numpy_log_mel import numpy_log_mel
from aec_ofa_tf.micro.front_end import FLOAT32, INT16, write_front_end
from tests.micro.clips import as_int16, synthetic_clips
from tests.micro.compiled import HERE, compile_c, needs_compiler

KEYWORD = PRESETS["keyword_16k"]
RATE_HZ = KEYWORD.sample_rate_hz
pytestmark = needs_compiler


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return example_of(tmp_path_factory.mktemp("example"))


def example_of(folder, sample_type: str = INT16):
    write_front_end(KEYWORD, folder, sample_type)
    return compile_c(folder, ["main.c", "front_end.c"], "log_mel")


def clip(name: str = "speech-like", hops: int = 60) -> np.ndarray:
    return as_int16(synthetic_clips(RATE_HZ, hops * KEYWORD.hop_samples)[name])


def run(program, path) -> subprocess.CompletedProcess:
    return subprocess.run([program, path], capture_output=True, text=True, check=False)


def assert_prints_log_mel(program, path, samples: np.ndarray) -> None:
    done = run(program, path)
    assert (done.returncode, done.stderr) == (0, "")
    received = np.array([line.split() for line in done.stdout.splitlines()], np.float32)
    expected = numpy_log_mel(samples.astype(np.float32) / 32768, KEYWORD)
    near = expected > expected.max() - 60.0
    assert received.shape == expected.shape
    assert np.abs(received - expected)[near].max() <= 1e-3


@pytest.mark.parametrize("wav", ["WAV", "WAVEX"])
def test_the_log_mel_of_a_file_is_printed(example, wav, tmp_path):
    path = tmp_path / "clip.wav"
    soundfile.write(path, clip(), RATE_HZ, subtype="PCM_16", format=wav)

    assert_prints_log_mel(example, path, clip())


def test_the_log_mel_of_a_file_is_printed_from_float_samples_too(tmp_path):
    path = tmp_path / "clip.wav"
    soundfile.write(path, clip(), RATE_HZ, subtype="PCM_16")

    assert_prints_log_mel(example_of(tmp_path / "example", FLOAT32), path, clip())


def test_other_chunks_and_what_is_left_of_a_hop_are_skipped(example, tmp_path):
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.concatenate([clip(), clip()[:99]]), RATE_HZ, subtype="PCM_16")
    data = path.read_bytes()
    odd = b"odd " + (3).to_bytes(4, "little") + b"abc\0"
    path.write_bytes(data[:12] + odd + data[12:36] + odd + data[36:] + odd)

    assert_prints_log_mel(example, path, clip())


REFUSED = {
    "stereo": ({"channels": 2}, "has 2 channels of 16 bits (format 1) at 16000 Hz; the front end"),
    "another rate": ({"rate_hz": 44100}, "has 1 channel of 16 bits (format 1) at 44100 Hz; the"),
    "24 bits": ({"subtype": "PCM_24"}, "has 1 channel of 24 bits (format 1) at 16000 Hz; the"),
    "8 bits": ({"subtype": "PCM_U8"}, "has 1 channel of 8 bits (format 1) at 16000 Hz; the front"),
    "float": ({"subtype": "FLOAT"}, "has 1 channel of 32 bits (format 3) at 16000 Hz; the front"),
    "mu-law": ({"subtype": "ULAW"}, "has 1 channel of 8 bits (format 7) at 16000 Hz; the front"),
    "FLAC": ({"format": "FLAC"}, "is no WAV file"),
    "short": ({"hops": 2}, "is shorter than a window of the front end"),
    "empty": ({"hops": 0}, "is shorter than a window of the front end"),
    "cut": ({"keep": 0.5}, "ends before its last sample"),
    "cut in the header": ({"bytes": 30}, "is a WAV file without samples, or a damaged one"),
    "cut after RIFF": ({"bytes": 6}, "is no WAV file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_files_are_refused_in_one_sentence(example, tmp_path, name):
    how, sentence = REFUSED[name]
    path = tmp_path / "clip.wav"
    samples = np.repeat(
        clip()[: how.get("hops", 60) * KEYWORD.hop_samples, None], how.get("channels", 1), axis=1
    )
    soundfile.write(
        path, samples, how.get("rate_hz", RATE_HZ), how.get("subtype", "PCM_16"),
        format=how.get("format", "WAV"),
    )  # fmt: skip
    data = path.read_bytes()
    path.write_bytes(data[: how.get("bytes", int(how.get("keep", 1.0) * len(data)))])
    done = run(example, path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{path} {sentence}")
    assert done.stderr.count("\n") == 1


def test_any_cut_or_changed_header_is_read_without_undefined_behaviour(example, tmp_path):
    path = tmp_path / "clip.wav"
    soundfile.write(path, clip(), RATE_HZ, subtype="PCM_16")
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(25):
        damaged = bytearray(data[: rng.integers(len(data) + 1)])
        for place in rng.integers(44, size=rng.integers(1, 4)):
            damaged[min(place, len(damaged)) : place + 1] = bytes([rng.choice([0, 1, 127, 255])])
        path.write_bytes(damaged)
        done = run(example, path)
        assert done.returncode in (0, 1), done.stderr
        assert done.stderr.count("\n") == done.returncode, done.stderr


def test_a_missing_file_and_a_missing_argument_are_told(example, tmp_path):
    missing = run(example, tmp_path / "none.wav")
    alone = subprocess.run([example], capture_output=True, text=True, check=False)

    assert (missing.returncode, missing.stderr) == (1, f"{tmp_path}/none.wav cannot be opened\n")
    assert alone.returncode == 2
    assert alone.stderr.startswith("usage: ")


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tagger")
    write_front_end(KEYWORD, folder)
    sources = ["main.c", "front_end.c", HERE / "small_network.c"]
    return compile_c(folder, sources, "tag", "-DWITH_NETWORK")


def test_a_network_scores_every_clip(tagger, tmp_path):
    """Clips of 25 hops, from files whose log-mel Python quantises for the same network."""
    path = tmp_path / "clip.wav"
    samples = np.concatenate([clip("noise", 25), clip("silence", 25), clip("tone", 30)])
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_16")
    expected = []
    for number in range(3):
        window = samples[number * 4000 : number * 4000 + 4000].astype(np.float32) / 32768
        integers = np.clip(np.round(numpy_log_mel(window, KEYWORD) / 0.5) + 60, -128, 127)
        scores = np.trunc(integers[:, [0, 12, 24]].sum(axis=0) / 25)
        best = int(scores.argmax())
        score = 0.5 * (scores[best] - 60)
        expected.append(f"{number * 0.25:.2f} s  {score:.3f}  {('low', 'middle', 'high')[best]}")

    assert run(tagger, path).stdout.splitlines() == expected


def test_a_recording_shorter_than_the_network_s_clip_is_refused(tagger, tmp_path):
    path = tmp_path / "clip.wav"
    soundfile.write(path, clip(hops=24), RATE_HZ, subtype="PCM_16")
    done = run(tagger, path)

    assert done.returncode == 1
    assert done.stderr == f"{path} is shorter than the clips that the network takes\n"


LISTENER = """
#include <stdio.h>
#include "front_end.h"
#include "network.h"
bool tagger_start(void);
int32_t tagger_listen(void);
static FILE *sound;
void microphone_read(front_end_sample *samples, size_t count);
void microphone_read(front_end_sample *samples, size_t count) {
    if (fread(samples, sizeof *samples, count, sound) != count) { samples[0] = 0; }
}
int main(int argc, char **argv) {
    sound = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (sound == NULL || !tagger_start()) { return 1; }
    for (int clip = 0; clip < 3; clip++) { printf("%s\\n", network_label(tagger_listen())); }
    return 0;
}
"""


def test_the_guide_s_loop_tags_what_it_hears_as_the_example_does(tagger, tmp_path):
    guide = (Path(__file__).parents[2] / "docs" / "microcontrollers.md").read_text("utf-8")
    (loop,) = re.findall(r"^```c\n(.*?tagger_start.*?)^```", guide, re.DOTALL | re.MULTILINE)
    write_front_end(KEYWORD, tmp_path)
    (tmp_path / "app.c").write_text(loop)
    (tmp_path / "listener.c").write_text(LISTENER)
    sources = ["listener.c", "app.c", "front_end.c", HERE / "small_network.c"]
    program = compile_c(tmp_path, sources, "listener")
    samples = np.concatenate([clip("noise", 25), clip("silence", 25), clip("tone", 25)])
    (tmp_path / "sound.raw").write_bytes(samples.tobytes())
    soundfile.write(tmp_path / "sound.wav", samples, RATE_HZ, subtype="PCM_16")

    example = run(tagger, tmp_path / "sound.wav").stdout.splitlines()
    heard = run(program, tmp_path / "sound.raw").stdout.splitlines()
    assert heard == [line.split()[-1] for line in example]
    assert len(heard) == 3
