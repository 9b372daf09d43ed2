"""Panoptic maps, and COCO's way to store them: a PNG of segment numbers and a JSON beside it.

A panoptic map gives every pixel one segment: a thing that can be counted (each sheep is one) or
stuff that cannot (all grass is one). Format: https://cocodataset.org/#format-data, "Panoptic
Segmentation"; A. Kirillov, K. He, R. Girshick, C. Rother, P. Dollár, "Panoptic segmentation",
CVPR 2019, arXiv:1801.00868.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

VOID = 255  # in a map of classes: a pixel that nobody has labelled


class Panoptic(NamedTuple):
    """`ids`: int `(H, W)`, the segment of each pixel, 0 where nobody knows (void).

    `classes`: the class of each segment, by its id. `crowds`: the ids of segments that hold
    several things which nobody has told apart (COCO's iscrowd); scores pass over them.
    """

    ids: np.ndarray
    classes: dict
    crowds: frozenset = frozenset()


def ids_to_colours(ids):
    """Segment ids, int `(H, W)` from 0 to 2**24 - 1, as uint8 RGB: id = R + 256 G + 65536 B."""
    if ids.size and not 0 <= ids.min() <= ids.max() < 1 << 24:
        raise ValueError(f"ids go from {ids.min()} to {ids.max()}; three bytes hold 0 to 2**24 - 1")
    return np.stack([(ids >> shift) & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)


def colours_to_ids(colours):
    """The inverse: uint8 RGB `(H, W, 3)` to int32 `(H, W)`."""
    return colours.astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)


def segments_info(panoptic):
    """What COCO's JSON says of each segment: a list of dicts.

    id, category_id (here: the class), area in px, bbox [x, y, width, height] in px, iscrowd.
    """
    boxes = ndimage.find_objects(panoptic.ids)
    areas = np.bincount(panoptic.ids.ravel())
    return [
        {
            "id": int(number),
            "category_id": int(label),
            "area": int(areas[number]),
            "bbox": _box(*boxes[number - 1]),
            "iscrowd": int(number in panoptic.crowds),
        }
        for number, label in sorted(panoptic.classes.items())
    ]


def _box(rows, columns):
    edges = columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start
    return [int(edge) for edge in edges]
