"""Drawn photographs of leaves on a table, with masks: a small folder as people make it themselves.

A picture is drawn at one size, SCENE pixels wide, and enlarged or reduced to that of its file, as a
telephone does when it zooms:

    table (wood, stone, cloth) -> shadows of the leaves -> leaves -> light of the room -> camera

A leaf has coordinates of its own: its stalk ends at the origin, and its tip lies at (1, 0). There
its outline is a polar curve, and one or more main veins run from the origin.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageDraw, ImageOps
from scipy import ndimage

from segmentation_tf.drawn.drawing import (
    cells,
    colour,
    draw_parallel,
    one_of,
    smooth_noise,
    smoothstep,
)
from segmentation_tf.images import largest_component

VERSION = 1  # raise it when any pixel changes: the folder's name contains it
SCENE = 900  # pixels of the longer side of what is drawn
FINE = 2  # outlines are painted this many times larger and scaled down: smooth edges

# Files of the set: width and height as they are stored, format, and EXIF orientation. As in folders
# that grow over years, cameras differ.
PHOTOS = (
    *[(1200, 900, "jpg", 1)] * 8,
    *[(1600, 1200, "jpg", 1)] * 5,
    (1600, 1200, "jpg", 6),  # a telephone held upright
    (1200, 900, "jpg", 3),  # and one held upside down
    (3000, 2250, "jpg", 1),
    (2592, 1944, "jpg", 1),
    *[(1024, 768, "png", 1)] * 4,
    *[(800, 600, "png", 1)] * 4,
    (768, 1024, "png", 1),  # portraits
    (900, 1200, "jpg", 1),
    (640, 480, "png", 1),
    (320, 240, "jpg", 1),
    (300, 300, "jpg", 1),
)


def blend(image: np.ndarray, tint: np.ndarray, share: np.ndarray) -> np.ndarray:
    """`image`, planes (3, H, W), where `share` (H, W) is 0, and `tint` where it is 1."""
    return image + share * (tint - image)


def ramp(values: np.ndarray, *colours: tuple) -> np.ndarray:
    """Planes (3, H, W): the first colour where values are 0, the last where they are 1."""
    places = np.linspace(0, 1, len(colours))
    planes = [np.interp(values, places, plane) for plane in zip(*colours)]
    return np.array(planes, np.float32)


# --- leaves ----------------------------------------------------------------------------------


@dataclass
class Kind:
    """What a kind of leaf looks like: its outline and its veins."""

    outline: Callable  # rng -> points (2, n) in the leaf's coordinates
    rays: tuple  # angles of the main veins in degrees
    side_veins: float  # distance between two side veins, 0 for a fan without any
    slope: float  # how far a side vein leans to the tip
    size: float  # how large leaves of this kind are, as a factor


def _feather(rng, width, swell, teeth, depth, lobes=0):
    """A leaf along one midrib: half widths that rise and fall, with teeth or round lobes."""
    t = np.linspace(0, 1, 400)
    half = width * np.sin(np.pi * t**swell) ** 0.85
    saw = (teeth * t) % 1
    half *= 1 + depth * (saw - 0.5) * (0.15 < t) * (t < 0.97)
    if lobes:
        wave = 0.5 - 0.5 * np.cos(2 * np.pi * (lobes * t + 0.15))
        half *= 1 - 0.62 * wave**1.5 * smoothstep(t, 0.04, 0.2)
    both = []
    for side in (1, -1):
        wobble = 1 + 0.05 * np.interp(t, np.linspace(0, 1, 9), rng.normal(0, 1, 9))
        both.append(np.stack([t + 0.05 * lobes / 5 * half, side * half * wobble]))
    return np.concatenate([both[0], both[1][:, ::-1]], axis=1)


def _palm(rng, half, soft):
    """A leaf with main veins like fingers: (angle in degrees, radius) from the tip to the stalk."""
    both = []
    for side in (1, -1):
        angles, radii = np.array(half, float).T
        angles = np.radians(angles + rng.normal(0, 1.2, len(angles)) * (angles > 0))
        radii = radii * (1 + rng.normal(0, 0.04, len(radii)) * (angles > 0))
        both.append(np.stack([radii * np.cos(angles), side * radii * np.sin(angles)]))
    points = np.concatenate([both[0], both[1][:, ::-1]], axis=1)
    steps = np.arange(points.shape[1] + 1)
    fine = np.linspace(0, points.shape[1], 600)
    closed = np.concatenate([points, points[:, :1]], axis=1)
    curve = np.stack([np.interp(fine, steps, axis) for axis in closed])
    return ndimage.gaussian_filter1d(curve, soft, axis=1, mode="wrap")


def _maple(rng):
    half = ((0, 1.0), (6, 0.8), (15, 0.84), (14, 0.64), (23, 0.43), (34, 0.62), (33, 0.78),
            (42, 0.76), (50, 0.97), (55, 0.76), (65, 0.76), (63, 0.58), (77, 0.4), (90, 0.5),
            (96, 0.44), (104, 0.64), (110, 0.46), (124, 0.46), (130, 0.34), (152, 0.22),
            (170, 0.06))  # fmt: skip
    return _palm(rng, half, 2.2)


def _ivy(rng):
    half = ((0, 1.0), (8, 0.82), (20, 0.6), (31, 0.53), (42, 0.66), (52, 0.82), (61, 0.7),
            (80, 0.5), (92, 0.5), (106, 0.56), (120, 0.5), (140, 0.34), (165, 0.12))  # fmt: skip
    return _palm(rng, half, 6)


def _linden(rng):
    half = [(0, 1.06), (4, 0.93)]
    for angle in range(9, 150, 5):  # fine teeth
        radius = 0.66 + 0.3 * math.cos(math.radians(angle)) ** 2 * (angle < 90)
        radius *= 1 - 0.28 * (angle / 150) ** 3
        half += [(angle, radius), (angle + 3.5, 0.965 * radius)]
    return _palm(rng, [*half, (157, 0.44), (167, 0.36), (175, 0.18), (179, 0.04)], 1.2)


def _ginkgo(rng):
    half = [(0, 0.62), (3, 0.9), (8, 0.98)]
    half += [(angle, 1 + 0.02 * math.cos(angle)) for angle in range(13, 62, 5)]
    return _palm(rng, [*half, (66, 0.9), (58, 0.4), (62, 0.2), (90, 0.03)], 3)


KINDS = {
    "beech": Kind(lambda rng: _feather(rng, 0.3, 0.88, 26, 0.1), (0,), 0.085, 0.8, 0.9),
    "birch": Kind(lambda rng: _feather(rng, 0.36, 0.68, 34, 0.22), (0,), 0.11, 0.9, 0.75),
    "willow": Kind(lambda rng: _feather(rng, 0.13, 0.85, 50, 0.06), (0,), 0.06, 1.2, 1.15),
    "oak": Kind(lambda rng: _feather(rng, 0.34, 1.15, 0, 0, lobes=5), (0,), 0.2, 0.75, 1.0),
    "maple": Kind(_maple, (0, 50, -50, 105, -105), 0.15, 0.8, 0.8),
    "ivy": Kind(_ivy, (0, 52, -52, 108, -108), 0.19, 0.9, 0.7),
    "linden": Kind(_linden, (0, 42, -42, 84, -84, 130, -130), 0.15, 0.8, 0.8),
    "ginkgo": Kind(_ginkgo, (0,), 0, 0, 0.75),
}
# Colours along a leaf's veins, between them, and at its edge.
SEASONS = (
    ((122, 150, 62), (66, 112, 40), (52, 96, 36)),  # summer
    ((150, 170, 80), (92, 136, 46), (80, 120, 40)),  # spring
    ((140, 160, 60), (206, 184, 58), (214, 160, 48)),  # turning yellow
    ((226, 196, 80), (226, 176, 44), (196, 128, 40)),  # yellow
    ((216, 150, 60), (206, 92, 34), (170, 54, 30)),  # orange
    ((196, 110, 62), (160, 36, 34), (116, 24, 32)),  # red
    ((176, 130, 84), (138, 90, 52), (104, 66, 40)),  # dry
)


@dataclass
class Leaf:
    """One leaf: what it looks like, where in the scene it lies, how it is turned and bent."""

    kind: Kind
    outline: np.ndarray
    stalk: np.ndarray  # points (2, n) in the leaf's coordinates
    middle: tuple[float, float]  # x, y of the point (0.45, 0) of the leaf
    length: float
    turn: float
    bend: float

    def place(self, points: np.ndarray, scale: float = 1.0) -> list[tuple[float, float]]:
        """Points of the leaf (2, n) as pixels of a picture `scale` times as large."""
        x, y = points[0] - 0.45, points[1] + self.bend * points[0] ** 2
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        across = self.middle[0] + self.length * (cos * x - sin * y)
        down = self.middle[1] + self.length * (sin * x + cos * y)
        return list(zip((scale * across).tolist(), (scale * down).tolist()))

    def coordinates(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The leaf's coordinates (x, y) of each pixel, two arrays (H, W)."""
        down, across = np.indices(shape, dtype=np.float32) / np.float32(self.length)
        across -= np.float32(self.middle[0] / self.length)
        down -= np.float32(self.middle[1] / self.length)
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        x = cos * across + sin * down + 0.45
        return x, cos * down - sin * across - self.bend * x * x

    def paint(self, picture: Image.Image, scale: float, blade: int, stalk: int) -> None:
        """Paint blade and stalk in the grey values given; `picture` is `scale` times the scene."""
        pen = ImageDraw.Draw(picture)
        width = max(1, round(0.022 * self.length * scale))
        pen.line(self.place(self.stalk, scale), fill=stalk, width=width, joint="curve")
        pen.polygon(self.place(self.outline, scale), fill=blade)


