"""A lab of three small tasks and a question, in the format of the real one: it runs in seconds."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lab.checks import Task
from lab.checks.common import Hint, call
from lab.grading import release
from lab.grading.grade import Lab

TASK = '''def {head}:
    """Return {what}."""
    ### BEGIN SOLUTION
    {solution}
    ### END SOLUTION'''
ANSWER = "<!-- BEGIN SOLUTION -->\nIt fails where the number is dark.\n<!-- END SOLUTION -->"


def check_double(double, seed=0):
    if call(double, seed + 3) != 2 * (seed + 3):
        raise Hint("This is not twice the number: add it to itself.")
    print("Task 1 passed.")


def check_square(square, seed=0):
    if call(square, seed + 3) != (seed + 3) ** 2:
        raise Hint("This is no square: multiply the number by itself.")


def check_add(add, seed=0):
    if abs(call(add, seed, 5) - seed - 5) > 1e-6:
        raise Hint("This is no sum.")


TASKS = (
    Task("1. Double", "double", {check_double: 10}),
    Task("2. Square", "square", {check_square: 5}),
    Task("3. Add", "add", {check_add: 15}),
)


def notebook(solved=True):
    """The notebook, with its solutions or with stubs."""
    cells = [
        new_markdown_cell("# A tiny lab\n\nThree tasks and a question."),
        new_markdown_cell("### Task 1. Double"),
        _task("double", "double(n)", "twice n", "return 2 * n"),
        new_code_cell("trained = 42\ntrained"),
        _task("square", "square(n)", "the square of n", "return n * n"),
        new_markdown_cell("### Task 7. Explain\n\nWhere does it fail?"),
        new_markdown_cell(ANSWER, id="answer-7"),
        new_markdown_cell("### Task 8. Add"),
        _task("add", "add(n, m)", "the sum", "return n + m"),
        new_code_cell("print('picture:', trained)"),
    ]
    for number, cell in enumerate(cells, 1):
        if cell.id != "answer-7":
            cell.id = f"tiny-{number:02}"
    return new_notebook(cells=cells)


def _task(name, head, what, solution):
    return new_code_cell(TASK.format(head=head, what=what, solution=solution))


def write(folder: Path) -> Path:
    """Write the lab's source into `folder`/solution. Returns `folder`."""
    (folder / "solution").mkdir(parents=True)
    nbformat.write(notebook(), folder / "solution" / "Tiny.ipynb")
    return folder


def make(folder: Path) -> Lab:
    """Make the lab, with its student's version, as lab.grading.grade takes it."""
    assert release.main(write(folder)) == 0
    return Lab(folder / "Tiny.ipynb", TASKS)
