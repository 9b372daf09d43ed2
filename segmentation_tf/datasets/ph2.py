"""The PH2 dermoscopy set: 200 images of skin lesions, each with a mask and one of three diagnoses.

Source: T. Mendonça, P. M. Ferreira, J. S. Marques, A. R. S. Marcal, J. Rozeira, "PH2 - a
dermoscopic image database for research and benchmarking", EMBC 2013.
"""

import os
import re
from pathlib import Path

from segmentation_tf.cases import Case, DatasetError
from segmentation_tf.datasets import folders
from segmentation_tf.images import check_cases

DIAGNOSES = ("common nevus", "atypical nevus", "melanoma")
CODES = {"": None, "0": DIAGNOSES[0], "1": DIAGNOSES[1], "2": DIAGNOSES[2]}
CORRECT = "correct the row, or remove the file to go on without labels"
CASE_NAME = re.compile(r"IMD\d+", re.IGNORECASE)


def load_cases(root: str | Path | None = None) -> list[Case]:
    """Return the cases of a PH2 folder, sorted; DatasetError names the first file with a fault.

    `root` is the folder PH2Dataset, the one above it, or `PH2 Dataset images` itself. Without it:
    the environment's PH2_ROOT, else data/PH2Dataset, else the drawn set.

    A label is one of DIAGNOSES, or None where PH2_dataset.txt does not give it; a printed
    line counts the cases without one. Every file is read to its end here.
    """
    folder = folders.choose_folder(root, "PH2_ROOT", "PH2Dataset", draw=drawn_folder)
    case_folders = _find_case_folders(folder)
    table = _find_table(folder, case_folders[0].parent)
    labels = _parse_table(table) if table else {}
    cases = sorted(_make_case(case_folder, labels) for case_folder in case_folders)
    check_cases(cases)
    if unlabelled := sum(case.label is None for case in cases):
        source = f"in {table.name}" if table else "(there is no PH2_dataset.txt)"
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
        if found := [child for child in level if CASE_NAME.fullmatch(child.name)]:
            return _refuse_twins(found)
    advice = folders.way_out(root, otherwise="give the folder PH2Dataset")
    raise DatasetError(f"{root}: holds no PH2 case folders such as IMD003; {advice}")


def _refuse_twins(case_folders):
    seen = {}
    for folder in case_folders:
        twin = seen.setdefault(folder.name.upper(), folder)
        if twin is not folder:
            raise DatasetError(f"{folder} and {twin} are the same case; keep one copy of the set")
    return case_folders


def _make_case(folder, labels):
    name = folder.name.upper()
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
    instead = f" ({', '.join(others)} is no replacement: PH2 has BMP files)" if others else ""
    raise DatasetError(
        f"{wanted}: this file is missing{instead}; copy it from the archive, save your own picture "
        f"as a BMP, or remove the folder {wanted.parts[-3]} to go on without it"
    )


def _find_table(root, images):
    """The text table beside the images or at the root, or None."""
    above = images.absolute().parent
    tables = [folder / "PH2_dataset.txt" for folder in (above, root, images)]
    return next((table for table in tables if os.path.isfile(table)), None)


def _parse_table(table):
    """The diagnosis of each case by its name; None where it is blank."""
    labels = {}
    for line in folders.read_text(table).splitlines():
        cells = [cell.strip() for cell in line.split("||")]  # '', name, histology, diagnosis, ...
        if len(cells) > 4 and CASE_NAME.fullmatch(cells[1]):
            name, label = cells[1].upper(), _diagnosis(cells[3], cells[1], table)
            if labels.setdefault(name, label) != label:
                raise DatasetError(
                    f"{table}: {name} has two rows with different diagnoses; {CORRECT}"
                )
    if not labels:
        raise DatasetError(
            f"{table}: has no row such as || IMD003 || ... || 0 || ... ||; copy it again from the "
            "archive, or remove the file to go on without labels"
        )
    return labels


def _diagnosis(code, name, table):
    if code in CODES:
        return CODES[code]
    raise DatasetError(
        f"{table}: {name} has the clinical diagnosis {code[:20]}; known are 0, 1 and 2, so "
        f"{CORRECT}"
    )
