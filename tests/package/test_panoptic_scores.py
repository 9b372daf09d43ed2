"""Panoptic quality and mean IoU against numbers worked by hand, AP against pycocotools."""

import math

import numpy as np
import pytest

from coco_precision import coco_precision
from segmentation_tf.panoptic.maps import Panoptic, colours_to_ids, ids_to_colours, segments_info
from segmentation_tf.panoptic.scores import average_precision, mean_iou, panoptic_quality

GRASS, SKY, BUSH, SHEEP = range(4)

# PQ is not tested against panoptica, which needs an older numpy than ours. Installed by itself,
# panoptica 2.1.7 gave the same tp, fp, fn and PQ on 60 random pictures.


def row(*runs):
    """A map of one row of pixels from pairs (value, length)."""
    return np.concatenate([np.full(length, value) for value, length in runs])[None]


def panoptic(classes, *runs, crowds=()):
    return Panoptic(row(*runs), classes, frozenset(crowds))


# --- panoptic quality ------------------------------------------------------------------------


def test_panoptic_quality_by_hand():
    """Two sheep on grass under the sky, 30 pixels in a row.

    true:       grass 1 x 10 | sheep 2 x 6        | sheep 3 x 4 | sky 4 x 10
    predicted:  grass 5 x 9  | sheep 6 x 7: 1 of  | sheep 7 x 8: 4 of sheep 3, 4 of the sky
                             | the grass, 6 of 2  |             | sky 8 x 6

    IoU grass 9 / 10, sky 6 / 10, sheep 2 with 6: 6 / 7, sheep 3 with 7: 4 / 8, which is no match:
    it has to exceed a half.

             tp  fp  fn   SQ    RQ = tp / (tp + fp/2 + fn/2)   PQ
    grass    1   0   0    .9    1                              .9
    sky      1   0   0    .6    1                              .6
    sheep    1   1   1    6/7   1 / (1 + 1/2 + 1/2) = 1/2      3/7
    """
    truth = panoptic({1: GRASS, 2: SHEEP, 3: SHEEP, 4: SKY}, (1, 10), (2, 6), (3, 4), (4, 10))
    found = panoptic({5: GRASS, 6: SHEEP, 7: SHEEP, 8: SKY}, (5, 9), (6, 7), (7, 8), (8, 6))

    result = panoptic_quality([truth], [found])

    assert set(result.of_class) == {GRASS, SKY, SHEEP}, "a class absent in both does not count"
    assert result.of_class[SHEEP] == pytest.approx((3 / 7, 6 / 7, 1 / 2, 1, 1, 1))
    assert result[:3] == pytest.approx(
        ((0.9 + 0.6 + 3 / 7) / 3, (0.9 + 0.6 + 6 / 7) / 3, (1 + 1 + 1 / 2) / 3)
    )


def test_segments_are_counted_over_all_pictures():
    good = panoptic({1: SHEEP}, (1, 10))

    result = panoptic_quality([good, good], [good, panoptic({}, (0, 10))])

    assert result.of_class[SHEEP] == pytest.approx((2 / 3, 1, 1 / 1.5, 1, 0, 1))
    assert result.pq != pytest.approx(0.5), "not the mean of the two pictures"


def test_a_wrong_class_is_a_false_negative_and_a_false_positive():
    result = panoptic_quality([panoptic({1: SHEEP}, (1, 4))], [panoptic({1: BUSH}, (1, 4))])

    assert result.of_class == {SHEEP: (0, 0, 0, 0, 0, 1), BUSH: (0, 0, 0, 0, 1, 0)}
    assert result.pq == 0


