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
    show_joint_shares,
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


def test_shares_of_joints_are_bars_side_by_side():
    shares = {"one": np.linspace(0, 1, 17), "two": np.full(17, 0.5)}
    show_joint_shares(shares, "share", {"one": "#000000", "two": "#E69F00"})
    bars = plt.gca().patches
    assert [bar.get_height() for bar in bars] == [*shares["one"], *shares["two"]]
    assert bars[0].get_x() < bars[17].get_x() < bars[1].get_x()
    assert [text.get_text() for text in plt.gca().get_legend().get_texts()] == ["one", "two"]
