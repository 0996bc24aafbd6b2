"""A header's length is a hint: what is there is read, and a note says what the header got wrong."""

import io

import numpy as np
import pytest
import soundfile

from aec_ofa_tf.audio.io.containers import header_of_file
from aec_ofa_tf.audio.io.decode import DecodeError, decode
from tests.audio.io.files import (
    FRAMES,
    RATE_HZ,
    aiff,
    au,
    caf,
    encoded,
    ogg_of_flac,
    pcm,
    pipe,
    rf64,
    tone,
    w64,
    wav,
    without_frame_count,
)

UNKNOWN = "its header gives no length: it was read to its end"
BIG = pcm(big_endian=True)
BYTES = len(BIG)
FLAC = encoded("FLAC")
INT24 = b"".join(b"\0" + sample.tobytes() for sample in tone())


def by_file(tmp_path, data, **how):
    (tmp_path / "file").write_bytes(data)
    return decode(tmp_path / "file", RATE_HZ, **how)


def by_pipe(tmp_path, data, **how):
    with pipe(tmp_path, data) as path:
        return decode(path, RATE_HZ, **how)


RIGHT = {
    "wav": wav(),
    "rf64": rf64(pcm(), BYTES),
    "w64": w64(pcm(), BYTES),
    "aiff": aiff(BIG, BYTES),
    "sowt": aiff(pcm(), BYTES, compression=b"sowt"),
    "au": au(BIG, BYTES),
    "caf": caf(BIG, BYTES),
    "flac": FLAC,
    "ogg_flac": ogg_of_flac(FLAC),
}
FILLED_IN = {
    "SoX, 24 bits": wav(INT24, 0x7FFFEFFF, bits=24),
    "SoX, 3 channels": wav(np.repeat(tone(), 3).tobytes(), 0x7FFFEFFC, channels=3),
    "all ones": wav(size=0xFFFFFFFF),
    "SoX": wav(size=0x7FFFF000),
    "2^31": wav(size=0x80000000),
    "2^31, less the header": wav(size=0x7FFFFFDB),
    "ones, less the header": wav(size=0xFFFFFFDB),
    "SoX, AIFF": aiff(BIG, 0x7F000000, frames=0x3F800000),
    "RF64, 0": rf64(pcm(), 0),
    "WAV, 0": wav(size=0),
    "W64": w64(pcm(), 0x7FFFFFFFFFFFFFFF - 24),
    "AU": au(BIG, 0xFFFFFFFF),
    "CAF": caf(BIG, 0xFFFFFFFFFFFFFFFF),
    "FLAC": without_frame_count(FLAC),
    "Ogg FLAC": ogg_of_flac(without_frame_count(FLAC)),
}
UNCOMPRESSED = ["wav", "rf64", "w64", "aiff", "sowt", "au", "caf"]
both_ways = pytest.mark.parametrize("read", [by_file, by_pipe])


@both_ways
@pytest.mark.parametrize("case", FILLED_IN)
def test_a_length_that_a_stream_writer_filled_in_is_read_to_the_end(tmp_path, read, case):
    decoded = read(tmp_path, FILLED_IN[case])
    np.testing.assert_allclose(decoded.waveform, tone() / 32768, rtol=0, atol=1e-7)
    assert decoded.notes == (UNKNOWN,)


@both_ways
@pytest.mark.parametrize("form", RIGHT)
def test_a_right_length_is_followed_without_a_note(tmp_path, read, form):
    decoded = read(tmp_path, RIGHT[form])
    np.testing.assert_allclose(decoded.waveform, tone() / 32768, rtol=0, atol=1e-7)
    assert decoded.notes == ()


@both_ways
@pytest.mark.parametrize("excess", [2, 44])
def test_a_length_too_large_by_a_trifle_is_noted(tmp_path, read, excess):
    decoded = read(tmp_path, wav(size=BYTES + excess))
    assert len(decoded.waveform) == FRAMES
    assert decoded.notes == (
        f"{excess} of the {BYTES + excess} bytes that its header gives are missing at its end",
    )


@both_ways
@pytest.mark.parametrize(
    "data", [wav(size=2000), aiff(BIG, 2000), au(BIG, 2000)], ids=["wav", "aiff", "au"]
)
def test_a_length_that_wrapped_round_is_read_to_the_end(tmp_path, read, data):
    decoded = read(tmp_path, data)
    np.testing.assert_allclose(decoded.waveform, tone() / 32768, rtol=0, atol=1e-7)
    (note,) = decoded.notes
    assert note == "its header gives 2000 bytes, but more follow: it was read to its end"


