"""The drawn meadows: what is drawn, and that the folder is what COCO's tools read.

tests/robustness/test_determinism.py compares every pixel with stored hashes, and two processes.
"""

import json

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from drawing_here import drawing_here
from segmentation_tf.drawn import meadow
from segmentation_tf.drawn.meadow import BUSH, FENCE, GRASS, SHEEP, SIZE, SKY
from segmentation_tf.panoptic.maps import colours_to_ids

SOME = (0, 7)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A folder of SOME meadows."""
    with drawing_here(meadow, "draw_picture"):
        yield meadow.draw_meadows(tmp_path_factory.mktemp("drawn"), meadows=SOME)


@pytest.fixture(scope="module")
def pictures(folder):
    return [meadow.draw_picture(number, picture) for number in SOME for picture in (0, 1)]


@pytest.fixture(scope="module")
def table(folder):
    return json.loads((folder / "annotations" / "panoptic_meadow.json").read_text())


def masks_of(panoptic, category):
    return [panoptic.ids == number for number, one in panoptic.classes.items() if one == category]


# --- one picture -----------------------------------------------------------------------------


def test_a_picture_and_its_segments(pictures):
    for image, panoptic in pictures:
        assert image.dtype == np.uint8 and image.shape == (*SIZE, 3)
        assert panoptic.ids.shape == SIZE
        assert set(np.unique(panoptic.ids)) - {0} == set(panoptic.classes)
        assert {GRASS, SKY} <= set(panoptic.classes.values()) <= {GRASS, SKY, BUSH, FENCE, SHEEP}
        for stuff in (GRASS, SKY, BUSH, FENCE):
            assert len(masks_of(panoptic, stuff)) <= 1, "stuff is one segment"
        assert min(mask.sum() for mask in masks_of(panoptic, SHEEP)) >= meadow.LEAST
        assert np.mean(panoptic.ids == 0) < 0.005, "void is for slivers only"
    assert len({image.tobytes() for image, _ in pictures}) == 4


def test_both_pictures_of_a_meadow_show_one_flock_under_one_sun():
    first, again = (meadow.random_meadow(np.random.default_rng([0, 3])) for _ in range(2))
    other = meadow.random_meadow(np.random.default_rng([0, 4]))
    assert first.flock == again.flock and first.flock != other.flock
    assert np.array_equal(first.sun, again.sun) and not np.array_equal(first.sun, other.sun)


def test_there_is_enough_of_every_class_and_of_every_size(pictures):
    found = [category for _, panoptic in pictures for category in set(panoptic.classes.values())]
    assert min(found.count(category) for category in (BUSH, FENCE, SHEEP)) >= 2
    areas = [mask.sum() for _, panoptic in pictures for mask in masks_of(panoptic, SHEEP)]
    assert len(areas) >= 5 * len(pictures)
    assert np.percentile(areas, 90) > 6 * np.percentile(areas, 10), "near and far, ewe and lamb"


def test_a_third_of_the_sheep_cannot_be_told_apart_as_connected_components(pictures):
    merged = []
    for _, panoptic in pictures:
        masks = masks_of(panoptic, SHEEP)
        components, _ = ndimage.label(np.any(masks, axis=0))
        of_sheep = [np.unique(components[mask]) for mask in masks]
        sheep_in = np.bincount(np.concatenate(of_sheep))
        merged += [sheep_in[own].max() > 1 for own in of_sheep]
    assert np.mean(merged) > 0.3


def scene_of(place, flock):
    scene = meadow.Scene(np.random.default_rng(1), place)
    scene.add_ground()
    scene.add_sheep(flock)
    return scene


def test_nearer_sheep_hide_farther_ones():
    """Both stand on the line of sight; drawn in either order, the near one is whole."""
    place = meadow.random_meadow(np.random.default_rng(0))
    near = meadow.Posed(place.flock[0], meadow.Stance(0, -5, 0))
    far = meadow.Posed(place.flock[1], meadow.Stance(0.2, -7, 0))
    seen = []
    for flock in ([near], [near, far], [far, near]):
        seen.append(scene_of(place, flock).seen == meadow.FIRST + flock.index(near))
    assert all(np.mean(seen[0] == other) > 0.999 for other in seen[1:])


def test_the_side_towards_the_sun_is_brighter():
    place = meadow.random_meadow(np.random.default_rng(2))
    place.sun = meadow.unit(np.array([1.0, 0.7, 0.3]))
    scene = scene_of(place, [meadow.Posed(place.flock[0], meadow.Stance(0, -4, np.pi / 2))])
    rows, columns = np.nonzero(scene.seen == meadow.FIRST)
    right = columns > (columns.min() + columns.max()) / 2
    light = scene.light[:, rows, columns]
    assert light[:, right].mean() > 1.3 * light[:, ~right].mean()


# --- the folder ------------------------------------------------------------------------------


def test_the_json_has_what_cocos_tools_ask_for(table):
    assert {"info", "licenses", "images", "annotations", "categories"} <= set(table)
    assert {image["license"] for image in table["images"]} == {
        one["id"] for one in table["licenses"]
    }
    assert {c["name"]: c["isthing"] for c in table["categories"]} == {
        "grass": 0, "sky": 0, "bush": 0, "fence": 0, "sheep": 1,
    }  # fmt: skip
    assert [image["id"] for image in table["images"]] == [1, 2, 15, 16]
    assert [one["image_id"] for one in table["annotations"]] == [1, 2, 15, 16]


def test_png_and_json_name_the_same_segments(folder, table):
    for image, annotation in zip(table["images"], table["annotations"]):
        file = folder / "annotations" / "panoptic_meadow" / annotation["file_name"]
        picture = Image.open(file)
        assert picture.mode == "RGB"
        ids = colours_to_ids(np.array(picture))
        assert ids.shape == (image["height"], image["width"])
        for segment in annotation["segments_info"]:
            rows, columns = np.nonzero(ids == segment["id"])
            x, y, width, height = segment["bbox"]
            assert segment["area"] == len(rows)
            assert (x, y) == (columns.min(), rows.min())
            assert (x + width - 1, y + height - 1) == (columns.max(), rows.max())
            assert segment["iscrowd"] == 0
        listed = {segment["id"] for segment in annotation["segments_info"]}
        assert set(np.unique(ids)) - {0} == listed


def test_images_lie_beside_and_say_their_meadow(folder, table):
    groups = [image["group"] for image in table["images"]]
    assert groups == ["meadow000", "meadow000", "meadow007", "meadow007"]
    for image in table["images"]:
        assert Image.open(folder / "images" / image["file_name"]).size == SIZE[::-1]
    assert len(list((folder / "images").iterdir())) == 4
