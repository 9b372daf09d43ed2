"""A lab of three small tasks and a question, in the format of the real one: it runs in seconds."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

CHECKS = "from lab.checks.numbers import Hint, check_add, check_double, check_square\n"
NUMBERS = '''"""Checks."""
import math
class Hint(AssertionError):
    """A hint."""
def check_double(double, seed=3):
    if double(seed) != 2 * seed:
        raise Hint("This is not twice the number: add it to itself.")
    print("Task 1 passed.")
def check_square(square, seed=3):
    if square(seed) != seed * seed:
        raise Hint("This is no square: multiply the number by itself.")
    print("Task 2 passed.")
def check_add(add, seed=3):
    if not math.isclose(add(seed, 5), seed + 5):
        raise Hint("This is no sum.")
    print("Task 3 passed.")
'''
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
TASK = '''def {head}:
    """Return {what}."""
    ### BEGIN SOLUTION
    {solution}
    ### END SOLUTION'''
CHECK = """checks.check_{name}({name})
### BEGIN HIDDEN TESTS
checks.check_{name}({name}, seed=71)
### END HIDDEN TESTS"""


def write(folder):
    """Write the lab into `folder`, as lab/ is in the repository. Returns `folder`."""
    (folder / "solution").mkdir(parents=True)
    (folder / "__init__.py").write_text('"""A lab."""\n')
    (folder / "checks").mkdir()
    (folder / "checks" / "__init__.py").write_text(CHECKS)
    (folder / "checks" / "numbers.py").write_text(NUMBERS)
    nbformat.write(notebook(), folder / "solution" / "Tiny.ipynb")
    return folder


def notebook():
    """The source, with its solutions."""
    about = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    cells = [
        new_markdown_cell("# A tiny lab\n\nThree tasks and a question."),
        new_code_cell("# NBVAL_IGNORE_OUTPUT\nfrom lab import checks"),
        new_markdown_cell("## 1. Double"),
        task("double", "double(n)", "twice n", "return 2 * n"),
        check("double", 10),
        new_code_cell("trained = double(21)\ntrained", outputs=[]),
        task("square", "square(n)", "the square of n", "return n * n"),
        check("square", 5),
        graded(new_markdown_cell("A model answer."), "explain", True, 10),
        task("add", "add(n, m)", "the sum", "return n + m"),
        check("add", 15),
        new_code_cell("print('picture:', add(trained, 0))"),
    ]
    for number, cell in enumerate(cells, 1):
        cell.id = f"tiny-{number:02}"
    return new_notebook(cells=cells, metadata=about)


def task(name, head, what, solution):
    cell = new_code_cell(TASK.format(head=head, what=what, solution=solution))
    return mark(cell, name, solution=True)


def check(name, points):
    return graded(new_code_cell(CHECK.format(name=name)), f"check-{name}", False, points)


def graded(cell, name, solution, points):
    return mark(cell, name, solution=solution, grade=True, locked=not solution, points=points)


def mark(cell, name, **about):
    default = {"grade": False, "locked": False, "schema_version": 3, "solution": False}
    cell.metadata["nbgrader"] = default | {"task": False, "grade_id": name} | about
    return cell
