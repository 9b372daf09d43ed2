"""Figures of skeletons: sides, rings, people."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

from segmentation_tf.pose.joints import JOINTS, LIMBS
from segmentation_tf.pose.plotting import (
    DOT,
    PEOPLE,
    RING,
    SIDES,
    show_field,
    show_skeletons,
)

PICTURE = np.zeros((24, 32, 3), np.uint8)


def skeleton_at(x):
    """17 joints in a column; the last 8 are uncertain."""
    return np.stack([np.full(17, x), np.linspace(2, 20, 17), [1.0] * 9 + [0.2] * 8], axis=1)


def colour(line):
    return tuple(np.rint(np.array(line.get_markeredgecolor()) * 255).astype(int))


def test_skeletons_have_sides_rings_and_titles():
    show_skeletons([PICTURE] * 3, [[skeleton_at(9.0)]] * 3, ["a", "b", "c"], columns=2)
    panels = plt.gcf().axes
    assert [panel.get_title() for panel in panels] == ["a", "b", "c", ""]
    assert panels[0].get_xlim() == (-0.5, 31.5) and panels[0].get_ylim() == (23.5, -0.5)
    dots = [line for line in panels[0].lines if line.get_marker() == "o"]
    is_ring = [str(dot.get_markerfacecolor()) == "none" for dot in dots]
    assert is_ring == [False] * 9 + [True] * 8
    for name, dot in zip(JOINTS, dots, strict=True):
        assert colour(dot) == SIDES.get(name.partition("_")[0], SIDES["middle"])
    named = [text.get_text() for text in plt.gcf().legends[0].get_texts()]
    assert named == ["left", "right", "middle", DOT, RING]


def test_people_have_colours_that_no_side_has():
    assert not set(PEOPLE) & set(SIDES.values())
    show_skeletons([PICTURE], [[skeleton_at(9.0), skeleton_at(20.0)]], by_person=True)
    dots = [line for line in plt.gcf().axes[0].lines if line.get_marker() == "o"]
    assert [colour(dot) for dot in dots] == [PEOPLE[0]] * 17 + [PEOPLE[1]] * 17
    assert len(plt.gcf().axes[0].lines) == 2 * (17 + len(LIMBS))
    named = [text.get_text() for text in plt.gcf().legends[0].get_texts()]
    assert named == ["person 1", "person 2", DOT, RING]


def test_lines_and_dots_stand_out_from_clothes_of_their_colour():
    """On a picture of one colour, a skeleton of that colour is still seen."""
    yellow = np.full((*PICTURE.shape[:2], 3), PEOPLE[0], np.uint8)
    show_skeletons([yellow], [[skeleton_at(9.0)]], columns=1, by_person=True)
    figure = plt.gcf()
    (legend,) = figure.legends
    legend.remove()
    figure.canvas.draw()
    shown = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    assert (shown.max(axis=-1) < 30).any(), "nothing black is about it"


def test_no_pictures_are_refused():
    with pytest.raises(ValueError, match="show_skeletons got no pictures"):
        show_skeletons([], [])


def test_a_field_has_an_arrow_for_each_cell_of_the_limb():
    field = np.zeros((6, 6, 2))
    field[2, 1:4] = (1, 0)
    show_field(np.zeros((24, 24, 3), np.uint8), field, "a limb")
    axis = plt.gca()
    arrows = axis.collections[0]
    assert arrows.get_offsets().tolist() == [[1, 2], [2, 2], [3, 2]]
    assert arrows.U.tolist() == [1, 1, 1] and arrows.V.tolist() == [0, 0, 0]
    assert axis.images[0].get_extent() == [-0.5, 5.5, 5.5, -0.5] and axis.get_title() == "a limb"
    assert not axis.lines and not plt.gcf().legends


def test_the_ends_of_a_limb_are_marked_over_its_field():
    ends = {"shoulders": np.array([[1, 2], [4, 5]]), "elbows": np.array([[3, 2], [4, 1]])}
    show_field(np.zeros((24, 24, 3), np.uint8), np.zeros((6, 6, 2)), "a limb", ends)
    dots = plt.gca().lines
    assert [dot.get_xydata().tolist() for dot in dots] == [v.tolist() for v in ends.values()]
    assert len({dot.get_marker() for dot in dots}) == 2
    assert [text.get_text() for text in plt.gcf().legends[0].get_texts()] == list(ends)
