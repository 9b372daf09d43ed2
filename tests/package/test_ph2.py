"""The PH2 loader: the archive as it circulates, and what it must refuse."""

import os
import re
import shutil

import pytest
from PIL import Image

from ph2_tree import disc, write_case, write_ph2
from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets import pairs, ph2


@pytest.fixture
def root(tmp_path):
    return write_ph2(tmp_path / "PH2Dataset", [0, 0, 1, 1, 2])


def files_of(root, name):
    folder = root / "PH2 Dataset images" / name
    return (
        folder / f"{name}_Dermoscopic_Image" / f"{name}.bmp",
        folder / f"{name}_lesion" / f"{name}_lesion.bmp",
    )


def test_cases_are_sorted_paired_by_name_and_labelled(root):
    cases = ph2.load_cases(root)
    assert [c.name for c in cases] == ["IMD002", "IMD003", "IMD004", "IMD005", "IMD006"]
    for case in cases:
        assert (case.image, case.mask) == files_of(root, case.name)
        assert case.group == case.name
    assert [c.label for c in cases] == [ph2.DIAGNOSES[i] for i in (0, 0, 1, 1, 2)]


def test_root_may_be_text_the_folder_above_or_the_images_folder(root):
    cases = ph2.load_cases(root)
    for other in (str(root), root.parent, root / "PH2 Dataset images"):
        assert ph2.load_cases(other) == cases
    (root.parent / "outer").mkdir()
    shutil.move(root, root.parent / "outer")
    assert len(ph2.load_cases(root.parent / "outer")) == 5


def test_stray_files_are_ignored(root, capsys):
    cases = ph2.load_cases(root)
    image, mask = files_of(root, "IMD003")
    (root / "__MACOSX" / "IMD003").mkdir(parents=True)
    (image.parent.parent / "IMD003_roi").mkdir()
    for stray in (
        root / "PH2 Dataset images" / "Thumbs.db",
        image.parent / "._IMD003.bmp",
        mask.with_suffix(".jpg"),
        image.parent.parent / "IMD003_roi" / "IMD003_R1_Label4.bmp",
    ):
        stray.write_bytes(b"not an image")
    assert ph2.load_cases(root) == cases
    assert capsys.readouterr().out == ""


def test_three_channel_mask_and_grey_image(root):
    image, mask = files_of(root, "IMD002")
    Image.open(mask).convert("RGB").save(mask)
    Image.open(image).convert("L").save(image)
    assert len(ph2.load_cases(root)) == 5


def test_names_in_another_case(root):
    images = root / "PH2 Dataset images"
    image, mask = files_of(root, "IMD002")
    image.rename(image.with_name("imd002.BMP"))
    mask.rename(mask.with_name("IMD002_Lesion.bmp"))
    (images / "IMD002").rename(images / "imd002")
    assert ph2.load_cases(root)[0].name == "IMD002"


def test_folders_with_other_names_are_skipped_and_counted(root, capsys):
    images = root / "PH2 Dataset images"
    for name in ("IMD003_copy", "IMD003 (1)", "IMD 004"):
        shutil.copytree(images / "IMD003", images / name)
    assert [c.name for c in ph2.load_cases(root)] == NAMES
    said = capsys.readouterr().out
    start = "PH2Dataset: skipped 3 folders not named like IMD003, such as 'PH2 Dataset images/IMD "
    assert said.startswith(start) and said.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_folder_whose_name_ends_in_a_blank_is_read_unless_there_are_two(root, capsys):
    images = root / "PH2 Dataset images"
    (images / "IMD003").rename(images / "IMD003 ")
    assert [c.name for c in ph2.load_cases(root)] == NAMES
    assert capsys.readouterr().out == ""
    shutil.copytree(images / "IMD003 ", images / "IMD003")
    refuse(root, "IMD003 ' and '.*IMD003' are the same case; keep one")


def test_without_the_table_labels_are_none_and_it_says_so(root, capsys):
    (root / "PH2_dataset.txt").unlink()
    assert {c.label for c in ph2.load_cases(root)} == {None}
    assert "there is no PH2_dataset.txt) for 5 of 5" in capsys.readouterr().out


def test_case_without_a_row_is_counted(root, capsys):
    write_case(root, "IMD099", disc())
    assert ph2.load_cases(root)[-1].label is None
    assert "no diagnosis in PH2_dataset.txt for 1 of 6 cases" in capsys.readouterr().out


def refuse(root, match):
    with pytest.raises(DatasetError, match=match):
        ph2.load_cases(root)


@pytest.mark.parametrize("which", [0, 1])
def test_missing_file_is_named(root, which):
    gone = files_of(root, "IMD004")[which]
    gone.unlink()
    refuse(root, f"^{re.escape(str(gone))}: this file is missing; .*, or remove the folder IMD004")


def test_picture_in_another_format_is_no_replacement_but_pairs_reads_it(root):
    for name in ("IMD002", "IMD003", "IMD004", "IMD005", "IMD006"):
        for file in files_of(root, name):
            Image.open(file).save(file.with_suffix(".png"))
            file.unlink()
    refuse(root, "IMD002.bmp: this file is missing .but IMD002.png is there: pairs.load_cases")
    assert [case.name for case in pairs.load_cases(root)] == [f"IMD00{i}" for i in range(2, 7)]


