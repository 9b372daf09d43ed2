"""What the pictures of the lecture share: the sheet they are drawn on, its colours, and saving.

A sheet is a matplotlib axes over the whole picture whose unit is a point, y downwards. At the
width of a phone, 380 pixels, a sheet 600 points wide is shrunk to 0.63 pixels a point, so SMALL
is the smallest text that can still be read there.
"""

import io
import re

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from matplotlib.transforms import Affine2D
from PIL import Image
from PIL.PngImagePlugin import PngInfo

WIDTH, PIXELS = 600, 1100  # of a sheet in points, and of a stored photograph
SMALL, LARGE = 16, 20
RISE = 0.16  # of the back of a box in oblique view, in parts of its height

# Okabe and Ito's colours, which colour-blind readers tell apart.
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, RED, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
INK, GREY, PAPER = "#2B2B2B", "#8A8A8A", "#FBFAF6"

# Letters as outlines look the same everywhere; a fixed salt gives the same ids in every run.
STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "segmentation",
    "font.family": "DejaVu Sans",
    "font.size": SMALL,
    "path.simplify": False,
}
# Neither date nor version, so that only a change of the picture changes the file.
METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def new_sheet(height):
    """A blank rounded sheet of paper: it is its own background, on light and on dark pages."""
    figure = Figure(figsize=(WIDTH / 72, height / 72))
    figure.patch.set_alpha(0)
    sheet = add_panel(figure.add_axes((0, 0, 1, 1)), WIDTH, height)
    box(sheet, 0.5, 0.5, WIDTH - 1, height - 1, 14, facecolor=PAPER, edgecolor="#D9D6CC")
    return sheet


def add_panel(axes, width, height):
    """Give axes the units of a sheet: x from 0 to width, y from 0 at the top to height."""
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    return axes


def inset(sheet, x, y, width, height, units):
    """A panel in a sheet at x, y, whose own width is `units`: a picture in the picture."""
    axes = sheet.inset_axes((x, y, width, height), transform=sheet.transData)
    return add_panel(axes, units, units * height / width)


def round_corners(sheet, x, y, width, height, radius=7):
    """Round off a panel: paper over its corners, and a thin frame."""
    frame = box(sheet, x, y, width, height, radius, fill=False, edgecolor=INK, zorder=7)
    left, right, top, bottom = x - 1, x + width + 1, y - 1, y + height + 1
    edge = polygon([(left, top), (left, bottom), (right, bottom), (right, top)])
    corners = Path.make_compound_path(edge, frame.get_path())
    shape(sheet, corners, facecolor=PAPER, zorder=6)


def add_picture(sheet, x, y, width, picture):
    """An image or a mask at x, y, cut to 4 by 3; returns the panel, in the picture's pixels."""
    shown = crop(picture)
    panel = inset(sheet, x, y, width, 0.75 * width, shown.shape[1])
    limits = panel.axis()
    panel.imshow(shown, cmap="gray", vmin=0, vmax=1, aspect="auto")
    panel.axis(limits)
    round_corners(sheet, x, y, width, 0.75 * width)
    return panel


def crop(picture):
    """The middle of an array `(H, W)` or `(H, W, 3)`, 4 wide and 3 high."""
    height, width = picture.shape[:2]
    h, w = min(height, width * 3 // 4), min(width, height * 4 // 3)
    top, left = (height - h) // 2, (width - w) // 2
    return picture[top : top + h, left : left + w]


def save_png(sheet, path, record):
    """Write a sheet with photographs, 1,100 pixels wide, in 256 colours: a third of the size.

    `record`, a dict of words, is kept in the file and tells what the picture was drawn from.
    Returns the path.
    """
    few_colours(render(sheet)).save(path, pnginfo=as_notes(record), optimize=True)
    return path


def render(sheet):
    """A sheet as an RGBA picture, 1,100 pixels wide."""
    drawn = io.BytesIO()
    sheet.figure.savefig(drawn, format="png", dpi=72 * PIXELS / WIDTH)
    return Image.open(drawn)


def as_notes(record):
    notes = PngInfo()
    for key, words in record.items():
        notes.add_text(key, words)
    return notes


def few_colours(picture):
    """An RGBA picture in 255 dithered colours and, for the corners outside the sheet, none."""
    plain = picture.convert("RGB")
    mixed = plain.quantize(palette=plain.quantize(255), dither=Image.Dither.FLOYDSTEINBERG)
    colours = mixed.getpalette()
    mixed.putpalette([*colours, 255, 255, 255])
    mixed.info["transparency"] = none = len(colours) // 3
    mixed.paste(none, mask=picture.getchannel("A").point(lambda alpha: 255 * (alpha < 128)))
    return mixed


def save_svg(sheet, path, source=None):
    """Write a sheet, the same bytes in every run; `source` is a note in it. Returns the path."""
    drawn = io.StringIO()
    sheet.figure.savefig(drawn, format="svg", metadata={**METADATA, "Source": source})
    path.write_text(shorten(drawn.getvalue()), encoding="utf-8", newline="\n")
    return path


def shorten(svg):
    """Coordinates with one decimal: half the size, and no digits that depend on the machine."""
    return re.sub(
        r' d="[^"]*"', lambda path: re.sub(r"\d+\.\d+", _one_decimal, _one_line(path[0])), svg
    )


def _one_decimal(number):
    return f"{float(number[0]):.1f}".rstrip("0").rstrip(".")


def _one_line(path):
    return path.replace("\n", "").replace(' "', '"')


def box(sheet, x, y, width, height, radius, **style):
    """A rounded rectangle; returns the patch."""
    corners = f"round,pad=0,rounding_size={radius}"
    return sheet.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=corners, **style))


