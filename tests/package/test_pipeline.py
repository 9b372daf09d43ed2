"""Batches: shapes, ranges, and above all image and mask moved by the same draw."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ph2_tree import disc, write_ph2
from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets import ph2
from segmentation_tf.pipeline import (
    augment,
    load_arrays,
    make_dataset,
    random_transforms,
    random_windows,
    recolour,
    warp,
)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return ph2.load_cases(write_ph2(tmp_path_factory.mktemp("data") / "PH2Dataset", [0, 1, 2] * 4))


def collect(dataset):
    return [np.concatenate(part) for part in zip(*dataset.as_numpy_iterator(), strict=True)]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("size", "shape"), [(32, (32, 32)), ((24, 48), (24, 48))])
def test_shapes_types_and_ranges(cases, size, shape, training):
    dataset = make_dataset(cases, size, 5, training=training)
    images, masks = next(iter(dataset))
    assert images.shape == (5, *shape, 3) and images.dtype == tf.float32
    assert masks.shape == (5, *shape, 1) and masks.dtype == tf.float32
    assert dataset.element_spec[0].shape.as_list() == [5 if training else None, *shape, 3]
    images, masks = collect(dataset)
    assert len(images) == len(masks) == (10 if training else 12)
    assert 0 <= images.min() < 0.4 and 0.6 < images.max() <= 1


def test_short_last_batch_is_kept_but_not_in_training(cases):
    def batches(count, training):
        data = make_dataset(cases[:count], 32, 5, training=training)
        assert int(data.cardinality()) == len(list(data))
        return [len(images) for images, _ in data]

    assert batches(12, training=False) == [5, 5, 2]
    assert batches(12, training=True) == [5, 5]
    assert batches(3, training=False) == [3]
    assert batches(3, training=True) == [5]  # of the three cases, taken twice


def test_batch_without_images_or_pixels_is_refused(cases):
    with pytest.raises(ValueError, match="batch_size is 0; it must be at least 1"):
        make_dataset(cases, 32, 0, training=True)
    for size in (0, (32, 0), (32,), 32.5, "32", None):
        with pytest.raises(ValueError, match="^size is .*; give a number of pixels, or height"):
            make_dataset(cases, size, 4)


def test_training_leaves_out_other_cases_in_each_epoch(cases):
    data = make_dataset(
        cases, 16, 5, training=True, load_fn=load_number, augment_fn=lambda *batch: batch[:2]
    )
    epochs = [set(collect(data)[1][:, 0, 0]) for _ in range(5)]
    assert all(len(numbers) == 10 for numbers in epochs)
    assert len(set.union(*epochs)) == 12


def test_mask_is_binary_after_every_transform(cases):
    dataset = make_dataset(cases, 33, 4, training=True)
    for _ in range(10):
        assert set(np.unique(collect(dataset)[1])) == {0, 1}


def test_pairs_stay_together_through_shuffling_and_augmentation(cases):
    # In these images the lesson is dark, so a threshold on the image gives the mask back.
    images, masks = collect(make_dataset(cases, 64, 3, training=True).repeat(5))
    seen = images.mean(axis=-1, keepdims=True)
    middle = (seen.min(axis=(1, 2, 3), keepdims=True) + seen.max(axis=(1, 2, 3), keepdims=True)) / 2
    agree = ((seen < middle) == (masks > 0)).mean(axis=(1, 2, 3))
    assert agree.min() > 0.95


def disc_batch(count, centre, radius):
    """A batch of the same disc, float32 `(count, 64, 64, 1)`."""
    marks = disc(size=(64, 64), centre=centre, radius=radius)
    return tf.repeat(tf.constant(marks[None, ..., None], tf.float32), count, axis=0)


def test_augmentation_moves_image_and_mask_by_the_same_draw():
    # The mask is given as image too: what comes back must still be the same picture.
    batch = disc_batch(32, centre=(20, 40), radius=15)
    transforms = random_transforms(tf.shape(batch), (3, 4))
    assert len(np.unique(transforms.numpy(), axis=0)) == 32
    images, masks = augment(tf.repeat(batch, 3, axis=3), batch, (1, 2))
    moved = (masks.numpy() != batch.numpy()).mean(axis=(1, 2, 3))
    assert moved.min() > 0.001 and moved.max() > 0.1
    grey = images.numpy().mean(axis=-1, keepdims=True)
    middle = (grey.min(axis=(1, 2, 3), keepdims=True) + grey.max(axis=(1, 2, 3), keepdims=True)) / 2
    assert ((grey > middle) == (masks.numpy() > 0)).mean(axis=(1, 2, 3)).min() > 0.98


def test_different_draws_would_be_noticed():
    # The check above can fail: two draws in place of one tear image and mask apart.
    batch = disc_batch(32, centre=(20, 40), radius=15)
    _, first = augment(tf.repeat(batch, 3, axis=3), batch, (1, 2))
    _, second = augment(tf.repeat(batch, 3, axis=3), batch, (5, 6))
    assert (first.numpy() == second.numpy()).mean() < 0.98


def test_windows_show_the_same_place_of_image_and_mask_upright_and_at_many_places():
    bar = tf.constant(np.tile(np.arange(96)[:, None, None] < 48, (8, 1, 128, 1)).astype("float32"))
    images, masks = random_windows(tf.repeat(bar, 3, axis=3), bar, (64, 32), seed=(1, 2))
    assert images.shape == (8, 64, 32, 3) and masks.shape == (8, 64, 32, 1)
    assert set(np.unique(masks)) == {0, 1}
    assert ((images.numpy()[..., :1] > 0.5) == (masks.numpy() > 0)).mean() > 0.98
    # The upper half stays above, tilted by 0.1 radians at most: 3 px over the width of 32.
    edges = masks.numpy().sum(axis=(1, 3))
    assert np.ptp(edges, axis=1).max() <= 5
    assert np.ptp(edges.mean(axis=1)) > 8  # and each window was taken at another height


def test_windows_lie_in_the_frame_but_for_the_shift():
    ramp = tf.constant(np.tile(np.arange(128.0) / 127, (64, 64, 1)).astype("float32")[..., None])
    _, masks = random_windows(tf.repeat(ramp, 3, axis=3), ramp, (32, 32), seed=(3, 4))
    middles = masks.numpy().mean(axis=(1, 2, 3))
    assert middles.min() < 0.25 and middles.max() > 0.75  # from one side of the frame to the other


def test_augmentation_zooms_shifts_and_turns_within_its_limits():
    bar = np.zeros((64, 64, 1), "float32")
    bar[28:36, 16:48] = 1
    _, masks = augment(tf.zeros((64, 64, 64, 3)), tf.constant(np.tile(bar, (64, 1, 1, 1))), (7, 8))
    points = [np.argwhere(mask[..., 0]) for mask in masks.numpy()]
    areas = np.array([len(places) for places in points]) / bar.sum()
    assert 0.55 < areas.min() < 0.75 and 1.35 < areas.max() < 1.75  # 0.8 ** 2 to 1.25 ** 2
    middles = np.array([places.mean(axis=0) for places in points]) - 31.5
    assert np.ptp(middles, axis=0).min() > 9  # 0.1 of 64 px to each side, then turned and zoomed
    assert np.abs(middles).max() < 11.5
    (rows, both), (_, columns) = np.moveaxis([np.cov(places.T) for places in points], 0, -1)
    angles = np.arctan2(2 * both, columns - rows) / 2  # of the bar to the horizontal
    assert 0.2 < angles.max() < 0.33 and -0.33 < angles.min() < -0.2  # 0.3, and whole pixels


def test_augmentation_flips_to_all_four_corners_and_windows_only_left_to_right():
    corner = disc_batch(32, centre=(16, 16), radius=6)
    pictures = tf.repeat(corner, 3, axis=3)
    _, augmented = augment(pictures, corner, (1, 2))
    _, windows = random_windows(pictures, corner, (64, 64), seed=(1, 2))
    assert corners_of(augmented) == {"upper left", "upper right", "lower left", "lower right"}
    assert corners_of(windows) == {"upper left", "upper right"}


def corners_of(masks):
    """The corners of the image in which the marks of masks `(N, H, W, 1)` lie."""
    middles = [np.argwhere(mask[..., 0]).mean(axis=0) < 31.5 for mask in masks.numpy()]
    names = (("lower", "upper"), ("right", "left"))
    return {" ".join(pair[int(side)] for pair, side in zip(names, m)) for m in middles}


def test_colours_change_and_stay_in_range():
    images = tf.random.stateless_uniform((16, 8, 8, 3), (3, 4)).numpy()
    coloured = recolour(images, (1, 2)).numpy()
    assert np.abs(coloured - images).mean() > 0.02
    assert coloured.min() >= 0 and coloured.max() <= 1


def test_a_case_is_augmented_in_another_way_in_each_epoch(cases):
    dataset = make_dataset(cases[:1], 32, 1, training=True)
    for first, second in zip(collect(dataset), collect(dataset), strict=True):
        assert not np.array_equal(first, second)


def test_each_epoch_has_the_same_cases_in_another_order(cases):
    data = make_dataset(
        cases[:8], 16, 4, training=True, load_fn=load_number, augment_fn=lambda *batch: batch[:2]
    )
    first, second = (collect(data)[1][:, 0, 0].tolist() for _ in range(2))
    assert first != second
    assert sorted(first) == sorted(second) == sorted(map(number_of, cases[:8]))


def test_the_same_seed_gives_the_same_epochs(cases):
    first, second = (make_dataset(cases, 32, 4, training=True, seed=3) for _ in range(2))
    for _ in range(2):
        np.testing.assert_array_equal(collect(first)[0], collect(second)[0])


def test_without_training_order_and_values_stay(cases):
    images, masks = collect(make_dataset(cases, 32, 4))
    arrays = load_arrays(cases, 32)
    np.testing.assert_array_equal(images, arrays[0].astype("float32") / 255)
    np.testing.assert_array_equal(masks, arrays[1])


def number_of(case):
    return int(case.name[3:])


def load_number(case):
    """A grey picture, and as target not a map but the number of the case."""
    return Image.new("RGB", (20, 30), (10 * number_of(case),) * 3), [[number_of(case), 0.5]]


def test_load_fn_reads_cases_in_another_way(cases):
    images, targets = load_arrays(cases, 16, load_number)
    assert images.shape == (12, 16, 16, 3) and images.dtype == np.uint8
    assert targets.shape == (12, 1, 2) and targets.dtype == np.float32
    assert targets[:, 0, 0].tolist() == [number_of(case) for case in cases]
    assert images[:, 3, 5, 1].tolist() == [10 * number_of(case) for case in cases]


def test_augment_fn_takes_the_place_of_augment_in_training_alone(cases):
    def crop(images, numbers, seed):
        return images[:, :8, 4:], (numbers[:, 0, 0], tf.repeat(seed[None], len(numbers), axis=0))

    def make(training):
        return make_dataset(cases, 16, 4, training=training, load_fn=load_number, augment_fn=crop)

    images, targets = zip(*make(training=True), strict=True)
    numbers, seeds = (np.concatenate(part) for part in zip(*targets, strict=True))
    assert seeds.shape == (12, 2) and len(np.unique(seeds, axis=0)) == 3, "one draw a batch"
    assert sorted(numbers) == sorted(map(number_of, cases))
    plain, order = collect(make(training=False))
    assert plain.shape == (12, 16, 16, 3)
    where = [order[:, 0, 0].tolist().index(number) for number in numbers]
    np.testing.assert_array_equal(np.concatenate(images), plain[where, :8, 4:])


def test_warp_sends_output_to_input_and_mirrors_at_an_edge():
    image = np.arange(12, dtype="float32").reshape(1, 3, 4, 1)
    shift = tf.constant([[1.0, 0, 2, 0, 1, 1, 0, 0]])  # two to the right, one down
    found = warp(tf.constant(image), shift, "NEAREST", size=(2, 3)).numpy()[0, ..., 0]
    np.testing.assert_array_equal(found, [[6, 7, 7], [10, 11, 11]])
    assert warp(tf.constant(image), shift, "BILINEAR").shape == image.shape
    with pytest.raises(ValueError, match="interpolation is 'bilinear'; give \"BILINEAR\""):
        warp(tf.constant(image), shift, "bilinear")


def test_file_that_broke_later_is_a_dataset_error_before_the_first_batch(tmp_path):
    broken = ph2.load_cases(write_ph2(tmp_path / "PH2Dataset", [0, 1]))
    broken[1].image.write_bytes(b"BM")
    with pytest.raises(DatasetError, match="IMD003.bmp"):
        make_dataset(broken, 32, 4)


def test_no_cases_is_an_error():
    with pytest.raises(ValueError, match="no cases"):
        make_dataset([], 32, 4)
