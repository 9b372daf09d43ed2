"""The MADS loader: the archive as Kaggle ships it, how people keep it, and what it must refuse."""

import csv
import os
import re
import shutil
import sys
from collections import Counter

import numpy as np
import pytest

from mads_tree import INNER, NAMES, person, write_frame, write_mads
from segmentation_tf.cases import DatasetError, fold_cases, split_cases
from segmentation_tf.datasets import folders, mads
from segmentation_tf.images import read_image, read_mask

SOME = NAMES[::3]  # two frames of each performance, by two cameras
FIRST = SOME[0]
LISTING = os.environ.get("MADS_LISTING")


@pytest.fixture
def root(tmp_path):
    """A folder as the zip unpacks, alone in its parent."""
    write_mads(tmp_path / "set" / "archive", SOME)
    return tmp_path / "set" / "archive"


@pytest.fixture
def home(root):
    return root / INNER / INNER


def names(cases):
    return [case.name for case in cases]


def refuse(root, match):
    """The folder is refused; returns what is said, its paths written as on Linux."""
    with pytest.raises(DatasetError) as caught:
        mads.load_cases(root)
    said = str(caught.value).replace("\\", "/")
    assert re.search(match, said), said
    return said


# --- the set as it is ------------------------------------------------------------------------


def test_cases_are_sorted_paired_by_name_and_grouped_by_performance(root, home):
    cases = mads.load_cases(root)
    assert names(cases) == sorted(SOME)
    for case in cases:
        assert case.image == home / "images" / f"{case.name}.png"
        assert case.mask == home / "masks" / f"{case.name}.png"
        assert case.label is None
        lit = read_image(case.image).mean(axis=2) > 100
        np.testing.assert_array_equal(read_mask(case.mask), lit)
    groups = Counter(case.group for case in cases)  # all cameras of a performance together
    assert groups == {"HipHop_HipHop1": 2, "Kata_F2": 2, "Sports_Badminton": 2}


DEEP = f"{INNER}/{INNER}"


@pytest.mark.parametrize("given", [".", INNER, DEEP, ".."])
def test_any_of_the_nested_folders_may_be_given(root, given, capsys):
    assert names(mads.load_cases(str(root / given))) == sorted(SOME)
    assert capsys.readouterr().out == ""


def flattened(root):
    for part in ("images", "masks"):
        (root / DEEP / part).rename(root / part)


def stray_files(root):
    images, masks = root / DEEP / "images", root / DEEP / "masks"
    for stray in (images / f"._{FIRST}.png", images / "Thumbs.db", masks / "desktop.ini"):
        stray.write_bytes(b"no image")
    for part in ("images", "masks"):
        (root / "__MACOSX" / part).mkdir(parents=True)


def other_case(root):
    for part in ("images", "masks"):
        path = root / DEEP / part / f"{FIRST}.png"
        path.rename(path.with_suffix(".PNG"))


def table_of_excel_on_windows(root):
    table = root / "df.csv"
    rows = [row.split(",", 1)[1] for row in table.read_text().splitlines()]
    table.write_bytes("\r\n".join(rows).replace("/", "\\").encode("utf-8-sig"))


@pytest.mark.parametrize(
    "change",
    [
        flattened,
        lambda root: (root / "df.csv").rename(root / DEEP / "df.csv"),
        lambda root: (root / "df.csv").rename(root / INNER / "df.csv"),
        lambda root: (root / "df.csv").unlink(),
        stray_files,
        other_case,
        table_of_excel_on_windows,
    ],
    ids=["flat", "table inside", "table between", "no table", "stray files", "PNG", "Excel"],
)
def test_the_set_is_read_as_people_keep_it(root, change, capsys):
    change(root)
    cases = mads.load_cases(root)
    assert names(cases) == sorted(SOME)
    assert all(case.image.is_file() and case.mask.is_file() for case in cases)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "name", ["images/a.jpg", "masks/a.gif", "masks/a.txt", "images/more/a.png"]
)
def test_what_is_no_png_is_skipped_and_counted(root, home, name, capsys):
    (home / name).parent.mkdir(exist_ok=True)
    (home / name).touch()
    assert len(mads.load_cases(root)) == len(SOME)
    item = name.removesuffix("/a.png")
    said = f"mads: skipped 1 item whose name does not end in .png, such as '{item}'\n"
    assert capsys.readouterr().out == said


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_mask_whose_name_ends_in_a_blank_is_pointed_out(root, home, capsys):
    mask = home / "masks" / f"{FIRST}.png"
    mask.rename(f"{mask} ")
    refuse(root, f"masks/{FIRST}.png: this file is missing")
    assert f"such as 'masks/{FIRST}.png '" in capsys.readouterr().out


