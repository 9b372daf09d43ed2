"""Otsu's threshold: finds what is dark, keeps the largest part, fills its holes."""

import numpy as np
import pytest

from ph2_tree import disc, skin
from segmentation_tf.evaluation import otsu_mask


def test_dark_disc_is_found():
    assert (otsu_mask(skin(disc())) == disc()).mean() > 0.99


def test_cleaning_drops_specks_and_fills_holes():
    marks = disc()
    marks[2:5, 2:5] = True
    marks[28, 38] = False
    image = skin(marks)
    assert otsu_mask(image, clean=False)[3, 3] and not otsu_mask(image, clean=False)[28, 38]
    np.testing.assert_array_equal(otsu_mask(image), disc())


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_image_gives_a_mask_and_no_error(value):
    mask = otsu_mask(np.full((20, 30, 3), value, np.uint8))
    assert mask.shape == (20, 30) and mask.dtype == bool
