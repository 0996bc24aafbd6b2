"""Recordings of several parts in one file: all of them are read, or the file is refused."""

import struct

import numpy as np
import pytest

from aec_ofa_tf.audio.io.decode import DecodeError, decode
from tests.audio.io.files import (
    RATE_HZ,
    encoded,
    ogg_of_flac,
    pipe,
    wav,
    without_frame_count,
)

SECS = 1.0


def noise(seed=0, secs=SECS, rate_hz=RATE_HZ):
    rng = np.random.default_rng(seed)
    return (0.2 * rng.standard_normal(int(secs * rate_hz))).clip(-1, 1)


def by_file(tmp_path, data, name="file"):
    (tmp_path / name).write_bytes(data)
    return decode(tmp_path / name, RATE_HZ)


def by_pipe(tmp_path, data):
    with pipe(tmp_path, data) as path:
        return decode(path, RATE_HZ)


def mp3(seed=0, secs=SECS) -> bytes:
    return encoded("MP3", noise(seed, secs))


def info_position(data: bytes) -> int:
    return max(data.find(b"Info", 0, 200), data.find(b"Xing", 0, 200))


def without_info(data: bytes) -> bytes:
    """With silence in the place of the Info header."""
    start = info_position(data)
    return data[:start] + bytes(120) + data[start + 120 :]


PARTS = {
    "ogg": (encoded("OGG", noise(0)), encoded("OGG", noise(1))),
    "opus": (
        encoded("OGG", noise(0), subtype="OPUS"),
        encoded("OGG", noise(1, 0.5), subtype="OPUS"),
    ),
    "ogg_flac": (
        ogg_of_flac(encoded("FLAC", noise(0))),
        ogg_of_flac(encoded("FLAC", noise(1))),
    ),
    "flac": (encoded("FLAC", noise(0)), encoded("FLAC", noise(1, 3.0))),
    "mp3": (mp3(0), mp3(1, 2.0)),
}


@pytest.mark.parametrize("read", [by_file, by_pipe])
@pytest.mark.parametrize("form", PARTS)
def test_joined_recordings_are_read_one_after_another(tmp_path, read, form):
    first, second = PARTS[form]
    parts = [by_file(tmp_path, data, f"{form}{n}") for n, data in enumerate((first, second))]
    assert not parts[0].notes
    decoded = read(tmp_path, first + second)
    expected = np.concatenate([part.waveform for part in parts])
    np.testing.assert_allclose(decoded.waveform, expected, rtol=0, atol=1e-6)
    assert decoded.notes == ("2 recordings joined in one file: all were read",)


@pytest.mark.parametrize("form", ["OGG", "FLAC", "MP3"])
def test_joined_recordings_of_different_rates_are_refused(tmp_path, form):
    data = encoded(form, noise()) + encoded(form, noise(), 2 * RATE_HZ)
    with pytest.raises(DecodeError, match="different sample rates or channels"):
        by_file(tmp_path, data)


def test_a_chained_ogg_without_its_last_page_is_truncated(tmp_path):
    data = PARTS["ogg"][0] + PARTS["ogg"][1]
    with pytest.raises(DecodeError, match="truncated: its last page is missing"):
        by_file(tmp_path, data[: data.rindex(b"OggS")])


def test_an_mp3_without_an_info_header_is_read_to_its_end(tmp_path):
    # An estimate from the first frames' bit rate, that of silence, is wrong.
    silent_end = np.concatenate([np.zeros(8 * RATE_HZ), noise(0, 2.0)])
    whole = encoded("MP3", silent_end)
    decoded = by_file(tmp_path, without_info(whole))
    assert abs(len(decoded.waveform) - len(silent_end)) < 6 * 576
    assert np.std(decoded.waveform[-RATE_HZ:]) > 0.1
    assert decoded.notes == ("its header gives no length: it was read to its end",)


def test_an_info_header_that_counts_too_few_frames_is_not_believed(tmp_path):
    data = mp3() + without_info(mp3(1, 2.0))
    decoded = by_file(tmp_path, data)
    assert abs(len(decoded.waveform) - 3 * RATE_HZ) < 6 * 576
    (note,) = decoded.notes
    assert note.startswith("its Info header gives ")
    assert note.endswith(": all were read")


def test_an_info_header_that_counts_too_many_frames_means_a_cut_file(tmp_path):
    data = bytearray(mp3())
    position = info_position(data)
    (frames,) = struct.unpack_from(">I", data, position + 8)
    struct.pack_into(">I", data, position + 8, 2 * frames)
    with pytest.raises(DecodeError, match=rf"truncated: at least \d+ of {2 * frames} MPEG frames"):
        by_file(tmp_path, bytes(data))


