"""The lab as a course of nbgrader, made from one notebook with the solutions."""

import io
import logging
import math
import re
from pathlib import Path
from unittest.mock import patch

import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

LAB = Path(__file__).resolve().parents[1]
ASSIGNMENT, STUDENT = "lab", "student"  # the names inside of a temporary course
STUB = "raise NotImplementedError"
ANSWER = "*Write your answer here, in place of this line.*"
HIDDEN = re.compile(r"(?s)### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS")
MARKER = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)")
MARK = re.compile(rf"### {MARKER.pattern}")
LIKE_A_MARK = re.compile(r"(?i)#+\s*(begin|end)[\s_-]*(solution|hidden)")


class LabError(ValueError):
    """What is wrong with the lab's own notebook, and where."""


def find_source(lab: Path = LAB) -> Path:
    """Return the one notebook in the folder `solution` of a lab.

    Raises:
        LabError: there is not exactly one.
    """
    found = sorted((lab / "solution").glob("*.ipynb"))
    if len(found) != 1:
        raise LabError(f"{lab / 'solution'}: holds {len(found)} notebooks; one is needed")
    return found[0]


def make_course(source: Path, folder: Path) -> Path:
    """Make an nbgrader course in `folder`; return the path of the student's version in it.

    Its gradebook knows the locked cells as they are in `source`, hidden tests included.

    Raises:
        LabError: `source` is not a notebook, or has a fault that find_faults or nbgrader finds.
    """
    try:
        notebook = nbformat.read(source, as_version=4)
        cells = notebook.cells
    except Exception as error:  # nbformat raises many kinds
        raise LabError(f"{source}: is not a notebook ({type(error).__name__})") from error
    if faults := find_faults(notebook):
        raise LabError(f"{source}: {'; '.join(faults)}")
    for cell in cells:  # marks for nbval: the student's version is not run by it
        cell.source = re.sub(r"(?m)^#\s*NBVAL_\w+\s*?\n", "", cell.source)
    place = folder / "source" / ASSIGNMENT / source.name
    place.parent.mkdir(parents=True)
    nbformat.write(notebook, place)
    # For a new gradebook, nbgrader runs the program alembic to get a number for later upgrades.
    # The program is slow and may not be on PATH, and this gradebook is never upgraded.
    with patch("nbgrader.api.get_alembic_version", return_value="0"):
        convert(GenerateAssignment, folder)
    return folder / "release" / ASSIGNMENT / source.name


def convert(converter: type, folder: Path, **options) -> None:
    """Let a converter of nbgrader work on the course in `folder`.

    Raises:
        LabError: it fails; the message holds what nbgrader said.
    """
    config = Config()
    config.CourseDirectory.root = str(folder)
    config.ClearSolutions.code_stub = {"python": STUB}
    config.ClearSolutions.text_stub = ANSWER
    config.IgnorePattern.enabled = False
    courses = CourseDirectory(config=config, assignment_id=ASSIGNMENT, student_id=STUDENT)
    told = io.StringIO()
    log = logging.Logger("nbgrader", logging.ERROR)
    log.addHandler(logging.StreamHandler(told))
    try:
        converter(coursedir=courses, config=config, log=log, **options).start()
    except NbGraderException as error:
        raise LabError(f"nbgrader failed:\n{told.getvalue() or error}") from error


def find_faults(notebook: NotebookNode) -> list[str]:
    """Find what nbgrader would not notice, or would report without naming the cell."""
    faults, names = [], set()
    for number, cell in enumerate(notebook.cells, 1):
        first_line = cell.source.strip().partition("\n")[0]
        found = [*mark_faults(cell.source), *role_faults(cell), *name_faults(cell, names)]
        faults += [f"cell {number} ({first_line[:40]!r}): {fault}" for fault in found]
        if "nbgrader" in cell.metadata:
            names.add(str(cell.metadata.nbgrader.get("grade_id")))
    return faults


def mark_faults(source):
    """Misspelt marks, and a mark without its other half: each BEGIN needs the END of its kind."""
    lines = map(str.strip, source.splitlines())
    wrong = [line for line in lines if LIKE_A_MARK.match(line) and not MARK.fullmatch(line)]
    faults = [f"{line!r} looks like a mark, but is not one" for line in wrong]
    opened = None
    for side, kind in MARKER.findall(source):
        if (side, kind) != (("END", opened) if opened else ("BEGIN", kind)):
            return [
                *faults,
                f"{side} {kind} in the wrong place: BEGIN and END come in pairs, none in another",
            ]
        opened = kind if side == "BEGIN" else None
    if opened:
        faults.append(f"BEGIN {opened} without its END")
    return faults


def role_faults(cell):
    """Marks that do not fit what nbgrader takes the cell for."""
    about = cell.metadata.get("nbgrader", {})
    is_code, is_task = cell.cell_type == "code", about.get("solution")
    is_check = about.get("grade") and about.get("locked")
    marked = {kind for side, kind in MARKER.findall(cell.source) if side == "BEGIN"}
    if "SOLUTION" in marked and not is_task:
        yield "it holds a solution, but is not a solution cell of nbgrader"
    if "HIDDEN TESTS" in marked and not is_check:
        yield "it holds hidden tests, but is not a locked cell with points"
    if is_code and is_task and "SOLUTION" not in marked:
        yield "it has no BEGIN SOLUTION, so that all of it would be cut out"
    if is_code and is_check and "HIDDEN TESTS" not in marked:
        yield "it brings points, but has no BEGIN HIDDEN TESTS"


def name_faults(cell, names):
    """Faults of grade_id and points; `names` are those of the cells above."""
    if "nbgrader" not in cell.metadata:
        return
    about = cell.metadata.nbgrader
    name, points = about.get("grade_id"), about.get("points")
    if not name or not isinstance(name, str):
        yield "it has no grade_id"
    elif name in names:
        yield f"its grade_id {name} is that of another cell"
    if about.get("grade") and not is_amount(points):
        yield f"its points are not a finite number of 0 or more: {points!r}"


def is_amount(points):
    """Whether points are a finite number from 0 on."""
    known = isinstance(points, (int, float)) and not isinstance(points, bool)
    return known and math.isfinite(points) and points >= 0


def graded_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells that bring points, in the notebook's order."""
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]


def task_name(cell: NotebookNode) -> str:
    """Return the name of a cell with points in tables: double for check-double."""
    return cell.metadata.nbgrader.grade_id.removeprefix("check-")
