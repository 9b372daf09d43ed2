"""Panoptic quality, average precision and mean IoU against numbers worked by hand."""

import math

import numpy as np
import pytest

from segmentation_tf.panoptic.maps import Panoptic, colours_to_ids, ids_to_colours, segments_info
from segmentation_tf.panoptic.scores import average_precision, mean_iou, overlaps, panoptic_quality

GRASS, SKY, BUSH, SHEEP = range(4)


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

             found  false  missed   SQ    RQ = found / (found + false/2 + missed/2)   PQ
    grass      1      0      0      .9    1                                           .9
    sky        1      0      0      .6    1                                           .6
    sheep      1      1      1      6/7   1 / (1 + 1/2 + 1/2) = 1/2                   3/7
    """
    truth = panoptic({1: GRASS, 2: SHEEP, 3: SHEEP, 4: SKY}, (1, 10), (2, 6), (3, 4), (4, 10))
    found = panoptic({5: GRASS, 6: SHEEP, 7: SHEEP, 8: SKY}, (5, 9), (6, 7), (7, 8), (8, 6))
    result = panoptic_quality([truth], [found])
    assert set(result.of_class) == {GRASS, SKY, SHEEP}, "a class absent in both does not count"
    assert result.of_class[SHEEP] == pytest.approx((3 / 7, 6 / 7, 1 / 2, 1, 1, 1))
    assert result.pq == pytest.approx((0.9 + 0.6 + 3 / 7) / 3)
    assert result.sq == pytest.approx((0.9 + 0.6 + 6 / 7) / 3)
    assert result.rq == pytest.approx((1 + 1 + 1 / 2) / 3)


def test_segments_are_counted_over_all_pictures():
    good = panoptic({1: SHEEP}, (1, 10))
    result = panoptic_quality([good, good], [good, panoptic({}, (0, 10))])
    assert result.of_class[SHEEP] == pytest.approx((2 / 3, 1, 1 / 1.5, 1, 0, 1))
    assert result.pq != pytest.approx(0.5), "not the mean of the two pictures"


def test_one_of_another_class_is_false_and_missed():
    result = panoptic_quality([panoptic({1: SHEEP}, (1, 4))], [panoptic({1: BUSH}, (1, 4))])
    assert result.of_class[SHEEP] == (0, 0, 0, 0, 0, 1)
    assert result.of_class[BUSH] == (0, 0, 0, 0, 1, 0)
    assert result.pq == 0


def test_true_void_counts_in_no_union():
    truth = panoptic({1: SHEEP}, (1, 6), (0, 14))
    result = panoptic_quality([truth], [panoptic({1: SHEEP}, (1, 16), (0, 4))])
    assert result.pq == 1, "10 of its 16 pixels are void; the other 6 fit"


@pytest.mark.parametrize(("void", "false"), [(5, 1), (6, 0)])
def test_a_segment_mostly_in_void_is_not_false(void, false):
    truth = panoptic({1: GRASS}, (1, 20 - void), (0, void))
    found = panoptic({1: GRASS, 2: SHEEP}, (1, 10), (2, 10))
    counts = panoptic_quality([truth], [found]).of_class.get(SHEEP)
    assert (counts.false if counts else 0) == false, "5 of 10 are not more than half, 6 are"


def test_crowds_are_neither_missed_nor_found():
    truth = panoptic({1: SHEEP, 2: GRASS}, (1, 10), (2, 10), crowds=[1])
    nothing = panoptic({2: GRASS}, (0, 10), (2, 10))
    one = panoptic({1: SHEEP, 2: GRASS}, (1, 10), (2, 10))
    bush = panoptic({1: BUSH, 2: GRASS}, (1, 10), (2, 10))
    assert SHEEP not in panoptic_quality([truth], [nothing]).of_class
    assert SHEEP not in panoptic_quality([truth], [one]).of_class
    assert panoptic_quality([truth], [bush]).of_class[BUSH].false == 1, "a crowd of sheep only"


def test_void_in_a_prediction_is_not_found():
    result = panoptic_quality(
        [panoptic({1: GRASS}, (1, 10))], [panoptic({1: GRASS}, (0, 3), (1, 7))]
    )
    assert result.sq == pytest.approx(0.7)


def test_nothing_on_either_side_has_no_quality():
    empty = panoptic({}, (0, 10))
    result = panoptic_quality([empty], [empty])
    assert math.isnan(result.pq) and math.isnan(result.sq) and result.of_class == {}


def test_panoptic_quality_refuses_what_does_not_fit():
    good = panoptic({1: SHEEP}, (1, 4))
    with pytest.raises(ValueError, match=r"segments \[2\] are either"):
        panoptic_quality([good], [panoptic({1: SHEEP, 2: SHEEP}, (1, 4))])
    with pytest.raises(ValueError, match=r"segments \[7\] are either"):
        panoptic_quality([good], [panoptic({}, (7, 4))])
    with pytest.raises(ValueError, match="resize it first"):
        panoptic_quality([good], [panoptic({1: SHEEP}, (1, 5))])
    with pytest.raises(ValueError):
        panoptic_quality([good], [])


# --- average precision -----------------------------------------------------------------------


def test_average_precision_by_hand():
    """Two pictures with three sheep; four predictions, by falling score:

    score                         found  precision  recall   best precision from here on
      .9   sheep 1, IoU 8/10        1       1        1/3       1
      .8   on grass                 1       1/2      1/3       2/3
      .7   sheep 2, IoU 5/10        2       2/3      2/3       2/3
      .6   sheep 2 again, IoU 4/10  2       1/2      2/3       1/2

    Recalls 0, .01, ... .33 (34 of them) have precision 1, .34 to .66 (33) have 2/3, the other 34
    are never reached: AP = (34 + 33 * 2 / 3) / 101 = 56 / 101.
    """
    first = row((1, 10), (0, 10)), (row((1, 8), (0, 4), (2, 8)), {1: 0.9, 2: 0.8})
    second = row((2, 10), (3, 5), (0, 5)), (row((1, 5), (2, 4), (0, 11)), {1: 0.7, 2: 0.6})
    truths, predictions = zip(first, second)
    assert average_precision(truths, predictions) == pytest.approx(56 / 101)


def test_an_iou_of_exactly_the_threshold_is_a_hit_here_and_none_for_pq():
    truth, found = row((1, 8)), row((1, 4), (0, 4))
    assert average_precision([truth], [(found, {1: 1.0})]) == 1
    assert average_precision([truth], [(found, {1: 1.0})], iou=0.51) == 0
    assert panoptic_quality([Panoptic(truth, {1: SHEEP})], [Panoptic(found, {1: SHEEP})]).pq == 0


def test_the_second_on_one_instance_is_false():
    truth = row((1, 10), (2, 5))
    found = row((1, 5), (2, 5), (0, 5))  # each has an IoU of a half with instance 1
    # Best first: precision 1, then 1/2, at a recall of 1/2: 51 recalls have precision 1.
    assert average_precision([truth], [(found, {1: 0.2, 2: 0.9})]) == pytest.approx(51 / 101)


def test_the_order_of_the_scores_matters():
    truth, found = row((1, 10), (0, 10)), row((1, 10), (2, 10))
    assert average_precision([truth], [(found, {1: 0.9, 2: 0.1})]) == 1
    assert average_precision([truth], [(found, {1: 0.1, 2: 0.9})]) == 0.5


def test_no_instances():
    empty, one = row((0, 8)), row((1, 8))
    assert math.isnan(average_precision([empty], [(empty, {})])), "nothing to find"
    assert math.isnan(average_precision([empty], [(one, {1: 1.0})]))
    assert average_precision([one], [(empty, {})]) == 0


def test_predictions_in_a_crowd_do_not_count():
    truth = row((1, 10), (-1, 10))
    assert average_precision([truth], [(row((1, 10), (2, 10)), {1: 0.1, 2: 0.9})]) == 1


def test_an_instance_without_a_score_is_refused():
    with pytest.raises(ValueError, match=r"instances \[2\] have no score"):
        average_precision([row((1, 8))], [(row((1, 4), (2, 4)), {1: 1.0})])


# --- classes ---------------------------------------------------------------------------------


def test_mean_iou_by_hand():
    # grass: 4 of 5; sky: 3 of 4; bush is in neither; sheep: 0 of 1.
    truth = row((GRASS, 4), (SKY, 4))
    found = row((GRASS, 4), (SKY, 3), (SHEEP, 1))
    mean, of_class = mean_iou([truth], [found], 4)
    np.testing.assert_allclose(of_class, [1, 3 / 4, np.nan, 0])
    assert mean == pytest.approx((1 + 3 / 4 + 0) / 3)


def test_mean_iou_counts_pixels_over_all_pictures():
    truths = [row((GRASS, 9), (SKY, 1)), row((SKY, 9), (GRASS, 1))]
    found = [row((GRASS, 10)), row((SKY, 10))]
    assert mean_iou(truths, found, 2).mean == pytest.approx(9 / 11)


def test_void_in_the_truth_does_not_count_and_in_the_prediction_is_wrong():
    truth, found = row((GRASS, 4), (255, 4)), row((GRASS, 2), (255, 2), (SKY, 4))
    assert mean_iou([truth], [found], 2, void=255).of_class[GRASS] == 0.5
    assert math.isnan(mean_iou([truth], [found], 2, void=255).of_class[SKY])


def test_maps_of_nothing_but_void_have_no_iou():
    void = np.full((4, 4), 255, np.uint8)
    assert math.isnan(mean_iou([void], [void], 3, void=255).mean)


@pytest.mark.parametrize("odd", [-1, 2, 255])
def test_mean_iou_refuses_other_classes(odd):
    good = row((0, 4), (1, 4))
    for pair in ((good, row((odd, 8))), (row((odd, 8)), good)):
        with pytest.raises(ValueError, match="from 0 to 1"):
            mean_iou([pair[0]], [pair[1]], 2)


# --- the map and its file --------------------------------------------------------------------


def test_ids_and_colours_are_each_others_inverse():
    ids = np.array([[0, 1, 255], [256, 65536, (1 << 24) - 1]], np.int32)
    colours = ids_to_colours(ids)
    assert colours.dtype == np.uint8
    assert colours[0, 1].tolist() == [1, 0, 0], "red is the lowest byte"
    assert colours[1].tolist() == [[0, 1, 0], [0, 0, 1], [255, 255, 255]]
    np.testing.assert_array_equal(colours_to_ids(colours), ids)
    for odd in (-1, 1 << 24):
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


def test_overlaps_count_pixels():
    found = overlaps(row((-1, 2), (1, 3)), row((7, 4), (0, 1)))
    assert found == {(-1, 7): 2, (1, 7): 2, (1, 0): 1}
