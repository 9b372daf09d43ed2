"""Folders as people make them: which mask belongs to which image, and what is refused by name."""

import re
import shutil
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ph2_tree import disc, skin
from segmentation_tf.cases import DatasetError, split_cases
from segmentation_tf.datasets import checkup, folders, pairs
from segmentation_tf.evaluation import evaluate_masks
from segmentation_tf.images import read_mask
from segmentation_tf.pipeline import make_dataset


def write(root, *names, size=(57, 77)):
    """Write the files of a tree: with a mask in it where the name says so, else a photograph."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = disc(size)
        as_mask = re.search(
            "mask|label|seg|truth|trainy|valy|testy|/y|_gt|lesion/|out|annot", name, re.I
        )
        Image.fromarray(mask if as_mask else skin(mask)).save(path)
    return root


def paired(root, **arguments):
    """The pairs of a tree as text, sorted; there must be no fault."""
    cases, faults = pairs.find_pairs(root, **arguments)
    assert not faults
    return sorted(
        f"{case.image.relative_to(root).as_posix()} {case.mask.relative_to(root).as_posix()}"
        for case in cases
    )


def refuse(root, match, **arguments):
    with pytest.raises(DatasetError, match=match):
        pairs.load_cases(root, **arguments)


# --- layouts -----------------------------------------------------------------------------------

LAYOUTS = {
    "two folders": ["images/a.jpg masks/a.png", "images/b.jpg masks/b.png"],
    "capitals and singular": ["Image/a.JPG Mask/A.PNG"],
    "imgs and labels": ["imgs/a.png labels/a.png"],
    "input and ground truth": ["Input/a.png ground_truth/a.png"],
    "Original and Ground Truth, TIFF": ["Original/1.tif Ground Truth/1.tif"],
    "x and y": ["x/1.png y/1.png"],
    "VOC": ["VOC/JPEGImages/2007_1.jpg VOC/SegmentationClass/2007_1.png"],
    "masks beside the rest": ["a.jpg masks/a.png", "b.jpg masks/b.png"],
    "masks below the images": ["images/a.jpg images/masks/a.png"],
    "photos of any name": ["CXR_png/a.png masks/a.png"],
    "trimaps below annotations": ["images/cat_1.jpg annotations/trimaps/cat_1.png"],
    "one folder": ["a.jpg a_mask.png", "b.jpg b_mask.png"],
    "Carvana": ["train/0a_01.jpg train_masks/0a_01_mask.gif"],
    "lesion": ["IMD002.bmp IMD002_lesion.bmp"],
    "other signs": ["a.jpg a-seg.png", "b.jpg b GT.png", "c.jpg c.labels.png"],
    "both endings": ["a_image.png a_mask.png"],
    "a folder for each case": ["1/image.png 1/mask.png", "2/image.png 2/mask.png"],
    "masks begin so": ["1.png mask_1.png", "2.png mask_2.png"],
    "ISIC 2016": [
        "ISBI2016_ISIC_Part1_Training_Data/ISIC_0000000.jpg "
        "ISBI2016_ISIC_Part1_Training_GroundTruth/ISIC_0000000_Segmentation.png"
    ],
    "ISIC 2018": [
        "ISIC2018_Task1-2_Training_Input/ISIC_0000000.jpg "
        "ISIC2018_Task1_Training_GroundTruth/ISIC_0000000_segmentation.png"
    ],
    "HAM10000": [
        "HAM10000_images_part_1/ISIC_24.jpg HAM_segmentations/ISIC_24_segmentation.png",
        "HAM10000_images_part_2/ISIC_25.jpg HAM_segmentations/ISIC_25_segmentation.png",
    ],
    "PH2, two folders": ["images/IMD002.bmp masks/IMD002_lesion.bmp"],
    "PH2, X and Y": ["trainx/X1.bmp trainy/Y1.bmp", "trainx/X2.bmp trainy/Y2.bmp"],
    "PH2, X and Y of one": ["trainx/X1.bmp trainy/Y1.bmp"],
    "PH2, PNG in the folders of the archive": [
        "PH2 Dataset images/IMD002/IMD002_Dermoscopic_Image/IMD002.png "
        "PH2 Dataset images/IMD002/IMD002_lesion/IMD002_lesion.png",
        "PH2 Dataset images/IMD003/IMD003_Dermoscopic_Image/IMD003.png "
        "PH2 Dataset images/IMD003/IMD003_lesion/IMD003_lesion.png",
    ],
    "CamVid": ["Cam/train/1.png Cam/trainannot/1.png", "Cam/val/1.png Cam/valannot/1.png"],
    "split outside": ["train/images/a.png train/masks/a.png", "val/images/a.png val/masks/a.png"],
    "split inside": ["images/train/a.png masks/train/a.png", "images/test/a.png masks/test/a.png"],
    "split of the images only": ["images/train/a.png masks/a.png", "images/val/b.png masks/b.png"],
    "patients": ["images/p1/1.png masks/p1/1.png", "images/p2/1.png masks/p2/1.png"],
    "patients outside": ["p1/images/1.png p1/masks/1.png", "p2/images/1.png p2/masks/1.png"],
    "a name like a mask's": ["images/no_label.jpg masks/no_label.png"],
    "lesion in the folder above": ["lesion_set/images/a.jpg lesion_set/masks/a.png"],
    "all sound like masks": ["seg_a/1.png seg_a/1_mask.png", "seg_b/2.png seg_b/2_mask.png"],
    "a folder for each image, one mask": [
        "1/images/i1.png 1/masks/m1.png", "2/images/i2.png 2/masks/m2.png"
    ],
    "numbers with zeros": ["images/i01.png masks/m1.png", "images/i02.png masks/m2.png"],
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_is_paired(tmp_path, layout):
    for pair in LAYOUTS[layout]:
        write(tmp_path, *re.findall(r"\S.*?\.(?:png|jpg|bmp|gif|tif)(?= |$)", pair, re.I))
    assert paired(tmp_path) == sorted(LAYOUTS[layout])


def test_the_cases_are_read_and_trained_on(tmp_path, capsys):
    write(tmp_path, "photos/b.jpg", "photos/a.png", "Masks/a.bmp", "Masks/b_seg.png")
    cases = pairs.load_cases(tmp_path)
    assert [(case.name, case.group, case.label) for case in cases] == [
        ("a", "a", None), ("b", "b", None),
    ]  # fmt: skip
    images, masks = next(iter(make_dataset(cases, 32, 2)))
    assert images.shape == (2, 32, 32, 3) and masks.shape == (2, 32, 32, 1)
    assert capsys.readouterr().out == ""


def test_other_files_are_passed_over(tmp_path, capsys):
    write(tmp_path, "images/a.jpg", "masks/a.png", "images/_DSC12.jpg", "masks/_DSC12.png")
    names = ("images/Thumbs.db", "images/.DS_Store", "masks/notes.txt", "images/a.json",
             "images/a_superpixels.png", "masks/._a.png", "__MACOSX/images/b.jpg",
             "SegmentationObject/a.png", "overlays/a.png")  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"no image")
    assert [case.name for case in pairs.load_cases(tmp_path)] == ["_DSC12", "a"]
    assert capsys.readouterr().out == ""


def test_pictures_outside_the_two_folders_are_counted_unless_you_choose(tmp_path, capsys):
    write(tmp_path, "images/a.jpg", "masks/a.png", "images/a_predicted.png", "new/b.jpg", "all.png")
    assert [case.name for case in pairs.load_cases(tmp_path)] == ["a"]
    said = "pictures: skipped 2 pictures outside the folders of images and masks, such as '"
    assert capsys.readouterr().out.startswith(said)
    pairs.load_cases(tmp_path, images="images")
    assert capsys.readouterr().out == ""


def test_images_and_masks_can_be_named(tmp_path):
    write(tmp_path, "foo/a.png", "outlines/a.png", "other/a.png", "masks/a.png")
    assert paired(tmp_path, images="foo", masks="outlines") == ["foo/a.png outlines/a.png"]
    assert paired(tmp_path, images="Foo/", masks=str(tmp_path / "masks")) == [
        "foo/a.png masks/a.png"
    ]


@pytest.mark.parametrize(
    ("images", "masks", "names"),
    [
        (None, "_outline", "a.png a_outline.png"),
        ("_rgb", "_outline.png", "a_rgb.png a_outline.png"),
        (None, ".png", "a.jpg a.png"),
        ("_leftImg8bit", "_labelIds", "a_leftImg8bit.png a_labelIds.png"),
    ],
)
def test_endings_can_be_given(tmp_path, images, masks, names):
    write(tmp_path, *names.split())
    if images:
        write(tmp_path, "a_gt_colour.png")  # neither of the two
    assert paired(tmp_path, images=images, masks=masks) == [names]


def test_drive_has_numbers_of_its_own_and_another_kind_of_mask(tmp_path):
    for number in (21, 22):
        write(tmp_path, f"images/{number}_training.tif", f"1st_manual/{number}_manual1.gif",
              f"mask/{number}_training_mask.gif")  # fmt: skip
    assert paired(tmp_path, masks="1st_manual") == [
        "images/21_training.tif 1st_manual/21_manual1.gif",
        "images/22_training.tif 1st_manual/22_manual1.gif",
    ]


def test_masks_that_were_not_asked_for_are_no_images(tmp_path):
    write(tmp_path, "original_images/1.jpg", "RGB_image_masks/1.png", "label_images/1.png")
    assert paired(tmp_path, masks="label_images") == ["original_images/1.jpg label_images/1.png"]
    write(tmp_path / "rest", "1.jpg", "masks/1.png", "outlines/1.png")
    assert paired(tmp_path / "rest", masks="outlines") == ["1.jpg outlines/1.png"]


def test_a_link_to_a_folder_above_adds_nothing(tmp_path):
    write(tmp_path, "images/a.jpg", "masks/a.png")
    try:
        (tmp_path / "images" / "back").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("links may not be made here")
    assert paired(tmp_path) == ["images/a.jpg masks/a.png"]


def write_nuclei(root, images=3, masks=4):
    """A tree like Kaggle's Data Science Bowl 2018: a folder an image, and a mask for each nucleus.

    The last image has one nucleus only. Returns the joined masks, bool `(images, H, W)`.
    """
    discs = [disc(centre=(14 + 8 * j, 12 + 16 * j), radius=7) for j in range(masks)]
    joined = []
    for i in range(images):
        folder, shown = root / "stage1_train" / f"{i}e{i}", discs[: masks if i < images - 1 else 1]
        for kind in ("images", "masks"):
            (folder / kind).mkdir(parents=True)
        joined.append(np.any(shown, axis=0))
        Image.fromarray(skin(joined[-1], seed=i)).save(folder / "images" / f"{folder.name}.png")
        for j, mask in enumerate(shown):
            Image.fromarray(mask).convert("L").save(folder / "masks" / f"{i}a{j}f.png")
    return joined


def test_masks_in_the_folder_of_one_image_are_joined(tmp_path, capsys):
    joined = write_nuclei(tmp_path)
    cases = pairs.load_cases(tmp_path)
    assert [case.name for case in cases] == ["0e0", "1e1", "2e2"]
    assert "3 of 3 images have a folder of masks, which count as one" in capsys.readouterr().out
    for case, mask in zip(cases, joined, strict=True):
        np.testing.assert_array_equal(read_mask(case.mask), mask)
    _, masks = next(iter(make_dataset(cases, (57, 77), 3)))
    np.testing.assert_array_equal(masks[..., 0], joined)
    assert evaluate_masks(cases, joined).means["dice"][0] == 1
    text = str(checkup.check_folder(tmp_path))
    assert "masks: 2 joined PNG with 0, 255; 1 PNG with 0, 255" in text and "cannot" not in text


@pytest.mark.parametrize(
    "names",
    [
        "1/images/a1.png 1/masks/a1.png 1/masks/b2.png",  # one has the name of the image
        "1/images/a.png 1/masks/liver.png 1/masks/tumour.png",  # two different things
        "1/images/a.png 1/images/b.png 1/masks/c1.png 1/masks/c2.png",
        "1/images/a.png 1/masks_l/c1.png 1/masks_r/c2.png",
    ],
)
def test_masks_that_may_be_of_other_things_are_not_joined(tmp_path, names):
    write(tmp_path, "2/images/x.png", "2/masks/x.png", *names.split())
    cases, faults = pairs.find_pairs(tmp_path)
    assert all(case.mask.is_file() for case in cases)
    assert all("there is no " in fault for fault in faults) and faults


def test_masks_that_were_chosen_by_their_ending_are_not_joined(tmp_path):
    write(tmp_path, "1/images/a.png", "1/masks/1_in.png", "1/masks/2_in.png", "1/masks/1_out.png")
    write(tmp_path, "2/images/b.png", "2/masks/b_in.png")
    refuse(tmp_path, "a.png: there is no mask for this image.*2 more cases", masks="_in")


def test_without_a_folder_of_masks_nothing_is_joined(tmp_path):
    write(tmp_path, "1/a.png", "1/c1_mask.png", "1/c2_mask.png", "2/x.png", "2/x_mask.png")
    refuse(tmp_path, "a.png: there is no mask for this image.*2 more cases")


def test_a_set_of_one_image_and_two_masks_is_not_joined(tmp_path):
    write(tmp_path, "set/images/a.png", "set/masks/b1.png", "set/masks/b2.png")
    refuse(tmp_path, "no name of its 1 images, such as a.png, fits one of its 2 masks")


def test_joined_masks_have_one_size_and_some_are_there(tmp_path):
    write(tmp_path, "1_mask.png")
    write(tmp_path, "2_mask.png", size=(40, 50))
    with pytest.raises(DatasetError, match="2_mask.png is 50 x 40 .* 1_mask.png beside it is 77"):
        read_mask(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(DatasetError, match="none: there is no mask in this folder"):
        read_mask(tmp_path / "none")


# --- the folder that is read -------------------------------------------------------------------


def test_root_is_the_environments_then_data_pictures_then_drawn(tmp_path, monkeypatch, capsys):
    write(tmp_path / "mine", "images/a.jpg", "masks/a.png")
    write(tmp_path / "drawn", "images/d.jpg", "masks/d.png")
    monkeypatch.setattr(folders, "REPOSITORY", tmp_path)
    monkeypatch.setattr(pairs, "drawn_folder", lambda: tmp_path / "drawn")
    monkeypatch.delenv("PAIRS_ROOT", raising=False)
    assert [case.name for case in pairs.load_cases()] == ["d"]
    assert "data/pictures or PAIRS_ROOT" in capsys.readouterr().out
    write(tmp_path / "data" / "pictures", "images/p.jpg", "masks/p.png")
    assert [case.name for case in pairs.load_cases()] == ["p"]
    monkeypatch.setenv("PAIRS_ROOT", str(tmp_path / "mine"))
    assert [case.name for case in pairs.load_cases()] == ["a"]


# --- names, groups, splits ---------------------------------------------------------------------


def test_names_stay_unique_in_subfolders(tmp_path):
    write(tmp_path, "images/p1/1.png", "masks/p1/1.png", "images/p2/1.png", "masks/p2/1.png")
    assert [case.name for case in pairs.load_cases(tmp_path)] == ["p1_1", "p2_1"]


def test_two_images_that_would_have_one_name_are_refused(tmp_path):
    for name in ("a/b_1", "a_b/1", "c/1", "c/b_1"):
        write(tmp_path, f"images/{name}.png", f"masks/{name}.png")
    refuse(tmp_path, "another image has the name a_b_1, too; rename one of them.*1 more case")


def test_accents_may_be_stored_in_two_ways(tmp_path):
    write(tmp_path, unicodedata.normalize("NFC", "images/été.jpg"))
    write(tmp_path, unicodedata.normalize("NFD", "masks/été_mask.png"))
    assert len(pairs.load_cases(tmp_path)) == 1


@pytest.mark.parametrize(
    "group", [r"^(p\d)_", r"^p\d", lambda name: name.split("_")[0], lambda name: name[:2]]
)
def test_group_is_an_expression_or_a_function(tmp_path, group):
    names = ["p1_left", "p1_right", "p2_left", "p2_right"]
    write(tmp_path, *(f"images/{name}.jpg" for name in names), *(f"masks/{n}.png" for n in names))
    cases = pairs.load_cases(tmp_path, group=group)
    assert [case.group for case in cases] == ["p1", "p1", "p2", "p2"]
    train, test = split_cases(cases, 0.5)
    assert {case.group for case in train}.isdisjoint(case.group for case in test)


def test_group_sees_the_subfolders(tmp_path):
    write(tmp_path, "set/images/p1/1.png", "set/masks/p1/1.png")
    write(tmp_path, "set/images/p2/2.png", "set/masks/p2/2.png")
    cases = pairs.load_cases(tmp_path, group=r"[^/]+")
    assert [(case.name, case.group) for case in cases] == [("1", "p1"), ("2", "p2")]


@pytest.mark.parametrize(
    ("group", "seen"),
    [(r"^p\d", "2 of 2"), ("^a", "1 of 2"), (lambda name: None, "2 of 2"), (lambda name: "", "2")],
)
def test_names_without_a_group_are_refused(tmp_path, group, seen):
    write(tmp_path, "images/a.jpg", "masks/a.png", "images/b.jpg", "masks/b.png")
    refuse(tmp_path, f"--group .* matches nothing in {seen}.* names, such as [ab]. It", group=group)


@pytest.mark.parametrize("group", ["(", 7])
def test_group_of_another_form_is_wrong_use(tmp_path, group):
    write(tmp_path, "images/a.jpg", "masks/a.png")
    with pytest.raises(ValueError, match="not a regular expression"):
        pairs.load_cases(tmp_path, group=group)


@pytest.mark.parametrize(
    "places", [("{split}/images", "{split}/masks"), ("images/{split}", "masks/{split}"),
               ("{split}_images", "{split}_masks"), ("{split}x", "{split}y")]
)  # fmt: skip
def test_a_split_is_kept(tmp_path, places, capsys):
    for split, number in (("train", 1), ("train", 2), ("val", 3), ("test", 4)):
        for place in places:
            write(tmp_path, f"{place.format(split=split)}/{number}.png")
    splits = pairs.load_splits(tmp_path)
    assert {name: [case.name for case in cases] for name, cases in splits.items()} == {
        "train": ["1", "2"], "validation": ["3"], "test": ["4"],
    }  # fmt: skip
    assert list(splits) == ["train", "validation", "test"]
    assert pairs.load_cases(tmp_path) == sum(splits.values(), [])
    assert "split already (train 2, validation 1, test 1); pairs.load_splits keeps" in (
        capsys.readouterr().out
    )


def test_names_of_both_parts_of_a_split_stay_apart(tmp_path):
    for split in ("train", "valid"):
        write(tmp_path, f"{split}/images/1.png", f"{split}/masks/1.png")
    assert [case.name for case in pairs.load_cases(tmp_path)] == ["train_1", "validation_1"]


def test_a_folder_without_a_split_has_none(tmp_path, capsys):
    write(tmp_path, "images/a.jpg", "masks/a.png")
    assert pairs.load_splits(tmp_path) == {}
    assert capsys.readouterr().out == ""


def test_pictures_outside_a_split_are_refused(tmp_path):
    write(tmp_path, "train/images/a.jpg", "train/masks/a.png", "images/b.jpg", "masks/b.png")
    with pytest.raises(DatasetError, match="b.jpg: lies outside the folders for train"):
        pairs.load_splits(tmp_path)


# --- faults ------------------------------------------------------------------------------------


def test_what_has_no_partner_is_refused_with_a_count(tmp_path):
    write(tmp_path, "images/a.jpg", "images/b.jpg", "images/c.jpg", "masks/a.png", "masks/d.png")
    refuse(tmp_path, r"images.b.jpg: there is no mask for this image; .* \(2 more cases")
    _, faults = pairs.find_pairs(tmp_path)
    assert [Path(fault.split(":")[0]).name for fault in faults] == ["b.jpg", "c.jpg", "d.png"]


@pytest.mark.parametrize(
    ("names", "match"),
    [
        ("images/b.jpg images/a.png", "a.jpg: a.png is another image for the same mask"),
        ("masks/b.png masks/a.bmp", "a.bmp: a.png is another mask for the same image"),
        ("masks/b.png masks/a_seg.png", "a_seg.png: a.png is another mask for the same image"),
    ],
)
def test_two_partners_are_refused(tmp_path, names, match):
    write(tmp_path, "images/a.jpg", "masks/a.png", "images/b.jpg", "masks/b.png", *names.split())
    refuse(tmp_path, match)


def test_of_two_masks_one_can_be_chosen_by_its_ending(tmp_path):
    write(tmp_path, "images/a.png", "masks/a_lesion.png", "masks/a_lesion.jpg")
    refuse(
        tmp_path,
        'keep one of them, or say which one counts: masks="_lesion.jpg" in Python, or --masks',
    )
    assert paired(tmp_path, masks="_lesion.jpg") == ["images/a.png masks/a_lesion.jpg"]
    assert paired(tmp_path, masks=".png") == ["images/a.png masks/a_lesion.png"]
    write(tmp_path / "two", "images/a.png", "labels_1/a.png", "labels_2/a.png")
    refuse(tmp_path / "two", 'labels_2.a.png is another mask .*: masks="labels_1"')
    assert paired(tmp_path / "two", masks="labels_1") == ["images/a.png labels_1/a.png"]


def test_files_of_two_patients_or_two_parts_of_a_split_are_no_pair(tmp_path):
    write(tmp_path / "p", "images/p1/1.png", "masks/p1/1.png", "images/p2/2.png", "masks/p3/2.png")
    refuse(tmp_path / "p", "2.png: there is no mask for this image.*1 more case")
    write(tmp_path / "s", "train/images/1.png", "train/masks/1.png", "images/3.png", "masks/3.png")
    write(tmp_path / "s", "train/images/2.png", "test/masks/2.png")
    refuse(tmp_path / "s", "2.png: there is no mask for this image.*1 more case")


def test_images_without_masks_in_a_test_folder_are_left_out_by_naming_the_other(tmp_path):
    write(tmp_path, "train/a.jpg", "train_masks/a_mask.gif", "test/b.jpg")
    refuse(tmp_path, "b.jpg: there is no mask for this image")
    assert paired(tmp_path, images="train") == ["train/a.jpg train_masks/a_mask.gif"]


def test_numbers_count_only_if_nothing_else_differs(tmp_path):
    write(tmp_path, "images/cat1.jpg", "images/dog2.jpg", "masks/m1.png", "masks/m2.png")
    refuse(tmp_path, "no name of its 2 images, such as cat1.jpg, fits one of its 2 masks")
    write(tmp_path / "other", "images/a.jpg", "masks/a.png", "images/i5.jpg", "masks/m5.png")
    refuse(tmp_path / "other", "i5.jpg: there is no mask for this image.*1 more case")


def test_two_images_of_one_name_without_a_mask_are_no_twins(tmp_path):
    write(tmp_path, "images/a.jpg", "masks/a.png", "images/b.jpg", "images/b.png")
    refuse(tmp_path, "b.jpg: there is no mask for this image.*1 more case")


def test_an_image_whose_mask_another_one_has_by_its_name_is_not_dropped(tmp_path):
    write(tmp_path, "images/x.png", "images/x_seg.png", "masks/x_seg.png")
    refuse(tmp_path, "x.png: there is no mask for this image")


def test_another_size_is_refused(tmp_path):
    write(tmp_path, "images/a.jpg", "images/b.jpg", "masks/a.png")
    write(tmp_path, "masks/b.png", size=(40, 50))
    refuse(tmp_path, "b.png is 50 x 40 pixels but .*b.jpg is 77 x 57; find the mask")


def test_empty_masks_are_counted_but_not_all_may_be_empty(tmp_path, capsys):
    write(tmp_path, "images/a.jpg", "images/b.jpg", "masks/a.png")
    Image.fromarray(np.zeros((57, 77), np.uint8)).save(tmp_path / "masks" / "b.png")
    assert len(pairs.load_cases(tmp_path)) == 2
    assert "1 of 2 masks are empty, such as b.png" in capsys.readouterr().out
    shutil.copy(tmp_path / "masks" / "b.png", tmp_path / "masks" / "a.png")
    refuse(tmp_path, "all 2 masks are empty: they are 0 everywhere; look at one")


@pytest.mark.parametrize(
    "names",
    [
        "images/{}.jpg masks/{}_0.png masks/{}_1.png",
        "images/{}.jpg masks/{}_mask_0.png masks/{}_mask_1.png",
        "{}.jpg {}_0_mask.png {}_1_mask.png",
    ],
)
def test_several_masks_of_one_image_are_told_from_strangers(tmp_path, names):
    for name in ("c0", "c1"):
        write(tmp_path, *names.replace("{}", name).split())
    refuse(
        tmp_path,
        "c0.jpg: 2 masks seem to belong to this image, such as c0.*c0/images/c0.jpg.*1 more",
    )


def test_what_predict_has_written_is_no_mask(tmp_path):
    write(
        tmp_path,
        "a.jpg",
        "a_mask.png",
        "b.jpg",
        "b_mask.png",
        "c_overlay.jpg",
        "c_overlay_mask.png",
    )
    before = paired(tmp_path)
    write(tmp_path, "a_predicted.png", "a_overlay.png", "b_predicted.png")
    assert paired(tmp_path) == before
    write(tmp_path / "new", "c.jpg", "c_predicted.png", "c_overlay.png")
    refuse(tmp_path / "new", "no name tells which of its 1 pictures are masks")
    (tmp_path / "new" / "c_overlay.png").unlink()
    # Predictions that were corrected by hand may be masks.
    assert paired(tmp_path / "new", masks="_predicted") == ["c.jpg c_predicted.png"]


def test_outlines_in_json_are_named(tmp_path):
    write(tmp_path, "a.jpg", "b.jpg")
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text("{}")
    refuse(tmp_path, "holds 2 JSON files and no masks.*export them as PNG masks first")


def test_a_heic_photograph_gets_its_own_words(tmp_path):
    write(tmp_path, "images/a.jpg", "masks/a.png", "masks/b.png")
    (tmp_path / "images" / "b.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    refuse(tmp_path, "b.HEIC: is a HEIC or AVIF photograph.*convert it to JPEG")


def test_folders_without_pictures_masks_or_images_say_what_is_there(tmp_path):
    refuse(tmp_path, "holds no pictures")
    (tmp_path / "scan.dcm").write_bytes(b"")
    refuse(tmp_path, "holds no pictures .*here are 1 .dcm files")
    write(tmp_path, "beach/b.jpg", "beach/c.jpg")
    refuse(tmp_path, r"all are in beach \(2\): give the folder that holds the masks too")
    write(tmp_path, "holiday/a.jpg")
    refuse(
        tmp_path,
        r"which of its 3 pictures are masks.* in beach \(2\), holiday \(1\): give masks",
    )
    refuse(tmp_path, "has no folder outlines with pictures", masks="outlines")
    write(tmp_path / "only", "a_mask.png", "b_mask.png")
    refuse(tmp_path / "only", "all 2 pictures look like masks")


# --- classes -----------------------------------------------------------------------------------


def test_classes_go_all_the_way(tmp_path):
    write(tmp_path, "images/a.jpg")
    values = np.zeros((57, 77), np.uint8)
    values[10:20], values[20:40] = 1, 2
    (tmp_path / "masks").mkdir()
    Image.fromarray(values).save(tmp_path / "masks" / "a.png")
    refuse(tmp_path, r"a.png: values 0, 1, 2: three classes; name the one .*classes=\(1,\)")
    (case,) = pairs.load_cases(tmp_path, classes=[2])
    assert case.classes == (2,)
    np.testing.assert_array_equal(read_mask(case.mask, case.classes), values == 2)
    _, masks = next(iter(make_dataset([case], (57, 77), 1)))
    np.testing.assert_array_equal(masks[0, ..., 0], values == 2)
    assert evaluate_masks([case], [values == 2]).rows[0]["dice"] == 1
    refuse(tmp_path, "no mask holds 3, 7; the masks hold 0, 1, 2", classes=(3, 7))
    (case,) = pairs.load_cases(tmp_path, classes="any")
    np.testing.assert_array_equal(read_mask(case.mask, case.classes), values > 0)
    with pytest.raises(ValueError, match="classes is 2; give a tuple"):
        pairs.load_cases(tmp_path, classes=2)


# --- many --------------------------------------------------------------------------------------


@pytest.mark.parametrize("partners", [True, False])
def test_ten_thousand_pairs_are_found_within_seconds(tmp_path, partners, monkeypatch):
    numbers = range(10_000) if partners else [0, *range(20_000, 29_999)]
    images = [tmp_path / "images" / f"ISIC_{i:07}.jpg" for i in range(10_000)]
    masks = [tmp_path / "masks" / f"ISIC_{i:07}_segmentation.png" for i in numbers]
    monkeypatch.setattr(pairs, "_pictures", lambda root: images + masks)
    start = time.process_time()
    cases, faults = pairs.find_pairs(tmp_path)
    assert time.process_time() - start < 5
    assert (len(cases), len(faults)) == ((10_000, 0) if partners else (1, 19_998))
