"""A notebook that breaks, hangs or loses its kernel is named, with its cell."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import MINUTES, seconds_for
from nbformat.v4 import new_code_cell, new_notebook

REPOSITORY = Path(__file__).parents[2]
HANG = """
import time
while True:
    try:
        time.sleep(1)
    except KeyboardInterrupt:
        pass
"""
ENDS_WELL = """
import time
try:
    time.sleep(3600)
except KeyboardInterrupt:
    print("stopped, and all is well")
"""
BROKEN = {
    "fine": "print('all is well')",
    "error": "assert 1 > 2, 'one is less than two'",
    "dies": "import os\nos._exit(1)",
    "hangs": HANG,
    "ends_well": ENDS_WELL,
    "last": "print('all is well here, too')",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What pytest says of notebooks that break in their second cell, each in its own way."""
    folder = tmp_path_factory.mktemp("notebooks")
    for name, source in BROKEN.items():
        cells = [new_code_cell("x = 1"), new_code_cell(source), new_code_cell("x + 1")]
        nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")
    settings = ["-c", REPOSITORY / "pyproject.toml", "-p", "conftest", "--nbval-cell-timeout=8"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *settings, "-rA", folder],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "tests"), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def outcome(report, name, cell):
    """What the summary says of a cell, such as FAILED."""
    (line,) = (r for r in report.splitlines() if f"{name}.ipynb::Cell {cell}" in r and r.isascii())
    return line.split()[0]


def test_the_broken_cell_is_named_and_no_other(report):
    summary = report[report.index("short test summary info") :]
    for name in BROKEN:
        expected = "PASSED" if name in ("fine", "last") else "FAILED"
        assert outcome(summary, name, 0) == "PASSED"
        assert outcome(summary, name, 1) == expected, name
    assert outcome(summary, "error", 2) == "PASSED"
    for name in ("hangs", "ends_well"):
        assert outcome(summary, name, 2) in ("XFAIL", "SKIPPED"), "it has no kernel, or a wrong one"


def test_it_says_what_is_wrong(report):
    assert "one is less than two" in report
    assert "no end after 8 s" in report, "also where the cell ends well once it is stopped"
    assert "Timeout of 8 seconds exceeded" in report


def test_a_lesson_has_five_times_as_long_as_it_took():
    assert seconds_for(Path("notebooks/no_lesson.ipynb"), 600) == 600
    minutes = json.loads(MINUTES.read_text(encoding="utf-8"))
    assert len(minutes) == len(list((REPOSITORY / "notebooks").glob("0*.ipynb")))
    for name, took in minutes.items():
        assert seconds_for(Path(f"notebooks/{name}.ipynb"), None) == max(120, 5 * 60 * took)
