"""Grade one submission: a separate process, which lab.grade starts, watches and may kill.

    python -m lab.grading.submission FOLDER

FOLDER is made by lab.grade: submission.ipynb, job.json, course/ (nbgrader's), lib/ (the packages
lab and segmentation_tf as the notebook imports them), home/ (this process's), work/ (the only
folder that the submission's code may write to). It leaves result.json and feedback.html.
"""

import ast
import json
import re
import signal
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.preprocessors import LimitOutput, SaveAutoGrades
from nbgrader.utils import is_grade, is_locked, is_solution

from lab.grading import feedback, wall
from lab.grading.course import ASSIGNMENT, HIDDEN, STUDENT, convert, graded_cells, task_name
from lab.grading.run import GIGABYTE, Limits, Run, showable, writable

NOT_RUN = "not run"
MOST_CELLS, MOST_CHARACTERS = 1000, 2_000_000
# Names that no answer needs, but that can deceive the checks.
TOUCHY = {"builtins", "__builtins__", "__import__", "get_ipython", "ctypes", "gc", "inspect"}
TOUCHY |= {"_exit", "meta_path", "modules", "settrace", "Hint"}


class Unusable(ValueError):
    """Why nothing of a submission can be run, in plain words."""


def main(folder: Path) -> None:
    """Grade what is in `folder`; see the top of this file."""
    if wall.LINUX:  # of this process; what it starts may have more
        most = wall.resource.getrlimit(wall.resource.RLIMIT_DATA)[1]
        wall.resource.setrlimit(wall.resource.RLIMIT_DATA, (4 * GIGABYTE, most))
    wall.process_option(wall.DIE_WITH_PARENT, 9)
    wall.process_option(wall.ADOPT_ORPHANS, 1)
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    released = nbformat.read(folder / "course" / job["released"], as_version=4)
    try:
        rows, remarks, ran = grade(folder, Path(job["released"]).name, released, job["limits"])
    except Unusable as error:
        rows, remarks, ran = refuse(released), [str(error)], None
    result = json.dumps({"rows": rows, "remarks": remarks})
    (folder / "result.json").write_text(result, encoding="utf-8")
    # The points are safe now. A page takes a second; one that takes a minute will never be done.
    signal.alarm(60)
    page = feedback.make_page(job["student"], rows, remarks, ran)
    (folder / "feedback.html").write_text(page, encoding="utf-8", errors="replace")


def grade(folder: Path, name: str, released: NotebookNode, limits: dict) -> tuple:
    """Run and grade one notebook.

    Returns:
        rows: for each task a dict: task, points (None: to read), of, by_hand, note.
        remarks: a list of sentences for the teacher.
        ran: the notebook as it ran.
    """
    notebook, remarks = restore(read(folder / "submission.ipynb"), released)
    course, home = folder / "course", Path(STUDENT) / ASSIGNMENT / name
    (course / "submitted" / home).parent.mkdir(parents=True)
    nbformat.write(notebook, course / "submitted" / home)
    run = Run(folder, Limits(**limits))
    convert(Autograde, course, autograde_preprocessors=[run, LimitOutput, SaveAutoGrades])
    ran = nbformat.read(course / "autograded" / home, as_version=4)
    tasks = graded_cells(released)
    rows = collect(course / "gradebook.db", name, tasks, ran=ran, limits=run.limits)
    if run.late:
        remarks.append(f"The time for the whole notebook, {run.limits.minutes:g} min, was used up.")
    return rows, remarks + list(mishaps(ran, run.limits)), ran


# --- Reading ------------------------------------------------------------------------------------


def read(file: Path) -> NotebookNode:
    """Read a submitted notebook.

    Raises:
        Unusable: the file is empty, not a notebook, or far too long.
    """
    data = file.read_bytes()
    if not data.strip():
        raise Unusable("The file is empty.")
    try:
        notebook = nbformat.reads(data.decode("utf-8-sig"), as_version=4)
        cells = [fresh(cell, number) for number, cell in enumerate(notebook.cells, 1)]
    except Exception as error:  # nbformat raises many kinds
        kind = type(error).__name__
        raise Unusable(f"The file is not a Jupyter notebook, or is broken ({kind}).") from error
    if len(cells) > MOST_CELLS or sum(len(cell.source) for cell in cells) > MOST_CHARACTERS:
        raise Unusable("The notebook is far too long to be an answer to this lab.")
    return new_notebook(cells=cells)


