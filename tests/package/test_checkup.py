"""The check-up: each rule finds its planted fault by name, and is silent without one."""

import io
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pairs_tree import draw_pair, write_pairs
from ph2_tree import skin
from processes import run
from segmentation_tf import images
from segmentation_tf.cases import Case, DatasetError
from segmentation_tf.datasets import checkup, ph2
from segmentation_tf.datasets.checkup import check_folder, check_up
from segmentation_tf.training import RECIPE

NAMES = [f"p{number:02}" for number in range(1, 53)]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A folder in which nothing is wrong."""
    return write_pairs(tmp_path_factory.mktemp("good"), [f"{name}.png" for name in NAMES])


@pytest.fixture
def folder(good, tmp_path):
    """A copy of it, to plant faults in."""
    return shutil.copytree(good, tmp_path / "pictures")


def change_mask(folder, name, function):
    path = folder / "masks" / f"{name}.png"
    mask = np.asarray(Image.open(path))
    Image.fromarray(function(mask)).save(path)


def find_one(report, words):
    """The one finding whose text has these words."""
    (found,) = [one for one in report.findings if words in one.text]
    return found


# --- a good set ------------------------------------------------------------------------------


def test_a_good_set_has_no_findings(good):
    report = check_folder(good)
    assert report.findings == [] and report.faults == []
    text = str(report)
    assert "52 pairs, 52 of them usable" in text
    assert "images: 52 PNG" in text and "masks: 52 PNG with 0, 255" in text
    assert "128 x 96 to 128 x 96 pixels, 0 taller than wide, 0 turned" in text
    assert text.endswith("Nothing needs mending.")


def test_the_overview_has_sizes_formats_values_and_the_spread_of_the_object(folder):
    image, mask = draw_pair(200, (300, 100))
    exif = Image.Exif()
    exif[274] = 3
    picture = Image.fromarray(image).transpose(Image.Transpose.ROTATE_180)
    picture.save(folder / "images" / "long.jpg", exif=exif)
    Image.fromarray(mask.astype(np.uint8)).save(folder / "masks" / "long.png")
    low, *_, high = sorted([mask.mean(), *(draw_pair(seed)[1].mean() for seed in range(52))])
    text = str(check_folder(folder))
    assert "images: 52 PNG; 1 JPEG" in text
    assert "masks: 52 PNG with 0, 255; 1 PNG with 0, 1" in text
    assert "128 x 96 to 100 x 300 pixels, 1 taller than wide, 1 turned" in text
    assert f"{low:.1%} to {high:.1%}" in text


def test_the_size_is_that_of_the_recipe():
    # It stands there as a number, so that a check-up need not wait for Keras.
    assert check_folder.__defaults__[-1] == check_up.__defaults__[-1] == RECIPE.size


def test_a_check_up_does_not_import_tensorflow():
    code = "import sys; from segmentation_tf.datasets import checkup; print(sorted(sys.modules))"
    assert "'tensorflow'" not in run(code)


# --- faults ----------------------------------------------------------------------------------


def test_files_without_a_partner(folder):
    (folder / "masks" / "p02.png").unlink()
    report = check_folder(folder)
    (name,) = find_one(report, "1 file without a clear partner").names
    assert name.startswith(os.path.join("images", "p02.png"))
    assert str(report).endswith("remove the file.") and "First: 1 file without" in str(report)


def test_several_masks_of_one_image(folder):
    for name in ("p01_0.png", "p01_1.png"):
        shutil.copy(folder / "masks" / "p01.png", folder / "masks" / name)
    assert "an image has one mask" not in find_one(check_folder(folder), "2 files").advice
    (folder / "masks" / "p01.png").unlink()
    found = find_one(check_folder(folder), "1 file without a clear partner")
    assert "2 masks seem to belong to this image" in found.names[0]
    assert "an image has one mask, or a folder of masks" in found.advice


def test_files_that_cannot_be_read(folder):
    (folder / "images" / "p03.png").write_bytes(b"no picture")
    found = find_one(check_folder(folder), "1 picture cannot be used")
    assert found.names[0].startswith("p03.png: ") and "holds something else" in found.names[0]


def test_masks_of_several_classes(folder):
    change_mask(folder, "p04", lambda mask: mask + 2 * mask[:, ::-1].astype(np.uint8))
    found = find_one(check_folder(folder), "1 picture: the mask has several classes")
    assert found.names[0].startswith("p04.png: values 0, 1, 2, 3: four classes")
    assert found.advice == "name the object, as the lines say"
    assert "several classes" not in str(check_folder(folder, classes="any"))


def test_a_class_that_no_mask_holds(folder):
    found = find_one(check_folder(folder, classes=(7,)), "no mask holds 7; the masks hold 0, 255")
    assert found.fault and "--classes" in found.advice
    assert "no mask holds" not in str(check_folder(folder, classes=(255,)))


def test_numbered_objects_of_16_bits(folder):
    change_mask(folder, "p04", lambda mask: mask * np.uint16(700))
    report = check_folder(folder)
    assert report.findings == [] and "1 PNG with 0, 700" in str(report)


def test_masks_of_another_size(folder):
    change_mask(folder, "p05", lambda mask: mask[::2, ::2])
    found = find_one(check_folder(folder), "1 picture: the mask has another size")
    assert found.names == ("p05 (128x96, mask 64x48)",) and "nearest" in found.advice


@pytest.mark.parametrize("quarters, way", [(1, "clockwise"), (-1, "counterclockwise")])
def test_masks_whose_height_and_width_are_exchanged(folder, quarters, way):
    change_mask(folder, "p05", lambda mask: np.rot90(mask, quarters))
    found = find_one(check_folder(folder), "1 picture: the mask has another size")
    assert found.names == (f"p05 (128x96, mask 96x128: turn it {way})",)
    assert "camera's note (EXIF)" in found.advice


def test_masks_that_are_inverted(folder):
    change_mask(folder, "p06", np.invert)
    assert find_one(check_folder(folder), "looks inverted").names == ("p06",)


def test_an_object_that_fills_the_picture_is_not_inverted(folder):
    image, mask = draw_pair(0)
    mask[:] = True
    mask[:20, :30] = mask[-9:, -40:] = False  # the corners of a round field of view
    Image.fromarray(skin(mask)).save(folder / "images" / "p07.png")
    Image.fromarray(mask).save(folder / "masks" / "p07.png")
    assert check_folder(folder).faults == []


@pytest.mark.parametrize(
    "name, change, words",
    [
        ("p08", lambda mask: mask[::-1, ::-1], "turned by 180 degrees"),
        ("p09", lambda mask: mask[:, ::-1], "mirrored left to right"),
        ("p10", lambda mask: np.roll(mask, (10, 13), (0, 1)), "moved by 10% up to the left"),
    ],
)
def test_masks_that_are_turned_or_shifted(folder, name, change, words):
    change_mask(folder, name, change)
    found = find_one(check_folder(folder), "1 picture: the mask seems to be misplaced")
    assert found.names == (f"{name} (fits {words})",)


def test_masks_that_are_exchanged(folder):
    masks = folder / "masks"
    for old, new in (("p11", "x"), ("p12", "p11"), ("x", "p12")):
        (masks / f"{old}.png").rename(masks / f"{new}.png")
    found = find_one(check_folder(folder), "2 pictures: the mask seems to be misplaced")
    assert found.names == ("p11 (the mask of p12 fits)", "p12 (the mask of p11 fits)")


def test_masks_that_are_one_name_late(folder):
    masks = sorted((folder / "masks").iterdir())[:10]
    contents = [path.read_bytes() for path in masks]
    for path, content in zip(masks, [contents[-1], *contents[:-1]], strict=True):
        path.write_bytes(content)
    found = find_one(check_folder(folder), "10 pictures: the mask seems to be misplaced")
    assert found.names[0] == "p01 (the mask of p02 fits)"
    assert found.names[-1] == "p10 (the mask of p01 fits)"


def test_masks_that_are_empty_or_full(folder):
    change_mask(folder, "p13", np.zeros_like)
    change_mask(folder, "p14", np.ones_like)
    report = check_folder(folder)
    assert find_one(report, "covers everything").names == ("p14",)
    empty = find_one(report, "the mask is empty")
    assert empty.names == ("p13",) and not empty.fault, "some pictures have no object"


def test_a_set_of_empty_masks_is_a_fault(folder):
    for name in NAMES:
        change_mask(folder, name, np.zeros_like)
    assert "52 pictures: the mask is empty" in str(check_folder(folder).faults)


def copy_smaller(path, new_path):
    """Save a picture at half its size, as a JPEG."""
    picture = Image.open(path)
    picture = picture.resize((picture.width // 2, picture.height // 2))
    picture.save(new_path, **({"quality": 60} if new_path.suffix == ".jpg" else {}))


def test_pictures_that_are_there_twice(folder):
    copy_smaller(folder / "images" / "p15.png", folder / "images" / "q.jpg")
    copy_smaller(folder / "masks" / "p15.png", folder / "masks" / "q.png")
    found = find_one(check_folder(folder), "2 pictures are copies of one another")
    assert found.names == ("p15 = q",) and found.fault
    together = check_folder(folder, group=r"^(?:q|p15)|.*")
    assert together.faults, "p15 and q are two groups still"
    assert check_folder(folder, group=lambda name: name.replace("q", "p15")).faults == []


def test_even_pictures_with_small_objects_are_not_copies():
    looks = []
    for seed in range(8):
        mask = np.zeros((48, 48), bool)
        mask[4 + 5 * seed : 8 + 5 * seed, 20:24] = True
        noise = np.random.default_rng(seed).normal(128, 3, (48, 48, 3))
        image = (noise - 40 * mask[..., None]).astype(np.uint8)
        case = Case(str(seed), Path("a.png"), Path("a_mask.png"), group=str(seed))
        looks.append(checkup.Look(case, image=image, mask=mask, share=mask.mean()))
    assert checkup.find_twins(looks) is None
    assert checkup.find_twins([*looks, replace(looks[0], case=looks[1].case)]).names == ("0 = 1",)


@pytest.mark.parametrize("place", ["{part}/{kind}", "{part}{kind}"])
def test_pictures_on_both_sides_of_a_split(good, tmp_path, place):
    def folder(part, kind):
        return tmp_path / place.format(part=part, kind=kind)

    for part, names in (("train", NAMES[:40]), ("test", NAMES[40:])):
        for kind in ("images", "masks"):
            folder(part, kind).mkdir(parents=True)
            for name in names:
                shutil.copy(good / kind / f"{name}.png", folder(part, kind))
    report = check_folder(tmp_path)
    assert report.faults == [] and "split: train 40, test 12" in str(report)
    for kind in ("images", "masks"):
        shutil.copy(good / kind / "p01.png", folder("test", kind) / "copy.png")
    found = find_one(check_folder(tmp_path), "some in two parts, such as train and test")
    assert found.names == ("copy = p01",)


# --- what is worth knowing -------------------------------------------------------------------


def test_objects_that_vanish_at_the_networks_size(folder):
    def add_speck(mask):
        mask = mask.copy()
        mask[90, 120:122] = True
        return mask

    change_mask(folder, "p16", add_speck)
    found = find_one(check_folder(folder, size=32), "vanish")
    assert found.text.startswith("1 of ") and "1 picture" in found.text
    assert found.names == ("p16",) and not found.fault
    assert check_folder(folder, size=128).findings == []


def test_objects_that_cover_next_to_nothing(tmp_path):
    cases = []
    for seed in range(60):
        mask = np.zeros((200, 200), bool)
        mask[90:105, 80 + seed : 95 + seed] = True
        paths = [tmp_path / f"{seed}{kind}.png" for kind in ("", "_mask")]
        Image.fromarray(skin(mask, seed)).save(paths[0])
        Image.fromarray(mask).save(paths[1])
        cases.append(Case(str(seed), *paths, group="one"))
    found = find_one(check_up(cases), "half of the masks")
    assert "0.6% of the picture" in found.text and not found.fault


def test_long_pictures(folder):
    image, mask = draw_pair(5, (80, 200))
    Image.fromarray(image).save(folder / "images" / "p17.png")
    Image.fromarray(mask).save(folder / "masks" / "p17.png")
    found = find_one(check_folder(folder), "twice as long as wide")
    assert found.names == ("p17",) and not found.fault


@pytest.mark.parametrize(
    "count, words",
    [(3, "learns them by heart"), (8, "which of them are test"), (30, "only roughly")],
)
def test_few_pictures(folder, count, words):
    for name in NAMES[count:]:
        for kind in ("images", "masks"):
            (folder / kind / f"{name}.png").unlink()
    report = check_folder(folder)
    assert report.faults == []
    assert find_one(report, words).text.startswith(f"{count} usable pairs")


# --- the report ------------------------------------------------------------------------------


def test_faults_come_first_and_names_are_counted(folder):
    for name in NAMES[:7]:
        change_mask(folder, name, np.invert)
    change_mask(folder, "p20", np.zeros_like)
    change_mask(folder, "p21", lambda mask: mask[::2, ::2])
    report = check_folder(folder)
    assert [one.fault for one in report.findings] == [True, True, False]
    text = str(report)
    assert "1. 1 picture: the mask has another size" in text
    assert (
        "2. 7 pictures: the mask looks inverted\n   p01, p02, p03, p04, p05, and 2 more\n" in text
    )
    assert text.splitlines()[-1].startswith("First: 1 picture: the mask has another size. To do: ")


def test_the_page_shows_the_findings_with_pictures(folder, tmp_path):
    change_mask(folder, "p22", np.invert)
    (folder / "images" / "p23.png").write_bytes(b"")
    (folder / "masks" / "p24.png").unlink()
    page = tmp_path / "checkup.html"
    check_folder(folder).write_page(page)
    text = page.read_text(encoding="utf-8")
    assert "<title>Check-up of pictures</title>" in text
    assert "<li>p22</li>" in text and text.index("To mend") < text.index("Some of the pairs")
    assert "the mask looks inverted" in text and "p23: cannot be shown" in text
    assert text.count("<img") == 1 + 12 and 'alt="p22"' in text


def test_the_page_of_few_pairs_or_of_none_has_no_empty_parts(folder, tmp_path):
    for name in NAMES[3:]:
        (folder / "masks" / f"{name}.png").unlink()
        (folder / "images" / f"{name}.png").unlink()
    for path, seen in (("few.html", True), ("none.html", False)):
        check_folder(folder).write_page(tmp_path / path)
        text = (tmp_path / path).read_text(encoding="utf-8")
        assert ("Worth knowing" in text, "Some of the pairs" in text) == (seen, seen)
        assert ("To mend" in text) != seen and ("Nothing needs mending" in text) == seen
        for name in NAMES[:3]:
            (folder / "masks" / f"{name}.png").write_bytes(b"")


def test_groups_are_counted_if_they_are_given(folder):
    assert "10 groups" in str(check_folder(folder, group=r"\d$"))
    assert "group" not in str(check_folder(folder))


def test_names_cannot_write_into_the_page(tmp_path):
    image, mask = draw_pair(0)
    paths = [tmp_path / f"a{kind}.png" for kind in ("", "_mask")]
    Image.fromarray(image).save(paths[0])
    Image.fromarray(mask).save(paths[1])
    report = check_up([Case('<script>"', *paths, group="a")])
    report.write_page(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>" not in text and "&lt;script&gt;&quot;" in text


def test_progress_goes_to_stderr(good, capsys, monkeypatch):
    monkeypatch.setattr(images, "BAR_DELAY", 0)
    check_folder(good)
    printed = capsys.readouterr()
    assert "52/52" in printed.err and "52/52" not in printed.out


def test_a_folder_without_pictures_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match="holds no pictures"):
        check_folder(tmp_path)


# --- the measure of fit ----------------------------------------------------------------------


def test_fit_is_the_distance_of_two_colours_in_units_of_their_noise():
    rng = np.random.default_rng(0)
    mask = np.zeros((48, 48), bool)
    mask[10:30, 12:40] = True
    noise = rng.normal(0, 6, (48, 48, 3))
    image = np.where(mask[..., None], (140, 100, 100), (100, 100, 100)) + noise
    assert checkup.fit(image, mask) == pytest.approx(40**2 / (6**2 + 4), rel=0.15)
    assert checkup.fit(image, np.roll(mask, 20, axis=1)) < 10
    assert checkup.fit(image, ~mask) == pytest.approx(checkup.fit(image, mask))
    assert checkup.fit(image, np.zeros_like(mask)) == 0


def test_copies_have_nearly_the_same_hash_and_other_pictures_have_not():
    picture, other = (Image.fromarray(draw_pair(seed)[0]) for seed in (0, 1))
    file = io.BytesIO()
    picture.resize((64, 48)).save(file, "JPEG", quality=50)
    hashes = [
        checkup.perceptual_hash(one.resize((17, 16), Image.Resampling.BOX))
        for one in (picture, Image.open(file), other)
    ]
    bits = [int(np.bitwise_count(hashes[0] ^ one).sum()) for one in hashes[1:]]
    assert bits[0] <= checkup.ALIKE < bits[1]


@pytest.mark.skipif("PH2_SAMPLE" not in os.environ, reason="needs PH2_SAMPLE")
def test_real_moles_cause_no_false_alarm():
    assert check_up(ph2.load_cases(os.environ["PH2_SAMPLE"])).findings == []
