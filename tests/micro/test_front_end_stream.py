"""The front end in C as a stream: pushes of any size, look-ahead, int8 values, memory."""

import numpy as np
import pytest

from aec_ofa_tf.audio.front_end import PRESETS, front_end
from aec_ofa_tf.micro.front_end import CONFIG_NAME, FLOAT32, SAMPLE_TYPES, write_front_end
from tests.micro.clips import as_int16, synthetic_clips
from tests.micro.compiled import HERE, compile_c, needs_compiler, try_to_compile

KEYWORD = PRESETS["keyword_16k"]
CONFIGS = {
    "keyword_16k": KEYWORD,
    "efficientat_32k": PRESETS["efficientat_32k"],
    "hop of a window": front_end("panns_16k", hop_samples=512),
    "odd window": front_end("panns_16k", window_samples=333, hop_samples=111, mel_bins=20),
    "pre-emphasis and hop of an odd window": front_end(
        "efficientat_32k", window_samples=801, hop_samples=801
    ),
}
pytestmark = needs_compiler


def clip_of(config, name: str = "speech-like", hops: int = 40) -> np.ndarray:
    return as_int16(synthetic_clips(config.sample_rate_hz, hops * config.hop_samples)[name])


@pytest.mark.parametrize("name", CONFIGS)
def test_pushes_of_any_size_give_the_same_bytes(compiled, name):
    program, clip = compiled(CONFIGS[name]), clip_of(CONFIGS[name])
    hop_by_hop = program.log_mel(clip)

    assert len(hop_by_hop) == 40
    for per_push in (1, 7, len(clip)):
        np.testing.assert_array_equal(program.log_mel(clip, per_push), hop_by_hop)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_clip_that_is_broken_off_leaves_nothing_in_the_next(compiled, name):
    program, clip = compiled(CONFIGS[name]), clip_of(CONFIGS[name])

    np.testing.assert_array_equal(program.log_mel(clip, mode="clips")[-40:], program.log_mel(clip))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_frames_of_a_stream_are_those_of_its_clips_but_at_their_edges(compiled, name):
    config = CONFIGS[name]
    program, clip = compiled(config), clip_of(config)
    whole = program.log_mel(clip)
    stream = program.log_mel(clip, mode="stream")
    later = program.log_mel(clip[10 * config.hop_samples :], mode="stream")
    edge = -(-config.window_samples // 2 // config.hop_samples)

    assert len(stream) == (len(clip) - 1 - lookahead_of(program)) // config.hop_samples + 1
    np.testing.assert_array_equal(stream, whole[: len(stream)])
    np.testing.assert_array_equal(later[edge:], whole[10 + edge : len(stream)])
    assert (later[0] != whole[10]).any()


@pytest.mark.parametrize("name", CONFIGS)
def test_a_frame_is_there_as_soon_as_its_look_ahead_is(compiled, name):
    config = CONFIGS[name]
    program, clip = compiled(config), clip_of(config)

    for frame in (0, 1, 5):
        needed = frame * config.hop_samples + lookahead_of(program) + 1
        assert len(program.log_mel(clip[:needed], mode="stream")) == frame + 1
        assert len(program.log_mel(clip[: needed - 1], mode="stream")) == frame


def test_a_clip_without_a_whole_first_frame_has_none(compiled):
    for samples in (0, 1, KEYWORD.window_samples // 2):
        assert len(compiled(KEYWORD).log_mel(clip_of(KEYWORD)[:samples])) == 0
        emphasised = compiled(PRESETS["efficientat_32k"])
        assert len(emphasised.log_mel(clip_of(KEYWORD)[:samples])) == 0


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_left_of_a_hop_has_no_frame(compiled, preset):
    config = PRESETS[preset]
    clip = clip_of(config)
    for extra in (1, config.hop_samples // 2, config.hop_samples - 1):
        frames = compiled(config).log_mel(clip[: 20 * config.hop_samples + extra])
        assert len(frames) == 20


@pytest.mark.parametrize(("scale", "zero_point"), [(0.5, 60), (0.30588236, 127), (1.7, -3)])
def test_int8_values_are_rounded_and_limited(compiled, scale, zero_point):
    clip = np.concatenate([clip_of(KEYWORD), clip_of(KEYWORD, "silence"), clip_of(KEYWORD, "tone")])
    level_db = compiled(KEYWORD).log_mel(clip)
    steps = level_db / np.float32(scale)
    away_from_zero = np.trunc(steps + np.copysign(np.float32(0.5), steps))
    expected = np.clip(away_from_zero + zero_point, -128, 127).astype(np.int8)
    received = compiled(KEYWORD).quantised(clip, scale, zero_point)

    np.testing.assert_array_equal(received, expected)
    assert (received == -128).any() == (scale < 1)


@pytest.mark.parametrize("preset", ["keyword_16k", "efficientat_32k"])
def test_samples_that_are_no_numbers_spoil_their_own_frames_alone(compiled, preset):
    config = PRESETS[preset]
    clip = synthetic_clips(config.sample_rate_hz, 20 * config.hop_samples)["noise"]
    damaged, middle = clip.copy(), 10 * config.hop_samples
    damaged[middle - 3 : middle + 3] = np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-40
    received, expected = (
        compiled(config, FLOAT32).quantised(samples, 0.5, 60) for samples in (damaged, clip)
    )

    np.testing.assert_array_equal(received[:9], expected[:9])
    np.testing.assert_array_equal(received[9:12], -128)
    np.testing.assert_array_equal(received[12:], expected[12:])


@pytest.mark.parametrize("constant", ["RAM_BYTES", "TABLE_BYTES"])
@pytest.mark.parametrize("sample_type", SAMPLE_TYPES)
def test_sizes_that_are_not_those_of_the_memory_do_not_compile(tmp_path, sample_type, constant):
    """That those which are written do compile is what all other tests show."""
    write_front_end(PRESETS["efficientat_32k"], tmp_path, sample_type)
    header = tmp_path / CONFIG_NAME
    size = defined(tmp_path, constant)
    text = header.read_text()
    header.write_text(text.replace(f"{constant} {size}\n", f"{constant} {size + 4}\n"))

    errors = try_to_compile(tmp_path, ["front_end.c", HERE / "driver.c"], "driver").stderr
    assert f"{constant.lower()}_are_as_stated" in errors


def test_the_header_is_cplusplus_too(tmp_path):
    write_front_end(KEYWORD, tmp_path)
    (tmp_path / "user.cc").write_text(
        '#include "front_end.h"\n#include "network.h"\n'
        "static_assert(sizeof(front_end_state) == FRONT_END_RAM_BYTES);\n"
        "front_end_state state;\nvoid start() { front_end_start(&state); }\n"
    )
    compile_c(tmp_path, ["-fsyntax-only", "user.cc"], "none", language=["-x", "c++", "-std=c++17"])


def lookahead_of(compute) -> int:
    return defined(compute.program.parent, "LOOKAHEAD_SAMPLES")


def defined(folder, name: str) -> int:
    """A number of `front_end_config.h`."""
    lines = (folder / CONFIG_NAME).read_text().splitlines()
    (value,) = [line.split()[2] for line in lines if line.startswith(f"#define FRONT_END_{name} ")]
    return int(value)
