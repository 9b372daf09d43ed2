"""Submissions: find one for each file and folder, and read a notebook that a stranger wrote."""

import json
import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

LARGEST = 50_000_000  # bytes of a submitted file
MOST_CELLS, MOST_CHARACTERS = 1000, 2_000_000
ENDINGS = (".ipynb", ".ipynb.txt", ".ipynb.json", ".json")
BESIDE = (".png", ".jpg", ".jpeg", ".csv")  # what may lie beside the notebooks
FORMULA = ("=", "+", "-", "@")


class Unusable(ValueError):
    """Why nothing of a submission can be run, in plain words."""


@dataclass(frozen=True)
class Submission:
    """A student's name, the notebook, and what there is to say about it before it is opened."""

    student: str
    file: Path | None
    remark: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook. `kind` is code, markdown or raw."""

    kind: str
    source: str
    id: str = ""


def plain(text: object) -> str:
    """Return a text that a spreadsheet shows as it is: one line, no hidden signs, no formula."""
    text = "".join(sign if unicodedata.category(sign)[0] != "C" else " " for sign in str(text))
    text = " ".join(text.split())
    return f"'{text}" if unicodedata.normalize("NFKC", text[:1]).startswith(FORMULA) else text


# --- Finding --------------------------------------------------------------------------------------


def is_stray(name: str) -> bool:
    """Whether a system or an editor left this file or folder behind."""
    known = ("__MACOSX", "Thumbs.db", "desktop.ini", ".DS_Store", ".ipynb_checkpoints")
    return name in known or name.startswith(("._", "~$"))


def find_submissions(folder: Path, name: str, out: Path) -> list[Submission]:
    """Return a Submission for each file and folder in `folder`, sorted; with different names.

    Args:
        name: of the lab's notebook, to choose it among several.
        out: the folder of the results, passed over if it lies in `folder`.
    """
    entries = [e for e in sorted(folder.iterdir()) if not is_stray(e.name) and e != out]
    entries = [e for e in entries if e.is_dir() or not e.name.lower().endswith(BESIDE)]
    stems = [entry.name if entry.is_dir() else _stem(entry.name) for entry in entries]
    found, taken = [], set()
    for entry, stem in zip(entries, stems, strict=True):
        student = stem if stems.count(stem) == 1 else entry.name
        student = plain(os.fsencode(student).decode("utf-8", "replace"))[:60] or "no name"
        student = student.encode()[:200].decode("utf-8", "ignore")  # a page has this name
        name_alone, number = student, 1
        while student.casefold() in taken:
            number += 1
            student = f"{name_alone}_{number}"
        taken.add(student.casefold())
        try:
            found.append(Submission(student, *_look_into(entry, name)))
        except (Unusable, OSError) as error:
            found.append(Submission(student, None, str(error)))
    return found


def _stem(name):
    ending = next((e for e in ENDINGS if name.lower().endswith(e)), Path(name).suffix)
    return name.removesuffix(name[len(name) - len(ending) :]) or name


def _look_into(entry, name):
    """The notebook that is handed in as `entry`, a file or a folder, and a remark."""
    if entry.is_symlink() or not entry.is_dir():
        return _check_file(entry)
    files = [Path(parent, file) for parent, _, names in os.walk(entry) for file in names]
    parts = {file: file.relative_to(entry).parts for file in sorted(files)}
    files = [file for file in parts if not any(map(is_stray, parts[file]))]
    files = [file for file in files if file.name.lower().endswith(ENDINGS[:3])]
    if not files:
        raise Unusable("There is no notebook in the folder.")
    if len(files) == 1:
        return _check_file(files[0])
    named = [file for file in files if file.name == name]
    if len(named) != 1:
        raise Unusable(f"There are {len(files)} notebooks in the folder: keep only one.")
    file, remark = _check_file(named[0])
    return file, f"Of {len(files)} notebooks in the folder, {name} was graded. {remark}".strip()


def _check_file(file):
    about = file.lstat()
    if not stat.S_ISREG(about.st_mode):
        raise Unusable("It is a link or another special file.")
    if not file.name.lower().endswith(ENDINGS):
        raise Unusable(f"It is not a notebook: {plain(file.name)}")
    if about.st_size > LARGEST:
        raise Unusable(f"The file has {about.st_size / 1e6:.0f} MB, more than {LARGEST / 1e6:.0f}.")
    usual = file.suffix.lower() == ".ipynb"
    return file, "" if usual else f"Its name does not end in .ipynb: {plain(file.name)}"


# --- Reading --------------------------------------------------------------------------------------


def read(file: Path) -> list[Cell]:
    """Read the cells of a submitted notebook.

    Raises:
        Unusable: the file is empty, not a notebook, or far too long.
        OSError: it cannot be opened.
    """
    data = file.read_bytes()
    if not data.strip():
        raise Unusable("The file is empty.")
    try:
        cells = [_cell(cell) for cell in json.loads(data.decode("utf-8-sig"))["cells"]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, MemoryError) as error:
        kind = type(error).__name__
        raise Unusable(f"The file is not a Jupyter notebook, or is broken ({kind}).") from error
    if len(cells) > MOST_CELLS or sum(len(cell.source) for cell in cells) > MOST_CHARACTERS:
        raise Unusable("The notebook is far too long to be an answer to this lab.")
    return cells


def _cell(cell):
    source = cell["source"]
    source = source if isinstance(source, str) else "".join(source)
    source = source.encode("utf-8", "replace").decode("utf-8")  # JSON may hold half a character
    return Cell(str(cell["cell_type"]), source, str(cell.get("id", "")))


TASK = re.compile(r"(?m)^#{1,6} +Task (\d)\b")


def find_answer(cells: list[Cell], given: list[Cell]) -> str:
    """Return what a learner wrote to task 7: all text from its heading to the next task's.

    Args:
        given: the cells of the student's version; their lines are left out.
    """
    known = {line.strip() for cell in given for line in cell.source.splitlines()}
    lines, task = [], ""
    for cell in cells:
        if cell.kind != "markdown":
            continue
        if heading := TASK.search(cell.source):
            task = heading[1]
        if task == "7" or cell.id == "answer-7":
            lines += [line for line in cell.source.splitlines() if line.strip() not in known]
    return "\n".join(lines).strip()
