"""Colours of classes and instances: they mean what the legend says, and tell things apart."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from segmentation_tf import plotting
from segmentation_tf.drawn import meadow
from segmentation_tf.panoptic.plotting import (
    CLASS_COLOURS,
    INSTANCE_COLOURS,
    class_colours,
    instance_colours,
    paint_classes,
    paint_instances,
    paint_matches,
    paint_overlaps,
    show_counts,
)
from segmentation_tf.plotting import FALSE_NEGATIVE, FALSE_POSITIVE


def painted_row(*numbers, colours=None):
    """The middle row of grey pixels with these instances."""
    grey = np.full((3, len(numbers), 3), 100, np.uint8)
    return paint_instances(grey, np.tile(numbers, (3, 1)), colours)[1]


def test_classes_are_painted_as_the_legend_says():
    names = [str(i) for i in range(9)]  # more than there are colours

    painted = paint_classes(np.array([[0, 4, 8, 255]], np.uint8))

    colours = list(class_colours(names).values())
    np.testing.assert_array_equal(painted, [[colours[0], colours[4], colours[8], (0, 0, 0)]])


def test_the_drawn_meadow_has_the_colours_of_its_json():
    assert CLASS_COLOURS[:5] == tuple(meadow.COLOURS.values())


def test_class_colours_differ_for_colour_blind_readers():
    lightness = sorted(np.dot(colour, (0.299, 0.587, 0.114)) for colour in CLASS_COLOURS[:5])

    assert np.diff(lightness).min() > 20


def test_instances_that_touch_have_different_colours_whatever_their_numbers():
    painted = painted_row(1, 1, 7, 7, 13, 13)

    assert (painted[0] != painted[3]).any() and (painted[3] != painted[5]).any()


def test_instances_that_nearly_touch_have_different_colours():
    apart = np.zeros((3, 88), int)
    apart[:, ::12] = np.arange(1, 9)  # eight of them, and there are seven colours

    colours = instance_colours(apart)
    near = instance_colours(np.where(apart == 1, 0, apart) + np.roll(apart == 1, 81, axis=1))

    assert colours[1] == colours[8]
    assert near[1] != near[8]


def test_instances_have_colours_and_a_white_line_where_they_touch():
    painted = painted_row(0, 1, 1, 2, 2, 0, 9, -1)

    np.testing.assert_array_equal(painted[[0, 5, 7]], 100)
    np.testing.assert_array_equal(painted[3], 255)
    expected = [0.3 * 100 + 0.7 * np.array(INSTANCE_COLOURS[i]) for i in (0, 0, 1, 2)]
    np.testing.assert_allclose(painted[[1, 2, 4, 6]], expected, atol=1)


def test_colours_can_be_chosen():
    painted = painted_row(1, 0, 9, colours=dict.fromkeys((1, 9), (200, 0, 0)))

    np.testing.assert_allclose(painted, [(170, 30, 30), (100, 100, 100), (170, 30, 30)], atol=1)


def test_a_picture_without_instances_stays_as_it_is():
    np.testing.assert_array_equal(painted_row(0, 0), 100)


def test_matches_have_one_colour_in_both_pictures_and_errors_have_theirs():
    grey = np.full((3, 6, 3), 100, np.uint8)
    truth, found = np.tile([1, 1, 0, 2, 2, -1], (3, 1)), np.tile([7, 7, 0, 0, 0, 5], (3, 1))

    true_row, found_row = (painted[1] for painted in paint_matches(grey, truth, found, [(1, 7)]))

    tinted = [0.3 * 100 + 0.7 * np.array(colour) for colour in (FALSE_NEGATIVE, FALSE_POSITIVE)]
    np.testing.assert_array_equal(true_row[0], found_row[0])
    np.testing.assert_allclose(true_row[3], tinted[0], atol=1)
    np.testing.assert_allclose(found_row[5], tinted[1], atol=1)
    np.testing.assert_array_equal(true_row[5], 100)  # a crowd


def test_matches_whose_found_instances_touch_have_different_colours():
    grey = np.full((3, 88, 3), 100, np.uint8)
    truth, found = np.zeros((2, 3, 88), int)
    truth[:, ::12] = found[:, ::12] = np.arange(1, 9)  # eight of them, and there are seven colours
    pairs = [(number, number) for number in range(1, 9)]
    far = paint_matches(grey, truth, found, pairs)[1][1]
    found[:, 1:84] = 1

    true_row, found_row = (painted[1] for painted in paint_matches(grey, truth, found, pairs))

    np.testing.assert_array_equal(far[0], far[84])
    assert (true_row[0] != true_row[84]).any()
    np.testing.assert_array_equal(found_row[50], true_row[0])


def test_errors_have_the_colours_of_the_other_lessons_and_no_instance_has_them():
    errors = {FALSE_NEGATIVE, FALSE_POSITIVE}

    assert errors == {plotting.FALSE_NEGATIVE, plotting.FALSE_POSITIVE}
    assert not errors & set(INSTANCE_COLOURS)


def test_a_found_instance_has_the_colour_of_the_true_one_it_overlaps_most():
    grey = np.full((3, 6, 3), 100, np.uint8)
    truth, found = np.tile([1, 1, 1, 2, 0, 0], (3, 1)), np.tile([9, 9, 9, 9, 0, 4], (3, 1))

    true_row, found_row = (painted[1] for painted in paint_overlaps(grey, truth, found))

    np.testing.assert_array_equal(found_row[1], true_row[1])
    np.testing.assert_array_equal(found_row[3], true_row[1])
    np.testing.assert_array_equal(found_row[5], 100)  # it overlaps nothing


def test_nothing_found_leaves_the_picture_as_it_is():
    grey = np.full((3, 2, 3), 100, np.uint8)
    truth, nothing = np.ones((3, 2), int), np.zeros((3, 2), int)

    np.testing.assert_array_equal(paint_overlaps(grey, truth, nothing)[1], grey)
    np.testing.assert_array_equal(paint_matches(grey, truth, nothing, [])[1], grey)


def test_counts_have_a_panel_for_each_way_and_a_dot_for_each_picture():
    show_counts(np.array([3, 5]), {"a": np.array([3, 4]), "b": np.array([3, 5])}, ["red", "blue"])

    panels = plt.gcf().axes
    assert [panel.get_title() for panel in panels] == ["a", "b"]
    np.testing.assert_array_equal(panels[0].lines[1].get_ydata(), [3, 4])
    plt.close("all")
