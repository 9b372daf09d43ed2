"""The optional notebooks run, with a short training and few frames."""

import nbformat
import pytest

import run
from notebook_rules import OPTIONAL, ROOT

# What makes each of them brief: in a cell's source, the first text becomes the second.
SHORTER = {"two_dancers": {"3600": "20", "load_cases()": "load_cases()[:130]"}}


@pytest.mark.parametrize("path", OPTIONAL, ids=lambda path: path.stem)
def test_an_optional_notebook_runs(path):
    notebook = nbformat.read(path, as_version=4)
    for long, short in SHORTER[path.stem].items():
        cells = [
            cell for cell in notebook.cells if cell.cell_type == "code" and long in cell.source
        ]
        assert len(cells) == 1, f"{long} stands in {len(cells)} cells"
        cells[0].source = cells[0].source.replace(long, short)
    assert run.execute(notebook, path.parent, lambda words: None) == ""


def test_pytest_passes_over_the_long_runs():
    assert OPTIONAL
    assert "--ignore=notebooks/optional" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
