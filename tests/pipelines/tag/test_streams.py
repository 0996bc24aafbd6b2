"""Standard input, live streams and recordings that do not fit in memory, on the core install."""

import contextlib
import fcntl
import json
import os
import signal
import struct
import subprocess
import termios
import time

import numpy as np
import pytest
import soundfile

from tests.pipelines.tag.conftest import CLIP, RATE_HZ, last_json
from tests.pipelines.tag.core_install import clean_environment


@pytest.mark.parametrize("form", ["wav", "flac", "raw"])
def test_standard_input_is_what_the_file_is(tag, audio, form):
    samples, rate_hz = soundfile.read(audio["long"], dtype="int16")
    how = ("--raw_format=int16", f"--raw_rate_hz={rate_hz}", "--raw_channels=2")
    if form == "wav":
        header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x02\0" + rate_hz.to_bytes(
            4, "little"
        )
        header += (4 * rate_hz).to_bytes(4, "little") + b"\x04\0\x10\0data\xff\xff\xff\xff"
        data = header + samples.tobytes()
    else:
        data = audio["long"].read_bytes() if form == "flac" else samples.tobytes()
    piped = last_json(tag(*(how if form == "raw" else ()), "-", input=data))["files"][0]
    (file,) = last_json(tag(audio["long"]))["files"]
    assert piped["file"] == "-"
    assert piped["tags"] == file["tags"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_windows_of_a_live_stream_come_at_once_and_a_signal_ends_it(live, tmp_path, number):
    raw = ("--raw_format=int16", f"--raw_rate_hz={RATE_HZ}")
    process = live(*raw, "--per_window", "--top_k=1", "--csv=tags.csv", "-")
    noise = np.random.default_rng(0).normal(0, 3000, 2 * CLIP + 999).astype("<i2")
    process.stdin.write(noise.tobytes())
    process.stdin.flush()
    lines = [process.stdout.readline().decode() for _ in range(4)]
    assert [line.split()[:3] for line in lines[2:]] == [
        ["0.00", "-", "0.64"],
        ["0.64", "-", "1.28"],
    ]
    process.send_signal(number)
    rest = process.stdout.read()  # the pipe is open all the while
    assert process.wait() == 0, process.stderr.read()
    (file,) = json.loads(rest.splitlines()[-1])["files"]
    assert file["interrupted"]
    assert (file["windows_scored"], len(file["tags"])) == (2, 1)
    assert len((tmp_path / "tags.csv").read_text().splitlines()) == 3
    assert process.stderr.read().count(b"Traceback") == 0


def test_ctrl_c_before_anything_was_scored_is_an_error(live):
    process = live("--raw_format=int16", "--raw_rate_hz=8000", "-", "a.wav")
    process.stdin.write(bytes(16))
    process.stdin.flush()
    while struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)))[0]:
        time.sleep(0.01)  # until it has taken what stands in the pipe, and waits for more
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    stream, file = json.loads(out.splitlines()[-1])["files"]
    assert stream["error"].startswith("interrupted")
    assert file["error"].startswith("not reached")
    assert process.returncode == 1
    assert b"Traceback" not in err


@pytest.mark.parametrize("csv_too", [True, False])
def test_a_reader_who_has_enough_is_no_error(live, tmp_path, csv_too):
    raw = ("--raw_format=float32", f"--raw_rate_hz={RATE_HZ}", "--per_window", "--top_k=1")
    process = live(*raw, *["--csv=tags.csv"] * csv_too, "-")
    process.stdout.close()
    for step in (lambda: process.stdin.write(bytes(4 * CLIP * 20)), process.stdin.close):
        with contextlib.suppress(BrokenPipeError):  # it may end before it has read everything
            step()
    errors = process.stderr.read()
    assert b"Traceback" not in errors
    assert b"rror" not in errors
    # What goes elsewhere too is whole; otherwise there is nothing left to do.
    assert process.wait() == (0 if csv_too else 128 + signal.SIGPIPE)
    table = tmp_path / "tags.csv"
    lines = table.read_text().splitlines() if table.is_file() else []
    assert len(lines) == (21 if csv_too else 0)


def test_stdout_may_be_closed(core_python, folder, audio, tmp_path):
    command = [core_python, "-m", "pipelines.tag", f"--model={folder}/waveform.tflite"]
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@" >&-', "sh", *command, audio["long"], "--csv=tags.csv"],
        cwd=tmp_path,
        env=clean_environment(),
        stderr=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "tags.csv").read_text(encoding="utf-8").splitlines()) == 4


def test_long_recordings_take_no_more_memory(live, tmp_path):
    def peak_mib(secs):
        path = tmp_path / f"{secs}.wav"
        with soundfile.SoundFile(path, "w", 48000, 2, "PCM_16") as file:
            for _ in range(secs):
                file.write(np.zeros((48000, 2), np.int16))
        process = live("--hop_secs=30", str(path))
        assert b'"audio_secs": ' + str(secs).encode() in process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_maxrss / 1024

    # The longer one is 440 MiB as float32.
    assert peak_mib(1200) - peak_mib(60) < 40
