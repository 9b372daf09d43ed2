"""A flock of sheep, drawn three times from one list: as seen, by class and by animal."""

from dataclasses import dataclass

import numpy as np
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Affine2D

from drawing.sheet import (
    BLUE,
    GREEN,
    INK,
    LARGE,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    YELLOW,
    arrow,
    closed_curve,
    ellipse,
    inset,
    new_sheet,
    polygon,
    round_corners,
    shape,
    text,
)

SCENE = (568, 274)  # width and height; x to the right, y downwards, as in an image
HORIZON = [(-20, 100), (60, 84), (170, 70), (300, 86), (420, 98), (520, 82), (590, 74)]
HILLS = [(-20, 96), (70, 60), (150, 50), (240, 70), (330, 56), (430, 34), (520, 58), (590, 54)]
CLOUDS = [(182, 26, 30), (216, 31, 20), (330, 22, 22), (358, 27, 16)]
SUN = (508, 30, 18, 18)
TREE = (52, 54)
TUFTS = [(24, 238), (134, 110), (188, 258), (280, 262), (296, 110), (396, 240), (546, 224),
         (262, 112), (508, 120), (90, 262), (552, 172), (18, 166)]  # fmt: skip
FLOWERS = [(22, 204), (48, 262), (138, 266), (238, 264), (292, 256), (366, 264), (470, 266),
           (546, 258), (560, 206), (100, 130), (276, 98), (520, 100), (540, 134)]  # fmt: skip


@dataclass(frozen=True)
class Sheep:
    """Where a sheep stands: middle of its body, half its length, and what it does.

    `facing` is 1 to the right and -1 to the left; `head` is the head's place in body lengths.
    """

    x: float
    y: float
    size: float
    facing: int
    head: tuple
    wool: str
    face: str
    seed: int


UP, LEVEL, GRAZING = (0.98, -0.58), (1.06, -0.2), (1.1, 0.62)
CREAM, WHITE, BROWN, COAL = "#F4EBD7", "#FFFDF7", "#C9A57E", "#55504D"
DARK, PINK = "#45403E", "#EBC7B0"
# From the back to the front.
FLOCK = [
    Sheep(206, 132, 37, -1, LEVEL, WHITE, DARK, 1),
    Sheep(428, 130, 40, 1, LEVEL, CREAM, DARK, 2),
    Sheep(346, 147, 45, -1, UP, COAL, PINK, 3),
    Sheep(122, 184, 60, -1, GRAZING, CREAM, DARK, 4),
    Sheep(216, 192, 56, 1, UP, WHITE, PINK, 5),
    Sheep(470, 194, 62, -1, LEVEL, BROWN, DARK, 6),
    Sheep(324, 226, 31, 1, UP, WHITE, PINK, 7),
]
LEGS = ((-0.3, 0.97), (0.34, 0.97), (-0.58, 1.04), (0.6, 1.04))  # place and foot
CURLS = ((-0.5, -0.2), (-0.1, -0.34), (-0.25, 0.12), (0.18, 0.02), (-0.6, 0.2), (0.32, -0.28))
CLASSES = {"sky": (270, 32), "tree": (52, 55), "grass": (246, 91), "sheep": (182, 190)}
# One colour a sheep; the semantic map beside it uses none of them.
COLOURS = ("#882255", "#332288", "#F5C9A6", ORANGE, BLUE, PURPLE, "#999933")


def draw_instances():
    """Semantic against instance segmentation: the scene, its classes, and its single sheep."""
    sheet = new_sheet(496)
    width, height = SCENE
    half = (width - 20) / 2
    top, below = 16, 16 + height + 30
    paint_panel(sheet, 16, top, width, paint_scene)
    for x, paint, title in (
        (16, paint_classes, "semantic"),
        (16 + half + 20, paint_animals, "instance"),
    ):
        middle = x + half / 2
        arrow(sheet, [(middle, top + height + 5), (middle, below - 5)])
        paint_panel(sheet, x, below, half, paint)
        text(sheet, middle, below + half * height / width + 22, title, LARGE, weight="bold")
    return sheet


def paint_panel(sheet, x, y, width, paint):
    """What `paint` paints in the scene's units, at x, y, in a rounded frame."""
    height = width * SCENE[1] / SCENE[0]
    panel = inset(sheet, x, y, width, height, SCENE[0])
    paint(panel)
    round_corners(sheet, x, y, width, height)


# --- The three views ----------------------------------------------------------------------------


def paint_scene(panel):
    """The flock as a camera sees it."""
    shape(panel, everywhere(), facecolor="#CDE7F5")
    shape(panel, ellipse(*SUN), facecolor="#FFE9A8")
    for x, y, radius in CLOUDS:
        shape(panel, puff(x, y, 1.3 * radius, 0.55 * radius, 9, 0), facecolor="#FFFFFF")
    shape(panel, ground(HILLS), facecolor="#BCD8B0")
    shape(panel, ground(HORIZON), facecolor="#93C47D")
    for path, colour in zip(tree(), ("#7A5B41", "#5E9A5B"), strict=True):
        shape(panel, path, facecolor=colour)
    blades = [Path([(x + lean, y - 7), (x, y), (x, y - 9)]) for x, y in TUFTS for lean in (-5, 5)]
    shape(panel, together(blades), facecolor="none", edgecolor="#6FA65C", linewidth=1.6)
    for radius, colour in ((3, "#FFFFFF"), (1.2, "#F2B705")):
        petals = [ellipse(x, y, radius, radius) for x, y in FLOWERS]
        shape(panel, together(petals), facecolor=colour)
    for sheep in FLOCK:
        paint_sheep(panel, sheep)


