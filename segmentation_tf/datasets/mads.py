"""The Segmentation Full Body MADS set: 1192 frames of dance, martial arts and sports, and masks
of the person in them.

Source: PAGE below, CC BY-ND 4.0. The films are those of W. Zhang, Z. Liu, L. Zhou, H. Leung,
A. B. Chan, "Martial Arts, Dancing and Sports dataset: a challenging stereo and multi-view dataset
for 3D human pose estimation", Image and Vision Computing 61, 2017.

To put the zip, downloaded in a browser, into data/mads, where `load_cases` finds it:

    python -m segmentation_tf.datasets.mads archive.zip
"""

import argparse
import csv
import io
import os
import re
import sys
import unicodedata
from itertools import chain
from pathlib import Path

from segmentation_tf.cases import Case, DatasetError, refuse_faults
from segmentation_tf.datasets import folders
from segmentation_tf.images import check_cases

PAGE = "https://www.kaggle.com/datasets/tapakah68/segmentation-full-body-mads-dataset"
PARTS = ("images", "masks")
NAME = re.compile(r"(?P<group>[^_]+_[^_]+)_C\d+_\d+")  # activity_sequence_camera_frame


# --- reading -----------------------------------------------------------------------------------


def load_cases(root: str | Path | None = None) -> list[Case]:
    """Return the cases of a MADS folder, sorted; DatasetError names the first file with a fault.

    `root` is the folder that holds `images` and `masks`, or one up to three levels above it.
    Without it: the environment's MADS_ROOT, else data/mads, else the drawn set.

    images/NAME.png and masks/NAME.png are a case. Its group is activity and sequence, such as
    HipHop_HipHop1: all cameras film the same performance, so they stay on one side of a split.
    A mask may be empty. Collages are ignored; a printed line counts what lies in `images` and
    `masks` and is not a PNG file. Every file is read to its end here.

    If there is a df.csv, beside the two folders or above them up to `root`, all images and masks
    that it lists must be there. You may add frames that it does not list; a printed line counts
    them.
    """
    folder = folders.choose_folder(root, "MADS_ROOT", "mads", draw=drawn_folder)
    home = _find_home(folder)
    items = [item for part in PARTS for item in folders.children(home / part)]
    skipped = [item for item in items if not _is_png(item)]
    folders.report_skipped("mads", "item", "whose name does not end in .png", skipped)
    found = {part: _list_pictures(home / part) for part in PARTS}
    table = _find_table(home, folder)
    listed = _read_table(table) if table else {}
    names = sorted(found["images"].keys() | found["masks"].keys() | listed.keys())
    refuse_faults(_fault(name, home, found, listed, table) for name in names)
    cases = sorted(_make_case(image, found["masks"][key]) for key, image in found["images"].items())
    check_cases(cases, empty_mask_ok=True)
    if table and len(cases) > len(listed):
        print(f"mads: {len(cases) - len(listed)} of {len(cases)} cases are not in {table.name}")
    return cases


def drawn_folder() -> Path:
    """Return the folder of the built-in drawn set; drawn now if it is not there yet."""
    from segmentation_tf.drawn import dancers  # here: real images need no drawing

    return folders.drawn_folder(f"MADS-v{dancers.VERSION}", dancers.draw_mads, megabytes=105)


def _find_home(root):
    """The folder with `images` and `masks`, on the first level from `root` down that has one."""
    for level in chain([[root]], folders.levels(root, 3)):
        found = {home.resolve(): home for home in level if _has_parts(home)}
        homes = list(found.values())  # without links that lead to the same folder
        if len(homes) > 1:
            raise DatasetError(f"{homes[0]} and {homes[1]} both hold the set; give one of them")
        if homes:
            return homes[0]
    if _has_parts(above := root.absolute().parent):
        advice = f"give the folder above it, {above}"
    else:
        advice = f"give the folder that the archive unpacks to. The data set: {PAGE}"
        advice = folders.way_out(root, advice)
    raise DatasetError(f"{root}: holds no folders images and masks; {advice}")


def _has_parts(folder):
    return {inside.name for inside in folders.subfolders(folder)}.issuperset(PARTS)


def _list_pictures(folder):
    """The PNG files of a folder by their `_key`."""
    found = {}
    for file in filter(_is_png, folders.children(folder)):
        twin = found.setdefault(_key(file.stem), file)
        if twin is not file:
            raise DatasetError(
                f"{file} and {twin.name} have the same name but for upper case or accents; "
                "remove one"
            )
    if not found:
        raise DatasetError(f"{folder}: holds no PNG files; unpack the archive again")
    return found


def _is_png(file):
    return file.suffix.lower() == ".png"


def _find_table(home, root):
    """The df.csv beside `images` and `masks`, else above them up to `root`, or None."""
    depth = len(home.relative_to(root).parts)
    tables = [folder / "df.csv" for folder in (home, *home.parents[:depth])]
    return next((table for table in tables if os.path.isfile(table)), None)


def _read_table(table):
    """The file names in df.csv by their `_key`."""
    try:
        rows = list(csv.DictReader(io.StringIO(folders.read_text(table), newline="")))
        paths = [row[part].replace("\\", "/") for row in rows for part in PARTS]
        if not paths:
            raise KeyError
    except (csv.Error, KeyError, AttributeError) as error:
        raise DatasetError(
            f"{table}: is not the table with the columns {' and '.join(PARTS)}; copy it from the "
            "archive, or remove it to go on without"
        ) from error
    files = [path.rsplit("/", 1)[-1] for path in paths]
    return {_key(file).removesuffix(".png"): file for file in files}


def _key(name):
    """The name under which files of a case are found: lower case, accents stored in one way."""
    return unicodedata.normalize("NFC", name).lower()


def _fault(key, home, found, listed, table):
    """What is wrong with the names of a case's files, else None."""
    files = [found[part][key] for part in PARTS if key in found[part]]
    if missing := [part for part in PARTS if key not in found[part]]:
        name = files[0].name if files else listed[key]
        rest = [f"{file.parent.name}/{file.name}" for file in files]
        if key in listed:
            rest.append(f"its row of {table.name}")
        return (
            f"{home / missing[0] / name}: this file is missing; copy it from the archive, or "
            f"remove {' and '.join(rest)} to go on without this case"
        )
    if not NAME.fullmatch(files[0].stem):
        return (
            f"{files[0]}: is not named activity_sequence_camera_frame, as "
            "HipHop_HipHop1_C0_00180.png is; give it that name, or remove it and its mask"
        )


def _make_case(image, mask):
    return Case(image.stem, image, mask, group=NAME.fullmatch(image.stem)["group"])


# --- getting -----------------------------------------------------------------------------------


def unpack(archive: str | Path) -> Path:
    """Unpack the zip from Kaggle as data/mads, which must not be there yet; return that folder."""
    folder = folders.REPOSITORY / "data" / "mads"
    if folder.exists():
        raise DatasetError(f"{folder}: is there already; rename or delete it, then try again")
    return folders.unpack(archive, folder, _find_home)


def main() -> None:
    """The command `python -m segmentation_tf.datasets.mads`; see the top of this file."""
    parser = argparse.ArgumentParser(
        prog="python -m segmentation_tf.datasets.mads", description=f"Put {PAGE} into data/mads."
    )
    parser.add_argument("archive", help="the zip, downloaded in a browser")
    try:
        folder = unpack(parser.parse_args().archive)
        print(f"{folder}: {len(load_cases(folder))} cases, every one readable")
    except DatasetError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