@both_ways
@pytest.mark.parametrize(
    "behind", [b"LIST\x04\0\0\0abcd", b"id3 \x04\0\0\0abcd", b"TAG" * 40, b"\0"]
)
def test_chunks_and_tags_behind_the_samples_are_no_sound(tmp_path, read, behind):
    decoded = read(tmp_path, wav(behind=behind))
    assert len(decoded.waveform) == FRAMES
    assert decoded.notes == ()


@both_ways
def test_wavs_that_were_joined_are_refused(tmp_path, read):
    with pytest.raises(DecodeError, match="another recording is joined to its end"):
        read(tmp_path, wav() + wav())


@both_ways
@pytest.mark.parametrize("form", UNCOMPRESSED)
def test_a_recording_without_its_end_is_refused(tmp_path, read, form):
    with pytest.raises(DecodeError, match="truncated: at least"):
        read(tmp_path, RIGHT[form][: len(RIGHT[form]) // 2])


@pytest.mark.parametrize("subtype", ["ALAW", "ULAW", "IMA_ADPCM", "GSM610"])
def test_compressed_samples_without_their_end_are_refused(tmp_path, subtype):
    whole = encoded("WAV", subtype=subtype)
    with pytest.raises(DecodeError, match="truncated: at least"):
        by_file(tmp_path, whole[: len(whole) // 2])


@both_ways
def test_the_share_that_may_be_missing_is_declared(tmp_path, read):
    short = wav(size=BYTES * 100 // 95)
    assert len(read(tmp_path, short, max_missing=0.06).waveform) == FRAMES
    (tmp_path / "again").mkdir()
    with pytest.raises(DecodeError, match="truncated: at least 421 of 8421 bytes"):
        read(tmp_path / "again", short, max_missing=0.04)


def test_no_byte_may_be_missing_where_the_share_is_zero(tmp_path):
    with pytest.raises(DecodeError, match="truncated: at least 2 of"):
        by_file(tmp_path, wav(size=BYTES + 2), max_missing=0)


def test_compressed_samples_of_a_wrong_length_are_refused(tmp_path):
    whole = bytearray(encoded("WAV", subtype="IMA_ADPCM"))
    position = whole.index(b"data") + 4
    whole[position : position + 4] = (256).to_bytes(4, "little")
    with pytest.raises(DecodeError, match="compressed samples after it cannot be read"):
        by_file(tmp_path, bytes(whole))


@pytest.mark.parametrize("form", ["WAV", "AIFF", "AU", "CAF", "W64", "RF64"])
@pytest.mark.parametrize(
    "subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]
)
def test_samples_are_those_that_libsndfile_decodes(tmp_path, form, subtype):
    waveform = np.random.default_rng(0).uniform(-0.9, 0.9, (500, 2))
    data = encoded(form, waveform, subtype=subtype)
    (tmp_path / "file").write_bytes(data)
    expected, _ = soundfile.read(tmp_path / "file", dtype="float32")
    decoded = by_file(tmp_path, data)
    np.testing.assert_array_equal(decoded.waveform, (expected[:, 0] + expected[:, 1]) / 2)
    assert decoded.notes == ()


def test_a_tag_in_front_of_a_wav_is_passed_over(tmp_path):
    tag = b"ID3\x03\0\0\0\0\x01\x00" + bytes(128)
    assert by_file(tmp_path, tag + wav(size=0)).notes == (UNKNOWN,)


def test_a_format_whose_end_cannot_be_checked_is_noted(tmp_path):
    decoded = by_file(tmp_path, encoded("SVX"))
    assert decoded.notes == ("SVX: whether it is complete cannot be checked",)


@pytest.mark.parametrize("form", ["caf", "w64"])
def test_a_chunk_longer_than_any_file_ends_the_header(form):
    data = RIGHT[form]
    position = data.index(b"fmt " if form == "w64" else b"desc")
    chunk = b"junk" + data[position + 4 : position + 16] * (form == "w64") + b"\x7f" + 7 * b"\xff"
    assert header_of_file(io.BytesIO(data[:position] + chunk + data[position:])) is None


@pytest.mark.parametrize("exponent", [0, 0x3FFF, 0x7FFF, 0xFFFF])
def test_an_aiff_whose_rate_is_no_rate_is_refused(tmp_path, exponent):
    data = bytearray(RIGHT["aiff"])
    position = data.index(b"COMM") + 16
    data[position : position + 2] = exponent.to_bytes(2, "big")
    with pytest.raises(DecodeError, match=r"a sample rate of [012] Hz"):
        by_file(tmp_path, bytes(data))


def test_a_share_lies_between_nothing_and_all(tmp_path):
    with pytest.raises(ValueError, match="max_missing is a share from 0 to 1, received 2"):
        by_file(tmp_path, RIGHT["wav"], max_missing=2)
