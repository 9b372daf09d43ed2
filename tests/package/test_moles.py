"""The drawn moles: what is drawn, and that the folder is laid out as PH2 is.

tests/robustness/test_determinism.py compares every pixel with stored hashes, and two processes.
"""

import json
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import drawn_sets
from drawing_here import drawing_here
from processes import contents
from segmentation_tf.drawn import dermoscopy

SOME = (0, 3, 42)  # a common nevus, an atypical one, and a melanoma


@pytest.fixture(scope="module", autouse=True)
def drawn(tmp_path_factory):
    """A folder of SOME cases."""
    with drawing_here(dermoscopy, "draw_case"):
        yield dermoscopy.draw_ph2(tmp_path_factory.mktemp("drawn"), indices=SOME)


# --- one case --------------------------------------------------------------------------------


@pytest.mark.parametrize("index", SOME)
def test_a_case_is_an_image_with_one_solid_lesion(index):
    image, mask, facts = dermoscopy.draw_case(index)
    assert image.dtype == np.uint8 and image.shape == (*mask.shape, 3)
    assert mask.dtype == bool
    assert 398 <= mask.shape[0] <= 416 and 548 <= mask.shape[1] <= 554
    assert 0.03 < mask.mean() < 0.97
    assert ndimage.label(mask)[1] == 1, "an annotator draws one outline"
    assert np.array_equal(ndimage.binary_fill_holes(mask), mask), "without holes"
    assert facts["asymmetry"] in (0, 1, 2) and set(facts["colours"]) <= set(range(1, 7))


@pytest.mark.parametrize("index", SOME)
def test_a_lesion_is_darker_than_the_skin_around_it(index):
    image, mask, _ = dermoscopy.draw_case(index)
    near = ndimage.binary_dilation(mask, iterations=30) & ~mask
    inner = ndimage.binary_erosion(mask, iterations=10)
    rows, columns = np.indices(mask.shape)
    middle = np.hypot(rows - mask.shape[0] / 2, columns - mask.shape[1] / 2) < 200
    assert image[inner & middle].mean() < image[near & middle].mean() - 5


def test_asymmetry_counts_the_axes_on_which_a_lesion_does_not_mirror():
    y, x = np.indices((200, 300)) - np.array([[[100]], [[150]]])
    oval = (y / 60) ** 2 + (x / 100) ** 2 < 1
    even = np.ones(oval.shape)
    assert dermoscopy.asymmetry(oval, even) == 0
    assert dermoscopy.asymmetry(oval, np.where(x > 0, 4.0, 0.0)) == 1
    assert dermoscopy.asymmetry(oval, np.where((x > 0) & (y > 0), 4.0, 0.0)) == 2


# --- the plan --------------------------------------------------------------------------------


def test_the_plan_has_the_diagnoses_and_names_of_ph2():
    plan = dermoscopy.case_plan()
    names = [name for name, _ in plan]
    assert Counter(code for _, code in plan) == {0: 80, 1: 80, 2: 40}
    assert names == sorted(set(names)) and len(names) == 200
    assert all(re.fullmatch(r"IMD\d{3}", name) for name in names)


def test_melanomas_are_larger_than_common_nevi():
    stored = json.loads(drawn_sets.STORED.read_text(encoding="utf-8"))["sets"]
    means = stored[f"PH2Dataset-v{dermoscopy.VERSION}"]["means"]
    names = {code: [name for name, one in dermoscopy.case_plan() if one == code] for code in (0, 2)}
    nevi, melanomas = (np.mean([means[name][-1] for name in names[code]]) for code in (0, 2))
    assert melanomas > 1.5 * nevi


# --- the folder ------------------------------------------------------------------------------


def test_the_folder_is_laid_out_as_ph2_is(drawn):
    names = [dermoscopy.case_plan()[index][0] for index in SOME]
    images = [f"PH2 Dataset images/{n}/{n}_Dermoscopic_Image/{n}.bmp" for n in names]
    masks = [f"PH2 Dataset images/{n}/{n}_lesion/{n}_lesion.bmp" for n in names]
    assert sorted(contents(drawn)) == sorted(["PH2_dataset.txt", *images, *masks])


def test_images_have_24_bits_and_masks_one(drawn):
    for index in SOME:
        picture, outline, facts = dermoscopy.draw_case(index)
        name = facts["name"]
        folder = drawn / "PH2 Dataset images" / name
        image = Image.open(folder / f"{name}_Dermoscopic_Image" / f"{name}.bmp")
        mask = Image.open(folder / f"{name}_lesion" / f"{name}_lesion.bmp")
        assert (image.format, image.mode) == ("BMP", "RGB")
        assert (mask.format, mask.mode) == ("BMP", "1")
        assert np.array_equal(image, picture) and np.array_equal(mask, outline)


def test_the_table_reads_as_ph2s(drawn):
    lines = (drawn / "PH2_dataset.txt").read_text().splitlines()
    assert lines[0] == dermoscopy.HEADER
    plan = dermoscopy.case_plan()
    rows = [[cell.strip() for cell in line.split("||")] for line in lines[1:]]
    assert [(row[1], int(row[3])) for row in rows] == [plan[index] for index in SOME]
    assert {len(line) for line in lines} == {len(lines[0])}, "columns line up"
    for row in rows:
        asymmetry, network, globules, streaks, regression, veil = map(str.strip, row[4].split("|"))
        assert asymmetry in "012" and network in ("T", "AT") and globules in ("A", "T", "AT")
        assert {streaks, regression, veil} <= {"A", "P"}
        assert set(row[5].split()) <= set("123456")
