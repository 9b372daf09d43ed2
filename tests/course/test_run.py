"""notebooks/run.py, on notebooks of a few lines: what it writes, what it says, how it fails."""

import base64
import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

import book
import processes
import run
from segmentation_tf.datasets import coco_panoptic, mads, pairs, ph2

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAA"
    "AABJRU5ErkJggg=="
)
GOOD = f"""
import base64, sys
from pathlib import Path
from IPython.display import Image
print("to stderr", file=sys.stderr)
print("ran in", Path.cwd().name)
Image(base64.b64decode("{PIXEL}"))
"""
DEAD = "import os\nos.write(2, b'no memory\\n')\nos._exit(1)"
ANSWER = "<details>\n<summary>Answer</summary>\n\nBecause **so**.\n\n</details>\n\n"
LINK = "[next](02_bad.ipynb) [how](solutions/01_good.ipynb)"


build_pages = book.build_pages


@pytest.fixture(autouse=True)
def no_pages(monkeypatch):
    """Sphinx takes seconds, and most tests are not about pages; `build_pages` is what it was."""
    monkeypatch.setattr(book, "build_pages", lambda build: None)
    monkeypatch.setattr(run, "calibrate", lambda: run.REFERENCE)  # it takes a second


def write(path, *sources):
    """A small lesson; its last cell is tagged main-score."""
    cells = [new_markdown_cell("# A *small* lesson\n\nYou learn to `count`.")]
    cells += [new_code_cell(source) for source in sources]
    cells[-1].metadata = {"tags": ["main-score"]}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[*cells, new_markdown_cell(ANSWER + LINK)]), path)
    return path


# --- Lessons that run, and lessons that fail ----------------------------------------------------


@pytest.fixture(scope="module")
def lessons(tmp_path_factory):
    """A run of a good lesson and two bad ones: their paths, status, output and pages."""
    root = tmp_path_factory.mktemp("home") / "my course"  # a user's folder may have a space
    folder = root / "notebooks"
    paths = [
        write(folder / "01_good.ipynb", GOOD, "print('first line')\nprint('U-Net, Dice', 6 * 7)"),
        write(folder / "02_bad.ipynb", "x = 0", "1 / x  # oops\nprint('never')", "print('never')"),
        write(folder / "03_dead.ipynb", "print('alive')", DEAD),
    ]
    answer = new_markdown_cell("# Solutions\n\nBecause one and one. [back](../01_good.ipynb)")
    (folder / "solutions").mkdir()
    nbformat.write(new_notebook(cells=[answer]), folder / "solutions" / "01_good.ipynb")
    before = [path.read_bytes() for path in paths]
    out, build = io.StringIO(), root / "build"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", out)
        patch.setattr(run, "ROOT", root)
        status = run.run_lessons(paths, build)
    pages = {
        page.relative_to(build).with_suffix("").as_posix(): page.read_text(encoding="utf-8")
        for page in build.rglob("*.html")
    }
    return SimpleNamespace(
        paths=paths, before=before, status=status, said=out.getvalue(), pages=pages
    )


def test_a_lesson_becomes_a_page_a_row_and_a_score(lessons):
    page, index = lessons.pages["notebooks/01_good"], lessons.pages["index"]
    assert "U-Net, Dice 42" in page and "<title>A small lesson" in page
    for words in ("You learn to count.", "U-Net, Dice 42", 'href="notebooks/01_good.html"'):
        assert words in index
    table = lessons.said.split("\n\n")[-2]
    assert table.split()[:5] == ["notebook", "seconds", "main", "score", "page"]
    assert "01_good" in table and "U-Net, Dice 42" in table and "01_good.html" in table


def test_a_lesson_runs_in_its_own_folder(lessons):
    assert "ran in notebooks" in lessons.pages["notebooks/01_good"]


