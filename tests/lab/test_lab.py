"""The lab: its two notebooks belong together, and each is what it should be.

The student's version is made from the one with the solutions; after a change in that one:
python -m lab.grading.release
"""

import ast
import getpass
import re
from pathlib import Path

import nbformat
import pytest

import tiny_lab
from lab import checks
from lab.grading import course, release
from pages import text_of

SOURCE = course.find_source()
SOLVED = nbformat.read(SOURCE, as_version=4)
STORED = course.LAB / SOURCE.name
STUDENTS = nbformat.read(STORED, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def about(cell):
    return cell.metadata.get("nbgrader", {})


def tasks(notebook):
    """The cells in which a learner writes code."""
    return [cell for cell in code_cells(notebook) if about(cell).get("solution")]


def check_cells(notebook):
    return [cell for cell in code_cells(notebook) if about(cell).get("grade")]


# --- The student's version ------------------------------------------------------------------------


def test_the_stored_version_is_the_one_that_is_made():
    assert STORED.read_bytes().decode() == release.student_version(), (
        "run: python -m lab.grading.release"
    )


def test_the_same_source_makes_the_same_bytes_anywhere(tmp_path, monkeypatch):
    lab = tiny_lab.write(tmp_path / "one" / "lab")
    first = release.student_version(lab)
    elsewhere = tiny_lab.write(tmp_path / "another folder" / "lab")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert release.student_version(elsewhere) == first
    assert release.main(lab) == 0 and (lab / "Tiny.ipynb").read_text(encoding="utf-8") == first


def test_it_holds_no_outputs_no_counts_and_no_trace_of_a_machine():
    text = STORED.read_text(encoding="utf-8")
    assert not [c for c in code_cells(STUDENTS) if c.outputs or c.execution_count is not None]
    assert "NBVAL" not in text and str(Path.home()) not in text and str(course.LAB) not in text
    assert not re.search(rf"/(home|Users)/|\b{re.escape(getpass.getuser())}\b", text)
    assert [cell.id for cell in STUDENTS.cells] == [cell.id for cell in SOLVED.cells]


def test_it_holds_no_solution_and_no_hidden_test():
    text = "\n".join(cell.source for cell in SOLVED.cells)
    regions = re.findall(r"(?s)### BEGIN (?:SOLUTION|HIDDEN TESTS)(.*?)### END", text)
    elsewhere = re.sub(r"(?s)### BEGIN (?:SOLUTION|HIDDEN TESTS).*?### END", "", text)
    secret = lines("\n".join(regions)) - lines(elsewhere)
    assert len(secret) > 3 * len(tasks(SOLVED))
    released = "\n".join(cell.source for cell in STUDENTS.cells)
    assert not secret & lines(released) and not course.MARKER.search(released)


def lines(text):
    return {line.strip() for line in text.splitlines() if line.strip()}


def test_each_task_is_a_function_with_its_text_and_a_stub():
    for cell, solved in zip(tasks(STUDENTS), tasks(SOLVED), strict=True):
        body = ast.parse(cell.source).body
        assert [type(part) for part in body] == [ast.FunctionDef], cell.source
        assert ast.unparse(body[0].body[1:]) == course.STUB and ast.get_docstring(body[0])
        assert body[0].name == about(cell)["grade_id"]
        assert solved.source.startswith(cell.source.partition("raise")[0].rstrip())


def test_the_written_answer_has_a_stub():
    written = [c for c in STUDENTS.cells if c.cell_type == "markdown" and about(c).get("grade")]
    assert [cell.source for cell in written] == [course.ANSWER]
    assert [about(cell)["points"] for cell in written] == [10]


def test_check_cells_are_locked_and_bring_a_hundred_points():
    cells = check_cells(STUDENTS)
    assert sum(about(cell)["points"] for cell in cells) == 100
    for cell in cells:
        assert about(cell)["locked"] and not cell.metadata.editable and not cell.metadata.deletable
        calls = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Call)]
        assert len(calls) == 1 and "seed=" not in cell.source
    for cell in check_cells(SOLVED):  # the hidden tests are the visible ones with other data
        calls = re.findall(r"(checks\.check_\w+\(\w+)(.*)\)", cell.source)
        assert len({call for call, _ in calls}) == 1 and len({more for _, more in calls}) > 1


def test_the_tables_of_tasks_say_what_they_bring():
    points = {}
    for cell in check_cells(SOLVED):
        function = re.search(r"check_\w+\((\w+)", cell.source)[1]
        points[function] = points.get(function, 0) + about(cell)["points"]
    for page in (SOURCE, course.LAB / "README.md", course.LAB / "README.hi.md"):
        text = text_of(page)
        stated = re.findall(r"(?m)^\| \d\. .*\| `(\w+)` \| (\d+) \|$", text)
        assert {name: int(number) for name, number in stated} == points, (
            f"{page}: its table of points is not that of the check cells"
        )
    headings = re.findall(r"(?m)^### Task \d\..*\((\d+) points\)$", text_of(SOURCE))
    assert [int(number) for number in headings] == list(points.values())


# --- A source that must not be released -----------------------------------------------------------

END, HIDDEN = "    ### END SOLUTION", "### END HIDDEN TESTS"


def replace(index, old, new):
    def spoil(notebook):
        assert old in notebook.cells[index].source
        notebook.cells[index].source = notebook.cells[index].source.replace(old, new)

    return spoil


def say(index, **words):
    return lambda notebook: about(notebook.cells[index]).update(words)


