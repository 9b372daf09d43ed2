"""Instances from maps: touching things come apart, and join stuff in a panoptic map."""

import numpy as np
import pytest
from scipy import ndimage

from segmentation_tf.drawn import meadow
from segmentation_tf.panoptic.scores import average_precision, panoptic_quality
from segmentation_tf.panoptic.targets import (
    connected_components,
    instance_maps,
    instance_scores,
    merge_panoptic,
    watershed_instances,
    without_small,
)

GRASS, SKY, BUSH, FENCE, SHEEP = range(5)


def discs(*places, shape=(40, 70)):
    """Discs (row, column, radius), each in front of those before it: int `(H, W)`."""
    rows, columns = np.indices(shape)
    found = np.zeros(shape, np.int32)
    for number, (row, column, radius) in enumerate(places, 1):
        found[np.hypot(rows - row, columns - column) <= radius] = number
    return found


def watershed(instances, **options):
    """What comes back from perfect maps of the instances."""
    _, border, distance = np.moveaxis(instance_maps(instances), -1, 0)
    return watershed_instances(instances > 0, distance, border, **{"dip": 0.5, **options})


def same(found, instances):
    """Whether two maps hold the same things, but for their numbers and a pixel of their edge."""
    scored = found, instance_scores(found, np.ones(found.shape))
    same_count = np.unique(found).size == np.unique(instances).size
    return same_count and average_precision([instances], [scored], iou=0.95) == 1


TOUCHING = discs((20, 20, 12), (20, 42, 11), (8, 62, 5))


# --- telling apart ---------------------------------------------------------------------------


def test_connected_components_join_what_touches_and_the_watershed_does_not():
    assert connected_components(TOUCHING > 0).max() == 2
    assert same(watershed(TOUCHING), TOUCHING)


def test_pixels_that_touch_at_a_corner_are_one_component():
    assert connected_components(np.eye(4, dtype=bool)).max() == 1


def test_things_of_any_size_have_a_seed():
    big_and_small = discs((20, 25, 18), (20, 46, 3), (4, 66, 2))
    assert same(watershed(big_and_small), big_and_small)


def test_overlapping_things_come_apart():
    assert same(watershed(discs((20, 20, 12), (24, 33, 11))), discs((20, 20, 12), (24, 33, 11)))


def test_a_head_is_no_sheep_of_its_own():
    sheep = discs((20, 25, 14), (10, 44, 7))
    sheep[sheep > 0] = 1
    sheep[14:18, 30:40] = 1  # a neck
    assert watershed(sheep).max() == 1
    assert watershed(sheep, dip=0.1, peak=0.6).max() == 1
    assert watershed(sheep, dip=0.1, peak=0.41).max() == 2, "its distance is half of the body's"


def test_two_peaks_of_one_height_are_one_thing_if_the_dip_between_them_is_small():
    sheep = discs((20, 20, 10), (20, 34, 10)) > 0
    distance = instance_maps(sheep.astype(int))[..., 2]
    assert (distance == 1).sum() >= 2
    assert watershed_instances(sheep, distance, dip=0.5).max() == 1
    assert watershed_instances(sheep, distance, dip=0.1).max() == 2


def test_a_part_behind_a_rail_goes_to_the_nearest_thing_within_reach():
    sheep = discs((20, 25, 12))
    sheep[26:29] = 0
    assert ndimage.label(sheep)[1] == 2
    assert same(watershed(sheep), sheep)
    alone = watershed(sheep, reach=2)
    assert alone.max() == 1 and not alone[29:].any()


def test_distance_alone_is_enough_and_noise_does_no_harm():
    rng = np.random.default_rng(0)
    distance = instance_maps(TOUCHING)[..., 2] + rng.normal(0, 0.05, TOUCHING.shape)
    found = watershed_instances(TOUCHING > 0, ndimage.gaussian_filter(distance, 0.7))
    score = average_precision([TOUCHING], [(found, dict.fromkeys(range(1, 9), 1.0))])
    assert found.max() == 3 and score == 1


def test_nothing_to_find():
    nothing = np.zeros((6, 9))
    for found in (
        connected_components(nothing > 0),
        watershed_instances(nothing > 0, nothing),
        watershed_instances(nothing == 0, nothing, nothing),
    ):
        assert found.shape == (6, 9) and found.dtype == np.int32 and not found.any()


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="resize them first"):
        watershed_instances(np.ones((4, 5), bool), np.ones((4, 6)))


def test_small_ones_go_and_the_others_are_numbered_anew():
    found = without_small(np.array([[1, 1, 0, 5, 9, 9, 9]]), 2)
    assert found.tolist() == [[1, 1, 0, 0, 2, 2, 2]] and found.dtype == np.int32
    assert connected_components(TOUCHING > 0, least=100).max() == 1
    assert watershed(TOUCHING, least=100).max() == 2


def test_scores_are_means():
    instances = np.array([[1, 1, 0, 7]])
    assert instance_scores(instances, np.array([[0.2, 0.4, 0.9, 0.5]])) == pytest.approx(
        {1: 0.3, 7: 0.5}
    )
    assert instance_scores(np.zeros((2, 2), int), np.ones((2, 2))) == {}


# --- merging ---------------------------------------------------------------------------------


def test_merge_by_hand():
    classes = np.array(
        [[SKY, SKY, SKY, BUSH], [GRASS, SHEEP, SHEEP, SHEEP], [GRASS, GRASS, 255, SKY]]
    )
    instances = np.array([[0, 0, 0, 0], [0, 3, 3, 0], [0, 3, 0, 0]])
    found = merge_panoptic(classes, instances, SHEEP, least=2)
    assert found.ids.tolist() == [[5, 5, 5, 0], [4, 3, 3, 0], [4, 3, 0, 5]]
    assert found.classes == {3: SHEEP, 4: GRASS, 5: SKY}


def test_merge_of_nothing():
    found = merge_panoptic(np.full((2, 3), 255), np.zeros((2, 3), int), SHEEP)
    assert not found.ids.any() and found.classes == {}


# --- on the drawn meadows --------------------------------------------------------------------


def test_merge_of_different_shapes_is_refused():
    with pytest.raises(ValueError, match="classes are .* instances .*resize"):
        merge_panoptic(np.zeros((4, 5), int), np.zeros((4, 6), int), thing=1)


def test_perfect_maps_of_meadows_score_high_and_connected_components_far_lower():
    truths = [meadow.draw_picture(number, 1)[1] for number in range(8)]
    instances, found, quality = [], {"watershed": [], "components": []}, {}
    for truth in truths:
        sheep = [number for number, label in truth.classes.items() if label == meadow.SHEEP]
        of_id = np.zeros(truth.ids.max() + 1, np.int32)
        of_id[sheep] = np.arange(1, len(sheep) + 1)
        instances.append(of_id[truth.ids])
        found["watershed"].append(watershed(instances[-1], least=meadow.LEAST))
        found["components"].append(connected_components(instances[-1] > 0, meadow.LEAST))
    for method, maps in found.items():
        of_class = [np.array([0, *truth.classes.values()])[truth.ids] for truth in truths]
        merged = [merge_panoptic(*pair, meadow.SHEEP) for pair in zip(of_class, maps)]
        sheep = panoptic_quality(truths, merged).of_class[meadow.SHEEP].pq
        scored = [(one, instance_scores(one, np.ones(one.shape))) for one in maps]
        quality[method] = sheep, average_precision(instances, scored)
    assert min(quality["watershed"]) > 0.93
    assert quality["watershed"][0] > quality["components"][0] + 0.15
    assert quality["watershed"][1] > quality["components"][1] + 0.15
