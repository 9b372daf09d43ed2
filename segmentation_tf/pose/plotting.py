"""Skeletons, drawn over pictures."""

import matplotlib.pyplot as plt
import numpy as np

from segmentation_tf.plotting import add_legend, grid
from segmentation_tf.pose.joints import JOINTS, LIMBS

LEFT, RIGHT, MIDDLE = (230, 159, 0), (86, 180, 233), (255, 255, 255)
SIDES = {"left": LEFT, "right": RIGHT}
PEOPLE = ((230, 159, 0), (86, 180, 233), (240, 228, 66), (204, 121, 167))


def show_skeletons(pictures, people, titles=(), columns=4, by_person=False, sure=0.5):
    """Draw pictures, each with its people: float `(P, 17, 3)` of `pose`, in px of the picture.

    The left side is orange, the right side blue, and what has no side white; or, with
    `by_person`, each person has a colour. A joint is a ring and not a dot if it is not seen, or
    if the network is less than `sure` of it: where the third number is below. Raises ValueError
    where there is no picture.
    """
    if not len(pictures):
        raise ValueError("show_skeletons got no pictures; give it one or more")
    height, width = np.shape(pictures[0])[:2]
    panels = list(grid(len(pictures), columns, height / width + 0.1 * bool(titles)))
    for panel, (picture, skeletons) in zip(panels, zip(pictures, people, strict=True)):
        panel.imshow(picture)
        for number, skeleton in enumerate(skeletons):
            one = PEOPLE[number % len(PEOPLE)] if by_person else None
            _draw_skeleton(panel, np.asarray(skeleton), sure, one)
        panel.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    for panel, title in zip(panels, titles, strict=False):
        panel.set_title(title, fontsize=9)
    if not by_person:
        add_legend(plt.gcf(), {"left": LEFT, "right": RIGHT, "middle": MIDDLE})
    plt.show()


def _draw_skeleton(panel, skeleton, sure, colour=None):
    for ends in LIMBS:
        sides = {JOINTS[joint].split("_")[0] for joint in ends}
        shade = colour or (SIDES.get(sides.pop(), MIDDLE) if len(sides) == 1 else MIDDLE)
        panel.plot(*skeleton[list(ends), :2].T, color=np.array(shade) / 255, linewidth=1.5)
    for name, (x, y, third) in zip(JOINTS, skeleton, strict=True):
        shade = np.array(colour or SIDES.get(name.split("_")[0], MIDDLE)) / 255
        face = shade if third >= sure else "none"
        panel.plot(x, y, "o", markersize=3.5, markerfacecolor=face, markeredgecolor=shade)