def _random_leaves(rng, shape):
    """One to three leaves that hardly touch, of one kind or of several."""
    count = int(rng.choice((1, 2, 3), p=(0.6, 0.22, 0.18)))
    size = min(shape) / (1, 1.5, 1.9)[count - 1]
    name, leaves = one_of(rng, list(KINDS)), []
    while len(leaves) < count:
        leaf = _make_leaf(rng, KINDS[name], size * KINDS[name].size * rng.uniform(0.6, 0.95))
        leaf.middle = _place_in(rng, leaf, shape)
        if all(_apart(leaf, one) for one in leaves):
            leaves.append(leaf)
            name = name if rng.random() < 0.6 else one_of(rng, list(KINDS))
        size *= 0.98  # so that the last one finds a place
    return leaves


def _apart(leaf, other):
    return math.dist(leaf.middle, other.middle) > 0.7 * (leaf.length + other.length)


def _make_leaf(rng, kind, length):
    along = np.linspace(0.02, -rng.uniform(0.2, 0.42), 12)
    stalk = np.stack([along, rng.normal(0, 0.9) * along**2])
    turn, bend = rng.uniform(0, 2 * math.pi), rng.normal(0, 0.09)
    return Leaf(kind, kind.outline(rng), stalk, (0, 0), length, turn, bend)


