"""notebooks/run.py, on notebooks of a few lines: what it writes, what it says, how it fails."""

import base64
import io
import json

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

import run
from segmentation_tf.datasets import coco_panoptic, mads, ph2


def write(path, *sources, score=True):
    """A small lesson; its last cell is tagged main-score."""
    cells = [new_markdown_cell("# A *small* lesson\n\nYou learn to `count`.")]
    cells += [new_code_cell(source) for source in sources]
    if score:
        cells[-1].metadata = {"tags": ["main-score"]}
    path.parent.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.fixture
def lesson(tmp_path):
    """In a folder with a space in its name, as a user's may be."""

    def make(name, *sources, **options):
        return write(tmp_path / "my lessons" / f"{name}.ipynb", *sources, **options)

    return make


def test_good_lesson_becomes_a_page_a_row_and_a_score(lesson, tmp_path, capsys):
    path = lesson("01_good", "x = 6", "print('first line')\nprint('U-Net, mean Dice', 7 * x)")
    assert run.run_lessons([path], tmp_path / "build") == 0
    page = (tmp_path / "build" / "01_good.html").read_text(encoding="utf-8")
    assert "mean Dice 42" in page and "<title>A *small* lesson</title>" in page
    index = (tmp_path / "build" / "index.html").read_text(encoding="utf-8")
    for words in ("You learn to count.", "U-Net, mean Dice 42", 'href="01_good.html"'):
        assert words in index
    table = capsys.readouterr().out.split("\n\n")[-1]
    assert table.split()[:5] == ["notebook", "seconds", "main", "score", "page"]
    assert "01_good" in table and "U-Net, mean Dice 42" in table and "01_good.html" in table


