"""Skeletons, drawn over pictures."""

from collections.abc import Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np

from segmentation_tf.plotting import add_legend, grid
from segmentation_tf.pose.joints import JOINTS, LIMBS

SIDES = {"left": (230, 159, 0), "right": (86, 180, 233), "middle": (255, 255, 255)}
PEOPLE = ((230, 159, 0), (86, 180, 233), (240, 228, 66), (204, 121, 167))
CERTAIN = 0.5  # joints with a smaller third number are drawn as rings


def show_skeletons(
    pictures: Sequence[np.ndarray],
    people: Sequence[np.ndarray],
    titles: Sequence[str] = (),
    *,
    columns: int = 4,
    by_person: bool = False,
) -> None:
    """Draw pictures with the skeletons of their people.

    A joint is a ring if it is hidden, or if the network is not certain of it.

    Args:
        pictures: RGB `(H, W, 3)`, one or more.
        people: For each picture its skeletons, float `(P, 17, 3)`, in pixels of the picture.
        by_person: Give each person a colour. Otherwise left is orange, right blue, the rest white.
    """
    if not len(pictures):
        raise ValueError("show_skeletons got no pictures; give it one or more")
    height, width = np.shape(pictures[0])[:2]
    panels = grid(len(pictures), columns, height / width + (0.1 if titles else 0))[: len(pictures)]
    for panel, picture, skeletons in zip(panels, pictures, people, strict=True):
        panel.imshow(picture)
        for skeleton, colour in zip(skeletons, cycle(PEOPLE)):
            _draw_skeleton(panel, skeleton, colour if by_person else None)
        panel.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    for panel, title in zip(panels, titles):
        panel.set_title(title, fontsize=9)
    if not by_person:
        add_legend(plt.gcf(), SIDES)
    plt.show()


def _draw_skeleton(panel, skeleton, colour):
    for limb in LIMBS:
        shade = np.array(colour or _side_colour(*limb)) / 255
        panel.plot(*skeleton[list(limb), :2].T, color=shade, linewidth=1.5)
    for joint, (x, y, certainty) in enumerate(skeleton):
        shade = np.array(colour or _side_colour(joint)) / 255
        face = shade if certainty >= CERTAIN else "none"
        panel.plot(x, y, "o", markersize=3.5, markerfacecolor=face, markeredgecolor=shade)


def _side_colour(*joints):
    """The colour of the side that all these joints are on, else that of the middle."""
    sides = {JOINTS[joint].split("_")[0] for joint in joints}
    return SIDES.get(sides.pop(), SIDES["middle"]) if len(sides) == 1 else SIDES["middle"]