def _place_in(rng, leaf, shape):
    """A random middle (x, y) so that the leaf lies in the picture, or nearly so."""
    leaf.middle = (0, 0)
    points = np.array(leaf.place(leaf.outline))
    slack = 0.04 * leaf.length
    low = slack - points.min(axis=0)
    high = np.array(shape[::-1]) - slack - points.max(axis=0)
    low -= 2.5 * slack * (rng.random() < 0.2)  # one in five may reach over an edge
    return tuple(rng.uniform(np.minimum(low, high), np.maximum(low, high)).tolist())


def _paint_leaf(rng, leaf, cover, blade, sun):
    """Colours of a leaf, planes (3, H, W).

    `cover` and `blade` (H, W) are 1 on the leaf with and without its stalk; `sun` is the direction
    (x, y) in which the shadows fall.
    """
    shape = cover.shape
    x, y = leaf.coordinates(shape)
    veins, between = _veins(leaf, x, y)
    depth = ndimage.distance_transform_edt(blade > 0.5).astype(np.float32) / np.float32(leaf.length)
    vein_colour, body, edge = (colour(*tint) for tint in one_of(rng, SEASONS))
    patches = smooth_noise(rng, shape, leaf.length * 0.3)
    inwards = depth / 0.2 + 0.3 * patches + 0.15 * smooth_noise(rng, shape, leaf.length * 0.06)
    planes = blend(edge, body, smoothstep(inwards, 0, 0.9))
    planes = blend(planes, vein_colour, 0.45 * np.exp(-between / 0.3))
    planes = blend(planes, 1.1 * vein_colour, 0.75 * veins)
    centre, wall, own = cells(rng, *np.indices(shape, np.float32), leaf.length / 55, 1.0)
    planes *= 0.96 + 0.07 * smoothstep(wall, 0.0, 0.3)  # the finest net of veins
    if rng.random() < 0.5:
        spots = (own < rng.uniform(0.01, 0.05)) * (1 - smoothstep(centre, 0.2, 0.45))
        planes = blend(planes, colour(92, 62, 38), 0.75 * spots)
    planes *= 1 + 0.06 * patches
    planes *= _shade(rng, leaf, shape, between, sun)
    return blend(0.85 * vein_colour, planes, blade)