def test_answers_stay_folded_and_links_between_lessons_lead_to_pages(lessons):
    page = lessons.pages["notebooks/01_good"]
    folded = page.partition("<details>")[2].partition("</details>")[0]
    assert "Because <strong>so</strong>." in folded
    assert 'href="02_bad.html"' in page and 'href="solutions/01_good.html"' in page


def test_solutions_become_pages_as_they_are_stored(lessons):
    page = lessons.pages["notebooks/solutions/01_good"]
    assert "Because one and one" in page and 'href="../01_good.html"' in page


def test_a_failing_lesson_is_named_and_the_next_still_runs(lessons):
    assert "02_bad: failed at code cell 2 of 3: 1 / x  # oops" in lessons.said
    assert "ZeroDivisionError: division by zero" in lessons.said
    assert "Traceback" not in lessons.said
    assert lessons.status == 1 and "2 of 3 failed: 02_bad, 03_dead" in lessons.said
    left = lessons.said.partition("To run what is left: ")[2]
    assert "02_bad.ipynb" in left and "03_dead.ipynb" in left and "01_good" not in left
    assert "ZeroDivisionError" in lessons.pages["notebooks/02_bad"]
    assert "failed at code cell 2" in lessons.pages["index"]


def test_a_dead_kernel_is_named(lessons):
    assert "failed at code cell 2 of 2: import os\n    the kernel died" in lessons.said
    assert "    no memory" in lessons.said
    page = re.sub("<[^>]+>", "", lessons.pages["notebooks/03_dead"])  # without colours
    assert "the kernel died; often the memory was used up\nno memory" in page


def test_without_store_the_notebooks_are_left_alone(lessons):
    assert [path.read_bytes() for path in lessons.paths] == lessons.before


def test_long_errors_are_cut_and_cells_without_end_are_named(tmp_path):
    assert run.make_client(new_notebook(), tmp_path).timeout == run.CELL_SECONDS
    cell, lines = new_code_cell("x"), "\n".join(f"line {i}" for i in range(99))
    long = run.CellExecutionError("", "ValueError", lines)
    assert run.explain(long, cell, None) == "ValueError: line 0\n...\nline 96\nline 97\nline 98"
    assert run.explain(run.CellTimeoutError("", "x"), cell, None) == "no end after 3600 s"
    assert cell.outputs[0].evalue == "no end after 3600 s"


# --- Whatever a user has set --------------------------------------------------------------------

CLEAN = """
import os, sys
import numpy
assert sys.executable == {python!r} and sys.flags.optimize == 0
assert not any(name.startswith("PYTHON") for name in os.environ)
assert not {{"of_startup", "of_profile"}} & set(globals())
"""


def test_a_lesson_runs_with_this_python_whatever_a_user_has_set(tmp_path, monkeypatch):
    kernel = tmp_path / "share" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text('{"argv": ["nowhere"], "display_name": "other", "language": "python"}')
    (tmp_path / "numpy.py").write_text("raise ImportError('another NumPy')")
    (tmp_path / "start.py").write_text("of_startup = 1")
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "start.py").write_text("of_profile = 1")
    for name, value in {
        "JUPYTER_PATH": tmp_path / "share",
        "JUPYTER_PREFER_ENV_PATH": 0,
        "PYTHONPATH": tmp_path,
        "PYTHONHOME": tmp_path,
        "PYTHONOPTIMIZE": 2,
        "PYTHONSTARTUP": tmp_path / "start.py",
        "IPYTHONDIR": tmp_path / "ipython",
    }.items():
        monkeypatch.setenv(name, str(value))
    lesson = write(tmp_path / "lessons" / "01_a.ipynb", CLEAN.format(python=sys.executable))
    notebook = nbformat.read(lesson, as_version=4)
    assert run.execute(notebook, lesson.parent, lambda words: None) == ""


def test_a_users_other_variables_reach_the_lessons(monkeypatch):
    for name in ("KERAS_BACKEND", "PH2_ROOT", "https_proxy", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "mine")
        assert run.kernel_environment("profile")[name] == "mine"


