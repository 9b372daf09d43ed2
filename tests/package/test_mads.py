"""The MADS loader: the archive as Kaggle ships it, how people keep it, and what it must refuse."""

import csv
import io
import os
import re
import shutil
import sys
import types
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from mads_tree import INNER, NAMES, frame, person, write_frame, write_mads
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


def test_cases_are_sorted_and_paired_by_name(root, home):
    cases = mads.load_cases(root)
    assert names(cases) == sorted(SOME)
    for case in cases:
        assert case.image == home / "images" / f"{case.name}.png"
        assert case.mask == home / "masks" / f"{case.name}.png"
        assert case.label is None
        lit = read_image(case.image).mean(axis=2) > 100
        np.testing.assert_array_equal(read_mask(case.mask), lit)


def test_a_group_is_a_performance_with_all_its_cameras(root):
    groups = Counter(case.group for case in mads.load_cases(root))
    assert groups == {"HipHop_HipHop1": 2, "Kata_F2": 2, "Sports_Badminton": 2}


def move(root, *moves):
    for old, new in moves:
        shutil.move(root / old, root / new)


DEEP = f"{INNER}/{INNER}"


@pytest.mark.parametrize(
    "given", [".", INNER, DEEP, ".."], ids=["root", "inner", "innermost", "above"]
)
def test_any_of_the_nested_folders_may_be_given(root, given, capsys):
    assert names(mads.load_cases(str(root / given))) == sorted(SOME)
    assert capsys.readouterr().out == ""


def flattened(root):
    move(root, (f"{DEEP}/images", "images"), (f"{DEEP}/masks", "masks"))
    shutil.rmtree(root / INNER)


def table_inside(root):
    move(root, ("df.csv", f"{DEEP}/df.csv"))


def table_between(root):
    move(root, ("df.csv", f"{INNER}/df.csv"))


def table_missing(root):
    (root / "df.csv").unlink()


def stray_files(root):
    home = root / DEEP
    for stray in (
        root / "desktop.ini",
        home / "images" / f"._{FIRST}.png",
        home / "images" / "Thumbs.db",
        home / "masks" / f"{FIRST}.txt",
    ):
        stray.write_bytes(b"no image")
    (home / "images" / ".ipynb_checkpoints").mkdir()
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
        table_inside,
        table_between,
        table_missing,
        stray_files,
        other_case,
        table_of_excel_on_windows,
    ],
)
def test_the_set_is_read_as_people_keep_it(root, change, capsys):
    change(root)
    cases = mads.load_cases(root)
    assert names(cases) == sorted(SOME)
    assert all(case.image.is_file() and case.mask.is_file() for case in cases)
    assert capsys.readouterr().out == ""


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
    for part, suffix in (("images", "png"), ("masks", "png"), ("collages", "jpg")):
        (home / part).mkdir(parents=True)
        (home / part / "first").write_bytes(encoded(frame(person()), suffix))
        for row in rows:
            os.link(home / part / "first", home / row[part])
        (home / part / "first").unlink()
    shutil.copy(LISTING, tmp_path / "df.csv")

    cases = mads.load_cases(tmp_path)
    assert len(cases) == 1192
    assert [str(case.image.relative_to(home)) for case in cases] == sorted(
        row["images"] for row in rows
    )
    assert Counter(case.group.split("_")[0] for case in cases) == {
        "HipHop": 339,
        "Jazz": 270,
        "Kata": 190,
        "Sports": 98,
        "Taichi": 295,
    }
    assert len({case.group for case in cases}) == 27
    assert len({case.name.rsplit("_", 1)[0] for case in cases}) == 76, "sequences by camera"
    splits = [split_cases(cases, seed=seed) for seed in range(5)] + list(fold_cases(cases))
    for train, test in splits:
        assert not {case.group for case in train} & {case.group for case in test}
        assert len(train) + len(test) == 1192
        assert 0.1 < len(test) / 1192 < 0.3


def encoded(picture, suffix):
    file = io.BytesIO()
    mask_too = np.where(picture > 100, 255, 0).astype(np.uint8)  # serves as image and as mask
    Image.fromarray(mask_too).save(file, {"jpg": "jpeg"}.get(suffix, suffix))
    return file.getvalue()


# --- what it refuses -------------------------------------------------------------------------


def image_missing(home):
    (home / "images" / f"{FIRST}.png").unlink()


def mask_missing(home):
    (home / "masks" / f"{FIRST}.png").unlink()


def both_missing(home):
    image_missing(home)
    mask_missing(home)


def truncated(home):
    path = home / "images" / f"{FIRST}.png"
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        (image_missing, f"images/{FIRST}.png: .* or remove masks/{FIRST}.png and its row of df"),
        (mask_missing, f"masks/{FIRST}.png: .* or remove images/{FIRST}.png and its row of df"),
        (both_missing, f"images/{FIRST}.png: .* missing; copy it .* or remove its row of df.csv"),
        (truncated, f"images/{FIRST}.png: cannot be read as an image.*copy it again"),
    ],
)
def test_a_fault_is_named_with_the_way_out(root, home, fault, match):
    fault(home)
    assert "more case" not in refuse(root, match)