def unmark(index):
    return lambda notebook: notebook.cells[index].metadata.clear()


@pytest.mark.parametrize(
    "spoil, words",
    [
        (replace(3, END, ""), r"cell 4 \('def double.*BEGIN SOLUTION without its END"),
        (replace(4, HIDDEN, ""), "cell 5 .*BEGIN HIDDEN TESTS without its END"),
        (replace(3, "### BEGIN SOLUTION", ""), "END SOLUTION in the wrong place"),
        (replace(3, END, "### BEGIN SOLUTION\n1\n" + END), "BEGIN SOLUTION in the wrong place"),
        (replace(4, HIDDEN, "### END SOLUTION"), "END SOLUTION in the wrong place"),
        (replace(3, "SOLUTION", "ANSWER"), "no BEGIN SOLUTION, so that all of it would be cut"),
        (unmark(3), "holds a solution, but is not a solution cell"),
        (unmark(4), "holds hidden tests, but is not a locked cell"),
        (replace(3, "### BEGIN SOLUTION", "### begin solution"), "END SOLUTION in the wrong place"),
        (
            replace(3, "### BEGIN SOLUTION", "#begin solution"),
            "'#begin solution' looks like a mark",
        ),
        (replace(4, "HIDDEN TESTS", "HIDDEN TEST"), "cell 5 .*BEGIN HIDDEN TEST' looks like"),
        (replace(4, "BEGIN HIDDEN", "begin hidden"), "cell 5 .*begin hidden TESTS' looks like"),
        (replace(4, HIDDEN, "# End_Hidden tests"), "'# End_Hidden tests' looks like"),
        (replace(4, "HIDDEN TESTS", ""), "cell 5 .*brings points, but has no BEGIN HIDDEN"),
        (lambda notebook: about(notebook.cells[4]).pop("grade_id"), "cell 5 .*has no grade_id"),
        (say(4, grade_id="square"), "cell 7 .*its grade_id square is that of another cell"),
        (say(4, points="ten"), "cell 5 .*its points are not a finite number of 0 or more: 'ten'"),
        (say(4, points=None), "cell 5 .*its points are not a finite number of 0 or more: None"),
    ],
)
def test_a_broken_source_is_refused_and_named(spoil, words, tmp_path, capsys):
    lab = tiny_lab.write(tmp_path / "lab")
    notebook = tiny_lab.notebook()
    spoil(notebook)
    nbformat.write(notebook, lab / "solution" / "Tiny.ipynb")
    assert release.main(lab) == 1 and not (lab / "Tiny.ipynb").exists()
    assert re.search(words, capsys.readouterr().err)


def test_a_fault_that_nbgrader_finds_is_passed_on(tmp_path, capsys):
    lab = tiny_lab.write(tmp_path / "lab")
    notebook = tiny_lab.notebook()
    notebook.cells[3].metadata.nbgrader.grade_id = "two words"
    nbformat.write(notebook, lab / "solution" / "Tiny.ipynb")
    assert release.main(lab) == 1 and "nbgrader failed" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["no JSON {", "[1, 2]", "{}", ""])
def test_a_source_that_is_not_a_notebook_is_named(text, tmp_path, capsys):
    lab = tiny_lab.write(tmp_path / "lab")
    (lab / "solution" / "Tiny.ipynb").write_text(text)
    assert release.main(lab) == 1 and "Tiny.ipynb: is not a notebook" in capsys.readouterr().err


def test_one_notebook_with_solutions_is_needed(tmp_path, capsys):
    (tmp_path / "solution").mkdir()
    assert release.main(tmp_path) == 1 and "holds 0 notebooks" in capsys.readouterr().err


# --- What the checks say --------------------------------------------------------------------------


def start(notebook):
    """The names that the cells with points may count on: imports and constants, no data."""
    names = {}
    for cell in code_cells(notebook):
        parts = ast.parse(cell.source).body
        targets = [t for part in parts if isinstance(part, ast.Assign) for t in part.targets]
        constants = [t.id for t in targets if isinstance(t, ast.Name) and t.id.isupper()]
        imports = [part for part in parts if isinstance(part, (ast.Import, ast.ImportFrom))]
        if (constants or imports) and not about(cell):
            exec(cell.source, names)
    return names


def run_check(cell, notebook, names):
    """Run a check cell after the cells of the tasks above it, as a learner would."""
    for task in tasks(notebook):
        if notebook.cells.index(task) < notebook.cells.index(cell):
            exec(task.source, names)
    exec(cell.source, names)


@pytest.fixture(scope="module")
def names():
    return start(SOLVED)


@pytest.mark.parametrize("cell", check_cells(STUDENTS), ids=course.task_name)
def test_untouched_every_check_fails_because_the_task_is_not_done(cell, names, capsys):
    with pytest.raises(NotImplementedError) as error:
        run_check(cell, STUDENTS, dict(names))
    assert error.type is NotImplementedError and not error.value.args
    assert error.value.__cause__ is None and not capsys.readouterr().out


@pytest.mark.parametrize("cell", check_cells(SOLVED), ids=course.task_name)
def test_the_solution_passes_every_check_and_every_hidden_test(cell, names, capsys):
    run_check(cell, SOLVED, dict(names))
    count = len(re.findall(r"checks\.check_", cell.source))
    assert len(capsys.readouterr().out.splitlines()) == count >= 2


def test_the_checks_are_those_of_the_package(names):
    assert names["checks"] is checks and issubclass(checks.Hint, AssertionError)
