"""The idea of encoder and decoder, and how an autoencoder differs."""

from matplotlib.transforms import Affine2D

from drawing.mole import paint_mask, paint_mole, tile
from drawing.sheet import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LARGE,
    ORANGE,
    PURPLE,
    RISE,
    SKY,
    WIDTH,
    arrow,
    line,
    lit,
    new_sheet,
    paint_box,
    polygon,
    shape,
    text,
)

DEPTH = 0.24  # of the boxes, in parts of their height
SIDE = 96  # of the square pictures
IMAGE, OUTPUT, TARGET = 16, 366, 488  # left edges of the columns
START, MIDDLE, END = 126, 239, 352  # the network: where it is wide, narrow and wide again
# Of each box the x of its middle, its height and its thickness.
BOXES = ((148, 78, 9), (192, 54, 16), (239, 34, 32), (286, 54, 16), (330, 78, 9))


def draw_encoder_decoder():
    """Above: image to mask, what and where. Below: an autoencoder, whose target is its input."""
    sheet = new_sheet(432)
    draw_segmenter(sheet, 74)
    line(sheet, [(24, 240), (WIDTH - 24, 240)], "#D9D6CC", 1.5)
    draw_autoencoder(sheet, 306)
    return sheet


def draw_segmenter(sheet, y):
    draw_funnel(sheet, y, (SKY, PURPLE, ORANGE))
    paint_mole(sheet, place(IMAGE, y))
    paint_mask(sheet, place(OUTPUT, y), smooth=True)
    paint_mask(sheet, place(TARGET, y))
    paint_pencil(sheet, TARGET + 0.78 * SIDE, y - 0.16 * SIDE)
    name_columns(sheet, y, ("image", "prediction", "target"))
    text(sheet, (START + MIDDLE) / 2 - 6, y + 66, "encoder", weight="bold")
    text(sheet, (MIDDLE + END) / 2 + 6, y + 66, "decoder", weight="bold")
    draw_ribbon(sheet, y + 104, "what", GREEN, (1, 11, 11))
    draw_ribbon(sheet, y + 136, "where", BLUE, (11, 1, 6))  # enlarging alone brings no detail back


def draw_autoencoder(sheet, y):
    draw_funnel(sheet, y, (GREY, GREY, GREY))
    paint_mole(sheet, place(IMAGE, y))
    paint_mole(sheet, place(OUTPUT, y), smooth=True)
    paint_mole(sheet, place(TARGET, y))
    name_columns(sheet, y, ("image", "rebuilt", "target"))
    text(sheet, MIDDLE, y + 66, "autoencoder", weight="bold")
    below = y + 108
    left, right = IMAGE + SIDE / 2, TARGET + SIDE / 2
    arrow(sheet, [(left, y + 80), (left, below), (right, below), (right, y + 80)])
    text(sheet, MIDDLE, below - 14, "=", LARGE)


def place(x, y):
    """The transform of a picture with its left edge at x and its middle at y."""
    return tile(x, y - SIDE / 2, SIDE, SIDE)


def draw_funnel(sheet, y, colours):
    """Encoder and decoder: boxes that get small and thick, and large and thin again."""
    wide, narrow = SIDE / 2, 26
    encoder, middle, decoder = colours
    for start, colour in ((START, encoder), (END, decoder)):
        corners = [(start, y - wide), (MIDDLE, y - narrow), (MIDDLE, y + narrow), (start, y + wide)]
        shape(sheet, polygon(corners), facecolor=lit(colour, 0.7))
    for x, side, thickness in BOXES:
        colour = middle
        if x != MIDDLE:
            colour = encoder if x < MIDDLE else decoder
        left = x - (thickness + DEPTH * side) / 2
        paint_box(sheet, left, y - side * (1 - RISE) / 2, thickness, side, DEPTH, colour)


def name_columns(sheet, y, names):
    for x, name in zip((IMAGE, OUTPUT, TARGET), names, strict=True):
        text(sheet, x + SIDE / 2, y + 66, name)
    text(sheet, (OUTPUT + SIDE + TARGET) / 2, y, "≈", LARGE)


def draw_ribbon(sheet, y, word, colour, halves):
    """How much is known of something at the wide, the narrow and the other wide end."""
    xs = (START, MIDDLE, END)
    upper = [(x, y - half) for x, half in zip(xs, halves)]
    lower = [(x, y + half) for x, half in zip(xs, halves)]
    shape(sheet, polygon(upper + lower[::-1]), facecolor=colour)
    text(sheet, START - 10, y, word, ha="right", weight="bold")


def paint_pencil(sheet, x, y, length=46):
    """A pencil whose point is at x, y: this mask was drawn by hand."""
    turn = Affine2D().scale(length / 10).rotate_deg(-62).translate(x, y)
    parts = (
        ([(0, 0), (2, -0.9), (2, 0.9)], "#EBD3B0"),
        ([(0, 0), (0.8, -0.36), (0.8, 0.36)], INK),
        ([(2, -0.9), (9, -0.9), (9, 0.9), (2, 0.9)], ORANGE),
        ([(9, -0.9), (10, -0.9), (10, 0.9), (9, 0.9)], PURPLE),
    )
    for corners, colour in parts:
        path = turn.transform_path(polygon(corners))
        shape(sheet, path, facecolor=colour, edgecolor=INK, linewidth=0.8)
