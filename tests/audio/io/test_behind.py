"""What lies behind the samples is no sound, whatever its name; a second recording is refused."""

import struct

import numpy as np
import pytest

from aec_ofa_tf.audio.io.decode import DecodeError
from tests.audio.io.files import FRAMES, aiff, au, caf, encoded, pcm, tone, w64, wav
from tests.audio.io.test_lengths import BIG, BYTES, both_ways, by_file, by_pipe

NOISE = np.random.default_rng(0).integers(0, 256, 4001, np.uint8).tobytes()
GUANO = b"GUANO|Version: 1.0\nMake: Wildlife Acoustics\nTimestamp: 2024-01-01\n" * 8
XML = "<?xml version='1.0'?><note>zwölf Fledermäuse</note>\n".encode() * 20
MARKER = bytes.fromhex("5662f7ab2d39d21186c700c04f8edb8a")


def riff(name: bytes, body: bytes = NOISE, padded: bool = True) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (padded and len(body) % 2)


def form(name: bytes, body: bytes = NOISE) -> bytes:
    return name + struct.pack(">I", len(body)) + body + b"\0" * (len(body) % 2)


def caf_chunk(name: bytes) -> bytes:
    return name + struct.pack(">Q", len(NOISE)) + NOISE


def w64_chunk(name: bytes) -> bytes:
    return name + struct.pack("<Q", 24 + len(NOISE)) + NOISE + bytes(-len(NOISE) % 8)


INFO = riff(b"LIST", b"INFOISFT\4\0\0\0abc\0")
BEHIND = {
    "GUANO of bat recorders": wav(behind=riff(b"guan", GUANO)),
    "Wildlife Acoustics": wav(behind=riff(b"wamd")),
    "DGDA, then LIST": wav(behind=riff(b"DGDA") + INFO),
    "odd, without its padding": wav(behind=riff(b"AFAn", padded=False)),
    "odd in the middle, without its padding": wav(behind=riff(b"AFAn", padded=False) + INFO),
    "a chunk, then a tag": wav(behind=riff(b"AFAn") + b"TAG" + bytes(125)),
    "a chunk, then zeros": wav(behind=riff(b"AFAn") + bytes(512)),
    "a cut chunk of a known name": wav(behind=riff(b"guan", GUANO)[:100]),
    "zeros up to a block's end": wav(behind=bytes(4096)),
    "text": wav(behind=XML),
    "text behind AU": au(BIG, BYTES) + XML,
    "Logic, basc": aiff(BIG, BYTES) + form(b"basc"),
    "Logic, trns": aiff(BIG, BYTES) + form(b"trns") + form(b"basc"),
    "CAF": caf(BIG, BYTES) + caf_chunk(b"abcd"),
    "W64": w64(pcm(), BYTES) + w64_chunk(MARKER),
}


@both_ways
@pytest.mark.parametrize("case", BEHIND)
def test_what_lies_behind_the_samples_is_no_sound(tmp_path, read, case):
    decoded = read(tmp_path, BEHIND[case])
    np.testing.assert_allclose(decoded.waveform, tone() / 32768, rtol=0, atol=1e-7)
    assert decoded.notes == ()


def test_chunks_behind_compressed_samples_are_no_fault(tmp_path):
    data = encoded("WAV", subtype="IMA_ADPCM")
    assert len(by_file(tmp_path, data + riff(b"guan", GUANO)).waveform) >= FRAMES


@pytest.mark.parametrize("seed", range(20))
def test_sound_behind_a_wrong_length_is_not_taken_for_chunks(tmp_path, seed):
    rng = np.random.default_rng(seed)
    level = 10.0 ** rng.integers(0, 5)
    samples = (level * rng.standard_normal(6000)).clip(-32768, 32767).astype("<i2")
    size = 2 * int(rng.integers(0, 5000))
    decoded = by_file(tmp_path, wav(samples.tobytes(), size=size))
    assert len(decoded.waveform) == len(samples)
    assert len(decoded.notes) == 1


@pytest.mark.parametrize("size", [1 << 40, 1 << 63, (1 << 64) - 1])
def test_a_chunk_longer_than_any_file_is_sound(tmp_path, size):
    behind = struct.pack("<Q", size) + NOISE[:32]
    for data in (w64(pcm(), BYTES) + MARKER + behind, caf(BIG, BYTES) + b"abcd" + behind):
        assert len(by_file(tmp_path, data).waveform) > FRAMES


@both_ways
def test_silence_without_a_length_is_read(tmp_path, read):
    assert len(read(tmp_path, wav(bytes(2000), size=0)).waveform) == 1000


def test_a_long_tail_of_a_stream_is_known_by_its_name(tmp_path):
    body = bytes(range(128, 256)) * (1 << 14)  # 2 MiB: more than is looked ahead
    assert len(by_pipe(tmp_path, wav(behind=riff(b"guan", body))).waveform) == FRAMES


JOINED = {
    "WAV with a list, twice": (2 * wav(behind=INFO), "another recording .*WAV"),
    "samples, list, samples": (wav(behind=INFO + riff(b"data", pcm())), "a second part of samples"),
    "WAV and FLAC": (wav() + encoded("FLAC"), "another recording .*FLAC"),
    "WAV and Ogg": (wav() + encoded("OGG"), "another recording .*Ogg"),
    "WAV and MP3": (wav() + encoded("MP3"), "another recording .*MP3"),
    "WAV, chunk and MP3": (wav(behind=INFO) + encoded("MP3"), "another recording .*MP3"),
    "AIFF, chunk and AIFF": (
        aiff(BIG, BYTES) + form(b"basc") + aiff(BIG, BYTES),
        "another recording .*AIFF",
    ),
    "AU and W64": (au(BIG, BYTES) + w64(pcm(), BYTES), "another recording .*W64"),
}


@both_ways
@pytest.mark.parametrize("case", JOINED)
def test_a_second_recording_is_refused(tmp_path, read, case):
    data, message = JOINED[case]
    with pytest.raises(DecodeError, match=message):
        read(tmp_path, data)