def test_folders_of_jupyter_that_cannot_be_written_do_not_matter(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "file" / name))
    assert run.run_lessons([write(tmp_path / "01_a.ipynb", "1")], tmp_path / "build") == 0


def test_an_optimising_python_runs_the_lessons_too(tmp_path):
    write(tmp_path / "notebooks" / "01_a.ipynb", "assert 1 == 1\nprint('Dice', 6 * 7)")
    code = """
import sys; sys.path.insert(0, "notebooks")
import run; run.ROOT = run.Path(sys.argv[1])
sys.exit(run.main(["01_a"]))
"""
    assert "Dice 42" in processes.run(code, tmp_path, PYTHONOPTIMIZE="2")


def test_a_kernel_that_dies_at_the_start_fails_its_lesson_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    bad, good = tmp_path / "lab" / "01_bad.ipynb", tmp_path / "notebooks" / "02_good.ipynb"
    paths = [write(bad, "print(1)"), write(good, "print('Dice', 6 * 7)")]
    (tmp_path / "lab" / "ipykernel_launcher.py").write_text("raise SystemExit('broken here')")
    assert run.run_lessons(paths, tmp_path / "build") == 1
    source = tmp_path / "build" / book.WORK / "source"
    said = capsys.readouterr().out
    assert "01_bad: failed at the start of its kernel:\n    RuntimeError: Kernel died" in said
    assert "    broken here\n" in said and "Traceback" not in said
    assert "Dice 42" in said and "1 of 2 failed: 01_bad" in said
    assert "broken here" in (source / "lab" / "01_bad.ipynb").read_text(encoding="utf-8")
    assert "failed at the start" in (source / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "error", [OSError("no free port"), ImportError("broken ipykernel"), KeyError("python3")]
)
def test_whatever_keeps_a_kernel_from_starting_is_named(error, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(run.AsyncKernelManager, "start_kernel", fail)
    said = run.execute(new_notebook(), tmp_path, lambda words: None)
    assert said == f"the start of its kernel:\n    {type(error).__name__}: {error}"


NO_NOTEBOOKS = [b"", b"[]", b"{}", b"\xff\xfe", b"<<<<<<< HEAD\n{}", b'{"nbformat": 4, "cells": 7}']


@pytest.mark.parametrize("data", NO_NOTEBOOKS)
def test_a_file_that_is_no_notebook_fails_alone_in_one_line(data, three, capsys):
    three[0].write_bytes(data)
    (three[1].parent / "01_a.ipynb").write_bytes(data)
    assert run.run_lessons(three, run.ROOT / "build") == 1
    line = next(row for row in capsys.readouterr().out.splitlines() if "failed at" in row)
    assert "01_a.ipynb is not a notebook. " in line and "git checkout HEAD -- " in line
    assert "is not a notebook" in index() and "optional/c.ipynb" in index()


def test_a_users_copy_leaves_the_page_and_the_row_of_its_lesson_alone(three):
    run.run_lessons(three, run.ROOT / "build")
    before = table()
    for copy in ("my_work/notebooks/01_a.ipynb", "my_work/notebooks/solutions/01_a.ipynb"):
        write(run.ROOT / copy, "2")
        assert run.run_lessons([run.ROOT / copy], run.ROOT / "build") == 0
        source = run.ROOT / "build" / book.WORK / "source" / copy
        assert source.is_file() and table() == before


def test_the_clock_keeps_to_one_line_of_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    run.Clock("a").write("x" * 99)
    assert capsys.readouterr().out == "\r" + "x" * 39 + "\r"


# --- Runs that stop -----------------------------------------------------------------------------


@pytest.fixture
def three(tmp_path, monkeypatch):
    """Three lessons in a repository, of which none really runs: their paths."""
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "execute", lambda *_: "")
    monkeypatch.setenv("MAKELEVEL", "1")
    names = ("01_a", "solutions/02_b", "optional/c")
    return [write(tmp_path / "notebooks" / f"{name}.ipynb", "1") for name in names]


