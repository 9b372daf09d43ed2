"""Make the student's version of the lab from the notebook with the solutions.

python -m lab.grading.release        writes lab/BodySegmentation.ipynb
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.grading.course import LAB, LabError, find_source, make_course


def student_version(lab: Path = LAB) -> str:
    """Return the text of the student's notebook: the same for the same source, on every machine."""
    with TemporaryDirectory() as folder:
        made = make_course(find_source(lab), Path(folder) / "course")
        return made.read_text(encoding="utf-8")


def main(lab: Path = LAB) -> int:
    """Write the student's version beside the folder `solution`. Returns the exit status."""
    try:
        text = student_version(lab)
    except LabError as error:
        print(f"Not made: {error}", file=sys.stderr)
        return 1
    path = lab / find_source(lab).name
    path.write_text(text, encoding="utf-8", newline="\n")
    print(f"{path}: made from solution/{path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
