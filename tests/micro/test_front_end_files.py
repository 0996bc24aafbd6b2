"""Which files are written, what is refused, and what the guide says of them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from aec_ofa_tf.audio.front_end import PRESETS, front_end
from aec_ofa_tf.micro.front_end import INT16, ram_bytes, size_table, table_bytes, write_front_end

GUIDE = (Path(__file__).parents[2] / "docs" / "microcontrollers.md").read_text(encoding="utf-8")


def test_files_are_written_to_a_new_folder_and_written_again(tmp_path):
    paths = write_front_end(PRESETS["panns_32k"], tmp_path / "new" / "folder")
    names = ["front_end_config.h", "front_end.h", "front_end.c", "network.h", "main.c"]
    first = [path.read_bytes() for path in paths]

    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(names)
    assert write_front_end(PRESETS["panns_32k"], tmp_path / "new" / "folder") == paths
    assert [path.read_bytes() for path in paths] == first


@pytest.mark.parametrize("preset", PRESETS)
def test_files_are_ascii_in_lines_of_at_most_100_characters(preset, tmp_path):
    for path in write_front_end(PRESETS[preset], tmp_path):
        lines = path.read_text(encoding="ascii").splitlines()
        assert max(map(len, lines)) <= 100, path.name


@pytest.mark.parametrize(
    ("config", "sample_type", "message"),
    [
        ("keyword_16k", INT16, "is a FrontEndConfig"),
        (front_end(), "int24", "sample_type is one of int16, float32, received 'int24'"),
        (
            front_end(window_samples=2, fft_samples=4, hop_samples=2, mel_bins=1),
            INT16,
            "at least 4",
        ),
        (front_end("efficientat_32k", hop_samples=1), INT16, "use hop_samples=2 or more"),
        (front_end(power_floor=1e40), INT16, "power_floor within float32, received 1e"),
    ],
)
def test_what_the_c_code_cannot_compute_is_refused(config, sample_type, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_front_end(config, tmp_path, sample_type)
    assert not list(tmp_path.iterdir())


def test_tensorflow_is_not_imported(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from aec_ofa_tf.audio.front_end import PANNS\n"
        "from aec_ofa_tf.micro.front_end import write_front_end\n"
        f"write_front_end(PANNS, Path({str(tmp_path)!r}))\n"
        "print(sorted({'tensorflow', 'keras', 'scipy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_guide_s_table_is_what_its_command_prints():
    (command,) = re.findall(r"^python -c '(.*size_table.*)'$", GUIDE, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == size_table()
    assert size_table() in GUIDE


def test_the_guide_s_python_code_writes_the_files(tmp_path):
    (block,) = re.findall(
        r"^```python\n(.*?write_front_end.*?)^```", GUIDE, re.DOTALL | re.MULTILINE
    )
    subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True)
    assert (tmp_path / "firmware" / "front_end.c").is_file()


@pytest.mark.parametrize("preset", PRESETS)
def test_the_front_end_is_small(preset):
    assert ram_bytes(PRESETS[preset]) <= 8192
    assert table_bytes(PRESETS[preset]) <= 8192
