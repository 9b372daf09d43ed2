"""What is stored of the drawn sets, so that a test sees when one changes: drawn_sets.json.

After a change in what is drawn (and a new VERSION): .venv/bin/python tests/helpers/drawn_sets.py
"""

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image, ImageStat

from segmentation_tf.datasets import coco_panoptic, mads, pairs, ph2

STORED = Path(__file__).with_suffix(".json")
SETS = (ph2, mads, coco_panoptic, pairs)
TABLES = (".csv", ".json", ".txt")


def machine():
    """What decides on the last bit of a pixel."""
    packages = {name: version(name) for name in ("numpy", "scipy", "pillow")}
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()),
        "AVX2": bool({"X86_V3", "AVX2"} & set(found)),
        **packages,
    }


def describe(module):
    """The drawn set of a module: its name, a hash of all pixels and tables, means a picture.

    Four means a case, in levels of 0 to 255: red, green and blue of the image, and of the mask
    the share that is not background.
    """
    folder = module.drawn_folder()
    digest, means = hashlib.sha256(), {}
    for case in module.load_cases(folder):
        picture = Image.open(case.image)
        image, mask = np.asarray(picture), np.asarray(Image.open(case.mask))
        digest.update(repr((case.name, image.shape, mask.shape, mask.dtype)).encode())
        digest.update(image.tobytes() + mask.tobytes())
        covered = mask if mask.ndim == 2 else mask[..., 0] | mask[..., 1] | mask[..., 2]
        values = [*ImageStat.Stat(picture).mean, 255 * np.mean(covered != 0)]
        means[case.name] = [round(float(value), 2) for value in values]
    for table in sorted(file for file in folder.rglob("*") if file.suffix in TABLES):
        digest.update(table.relative_to(folder).as_posix().encode() + table.read_bytes())
    return folder.name, {"sha256": digest.hexdigest(), "means": means}


def main():
    sets = dict(describe(module) for module in SETS)
    text = json.dumps({"machine": machine(), "sets": sets})
    STORED.write_text(text.replace("], ", "],\n") + "\n")  # a picture a line


if __name__ == "__main__":
    main()