def test_an_empty_mask_is_a_mask(root, home):
    write_frame(home, FIRST, np.zeros_like(person()))
    assert not read_mask(mads.load_cases(root)[0].mask).any()


def test_own_frames_are_read_and_counted(root, home, capsys):
    write_frame(home, "Weather_Forecast_C0_00000", person())
    assert len(mads.load_cases(root)) == len(SOME) + 1
    assert "1 of 7 cases are not in df.csv" in capsys.readouterr().out


@pytest.mark.skipif(not LISTING, reason="MADS_LISTING names no copy of the real df.csv")
def test_the_whole_real_listing(tmp_path):
    with open(LISTING, newline="") as file:
        rows = list(csv.DictReader(file))
    home = tmp_path / INNER / INNER
    write_frame(home, "first", person())
    for part in ("images", "masks"):
        for row in rows:
            os.link(home / part / "first.png", home / row[part])
        (home / part / "first.png").unlink()
    shutil.copy(LISTING, tmp_path / "df.csv")

    cases = mads.load_cases(tmp_path)
    assert len(cases) == 1192
    found = [f"images/{case.image.name}" for case in cases]
    assert found == sorted(row["images"] for row in rows)
    activities = Counter(case.group.split("_")[0] for case in cases)
    assert activities == {"HipHop": 339, "Jazz": 270, "Kata": 190, "Sports": 98, "Taichi": 295}
    assert len({case.group for case in cases}) == 27
    splits = [split_cases(cases, seed=seed) for seed in range(5)] + list(fold_cases(cases))
    for train, test in splits:
        assert not {case.group for case in train} & {case.group for case in test}
        assert len(train) + len(test) == 1192
        assert 0.1 < len(test) / 1192 < 0.3


# --- what it refuses -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "rest"),
    [
        (["images"], f"masks/{FIRST}.png and its row of df.csv"),
        (["masks"], f"images/{FIRST}.png and its row of df.csv"),
        (["images", "masks"], "its row of df.csv"),
    ],
)
def test_a_missing_file_is_named_with_the_way_out(root, home, missing, rest):
    for part in missing:
        (home / part / f"{FIRST}.png").unlink()
    said = f"{home}/{missing[0]}/{FIRST}.png: this file is missing; copy it from the archive, or "
    refuse(root, f"^{said}remove {rest} to go on without this case$")


def test_missing_files_without_a_table_are_counted(root, home):
    (root / "df.csv").unlink()
    for name in (FIRST, SOME[-1]):
        (home / "masks" / f"{name}.png").unlink()
    way_out = f"or remove images/{FIRST}.png to go on without this case"
    refuse(root, rf"{way_out} \(1 more case has a fault\)$")


def test_broken_files_are_counted(root, home):
    for path in (home / "images" / f"{FIRST}.png", home / "masks" / f"{SOME[-1]}.png"):
        path.write_bytes(path.read_bytes()[:-30])
    refuse(root, rf"images/{FIRST}.png: cannot be read as an image .*\(1 more case has a fault\)$")


def test_folders_that_hold_no_set(root, home, tmp_path):
    refuse(home / "images", f"give the folder above it, {home}$")
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", "holds no folders images and masks; .*kaggle.com/datasets/tapakah68")
    shutil.rmtree(home / "masks")
    refuse(root, "holds no folders images and masks")


def test_a_folder_with_the_archive_is_refused_with_the_command_that_unpacks_it(tmp_path):
    (tmp_path / "my download.zip").write_bytes(b"PK")
    command = f'python -m zipfile -e "{tmp_path.as_posix()}/my download.zip" .'
    assert command in refuse(tmp_path, "holds no folders images and masks; unpack it first, with")


# --- getting it ------------------------------------------------------------------------------


def test_the_command_unpacks_the_zip_where_it_is_found(root, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MADS_ROOT", raising=False)
    monkeypatch.setattr(folders, "REPOSITORY", tmp_path / "repository")
    archive = shutil.make_archive(str(tmp_path / "a"), "zip", root)
    monkeypatch.setattr(sys, "argv", ["mads", archive])
    mads.main()
    assert f"{len(SOME)} cases, every one readable" in capsys.readouterr().out
    assert names(mads.load_cases()) == sorted(SOME)
    with pytest.raises(SystemExit, match="is there already; rename or delete it"):
        mads.main()


def test_a_zip_of_something_else_is_refused_and_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "REPOSITORY", tmp_path / "repository")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("nothing")
    archive = shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "notes")
    with pytest.raises(DatasetError, match="a.zip: is not the archive of this data set"):
        mads.unpack(archive)
    assert not (tmp_path / "repository" / "data" / "mads").exists()