def paint_classes(panel):
    """The semantic map: one colour a class, and sheep that touch run together."""
    shape(panel, everywhere(), facecolor=SKY)
    shape(panel, ground(HILLS), facecolor=GREEN, edgecolor="white", linewidth=1.5)
    paint_outlined(panel, [together(tree())], RED)
    paint_outlined(panel, [silhouette(sheep) for sheep in FLOCK], YELLOW)
    for word, at in CLASSES.items():
        label(panel, *at, word)


def paint_animals(panel):
    """The instance map: a colour and a number for every sheep, nothing for the rest."""
    shape(panel, everywhere(), facecolor="#D8D8D8")
    for sheep, colour in zip(FLOCK, COLOURS, strict=True):
        paint_outlined(panel, [silhouette(sheep)], colour)
    for number, sheep in enumerate(FLOCK, start=1):
        label(panel, sheep.x, sheep.y, str(number))


def label(panel, x, y, word):
    halo = [withStroke(linewidth=3, foreground="white")]
    text(panel, x, y, word, weight="bold", zorder=8, path_effects=halo)


# --- The parts of the scene ---------------------------------------------------------------------


def everywhere():
    return Affine2D().scale(*SCENE).transform_path(Path.unit_rectangle())


def ground(ridge):
    """A path: everything below a ridge, given by points from left to right."""
    width, height = SCENE
    return closed_curve([*ridge, (width + 60, height + 60), (-60, height + 60)])


def tree():
    """Trunk and crown, two paths."""
    x, y = TREE
    trunk = polygon([(x - 5, y), (x + 5, y), (x + 8, y + 72), (x - 8, y + 72)])
    return trunk, puff(x, y, 32, 30, 10, 3)


def puff(x, y, width, height, bumps, seed):
    """A path like a cloud: round bumps around an ellipse with these half-axes."""
    rng = np.random.default_rng(seed)
    angles = 2 * np.pi * (np.arange(bumps) + rng.uniform(-0.18, 0.18, bumps)) / bumps
    notches = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ends = np.roll(notches, -1, axis=0)
    outward = 1.4 * np.linalg.norm(ends - notches, axis=1, keepdims=True) / 2 * (notches + ends)
    curves = np.stack([notches + outward / 2, ends + outward / 2, ends], axis=1)
    vertices = np.vstack([notches[:1], curves.reshape(-1, 2)]) * (width, height) + (x, y)
    return Path(vertices, [Path.MOVETO] + [Path.CURVE4] * (3 * bumps))


def paint_sheep(panel, sheep):
    place = placed(sheep)
    shadow = ellipse(0, 1.02, 1.1, 0.14)
    shape(panel, place(shadow), facecolor="#3F6B35", alpha=0.35)
    colours = {"wool": sheep.wool, "face": sheep.face, "leg": DARK}
    for role, path in parts(sheep):
        shape(panel, place(path), facecolor=colours[role], edgecolor=INK, linewidth=1.1)
    curls = place(together([curl(*at) for at in CURLS]))
    shape(panel, curls, facecolor="none", edgecolor=INK, linewidth=0.8, alpha=0.35)
    for colour, path in eyes(*sheep.head):
        shape(panel, place(path), facecolor=colour)


def silhouette(sheep):
    return placed(sheep)(together([path for _, path in parts(sheep)]))


def paint_outlined(panel, paths, colour):
    """Paths that together are one region: in one colour, with one white outline around them."""
    for style in ({"linewidth": 3, "edgecolor": "white"}, {"facecolor": colour}):
        for path in paths:
            shape(panel, path, **style)


def placed(sheep):
    """A function that moves a path from body lengths to its place in the scene."""
    move = Affine2D().scale(sheep.facing * sheep.size, sheep.size).translate(sheep.x, sheep.y)
    return move.transform_path


def parts(sheep):
    """The body of a sheep that looks to the right, in body lengths: `(role, path)`, back first."""
    x, y = sheep.head
    return [
        *[("leg", leg(*at)) for at in LEGS],
        ("wool", puff(-0.97, -0.12, 0.15, 0.14, 5, sheep.seed)),  # the tail
        ("wool", puff((x + 0.5) / 2, (y - 0.1) / 2, 0.36, 0.34, 7, sheep.seed)),  # the neck
        ("wool", puff(0, 0, 0.86, 0.6, 13, sheep.seed)),
        ("face", ellipse(x - 0.3, y - 0.06, 0.17, 0.08, 18)),  # the ears
        ("face", ellipse(x + 0.3, y - 0.06, 0.17, 0.08, -18)),
        ("face", ellipse(x, y, 0.25, 0.34)),
        ("wool", puff(x, y - 0.27, 0.2, 0.13, 6, sheep.seed)),  # the tuft
    ]


def leg(x, foot):
    return polygon([(x - 0.09, 0.3), (x + 0.09, 0.3), (x + 0.07, foot), (x - 0.07, foot)])


def eyes(x, y):
    """Eyes and nostrils of a head at x, y, in body lengths: `(colour, path)`."""
    whites = [ellipse(x + side * 0.11, y - 0.04, 0.08, 0.09) for side in (-1, 1)]
    pupils = [ellipse(x + side * 0.1 + 0.015, y - 0.02, 0.042, 0.05) for side in (-1, 1)]
    nostrils = [ellipse(x + side * 0.05, y + 0.22, 0.022, 0.018) for side in (-1, 1)]
    return ("#FFFFFF", together(whites)), ("#1A1A1A", together(pupils + nostrils))


def curl(x, y):
    return Affine2D().scale(0.13).translate(x, y).transform_path(Path.arc(20, 160))


def together(paths):
    return Path.make_compound_path(*paths)
