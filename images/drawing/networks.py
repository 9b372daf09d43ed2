"""The course's networks, drawn from their plans."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from drawing.mole import paint_mask, paint_mole
from drawing.plan import read_plan
from drawing.sheet import (
    BLUE,
    GREEN,
    LARGE,
    ORANGE,
    PURPLE,
    RED,
    RISE,
    SKY,
    WIDTH,
    arrow,
    lit,
    new_sheet,
    paint_box,
    polygon,
    shape,
    text,
)
from segmentation_tf.models import build_segnet, build_unet
from segmentation_tf.training import RECIPE

INPUT_SHAPE = (RECIPE.size, RECIPE.size, 3)
FIRST, LAST = 46, 555  # x of the first and the last box
ROW_GAP, ARROW = 38, 15  # free space between rows, and for an arrow between two boxes
DEPTH, THICKNESS = 0.24, 1.95  # of a box; its depth in parts of its height, and its thickness
IMAGE_DEPTH = 0.7  # image and mask are turned towards the reader

DASHES = (0, (1.6, 0.8))
# How each kind of arrow is drawn; those that go the same way differ in more than their colour.
ARROWS = {
    "convolution": dict(width=1.4, head=8),
    "pool": dict(colour=RED, width=3.5, head=13),
    "unpool": dict(colour=GREEN, width=3.5, head=13, dashes=DASHES),
    "up": dict(colour=GREEN, width=3.5, head=13),
    "skip": dict(colour=BLUE, width=3.5, head=13),
    "places": dict(colour=BLUE, width=3.5, head=13, dashes=DASHES),
}
WAYS = {"pool": (0, 1), "unpool": (0, -1), "up": (0, -1)}  # else to the right


# --- The boxes ----------------------------------------------------------------------------------


class Rows:
    """A sheet with one row a grid size, the largest first, and boxes that stand in the rows.

    A box is as high as its grid and as thick as its channels, both as square roots, so that the
    small ones can still be seen.
    """

    def __init__(self, grids):
        self.sides = [84 * (grid[0] / grids[0][0]) ** 0.5 for grid in grids]
        heights = np.array(self.sides) * (1 + RISE)
        self.middles = np.cumsum(heights + ROW_GAP) - ROW_GAP - heights / 2 + 24
        self.sheet = new_sheet(round(self.middles[-1] + heights[-1] / 2 + 42))

    def width(self, row, channels, depth=DEPTH):
        return THICKNESS * channels**0.5 + depth * self.sides[row]

    def apart(self, row, one, other, space=ARROW):
        """From middle to middle of two boxes in a row, by their channels."""
        return (self.width(row, one) + self.width(row, other)) / 2 + space

    def add(self, row, x, channels, colours, depth=DEPTH, sparse=False):
        """Boxes side by side, the last one's middle at x; returns their Edges."""
        side, top = self.sides[row], self.middles[row] - self.sides[row] * (1 - RISE) / 2
        right = x + self.width(row, channels[-1], depth) / 2
        widths = [THICKNESS * count**0.5 for count in channels]
        left = at = right - depth * side - sum(widths)
        for width, colour in zip(widths, colours, strict=True):
            paint_box(self.sheet, at, top, width, side, depth, colour)
            if sparse:
                shape(self.sheet, specks(at, top, width, side), facecolor=ORANGE)
            at += width
        return Edges(left, right, x, self.middles[row], side * (1 + RISE) / 2)


@dataclass(frozen=True)
class Edges:
    """Where arrows and numbers meet a drawn box."""

    left: float
    right: float
    x: float
    y: float
    half: float

    top = property(lambda self: self.y - self.half)
    bottom = property(lambda self: self.y + self.half)


