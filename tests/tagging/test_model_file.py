"""A TFLite file carries its labels and card, and damage is noticed when it is read."""

import dataclasses
import io
import json
import zipfile

import pytest

from aec_ofa_tf.tagging.model_file import read_bundle, read_info, write_bundle

MODEL = bytes(range(256)) * 40


def test_a_card_comes_back_as_it_was(tmp_path, info):
    path = tmp_path / "new" / "x.tflite"
    write_bundle(MODEL, info, path)
    assert read_info(path) == info
    assert read_bundle(path) == (MODEL, info)


def test_a_front_ends_card_has_no_labels(tmp_path, info):
    card = dataclasses.replace(info, labels=())
    write_bundle(MODEL, card, tmp_path / "x.tflite")
    assert read_info(tmp_path / "x.tflite").labels == ()


def test_any_zip_reader_finds_labels_and_card(tmp_path, info):
    write_bundle(MODEL, info, tmp_path / "x.tflite")
    with zipfile.ZipFile(tmp_path / "x.tflite") as archive:
        assert archive.testzip() is None
        assert archive.read("labels.txt").decode() == "Dog\nRain\nSpeech, male\nGlocke\nSäge\n"
        assert json.loads(archive.read("model.json"))["clip_samples"] == info.clip_samples


def test_the_same_model_is_the_same_bytes(tmp_path, info):
    for name in ("a", "b"):
        write_bundle(MODEL, info, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("size", [0, 1, len(MODEL) // 2, len(MODEL), len(MODEL) + 200, -1])
def test_a_truncated_file_is_named(tmp_path, info, size):
    path = tmp_path / "cut.tflite"
    write_bundle(MODEL, info, path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"cut\.tflite carries no model card.*convert"):
        read_info(path)


def test_every_flipped_bit_is_noticed_or_harmless(tmp_path, info):
    path = tmp_path / "flipped.tflite"
    write_bundle(b"model", info, path)
    good = path.read_bytes()
    noticed = 0
    for position in range(len(good)):
        for bit in (0, 3, 6):
            content = bytearray(good)
            content[position] ^= 1 << bit
            path.write_bytes(content)
            try:
                # What the change leaves readable (a date, say) is still the whole truth.
                read = read_bundle(path)
            except ValueError:
                noticed += 1
            else:
                assert read == (b"model", info)
    assert noticed > len(good)


def test_a_flipped_weight_is_a_checksum_error(tmp_path, info):
    path = tmp_path / "x.tflite"
    write_bundle(MODEL, info, path)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.tflite is damaged.*checksum"):
        read_info(path)


def _with_card(card, labels="Dog\n", compression=zipfile.ZIP_STORED):
    file = io.BytesIO(MODEL)
    with zipfile.ZipFile(file, "a", compression) as archive:
        archive.writestr("labels.txt", labels)
        archive.writestr("model.json", card)
    return file.getvalue()


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("not JSON", "damaged"),
        ("[]", "cannot be used"),
        ('{"labels": 1}', "cannot be used"),
        (" " * 2**25, "claims more than"),
    ],
)
def test_a_hostile_card_is_refused(tmp_path, card, message):
    (tmp_path / "x.tflite").write_bytes(_with_card(card))
    with pytest.raises(ValueError, match=rf"x\.tflite .*{message}|{message}"):
        read_info(tmp_path / "x.tflite")


def test_an_archive_that_understates_what_it_unpacks_is_refused(tmp_path):
    bomb = _with_card(" " * 2**25, compression=zipfile.ZIP_DEFLATED)
    size = (2**25).to_bytes(4, "little")
    archive = bomb.index(b"PK")
    directory = bomb[archive:].replace(size, bytes([9, 0, 0, 0]))
    (tmp_path / "x.tflite").write_bytes(bomb[:archive] + directory)
    with pytest.raises(ValueError, match=r"x\.tflite is damaged: model\.json is compressed"):
        read_info(tmp_path / "x.tflite")


def test_labels_and_card_must_agree(tmp_path, info):
    write_bundle(MODEL, info, tmp_path / "x.tflite")
    with zipfile.ZipFile(tmp_path / "x.tflite") as archive:
        card = archive.read("model.json").decode()
    (tmp_path / "x.tflite").write_bytes(_with_card(card, "Dog\nRain\n"))
    with pytest.raises(ValueError, match="5 labels declared, 2 found"):
        read_info(tmp_path / "x.tflite")


def test_an_older_card_lacks_later_fields_and_is_read(tmp_path, info):
    write_bundle(MODEL, info, tmp_path / "x.tflite")
    with zipfile.ZipFile(tmp_path / "x.tflite") as archive:
        card = json.loads(archive.read("model.json"))
        labels = archive.read("labels.txt").decode()
    for name in ("io_type", "task", "network"):
        del card[name]
    del card["front_end"]["power_floor"]
    (tmp_path / "x.tflite").write_bytes(_with_card(json.dumps(card), labels))
    assert read_info(tmp_path / "x.tflite") == info


def test_a_bundle_is_not_wrapped_twice(tmp_path, info):
    write_bundle(MODEL, info, tmp_path / "x.tflite")
    with pytest.raises(ValueError, match="already carries"):
        write_bundle((tmp_path / "x.tflite").read_bytes(), info, tmp_path / "y.tflite")


def test_a_failed_write_leaves_nothing_behind(tmp_path, info):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(ValueError, match="taken is a folder"):
        write_bundle(MODEL, info, tmp_path / "taken")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("labels", ("two\nlines",)),
        ("labels", ("",)),
        ("clip_samples", 0),
        ("clip_samples", 1.5),
        ("sample_rate_hz", -1),
        ("input", "mfcc"),
        ("quantization", "int4"),
        ("io_type", "uint8"),
        ("task", "regression"),
        ("front_end", {"mel_bins": 64}),
    ],
)
def test_impossible_cards_are_refused(info, field, value):
    with pytest.raises(ValueError, match="received"):
        dataclasses.replace(info, **{field: value})
