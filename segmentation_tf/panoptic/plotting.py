"""The colours of classes and of instances, painted over pictures."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from segmentation_tf.panoptic.maps import VOID
from segmentation_tf.panoptic.scores import overlaps

RGB = tuple[int, int, int]

# By index of the class. Those of the drawn meadow come first and differ in lightness too.
CLASS_COLOURS = ((110, 160, 60), (120, 180, 230), (30, 90, 40), (140, 100, 60), (240, 230, 210),
                 (230, 159, 0), (0, 114, 178), (204, 121, 167))  # fmt: skip
INSTANCE_COLOURS = ((230, 159, 0), (0, 114, 178), (240, 228, 66), (204, 121, 167), (0, 158, 115),
                    (213, 94, 0))  # fmt: skip


def class_colours(names: Sequence[str]) -> dict[str, RGB]:
    """Return the colours that `paint_classes` gives to classes, as a legend: name to RGB."""
    return {name: CLASS_COLOURS[i % len(CLASS_COLOURS)] for i, name in enumerate(names)}


def paint_classes(classes: np.ndarray) -> np.ndarray:
    """Paint a map of classes, uint8 `(H, W)` of indices, as uint8 RGB; VOID is black."""
    # Not skimage's label2rgb: it gives its colours to the classes that occur, not by index.
    table = np.resize(np.array(CLASS_COLOURS, np.uint8), (256, 3))
    table[VOID] = 0
    return table[classes]


def paint_instances(
    picture: np.ndarray, instances: np.ndarray, colours: Mapping[int, RGB] | None = None
) -> np.ndarray:
    """Tint the instances of a picture and draw a white line where two of them touch.

    Args:
        picture: uint8 RGB `(H, W, 3)`.
        instances: int `(H, W)`; what is 0 or negative, such as a crowd, stays as it is.
        colours: of each instance, by its number; by default from INSTANCE_COLOURS.
    """
    # Not skimage's label2rgb, which takes over 10 times as long, nor its mark_boundaries, which
    # also draws lines against the background.
    instances, painted = np.maximum(instances, 0), picture.copy()
    inside, table = instances > 0, np.zeros((instances.max() + 1, 3))
    for number, colour in (colours or _distinct_colours(instances)).items():
        table[number] = colour
    painted[inside] = 0.3 * picture[inside] + 0.7 * table[instances[inside]]
    lowest = ndimage.minimum_filter(np.where(inside, instances, instances.max() + 1), 3)
    painted[inside & (lowest < instances)] = 255
    return painted


def _distinct_colours(instances):
    """Choose a colour for each instance; as far as six colours allow, those that touch differ."""
    below = overlaps(instances[1:], instances[:-1])
    beside = overlaps(instances[:, 1:], instances[:, :-1])
    colours = {}
    for number in np.unique(instances[instances > 0]).tolist():
        taken = {colours.get(n) for pair in (*below, *beside) if number in pair for n in pair}
        start = (number - 1) % len(INSTANCE_COLOURS)
        in_turn = INSTANCE_COLOURS[start:] + INSTANCE_COLOURS[:start]
        colours[number] = next((one for one in in_turn if one not in taken), in_turn[0])
    return colours
