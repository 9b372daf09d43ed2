"""Tiny folders in COCO's panoptic format for the tests."""

import json

import numpy as np
from PIL import Image

from segmentation_tf.panoptic.maps import Panoptic, ids_to_colours, segments_info

SIZE = (24, 32)  # height and width
NAMES = ("a_0", "a_1", "b_0", "c_0")
CATEGORIES = ((20, "sheep", 1), (3, "sky", 0), (8, "grass", 0))  # not sorted, as JSON may be
SKY, GRASS, SHEEP = 3, 8, 20  # sorted by number: their indices are 0, 1, 2


def scene(shift=0):
    """Sky over grass, two sheep that touch, a crowd of sheep, void in a corner: a Panoptic."""
    ids = np.full(SIZE, 7, np.int32)
    ids[:8] = 300
    ids[10:16, 4 + shift : 10 + shift] = 70000
    ids[10:18, 10 + shift : 16 + shift] = 12
    ids[20:, 20:28] = 500
    ids[23, 31] = 0
    classes = {7: GRASS, 300: SKY, 70000: SHEEP, 12: SHEEP, 500: SHEEP}
    return Panoptic(ids, classes, frozenset([500]))


def write_meadows(root, names=NAMES):
    """Write a set as the drawing does; returns the JSON's path. The group is the first letter."""
    table = root / "annotations" / "panoptic_tiny.json"
    (root / "images").mkdir(parents=True)
    (root / "annotations" / "panoptic_tiny").mkdir(parents=True)
    images, annotations = [], []
    for number, name in enumerate(names):
        panoptic = scene(number)
        colours = ids_to_colours(panoptic.ids)
        Image.fromarray(colours).save(root / "annotations" / "panoptic_tiny" / f"{name}.png")
        Image.fromarray(colours).save(root / "images" / f"{name}.jpg")
        images.append({"id": 10 + number, "file_name": f"{name}.jpg", "width": SIZE[1],
                       "height": SIZE[0], "group": name[0]})  # fmt: skip
        annotations.append({"image_id": 10 + number, "file_name": f"{name}.png",
                            "segments_info": segments_info(panoptic)})  # fmt: skip
    categories = [dict(zip(("id", "name", "isthing"), one)) for one in CATEGORIES]
    content = {"images": images, "annotations": annotations, "categories": categories}
    table.write_text(json.dumps(content))
    return table
