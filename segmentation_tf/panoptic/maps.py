"""Panoptic maps, and COCO's way to store them: a PNG of segment numbers and a JSON beside it.

A panoptic map gives every pixel one segment: a thing, which can be counted (each sheep is
one), or stuff, which cannot (all grass is one). A pixel without a segment is void.

Source: https://cocodataset.org/#format-data, "Panoptic Segmentation"; A. Kirillov, K. He,
R. Girshick, C. Rother, P. Dollár, "Panoptic segmentation", CVPR 2019, arXiv:1801.00868.
"""

from typing import NamedTuple

import numpy as np
from skimage.measure import regionprops

VOID = 255  # in a map of classes: a pixel without a label


class Panoptic(NamedTuple):
    """A panoptic map. `crowds` are segments of several things that were not told apart."""

    ids: np.ndarray  # int `(H, W)`, the segment of each pixel; 0 is void, a pixel without a label
    classes: dict[int, int]  # the class of each segment, by its id
    crowds: frozenset[int] = frozenset()  # ids; iscrowd in COCO's JSON


def ids_to_colours(ids: np.ndarray) -> np.ndarray:
    """Write ids, int `(H, W)` of 0 to 2**24 - 1, as uint8 RGB: id = R + 256 G + 65536 B."""
    if ids.size and not 0 <= ids.min() <= ids.max() < 1 << 24:
        raise ValueError(f"ids go from {ids.min()} to {ids.max()}; three bytes hold 0 to 2**24 - 1")
    return np.stack([(ids >> shift) & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)


def colours_to_ids(colours: np.ndarray) -> np.ndarray:
    """Read ids from colours, uint8 RGB `(H, W, 3)`, the inverse: int32 `(H, W)`."""
    return colours.astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)


def segments_info(panoptic: Panoptic) -> list[dict]:
    """Describe the segments, sorted by id, as COCO's JSON does: its categories are our classes."""
    segments = []
    for region in regionprops(panoptic.ids):
        top, left, bottom, right = region.bbox
        segments.append(
            {
                "id": region.label,
                "category_id": panoptic.classes[region.label],
                "area": int(region.area),
                "bbox": [left, top, right - left, bottom - top],
                "iscrowd": int(region.label in panoptic.crowds),
            }
        )
    return segments
