"""Small folders of images and masks, each picture with its own two boxes."""

import numpy as np
from PIL import Image

from ph2_tree import skin


def draw_pair(seed, shape=(96, 128)):
    """A picture of two boxes, uint8 RGB, and its bool mask; no two are alike."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, bool)
    for _ in range(2):
        top, left = rng.integers(6, (shape[0] // 2, shape[1] // 2))
        mask[top : top + rng.integers(16, 40), left : left + rng.integers(16, 50)] = True
    return skin(mask, seed) - rng.integers(0, 60, 3).astype(np.uint8), mask


def write_pairs(folder, images, shape=(96, 128)):
    """Write pictures under these names, and masks in PNG, into `folder`/images and masks."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for seed, name in enumerate(images):
        image, mask = draw_pair(seed, shape)
        path = folder / "images" / name
        Image.fromarray(image).save(path, quality=95)
        Image.fromarray(mask).save(folder / "masks" / f"{path.stem}.png")
    return folder