def _veins(leaf, x, y):
    """How much each pixel is vein (0 to 1), and how far between two side veins it lies (0 to 1)."""
    kind = leaf.kind
    if not kind.side_veins:  # a fan
        spread = np.abs(np.arctan2(y, np.maximum(x, 1e-3)) * 26 / math.pi)
        line = np.abs(spread % 1 - 0.5) * 2
        return 0.55 * smoothstep(line, 0.6, 1), line
    rays = np.radians(np.array(kind.rays, np.float32))
    angle = np.arctan2(y, x)
    away = np.abs((angle - rays[:, None, None] + np.pi) % (2 * np.pi) - np.pi)
    nearest = rays[np.argmin(away, axis=0)] if len(rays) > 1 else rays[0]
    cos, sin = np.cos(nearest), np.sin(nearest)
    along, across = cos * x + sin * y, cos * y - sin * x
    main = np.exp(-((across / (0.004 + 0.009 * np.clip(1 - along, 0, 1))) ** 2)) * (along > 0)
    lean = along - kind.slope * np.abs(across) - 0.6 * across**2
    phase = lean / kind.side_veins + 0.4 * (across > 0)
    between = np.abs(phase % 1 - 0.5) * 2  # 1 on a side vein
    width = 0.0055 * 2 / kind.side_veins
    side = np.exp(-(((1 - between) / width) ** 2)) * (lean > 0)
    return np.maximum(main, 0.65 * side), 1 - between


def _shade(rng, leaf, shape, between, sun):
    """Light on a leaf that bulges between its veins and curls: factors around 1, (H, W)."""
    bulge = rng.uniform(0.2, 0.8) * 0.006 * np.sin(np.pi * between / 2)
    curl = rng.uniform(0.015, 0.04) * smooth_noise(rng, shape, leaf.length * 0.5)
    height = leaf.length * (ndimage.gaussian_filter(bulge, 1.5) + curl)
    slope_y, slope_x = np.gradient(height)
    towards = slope_x * sun[0] + slope_y * sun[1]
    shine = rng.uniform(0.05, 0.3) * smoothstep(towards, 0.02, 0.3)
    return np.clip(1 + 0.8 * towards, 0.6, 1.3) + shine


# --- the table -------------------------------------------------------------------------------


def _stretched(rng, shape, scale, stretch):
    """Smooth noise whose blobs are `stretch` times as wide as high."""
    narrow = smooth_noise(rng, (shape[0], math.ceil(shape[1] / stretch) + 1), scale)
    return np.asarray(Image.fromarray(narrow).resize(shape[::-1], Image.BICUBIC))