def taking_turns(*turns):
    """A function for run.execute: returns each turn's text, or raises its error."""
    rest = iter(turns)

    def execute(*_):
        turn = next(rest)
        if isinstance(turn, str):
            return turn
        raise turn

    return execute


def test_ctrl_c_names_the_lesson_and_how_to_run_the_rest(three, monkeypatch, capsys):
    monkeypatch.setattr(run, "execute", taking_turns("", KeyboardInterrupt()))
    assert run.run_lessons(three, run.ROOT / "build") == 130
    said = capsys.readouterr().out
    assert "\nStopped at 02_b.\n" in said
    assert said.endswith(": make run ARGS='solutions/02_b.ipynb optional/c.ipynb'\n")


def test_a_run_says_first_what_it_will_do_and_how_long_it_takes_here(three, capsys):
    (run.ROOT / "notebooks" / "minutes.json").write_text('{"01_a": 5, "02_b": 5, "c": 5}')
    assert run.run_lessons(three, run.ROOT / "build") == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"Draws .*, once. Runs 3 notebooks: about \d+ minutes? on this machine.", first
    )
    assert any(re.fullmatch(r"\[1/3\] 01_a ... about \d+ minutes? left", line) for line in others)


def test_ctrl_c_outside_the_lessons_stops_without_a_traceback(monkeypatch, capfd):
    monkeypatch.setattr(run, "find_lessons", taking_turns(KeyboardInterrupt()))
    monkeypatch.setattr(sys.stdout, "reconfigure", lambda **_: None, raising=False)
    assert run.main([]) == 130
    assert capfd.readouterr() == ("\nStopped.\n", "")


UNIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals and pipes")


@UNIX
def test_a_reader_that_leaves_as_head_does_ends_the_run_quietly(tmp_path):
    write(tmp_path / "notebooks" / "01_a.ipynb", "1")
    code = """
import sys; sys.path.insert(0, "notebooks")
import run; run.ROOT = run.Path(sys.argv[1])
sys.exit(run.main(["01_a"]))
"""
    process = processes.start(code, tmp_path)
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 1


def test_a_failed_lesson_can_be_run_alone(three, monkeypatch, capsys):
    monkeypatch.setattr(run, "execute", taking_turns("", "code cell 1 of 1: x", ""))
    assert run.run_lessons(three, run.ROOT / "build") == 1
    assert capsys.readouterr().out.endswith(": make run ARGS=solutions/02_b.ipynb\n")


def test_an_interrupted_run_does_not_forget_the_lessons_that_failed(three, monkeypatch, capsys):
    monkeypatch.setattr(run, "execute", taking_turns("cell 1: x", "", KeyboardInterrupt()))
    run.run_lessons(three, run.ROOT / "build")
    assert capsys.readouterr().out.endswith("ARGS='01_a.ipynb optional/c.ipynb'\n")


def test_a_good_run_leaves_nothing(three, capsys):
    assert run.run_lessons(three, run.ROOT / "build") == 0
    assert "what is left" not in capsys.readouterr().out


def test_without_make_the_command_names_python_and_run_py(three, monkeypatch):
    monkeypatch.delenv("MAKELEVEL")
    monkeypatch.chdir(Path(run.__file__).parents[1])
    monkeypatch.setattr(sys, "executable", str(Path.cwd() / ".venv" / "bin" / "python"))
    python, file = Path(".venv/bin/python"), Path("notebooks/run.py")
    assert run.command(three[:1], store=True) == f"{python} {file} --store 01_a.ipynb"
    outside = Path("my notebooks", "a.ipynb")
    quoted = run.shell_line([str(outside)]).removeprefix("& ")
    assert run.command([outside.absolute()], store=False) == f"{python} {file} {quoted}"


