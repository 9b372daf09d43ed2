"""A segmenter that learns nothing: Otsu's threshold. Every network must beat it."""

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu


def otsu_mask(image, clean=True):
    """Segment uint8 RGB `(H, W, 3)` by darkness: bool `(H, W)`, at the image's own size.

    The threshold splits the grey values so that each side varies least. With `clean`, only the
    largest connected part stays and its holes are filled.
    Source: N. Otsu, "A threshold selection method from gray-level histograms", 1979.
    """
    grey = np.asarray(Image.fromarray(image).convert("L"))
    dark = grey <= threshold_otsu(grey)
    return ndimage.binary_fill_holes(_largest_part(dark)) if clean else dark


def _largest_part(mask):
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
