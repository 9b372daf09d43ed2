"""Maps to learn from, and back: touching things come apart, and join stuff in a panoptic map."""

import numpy as np
import pytest
from scipy import ndimage

from meadow_tree import write_meadows
from segmentation_tf.datasets import coco_panoptic
from segmentation_tf.drawn import meadow
from segmentation_tf.images import open_image
from segmentation_tf.panoptic.maps import VOID
from segmentation_tf.panoptic.scores import average_precision, panoptic_quality
from segmentation_tf.panoptic.targets import (
    connected_components,
    instance_maps,
    instance_scores,
    merge_panoptic,
    remove_small,
    resize_labels,
    watershed_instances,
)
from segmentation_tf.pipeline import make_dataset

GRASS, SKY, BUSH, FENCE, SHEEP = range(5)


def discs(*places, shape=(40, 70)):
    """Discs (row, column, radius), each in front of those before it: int `(H, W)`."""
    rows, columns = np.indices(shape)
    found = np.zeros(shape, np.int32)
    for number, (row, column, radius) in enumerate(places, 1):
        found[np.hypot(rows - row, columns - column) <= radius] = number
    return found


def watershed(instances, min_prominence=0.5, **options):
    """What comes back from exact maps of the instances."""
    border, distance = np.moveaxis(instance_maps(instances), -1, 0)
    options["min_prominence"] = min_prominence
    return watershed_instances(instances > 0, distance, border, **options)


def same(found, instances):
    """Whether two maps hold the same things, but for their numbers and a pixel of their edge."""
    scored = found, instance_scores(found, np.ones(found.shape))
    same_count = np.unique(found).size == np.unique(instances).size
    return same_count and average_precision([instances], [scored], min_iou=0.95) == 1


TOUCHING = discs((20, 20, 12), (20, 42, 11), (8, 62, 5))


# --- targets for training --------------------------------------------------------------------


