"""From a waveform of any length to the scores that Keras gives its windows."""

import dataclasses
import shutil

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from aec_ofa_tf.audio.log_mel import log_mel
from aec_ofa_tf.tagging.model_file import read_bundle, write_bundle
from aec_ofa_tf.tagging.tagger import Tagger


def refuse(waveform, clip_samples, policy):
    raise ValueError("this waveform needs no fitting")


def keras_scores(model, *windows):
    return model(log_mel(tf.constant(np.stack(windows))), training=False).numpy().max(axis=0)


@pytest.mark.parametrize("form", ["log_mel", "waveform"])
def test_a_clip_gets_keras_scores(exported, largest, waveforms, form):
    tagger = Tagger(exported.path(largest, form), fit_length=refuse)
    expected = keras_scores(exported.models[largest], waveforms[5])
    np.testing.assert_allclose(tagger.tag(waveforms[5]), expected, atol=1e-4)


def test_a_long_waveform_gets_the_maximum_over_windows(exported, largest, waveforms):
    clip = waveforms.shape[1]
    long = np.concatenate([waveforms[6], waveforms[2], waveforms[4][: clip // 3]])
    windows = long[:clip], long[clip : 2 * clip], long[-clip:]
    tagger = Tagger(exported.path(largest, "log_mel"), fit_length=refuse)
    expected = keras_scores(exported.models[largest], *windows)
    np.testing.assert_allclose(tagger.tag(long), expected, atol=1e-4)
    # The maximum is not that of any one window.
    assert all(
        np.abs(expected - keras_scores(exported.models[largest], w)).max() > 1e-3 for w in windows
    )


def test_whole_clips_make_no_further_window(exported, largest, waveforms):
    tagger = Tagger(exported.path(largest, "waveform"), fit_length=refuse)
    expected = keras_scores(exported.models[largest], waveforms[1], waveforms[3])
    np.testing.assert_allclose(
        tagger.tag(np.concatenate([waveforms[1], waveforms[3]])), expected, atol=1e-4
    )


def test_a_short_waveform_is_fitted_by_the_models_policy(exported, largest, waveforms):
    asked = []

    def repeat(waveform, clip_samples, policy):
        asked.append((len(waveform), clip_samples, policy))
        return np.resize(waveform, clip_samples)

    short = waveforms[5][:5000]
    received = Tagger(exported.path(largest, "log_mel"), fit_length=repeat).tag(short)
    assert asked == [(5000, waveforms.shape[1], "repeat")]
    expected = keras_scores(exported.models[largest], np.resize(short, waveforms.shape[1]))
    np.testing.assert_allclose(received, expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(0,), (2, 20480)])
def test_what_is_no_waveform_is_refused(exported, largest, shape):
    tagger = Tagger(exported.path(largest, "waveform"), fit_length=refuse)
    with pytest.raises(ValueError, match="shape"):
        tagger.tag(np.zeros(shape))


SILENCE = np.zeros(30000, np.float32)


@pytest.mark.parametrize(
    ("waveform", "expected"),
    [
        (SILENCE.astype(np.int16), "received int16: divide integer samples"),
        (SILENCE.astype(bool), "received bool"),
        (SILENCE.astype(complex), "received complex128"),
        (SILENCE.astype(object), "received object"),
        (np.append(SILENCE, np.nan), "NaN or infinite"),
        (np.append(SILENCE, -np.inf), "NaN or infinite"),
        (np.append(SILENCE.astype(float), 1e300), "NaN or infinite"),
    ],
)
def test_samples_that_are_no_sound_are_refused_whole_and_in_blocks(
    exported, largest, waveform, expected
):
    tagger = Tagger(exported.path(largest, "waveform"))
    with pytest.raises(ValueError, match=expected):
        tagger.tag(waveform)
    with pytest.raises(ValueError, match=expected):
        list(tagger.score_windows(np.array_split(waveform, 3)))


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", None, True])
def test_threads_are_a_positive_number(exported, largest, threads):
    with pytest.raises(ValueError, match="threads is a whole number of at least 1, received"):
        Tagger(exported.path(largest, "waveform"), threads)


def test_an_empty_path_is_no_model():
    with pytest.raises(ValueError, match="path of a model is empty"):
        Tagger("")


def test_a_missing_front_end_is_named(exported, largest, tmp_path):
    shutil.copy(exported.path(largest, "log_mel"), tmp_path / "alone.tflite")
    with pytest.raises(FileNotFoundError, match=r"alone\.tflite .*needs front_end\.tflite"):
        Tagger(tmp_path / "alone.tflite", fit_length=refuse)


@pytest.mark.parametrize("field", ["clip_samples", "sample_rate_hz"])
def test_another_models_front_end_is_refused(exported, largest, tmp_path, field):
    shutil.copy(exported.path(largest, "log_mel"), tmp_path / "x.tflite")
    content, info = read_bundle(exported.folder / "front_end.tflite")
    write_bundle(
        content, dataclasses.replace(info, **{field: 44100}), tmp_path / "front_end.tflite"
    )
    with pytest.raises(ValueError, match=rf"belongs to another model: its {field} is 44100"):
        Tagger(tmp_path / "x.tflite", fit_length=refuse)


def test_a_front_end_is_no_classifier(exported):
    with pytest.raises(ValueError, match="has no labels"):
        Tagger(exported.folder / "front_end.tflite", fit_length=refuse)


def test_windows_come_with_their_times_and_smoothed_scores(exported, largest, waveforms):
    tagger = Tagger(exported.path(largest, "waveform"), fit_length=refuse)
    clip, rate_hz = tagger.info.clip_samples, tagger.info.sample_rate_hz
    long = np.concatenate([waveforms[6], waveforms[2]])[: clip + clip // 2 + 1000]
    hop_secs = clip / 4 / rate_hz
    windows = [*tagger.score_windows(np.array_split(long, 7), hop_secs, 2 * hop_secs)]
    starts = [0, clip // 4, clip // 2, clip // 2 + 1000]
    np.testing.assert_allclose([w.begin_secs * rate_hz for w in windows], starts)
    np.testing.assert_allclose([(w.end_secs - w.begin_secs) * rate_hz for w in windows], clip)
    model = exported.models[largest]
    raw = [keras_scores(model, long[start : start + clip]) for start in starts]
    # The last window begins closer than a hop behind the one before it, so that it reaches three.
    means = [
        np.mean(raw[begin : end + 1], axis=0) for begin, end in [(0, 0), (0, 1), (1, 2), (1, 3)]
    ]
    np.testing.assert_allclose([w.scores for w in windows], means, atol=1e-4)


@pytest.mark.parametrize(
    ("hop_secs", "smoothing_secs"), [(0.0, 0.0), (-1.0, 0.0), (np.nan, 0.0), (1.0, np.inf)]
)
def test_impossible_times_are_refused(exported, largest, hop_secs, smoothing_secs):
    tagger = Tagger(exported.path(largest, "waveform"), fit_length=refuse)
    with pytest.raises(ValueError, match=r"finite and not negative|at least one sample"):
        next(tagger.score_windows([np.zeros(50000, np.float32)], hop_secs, smoothing_secs))


def test_a_file_is_decoded_resampled_and_tagged(exported, largest, waveforms, tmp_path):
    tagger = Tagger(exported.path(largest, "waveform"))
    soundfile.write(tmp_path / "clip.wav", waveforms[5], 32000, subtype="FLOAT")
    expected = dict(zip(tagger.info.labels, tagger.tag(waveforms[5]), strict=True))
    tags = tagger.tag_file(tmp_path / "clip.wav", top_k=5).tags
    received = {tag.label: tag.score for tag in tags}

    assert received == pytest.approx(expected, abs=1e-5)
    assert list(received.values()) == sorted(received.values(), reverse=True)
    assert tagger.tag_file(tmp_path / "clip.wav", top_k=2).tags == tags[:2]
    assert f"CNN10 {largest}, float32, waveform of 0.64 s at 32000 Hz, 5 labels" in repr(tagger)


@pytest.mark.parametrize(
    ("form", "changed"),
    [
        ("waveform", {"clip_samples": 2**64}),
        ("waveform", {"clip_samples": 2**33}),
        ("waveform", {"labels": ("Dog",)}),
        ("log_mel", {"labels": tuple(map(str, range(2000)))}),
    ],
)
def test_a_card_of_another_model_is_refused_before_audio_is_fitted_to_it(
    exported, largest, tmp_path, form, changed
):
    path = exported.path(largest, form)
    flatbuffer, info = read_bundle(path)
    write_bundle(flatbuffer, dataclasses.replace(info, **changed), tmp_path / "x.tflite")
    shutil.copy(exported.path(largest, "log_mel").parent / "front_end.tflite", tmp_path)
    with pytest.raises(ValueError, match=r"x\.tflite does not fit its model card"):
        Tagger(tmp_path / "x.tflite")