def shape(sheet, path, **style):
    """A path, filled; no edge unless told."""
    sheet.add_patch(PathPatch(path, **{"linewidth": 0, **style}))


def line(sheet, points, colour=INK, width=2, dashes="-"):
    """A line through points; `dashes` is a line style."""
    x, y = np.transpose(points)
    ends = {"solid_capstyle": "butt", "dash_capstyle": "butt"}
    # Patches have this order too: what is drawn later lies above.
    sheet.plot(x, y, color=colour, linewidth=width, linestyle=dashes, zorder=1, **ends)


def arrow(sheet, points, colour=INK, width=2, head=11, dashes="-"):
    """A line through points with a filled head, `head` long."""
    *before, start, end = np.array(points, float)
    way = (end - start) / np.linalg.norm(end - start)
    neck, aside = end - head * way, 0.48 * head * way[::-1] * (-1, 1)
    line(sheet, [*before, start, neck + way], colour, width, dashes)
    shape(sheet, polygon([end, neck + aside, neck - aside]), facecolor=colour)


def polygon(corners):
    return Path([*corners, corners[0]], closed=True)


def text(sheet, x, y, words, size=SMALL, colour=INK, **style):
    """Words centred at x, y."""
    style = {"ha": "center", "va": "center", **style}
    sheet.text(x, y, words, fontsize=size, color=colour, **style)


def ellipse(x, y, width, height, angle=0):
    """A path in four curves: half-axes `width` and `height`, turned by `angle` degrees."""
    bend = 4 / 3 * (2**0.5 - 1)
    quarter = np.array([(1, bend), (bend, 1), (0, 1)])
    quarters = [Affine2D().rotate_deg(90 * i).transform(quarter) for i in range(4)]
    path = Path(np.vstack([[(1, 0)], *quarters]), [Path.MOVETO] + [Path.CURVE4] * 12)
    return Affine2D().scale(width, height).rotate_deg(angle).translate(x, y).transform_path(path)


def closed_curve(points):
    """A smooth closed path through `points` (Catmull-Rom)."""
    points = np.asarray(points, float)
    before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    tangent = (after - before) / 6
    controls = np.stack([points + tangent, np.roll(points - tangent, -1, axis=0), after], axis=1)
    vertices = np.vstack([points[:1], controls.reshape(-1, 2)])
    return Path(vertices, [Path.MOVETO] + [Path.CURVE4] * (3 * len(points)))


def paint_box(sheet, x, y, width, side, depth, colour):
    """A box in oblique view: front, top and right side; x, y is the front's upper left corner.

    `depth` is in parts of the front's height `side`.
    """
    along, deep = np.array((width, 0)), np.array((depth * side, -RISE * side))
    corner, down = np.array((x, y)), np.array((0, side))
    faces = (
        (corner, along, down, 0),
        (corner, along, deep, 0.45),
        (corner + along, deep, down, -0.15),
    )
    for start, one, other, light in faces:
        path = polygon([start, start + one, start + one + other, start + other])
        shape(sheet, path, facecolor=lit(colour, light), edgecolor=INK, linewidth=0.8)


def lit(colour, light):
    """A colour nearer to white (light > 0) or to black (light < 0)."""
    colour, end = np.array(to_rgb(colour)), float(light > 0)
    return tuple(colour + (end - colour) * abs(light))
