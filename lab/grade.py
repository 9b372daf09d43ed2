"""Grade a folder of submitted notebooks: `python -m lab.grade FOLDER`. See lab/grading/grade.py."""

import sys

from lab.grading.grade import main

if __name__ == "__main__":
    sys.exit(main())