def fresh(cell, number):
    """A cell with its text, the pictures in it, and the names by which the lab knows it."""
    make = {"code": new_code_cell, "markdown": new_markdown_cell}.get(cell.cell_type, new_raw_cell)
    made = make(writable(cell.source), id=f"submitted-{number}")
    about = cell.metadata.get("nbgrader")
    names = about.get("grade_id") if isinstance(about, dict) else None, cell.get("id")
    made.metadata["was"] = [name if isinstance(name, str) else None for name in names]
    if cell.cell_type == "markdown":
        pictures = {name: showable(data) for name, data in cell.get("attachments", {}).items()}
        made.attachments = {name: data for name, data in pictures.items() if data}
    return made


# --- Restoring ----------------------------------------------------------------------------------


def restore(submitted: NotebookNode, released: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """Mark the lab's own cells in a submitted notebook as in the student's version.

    nbgrader then puts the original text into the locked ones. A check cell that was deleted is
    put back behind its task's cell, or at the end.

    Returns:
        The notebook, and remarks for the teacher.
    """
    wanted = {c.metadata.nbgrader.grade_id: c for c in released.cells if "nbgrader" in c.metadata}
    places = find_places(submitted, wanted)
    cells = list(submitted.cells)
    changed = [
        name for name in wanted if name in places and differs(cells[places[name]], wanted[name])
    ]
    for name, index in places.items():
        cells[index] = marked_as(wanted[name], cells[index])
    missing = [name for name in wanted if name not in places and is_needed(wanted[name])]
    cells = put_back(cells, wanted, places)
    for cell in cells:
        cell.metadata.pop("was", None)
    remarks = list(remark_on(places, missing, changed, suspects(submitted, released)))
    return new_notebook(cells=cells, metadata=released.metadata), remarks


def find_places(submitted, wanted):
    """{grade_id: index of the cell that stands for it}: the last of copies, but not an empty stub.

    A cell is known by nbgrader's grade_id, else by its id.
    """
    ids, places = {cell.id: name for name, cell in wanted.items()}, {}
    for index, cell in enumerate(submitted.cells):
        grade_id, cell_id = cell.metadata["was"]
        name = grade_id if grade_id in wanted else ids.get(cell_id)
        stub = name in places and cell.source.strip() == wanted[name].source.strip()
        if name and not (stub and is_solution(wanted[name])):
            places[name] = index
    return places


def differs(cell, original):
    """Whether a locked cell was changed; hidden tests may be there, as in the lab's solution."""
    visible = HIDDEN.sub("", cell.source)
    return is_locked(original) and visible.strip() != original.source.strip()


def is_needed(original):
    return is_grade(original) or is_locked(original)


def marked_as(original, cell):
    """A cell with the text of `cell`, and the type, id and metadata of `original`."""
    if original.cell_type == "code":
        return new_code_cell(cell.source, id=original.id, metadata=original.metadata)
    made = new_markdown_cell(cell.source, id=original.id, metadata=original.metadata)
    if "attachments" in cell:
        made.attachments = cell.attachments
    return made


def put_back(cells, wanted, places):
    """The cells, with those that were deleted behind the cell of their task, or at the end."""
    end = len(cells)
    behind, task = {}, end
    for name, original in wanted.items():
        if name not in places and is_needed(original):
            behind.setdefault(task, []).append(original)
        if is_solution(original):
            task = places.get(name, end)
    restored = []
    for index, cell in enumerate(cells):
        restored += [cell, *behind.get(index, [])]
    return restored + behind.get(end, [])


def remark_on(places, missing, changed, suspicious):
    """What a teacher should know about the cells of a submission."""
    if not places:
        yield "None of its cells has a name of the lab: another notebook, or an editor lost them."
    elif missing:
        yield f"Deleted cells were put back: {', '.join(missing)}."
    if changed:
        yield f"Changed check cells were put back as they were: {', '.join(changed)}."
    if suspicious:
        yield f"Worth a look, its code touches {', '.join(suspicious)}."


def suspects(submitted: NotebookNode, released: NotebookNode) -> list[str]:
    """Find what a learner's code touches that no answer needs: names, and attributes of modules."""
    known = {cell.source.strip() for cell in released.cells}
    codes = [c.source for c in submitted.cells if c.cell_type == "code"]
    trees = [parse(code) for code in codes if code.strip() not in known]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imports = [node for node in map(parse, codes) for node in ast.walk(node)]
    imports = [n for n in imports if isinstance(n, (ast.Import, ast.ImportFrom))]
    modules = {(a.asname or a.name).partition(".")[0] for n in imports for a in n.names}
    found = set()
    for node in nodes:
        found |= {getattr(node, part, None) for part in ("id", "attr", "name")} & TOUCHY
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            root = node
            while isinstance(root, ast.Attribute):
                root = root.value
            if getattr(root, "id", None) in modules:
                found.add(ast.unparse(node))
    return sorted(found)


def parse(code):
    """The syntax tree of a cell; of shell lines and magics nothing is known."""
    try:
        return ast.parse(re.sub(r"(?m)^([ \t]*)[%!].*$", r"\1pass", code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


# --- Points -------------------------------------------------------------------------------------


def refuse(released: NotebookNode) -> list[dict]:
    """Return the rows of a submission that could not be run at all."""
    return [make_row(cell, 0, NOT_RUN) for cell in graded_cells(released)]


def collect(
    database: Path, name: str, tasks: list[NotebookNode], *, ran: NotebookNode, limits: Limits
) -> list[dict]:
    """Return the rows of a notebook that ran, from nbgrader's gradebook."""
    with Gradebook(f"sqlite:///{database}") as gradebook:
        notebook = name.removesuffix(".ipynb")
        grades = gradebook.find_submission_notebook(notebook, ASSIGNMENT, STUDENT).grades
        points = {grade.name: grade.auto_score for grade in grades}
    cells, rows = {cell.metadata.nbgrader.grade_id: cell for cell in graded_cells(ran)}, []
    for task in tasks:
        name = task.metadata.nbgrader.grade_id
        if is_solution(task):
            note = "your teacher reads it" if points[name] is None else "no answer"
        else:
            note = trouble(cells[name], limits) or "passed"
        rows.append(make_row(task, points[name], note))
    return rows


def make_row(cell, points, note):
    about = cell.metadata.nbgrader
    row = {"task": task_name(cell), "points": points, "of": about.points}
    return row | {"by_hand": about.solution, "note": note}


def trouble(cell, limits):
    """Why a cell did not pass, in plain words; nothing if it did."""
    errors = {o.ename: o for o in reversed(cell.outputs) if o.output_type == "error"}
    if "CellTimeoutError" in errors:
        most = f", {limits.check_seconds:g} s" if is_grade(cell) else ""
        return f"it did not end in its time{most}"
    for kind, error in reversed(errors.items()):
        if kind == "NotImplementedError" and not error.evalue:
            return "not done yet"
        plain = kind in ("Hint", "AssertionError", "Stopped") and error.evalue
        first = next(iter(error.evalue.strip().splitlines()), "")[:600]
        return first if plain else f"{kind}: {first}".rstrip(": ")
    return ""


def mishaps(ran, limits):
    """What else stopped the run: a cell without points that hung, or ended the kernel."""
    told = set()
    for cell in ran.cells:
        if cell.cell_type == "code" and not is_grade(cell):
            kinds = {output.get("ename") for output in cell.outputs}
            if kinds & {"CellTimeoutError", "Stopped"} and trouble(cell, limits) not in told:
                told.add(trouble(cell, limits))
                first = cell.source.strip().partition("\n")[0][:50]
                yield f"In the cell {first!r}: {trouble(cell, limits)}."


if __name__ == "__main__":
    main(Path(sys.argv[1]))
