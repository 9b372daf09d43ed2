"""Skeletons, drawn over pictures."""

from collections.abc import Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from segmentation_tf.plotting import PANEL
from segmentation_tf.pose.joints import JOINTS, LIMBS

SIDES = {"left": (230, 159, 0), "right": (86, 180, 233), "middle": (255, 255, 255)}
PEOPLE = ((240, 228, 66), (0, 190, 130), (204, 121, 167), (213, 94, 0))  # none of SIDES
CERTAIN = 0.5  # joints with a smaller third number are drawn as rings
DOT, RING = "dot: seen, or the network is sure", "ring: hidden, or it is not sure"
# Of lines and dots: clothes may have the colour of a skeleton.
OUTLINE, RIM = ([withStroke(linewidth=width, foreground="black")] for width in (3.5, 2.5))


def show_skeletons(
    pictures: Sequence[np.ndarray],
    people: Sequence[np.ndarray],
    titles: Sequence[str] = (),
    *,
    columns: int = 4,
    by_person: bool = False,
) -> None:
    """Draw pictures with the skeletons of their people, and a legend.

    A joint is a ring if it is hidden, or if the network is not certain of it.

    Args:
        pictures: RGB `(H, W, 3)`, one or more.
        people: For each picture its skeletons, float `(P, 17, 3)`, in pixels of the picture.
        by_person: Give each person a colour. Otherwise left is orange, right blue, the rest white.
    """
    if not len(pictures):
        raise ValueError("show_skeletons got no pictures; give it one or more")
    height, width = np.shape(pictures[0])[:2]
    rows, across = -(-len(pictures) // columns), 4 * PANEL / columns
    size = 4 * PANEL, rows * (across * height / width + 0.25) + 0.3
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    panels = axes.flat[: len(pictures)]
    for panel in axes.flat:
        panel.axis("off")
    for panel, picture, skeletons in zip(panels, pictures, people, strict=True):
        panel.imshow(picture)
        for skeleton, colour in zip(skeletons, cycle(PEOPLE)):
            _draw_skeleton(panel, skeleton, colour if by_person else None)
        panel.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    for panel, title in zip(panels, titles):
        panel.set_title(title, fontsize=9)
    count = min(max(map(len, people)), len(PEOPLE))
    persons = {f"person {number}": PEOPLE[number - 1] for number in range(1, count + 1)}
    _add_legend(figure, persons if by_person else SIDES)
    plt.show()


def show_field(
    picture: np.ndarray, field: np.ndarray, title: str, ends: dict[str, np.ndarray] | None = None
) -> None:
    """Draw the field of one limb over its picture: an arrow for each cell that the limb covers.

    Args:
        picture: RGB `(H, H, 3)`.
        field: float `(G, G, 2)`, x and y of the arrow of each cell.
        ends: By name the joints at one end of the limb, `(P, 2)`: x and y in cells, for P people.
    """
    figure, axis = plt.subplots(figsize=(4.6, 4.6), layout="constrained")
    end = len(field) - 0.5
    axis.imshow(picture, extent=(-0.5, end, end, -0.5))
    rows, columns = np.nonzero(np.abs(field).sum(axis=-1))
    x, y = field[rows, columns].T
    axis.quiver(
        columns,
        rows,
        x,
        y,
        color="#F0E442",
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.006,
        headwidth=3,
        headlength=3,
        headaxislength=3,
        path_effects=[withStroke(linewidth=2, foreground="black")],
    )
    for (name, places), marker in zip((ends or {}).items(), "os"):
        x, y = np.transpose(places)
        axis.plot(x, y, marker, color="white", markeredgecolor="black", label=name)
    axis.set(title=title, xticks=[], yticks=[])
    if ends:
        figure.legend(loc="outside lower center", ncols=len(ends), facecolor="#D9D9D9")
    plt.show()


def _draw_skeleton(panel, skeleton, colour):
    for limb in LIMBS:
        shade = np.array(colour or _side_colour(*limb)) / 255
        x, y = skeleton[list(limb), :2].T
        panel.plot(x, y, color=shade, linewidth=1.5, path_effects=OUTLINE)
    for joint, (x, y, certainty) in enumerate(skeleton):
        shade = np.array(colour or _side_colour(joint)) / 255
        size, face = (3.5, shade) if certainty >= CERTAIN else (5, "none")
        dot = {"markersize": size, "markerfacecolor": face, "markeredgecolor": shade}
        panel.plot(x, y, "o", path_effects=RIM, **dot)


def _side_colour(*joints):
    """The colour of the side that all these joints are on, else that of the middle."""
    sides = {JOINTS[joint].split("_")[0] for joint in joints}
    return SIDES.get(sides.pop(), SIDES["middle"]) if len(sides) == 1 else SIDES["middle"]


def _add_legend(figure, colours):
    lines = [
        Line2D([], [], color=np.array(colour) / 255, linewidth=2, path_effects=OUTLINE, label=name)
        for name, colour in colours.items()
    ]
    dots = [
        Line2D([], [], color="black", marker="o", markerfacecolor=face, linestyle="", label=name)
        for name, face in ((DOT, "black"), (RING, "none"))
    ]
    figure.legend(
        handles=lines + dots,
        loc="outside lower center",
        ncols=len(lines) + len(dots),
        facecolor="#D9D9D9",
    )
