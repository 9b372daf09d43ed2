"""Tiny PH2 folders for the tests, in the real layout."""

import numpy as np
from PIL import Image

SIZE = (57, 77)  # height and width; odd, so that no resizing comes out even by luck
HEADER = "||   Name || Histological Diagnosis || Clinical Diagnosis || Asymmetry ||\n"


def disc(size=SIZE, centre=(28, 38), radius=18):
    """A bool mask `(H, W)` with a disc."""
    y, x = np.ogrid[: size[0], : size[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def skin(mask, seed=0):
    """A uint8 RGB image `(H, W, 3)`: dark where the mask is, light elsewhere, a little noise."""
    image = np.where(mask[..., None], (110, 70, 50), (220, 170, 150))
    noise = np.random.default_rng(seed).integers(-15, 16, image.shape)
    return (image + noise).astype(np.uint8)


def write_case(root, name, mask, image=None):
    """Write one case's two files; returns their paths."""
    folder = root / "PH2 Dataset images" / name
    image_path = folder / f"{name}_Dermoscopic_Image" / f"{name}.bmp"
    mask_path = folder / f"{name}_lesion" / f"{name}_lesion.bmp"
    for path in (image_path, mask_path):
        path.parent.mkdir(parents=True)
    Image.fromarray(skin(mask) if image is None else image).save(image_path)
    Image.fromarray(mask).save(mask_path)
    return image_path, mask_path


def write_ph2(root, codes):
    """Write a PH2 folder: a case for each clinical diagnosis code, each with its own disc."""
    rows = []
    for number, code in enumerate(codes, start=2):
        name = f"IMD{number:03}"
        mask = disc(centre=(20 + number % 17, 30 + number % 19), radius=10 + number % 9)
        write_case(root, name, mask, skin(mask, seed=number))
        rows.append(f"|| {name} ||   || {code} || 0 ||\n")
    (root / "PH2_dataset.txt").write_text(HEADER + "".join(rows))
    return root