def _wood(rng, shape):
    """Boards from left to right with their grain, planes (3, H, W)."""
    dark, light = one_of(rng, WOODS)
    board = rng.uniform(150, 330)
    y = np.arange(shape[0], dtype=np.float32)[:, None] + rng.uniform(0, board)
    number = (y // board).astype(int)
    own = rng.normal(0, 1, (2, int(number.max()) + 1)).astype(np.float32)
    warped = y + own[0][number] * 500
    warped = warped + 16 * _stretched(rng, shape, 120, 5) + 3 * _stretched(rng, shape, 25, 9)
    rings = warped / rng.uniform(13, 26)
    grain = (rings % 1) ** 2.2  # early wood is light and fades into the dark line of late wood
    fibres = _stretched(rng, shape, 2.5, 24)
    tone = 0.62 - 0.34 * grain + 0.09 * fibres + 0.11 * own[1][number]
    tone = tone + 0.06 * _stretched(rng, shape, 60, 4)
    gap = np.exp(-(((y % board) / 2.2) ** 2)) + np.exp(-(((board - y % board) / 2.2) ** 2))
    return ramp(np.clip(tone, 0, 1), dark, light) * (1 - 0.72 * np.clip(gap, 0, 1))


WOODS = (
    ((104, 66, 38), (206, 158, 104)),  # oak
    ((58, 36, 24), (134, 88, 56)),  # walnut
    ((168, 132, 92), (236, 212, 172)),  # pine
    ((108, 102, 96), (190, 184, 174)),  # weathered
)


def _stone(rng, shape):
    """Slate, marble or granite, planes (3, H, W)."""
    cloud = sum(smooth_noise(rng, shape, scale) / 2**i for i, scale in enumerate((260, 90, 30, 9)))
    kind = one_of(rng, ("slate", "marble", "granite"))
    if kind == "slate":
        ridges = _stretched(rng, shape, 14, 4) + 0.6 * _stretched(rng, shape, 5, 5)
        relief = ridges - np.roll(ridges, 2, axis=0)
        return ramp(np.clip(0.5 + 0.14 * cloud + 0.3 * relief, 0, 1), (44, 50, 56), (112, 120, 124))
    if kind == "marble":
        lines = np.abs(_stretched(rng, shape, 230, 3) + 0.2 * smooth_noise(rng, shape, 60))
        vein = np.exp(-lines / 0.04) * smoothstep(smooth_noise(rng, shape, 200), -1, 1)
        stone = ramp(np.clip(0.6 + 0.16 * cloud, 0, 1), (190, 186, 180), (240, 238, 232))
        return blend(stone, colour(120, 116, 114), 0.7 * vein)
    y, x = np.indices(shape, dtype=np.float32)
    y, x = y + 2.5 * smooth_noise(rng, shape, 7), x + 2.5 * smooth_noise(rng, shape, 7)
    own = cells(rng, y, x, rng.uniform(5, 9), 1.0)[2]
    tints = one_of(rng, (((92, 90, 90), (150, 144, 140), (186, 180, 176)),
                         ((118, 92, 84), (176, 142, 128), (200, 174, 160))))  # fmt: skip
    return ramp(np.clip(own + 0.1 * cloud, 0, 1), *tints) * (1 + 0.04 * smooth_noise(rng, shape, 3))


def _cloth(rng, shape):
    """Woven linen, plain, striped or checked, with soft folds: planes (3, H, W)."""
    y, x = np.indices(shape, dtype=np.float32)
    y, x = y + 4 * smooth_noise(rng, shape, 160), x + 4 * smooth_noise(rng, shape, 160)
    thread = rng.uniform(4.5, 6.5)
    weft, warp = np.sin(np.pi * y / thread), np.sin(np.pi * x / thread)
    weave = np.where(weft * warp > 0, np.abs(weft), np.abs(warp))
    uneven = 0.5 * (_stretched(rng, shape, 4, 20) + _stretched(rng, shape[::-1], 4, 20).T)
    base = np.array(one_of(rng, LINENS), np.float32)
    second = np.array(one_of(rng, LINENS[3:]), np.float32)
    across, down = (smoothstep(np.sin(v / rng.uniform(14, 40)), 0.05, 0.2) for v in (x, y))
    pattern = one_of(rng, (0 * x, across * smoothstep(np.sin(x / 9), -0.2, 0), (across + down) / 2))
    planes = blend(colour(*base), colour(*second), 0.75 * pattern)
    folds = smooth_noise(rng, shape, 420)
    fold_light = 14 * (folds - np.roll(folds, (3, 3), axis=(0, 1)))
    return planes * (0.72 + 0.3 * weave + 0.05 * uneven) * (1 + np.clip(fold_light, -0.2, 0.2))


LINENS = (
    (232, 226, 212),
    (206, 192, 168),
    (222, 222, 224),
    (84, 104, 138),
    (150, 58, 54),
    (92, 112, 98),
    (62, 64, 74),
)


def _table(rng, shape):
    """A table seen from above, from either side: planes (3, H, W)."""
    draw = one_of(rng, (_wood, _wood, _stone, _cloth))
    if rng.random() < 0.35:
        return draw(rng, shape[::-1]).transpose(0, 2, 1)
    return draw(rng, shape)


# --- the photograph --------------------------------------------------------------------------


def draw_photo(index: int) -> tuple[Image.Image, Image.Image]:
    """Draw photograph `index` (0 to 29), the same in every process: image (RGB) and mask (1 bit).

    Both are upright, in the size that an image viewer shows.
    """
    rng = np.random.default_rng([20, index])
    width, height, _, orientation = PHOTOS[index]
    size = (height, width) if orientation == 6 else (width, height)
    scale = max(size) / SCENE
    shape = (round(size[1] / scale), round(size[0] / scale))
    leaves = _random_leaves(rng, shape)
    image = _scene(rng, shape, leaves)
    mask = np.zeros(size[::-1], bool)
    for leaf in leaves:
        painted = Image.new("L", size)
        leaf.paint(painted, scale, 255, 255)
        mask |= largest_component(np.asarray(painted) > 0)  # without specks between fine teeth
    return _camera(rng, image, size), Image.fromarray(mask)


def _scene(rng, shape, leaves):
    """Table, leaves and light: planes (3, H, W), 0 to 255 and above."""
    image = _table(rng, shape)
    angle, hard = rng.uniform(0, 2 * math.pi), rng.uniform(0.25, 0.6)
    sun = math.cos(angle), math.sin(angle)
    covers = [_cover(leaf, shape, 255) for leaf in leaves]
    for leaf, cover in zip(leaves, covers):
        image *= _shadow(leaf, cover, sun, hard)
    for leaf, cover in zip(leaves, covers):
        planes = _paint_leaf(rng, leaf, cover, _cover(leaf, shape, 0), sun)
        image = blend(image, planes, cover)
    return image * _room_light(rng, shape, sun)


def _cover(leaf, shape, stalk):
    """How much of each pixel the leaf covers, 0 to 1, (H, W); without its stalk if that is 0."""
    picture = Image.new("L", (shape[1] * FINE, shape[0] * FINE))
    leaf.paint(picture, FINE, 255, stalk)
    return np.asarray(picture.reduce(FINE), np.float32) / 255


def _shadow(leaf, cover, sun, hard):
    """What is left of the light under a leaf: dark where it touches the table, soft beside it."""
    lift = 0.03 * leaf.length
    near = ndimage.gaussian_filter(cover, 0.25 * lift)
    far = ndimage.shift(cover, (lift * sun[1], lift * sun[0]), order=1)
    far = ndimage.gaussian_filter(far, 0.45 * lift)
    strength = colour(1, 0.97, 0.9)  # shadows are a little blue
    return (1 - 0.3 * near * strength) * (1 - hard * far * strength)


def _room_light(rng, shape, sun):
    """Daylight from one side, at times through branches, and the lens' darker corners."""
    y, x = np.indices(shape, dtype=np.float32) / np.float32(max(shape)) - np.float32(0.5)
    light = 1 - rng.uniform(0.08, 0.4) * (x * sun[0] + y * sun[1])
    light *= 1.04 - rng.uniform(0.1, 0.4) * (x * x + y * y)
    if rng.random() < 0.25:
        light *= 1 - rng.uniform(0.12, 0.3) * smoothstep(smooth_noise(rng, shape, 190), 0, 0.7)
    warm = rng.normal(0, 0.05)
    return light * colour(1 + warm, 1, 1 - warm) * rng.uniform(0.82, 1.08)


def _camera(rng, image, size):
    """The photograph at its own size, with some noise, as a Pillow image."""
    planes = np.clip(image, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    photo = Image.fromarray(np.ascontiguousarray(planes)).resize(size, Image.BICUBIC)
    # A tile of noise is enough: nobody sees that it repeats.
    noise = ndimage.gaussian_filter(rng.standard_normal((256, 256), np.float32), 0.6)
    noise = np.round(noise * rng.uniform(3, 9)).astype(np.int16)
    repeats = (-(-size[1] // 256), -(-size[0] // 256))
    noise = np.tile(noise, repeats)[: size[1], : size[0], None]
    return Image.fromarray(np.clip(np.asarray(photo) + noise, 0, 255).astype(np.uint8))


# --- the folder ------------------------------------------------------------------------------


def draw_pictures(
    folder: Path,
    faults: bool = False,
    *,
    indices: Iterable[int] = range(len(PHOTOS)),
    processes: int = 0,
) -> Path:
    """Draw the photographs into `folder`/images and their masks into `folder`/masks; return it.

    Args:
        folder: New, or empty.
        faults: Add what `plant_faults` does.
        indices: Draw these photographs only.
        processes: 0 for as many as there are cores.
    """
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    draw_parallel(_save_photo, [(folder, i) for i in indices], "drawing leaves", processes)
    return plant_faults(folder) if faults else folder


def _save_photo(folder, index):
    image, mask = draw_photo(index)
    suffix, orientation = PHOTOS[index][2:]
    image = image.transpose(TURNS[orientation]) if orientation in TURNS else image
    exif = Image.Exif()
    if orientation != 1:
        exif[ExifTags.Base.Orientation] = orientation
    name = f"leaf{index + 1:02}"
    image.save(folder / "images" / f"{name}.{suffix}", quality=88, exif=exif)
    mask.save(folder / "masks" / f"{name}.png")


# How a picture is stored so that its EXIF orientation turns it upright again.
TURNS = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}


def plant_faults(folder: Path) -> Path:
    """Damage a drawn folder in the ways in which people's folders are damaged; return it.

    - leaf03: the mask is inverted.
    - leaf05 and leaf07: their masks are exchanged.
    - leaf10: the mask is turned by 180 degrees.
    - leaf12 is there a second time, smaller, as leaf12_small.
    - leaf16 has no mask.
    - leaf19: the mask has half the size.
    - leaf21: the mask holds 0 and 1, and looks black. That is no fault.
    """
    masks = folder / "masks"

    def change(name, function):
        path = masks / f"{name}.png"
        with Image.open(path) as mask:
            changed = function(mask.convert("L"))
        changed.save(path)

    change("leaf03", ImageOps.invert)
    exchanged = [masks / "leaf05.png", masks / "leaf07.png"]
    contents = [path.read_bytes() for path in exchanged]
    for path, content in zip(exchanged, reversed(contents)):
        path.write_bytes(content)
    change("leaf10", lambda mask: mask.transpose(Image.Transpose.ROTATE_180))
    for path in (folder / "images" / "leaf12.jpg", masks / "leaf12.png"):
        with Image.open(path) as picture:
            small = picture.resize((picture.width // 4, picture.height // 4))
            small.save(path.with_name("leaf12_small.png"))
    (masks / "leaf16.png").unlink()
    change("leaf19", lambda mask: mask.resize((mask.width // 2, mask.height // 2), Image.NEAREST))
    change("leaf21", lambda mask: mask.point(lambda value: value // 255))
    return folder
