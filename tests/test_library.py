"""The library as a user meets it: one import, the quick start, objects that explain themselves."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import aec_ofa_tf as ofa
from aec_ofa_tf import planning
from aec_ofa_tf.training.time_budget import MeasuredSecs

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "docs" / "quickstart.py"
# Values of the quick start that would take long, by what stands for them here.
TINY = {
    "clip_secs=4.0": "clip_secs=0.4",
    "base_channels=16": "base_channels=4",
    "hours=1": "hours=0.001",
    '"params<=50k", "params<=0.2M,macs<=50M"': '"params<=6k", "params<=9k,macs<=50M"',
    'quantizations=["int8"]': 'quantizations=["int8"], max_map_drop=1.0, representative_clips=8',
}


def code_of_quickstart() -> str:
    """The script without its docstring."""
    return QUICKSTART.read_text(encoding="utf-8").split('"""', 2)[2].strip()


def write_recordings(folder: Path) -> None:
    """Hisses and tones of 0.4 s at 16 kHz, twenty of each."""
    generator = np.random.default_rng(0)
    for number in range(40):
        kind = ("hiss", "tone")[number % 2]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        tone = np.sin(np.arange(6400) * generator.uniform(0.2, 0.4))
        sound = generator.normal(size=6400) if kind == "hiss" else tone
        soundfile.write(folder / kind / f"{number}.wav", 0.1 * sound, 16000)


def test_importing_the_library_imports_nothing_heavy():
    code = (
        "import sys, aec_ofa_tf as ofa; assert ofa.__version__; dir(ofa); "
        "sys.exit(bool({'tensorflow', 'keras', 'numpy', 'absl'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_configuration_is_made_without_tensorflow():
    code = (
        "import sys, aec_ofa_tf as ofa; ofa.PrepareConfig('folder', 4.0); ofa.TrainConfig(); "
        "ofa.SearchConfig(['params<=50k']); ofa.DeviceConfig(); ofa.search_space('[2,2,X]'); "
        "ofa.ExportConfig(); sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_public_name_is_hidden_by_a_package():
    """`aec_ofa_tf.costs` is the package as soon as anything in it was imported."""
    modules = {path.stem for path in (ROOT / "aec_ofa_tf").iterdir()}
    assert not modules & set(ofa.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        ofa.Nothing  # noqa: B018


def test_the_quick_start_goes_from_a_folder_to_a_tagged_clip(tmp_path, monkeypatch, capsys):
    write_recordings(tmp_path / "recordings")
    soundfile.write(tmp_path / "dog.wav", 0.1 * np.sin(np.arange(12800) * 0.3), 16000)
    code = code_of_quickstart()
    for value, tiny in TINY.items():
        assert value in code
        code = code.replace(value, tiny)
    monkeypatch.chdir(tmp_path)
    # 120 steps of each: it is no matter of this machine how many.
    monkeypatch.setattr(planning, "measure", lambda *_: MeasuredSecs(0.01, 0.0, 0.01))

    exec(compile(code, str(QUICKSTART), "exec"), {})  # noqa: S102

    printed = capsys.readouterr().out
    assert "params<=6k" in printed
    assert re.search(r"(hiss|tone) +0\.\d+", printed)


def test_the_readme_shows_the_quick_start_as_it_is_run():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert code_of_quickstart() in [block.strip() for block in blocks]
