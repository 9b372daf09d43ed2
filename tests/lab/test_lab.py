"""The lab's notebook: the student's version, what it says of the tasks, and its solution."""

import ast
import getpass
import re
from pathlib import Path

import nbformat
import pytest

import tiny_lab
from lab import checks, steps
from lab.grading import release
from pages import text_of

SOURCE = release.find_source()
SOLVED = nbformat.read(SOURCE, as_version=4)
STORED = release.LAB / SOURCE.name
STUDENTS = nbformat.read(STORED, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def cell_of(notebook, name):
    (cell,) = [cell for cell in notebook.cells if cell.id == name]
    return cell


# --- The student's version ------------------------------------------------------------------------


def test_the_stored_version_is_the_one_that_is_made():
    assert STORED.read_bytes().decode() == release.student_version(), (
        "run: python -m lab.grading.release"
    )


def test_it_holds_no_outputs_no_counts_and_no_trace_of_a_machine():
    text = STORED.read_text(encoding="utf-8")
    assert not [c for c in code_cells(STUDENTS) if c.outputs or c.execution_count is not None]
    assert str(Path.home()) not in text and str(release.LAB) not in text
    assert not re.search(rf"/(home|Users)/|\b{re.escape(getpass.getuser())}\b", text)
    assert [cell.id for cell in STUDENTS.cells] == [cell.id for cell in SOLVED.cells]


def test_it_holds_no_solution():
    text = "\n".join(cell.source for cell in SOLVED.cells)
    regions = re.findall(r"(?s)BEGIN SOLUTION(.*?)END SOLUTION", text)
    elsewhere = re.sub(r"(?s)BEGIN SOLUTION.*?END SOLUTION", "", text)
    secret = lines("\n".join(regions)) - lines(elsewhere)
    assert len(secret) > 3 * len(checks.TASKS) and len(regions) == len(checks.TASKS) + 1
    released = "\n".join(cell.source for cell in STUDENTS.cells)
    assert not secret & lines(released) and "SOLUTION" not in released


def lines(text):
    return {line.strip() for line in text.splitlines() if len(line.strip()) > 4}


@pytest.mark.parametrize("task", checks.TASKS, ids=lambda task: task.function)
def test_each_task_is_a_function_with_its_text_and_a_stub(task):
    cell = cell_of(STUDENTS, task.function)
    (function,) = ast.parse(cell.source).body
    assert function.name == task.function and ast.get_docstring(function)
    assert ast.unparse(function.body[1:]) == release.STUB
    for check in task.checks:
        below = cell_of(STUDENTS, check.__name__.replace("_", "-", 1))
        assert below.source.splitlines()[-1] == f"checks.{check.__name__}({task.function})"


def test_the_written_answer_has_a_stub():
    assert cell_of(STUDENTS, "answer-7").source == release.ANSWER


def test_the_tables_of_tasks_say_what_they_bring():
    points = {task.title: sum(task.checks.values()) for task in checks.TASKS}
    assert sum(points.values()) == 100
    rows = {(t.title, t.function, str(points[t.title])) for t in checks.TASKS}
    for page in (SOURCE, release.LAB / "README.md"):
        found = re.findall(r"(?m)^\| (\d\. .*) \| `(\w+)` \| (\d+) \|$", text_of(page))
        assert set(found) == rows, f"{page}: its table of points is not that of lab.checks.TASKS"
    found = re.findall(
        r"(?m)^\| (\d)\. .* \| `(\w+)` \| (\d+) \|$", text_of(release.LAB / "README.hi.md")
    )
    assert set(found) == {(title[0], name, number) for title, name, number in rows}
    headings = re.findall(r"(?m)^### Task (\d\. .*) \((\d+) points\)$", text_of(SOURCE))
    assert dict(headings) == {title: str(number) for title, number in points.items()}


# --- A source that must not be released -----------------------------------------------------------

END = "    ### END SOLUTION"


@pytest.mark.parametrize(
    "old, new, words",
    [
        (END, "", "cell 3: '### BEGIN SOLUTION' is misspelt, or .* not come in pairs"),
        ("    ### BEGIN SOLUTION", "", "cell 3: '### END SOLUTION'"),
        ("### BEGIN", "### Begin", "cell 3: '### Begin SOLUTION'"),
        ("### BEGIN SOLUTION", "#begin_solution", "cell 3: '#begin_solution'"),
    ],
)
def test_a_broken_source_is_refused_and_named(old, new, words, tmp_path, capsys):
    lab = tiny_lab.write(tmp_path / "lab")
    notebook = tiny_lab.notebook()
    notebook.cells[2].source = notebook.cells[2].source.replace(old, new)
    nbformat.write(notebook, lab / "solution" / "Tiny.ipynb")
    assert release.main(lab) == 1 and not (lab / "Tiny.ipynb").exists()
    assert re.search(words, capsys.readouterr().err)


@pytest.mark.parametrize("text", ["no JSON {", "[1, 2]", "{}", ""])
def test_a_source_that_is_not_a_notebook_is_named(text, tmp_path, capsys):
    lab = tiny_lab.write(tmp_path / "lab")
    (lab / "solution" / "Tiny.ipynb").write_text(text)
    assert release.main(lab) == 1 and "Tiny.ipynb: is not a notebook" in capsys.readouterr().err


def test_one_notebook_with_solutions_is_needed(tmp_path, capsys):
    (tmp_path / "solution").mkdir()
    assert release.main(tmp_path) == 1 and "holds 0 notebooks" in capsys.readouterr().err


# --- What the checks say --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def names():
    """The names that the tasks may count on: imports and constants, no data."""
    names = {}
    for cell in code_cells(SOLVED):
        if cell.id in ("imports", "constants"):
            exec(cell.source, names)
    return names


CHECKS = [(task, check) for task in checks.TASKS for check in task.checks]


@pytest.mark.parametrize("task, check", CHECKS, ids=lambda part: getattr(part, "__name__", ""))
def test_untouched_every_check_fails_because_the_task_is_not_done(task, check, names, capsys):
    exec(cell_of(STUDENTS, task.function).source, names)
    with pytest.raises(NotImplementedError) as error:
        check(names[task.function])
    assert len(error.value._render_traceback_()) == 1 and not capsys.readouterr().out
    with pytest.raises(steps.NotDone, match=f"needs {task.function} of task {task.title[0]}"):
        steps.needs(names[task.function])


@pytest.mark.parametrize("task, check", CHECKS, ids=lambda part: getattr(part, "__name__", ""))
def test_the_solution_passes_every_check(task, check, names, capsys):
    exec(cell_of(SOLVED, task.function).source, names)
    for seed in (0, 7, 10):
        check(names[task.function], seed=seed)
    assert len(capsys.readouterr().out.splitlines()) == 3
    steps.needs(names[task.function])
