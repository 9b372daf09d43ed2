"""Make the student's version of the lab from the notebook with the solutions.

python -m lab.grading.release        writes lab/BodySegmentation.ipynb
"""

import re
import sys
from pathlib import Path

import nbformat

LAB = Path(__file__).resolve().parents[1]
STUB = "raise NotImplementedError"
ANSWER = "*Write your answer here, in place of this line.*"
CODE = re.compile(r"(?ms)^( *)### BEGIN SOLUTION\n.*?^ *### END SOLUTION$")
TEXT = re.compile(r"(?ms)^<!-- BEGIN SOLUTION -->\n.*?^<!-- END SOLUTION -->$")
LIKE_A_MARK = re.compile(r"(?im)^.*\b(begin|end)[\s_-]*solution.*$")


class ReleaseError(ValueError):
    """What is wrong with the lab's own notebook, and where."""


def find_source(lab: Path = LAB) -> Path:
    """Return the one notebook in the folder `solution` of a lab.

    Raises:
        ReleaseError: there is not exactly one.
    """
    found = sorted((lab / "solution").glob("*.ipynb"))
    if len(found) != 1:
        raise ReleaseError(f"{lab / 'solution'}: holds {len(found)} notebooks; one is needed")
    return found[0]


def student_version(lab: Path = LAB) -> str:
    """Return the text of the student's notebook: without solutions and outputs.

    Raises:
        ReleaseError: the source is not a notebook, or has a mark that is misspelt or not closed.
    """
    source = find_source(lab)
    try:
        notebook = nbformat.read(source, as_version=4)
        cells = notebook.cells
    except Exception as error:  # nbformat raises many kinds
        raise ReleaseError(f"{source}: is not a notebook ({type(error).__name__})") from error
    for number, cell in enumerate(cells, 1):
        cell.source = CODE.sub(rf"\1{STUB}", cell.source)
        cell.source = TEXT.sub(ANSWER, cell.source)
        if left := LIKE_A_MARK.search(cell.source):
            raise ReleaseError(
                f"{source}: cell {number}: {left[0].strip()!r} is misspelt, or BEGIN SOLUTION and "
                "END SOLUTION do not come in pairs"
            )
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(notebook) + "\n"


def main(lab: Path = LAB) -> int:
    """Write the student's version beside the folder `solution`. Returns the exit status."""
    try:
        text = student_version(lab)
    except ReleaseError as error:
        print(f"Not made: {error}", file=sys.stderr)
        return 1
    path = lab / find_source(lab).name
    path.write_text(text, encoding="utf-8", newline="\n")
    print(f"{path}: made from solution/{path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
