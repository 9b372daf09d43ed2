"""python -m lab.grade on a tiny lab: good, bad and hostile submissions, all of one class.

They are graded once, in one folder, so that no submission may stop or change the others.
"""

import contextlib
import csv
import dataclasses
import functools
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell

import tiny_class
import tiny_lab
from lab.grading import course, grade, run, submission, wall
from lab.grading.course import LabError

pytestmark = pytest.mark.skipif(wall.resource is None, reason="grading needs Linux or macOS")

ROOT = Path(__file__).resolve().parents[2]
LIMITS = grade.Limits(minutes=0.3, check_seconds=6, memory=0.7, processes=30, disk=0.05)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return tiny_lab.write(tmp_path_factory.mktemp("a lab") / "lab")


@pytest.fixture(scope="module")
def released_file(lab, tmp_path_factory):
    """The student's version, in nbgrader's course."""
    return course.make_course(course.find_source(lab), tmp_path_factory.mktemp("made") / "course")


@pytest.fixture(scope="module")
def released(released_file):
    return nbformat.read(released_file, as_version=4)


@pytest.fixture
def quick(released_file, monkeypatch):
    """Take the course that is made already, and do not try out whether the checks load."""
    made = released_file.parents[2]

    def copy_course(source, folder):
        shutil.copytree(made, folder)
        return folder / released_file.relative_to(made)

    monkeypatch.setattr(grade, "make_course", copy_course)
    monkeypatch.setattr(grade, "rehearse", lambda *_: "")