def test_void_in_the_ground_truth_counts_in_no_union_but_void_in_a_prediction_is_not_found():
    less = panoptic({1: SHEEP}, (1, 7), (0, 13))
    more = panoptic({1: SHEEP}, (1, 10), (0, 10))

    assert panoptic_quality([less], [more]).sq == 1
    assert panoptic_quality([more], [less]).sq == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("truth", "fp"),
    [
        (panoptic({1: GRASS}, (1, 15), (0, 5)), 1),  # 5 of 10 are not more than half
        (panoptic({1: GRASS}, (1, 14), (0, 6)), 0),
        (panoptic({1: GRASS, 2: SHEEP}, (1, 14), (2, 6), crowds=[2]), 0),
        (panoptic({1: GRASS, 2: BUSH}, (1, 14), (2, 6), crowds=[2]), 1),
    ],
)
def test_a_segment_mostly_in_void_or_a_crowd_of_its_class_is_no_false_positive(truth, fp):
    found = panoptic({1: GRASS, 2: SHEEP}, (1, 10), (2, 10))

    of_class = panoptic_quality([truth], [found]).of_class

    assert set(of_class) == ({GRASS, SHEEP} if fp else {GRASS}), "a crowd is no false negative"
    assert sum(row.fp for row in of_class.values()) == fp


def test_nothing_on_either_side_has_no_quality():
    empty = panoptic({}, (0, 10))

    result = panoptic_quality([empty], [empty])

    assert math.isnan(result.pq) and math.isnan(result.sq) and result.of_class == {}


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([panoptic({1: SHEEP, 2: SHEEP}, (1, 4))], r"segments \[2\] are either"),
        ([panoptic({}, (7, 4))], r"segments \[7\] are either"),
        ([panoptic({1: SHEEP}, (1, 5))], "resize it first"),
        ([], "zip"),
    ],
)
def test_panoptic_quality_refuses_what_does_not_fit(predictions, message):
    with pytest.raises(ValueError, match=message):
        panoptic_quality([panoptic({1: SHEEP}, (1, 4))], predictions)


# --- average precision -----------------------------------------------------------------------


def test_average_precision_by_hand():
    """Two pictures with three sheep; four predictions, by falling score:

    score                         tp  precision  recall   best precision from here on
      .9   sheep 1, IoU 8/10      1      1        1/3       1
      .8   on grass               1      1/2      1/3       2/3
      .7   sheep 2, IoU 5/10      2      2/3      2/3       2/3
      .6   sheep 2 again, 4/10    2      1/2      2/3       1/2

    Recalls 0, .01, ... .33 (34 of them) have precision 1, .34 to .66 (33) have 2/3, the other 34
    are never reached: AP = (34 + 33 * 2 / 3) / 101 = 56 / 101.
    """
    first = row((1, 10), (0, 10)), (row((1, 8), (0, 4), (2, 8)), {1: 0.9, 2: 0.8})
    second = row((2, 10), (3, 5), (0, 5)), (row((1, 5), (2, 4), (0, 11)), {1: 0.7, 2: 0.6})
    truths, predictions = zip(first, second)

    assert average_precision(truths, predictions) == pytest.approx(56 / 101)


def random_picture(rng):
    """Six rectangles, one of them sometimes a crowd; predictions near them, and their scores."""
    boxes = rng.integers([0, 0, 4, 4], [20, 28, 12, 12], (6, 4))
    moved = rng.permutation(np.maximum(boxes + rng.integers(-2, 3, boxes.shape), [0, 0, 1, 1]))
    truth, predicted = np.zeros((2, 24, 32), np.int32)
    for instances, places in ((truth, boxes), (predicted, moved)):
        for number, (top, left, height, width) in enumerate(places, 1):
            instances[top : top + height, left : left + width] = number
    truth[truth == 5] = rng.choice([-1, 5])
    scores = rng.random(6).round(1).tolist()  # of one decimal, so that some are equal
    return truth, (predicted, dict(enumerate(scores, 1)))


