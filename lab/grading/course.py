"""The lab as a course of nbgrader: one notebook with the solutions, all else is made from it."""

import io
import logging
import math
import re
from pathlib import Path
from unittest.mock import patch

import nbformat
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

LAB = Path(__file__).resolve().parents[1]
ASSIGNMENT, STUDENT = "lab", "student"  # the names inside of a course that lives for minutes
STUB = "raise NotImplementedError"
ANSWER = "*Write your answer here, in place of this line.*"
HIDDEN = re.compile(r"(?s)### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS")
MARKER = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)")
MARK = re.compile(rf"### {MARKER.pattern}")
LIKE_A_MARK = re.compile(r"(?i)#+\s*(begin|end)[\s_-]*(solution|hidden)")


class LabError(ValueError):
    """What is wrong with the lab's own notebook, and where."""


def find_source(lab=LAB):
    """The one notebook in the folder `solution` of a lab."""
    found = sorted((lab / "solution").glob("*.ipynb"))
    if len(found) != 1:
        raise LabError(f"{lab / 'solution'}: holds {len(found)} notebooks; it must be one")
    return found[0]


def make_course(source, folder):
    """Make an nbgrader course in `folder`; return the path of the student's version in it.

    Its gradebook knows the locked cells as they are in `source`, hidden tests included.
    """
    try:
        notebook = nbformat.read(source, as_version=4)
        cells = notebook.cells
    except Exception as error:  # nbformat raises all kinds
        raise LabError(f"{source}: is no notebook ({type(error).__name__})") from error
    if faults := list(find_faults(notebook)):
        raise LabError(f"{source}: {'; '.join(faults)}")
    for cell in cells:  # marks for nbval: the student's version is not run by it
        cell.source = re.sub(r"(?m)^#\s*NBVAL_\w+\s*?\n", "", cell.source)
    place = folder / "source" / ASSIGNMENT / source.name
    place.parent.mkdir(parents=True)
    nbformat.write(notebook, place)
    # For a new gradebook, nbgrader asks the program alembic for a number that serves to upgrade it
    # one day. The program need not be on PATH, is slow, and this gradebook has no such day.
    with patch("nbgrader.api.get_alembic_version", return_value="0"):
        convert(GenerateAssignment, folder)
    return folder / "release" / ASSIGNMENT / source.name


def convert(converter, folder, **options):
    """Let a converter of nbgrader work on the course in `folder`; LabError where it fails."""
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


def find_faults(notebook):
    """What nbgrader would not notice, or complain of without naming the cell."""
    names = set()
    for number, cell in enumerate(notebook.cells, 1):
        where = f"cell {number} ({cell.source.strip().partition(chr(10))[0][:40]!r})"
        for line in map(str.strip, cell.source.splitlines()):
            if LIKE_A_MARK.match(line) and not MARK.fullmatch(line):
                yield f"{where}: {line!r} is no mark, but looks like one"
        opened, begun = None, set()
        for side, kind in MARKER.findall(cell.source):
            if (side == "BEGIN") == (opened is not None) or (side == "END" and kind != opened):
                yield f"{where}: {side} {kind} without its other half"
                break
            opened = kind if side == "BEGIN" else None
            begun.add(kind)
        else:
            if opened:
                yield f"{where}: BEGIN {opened} without its END"
        about = cell.metadata.get("nbgrader", {})
        if "SOLUTION" in begun and not about.get("solution"):
            yield f"{where}: holds a solution, but is no solution cell of nbgrader"
        if "HIDDEN TESTS" in begun and not (about.get("grade") and about.get("locked")):
            yield f"{where}: holds hidden tests, but is no locked cell with points"
        if cell.cell_type == "code" and about.get("solution") and "SOLUTION" not in begun:
            yield f"{where}: has no BEGIN SOLUTION, so that all of it would be cut out"
        if cell.cell_type == "code" and about.get("grade") and about.get("locked"):
            if "HIDDEN TESTS" not in begun:
                yield f"{where}: brings points, but has no BEGIN HIDDEN TESTS"
        if "nbgrader" in cell.metadata:
            name, points = about.get("grade_id"), about.get("points")
            if not name or not isinstance(name, str):
                yield f"{where}: has no grade_id"
            elif name in names:
                yield f"{where}: its grade_id {name} is that of another cell"
            names.add(str(name))
            if about.get("grade") and not is_amount(points):
                yield f"{where}: its points are no number: {points!r}"


def is_amount(points):
    known = isinstance(points, (int, float)) and not isinstance(points, bool)
    return known and math.isfinite(points) and points >= 0


def graded_cells(notebook):
    """The cells that bring points, in the notebook's order."""
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]


def task_name(cell):
    """What a cell with points is called in tables: check-double brings those of double."""
    return cell.metadata.nbgrader.grade_id.removeprefix("check-")
