"""Keras files of strangers: no code runs, and whatever is wrong is one error with the file."""

import zipfile

import keras
import numpy as np
import pytest

from aec_ofa_tf.models.keras_files import load_model


@pytest.fixture
def path(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_code_in_a_file_is_not_run(tmp_path, monkeypatch):
    ran = tmp_path / "ran"
    monkeypatch.setenv("RAN", str(ran))
    code = keras.layers.Lambda(
        lambda x: [x, __import__("pathlib").Path(__import__("os").environ["RAN"]).touch()][0],
        output_shape=(2,),
    )
    keras.Sequential([keras.Input((2,)), code]).save(tmp_path / "hostile.keras")
    keras.models.load_model(tmp_path / "hostile.keras", safe_mode=False)(np.zeros((1, 2)))
    ran.unlink()  # so the code works
    with pytest.raises(ValueError, match=r"hostile\.keras cannot be opened .*Lambda"):
        load_model(tmp_path / "hostile.keras")
    assert not ran.exists()


def test_a_flipped_byte_is_an_error_that_names_the_file(path):
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("model.weights.h5").header_offset
    content[place + 200] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.keras cannot be opened .*CRC"):
        load_model(path)


def test_a_configuration_that_is_no_model_is_an_error_that_names_the_file(path):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = b'{"module": [], "class_name": "Sequential", "config": {}}'
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=r"model\.keras cannot be opened"):
        load_model(path)


@pytest.mark.parametrize("size", [0, 100, -100])
def test_a_cut_file_is_not_called_missing(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"model\.keras is no Keras model: it is cut") as caught:
        load_model(path)
    assert "not found" not in str(caught.value)