@pytest.mark.parametrize("min_iou", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_that_of_pycocotools(seed, min_iou):
    rng = np.random.default_rng(seed)
    truths, predictions = zip(*[random_picture(rng) for _ in range(4)])

    found = average_precision(truths, predictions, min_iou)

    assert found == pytest.approx(coco_precision(truths, predictions, min_iou), abs=1e-9)


def test_an_iou_of_exactly_the_threshold_matches_here_and_not_for_pq():
    truth, found = row((1, 8)), row((1, 4), (0, 4))

    assert average_precision([truth], [(found, {1: 1.0})]) == 1
    assert average_precision([truth], [(found, {1: 1.0})], min_iou=0.51) == 0
    assert panoptic_quality([Panoptic(truth, {1: SHEEP})], [Panoptic(found, {1: SHEEP})]).pq == 0


def test_average_precision_without_instances():
    empty, one = row((0, 8)), row((1, 8))

    assert math.isnan(average_precision([empty], [(empty, {})])), "nothing to find"
    assert math.isnan(average_precision([empty], [(one, {1: 1.0})]))
    assert average_precision([one], [(empty, {})]) == 0


def test_an_instance_without_a_score_is_refused():
    with pytest.raises(ValueError, match=r"instances \[2\] have no score"):
        average_precision([row((1, 8))], [(row((1, 4), (2, 4)), {1: 1.0})])


# --- classes ---------------------------------------------------------------------------------


def test_mean_iou_by_hand():
    # grass: 4 of 4; sky: 3 of 4; bush is in neither; sheep: 0 of 1.
    truth = row((GRASS, 4), (SKY, 4))
    found = row((GRASS, 4), (SKY, 3), (SHEEP, 1))

    mean, of_class = mean_iou([truth], [found], 4)

    np.testing.assert_allclose(of_class, [1, 3 / 4, np.nan, 0])
    assert mean == pytest.approx((1 + 3 / 4 + 0) / 3)


def test_mean_iou_counts_pixels_over_all_pictures():
    truths = [row((GRASS, 9), (SKY, 1)), row((SKY, 9), (GRASS, 1))]
    found = [row((GRASS, 10)), row((SKY, 10))]

    assert mean_iou(truths, found, 2).mean == pytest.approx(9 / 11)


def test_void_does_not_count_in_the_ground_truth_and_is_wrong_in_a_prediction():
    truth, found = row((GRASS, 4), (255, 4)), row((GRASS, 2), (255, 2), (SKY, 4))
    void = np.full((4, 4), 255, np.uint8)

    of_class = mean_iou([truth], [found], 2, void=255).of_class

    assert of_class[GRASS] == 0.5 and math.isnan(of_class[SKY])
    assert math.isnan(mean_iou([void], [void], 3, void=255).mean)


@pytest.mark.parametrize("odd", [-1, 2, 255])
def test_mean_iou_refuses_other_classes(odd):
    good = row((0, 4), (1, 4))
    for truth, found in ((good, row((odd, 8))), (row((odd, 8)), good)):
        with pytest.raises(ValueError, match="from 0 to 1"):
            mean_iou([truth], [found], 2)


# --- the map and its file --------------------------------------------------------------------


def test_ids_and_colours_are_each_others_inverse():
    ids = np.array([[0, 1, 255], [256, 65536, (1 << 24) - 1]], np.int32)

    colours = ids_to_colours(ids)

    assert colours.dtype == np.uint8
    assert colours[0, 1].tolist() == [1, 0, 0], "red is the lowest byte"
    assert colours[1].tolist() == [[0, 1, 0], [0, 0, 1], [255, 255, 255]]
    np.testing.assert_array_equal(colours_to_ids(colours), ids)


@pytest.mark.parametrize("odd", [-1, 1 << 24])
def test_ids_of_more_than_three_bytes_are_refused(odd):
    with pytest.raises(ValueError, match="three bytes"):
        ids_to_colours(np.array([[odd]]))


def test_segments_info_by_hand():
    ids = np.zeros((4, 6), np.int32)
    ids[1:3, 2:6] = 5
    ids[1, 2] = 900

    found = segments_info(Panoptic(ids, {900: SHEEP, 5: GRASS}, frozenset([900])))

    assert found == [
        {"id": 5, "category_id": GRASS, "area": 7, "bbox": [2, 1, 4, 2], "iscrowd": 0},
        {"id": 900, "category_id": SHEEP, "area": 1, "bbox": [2, 1, 1, 1], "iscrowd": 1},
    ]
