"""Tiles: a network that looks at single pixels sees no tiles, and a real one shows no seams."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from segmentation_tf.evaluation import (
    predict_logits,
    predict_mask,
    predict_tile_logits,
    predict_tiles,
)
from segmentation_tf.models import build_unet
from segmentation_tf.training import train

TILE = 32


def pixel_model(shape=(TILE, TILE, 3)):
    """A network that looks at one pixel at a time: the logit is 5 - 10 * red."""
    inputs = keras.Input(shape)
    layer = keras.layers.Conv2D(1, 1, kernel_initializer="zeros")
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.array([-10, 0, 0], "float32").reshape(1, 1, 3, 1), np.array([5.0])])
    return model


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("overlap", [0, 0.25, 0.5, 0.75])
@pytest.mark.parametrize(
    ("height", "width"),
    [(64, 96), (61, 103), (32, 32), (33, 32), (20, 90), (90, 20), (5, 7), (1, 1)],
)
def test_tiles_of_a_network_without_surroundings_equal_the_whole(height, width, overlap):
    image = noise(height, width)
    logits = predict_tile_logits(pixel_model(), image, scale=1, overlap=overlap)
    assert logits.dtype == np.float32 and logits.shape == (height, width)
    np.testing.assert_allclose(logits, 5 - image[..., 0] / 25.5, atol=1e-4)
    mask = predict_tiles(pixel_model(), image, scale=1, overlap=overlap)
    np.testing.assert_array_equal(mask, image[..., 0] < 127.5)


def test_the_image_is_cut_at_its_scale():
    blocks = np.where(noise(10, 13) < 128, np.uint8(40), np.uint8(215))
    image = np.kron(blocks, np.ones((16, 8, 1), np.uint8))  # 160 x 104
    coarse = predict_tiles(pixel_model(), image, scale=(1 / 4, 1 / 2))
    fine = predict_tiles(pixel_model(), image, scale=1)
    assert coarse.shape == fine.shape == (160, 104)
    middles = slice(8, None, 16), slice(4, None, 8)
    np.testing.assert_array_equal(coarse[middles], fine[middles])
    enlarged = predict_tile_logits(pixel_model(), noise(20, 20), scale=2)
    assert enlarged.shape == (20, 20)


def counting_model():
    """A network with tiles of 8 px whose logit is the column in the tile."""
    inputs = keras.Input((8, 8, 3))
    columns = np.tile(np.arange(8, dtype="float32")[None, :, None], (8, 1, 1))
    return keras.Model(inputs, keras.layers.Lambda(lambda x: x[..., :1] * 0 + columns)(inputs))


def test_tiles_are_spread_evenly_and_end_where_the_image_ends():
    black = np.zeros((8, 18, 3), np.uint8)
    row = predict_tile_logits(counting_model(), black, scale=1, overlap=0)[0]
    # Three tiles begin in columns 0, 5 and 10; in the columns that two share, their mean counts.
    means = [2.5, 3.5, 4.5]
    np.testing.assert_allclose(row, [0, 1, 2, 3, 4, *means, 3, 4, *means, 3, 4, 5, 6, 7], atol=1e-5)


def test_a_tile_counts_less_towards_its_edge():
    black = np.zeros((8, 12, 3), np.uint8)
    row = predict_tile_logits(counting_model(), black, scale=1, overlap=0.5)[0]
    # Two tiles begin in columns 0 and 4. In columns 4 to 7 their weights are 7:1, 5:3, 3:5, 1:7.
    shared = [4 * 7 / 8, 5 * 5 / 8 + 1 * 3 / 8, 6 * 3 / 8 + 2 * 5 / 8, 7 * 1 / 8 + 3 * 7 / 8]
    np.testing.assert_allclose(row, [0, 1, 2, 3, *shared, 4, 5, 6, 7], atol=1e-5)


def test_an_image_of_the_networks_size_is_one_tile():
    image = noise(TILE, TILE)
    model = build_unet((TILE, TILE, 3), filters=(4, 8))
    whole = predict_logits(model, image, flips=True)
    tiled = predict_tile_logits(model, image, scale=1, flips=True)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def pebbles(size, seed):
    """Dark discs with noise on a light ground, and their mask; both are float in [0, 1]."""
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[:size, :size]
    mask = np.zeros((size, size), bool)
    for _ in range(size * size // 700):
        row, column = rng.uniform(0, size, 2)
        mask |= (y - row) ** 2 + (x - column) ** 2 < rng.uniform(4, 9) ** 2
    image = np.where(mask[..., None], 0.4, 0.6) + rng.normal(0, 0.12, (size, size, 3))
    return image.clip(0, 1), mask


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    images, masks = zip(*(pebbles(TILE, seed) for seed in range(1, 41)), strict=True)
    arrays = np.array(images, "float32"), np.array(masks, "float32")[..., None]
    model = build_unet((TILE, TILE, 3), filters=(8, 16))
    data = tf.data.Dataset.from_tensor_slices(arrays).batch(8)
    train(model, data, epochs=30, verbose=False)
    return model


def test_seams_do_not_show(trained):
    image, mask = pebbles(200, seed=0)
    image = (255 * image).astype(np.uint8)
    shift = TILE // 2

    def differing(overlap):
        """Share of pixels whose mask depends on where the tiles begin."""
        here = predict_tiles(trained, image, scale=1, overlap=overlap)
        moved = predict_tiles(trained, image[shift:, shift:], scale=1, overlap=overlap)
        return np.mean(here[shift:, shift:] != moved)

    def step_at_seams(overlap, tiles):
        """How much larger the steps of the logits are across the tiles' edges than elsewhere."""
        logits = predict_tile_logits(trained, image, scale=1, overlap=overlap)
        steps = np.abs(np.diff(logits, axis=1)).mean(axis=0)
        starts = np.linspace(0, 200 - TILE, tiles).round().astype(int)
        seams = np.concatenate([starts[1:] - 1, starts[:-1] + TILE - 1])
        return steps[seams].mean() / np.delete(steps, seams).mean()

    assert differing(0.5) < 0.75 * differing(0)
    assert step_at_seams(0, tiles=7) > 1.3 > 1.15 > step_at_seams(0.5, tiles=12)
    found = predict_tiles(trained, image, scale=1)
    assert np.mean(found == mask) > 0.9
    assert np.mean(predict_mask(trained, image) == mask) < np.mean(found == mask)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scale": 0}, "scale is 0; it must be above 0"),
        ({"scale": (0.1, -1)}, "it must be above 0"),
        ({"scale": float("nan")}, "scale is nan; it must be above 0"),
        ({"scale": float("inf")}, "makes the image inf x inf pixels"),
        ({"scale": 300}, "makes the image 12,000 x 12,000 pixels; give a smaller one"),
        ({"scale": 1, "overlap": 1}, "overlap is 1; it must be from 0 to 0.75"),
        ({"scale": 1, "threshold": 1}, "threshold is 1; it must be above 0 and below 1"),
    ],
)
def test_wrong_arguments_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        predict_tiles(pixel_model(), noise(40, 40), **wrong)


def test_wrong_images_and_networks_are_refused():
    with pytest.raises(ValueError, match="uint8 RGB"):
        predict_tiles(pixel_model(), noise(40, 40)[..., 0], scale=1)
    two_classes = build_unet((TILE, TILE, 3), classes=2, filters=(4, 8))
    with pytest.raises(ValueError, match="2 output channels"):
        predict_tiles(two_classes, noise(40, 40), scale=1)