@dataclasses.dataclass
class Graded:
    """A class that was graded: rows of the table by student, folder of the pages, what was said."""

    rows: dict
    out: Path
    said: str

    def page(self, student):
        return (self.out / f"{student}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def graded(lab, released, tmp_path_factory):
    folder = tmp_path_factory.mktemp("a class") / "handed in"
    tiny_class.hand_in(folder, released)
    out = folder.with_name("handed in-graded")
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET_OF_THE_TEACHER", "swordfish")
        assert grade.grade_folder(folder, out, LIMITS, lab=lab) == 0
    return Graded(rows_of(out), out, said.getvalue())


def rows_of(out):
    with open(out / "grades.csv", encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


# --- What each one gets ---------------------------------------------------------------------------

ZOE = "Zoë D'Ávila (2)"


@pytest.mark.parametrize(
    "student, got, words",
    [
        (ZOE, (10, 5, 15), ""),
        (
            "'=two",
            (0, 0, 15),
            "Of 2 notebooks in the folder, Tiny.ipynb was graded.*add it to itself.*no square",
        ),
        (
            "hangs",
            (0, 0, 0),
            "In the cell 'import time': it did not end in its time.*double: SystemExit"
            ".*square: it did not end in its time, 6 s.*add: the kernel ended while it ran",
        ),
        # Copies of a process share memory, which counts for each: either limit may be met first.
        (
            "greedy",
            (10, 0, 0),
            "it used more than 0.7 GB.*square: it (started|used more) .*add: MemoryError",
        ),
        ("writes", (10, 5, 15), "it wrote more than 0.05 GB"),
        ("edits", (0, 0, 15), "Changed check cells were put back as they were: check-double"),
        ("edits", (0, 0, 15), "In the cell 'import os': the kernel ended while it ran"),
        ("edits", (0, 0, 15), "square: not done yet.*explain: no answer"),
        ("patches", (0, 0, 0), "Worth a look, its code touches"),
        ("injects", (0, 5, 15), "double: ValueError: <script>"),
        ("empty", (0, 0, 0), "The file is empty."),
        ("archive", (0, 0, 0), "It is not a notebook: archive.zip"),
        ("link", (0, 0, 0), "It is a link"),
        ("no notebook", (0, 0, 0), "There is no notebook in the folder."),
        ("two", (0, 0, 0), "There are 2 notebooks in the folder"),
    ],
)
def test_points_and_reason(graded, student, got, words):
    row = graded.rows[student]
    assert tuple(float(row[task]) for task in ("double", "square", "add")) == got, row
    assert re.search(words, row["remarks"]), row
    assert float(row["total"]) == sum(got) and row["maximum"] == "30"


def test_no_submission_leaves_anything_behind(graded):
    alive = [wall.ask(process, "cmdline", []) for process in psutil.process_iter()]
    assert not [line for line in alive if "time.sleep(98" in " ".join(line)]
    for place in map(Path, tiny_class.FORBIDDEN):
        file = place / "written-by-a-submission"
        assert not file.exists() or file.unlink() or wall.landlock_version() < 3


def test_what_a_submission_sees_and_says_is_limited(graded):
    page = graded.page("writes")
    assert "no large file" in page and "knows []" in page and "swordfish" not in page
    assert wall.landlock_version() < 3 or "written to []" in page
    assert "characters left out" in page and len(page) < 100_000


class Reader(HTMLParser):
    """Collects the tags of a page and their attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def test_every_student_has_a_page_without_scripts_and_in_one_file(graded):
    names = [path.stem for path in graded.out.glob("*.html")]
    assert {grade.plain(name) for name in names} == set(graded.rows)
    for name in names:
        tags = Reader(graded.page(name)).tags
        assert not {"script", "iframe", "svg", "object", "form", "link"} & {tag for tag, _ in tags}
        assert tags[3][0] == "meta" and "default-src 'none'" in tags[3][1]["content"], name
        for _, attributes in tags:
            assert not [key for key in attributes if key.startswith("on")]
            assert attributes.get("src", "data:").startswith("data:")
            assert not attributes.get("href", "").startswith(("javascript", "data"))


@pytest.mark.parametrize(
    "student, words",
    [
        ("=two", "15 of 30 points; explain: to read"),
        ("=two", "add it to itself"),
        ("=two", "3 * n"),
        ("=two", "<strong>double: 0 points, of 10</strong>"),
        (ZOE, "picture: 42"),
        ("injects", "&lt;script&gt;alert(1)"),
        ("injects", "<em>plain</em> words"),
        ("empty", "The file is empty."),
    ],
)
def test_page_shows_points_hints_and_the_notebook(graded, student, words):
    assert words in re.sub("</?span[^>]*>", "", graded.page(student))


def test_page_shows_a_line_for_a_task_that_is_not_done(graded):
    page = graded.page("edits")
    assert page.count("Task not done yet") == 1


def test_the_written_answer_is_left_to_the_teacher(graded):
    assert graded.rows[ZOE]["to read"] == "explain"
    assert graded.rows["edits"]["to read"] == ""


def test_it_says_how_far_it_is_and_whom_to_look_at(graded):
    *_, last, look = graded.said.strip().splitlines()
    line = rf"(?m)^\[\d+/13\] {re.escape(ZOE)}: 30 of 30 points; explain: to read \(\d+ s\)$"
    assert re.search(line, graded.said)
    assert last.startswith("13 graded: ")
    assert look.endswith(": archive, empty, link, no notebook, two")


# --- Restoring cells ------------------------------------------------------------------------------


def restore(notebook, released, folder):
    nbformat.write(notebook, folder / "a.ipynb")
    return submission.restore(submission.read(folder / "a.ipynb"), released)


def test_deleted_cells_are_put_back_behind_their_task_or_at_the_end(released, tmp_path):
    notebook = tiny_class.answers(released)
    gone = ("check-double", "add", "check-add", "explain")
    notebook.cells = [c for c in notebook.cells if tiny_class.grade_id(c) not in gone]
    notebook.cells.append(new_code_cell("elsewhere = 1"))
    restored, remarks = restore(notebook, released, tmp_path)
    assert [tiny_class.grade_id(cell) for cell in restored.cells if cell.metadata] == [
        "double", "check-double", "square", "explain", "check-square", "check-add",
    ]  # fmt: skip
    assert restored.cells[-2].source == "elsewhere = 1"
    assert remarks == ["Deleted cells were put back: check-double, explain, check-add."]


def test_of_copies_the_last_answer_counts_and_never_a_stub(released, tmp_path):
    notebook = tiny_class.answers(released, square=None)
    stub = next(cell for cell in notebook.cells if tiny_class.grade_id(cell) == "square")
    first, last = (new_code_cell(f"x = {n}", metadata=stub.metadata) for n in (1, 2))
    notebook.cells = [first, last, *notebook.cells]
    restored, _ = restore(notebook, released, tmp_path)
    kept = [cell.source for cell in restored.cells if tiny_class.grade_id(cell) == "square"]
    assert kept == ["x = 2"]


def test_a_notebook_without_metadata_gets_the_check_cells_at_its_end(released, tmp_path):
    """As an editor saves it that drops what it does not know."""
    notebook = tiny_class.answers(released)
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell.id = {}, f"other-{number}"
    restored, remarks = restore(notebook, released, tmp_path)
    added = restored.cells[len(notebook.cells) :]
    assert [tiny_class.grade_id(cell) for cell in added] == [
        "check-double", "check-square", "explain", "check-add",
    ]  # fmt: skip
    assert remarks == [
        "None of its cells has a name of the lab: another notebook, or an editor lost them."
    ]


# --- More runs ------------------------------------------------------------------------------------


def test_rows_of_others_stay_and_again_gives_the_same(quick, lab, tmp_path):
    """With files that are not notebooks, so that nothing has to be run."""
    folder, out = tmp_path / "in", tmp_path / "in" / "out"
    folder.mkdir()
    run = functools.partial(grade.grade_folder, folder, out, LIMITS, lab=lab)
    (folder / "b.txt").touch()
    run()
    first = (out / "grades.csv").read_bytes()
    run()
    assert (out / "grades.csv").read_bytes() == first
    (folder / "b.txt").rename(folder / "b.zip")
    for name in ("a", "c"):
        (folder / f"{name}.txt").touch()
    run(new=True)
    assert list(rows_of(out)) == ["a", "b", "c"] and "b.txt" in rows_of(out)["b"]["remarks"]
    run(only=["b"])
    assert list(rows_of(out)) == ["a", "b", "c"] and "b.zip" in rows_of(out)["b"]["remarks"]
    with pytest.raises(LabError, match="no submission of d"):
        run(only=["d"])
    (out / "grades.csv").write_text("student,other\na,1\n", encoding="utf-8")
    with pytest.raises(LabError, match="other columns"):
        run(new=True)


def test_an_interrupted_run_keeps_those_that_were_done(quick, lab, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "in" / f"{name}.txt").touch()
    refuse = grade.refusal

    def refuse_one(submission, *arguments):
        if submission.student == "b":
            raise KeyboardInterrupt
        return refuse(submission, *arguments)

    monkeypatch.setattr(grade, "refusal", refuse_one)
    with pytest.raises(KeyboardInterrupt):
        grade.grade_folder(tmp_path / "in", tmp_path / "out", LIMITS, lab=lab)
    assert list(rows_of(tmp_path / "out")) == ["a"]


def test_a_run_that_watches_itself_no_more_is_ended(quick, lab, released, tmp_path, monkeypatch):
    """Also without namespaces, which are hidden here."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.setattr(wall, "can_unshare", lambda: False)
    monkeypatch.setattr(grade, "longest", lambda *_: 5)
    (tmp_path / "in").mkdir()
    endless = {tiny_class.TRAINING: "import time\nwhile True:\n    time.sleep(984)"}
    nbformat.write(tiny_class.answers(released, **endless), tmp_path / "in" / "a.ipynb")
    limits = dataclasses.replace(LIMITS, minutes=9)
    grade.grade_folder(tmp_path / "in", tmp_path / "out", limits, lab=lab)
    assert "grading was stopped" in rows_of(tmp_path / "out")["a"]["remarks"]
    ours = [process for process in psutil.process_iter() if str(tmp_path) in command_of(process)]
    assert not [process for process in ours if "lab.grading.submission" in command_of(process)]


def command_of(process):
    return " ".join(wall.ask(process, "cmdline", []))


def test_without_namespaces_all_that_was_started_is_found(tmp_path):
    """Here by what its environment says; it has left its parent, its group and its session."""
    code = "import os, subprocess, sys; os.fork() and os._exit(0); os.setsid(); os.fork() and os."
    code += "_exit(0); subprocess.run([sys.executable, '-c', 'import time; time.sleep(985)'])"
    subprocess.run([sys.executable, "-c", code], env={"HOME": str(tmp_path)}, check=True)
    for _ in range(100):
        if len(wall.family(tmp_path)) >= 2:
            break
        time.sleep(0.1)
    members = wall.family(tmp_path)
    assert wall.kill_family(tmp_path)
    assert len(members) >= 2 and not wall.family(tmp_path)


def test_wall_on_its_own(tmp_path):
    """Landlock, without namespaces: files, network and signals."""
    if wall.landlock_version() < 6:
        pytest.skip("this machine's Landlock has no signals")
    (tmp_path / "open").mkdir()
    (tmp_path / "secret").write_text("x")
    code = f"""
import os, pathlib, socket
def refused(act):
    try:
        act()
    except PermissionError:
        return True
secret = pathlib.Path({str(tmp_path / "secret")!r})
pathlib.Path({str(tmp_path / "open" / "file")!r}).write_text('x')
print(refused(secret.read_text), refused(lambda: secret.write_text('y')), refused(secret.unlink),
      refused(lambda: os.truncate(secret, 0)), refused(lambda: os.kill(os.getppid(), 9)),
      refused(lambda: socket.create_connection(('127.0.0.1', 9))))"""
    walls = run.walls(tmp_path, LIMITS, {})
    walls["write"] = [str(tmp_path / "open")]
    command = [sys.executable, wall.__file__, json.dumps(walls), sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.stdout.split() == ["True"] * 6, ran.stderr


def test_checks_that_do_not_load_stop_the_grading_before_it_begins(lab, tmp_path):
    broken = Path(shutil.copytree(lab, tmp_path / "lab"))
    (broken / "checks" / "__init__.py").write_text("import nowhere\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.ipynb").touch()
    with pytest.raises(LabError, match="do not load .*nowhere"):
        grade.grade_folder(tmp_path / "in", tmp_path / "out", LIMITS, lab=broken)
    assert not (tmp_path / "out").exists()


def test_submissions_use_the_copy_of_the_package_that_the_grader_runs(lab, tmp_path):
    (tmp_path / "course").mkdir()
    folder = grade.prepare(tmp_path / "run", tmp_path / "course", lab)
    code = "import segmentation_tf; print(segmentation_tf.__file__)"
    base = grade.chosen_variables(folder)
    limited = wall.command(run.walls(folder, LIMITS, base), [sys.executable, "-c", code])
    variables = run.environment(folder, base)
    ran = subprocess.run(limited, env=variables, cwd=folder / "work", capture_output=True)
    expected = folder / "lib" / "segmentation_tf" / "__init__.py"
    assert ran.stdout.decode().strip() == str(expected), ran.stderr


# --- What is refused before anything runs ---------------------------------------------------------


def test_where_the_wall_refuses_the_checks_it_says_which_option_helps(
    quick, lab, tmp_path, monkeypatch
):
    (tmp_path / "a.ipynb").touch()
    monkeypatch.setattr(grade, "rehearse", lambda *_: "PermissionError: [Errno 13] '/x'")
    with pytest.raises(LabError, match="do not load .*'/x'; .* --read FOLDER"):
        grade.grade_folder(tmp_path, tmp_path / "out", LIMITS, lab=lab)


def test_what_submissions_may_read_holds_no_solution_and_no_submission(lab, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").touch()
    (tmp_path / "link").symlink_to(lab / "solution")
    for folder in (tmp_path, tmp_path / "in", tmp_path / "link", lab, tmp_path / "in" / "deep"):
        limits = dataclasses.replace(LIMITS, read=(str(folder),))
        with pytest.raises(LabError, match=f"--read {re.escape(str(folder))}: .* must not read"):
            grade.grade_folder(tmp_path / "in", tmp_path / "out", limits, lab=lab)
    grade.check_readable([str(tmp_path / "inner")], [tmp_path / "in"])


def test_what_is_wrong_is_said_before_data_are_drawn(quick, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("MADS_ROOT", raising=False)
    monkeypatch.setattr(grade, "drawn_data", lambda: pytest.fail("data were drawn"))
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    assert grade.main([str(folder)]) == 2 and "holds no sub" in capsys.readouterr().err
    (folder / "a.txt").touch()
    assert grade.main([str(folder), "--only", "b"]) == 2
    assert "no submission of b" in capsys.readouterr().err
    out.mkdir()
    (out / "grades.csv").write_text("student,other\na,1\n", encoding="utf-8")
    assert grade.main([str(folder), "--new", "--out", str(out)]) == 2
    assert "other columns" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["minutes", "memory", "disk"])
@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "many"])
def test_limits_are_positive_numbers(option, text, tmp_path, capsys):
    with pytest.raises(SystemExit):
        grade.main([str(tmp_path), f"--{option}={text}"])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f"argument --{option}: {text!r} is not a positive number")


@pytest.mark.parametrize(
    "text", ["no JSON {", "[1, 2]", '{"cells": [{}], "metadata": 3}', "null", "[" * 10**6]
)
def test_a_file_that_is_not_a_notebook_is_refused(text, tmp_path):
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(submission.Unusable, match="not a Jupyter notebook"):
        submission.read(tmp_path / "a.ipynb")


def test_endless_notebooks_and_files_are_refused(tmp_path):
    cells = [new_code_cell("x", id=f"x-{n}") for n in range(submission.MOST_CELLS + 1)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    with pytest.raises(submission.Unusable, match="too long"):
        submission.read(tmp_path / "a.ipynb")
    with open(tmp_path / "b.ipynb", "wb") as file:
        file.truncate(grade.LARGEST + 1)
    os.mkfifo(tmp_path / "c.ipynb")
    for name, words in (("b", "more than 50"), ("c", "special file")):
        with pytest.raises(LabError, match=words):
            grade.check_file(tmp_path / f"{name}.ipynb")


def test_half_a_letter_does_no_harm(released, tmp_path):
    """JSON may hold half of a character; UTF-8, in which all is written, may not."""
    text = nbformat.writes(released).replace("Three tasks", "Three \\ud83d tasks")
    (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
    assert "Three ? tasks" in submission.read(tmp_path / "a.ipynb").cells[0].source


HONEST = "%matplotlib inline\nimport numpy as np\nx = np.zeros(3)\nx[0], d = 1, {}\nd['a'] = 2"
OF_A_CLASS = "class A:\n    def __init__(self):\n        self.x = 1\nplt.rcParams['a'] = 3"


@pytest.mark.parametrize(
    "code, found",
    [
        (HONEST, []),
        (OF_A_CLASS, []),
        ("import numpy as np\nnp.allclose = max", ["np.allclose"]),
        ("!ls\nimport sys\ndel sys.modules['lab']", ["modules"]),
    ],
)
def test_what_deceives_the_checks_is_worth_a_look_and_nothing_else_is(code, found, released):
    notebook = nbformat.v4.new_notebook(cells=[new_code_cell(code)])
    assert submission.suspects(notebook, released) == found


def test_a_name_for_each_entry_and_none_for_stray_ones(tmp_path):
    for name in ("Ana.ipynb", "ana.zip", "Thumbs.db", "._x.ipynb", "bob.ipynb", "bob.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "__MACOSX").mkdir()
    names, unusable = ["Ana", "ana_", "bob.ipynb", "bob.txt"], [False, True, False, True]
    if sys.platform == "linux":  # a Mac refuses to write a name that is not UTF-8
        (tmp_path / os.fsdecode(b"caf\xe9.ipynb")).write_text("x")
        names, unusable = [*names, "caf\N{REPLACEMENT CHARACTER}"], [*unusable, False]
    found = grade.find_submissions(tmp_path, "Tiny.ipynb", None)
    assert [submission.student for submission in found] == names
    assert [submission.file is None for submission in found] == unusable


def test_command_line_says_what_is_wrong(capsys):
    assert grade.main(["nowhere"]) == 2
    assert "nowhere: is not a folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        grade.main([])


def test_make_grade_asks_for_the_folder():
    ran = subprocess.run(["make", "grade"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode and "make grade SUBMITTED=" in ran.stderr and ran.stderr.count("\n") == 1