def test_all_faults_are_counted(root):
    for name in ("IMD003", "IMD005"):
        files_of(root, name)[0].write_bytes(b"")
    refuse(root, "IMD003.bmp: .*1 more case")


def test_empty_and_wrong_folders_are_refused(tmp_path):
    (tmp_path / "holiday" / "pictures").mkdir(parents=True)
    refuse(tmp_path, "holds no PH2 case folders such as IMD003; give the folder PH2Dataset, or")
    (tmp_path / "PH2Dataset.rar").write_bytes(b"Rar!")
    refuse(tmp_path, "holds no PH2 case folders such as IMD003; unpack it first, with: unar")


@pytest.mark.parametrize(
    ("image", "mask"), [("images/{}.bmp", "masks/{}_lesion.bmp"), ("images/{}.png", "masks/{}.png")]
)
def test_a_copy_with_other_folders_is_sent_to_pairs_which_reads_it(root, tmp_path, image, mask):
    for name in ("IMD002", "IMD003"):
        for file, place in zip(files_of(root, name), (image, mask)):
            path = tmp_path / "mirror" / place.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.open(file).save(path)
    refuse(tmp_path / "mirror", "segmentation_tf.datasets.pairs.load_cases")
    assert [case.name for case in pairs.load_cases(tmp_path / "mirror")] == ["IMD002", "IMD003"]


# --- diagnoses

NAMES = [f"IMD00{i}" for i in range(2, 7)]
CODES = [0, 0, 1, 1, 2]


def table_of(separator, header, rows):
    return "".join(separator.join(map(str, row)) + "\r\n" for row in (header, *rows))


WORDS = [ph2.DIAGNOSES[code].title() for code in CODES]
TICKS = [["X" if i == code else "" for i in range(3)] for code in CODES]
PLAIN = ("Name", "Clinical Diagnosis", "Asymmetry")
TABLES = {
    "tabs": ("txt", table_of("\t", PLAIN, zip(NAMES, CODES, CODES))),
    "commas": ("csv", table_of(",", PLAIN, zip(NAMES, CODES, CODES))),
    "semicolons": ("csv", table_of(";", PLAIN, zip(NAMES, CODES, CODES))),
    "a column before": ("csv", table_of(",", ("", *PLAIN), zip(range(5), NAMES, CODES, CODES))),
    "words": ("csv", table_of(",", PLAIN, zip(NAMES, WORDS, CODES))),
    "ticks": (
        "csv",
        table_of(
            ",",
            ("Image Name", "Histological Diagnosis", "Common Nevus", "Atypical Nevus", "Melanoma"),
            [(name, "", *ticks) for name, ticks in zip(NAMES, TICKS)],
        ),
    ),
    "a title above": ("csv", "PH2,,\n" + table_of(",", PLAIN, zip(NAMES, CODES, CODES))),
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_copies_give_the_diagnoses(root, kind, encoding, capsys):
    suffix, text = TABLES[kind]
    (root / "PH2_dataset.txt").unlink()
    (root / f"PH2_dataset.{suffix}").write_bytes(text.encode(encoding))
    assert [case.label for case in ph2.load_cases(root)] == [ph2.DIAGNOSES[i] for i in CODES]
    assert capsys.readouterr().out == ""


BROKEN_TABLES = {
    "a web page": ("<!DOCTYPE html><title>Sign in</title>", "has no row with a name such as IMD"),
    "nothing": ("", "has no row with a name such as IMD003"),
    "another code": (
        table_of("\t", PLAIN, zip(NAMES, [0, 0, 1, 7, 2], CODES)),
        "IMD005 has the clinical diagnosis 7; known are 0, 1 and 2",
    ),
    "two diagnoses": (
        table_of("\t", PLAIN, zip([*NAMES, "IMD002"], [*CODES, 2], [0] * 6)),
        "IMD002 has two rows with different diagnoses",
    ),
    "far too large": (" " * 3_000_000, "has more than 2,000,000 bytes"),
}


@pytest.mark.parametrize("kind", BROKEN_TABLES)
def test_a_table_that_cannot_be_read_costs_the_labels_and_not_the_set(root, kind, capsys):
    text, reason = BROKEN_TABLES[kind]
    (root / "PH2_dataset.txt").write_text(text)
    assert [case.label for case in ph2.load_cases(root)] == [None] * 5
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and said.startswith("PH2Dataset: no diagnosis (")
    assert reason in said and "for 5 of 5 cases" in said


def test_a_second_table_stands_in_for_one_that_cannot_be_read(root):
    (root / "PH2_dataset.txt").write_text("nothing")
    (root / "PH2_dataset.csv").write_text(TABLES["commas"][1])
    assert [case.label for case in ph2.load_cases(root)] == [ph2.DIAGNOSES[i] for i in CODES]


def test_a_blank_diagnosis_is_none(root):
    (root / "PH2_dataset.txt").write_text(
        table_of("\t", PLAIN, zip(NAMES, ["", *CODES[1:]], CODES))
    )
    assert ph2.load_cases(root)[0].label is None


def test_two_ticks_are_no_diagnosis(root):
    (root / "PH2_dataset.txt").unlink()
    text = TABLES["ticks"][1].replace("IMD002,,X,,", "IMD002,,X,X,")
    (root / "PH2_dataset.csv").write_text(text)
    labels = [case.label for case in ph2.load_cases(root)]
    assert labels == [None, *(ph2.DIAGNOSES[i] for i in CODES[1:])]
