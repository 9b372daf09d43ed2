"""Files from strangers: a network that carries code is not loaded, nothing is unpickled.

test_folders.py has archives, test_bad_input.py images and tables, test_grade.py notebooks.
"""

import re
from pathlib import Path

import keras
import nbformat
import pytest

ROOT = Path(__file__).parents[2]
# What turns the refusal off, and other ways in which reading a file runs what is in it.
UNSAFE = re.compile(
    r"safe_mode\s*=\s*False|enable_unsafe_deserialization|allow_pickle\s*=\s*(True|1)"
    r"|\b(import|from) .*\b(pickle|marshal|shelve|joblib|dill)\b|read_pickle"
    r"|yaml\.(unsafe_)?load\(|\beval\(|\bextractall\b|torch\.load\("
)
# The one line that is safe: every member of the archive was checked just before.
CHECKED = ("segmentation_tf/datasets/folders.py", "packed.extractall(path)")


def sources():
    """Every line of Python of the repository, cells of notebooks included, by its place."""
    folders = [ROOT / name for name in ("segmentation_tf", "notebooks", "lab", "images", "tests")]
    for file in (path for folder in folders for path in folder.rglob("*")):
        if file == Path(__file__) or file.suffix not in (".py", ".ipynb"):
            continue
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".ipynb":
            cells = nbformat.reads(text, as_version=4).cells
            text = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        yield from ((file.relative_to(ROOT), line) for line in text.splitlines())


def test_nothing_here_runs_code_from_a_data_file():
    lines = list(sources())
    assert len(lines) > 10_000 and any("load_model(" in line for _, line in lines)
    found = [(file.as_posix(), line.strip()) for file, line in lines if UNSAFE.search(line)]
    assert found == [CHECKED]


@pytest.mark.parametrize(
    "line",
    [
        "load_model(f, safe_mode=False)",
        "np.load(f, allow_pickle=True)",
        "import pickle",
        "eval(x)",
        "archive.extractall(folder)",
        "fill = archive.extractall",
    ],
)
def test_such_a_line_would_be_found(line):
    assert UNSAFE.search(line)
    assert not UNSAFE.search("model.evaluate(data)\nkeras.models.load_model(f, safe_mode=True)")


def test_a_network_that_carries_code_is_refused_before_the_code_runs(tmp_path):
    ran = tmp_path / "ran"

    stranger = lambda x, file=str(ran): (open(file, "w").close(), x)[1]  # noqa: E731
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(stranger)])
    ran.unlink()  # it ran once, when the network was built
    model.save(tmp_path / "gift.keras")
    with pytest.raises(ValueError, match="Lambda|lambda|unsafe|safe_mode"):
        keras.saving.load_model(tmp_path / "gift.keras", compile=False)
    assert not ran.exists()
