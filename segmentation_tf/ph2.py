"""The PH2 dermoscopy set: 200 images of moles, their lesion masks and three diagnoses.

Source: T. Mendonça, P. M. Ferreira, J. S. Marques, A. R. S. Marcal, J. Rozeira, "PH2 - a
dermoscopic image database for research and benchmarking", EMBC 2013.
"""

import re

from segmentation_tf.cases import Case, DatasetError
from segmentation_tf.folders import REPOSITORY, children, choose_folder, subfolders, way_out
from segmentation_tf.images import check_cases

DIAGNOSES = ("common nevus", "atypical nevus", "melanoma")
CASE_NAME = re.compile(r"IMD\d+", re.IGNORECASE)
TABLE_ROW = re.compile(r"^\s*\|\|\s*(IMD\d+)\s*\|\|[^|]*\|\|\s*(\d*)\s*\|\|", re.IGNORECASE)


def load_cases(root=None):
    """Return the cases of a PH2 folder, a sorted list of Case.

    `root` (str or Path) is the folder PH2Dataset, one above it, or `PH2 Dataset images` itself.
    Without it: the environment's PH2_ROOT, else data/PH2Dataset, else the drawn set.
    A label is one of DIAGNOSES, or None where PH2_dataset.txt does not give it (it says so).
    Every file is read to its end here: DatasetError names the first that cannot be used.
    """
    folder = choose_folder(root, "PH2_ROOT", "PH2Dataset", drawn_folder)
    case_folders = _find_case_folders(folder)
    table = _find_table(folder, case_folders[0].parent)
    labels = _parse_table(table) if table else {}
    cases = sorted(_make_case(case_folder, labels) for case_folder in case_folders)
    check_cases(cases)
    unlabelled = sum(case.label is None for case in cases)
    if unlabelled:
        source = f"in {table.name}" if table else "(there is no PH2_dataset.txt)"
        print(f"PH2Dataset: no diagnosis {source} for {unlabelled} of {len(cases)} cases")
    return cases


def drawn_folder():
    """The folder of the built-in drawn set, a Path; drawn now if it is not there yet."""
    # Imported here: whoever has the real images never needs the drawing.
    from segmentation_tf.synthetic import dermoscopy

    return dermoscopy.draw_ph2(REPOSITORY / "data" / "drawn" / f"PH2Dataset-v{dermoscopy.VERSION}")


def _find_case_folders(root):
    """The folders IMD002, IMD003, ... on the first level below `root` that has any."""
    level = [root]
    for _ in range(3):
        level = [child for folder in level for child in subfolders(folder)]
        found = [child for child in level if CASE_NAME.fullmatch(child.name)]
        if found:
            return _refuse_twins(found)
    advice = way_out(root, otherwise="give the folder PH2Dataset")
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
    files = [file for part in (folder, *subfolders(folder)) for file in children(part)]
    return Case(
        name=name,
        image=_find_file(files, folder, f"{name}.bmp", f"{name}_Dermoscopic_Image"),
        mask=_find_file(files, folder, f"{name}_lesion.bmp", f"{name}_lesion"),
        group=name,
        label=labels.get(name),
    )


def _find_file(files, folder, wanted, home):
    for file in files:
        if file.name.lower() == wanted.lower():
            return file
    others = [file.name for file in files if file.stem.lower() == wanted.lower()[:-4]]
    instead = f" ({', '.join(others)} is no replacement: the BMP is needed)" if others else ""
    raise DatasetError(
        f"{folder / home / wanted}: this file is missing{instead}; copy it from the archive, "
        f"or remove the folder {folder.name} to go on without this case"
    )


def _find_table(root, images):
    """The text table beside the images or at the root; None where there is none."""
    tables = [folder / "PH2_dataset.txt" for folder in (images.parent, root, images)]
    return next((table for table in tables if table.is_file()), None)


def _parse_table(table):
    """Diagnoses by case name."""
    labels = {}
    for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
        row = TABLE_ROW.match(line)
        if row and row[2]:
            labels[row[1].upper()] = _diagnosis(row[2], row[1], table)
    return labels


def _diagnosis(code, name, table):
    if int(code) >= len(DIAGNOSES):
        raise DatasetError(
            f"{table}: {name} has the clinical diagnosis {code}; known are 0, 1 and 2, so correct "
            "the row, or remove the file to go on without labels"
        )
    return DIAGNOSES[int(code)]