def test_page_needs_no_other_file(lesson, tmp_path):
    picture = "import base64\nfrom IPython.display import Image\n"
    picture += f"Image(base64.b64decode('{PIXEL}'))"
    run.run_lessons([lesson("01_picture", picture)], tmp_path / "build")
    page = (tmp_path / "build" / "01_picture.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page


def test_stored_pictures_have_a_palette_and_stay_as_they_are(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).save(file, "PNG")
    once = run.in_256_colours(base64.b64encode(file.getvalue()).decode())
    picture = Image.open(io.BytesIO(base64.b64decode(once)))
    assert picture.mode == "P" and picture.size == (80, 60)
    assert np.abs(np.asarray(picture.convert("RGB"), int) - colours).mean() < 20
    assert run.in_256_colours(once) == once


def test_lesson_runs_in_its_own_folder(lesson, tmp_path, capsys):
    path = lesson("01_where", "from pathlib import Path\nprint(Path.cwd().name)")
    run.run_lessons([path], tmp_path / "build")
    assert "my lessons" in capsys.readouterr().out


def test_folded_answers_stay_folded(lesson, tmp_path):
    path = lesson("01_answer", "print(1)")
    notebook = nbformat.read(path, as_version=4)
    answer = "<details>\n<summary>Answer</summary>\n\nBecause **so**.\n\n</details>"
    notebook.cells.append(new_markdown_cell(answer))
    nbformat.write(notebook, path)
    run.run_lessons([path], tmp_path / "build")
    page = (tmp_path / "build" / "01_answer.html").read_text(encoding="utf-8")
    folded = page.partition("<details>")[2].partition("</details>")[0]
    assert "Because <strong>so</strong>." in folded


def test_links_between_lessons_lead_to_pages(lesson, tmp_path):
    path = lesson("01_links", "print(1)")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(new_markdown_cell("[next](02_more.ipynb#look)"))
    nbformat.write(notebook, path)
    run.run_lessons([path], tmp_path / "build")
    page = (tmp_path / "build" / "01_links.html").read_text(encoding="utf-8")
    assert 'href="02_more.html#look"' in page


def test_no_tag_gives_a_dash():
    assert run.main_score(new_notebook(cells=[new_code_cell("print(1)")])) == "-"


def test_failing_lesson_is_named_and_the_others_still_run(lesson, tmp_path, capsys):
    bad = lesson("01_bad", "x = 0", "1 / x  # oops\nprint('never')", "print('never')")
    good = lesson("02_good", "print('fine')")
    assert run.run_lessons([bad, good], tmp_path / "build") == 1
    said = capsys.readouterr().out
    assert "01_bad: failed at code cell 2 of 3: 1 / x  # oops" in said
    assert "ZeroDivisionError: division by zero" in said and "Traceback" not in said
    assert "02_good: " in said and "1 of 2 failed: 01_bad" in said
    assert "ZeroDivisionError" in (tmp_path / "build" / "01_bad.html").read_text(encoding="utf-8")
    assert "failed at code cell 2" in (tmp_path / "build" / "index.html").read_text(
        encoding="utf-8"
    )


def test_long_error_is_cut(lesson, tmp_path, capsys):
    lesson_path = lesson("01_long", "raise ValueError('\\n'.join(f'line {i}' for i in range(99)))")
    run.run_lessons([lesson_path], tmp_path / "build")
    said = capsys.readouterr().out
    assert "ValueError: line 0" in said and "line 98" in said and "line 50" not in said


def test_dead_kernel_is_named(lesson, tmp_path, capsys):
    path = lesson(
        "01_dead", "print('alive')", "import os\nos.write(2, b'no memory\\n')\nos._exit(1)"
    )
    assert run.run_lessons([path], tmp_path / "build") == 1
    said = capsys.readouterr().out
    assert "failed at code cell 2 of 2: import os\n    the kernel died" in said
    assert "    no memory" in said
    assert "the kernel died" in (tmp_path / "build" / "01_dead.html").read_text(encoding="utf-8")


def test_endless_cell_is_named(lesson, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "CELL_SECONDS", 1)
    path = lesson("01_endless", "import time\ntime.sleep(60)")
    assert run.run_lessons([path], tmp_path / "build") == 1
    assert "code cell 1 of 1: import time\n    no end after 1 s" in capsys.readouterr().out


def test_stored_form_is_clean_and_the_same_each_time(lesson, tmp_path):
    source = "import sys\nprint('to stderr', file=sys.stderr)\nprint('to stdout')\n1 + 1"
    path = lesson("01_store", source, "print('score')")
    before = nbformat.read(path, as_version=4)
    run.run_lessons([path], tmp_path / "build", store=True)
    stored = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(stored, as_version=4)
    nbformat.validate(notebook)
    first, last = notebook.cells[1:]
    assert [(o.get("name"), o.output_type) for o in first.outputs] == [
        ("stdout", "stream"),
        (None, "execute_result"),
    ]
    assert (first.execution_count, last.execution_count) == (1, 2)
    assert first.metadata == {} and last.metadata == {"tags": ["main-score"]}
    assert notebook.metadata.language_info == {"name": "python"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert [cell.id for cell in notebook.cells] == [cell.id for cell in before.cells]
    assert stored.startswith('{\n "cells"') and stored.endswith("}\n")
    run.run_lessons([path], tmp_path / "build", store=True)
    assert path.read_text(encoding="utf-8") == stored


def test_the_images_that_a_notebook_imports_are_there_before_it_starts(tmp_path, monkeypatch):
    loaded = []
    for data in (ph2, mads, coco_panoptic):
        monkeypatch.setattr(data, "load_cases", lambda data=data: loaded.append(data))
    monkeypatch.setattr(mads, "drawn_folder", lambda: loaded.append("drawn people"))
    paths = [tmp_path / f"{name}.ipynb" for name in ("01_lesson", "lab", "05_lesson", "06_lesson")]
    for path, name in zip(paths, ("ph2", "mads", "meadow", "pose"), strict=True):
        path.write_text(f'"from segmentation_tf.{name} import load_cases"')
    run.load_data(paths)
    run.load_data(paths[3:])
    assert loaded == [ph2, mads, coco_panoptic, "drawn people", mads, "drawn people"]


def test_storing_keeps_the_minutes_of_every_lesson(lesson, tmp_path):
    paths = [lesson("01_a", "print(1)"), lesson("02_b", "print(2)")]
    for path in paths:  # one after the other: the second run must not drop the first
        run.run_lessons([path], tmp_path / "build", store=True)
    minutes = json.loads((paths[0].parent / "minutes.json").read_text(encoding="utf-8"))
    assert set(minutes) == {"01_a", "02_b"} and all(0 <= m < 5 for m in minutes.values())


def test_failed_run_is_not_stored(lesson, tmp_path, capsys):
    path = lesson("01_bad", "print(1)", "1 / 0")
    before = path.read_bytes()
    assert run.run_lessons([path], tmp_path / "build", store=True) == 1
    assert path.read_bytes() == before
    assert "01_bad.ipynb is left as it was" in capsys.readouterr().out


def test_without_store_the_notebook_is_left_alone(lesson, tmp_path):
    path = lesson("01_good", "print(1)")
    before = path.read_bytes()
    run.run_lessons([path], tmp_path / "build")
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["PH2Dataset", "mads", "meadow"])
def test_nothing_is_stored_where_real_images_lie(name, tmp_path):
    run.keep_to_drawn_data(tmp_path)
    (tmp_path / name).mkdir()
    with pytest.raises(SystemExit, match=f"{name} holds real images"):
        run.keep_to_drawn_data(tmp_path)


@pytest.mark.parametrize("variable", ["PH2_ROOT", "MADS_ROOT", "MEADOW_ROOT"])
def test_storing_forgets_the_way_to_real_images(variable, tmp_path, monkeypatch):
    monkeypatch.setenv(variable, "/somewhere")
    run.keep_to_drawn_data(tmp_path)
    assert variable not in run.os.environ


def test_lessons_are_found_in_order_and_by_name(lesson, tmp_path):
    two, one = lesson("02_two", "2"), lesson("01_one", "1")
    lesson("draft", "0")
    assert run.find_lessons([], one.parent) == [one, two]
    assert run.find_lessons(["02_two.ipynb"], one.parent) == [two]
    assert run.find_lessons([str(one)], tmp_path) == [one]
    for names, folder in ((["03_no.ipynb"], one.parent), ([], tmp_path)):
        with pytest.raises(SystemExit, match="No such notebook"):
            run.find_lessons(names, folder)


PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAA"
    "AABJRU5ErkJggg=="
)
