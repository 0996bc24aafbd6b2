"""What YouTube and phones give is read through PyAV, or the message says how to install it."""

import io
import sys

import numpy as np
import pytest

from aec_ofa_tf.audio.io.boxes import refuse_joined_boxes
from aec_ofa_tf.audio.io.decode import DecodeError, decode
from aec_ofa_tf.audio.io.errors import UnusableSoundError
from tests.audio.io.files import RATE_HZ, pipe, tone

# (suffix, FFmpeg's muxer, codec, rate).
KINDS = [
    ("m4a", "ipod", "aac", 16000),
    ("mp4", "mp4", "aac", 44100),
    ("aac", "adts", "aac", 16000),
    ("webm", "webm", "libopus", 48000),
    ("mka", "matroska", "pcm_s16le", 16000),
    ("wma", "asf", "wmav2", 44100),
    ("wv", "wv", "wavpack", 16000),
]
FIRST_BYTES = {
    "m4a": b"\0\0\0\x1cftypM4A \0\0\2\0",
    "webm": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1",
    "wma": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9",
    "aac": b"\xff\xf1\x60\x40\x1f\xbf\xfc",
}


def two_seconds(rate_hz: int) -> np.ndarray:
    return (12000 * np.sin(2 * np.pi * 440 / rate_hz * np.arange(2 * rate_hz))).astype(np.int16)


def encoded(av, muxer: str, codec: str, rate_hz: int) -> bytes:
    file = io.BytesIO()
    samples = two_seconds(rate_hz)
    with av.open(file, "w", format=muxer) as container:
        stream = container.add_stream(codec, rate=rate_hz)
        stream.layout, stream.bit_rate = "mono", 64_000
        form = {"libopus": "s16", "pcm_s16le": "s16", "wavpack": "s16p"}.get(codec, "fltp")
        resampler = av.AudioResampler(format=form, layout="mono", rate=rate_hz)
        fifo = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = rate_hz
        for converted in resampler.resample(frame):
            converted.pts = None
            fifo.write(converted)
        stream.codec_context.open(strict=False)
        while (piece := fifo.read(stream.codec_context.frame_size or 1024, True)) is not None:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.fixture(scope="module")
def av():
    return pytest.importorskip("av", reason="the extra `av` is not installed")


@pytest.fixture
def without_av(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)


@pytest.mark.parametrize("by_pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize(("suffix", "muxer", "codec", "rate_hz"), KINDS, ids=lambda kind: str(kind))
def test_compressed_formats_are_read(av, tmp_path, suffix, muxer, codec, rate_hz, by_pipe):
    data = encoded(av, muxer, codec, rate_hz)
    if by_pipe:
        with pipe(tmp_path, data) as path:
            waveform = decode(path, rate_hz).waveform
    else:
        (tmp_path / f"clip.{suffix}").write_bytes(data)
        waveform = decode(tmp_path / f"clip.{suffix}", rate_hz).waveform
    assert abs(len(waveform) - 2 * rate_hz) < 0.15 * rate_hz
    middle = waveform[rate_hz // 2 : rate_hz // 2 + rate_hz]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(12000 / 32768 / np.sqrt(2), rel=0.05)
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.argmax(spectrum) == 440


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[3], KINDS[5]], ids=lambda kind: kind[0])
def test_a_cut_file_is_refused(av, tmp_path, kind):
    suffix, *how = kind
    data = encoded(av, *how)
    (tmp_path / f"cut.{suffix}").write_bytes(data[: len(data) // 2])
    with pytest.raises(DecodeError, match=r"truncated|undecodable"):
        decode(tmp_path / f"cut.{suffix}")


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[4], KINDS[5]], ids=lambda kind: kind[0])
def test_joined_files_are_refused(av, tmp_path, kind):
    suffix, *how = kind
    (tmp_path / f"joined.{suffix}").write_bytes(2 * encoded(av, *how))
    with pytest.raises(DecodeError, match="another recording is joined to its end"):
        decode(tmp_path / f"joined.{suffix}")


def test_only_what_is_needed_is_decoded(av, tmp_path):
    (tmp_path / "x.m4a").write_bytes(encoded(av, "ipod", "aac", 16000))
    whole = decode(tmp_path / "x.m4a", 32000).waveform
    part = decode(tmp_path / "x.m4a", 32000, max_samples=8000).waveform
    np.testing.assert_array_equal(part, whole[:8000])


def test_a_file_without_audio_is_refused(av, tmp_path):
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=1)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (tmp_path / "x.mp4").write_bytes(file.getvalue())
    with pytest.raises(DecodeError, match="no audio in this MP4 file"):
        decode(tmp_path / "x.mp4")


@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXTINF:1,\n{}\n", "ffconcat version 1.0\nfile '{}'\n", "v=0\nm=audio 9 x 0"]
)
def test_a_playlist_opens_no_other_file(av, tmp_path, text):
    (tmp_path / "other.m4a").write_bytes(encoded(av, "ipod", "aac", 16000))
    (tmp_path / "list.m4a").write_text(text.format(tmp_path / "other.m4a"))
    with pytest.raises(DecodeError, match="undecodable: Format not recognised"):
        decode(tmp_path / "list.m4a")


@pytest.mark.parametrize(
    ("container", "data"),
    [
        ("MP4", b"\0\0\0\x0cftypM4A \0\0\0\1mdat" + (24).to_bytes(8, "big") + bytes(8)),
        ("WebM", b"\x1a\x45\xdf\xa3\x82ab\x18\x53\x80\x67\x40\x03abc"),
        ("WMA", FIRST_BYTES["wma"][:8] + bytes(8) + (30).to_bytes(8, "little") + bytes(6)),
    ],
)
def test_the_outermost_boxes_lead_to_a_joined_recording(container, data):
    refuse_joined_boxes(io.BytesIO(data), container)
    refuse_joined_boxes(io.BytesIO(data + data[:3]), container)
    for follower in (data, b"RIFF" + bytes(40)):
        with pytest.raises(UnusableSoundError, match="another recording is joined"):
            refuse_joined_boxes(io.BytesIO(data + follower), container)


@pytest.mark.parametrize("suffix", FIRST_BYTES)
def test_without_pyav_the_message_says_how_to_install_it(without_av, tmp_path, suffix):
    path = tmp_path / f"voice.{suffix}"
    path.write_bytes(FIRST_BYTES[suffix] + bytes(1000))
    with pytest.raises(DecodeError) as caught:
        decode(path)
    assert str(path) in str(caught.value)
    assert caught.value.reason.endswith("pip install '.[av]'")


def test_a_text_is_not_taken_for_audio_that_pyav_reads(without_av, tmp_path):
    (tmp_path / "notes.m4a").write_text("no sound at all, but long enough for a header")
    with pytest.raises(DecodeError, match="undecodable: Format not recognised"):
        decode(tmp_path / "notes.m4a")


def test_libsndfile_comes_first(without_av, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "x.wav", tone(), RATE_HZ)
    assert len(decode(tmp_path / "x.wav", RATE_HZ).waveform) == len(tone())