def test_tags_between_joined_mp3s_are_passed_over(tmp_path):
    tag = b"ID3\x03\0\0\0\0\x01\x00" + b"\xff\xfb" * 64
    decoded = by_file(tmp_path, tag + mp3() + b"TAG" + bytes(125) + tag + mp3(1))
    assert len(decoded.waveform) == 2 * RATE_HZ


def test_a_tag_in_front_of_a_flac_is_passed_over(tmp_path):
    tag = b"ID3\x03\0\0\0\0\x01\x00" + bytes(128)
    decoded = by_file(tmp_path, tag + PARTS["flac"][0])
    assert len(decoded.waveform) == RATE_HZ
    assert decoded.notes == ()


def test_notes_come_with_the_first_samples_too(tmp_path):
    (tmp_path / "x.mp3").write_bytes(without_info(mp3()))
    decoded = decode(tmp_path / "x.mp3", RATE_HZ, max_samples=100)
    assert decoded.notes == ("its header gives no length: it was read to its end",)
    (tmp_path / "x.ogg").write_bytes(PARTS["ogg_flac"][0])
    assert decode(tmp_path / "x.ogg", RATE_HZ, max_samples=100).notes == ()


def test_an_ogg_flac_whose_first_page_is_too_short_is_refused(tmp_path):
    data = bytearray(PARTS["ogg_flac"][0])
    data[27] = 5  # bytes of its only segment: the mark alone, without what must follow it
    with pytest.raises(DecodeError, match="damaged Ogg FLAC"):
        by_file(tmp_path, bytes(data))


@pytest.mark.parametrize("read", [by_file, by_pipe])
@pytest.mark.parametrize("counted", [(False, False), (True, False), (False, True)])
def test_joined_flacs_without_a_number_of_samples_are_read(tmp_path, read, counted):
    parts = [
        part if has_count else without_frame_count(part)
        for part, has_count in zip(PARTS["flac"], counted, strict=True)
    ]
    decoded = read(tmp_path, b"".join(parts))
    assert len(decoded.waveform) == 4 * RATE_HZ
    assert decoded.notes == (
        "2 recordings joined in one file: all were read",
        "its header gives no length: it was read to its end",
    )


FOREIGN = {
    "flac, mp3": (PARTS["flac"][0] + PARTS["mp3"][0], "MP3"),
    "flac, tagged mp3": (PARTS["flac"][0] + b"ID3\x03" + bytes(6) + without_info(mp3()), "MP3"),
    "flac, ogg": (PARTS["flac"][0] + PARTS["ogg"][0], "Ogg"),
    "flac, wav": (PARTS["flac"][0] + wav(), "WAV"),
    "flac without a count, mp3": (without_frame_count(PARTS["flac"][0]) + mp3(), "MP3"),
    "mp3, ogg": (PARTS["mp3"][0] + PARTS["ogg"][0], "Ogg"),
    "mp3, tag, flac": (PARTS["mp3"][0] + b"TAG" + bytes(125) + PARTS["flac"][0], "FLAC"),
    "ogg, mp3": (PARTS["ogg"][0] + PARTS["mp3"][0], "MP3"),
    "ogg, flac": (PARTS["ogg"][0] + PARTS["flac"][0], "FLAC"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_second_recording_of_another_format_is_refused(tmp_path, case):
    data, container = FOREIGN[case]
    message = rf"another recording is joined to its end \({container}\).*split the file"
    with pytest.raises(DecodeError, match=message):
        by_file(tmp_path, data)


def test_what_a_flac_keeps_of_a_wav_is_no_second_recording(tmp_path):
    flac = PARTS["flac"][0]
    application = b"\x02\0\0\x10" + b"riff" + wav()[:12]  # flac --keep-foreign-metadata
    decoded = by_file(tmp_path, flac[:42] + application + flac[42:])
    assert (len(decoded.waveform), decoded.notes) == (RATE_HZ, ())


@pytest.mark.parametrize("read", [by_file, by_pipe])
def test_an_mp3_that_stops_within_a_frame_is_read_to_its_last_whole_frame(tmp_path, read):
    whole = without_info(mp3(secs=3.0))
    decoded = read(tmp_path, whole[: len(whole) * 2 // 3])
    assert abs(len(decoded.waveform) - 2 * RATE_HZ) < 3 * 576
    assert decoded.notes == ("its header gives no length: it was read to its end",)


@pytest.mark.parametrize("form", ["mp3", "flac", "ogg"])
def test_a_tag_with_a_footer_is_passed_over(tmp_path, form):
    tag = b"ID3\x04\0\x10\0\0\x01\x00" + bytes(128) + b"3DI\x04\0\x10\0\0\x01\x00"
    plain = by_file(tmp_path, PARTS[form][0])
    tagged = by_file(tmp_path, tag + PARTS[form][0])
    np.testing.assert_array_equal(tagged.waveform, plain.waveform)
    assert tagged.notes == ()
