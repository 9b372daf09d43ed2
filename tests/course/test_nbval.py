"""A notebook that breaks, hangs or loses its kernel is named, with its cell."""

import json
import os
import re
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
# Run in this order: what comes after a notebook that dies still runs.
BROKEN = {
    "1_dies": ["x = 1", "import os\nos._exit(1)", "x + 1"],
    "2_hangs": ["x = 1", HANG, "x + 1"],
    "3_fails": ["x = 1", "assert 1 > 2, 'one is less than two'", "x + 1", ENDS_WELL],
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What pytest says of notebooks that break, each in its own way."""
    folder = tmp_path_factory.mktemp("notebooks")
    for name, sources in BROKEN.items():
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
        nbformat.write(notebook, folder / f"{name}.ipynb")
    settings = ["-c", REPOSITORY / "pyproject.toml", "-p", "conftest", "--nbval-cell-timeout=5"]
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


def outcomes(report, name):
    """What the summary says of each cell of a notebook, such as FAILED."""
    summary = report[report.index("short test summary info") :]
    found = re.findall(rf"(?m)^([A-Z]+) .*{name}\.ipynb::Cell (\d+)", summary)
    return [outcome for _, outcome in sorted((int(cell), outcome) for outcome, cell in found)]


def test_the_broken_cell_is_named_and_no_other(report):
    assert outcomes(report, "1_dies")[:2] == ["PASSED", "FAILED"]
    assert outcomes(report, "2_hangs")[:2] == ["PASSED", "FAILED"]
    assert outcomes(report, "2_hangs")[2] in ("XFAIL", "SKIPPED"), (
        "it has no kernel, or a wrong one"
    )
    assert outcomes(report, "3_fails") == ["PASSED", "FAILED", "PASSED", "FAILED"]


def test_it_says_what_is_wrong(report):
    assert "one is less than two" in report
    assert "no end after 5 s" in report, "also where the cell ends well once it is stopped"
    assert "Timeout of 5 seconds exceeded" in report


def test_a_lesson_has_five_times_as_long_as_it_took():
    assert seconds_for(Path("notebooks/no_lesson.ipynb"), 600) == 600
    minutes = json.loads(MINUTES.read_text(encoding="utf-8"))
    assert len(minutes) == len(list((REPOSITORY / "notebooks").glob("[0-9]*.ipynb")))
    for name, took in minutes.items():
        assert seconds_for(Path(f"notebooks/{name}.ipynb"), None) == max(120, 5 * 60 * took)
