"""The PH2 dermoscopy set: 200 images of skin lesions, each with a mask and one of three diagnoses.

Source: T. Mendonça, P. M. Ferreira, J. S. Marques, A. R. S. Marcal, J. Rozeira, "PH2 - a
dermoscopic image database for research and benchmarking", EMBC 2013.
"""

import csv
import os
import re
from pathlib import Path

from segmentation_tf.cases import Case, DatasetError
from segmentation_tf.datasets import folders
from segmentation_tf.images import check_cases

DIAGNOSES = ("common nevus", "atypical nevus", "melanoma")
CODES = {"": None, "0": DIAGNOSES[0], "1": DIAGNOSES[1], "2": DIAGNOSES[2]}
TABLES = ("PH2_dataset.txt", "PH2_dataset.csv")  # the archive's, and that of copies
CASE_NAME = re.compile(r"IMD\d+", re.IGNORECASE)


def load_cases(root: str | Path | None = None) -> list[Case]:
    """Return the cases of a PH2 folder, sorted; DatasetError names the first file with a fault.

    `root` is the folder PH2Dataset, the one above it, or `PH2 Dataset images` itself. Without it:
    the environment's PH2_ROOT, else data/PH2Dataset, else the drawn set.

    A label is one of DIAGNOSES, or None where no table gives it: PH2_dataset.txt, with columns
    separated by || or tabs, or PH2_dataset.csv. A printed line counts the cases without a label,
    and says what is wrong with a table. Another line counts folders in the same place that are
    not named like IMD003; a blank at the end of a name does not matter. Every file is read to its
    end here.

    Copies of the set with other folders, or with PNG files, are read by `pairs.load_cases`.
    """
    folder = folders.choose_folder(root, "PH2_ROOT", "PH2Dataset", draw=drawn_folder)
    case_folders = _find_case_folders(folder)
    labels, source = _read_labels(folder, case_folders[0].parent)
    cases = sorted(_make_case(case_folder, labels) for case_folder in case_folders)
    check_cases(cases)
    if unlabelled := sum(case.label is None for case in cases):
        print(f"PH2Dataset: no diagnosis {source} for {unlabelled} of {len(cases)} cases")
    return cases


def drawn_folder() -> Path:
    """Return the folder of the built-in drawn set; drawn now if it is not there yet."""
    from segmentation_tf.drawn import dermoscopy  # here: real images need no drawing

    name = f"PH2Dataset-v{dermoscopy.VERSION}"
    return folders.drawn_folder(name, dermoscopy.draw_ph2, megabytes=150)


def _find_case_folders(root):
    """The folders IMD002, IMD003, ... on the first level below `root` that has such folders."""
    for level in folders.levels(root, 3):
        if found := [child for child in level if _is_case(_case_name(child))]:
            places = {folder.parent for folder in found}
            others = [child for child in level if child.parent in places and child not in found]
            folders.report_skipped("PH2Dataset", "folder", "not named like IMD003", others)
            return _refuse_twins(found)
    otherwise = (
        "give the folder PH2Dataset, or read a copy with other folders, such as images and masks, "
        "with segmentation_tf.datasets.pairs.load_cases"
    )
    advice = folders.way_out(root, otherwise)
    raise DatasetError(f"{root}: holds no PH2 case folders such as IMD003; {advice}")


def _case_name(folder):
    """The folder's name in capitals, without blanks at its ends."""
    return folder.name.strip().upper()


def _refuse_twins(case_folders):
    seen = {}
    for folder in case_folders:
        twin = seen.setdefault(_case_name(folder), folder)
        if twin is not folder:
            raise DatasetError(
                f"'{folder}' and '{twin}' are the same case; keep one copy of the set"
            )
    return case_folders


def _make_case(folder, labels):
    name = _case_name(folder)
    parts = [folder, *folders.subfolders(folder)]
    files = [file for part in parts for file in folders.children(part)]
    return Case(
        name=name,
        image=_find_file(files, folder / f"{name}_Dermoscopic_Image" / f"{name}.bmp"),
        mask=_find_file(files, folder / f"{name}_lesion" / f"{name}_lesion.bmp"),
        group=name,
        label=labels.get(name),
    )


def _find_file(files, wanted):
    found = [file for file in files if file.name.lower() == wanted.name.lower()]
    if len(found) > 1:
        raise DatasetError(
            f"{found[0]} and {found[1]} may both be {wanted.name}; remove one of them"
        )
    if found:
        return found[0]
    stem = wanted.stem.lower()
    others = [file.name for file in files if file.suffix and file.stem.lower() == stem]
    instead = (
        f" (but {', '.join(others)} is there: pairs.load_cases reads PH2 in other formats)"
        if others
        else ""
    )
    raise DatasetError(
        f"{wanted}: this file is missing{instead}; copy it from the archive, save your own picture "
        f"as a BMP, or remove the folder {wanted.parts[-3]} to go on without it"
    )


# --- diagnoses


def _read_labels(root, images):
    """The diagnosis of each case by its name, and where it comes from or why there is none.

    The first table that can be read counts: one beside the images, at the root, or among them.
    """
    above = images.absolute().parent
    faults = []
    for table in (folder / name for folder in (above, root, images) for name in TABLES):
        if os.path.isfile(table):
            try:
                return _parse_table(table), f"in {table.name}"
            except DatasetError as error:
                faults.append(f"({error})")
    return {}, faults[0] if faults else f"(there is no {TABLES[0]})"


def _parse_table(table):
    """The diagnosis of each case by its name; None where it is blank."""
    labels = {}
    for name, code in _read_rows(table):
        if code not in CODES:
            raise DatasetError(
                f"{table}: {name} has the clinical diagnosis {code[:20]}; known are 0, 1 and 2"
            )
        if labels.setdefault(name, CODES[code]) != CODES[code]:
            raise DatasetError(f"{table}: {name} has two rows with different diagnoses")
    if not labels:
        raise DatasetError(f"{table}: has no row with a name such as IMD003 and a diagnosis")
    return labels


def _read_rows(table):
    """Pairs of a case's name, in capitals, and the code of its clinical diagnosis, as text."""
    lines = folders.read_text(table).splitlines()
    header = next((line for line in lines if "name" in line.lower()), "")
    separator = next((one for one in ("||", "\t", ";", ",") if one in header), "||")
    if separator == "||":  # name and clinical diagnosis, after '' and before and after histology
        rows = [[cell.strip() for cell in line.split("||")] for line in lines]
        return [(row[1].upper(), row[3]) for row in rows if len(row) > 4 and _is_case(row[1])]
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    except csv.Error as error:
        raise DatasetError(f"{table}: is not a table ({error})") from error
    columns = [cell.lower() for cell in next(row for row in rows if "name" in str(row).lower())]
    name = next(i for i, column in enumerate(columns) if "name" in column)
    return [
        (row[name].upper(), _find_code(dict(zip(columns, row, strict=True))))
        for row in rows
        if len(row) == len(columns) and _is_case(row[name])
    ]


def _is_case(text):
    return CASE_NAME.fullmatch(text) is not None


def _find_code(row):
    """The code of the diagnosis in a row: it has a column, or each diagnosis has one to tick."""
    for column, cell in row.items():
        if "clinical" in column and column.endswith("diagnosis"):
            lower = cell.lower()
            return str(DIAGNOSES.index(lower)) if lower in DIAGNOSES else cell
    ticked = [i for i, diagnosis in enumerate(DIAGNOSES) if row.get(diagnosis)]
    return str(ticked[0]) if len(ticked) == 1 else ""