def test_instance_maps_by_hand():
    """Two sheep of 3 x 4 and 3 x 2 that touch, in the grass; the first is at the picture's edge."""
    instances = np.zeros((5, 8), int)
    instances[1:4, 0:4] = 1
    instances[1:4, 4:6] = 2

    border, distance = np.moveaxis(instance_maps(instances), -1, 0)

    np.testing.assert_array_equal(border[2], [0, 0, 0, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(border[1], [1, 1, 1, 1, 1, 1, 0, 0])
    np.testing.assert_allclose(distance[2], [1, 1, 1, 0.5, 1, 1, 0, 0])


@pytest.mark.parametrize(("value", "expected"), [(0, [0, 0]), (-1, [0, 0]), (1, [0, 1])])
def test_instance_maps_of_nothing_of_a_crowd_and_of_one_without_an_outside(value, expected):
    assert (instance_maps(np.full((4, 5), value)) == expected).all()


def test_every_instance_has_a_peak_of_one():
    instances = np.zeros((20, 30), int)
    instances[2:5, 2:5], instances[4:18, 5:25], instances[19, 29] = 4, 2, 9

    distance = instance_maps(instances)[..., 1]

    assert [distance[instances == number].max() for number in (2, 4, 9)] == [1, 1, 1]


def test_labels_are_resized_to_the_number_in_the_middle():
    labels = np.arange(16).reshape(4, 4)

    np.testing.assert_array_equal(resize_labels(labels, (4, 2)), labels[:, 1::2])


def test_targets_go_through_make_dataset(tmp_path):
    write_meadows(tmp_path)
    cases = coco_panoptic.load_cases(tmp_path)

    def load(case):
        classes = resize_labels(coco_panoptic.read_classes(case), (12, 16))
        sheep = resize_labels(coco_panoptic.read_instances(case), (12, 16))
        return open_image(case.image), np.dstack([classes, instance_maps(sheep)])

    images, targets = next(iter(make_dataset(cases, (12, 16), 4, load_fn=load)))

    assert images.shape == (4, 12, 16, 3) and targets.shape == (4, 12, 16, 3)
    np.testing.assert_array_equal(targets[0], load(cases[0])[1])


# --- telling apart ---------------------------------------------------------------------------


def test_connected_components_join_what_touches_even_at_a_corner():
    assert connected_components(TOUCHING > 0).max() == 2
    assert connected_components(np.eye(4, dtype=bool)).max() == 1


@pytest.mark.parametrize(
    "things",
    [
        TOUCHING,
        discs((20, 25, 18), (20, 46, 3), (4, 66, 2)),  # large and small
        discs((20, 20, 12), (24, 33, 11)),  # one in front of the other
    ],
)
def test_each_thing_comes_back_from_its_exact_maps(things):
    assert same(watershed(things), things)


@pytest.mark.parametrize(
    ("min_prominence", "min_peak", "sheep"),
    [(0.5, 0.5, 1), (0.1, 0.6, 1), (0.1, 0.41, 2)],  # the head's distance is half of the body's
)
def test_a_head_is_no_sheep(min_prominence, min_peak, sheep):
    body_and_head = discs((20, 25, 14), (10, 44, 7)) > 0
    body_and_head[14:18, 30:40] = True  # the neck

    found = watershed(body_and_head.astype(int), min_prominence=min_prominence, min_peak=min_peak)

    assert found.max() == sheep


@pytest.mark.parametrize(("min_prominence", "sheep"), [(0.5, 1), (0.1, 2)])
def test_two_equal_peaks_are_one_thing_if_the_valley_between_them_is_shallow(min_prominence, sheep):
    mask = discs((20, 20, 10), (20, 34, 10)) > 0
    distance = instance_maps(mask.astype(int))[..., 1]
    assert (distance == 1).sum() >= 2

    assert watershed_instances(mask, distance, min_prominence=min_prominence).max() == sheep


def test_a_part_behind_a_rail_goes_to_the_nearest_thing_within_max_distance():
    sheep = discs((20, 25, 12))
    sheep[26:29] = 0
    assert ndimage.label(sheep)[1] == 2

    assert same(watershed(sheep), sheep)
    alone = watershed(sheep, max_distance=2)
    assert alone.max() == 1 and not alone[29:].any()


def test_distance_alone_is_enough_and_noise_does_no_harm():
    rng = np.random.default_rng(0)
    distance = instance_maps(TOUCHING)[..., 1] + rng.normal(0, 0.05, TOUCHING.shape)

    found = watershed_instances(TOUCHING > 0, ndimage.gaussian_filter(distance, 0.7))

    scores = instance_scores(found, np.ones(found.shape))
    assert found.max() == 3 and average_precision([TOUCHING], [(found, scores)]) == 1


@pytest.mark.parametrize(
    "find",
    [
        lambda nothing: connected_components(nothing > 0),
        lambda nothing: watershed_instances(nothing > 0, nothing),
        lambda nothing: watershed_instances(nothing == 0, nothing, nothing),
    ],
)
def test_nothing_to_find(find):
    found = find(np.zeros((6, 9)))

    assert found.shape == (6, 9) and found.dtype == np.int32 and not found.any()


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"\[\(4, 5\), \(4, 6\)\]: resize them first"):
        watershed_instances(np.ones((4, 5), bool), np.ones((4, 6)))


def test_small_ones_go_and_the_others_are_numbered_in_turn():
    found = remove_small(np.array([[1, 1, 0, 5, 9, 9, 9]]), 2)

    assert found.tolist() == [[1, 1, 0, 0, 2, 2, 2]] and found.dtype == np.int32
    assert connected_components(TOUCHING > 0, min_size=100).max() == 1
    assert watershed(TOUCHING, min_size=100).max() == 2


def test_scores_are_means():
    instances, confidence = np.array([[1, 1, 0, 7]]), np.array([[0.2, 0.4, 0.9, 0.5]])

    assert instance_scores(instances, confidence) == pytest.approx({1: 0.3, 7: 0.5})
    assert instance_scores(np.zeros((2, 2), int), np.ones((2, 2))) == {}


# --- things and stuff ------------------------------------------------------------------------


def test_merge_by_hand():
    classes = np.array(
        [[SKY, SKY, SKY, BUSH], [GRASS, SHEEP, SHEEP, SHEEP], [GRASS, GRASS, 255, SKY]]
    )
    instances = np.array([[0, 0, 0, 0], [0, 3, 3, 0], [0, 3, 0, 0]])

    found = merge_panoptic(classes, instances, SHEEP, min_size=2)

    assert found.ids.tolist() == [[5, 5, 5, 0], [4, 3, 3, 0], [4, 3, 0, 5]]
    assert found.classes == {3: SHEEP, 4: GRASS, 5: SKY}


def test_merge_without_instances():
    found = merge_panoptic(np.array([[VOID, GRASS, SHEEP]]), np.zeros((1, 3), int), SHEEP)

    assert found.ids.tolist() == [[0, 1, 0]] and found.classes == {1: GRASS}


def test_merge_of_different_shapes_is_refused():
    with pytest.raises(ValueError, match="classes are .* instances .*resize"):
        merge_panoptic(np.zeros((4, 5), int), np.zeros((4, 6), int), thing=1)


# --- on the drawn meadows --------------------------------------------------------------------


def test_exact_maps_of_meadows_score_high_and_connected_components_far_lower():
    truths = [meadow.draw_picture(number, 1)[1] for number in range(2)]
    classes = [np.array([VOID, *truth.classes.values()])[truth.ids] for truth in truths]
    sheep = [np.where(of == meadow.SHEEP, one.ids, 0) for one, of in zip(truths, classes)]

    def scores(found):
        merged = [merge_panoptic(*pair, meadow.SHEEP) for pair in zip(classes, found)]
        scored = [(one, instance_scores(one, np.ones(one.shape))) for one in found]
        pq = panoptic_quality(truths, merged).of_class[meadow.SHEEP].pq
        return np.array([pq, average_precision(sheep, scored)])

    apart = scores([watershed(one, min_size=meadow.LEAST) for one in sheep])
    joined = scores([connected_components(one > 0, meadow.LEAST) for one in sheep])

    assert (apart > 0.93).all() and (apart > joined + 0.15).all()
