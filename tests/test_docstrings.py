"""Every public name has an example, and every example gives the output that it shows."""

import doctest
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile
import tensorflow as tf

import aec_ofa_tf as ofa

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
CLASSES = 3


def write_files(root: Path) -> None:
    """What the examples name: recordings of two classes, a list of them, and ESC-50's layout."""
    generator = np.random.default_rng(0)
    listed, esc50 = ["path,labels,split"], ["filename,fold,target,category"]
    for number in range(20):
        label = ("hiss", "tone")[number % 2]
        path = root / "recordings" / label / f"{label}_{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * generator.normal(size=6400), 16000)
        listed.append(f"recordings/{label}/{path.name},{label},train")
        esc50.append(f"{label}/{path.name},{1 + number // 2 % 5},{number % 2},{label}")
    (root / "clips.csv").write_text("\n".join(listed))
    (root / "ESC-50-master" / "meta").mkdir(parents=True)
    (root / "ESC-50-master" / "meta" / "esc50.csv").write_text("\n".join(esc50))
    (root / "ESC-50-master" / "audio").symlink_to(root / "recordings")


def examples(name: str) -> list[doctest.DocTest]:
    """The examples in the docstring of a public name."""
    value = getattr(ofa, name)
    module = sys.modules[value.__module__]
    return [
        test
        for test in doctest.DocTestFinder(recurse=False).find(value, name, module=module, globs={})
        if test.examples
    ]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """The variables that examples use without making them."""
    space = ofa.search_space("[2,2,X]", base_channels=4)
    network = space.network(classes=CLASSES, frames=32, mel_bins=64, task="multi_label")
    generator = np.random.default_rng(0)
    log_mel = generator.normal(size=[8, 32, 64]).astype(np.float32)
    labels = (np.arange(CLASSES) == np.arange(8)[:, np.newaxis] % CLASSES).astype(np.float32)
    batches = tf.data.Dataset.from_tensors({"log_mel": log_mel, "labels": labels})
    return {
        "ofa": ofa,
        "np": np,
        "keras": keras,
        "space": space,
        "network": network,
        "supernet": ofa.Supernet(space, network),
        "log_mel": log_mel,
        "batches": batches,
        "calibration": batches,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("examples")
    write_files(root)
    ofa.prepare(
        ofa.read_folder(root / "recordings"), root / "data", ofa.PrepareConfig("folder", 0.4)
    )
    return root


@pytest.mark.parametrize("name", ofa.__all__)
def test_a_public_name_has_an_example_that_gives_what_it_shows(name, names, folder, monkeypatch):
    monkeypatch.chdir(folder)
    found = examples(name)
    assert found, f"{name} has no example"
    report: list[str] = []
    for test in found:
        test.globs.update(names)
        doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    assert not report, "".join(report)
