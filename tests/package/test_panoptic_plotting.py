"""Colours of classes and instances: they mean what the legend says, and tell things apart."""

import numpy as np

from segmentation_tf.drawn import meadow
from segmentation_tf.panoptic.plotting import (
    CLASS_COLOURS,
    INSTANCE_COLOURS,
    class_colours,
    paint_classes,
    paint_instances,
)


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
