"""Pictures of training: readable, whatever labels are called."""

import numpy as np
import tensorflow as tf

from aec_ofa_tf.reporting.pictures import draw_clips, draw_matrices

STRANGE = ["$x$", "$", "犬の鳴き声", "a/b", ""]


def size(png: bytes) -> tuple[int, int]:
    height, width, _ = tf.io.decode_png(png).shape
    return width, height


def test_labels_that_look_like_formulas_or_have_letters_without_a_glyph_are_drawn():
    matrix = np.eye(len(STRANGE), dtype=np.int64)
    width, height = size(draw_matrices({"clips": matrix}, STRANGE, "label", "class"))
    assert min(width, height) > 300


def test_many_classes_stay_a_picture_of_ordinary_size():
    matrix, names = np.random.default_rng(0).random((50, 50)), [f"class {n}" for n in range(50)]
    pictures = {"labels": matrix, "scores": matrix}
    assert max(size(draw_matrices(pictures, names, "label", "class"))) < 3000


def test_mixed_and_shorter_clips_are_drawn_below_their_pairs():
    before = np.random.default_rng(0).normal(-40.0, 10.0, (4, 100, 64))
    names = ["1", "2", "3", "4"]
    alike = draw_clips(before, before, names, 0.01)
    mixed = draw_clips(before, before[:2, :50], names, 0.01)

    pixels = [tf.io.decode_png(png, channels=3).numpy() for png in (alike, mixed)]
    assert pixels[0].shape == pixels[1].shape
    half = pixels[0].shape[1] // 2 + 60
    white = [(picture[picture.shape[0] // 2 :, half:] == 255).all(2).mean() for picture in pixels]
    assert white[1] > 0.95 > white[0]
