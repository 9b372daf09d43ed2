"""A mole on skin and its mask as plain shapes, for the pictures that show ideas."""

import numpy as np
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from drawing.sheet import INK, closed_curve, ellipse, shape

# Distance of the border from the middle, every 30 degrees; the tile it lies on is 1 wide and high.
BORDER = (0.33, 0.29, 0.31, 0.27, 0.22, 0.27, 0.34, 0.3, 0.25, 0.27, 0.33, 0.37)
SPOTS = ((-0.12, 0.02, 0.07, 0.05), (0.06, -0.1, 0.06, 0.07), (0.1, 0.1, 0.05, 0.04),
         (-0.02, 0.14, 0.04, 0.03), (0.19, -0.04, 0.03, 0.04))  # fmt: skip
TILE, SKIN = Path.unit_rectangle(), "#EBC3A6"


def outline(scale=1, smooth=False):
    """The mole's border on the unit tile, a path; `scale` shrinks it towards its middle."""
    angles = np.deg2rad(30 * np.arange(len(BORDER)))
    radii = np.convolve(np.tile(BORDER, 3), np.ones(3) / 3, "same")[12:24] if smooth else BORDER
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.array(radii)[:, None]
    return closed_curve(0.5 + scale * around)


def paint_mole(sheet, place, smooth=False):
    """Skin with a mole; `place` is a transform of the unit tile. `smooth` drops the details."""
    spots = Path.make_compound_path(*[ellipse(0.5 + x, 0.5 + y, a, b) for x, y, a, b in SPOTS])
    layers = [(TILE, SKIN), (outline(1, smooth), "#9B6242"), (outline(0.72, smooth), "#7B4630")]
    if not smooth:
        layers.append((spots, "#4B2A1E"))
    for path, colour in layers:
        shape(sheet, place.transform_path(path), facecolor=colour)
    frame(sheet, place)


def paint_mask(sheet, place, smooth=False):
    """The mole's mask: white on black."""
    for path, colour in ((TILE, "#1E1E1E"), (outline(1, smooth), "#FFFFFF")):
        shape(sheet, place.transform_path(path), facecolor=colour)
    frame(sheet, place)


def frame(sheet, place):
    shape(sheet, place.transform_path(TILE), facecolor="none", edgecolor=INK, linewidth=1)


def tile(x, y, width, height):
    """The transform that puts the unit tile at x, y with this size."""
    return Affine2D().scale(width, height).translate(x, y)
