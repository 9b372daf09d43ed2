"""Tiny MADS folders for the tests, in the real layout."""

import itertools

import numpy as np
from PIL import Image

SIZE = (48, 64)  # height and width
INNER = "segmentation_full_body_mads_dataset_1192_img"
NAMES = [
    f"{performance}_C{camera}_{frame:05}"
    for performance, camera, frame in itertools.product(
        ("HipHop_HipHop1", "Kata_F2", "Sports_Badminton"), range(3), (180, 225)
    )
]


def person(shift=0):
    """A bool mask `(H, W)` with an upright box."""
    mask = np.zeros(SIZE, bool)
    mask[10:40, 20 + shift : 30 + shift] = True
    return mask


def frame(mask):
    """A uint8 RGB image `(H, W, 3)`: a light person in a dark studio."""
    return np.where(mask[..., None], (200, 160, 140), (40, 40, 50)).astype(np.uint8)


def write_frame(home, name, mask):
    """Write one case and its collage into `home`; the mask has three channels, as the real ones."""
    for part in ("images", "masks", "collages"):
        (home / part).mkdir(parents=True, exist_ok=True)
    three_channels = np.repeat(mask[..., None] * np.uint8(255), 3, axis=2)
    Image.fromarray(frame(mask)).save(home / "images" / f"{name}.png")
    Image.fromarray(three_channels).save(home / "masks" / f"{name}.png")
    Image.fromarray(np.hstack([frame(mask), three_channels])).save(
        home / "collages" / f"{name}.jpg"
    )


def write_table(path, names):
    """Write df.csv as pandas did: a row number, and paths relative to the inner folder."""
    rows = [
        f"{row},images/{name}.png,masks/{name}.png,collages/{name}.jpg\n"
        for row, name in enumerate(names)
    ]
    path.write_text(",images,masks,collages\n" + "".join(rows))


def write_mads(root, names=NAMES):
    """Write a MADS folder as the zip unpacks; returns the inner folder, which holds `images`."""
    home = root / INNER / INNER
    for number, name in enumerate(names):
        write_frame(home, name, person(shift=number % 20))
    write_table(root / "df.csv", names)
    return home
