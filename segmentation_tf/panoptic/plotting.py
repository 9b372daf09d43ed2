"""The colours of classes and of instances, painted over pictures."""

import numpy as np
from scipy import ndimage

# Of classes by index, those of the drawn meadow first: they differ in lightness too.
CLASSES = ((110, 160, 60), (120, 180, 230), (30, 90, 40), (140, 100, 60), (240, 230, 210),
           (230, 159, 0), (0, 114, 178), (204, 121, 167))  # fmt: skip
THINGS = ((230, 159, 0), (0, 114, 178), (240, 228, 66), (204, 121, 167), (0, 158, 115),
          (213, 94, 0))  # fmt: skip


def class_colours(names):
    """The colours of classes in `paint_classes`, as a legend: a dict, name to RGB."""
    return {name: CLASSES[i % len(CLASSES)] for i, name in enumerate(names)}


def paint_classes(classes):
    """A map of classes, uint8 `(H, W)` of indices, as uint8 RGB; 255, nobody knows, is black."""
    table = np.resize(np.array(CLASSES, np.uint8), (256, 3))
    table[255] = 0
    return table[classes]


def paint_instances(picture, instances, colours=None):
    """Tint each instance of a uint8 RGB picture `(H, W, 3)`, with a white line where two touch.

    `instances`: int `(H, W)`, 0 none, negative a crowd, which stays as it is. `colours`: a dict,
    number to RGB; by default THINGS, in turn.
    """
    painted, colours = picture.astype(float), colours or _telling_apart(instances)
    for number in np.unique(instances[instances > 0]).tolist():
        where = instances == number
        painted[where] = 0.3 * painted[where] + 0.7 * np.array(colours[number])
    lowest = ndimage.minimum_filter(np.where(instances > 0, instances, instances.max() + 1), 3)
    painted[(instances > 0) & (lowest < instances)] = 255
    return painted.astype(np.uint8)


def _telling_apart(instances):
    """A colour of THINGS for each instance, another one for those that touch: a dict."""
    colours = {}
    for number in np.unique(instances[instances > 0]).tolist():
        around = ndimage.binary_dilation(instances == number, np.ones((3, 3)))
        taken = {colours.get(other) for other in np.unique(instances[around]).tolist()}
        turn = [THINGS[(number - 1 + i) % len(THINGS)] for i in range(len(THINGS))]
        colours[number] = next((colour for colour in turn if colour not in taken), turn[0])
    return colours
