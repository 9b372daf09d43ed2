"""The loader of COCO's panoptic format: what it reads, its targets, and what it must refuse."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from meadow_tree import NAMES, SIZE, scene, write_meadows
from segmentation_tf.cases import DatasetError, split_cases
from segmentation_tf.datasets import coco_panoptic, folders
from segmentation_tf.panoptic.maps import VOID
from segmentation_tf.panoptic.targets import class_target, instance_maps, instance_target, shrink
from segmentation_tf.pipeline import make_dataset

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


def test_pictures_of_a_meadow_stay_on_one_side(root):
    train, test = split_cases(coco_panoptic.load_cases(root), 0.4)
    assert not {case.group for case in train} & {case.group for case in test}


def test_without_a_group_every_picture_is_its_own(root, table):
    edit(table, lambda content: [image.pop("group") for image in content["images"]])
    assert [case.group for case in coco_panoptic.load_cases(root)] == sorted(NAMES)


def test_the_folder_may_be_nested_and_stray_files_lie_in_it(root, pngs):
    for stray in (pngs / "._a_0.png", root / "images" / "Thumbs.db", root / ".DS_Store"):
        stray.write_bytes(b"stray")
    (pngs / "unlisted.png").write_bytes(b"no picture")
    (root / "images" / "note.txt").write_text("mine")
    assert names(coco_panoptic.load_cases(root.parent)) == sorted(NAMES)


def test_the_layout_of_coco_itself_is_read(root, tmp_path):
    """val2017/*.jpg, and annotations that lie beside with panoptic_val2017.json and its folder."""
    shutil.move(root / "images", root / "val2017")
    assert len(coco_panoptic.load_cases(root)) == len(NAMES)


def test_the_environment_then_data_then_the_drawn_set(root, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MEADOW_ROOT", str(root))
    assert len(coco_panoptic.load_cases()) == len(NAMES)
    assert "from MEADOW_ROOT" in capsys.readouterr().out
    monkeypatch.delenv("MEADOW_ROOT")
    monkeypatch.setattr(folders, "REPOSITORY", tmp_path)
    drawn = tmp_path / "data" / "drawn" / "meadow-v2"
    write_meadows(drawn, NAMES[:3])
    monkeypatch.setattr(coco_panoptic, "drawn_folder", lambda: drawn)
    assert len(coco_panoptic.load_cases()) == 3
    assert "drawn set" in capsys.readouterr().out
    write_meadows(tmp_path / "data" / "meadow", NAMES[:2])
    assert len(coco_panoptic.load_cases()) == 2
    assert "your copy" in capsys.readouterr().out


# --- what a case shows -----------------------------------------------------------------------


@pytest.fixture
def case(root):
    return coco_panoptic.load_cases(root)[0]


def test_classes_are_sorted_by_number(case):
    found = coco_panoptic.read_categories([case])
    assert [tuple(one) for one in found] == [
        (3, "sky", False),
        (8, "grass", False),
        (20, "sheep", True),
    ]


def test_panoptic_map(case):
    ids, classes, crowds = coco_panoptic.read_panoptic(case)
    np.testing.assert_array_equal(ids, scene().ids)
    assert classes == {7: GRASS, 300: SKY, 70000: SHEEP, 12: SHEEP, 500: SHEEP}
    assert crowds == {500}


def test_map_of_classes(case):
    found, ids = coco_panoptic.read_classes(case), scene().ids
    assert found.dtype == np.uint8 and found.shape == SIZE
    for number, label in ((7, GRASS), (300, SKY), (70000, SHEEP), (12, SHEEP), (500, SHEEP)):
        assert (found[ids == number] == label).all()
    assert found[23, 31] == VOID


def test_map_of_instances(case):
    found, ids = coco_panoptic.read_instances(case), scene().ids
    assert (found[ids == 12] == 1).all() and (found[ids == 70000] == 2).all()
    assert (found[ids == 500] == -1).all(), "a crowd"
    assert (found[np.isin(ids, (0, 7, 300))] == 0).all()


@pytest.mark.parametrize("name", ["grass", "cow"])
def test_instances_of_stuff_are_refused(case, name):
    with pytest.raises(ValueError, match="no class of things"):
        coco_panoptic.read_instances(case, name)


# --- targets ---------------------------------------------------------------------------------


def test_instance_maps_by_hand():
    """Two sheep of 3 x 4 and 3 x 2 that touch, in the grass; the first is at the picture's edge."""
    instances = np.zeros((5, 8), int)
    instances[1:4, 0:4] = 1
    instances[1:4, 4:6] = 2
    interior, border, distance = np.moveaxis(instance_maps(instances), -1, 0)
    np.testing.assert_array_equal(interior[2], [1, 1, 1, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(border[2], [0, 0, 0, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(border[1], [1, 1, 1, 1, 1, 1, 0, 0])
    np.testing.assert_allclose(distance[2], [1, 1, 1, 0.5, 1, 1, 0, 0])
    assert not (interior * border).any() and ((interior + border) == (instances > 0)).all()


def test_instance_maps_of_none_of_all_and_of_a_crowd():
    assert not instance_maps(np.zeros((4, 5), int)).any()
    full = instance_maps(np.ones((4, 5), int))
    assert (full == [1, 0, 1]).all(), "the picture's edge is no border"
    assert not instance_maps(np.full((4, 5), -1)).any()


def test_every_instance_has_a_peak_of_one():
    instances = np.zeros((20, 30), int)
    instances[2:5, 2:5], instances[4:18, 5:25], instances[19, 29] = 4, 2, 9
    distance = instance_maps(instances)[..., 2]
    assert [distance[instances == number].max() for number in (2, 4, 9)] == [1, 1, 1]


def test_targets_go_through_make_dataset(root):
    cases = coco_panoptic.load_cases(root)
    for size in ((24, 32), (12, 16)):
        for target, channels in (
            (class_target(size), 1),
            (instance_target(size), 3),
        ):
            data = make_dataset(cases, size, 4, targets=target)
            images, maps = next(iter(data))
            assert images.shape == (4, *size, 3) and maps.shape == (4, *size, channels)
            assert maps.dtype == "float32"
    assert set(np.unique(class_target(24)(cases[0]))) <= {SKY, GRASS, SHEEP, VOID}


def test_shrink_takes_the_middle_and_mixes_no_numbers():
    values = np.arange(16).reshape(4, 4)
    np.testing.assert_array_equal(shrink(values, 2), [[5, 7], [13, 15]])
    np.testing.assert_array_equal(shrink(values, (4, 4)), values)


# --- what it must refuse ---------------------------------------------------------------------


def test_broken_json(root, table):
    table.write_text(table.read_text()[:-20])
    assert "copy it again" in refuse(root, r"panoptic_tiny\.json: is not JSON")


@pytest.mark.parametrize("part", ["images", "annotations", "categories"])
def test_json_of_something_else(root, table, part):
    edit(table, lambda content: content.pop(part))
    refuse(root, rf"panoptic_tiny\.json: has no list of {part}")


def test_json_of_instances(root, table):
    edit(table, lambda content: [one.pop("segments_info") for one in content["annotations"]])
    refuse(root, "an entry of annotations has no segments_info")


def test_segments_that_are_no_list(root, table):
    edit(table, lambda content: content["annotations"][1].update(segments_info=None))
    refuse(root, r"segments_info of a_1\.png is no list")


def test_missing_png_and_the_others_are_counted(root, pngs):
    (pngs / "a_1.png").unlink()
    (pngs / "c_0.png").unlink()
    assert "1 more case has a fault" in refuse(root, r"a_1\.png: there is no such file")


def test_missing_image(root):
    (root / "images" / "b_0.jpg").unlink()
    refuse(root, r"b_0\.jpg: this image of .*panoptic_tiny\.json is in no folder")


def test_broken_png(root, pngs):
    (pngs / "b_0.png").write_bytes((pngs / "b_0.png").read_bytes()[:60])
    refuse(root, r"b_0\.png: cannot be read as an image")


def test_segments_only_in_the_png(root, table):
    edit(table, lambda content: content["annotations"][2]["segments_info"].pop(0))
    refuse(root, r"b_0\.png: segments \[7\] are in the PNG but not in the JSON")


def test_segments_only_in_the_json(root, table):
    extra = {"id": 99, "category_id": 20, "iscrowd": 0}
    edit(table, lambda content: content["annotations"][2]["segments_info"].append(extra))
    refuse(root, r"b_0\.png: segments \[99\] are in the JSON but not in the PNG")


@pytest.mark.parametrize("file", ["images/a_0.jpg", "annotations/panoptic_tiny/a_0.png"])
def test_sizes_that_differ(root, file):
    picture = Image.open(root / file)
    picture.resize((64, 48), Image.Resampling.NEAREST).save(root / file, quality=95)
    assert "64 x 48 in" in refuse(root, r"a_0\.png: sizes differ")


def test_a_size_in_the_json_that_differs(root, table):
    edit(table, lambda content: content["images"][0].update(width=99))
    refuse(root, r"a_0\.png: sizes differ .*99 x 24 in the JSON")


def test_unknown_category(root, table):
    edit(table, lambda c: c["annotations"][0]["segments_info"][1].update(category_id=77))
    message = refuse(root, r"of a_0\.png has the unknown category 77")
    assert "[3, 8, 20]" in message


def test_a_segment_or_a_png_listed_twice(root, table):
    before = table.read_text()
    edit(table, lambda c: c["annotations"][0]["segments_info"][1].update(id=7))
    refuse(root, r"a_0\.png has 7 as the id")
    table.write_text(before)
    edit(table, lambda c: c["annotations"].append(c["annotations"][0]))
    refuse(root, r"lists a_0\.png twice")


def test_annotation_of_no_image(root, table):
    edit(table, lambda content: content["images"].pop(0))
    refuse(root, r"a_0\.png belongs to the image 10, which the JSON does not list")


def test_no_set(root, pngs, tmp_path):
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", "holds no panoptic set")
    refuse(tmp_path / "nowhere", "no such folder")
    pngs.rename(tmp_path / "elsewhere")
    refuse(root, r"panoptic_tiny\.json is there, but no folder .*panoptic_tiny beside it")
    (root / "annotations" / "panoptic_tiny.zip").write_bytes(b"PK")
    refuse(root, "unpack it first")


def test_a_link_to_the_set_is_no_second_set(root, tmp_path):
    cases = coco_panoptic.load_cases(root)
    try:
        (root / "again").symlink_to(root, target_is_directory=True)
        (root.parent / "a link").symlink_to(root, target_is_directory=True)
    except OSError:
        pytest.skip("links may not be made here")
    assert coco_panoptic.load_cases(root) == cases
    assert names(coco_panoptic.load_cases(root.parent)) == names(cases)


def test_no_cases_have_no_categories():
    with pytest.raises(ValueError, match="read_categories got no cases"):
        coco_panoptic.read_categories([])


def test_two_sets(root, tmp_path):
    shutil.copytree(root, tmp_path / "copy")
    refuse(tmp_path, "are two sets")


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("categories", "id", "20"),
        ("categories", "isthing", "0"),
        ("categories", "isthing", 2),
        ("images", "width", "32"),
        ("images", "id", [10]),
        ("annotations", "file_name", None),
        ("annotations", "image_id", {}),
    ],
)
def test_a_value_of_another_kind(root, table, part, field, value):
    edit(table, lambda content: content[part][0].update({field: value}))
    assert str(table) in refuse(root, field)


def test_a_crowd_that_is_neither(root, table):
    edit(table, lambda content: content["annotations"][0]["segments_info"][0].update(iscrowd="0"))
    refuse(root, "iscrowd of segment 7 of a_0.png is '0'")


@pytest.mark.parametrize("part", ["images", "categories"])
def test_an_id_listed_twice(root, table, part):
    edit(table, lambda content: content[part].append(dict(content[part][0])))
    refuse(root, f"twice in {part}")


def test_json_without_an_end_of_brackets(root, table):
    table.write_text("[" * 200_000)
    refuse(root, "is not JSON")


def test_two_images_of_one_name_are_told_apart_by_their_folder_or_refused(root, table):
    (root / "other").mkdir()
    shutil.copy(root / "images" / "b_0.jpg", root / "other" / "a_1.jpg")
    refuse(root, "either may be a_1.jpg")
    edit(table, lambda content: content["images"][1].update(file_name="images/a_1.jpg"))
    assert coco_panoptic.load_cases(root)[1].image == root / "images" / "a_1.jpg"


def test_a_group_of_null_is_no_group(root, table):
    edit(table, lambda content: [image.update(group=None) for image in content["images"]])
    assert [case.group for case in coco_panoptic.load_cases(root)] == sorted(NAMES)


def test_an_annotation_that_went_away_after_loading(root, table):
    case = coco_panoptic.load_cases(root)[0]
    edit(table, lambda content: content["annotations"].pop(0))
    with pytest.raises(DatasetError, match="no longer lists a_0.png; call load_cases again"):
        coco_panoptic.read_panoptic(case)