def specks(x, y, width, side, pixel=2.6):
    """A path that fills one pixel in each window of 2 x 2: what unpooling leaves."""
    rng = np.random.default_rng(round(side))
    window = 2 * pixel
    columns, rows = int(width // window), int(side // window)
    corner = np.array((x + (width - columns * window) / 2, y + (side - rows * window) / 2))
    places = [
        corner + window * np.array((i, j)) + pixel * rng.integers(2, size=2)
        for j in range(rows)
        for i in range(columns)
    ]
    square = np.array([(0, 0), (pixel, 0), (pixel, pixel), (0, pixel)])
    return Path.make_compound_path(*[polygon(place + square) for place in places])


def side_of(edges, side, depth):
    """The transform that puts the unit tile onto the right side of a box."""
    right, rise = depth * side, RISE * side
    x, y = edges.right - right, edges.bottom - side
    return Affine2D.from_values(right, -rise, 0, side, x, y)


# --- The networks -------------------------------------------------------------------------------


def draw_unet(model=None):
    """The U-Net: skips hand the encoder's maps to the decoder."""
    return draw_network(model or build_unet(INPUT_SHAPE), "U-Net")


def draw_segnet(model=None):
    """The SegNet: only the places of the maxima go across."""
    return draw_network(model or build_segnet(INPUT_SHAPE), "SegNet")


def draw_network(model, title):
    """Encoder on the left, decoder on the right, the levels from top to bottom."""
    plan = read_plan(model)
    across = plan.levels[0].across
    rise = "unpool" if across == "places" else "up"
    rows = Rows([plan.image[:2], *(level.grid for level in plan.levels), plan.bottom[0]])
    places = columns(rows, plan)
    drawn = [draw_level(rows, k, plan.levels[k - 1], xs) for k, xs in enumerate(places, 1)]
    draw_ends(rows, plan, drawn[0])
    draw_bottom(rows, *plan.bottom, drawn[-1], rise)
    for upper, lower in zip(drawn, drawn[1:]):
        connect_rows(rows.sheet, "pool", upper.encoded, lower.entry)
        connect_rows(rows.sheet, rise, lower.decoded, upper.joined)
    kinds = dict.fromkeys(("convolution", rise, "pool", "up", across))
    draw_legend(rows.sheet, title, [kind for kind in kinds if kind])
    return rows.sheet


def columns(rows, plan):
    """For each level the x of its boxes, as in Drawn: one step inwards a level."""
    left, right = FIRST, LAST - rows.apart(1, plan.logits[2], plan.levels[0].decoder)
    for k, level in enumerate(plan.levels, 1):
        # Two numbers over a box take more room than one.
        space = ARROW + 12 * (len(level.joined) - 1)
        encoded = left + rows.apart(k, *level.encoder)
        joined = right - rows.apart(k, level.joined[-1], level.decoder, space)
        yield left, encoded, joined, right
        left, right = encoded, joined


class Drawn(NamedTuple):
    """The Edges of the boxes of one level."""

    entry: Edges
    encoded: Edges
    joined: Edges
    decoded: Edges


def draw_level(rows, k, level, xs):
    """One row: what comes in, encoder, what the decoder starts from, decoder."""
    (entering, found), joined, decoded = level.encoder, level.joined, level.decoder
    colours = [SKY, lit(ORANGE, 0.6)][-len(joined) :]
    drawn = Drawn(
        rows.add(k, xs[0], [entering], [lit(SKY, 0.6)]),
        rows.add(k, xs[1], [found], [SKY]),
        rows.add(k, xs[2], joined, colours, sparse=level.across == "places"),
        rows.add(k, xs[3], [decoded], [ORANGE]),
    )
    number(rows.sheet, drawn.entry, [entering], "left")
    number(rows.sheet, drawn.encoded, [found], "top")
    number(rows.sheet, drawn.joined, joined, "top")
    number(rows.sheet, drawn.decoded, [decoded], "right" if k > 1 else "top")
    connect_sides(rows.sheet, "convolution", drawn.entry, drawn.encoded)
    connect_sides(rows.sheet, "convolution", drawn.joined, drawn.decoded)
    if level.across:
        connect_sides(rows.sheet, level.across, drawn.encoded, drawn.joined)
    middle = (drawn.encoded.right + drawn.joined.left) / 2
    write_grid(rows.sheet, middle, drawn.entry.y + 17, level.grid)
    return drawn


def draw_ends(rows, plan, first):
    """The image above the encoder and the logits, as a mask, above the decoder."""
    sheet, side = rows.sheet, rows.sides[0]
    start = rows.add(0, first.entry.x, plan.image[2:], ["#FFFFFF"], IMAGE_DEPTH)
    paint_mole(sheet, side_of(start, side, IMAGE_DEPTH))
    head = rows.add(1, LAST, plan.logits[2:], [ORANGE])
    end = rows.add(0, LAST, plan.logits[2:], ["#FFFFFF"], IMAGE_DEPTH)
    paint_mask(sheet, side_of(end, side, IMAGE_DEPTH))
    connect_rows(sheet, "convolution", start, first.entry)
    connect_sides(sheet, "convolution", first.decoded, head)
    connect_rows(sheet, "up", head, end)
    number(sheet, head, plan.logits[2:], "right")
    write_grid(sheet, start.right + 5, start.bottom - 10, plan.image, ha="left")
    write_grid(sheet, end.left - 5, end.bottom - 10, plan.logits, ha="right")


def draw_bottom(rows, grid, channels, above, rise):
    """The lowest row: what the last pooling leaves, and the bottleneck where there is one."""
    sheet, row = rows.sheet, len(rows.middles) - 1
    left, right = above.encoded.x, above.joined.x
    first = rows.add(row, left, channels[:1], [lit(SKY, 0.6)])
    connect_rows(sheet, "pool", above.encoded, first)
    number(sheet, first, channels[:1], "left")
    write_grid(sheet, (left + right) / 2, first.bottom + 16, grid)
    if len(channels) == 1:
        connect(sheet, rise, (first.right, first.y), (right, first.y), (right, above.joined.bottom))
        return
    bottleneck = rows.add(row, right, channels[1:], [PURPLE])
    connect_sides(sheet, "convolution", first, bottleneck)
    connect_rows(sheet, rise, bottleneck, above.joined)
    number(sheet, bottleneck, channels[1:], "right")


def connect_rows(sheet, kind, one, other):
    """A vertical arrow between two boxes that stand above each other."""
    ends = (one.bottom, other.top) if one.y < other.y else (one.top, other.bottom)
    connect(sheet, kind, *((one.x, y) for y in ends))


def connect_sides(sheet, kind, one, other):
    connect(sheet, kind, (one.right, one.y), (other.left, other.y))


def connect(sheet, kind, *points):
    """An arrow of a kind through points, its ends clear of the boxes it starts and ends at."""
    points = np.array(points, float)
    for end, next_to_it in ((0, 1), (-1, -2)):
        way = points[next_to_it] - points[end]
        points[end] += 2.5 * way / np.linalg.norm(way)
    arrow(sheet, points, **ARROWS[kind])


def number(sheet, edges, channels, where):
    """Channels beside a box."""
    x, y, align = {
        "top": ((edges.left + edges.right) / 2, edges.top - 10, "center"),
        "left": (edges.left - 4, edges.y, "right"),
        "right": (edges.right + 4, edges.y, "left"),
    }[where]
    text(sheet, x, y, "+".join(map(str, channels)), ha=align)


def write_grid(sheet, x, y, sides, **style):
    text(sheet, x, y, "×".join(map(str, sides)), colour="#5A5A5A", **style)


def draw_legend(sheet, title, kinds):
    text(sheet, WIDTH / 2, 34, title, LARGE, weight="bold")
    for i, kind in enumerate(kinds):
        x, y = 200 + 145 * (i % 2), 66 + 30 * (i // 2)
        way = 14 * np.array(WAYS.get(kind, (1, 0)))
        connect(sheet, kind, (x, y) - way, (x, y) + way)
        text(sheet, x + 22, y, kind, ha="left")
