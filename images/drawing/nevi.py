"""Drawn moles with the outline of their masks; real images never enter the repository."""

from matplotlib.patheffects import withStroke

from drawing.sheet import INK, LARGE, WIDTH, add_picture, crop, new_sheet, text
from segmentation_tf.datasets import ph2
from segmentation_tf.images import read_image, read_mask

NAMES = ("IMD075", "IMD169", "IMD134", "IMD194", "IMD024", "IMD008", "IMD196", "IMD298", "IMD321")
MARGIN, SPACE, TOP = 16, 10, 52


def draw_nevi():
    """Cases of the built-in drawn set, a column a diagnosis: `(sheet, record)`."""
    folder = ph2.drawn_folder()
    cases = [case for case in ph2.load_cases(folder) if case.name in NAMES]
    columns = [[case for case in cases if case.label == label] for label in ph2.DIAGNOSES]
    width = (WIDTH - 2 * MARGIN - 2 * SPACE) / 3
    height = 0.75 * width
    sheet = new_sheet(TOP + max(map(len, columns)) * (height + SPACE) - SPACE + MARGIN)
    for i, (label, column) in enumerate(zip(ph2.DIAGNOSES, columns, strict=True)):
        x = MARGIN + i * (width + SPACE)
        text(sheet, x + width / 2, 32, label, LARGE, weight="bold")
        for j, case in enumerate(column):
            panel = add_picture(sheet, x, TOP + j * (height + SPACE), width, read_image(case.image))
            outline(panel, read_mask(case.mask))
    return sheet, {"data": folder.name, "cases": " ".join(case.name for case in cases)}


def outline(panel, mask, width=1.9):
    """The edge of a mask, white with a dark rim, so that it shows on any skin."""
    edge = panel.contour(crop(mask), levels=[0.5], colors="white", linewidths=width)
    edge.set_path_effects([withStroke(linewidth=width + 2, foreground=INK)])
