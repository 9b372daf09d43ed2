"""The drawn photographs of leaves, and the faults that are planted for lesson 10.

tests/robustness/test_determinism.py compares every pixel with stored hashes, and two processes.
"""

import re

import numpy as np
import pytest
from PIL import Image, ImageOps
from scipy import ndimage

from drawing_here import drawing_here
from pairs_tree import write_pairs
from segmentation_tf.datasets import checkup, pairs
from segmentation_tf.drawn import leaves
from segmentation_tf.images import read_image, read_mask

UPRIGHT, UPSIDE_DOWN, PORTRAIT, SMALL = 13, 14, 25, 28
SOME = (UPRIGHT, UPSIDE_DOWN, PORTRAIT, SMALL)


@pytest.fixture(scope="module", autouse=True)
def drawn(tmp_path_factory):
    """A folder of SOME photographs."""
    with drawing_here(leaves, "draw_photo"):
        yield leaves.draw_pictures(tmp_path_factory.mktemp("drawn") / "pictures", indices=SOME)


# --- one photograph --------------------------------------------------------------------------


@pytest.mark.parametrize("index", SOME)
def test_a_photograph_has_leaves_that_stand_out(index):
    image, mask = leaves.draw_photo(index)
    assert image.mode == "RGB" and mask.mode == "1" and image.size == mask.size
    pixels = np.asarray(mask)
    assert 0.03 < pixels.mean() < 0.6
    assert 1 <= ndimage.label(pixels)[1] <= 3, "leaves, and no specks"
    small = [np.asarray(picture.resize((48, 48))) for picture in (image, mask)]
    assert checkup.fit(*small) > 5


def test_the_files_are_a_folder_of_pairs(drawn):
    cases = pairs.load_cases(drawn)
    assert [case.name for case in cases] == ["leaf14", "leaf15", "leaf26", "leaf29"]
    assert {case.image.suffix for case in cases} == {".jpg", ".png"}
    assert {case.mask.suffix for case in cases} == {".png"}


@pytest.mark.parametrize("index, stored", [(UPRIGHT, (1600, 1200)), (UPSIDE_DOWN, (1200, 900))])
def test_exif_data_turn_a_photograph_upright(drawn, index, stored):
    name = f"leaf{index + 1:02}"
    path = drawn / "images" / f"{name}.jpg"
    with Image.open(path) as picture:
        assert picture.size == stored
    seen, mask = read_image(path), read_mask(drawn / "masks" / f"{name}.png")
    assert seen.shape[:2] == mask.shape
    image = np.asarray(leaves.draw_photo(index)[0], int)
    assert np.abs(seen - image).mean() < 6, "JPEG changes it by 4 levels, a turn by 30"


def test_the_files_differ_as_those_of_people_do():
    assert len(leaves.PHOTOS) == 30
    sides = [side for photo in leaves.PHOTOS for side in photo[:2]]
    assert min(sides) <= 300 and max(sides) == 3000
    assert {photo[2] for photo in leaves.PHOTOS} == {"jpg", "png"}
    assert sum(height > width for width, height, *_ in leaves.PHOTOS) == 2
    assert sorted(photo[3] for photo in leaves.PHOTOS)[-2:] == [3, 6]


# --- planted faults --------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A folder with the names of the drawn one and tiny pictures, in the time of a blink."""
    suffixes = [photo[2] for photo in leaves.PHOTOS]
    names = [f"leaf{number:02}.{suffix}" for number, suffix in enumerate(suffixes, start=1)]
    return write_pairs(tmp_path, names)


def test_the_check_up_finds_every_planted_fault(folder):
    assert not checkup.check_folder(folder).faults
    leaves.plant_faults(folder)
    seen = "\n".join(map(str, checkup.check_folder(folder).faults))
    named = set(re.findall(r"leaf\d+(?:_small)?", seen))
    wrong = {"leaf03", "leaf05", "leaf07", "leaf10", "leaf12", "leaf12_small", "leaf16", "leaf19"}
    assert named == wrong


def test_a_few_lines_mend_the_planted_faults(folder):
    before = {path.name: read_mask(path) for path in sorted((folder / "masks").iterdir())}
    leaves.plant_faults(folder)
    masks, images = folder / "masks", folder / "images"
    open_mask = {name: Image.open(masks / f"{name}.png") for name in ("leaf03", "leaf10", "leaf19")}
    ImageOps.invert(open_mask["leaf03"]).save(masks / "leaf03.png")
    open_mask["leaf10"].transpose(Image.Transpose.ROTATE_180).save(masks / "leaf10.png")
    size = Image.open(images / "leaf19.png").size
    open_mask["leaf19"].resize(size, Image.Resampling.NEAREST).save(masks / "leaf19.png")
    for old, new in (("leaf05", "x"), ("leaf07", "leaf05"), ("x", "leaf07")):
        (masks / f"{old}.png").rename(masks / f"{new}.png")
    for path in (images / "leaf16.jpg", images / "leaf12_small.png", masks / "leaf12_small.png"):
        path.unlink()
    assert not checkup.check_folder(folder).faults
    for path in sorted(masks.iterdir()):
        if path.name != "leaf19.png":  # half the size keeps less of its outline
            assert np.array_equal(read_mask(path), before[path.name]), path.name


def test_a_mask_of_0_and_1_is_no_fault(folder):
    before = read_mask(folder / "masks" / "leaf21.png")
    leaves.plant_faults(folder)
    assert np.asarray(Image.open(folder / "masks" / "leaf21.png")).max() == 1
    assert np.array_equal(read_mask(folder / "masks" / "leaf21.png"), before)