@pytest.mark.parametrize(
    ("platform", "words", "line"),
    [
        ("linux", ["/my env/python", "it's", "a.ipynb"], "'/my env/python' 'it'\"'\"'s' a.ipynb"),
        ("win32", ["C:\\my env\\python", "a b", "c"], '& "C:\\my env\\python" "a b" c'),
        ("win32", ["venv\\python", "a b"], 'venv\\python "a b"'),
    ],
)
def test_a_printed_command_is_quoted_for_its_shell(platform, words, line, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    assert run.shell_line(words) == line


def test_a_file_in_the_place_of_build_stops_before_the_first_lesson(three, monkeypatch, capsys):
    monkeypatch.setattr(run, "execute", taking_turns())
    (run.ROOT / "build").touch()
    assert run.run_lessons(three[:1], run.ROOT / "build") == 1
    *_, first, last = capsys.readouterr().out.strip().splitlines()
    assert first.startswith("Cannot use ") and "Move it away, " in first
    assert last == "To run what is left: make run ARGS=01_a.ipynb"


def test_a_page_that_cannot_be_written_stops_the_run(three, monkeypatch, capsys):
    monkeypatch.setattr(book, "build_pages", build_pages)
    (run.ROOT / "build" / "notebooks" / "01_a.html").mkdir(parents=True)
    assert run.run_lessons(three[:1], run.ROOT / "build") == 1
    said = capsys.readouterr().out
    assert "Cannot use " in said and "01_a.html: " in said and "or free some space.\n" in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk, which only Linux imitates")
def test_a_full_disk_stops_the_run(three, monkeypatch, capsys):
    monkeypatch.setattr(book, "build_pages", build_pages)
    (run.ROOT / "build").mkdir()
    (run.ROOT / "build" / "index.html").symlink_to("/dev/full")
    assert run.run_lessons(three[:1], run.ROOT / "build") == 1
    assert "index.html: No space left on device. Move it away, " in capsys.readouterr().out


def test_what_sphinx_remembers_may_be_damaged(three):
    build = run.ROOT / "build"
    assert run.run_lessons([], build) == 0
    build_pages(build)
    for file in (build / book.WORK / "doctrees").rglob("*.doctree"):
        file.write_bytes(b"")
    (build / "notebooks" / "01_a.html").unlink()
    build_pages(build)
    assert (build / "notebooks" / "01_a.html").is_file()


def test_a_sphinx_that_stops_is_quoted(three, monkeypatch, capsys):
    monkeypatch.setattr(book, "build_pages", build_pages)
    monkeypatch.setattr(book, "run_sphinx", lambda *_: (1, "Traceback\nNo module named sphinx\n"))
    assert run.run_lessons(three[:1], run.ROOT / "build") == 1
    said = capsys.readouterr().out
    assert "could not be written:\n    Traceback\n    No module named sphinx\n" in said


# --- What the front page keeps ------------------------------------------------------------------


def table():
    return index().partition("```")[0]


def index():
    file = run.ROOT / "build" / book.WORK / "source" / "index.md"
    return file.read_text(encoding="utf-8")


def test_rows_of_lessons_that_ran_earlier_stay_in_order(three, monkeypatch):
    monkeypatch.setattr(run, "today", lambda: "2026-01-31")
    run.run_lessons(three, run.ROOT / "build")
    monkeypatch.setattr(run, "today", lambda: "2026-02-01")
    monkeypatch.setattr(run, "main_score", lambda notebook: "Dice .93")
    run.run_lessons(three[1:2], run.ROOT / "build")
    one, optional, two = index().partition("|---|---|---|\n")[2].splitlines()[:3]
    assert "(notebooks/01_a.ipynb)" in one and "| 0 s <br>2026-01-31 | - |" in one
    assert "(notebooks/optional/c.ipynb)" in optional and "2026-01-31" in optional
    assert "(notebooks/solutions/02_b.ipynb)" in two and "| 0 s <br>today | Dice .93 |" in two


def test_a_lesson_that_has_not_run_here_has_its_stored_row(three):
    (run.ROOT / "notebooks" / "minutes.json").write_text('{"01_a": 1.5}')
    run.run_lessons(three[1:], run.ROOT / "build")
    assert "(notebooks/01_a.ipynb)" in index() and "| 2 min <br>*stored* | - |" in index()


def test_a_lesson_whose_code_has_changed_has_its_stored_page_and_row_again(three):
    run.run_lessons(three, run.ROOT / "build")
    write(three[0], "2")
    write(three[1], "1")
    run.run_lessons(three[2:], run.ROOT / "build")
    names = [result.name for result in run.read_results(run.ROOT / "build")]
    assert names == ["c", "02_b"]
    source = run.ROOT / "build" / book.WORK / "source" / "notebooks" / "01_a.ipynb"
    assert nbformat.read(source, as_version=4).cells[1].source == "2"


def test_a_notebook_from_elsewhere_keeps_its_page_and_its_row(three, tmp_path):
    elsewhere = write(tmp_path.parent / "elsewhere" / "mine.ipynb", "print('Dice', 1)")
    run.run_lessons([elsewhere], run.ROOT / "build")
    run.run_lessons(three[:1], run.ROOT / "build")
    assert "(other/mine.ipynb)" in index() and "(notebooks/01_a.ipynb)" in index()


def test_what_is_gone_from_the_course_leaves_the_pages(three):
    run.run_lessons(three, run.ROOT / "build")
    three[2].unlink()
    run.run_lessons(three[:1], run.ROOT / "build")
    assert "optional/c" not in index() and "02_b" in index()


@pytest.mark.parametrize(
    "kept", ["", "[{", "{}", "7", "[7]", '[{"page": "01_a.html"}]', '{"version": 2}', "\0"]
)
def test_rows_that_this_version_did_not_write_are_ignored(kept, three):
    build = run.ROOT / "build"
    build.mkdir()
    (build / run.RESULTS).write_text(kept)
    assert run.run_lessons(three[:1], build) == 0
    assert [result.name for result in run.read_results(build)] == ["01_a"]


# --- Storing ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The files of two lessons, stored one after the other: the first, its cells' ids, minutes."""
    folder = tmp_path_factory.mktemp("stored") / "notebooks"
    source = "import sys\nprint('to stderr', file=sys.stderr)\nprint('to stdout')\n1 + 1"
    paths = [write(folder / "01_a.ipynb", source, "print(1)"), write(folder / "02_b.ipynb", "2")]
    ids = [cell.id for cell in nbformat.read(paths[0], as_version=4).cells]
    solutions = write(folder / "solutions" / "01_a.ipynb", "3")
    for path in [*paths, solutions]:
        assert run.run_lessons([path], folder / "build", store=True) == 0
    assert nbformat.read(solutions, as_version=4).cells[1].outputs
    minutes = json.loads((folder / "minutes.json").read_text(encoding="utf-8"))
    return paths[0].read_text(encoding="utf-8"), ids, minutes


def test_a_stored_notebook_holds_nothing_of_the_machine(stored):
    text, ids, _ = stored
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    first, last = notebook.cells[1:3]
    outputs = [(output.get("name"), output.output_type) for output in first.outputs]
    assert outputs == [("stdout", "stream"), (None, "execute_result")]
    assert (first.execution_count, last.execution_count) == (1, 2)
    assert first.metadata == {} and last.metadata == {"tags": ["main-score"]}
    assert notebook.metadata.language_info == {"name": "python"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert [cell.id for cell in notebook.cells] == ids
    assert text.startswith('{\n "cells"') and text.endswith("}\n")


def test_storing_keeps_the_minutes_of_every_lesson_and_of_no_solutions(stored):
    _, _, minutes = stored
    assert set(minutes) == {"01_a", "02_b"} and all(0 <= m < 5 for m in minutes.values())


def test_a_failed_run_is_not_stored(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "execute", lambda *_: "code cell 1 of 1: 1 / 0\n    division by zero")
    path = write(tmp_path / "01_bad.ipynb", "1 / 0")
    before = path.read_bytes()
    assert run.run_lessons([path], tmp_path / "build", store=True) == 1
    assert path.read_bytes() == before
    assert "01_bad.ipynb is left as it was" in capsys.readouterr().out


def test_stored_pictures_have_a_palette_and_stay_as_they_are():
    colours = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).save(file, "PNG")
    once = run.in_256_colours(base64.b64encode(file.getvalue()).decode())
    picture = Image.open(io.BytesIO(base64.b64decode(once)))
    assert picture.mode == "P" and picture.size == (80, 60)
    assert np.abs(np.asarray(picture.convert("RGB"), int) - colours).mean() < 20
    assert run.in_256_colours(once) == once


@pytest.mark.parametrize("name", run.REAL_DATA)
def test_nothing_is_stored_where_real_images_lie(name, tmp_path):
    run.keep_to_drawn_data(tmp_path)
    (tmp_path / name).mkdir()
    with pytest.raises(SystemExit, match=f"{name} holds real images"):
        run.keep_to_drawn_data(tmp_path)


@pytest.mark.parametrize("variable", ["PH2_ROOT", "MADS_ROOT", "MEADOW_ROOT", "PAIRS_ROOT"])
def test_storing_forgets_the_way_to_real_images(variable, tmp_path, monkeypatch):
    monkeypatch.setenv(variable, "/somewhere")
    run.keep_to_drawn_data(tmp_path)
    assert variable not in run.os.environ


# --- Finding lessons and their data -------------------------------------------------------------


def test_lessons_are_found_in_order_and_by_name(tmp_path):
    folder = tmp_path / "lessons"
    two, one, _ = (write(folder / f"{n}.ipynb", "0") for n in ("02_two", "01_one", "draft"))
    assert run.find_lessons([], folder) == [one, two]
    assert run.find_lessons(["02_two.ipynb"], folder) == [two]
    assert run.find_lessons([str(one)], tmp_path) == [one]
    solution = write(folder / "solutions" / "01_one.ipynb", "0")
    assert run.find_lessons(["solutions/01_one"], folder) == [solution]
    assert run.find_lessons([], folder) == [one, two]
    for names, where in ((["03_no.ipynb"], folder), ([], tmp_path)):
        with pytest.raises(SystemExit, match="No such notebook"):
            run.find_lessons(names, where)


def test_the_images_that_a_notebook_imports_are_there_before_it_starts(tmp_path, monkeypatch):
    loaded = []
    for data in (ph2, mads, coco_panoptic, pairs):
        monkeypatch.setattr(data, "load_cases", lambda data=data: loaded.append(data))
    monkeypatch.setattr(mads, "drawn_folder", lambda: loaded.append("drawn people"))
    monkeypatch.setattr(pairs, "drawn_folder", lambda: loaded.append("drawn leaves"))
    modules = ("ph2", "mads", "coco_panoptic", "pairs")
    modules = [*(f"datasets.{name}" for name in modules), "pose.targets"]
    paths = [tmp_path / f"{number}.ipynb" for number in range(5)]
    for path, module in zip(paths, modules, strict=True):
        path.write_text(f'"from segmentation_tf.{module} import load_cases"')
    run.load_data(paths)
    assert loaded == [ph2, mads, coco_panoptic, pairs, "drawn leaves", "drawn people"]
    run.load_data(paths[4:])
    assert loaded[6:] == [mads, "drawn people"]


def test_without_a_tag_the_main_score_is_a_dash():
    assert run.main_score(new_notebook(cells=[new_code_cell("print(1)")])) == "-"