@pytest.mark.parametrize(("fault", "rest"), [(mask_missing, "images"), (image_missing, "masks")])
def test_a_file_is_missing_without_a_table(root, home, fault, rest):
    (root / "df.csv").unlink()
    fault(home)
    refuse(root, f"or remove {rest}/{FIRST}.png to go on without this case$")


@pytest.mark.parametrize("fault", [mask_missing, truncated])
def test_further_faults_are_counted(root, home, fault):
    fault(home)
    broken = home / "masks" / f"{SOME[-1]}.png"
    if fault is mask_missing:
        broken.unlink()
    else:
        broken.write_bytes(b"")
    refuse(root, rf"{FIRST}.*\(1 more case has a fault\)$")


def test_folders_that_hold_no_set(root, home, tmp_path):
    refuse(home / "images", f"give the folder above it, {home}$")
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", "holds no folders images and masks; .*kaggle.com/datasets/tapakah68")
    shutil.rmtree(home / "masks")
    refuse(root, "holds no folders images and masks")


# --- where it is looked for ------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository without data, and a drawn set in place of the one that takes long to draw."""
    monkeypatch.delenv("MADS_ROOT", raising=False)
    monkeypatch.setattr(folders, "REPOSITORY", tmp_path / "repository")
    write_mads(tmp_path / "repository" / "drawn", SOME[:1])
    monkeypatch.setattr(mads, "drawn_folder", lambda: tmp_path / "repository" / "drawn")
    return tmp_path / "repository"


def test_the_environment_then_data_then_the_drawn_set(repository, root, capsys, monkeypatch):
    assert len(mads.load_cases()) == 1
    assert capsys.readouterr().out.startswith("mads: drawn (the drawn set; real images: data/mads")
    write_mads(repository / "data" / "mads", SOME[:2])
    assert len(mads.load_cases()) == 2
    monkeypatch.setenv("MADS_ROOT", str(root))
    assert len(mads.load_cases()) == len(SOME)


def test_an_archive_is_refused_with_the_command_that_unpacks_it(repository, monkeypatch):
    archive = repository / "downloads" / "my download.zip"
    archive.parent.mkdir()
    zipfile.ZipFile(archive, "w").close()
    monkeypatch.setenv("MADS_ROOT", str(archive))
    command = f'python -m segmentation_tf.datasets.mads "{archive.as_posix()}"'
    for given in (archive, archive.parent, None):
        assert command in refuse(given, "is an archive, not a folder|holds no folders images")


# --- getting it ------------------------------------------------------------------------------


def pack(root, archive):
    shutil.make_archive(str(archive.with_suffix("")), "zip", root)
    return archive


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["mads", *map(str, arguments)])
    mads.main()


def test_the_command_unpacks_the_zip_where_it_is_found(repository, root, monkeypatch, capsys):
    command(monkeypatch, pack(root, repository / "a.zip"))
    assert f"{len(SOME)} cases, every one readable" in capsys.readouterr().out
    assert names(mads.load_cases()) == sorted(SOME)
    assert [path.name for path in (repository / "data").iterdir()] == ["mads"]


def test_the_command_says_what_is_wrong_and_fails(repository, monkeypatch):
    with pytest.raises(SystemExit, match="nowhere.zip: cannot be read"):
        command(monkeypatch, "nowhere.zip")


def test_kagglehub_fetches_the_set(repository, root, monkeypatch, capsys):
    def dataset_download(handle):
        assert handle == "tapakah68/segmentation-full-body-mads-dataset"
        return str(root)

    monkeypatch.setitem(
        sys.modules, "kagglehub", types.SimpleNamespace(dataset_download=dataset_download)
    )
    command(monkeypatch)
    assert f"{len(SOME)} cases" in capsys.readouterr().out
    assert names(mads.load_cases()) == sorted(SOME)
    assert root.is_dir(), "the cache of kagglehub is not ours to move"
    with pytest.raises(DatasetError, match="is there already; rename or delete it"):
        mads.fetch()


def test_without_kagglehub_it_says_how_to_get_the_set(repository, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DatasetError, match="pip install kagglehub.*by hand.*kaggle.com") as caught:
        mads.fetch()
    assert "python -m segmentation_tf.datasets.mads" in str(caught.value)
    assert not (repository / "data").exists()


def test_what_kaggle_refuses_is_explained(repository, monkeypatch):
    def dataset_download(handle):
        raise RuntimeError("403 Client Error")

    monkeypatch.setitem(
        sys.modules, "kagglehub", types.SimpleNamespace(dataset_download=dataset_download)
    )
    with pytest.raises(DatasetError, match="403 Client Error.*KAGGLE_API_TOKEN.*by hand"):
        mads.fetch()
    assert not (repository / "data").exists()
