"""The loader of COCO's panoptic format: what it reads, and what it refuses."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from meadow_tree import NAMES, SIZE, scene, write_meadows
from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets import coco_panoptic
from segmentation_tf.panoptic.maps import VOID

SKY, GRASS, SHEEP = range(3)


@pytest.fixture
def root(tmp_path):
    write_meadows(tmp_path / "set")
    return tmp_path / "set"


@pytest.fixture
def table(root):
    return root / "annotations" / "panoptic_tiny.json"


@pytest.fixture
def pngs(root):
    return root / "annotations" / "panoptic_tiny"


def names(cases):
    return [case.name for case in cases]


def refuse(root, match):
    with pytest.raises(DatasetError, match=match) as caught:
        coco_panoptic.load_cases(root)
    return str(caught.value)


def edit(table, change):
    content = json.loads(table.read_text())
    change(content)
    table.write_text(json.dumps(content, indent=1))


# --- the set as it is ------------------------------------------------------------------------


def test_cases_are_sorted_with_their_files_and_groups(root, pngs):
    cases = coco_panoptic.load_cases(root)
    assert names(cases) == sorted(NAMES)
    assert [case.group for case in cases] == ["a", "a", "b", "c"]
    for case in cases:
        assert case.image == root / "images" / f"{case.name}.jpg"
        assert case.mask == pngs / f"{case.name}.png"
        assert case.label is None


@pytest.mark.parametrize(
    "change", [lambda image: image.pop("group"), lambda image: image.update(group=None)]
)
def test_a_picture_without_a_group_is_a_group_by_itself(root, table, change):
    edit(table, lambda content: [change(image) for image in content["images"]])
    assert [case.group for case in coco_panoptic.load_cases(root)] == sorted(NAMES)


def test_the_folder_may_be_nested_and_have_stray_files(root, pngs, capsys):
    for stray in (pngs / "._a_0.png", root / "images" / "Thumbs.db", root / ".DS_Store"):
        stray.write_bytes(b"stray")
    shutil.copy(root / "images" / "a_0.jpg", root / "images" / "not_annotated.jpg")
    shutil.move(root / "images", root / "val2017")  # as in COCO itself
    assert names(coco_panoptic.load_cases(root.parent)) == sorted(NAMES)
    assert capsys.readouterr().out == ""


def test_masks_that_the_json_does_not_list_are_skipped_and_counted(root, pngs, capsys):
    for name in ("x.png", "y.png"):
        (pngs / name).write_bytes(b"no picture")
    assert names(coco_panoptic.load_cases(root)) == sorted(NAMES)
    assert capsys.readouterr().out == (
        "panoptic_tiny: skipped 2 items not listed in panoptic_tiny.json, "
        "such as 'panoptic_tiny/x.png'\n"
    )


def test_a_link_to_the_set_is_no_second_set(root):
    cases = coco_panoptic.load_cases(root)
    try:
        (root / "again").symlink_to(root, target_is_directory=True)
    except OSError:
        pytest.skip("links may not be made here")
    assert coco_panoptic.load_cases(root) == cases


# --- what a case shows -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    root = tmp_path_factory.mktemp("meadow")
    write_meadows(root, NAMES[:1])
    return coco_panoptic.load_cases(root)[0]


def test_classes_are_sorted_by_number(case):
    sky, grass, sheep = (3, "sky", False), (8, "grass", False), (20, "sheep", True)
    assert coco_panoptic.read_categories([case]) == (sky, grass, sheep)
    with pytest.raises(ValueError, match="read_categories got no cases"):
        coco_panoptic.read_categories([])


def test_panoptic_map(case):
    ids, classes, crowds = coco_panoptic.read_panoptic(case)
    np.testing.assert_array_equal(ids, scene().ids)
    assert classes == {7: GRASS, 300: SKY, 70000: SHEEP, 12: SHEEP, 500: SHEEP}
    assert crowds == {500}


def test_map_of_classes(case):
    found, ids = coco_panoptic.read_classes(case), scene().ids
    assert found.dtype == np.uint8 and found.shape == SIZE
    labels = {7: GRASS, 300: SKY, 70000: SHEEP, 12: SHEEP, 500: SHEEP, 0: VOID}
    for number, label in labels.items():
        assert (found[ids == number] == label).all()


def test_map_of_instances(case):
    found, ids = coco_panoptic.read_instances(case), scene().ids
    assert (found[ids == 12] == 1).all() and (found[ids == 70000] == 2).all()
    assert (found[ids == 500] == -1).all(), "a crowd"
    assert (found[np.isin(ids, (0, 7, 300))] == 0).all()


@pytest.mark.parametrize("name", ["grass", "cow"])
def test_instances_of_stuff_are_refused(case, name):
    with pytest.raises(ValueError, match="no class of things; those are: sheep"):
        coco_panoptic.read_instances(case, name)


def test_an_annotation_that_went_away_after_loading(root, table):
    case = coco_panoptic.load_cases(root)[0]
    edit(table, lambda content: content["annotations"].pop(0))
    with pytest.raises(DatasetError, match="a_0.png: is no longer listed .*; call load_cases"):
        coco_panoptic.read_panoptic(case)


# --- what it refuses -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "field", "value", "match"),
    [
        ("images", "width", "32", r"images\[0\]\.width: '32' is not of type 'integer'"),
        ("images", "id", [10], r"images\[0\]\.id: \[10\] is not of type 'integer', 'string'"),
        ("annotations", "file_name", None, r"annotations\[0\]\.file_name: None is not of type"),
        ("annotations", "segments_info", None, r"annotations\[0\]\.segments_info: None is not"),
        ("categories", "id", 20.0, r"categories\[0\]\.id: 20.0 is not of type 'integer'"),
        ("categories", "isthing", 2, r"categories\[0\]\.isthing: 2 is not one of"),
    ],
)
def test_a_value_that_cannot_be(root, table, part, field, value, match):
    edit(table, lambda content: content[part][0].update({field: value}))
    said = refuse(root, f"{match}.*; correct it, or take the panoptic_.*json from the archive")
    assert said.startswith(f"{table}: ")


def segments(content):
    return content["annotations"][0]["segments_info"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda c: c.pop("categories"), "'categories' is a required property"),
        (lambda c: c["annotations"].clear(), "annotations: .* non-empty"),
        (lambda c: c["annotations"][1].pop("segments_info"), "'segments_info' is a required"),
        (lambda c: c["categories"].extend(c["categories"] * 99), "categories: .* is too long"),
        (
            lambda c: segments(c)[0].update(iscrowd="0"),
            r"annotations\[0\]\.segments_info\[0\]\.iscrowd: '0' is not one of",
        ),
        (
            lambda c: segments(c)[1].update(category_id=77),
            "a_0.png has the category 77, which the JSON does not list",
        ),
        (lambda c: segments(c)[1].update(id=7), "the id 7 twice in the segments of a_0.png"),
        (lambda c: c["annotations"].append(c["annotations"][0]), "lists a_0.png twice; remove one"),
        (lambda c: c["images"].append(c["images"][0]), "lists the id 10 twice in images"),
        (lambda c: c["categories"].append(c["categories"][0]), "the id 20 twice in categories"),
        (
            lambda c: c["images"].pop(0),
            "a_0.png belongs to the image 10, which the JSON does not list; correct the id",
        ),
    ],
)
def test_a_json_that_is_not_sound(root, table, change, match):
    edit(table, change)
    assert str(table) in refuse(root, match)


def test_json_that_is_cut_off(root, table):
    table.write_text(table.read_text()[:-20])
    refuse(root, r"panoptic_tiny\.json: is not JSON .*; copy it again")


def test_missing_png_and_the_others_are_counted(root, pngs):
    (pngs / "a_1.png").unlink()
    (pngs / "c_0.png").write_bytes(b"")
    assert "1 more case has a fault" in refuse(
        root, r"a_1\.png: there is no such file.* unpack the"
    )


def test_missing_image(root):
    (root / "images" / "b_0.jpg").unlink()
    refuse(root, r"b_0\.jpg: this image of .*panoptic_tiny\.json is in no folder")


def test_segments_only_in_the_png_or_only_in_the_json(root, table):
    edit(table, lambda content: segments(content).pop(0))
    refuse(root, r"a_0\.png: segments differ: \[7\] only in the PNG, \[\] only in the JSON")
    edit(table, lambda content: segments(content).append({"id": 99, "category_id": 20}))
    refuse(root, r"a_0\.png: segments differ: \[7\] only in the PNG, \[99\] only in the JSON")


def test_sizes_that_differ(root, table):
    edit(table, lambda content: content["images"][0].update(width=99))
    refuse(root, r"a_0\.png: sizes differ \(32 x 24 .*, 32 x 24 .*, 99 x 24 in the JSON\); find")
    Image.new("RGB", (99, 24)).save(root / "images" / "a_0.jpg")
    refuse(root, r"a_0\.png: sizes differ \(99 x 24 in .*a_0\.jpg, 32 x 24 in .*a_0\.png, 99 x 24")


def test_no_set_and_two_sets(root, pngs, tmp_path):
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", "holds no panoptic set")
    shutil.copytree(root, tmp_path / "copy")
    refuse(tmp_path, "are two sets")
    shutil.rmtree(pngs)
    refuse(root, r"panoptic_tiny\.json is there, but no folder .*panoptic_tiny beside it")
    (root / "annotations" / "panoptic_tiny.zip").write_bytes(b"PK")
    refuse(root, "unpack it first")


def test_an_image_may_lie_in_another_folder_than_the_json_says(root, table):
    edit(table, lambda content: content["images"][1].update(file_name="val2017/a_1.jpg"))
    assert coco_panoptic.load_cases(root)[1].image == root / "images" / "a_1.jpg"


def test_two_images_of_one_name_are_told_apart_by_their_folder_or_refused(root, table):
    (root / "other").mkdir()
    shutil.copy(root / "images" / "b_0.jpg", root / "other" / "a_1.jpg")
    refuse(root, "either may be a_1.jpg")
    edit(table, lambda content: content["images"][1].update(file_name="images/a_1.jpg"))
    assert coco_panoptic.load_cases(root)[1].image == root / "images" / "a_1.jpg"
