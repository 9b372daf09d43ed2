"""lab/grade.py on a tiny lab: good, bad and hostile submissions, all of one class.

They are graded once, in one folder, so that none may stop or change the others.
"""

import contextlib
import copy
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
from nbformat.v4 import new_code_cell, new_markdown_cell

import tiny_lab
from lab.grading import grade, release, run, submission, wall
from lab.grading.course import LabError

pytestmark = pytest.mark.skipif(wall.resource is None, reason="grading needs Linux or macOS")

ROOT = Path(__file__).resolve().parents[2]
RIGHT = {
    "double": "def double(n):\n    return n + n",
    "square": "def square(n):\n    return n ** 2",
    "add": "def add(n, m):\n    return m + n",
    "explain": "It fails where the number is dark.",
}
LIMITS = grade.Limits(minutes=0.1, check_seconds=3, memory=0.7, processes=30, disk=0.05)


def answers(released, **sources):
    """The student's version with right answers, or those that are given; None leaves the stub."""
    notebook = copy.deepcopy(released)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", cell.id)
        source = (RIGHT | sources).get(name)
        if source is not None and not cell.metadata.get("nbgrader", {}).get("locked"):
            cell.source = source
    return notebook


# --- The class ----------------------------------------------------------------------------------

TRAINING = "tiny-06"  # a cell without points, before the tasks square and add


def right(released):
    """With a line of shell, of which nothing is left but that it does no harm."""
    return answers(released, **{TRAINING: "!echo hello\ntrained = double(21)"})


def untouched(released):
    return released


def wrong(released):
    """Wrong in one task; another is right for the number that everybody sees, and only for it."""
    return answers(
        released, double="def double(n):\n    return 3 * n", square="def square(n):\n    return 9"
    )


def hangs(released):
    """In a cell without points, and deaf to being interrupted; and in a task."""
    deaf = "import time\nwhile True:\n    try:\n        time.sleep(9)\n    except BaseException:\n"
    endless = "def square(n):\n    while True:\n        pass"
    return answers(released, **{TRAINING: deaf + "        pass"}, square=endless)


def crashes(released):
    """The kernel ends in a cell without points, and in the middle of a check."""
    return answers(
        released,
        **{TRAINING: "import os\nos._exit(0)"},
        square="def square(n):\n    import os\n    os.abort()",
    )


def leaves(released):
    """The polite ways out: exit() in a cell, sys.exit() in a task."""
    return answers(
        released,
        **{TRAINING: "helper = 1\nexit()"},
        square="import sys\ndef square(n):\n    sys.exit()",
        add="def add(n, m):\n    return n + m",
    )


FORKS = """import os, subprocess, sys, time
if not os.fork():
    os.setsid()
    if not os.fork():
        os.environ.clear()
        os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(987)"], {})
    os._exit(0)
for _ in range(200):
    if not os.fork():
        time.sleep(986)
        os._exit(0)
time.sleep(60)"""


def forks(released):
    return answers(released, **{TRAINING: FORKS})


def hogs(released):
    """Memory bit by bit, and at once."""
    bits = "import time\nkept = []\nwhile True:\n    kept.append(b'x' * 20_000_000)\n"
    return answers(
        released,
        **{TRAINING: bits + "    time.sleep(.01)"},
        square="def square(n):\n    return len(bytes(100 << 30))",
    )


def writes(released):
    """Into other folders, a large file, many files; and prints without end."""
    code = """import os, pathlib, time
told = []
for place in FORBIDDEN:
    try:
        (pathlib.Path(place) / 'written-by-a-submission').write_text('x')
        told.append(place)
    except OSError:
        pass
try:
    with open('large', 'wb') as file:
        for _ in range(200):
            file.write(bytes(1 << 20))
except OSError:
    print('no large file')
os.remove('large')
print('written to', told)
print('knows', [name for name in os.environ if 'SECRET' in name], os.environ['HOME'])
for _ in range(200):
    print('flood ' * 20_000, flush=True)
time.sleep(.5)
for number in range(1000):
    pathlib.Path(f'{number}.bin').write_bytes(bytes(1 << 20))
time.sleep(60)""".replace("FORBIDDEN", repr([str(ROOT), str(ROOT / "lab"), "/tmp", "/var/tmp"]))
    return answers(released, **{TRAINING: code})


def deletes(released):
    """Two check cells are gone, one of them with its task, whose function stands elsewhere."""
    notebook = answers(released)
    gone = ("check-double", "add", "check-add", "explain")
    notebook.cells = [
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") not in gone
    ]
    notebook.cells.append(new_code_cell(RIGHT["add"]))
    return notebook


def edits(released):
    """Check cells that pass whatever is there; points, types and names changed; a copy on top."""
    notebook = answers(released, double="def double(n):\n    return 0", square=None)
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("grade_id") == "check-double":
            cell.source, about["points"] = "print('Task 1 passed.')", 1000
        elif about.get("grade_id") == "check-square":
            cell.source, cell.metadata = "print('passed')", {"nbgrader": {"grade_id": "check-add"}}
        elif about.get("grade_id") == "check-add":
            about |= {"grade": False, "locked": False, "schema_version": 99, "solution": "?"}
    notebook.cells.insert(0, copy.deepcopy(notebook.cells[3]))
    notebook.cells[0].update(source="copied = 1", id="copy")
    odd = new_code_cell("", metadata={"nbgrader": {"grade_id": ["?"], "points": "many"}})
    notebook.cells.append(odd)
    return notebook


PATCHES = """import builtins, math, sys
from lab import checks as real
class Pass:
    def __getattr__(self, name):
        return lambda *arguments, **options: None
real.check_double = real.check_square = real.check_add = lambda *a, **o: None
real.Hint = type('Hint', (Exception,), {'__new__': lambda *a: None})
checks = sys.modules['lab.checks'] = sys.modules['lab'] = Pass()
builtins.AssertionError = builtins.print = builtins.__import__
math.isclose = lambda *numbers: True
get_ipython().input_transformers_cleanup.append(lambda lines: ['pass'])
"""


def patches(released):
    """Deceives the checks in the ways that are known; nothing is right."""
    wrong = {name: f"def {name}(*numbers):\n    return 0" for name in ("double", "square", "add")}
    return answers(released, **wrong | {TRAINING: PATCHES})


EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>"


def injects(released):
    svg = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(5)"/>'
    picture = {"text/plain": "x", "image/png": 'AA"><script>alert(6)</script>'}
    shown = f"""from IPython.display import *
display(HTML({EVIL!r}), Javascript('alert(4)'), SVG({svg!r}), Image(data=b'1', format='png'))
print({EVIL!r}, chr(0xd83d))
display({picture!r}, raw=True)"""
    notebook = answers(
        released,
        **{TRAINING: shown},
        double=f"def double(n):\n    raise ValueError({EVIL!r})",
        explain=f"{EVIL}\n\n[x](javascript:alert(7)) and *plain* words.",
    )
    notebook.cells.append(new_markdown_cell("<iframe src='http://127.0.0.1'></iframe>"))
    notebook.metadata["title"] = "</title>" + EVIL
    return notebook


def stripped(released):
    """Saved by an editor that drops what it does not know: no metadata, other ids."""
    notebook = answers(released)
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell.id = {}, f"other-{number}"
    return notebook


def stranger(released):
    """Another notebook altogether."""
    return nbformat.v4.new_notebook(cells=[new_code_cell("print('a lesson')")])


NOTEBOOKS = [
    right,
    untouched,
    wrong,
    hangs,
    crashes,
    leaves,
    forks,
    hogs,
    writes,
    deletes,
    edits,
    patches,
    injects,
    stripped,
    stranger,
]


def hand_in(folder, released):
    """Write the submissions of the class."""
    folder.mkdir()
    for make in NOTEBOOKS:
        nbformat.write(make(copy.deepcopy(released)), folder / f"{make.__name__}.ipynb")
    (folder / "empty.ipynb").touch()
    (folder / "text.ipynb").write_text("This is no notebook {", encoding="utf-8")
    (folder / "archive.zip").write_bytes(b"x")
    (folder / "right.png").write_bytes(b"x")
    (folder / "link.ipynb").symlink_to("right.ipynb")
    (folder / ".DS_Store").touch()
    (folder / "no notebook").mkdir()
    for name in ("Zoë D'Ávila (2)/deep", "=two"):
        (folder / name / ".ipynb_checkpoints").mkdir(parents=True)
        for place in (name, f"{name}/.ipynb_checkpoints"):
            nbformat.write(answers(released), folder / place / "Tiny.ipynb")
    nbformat.write(released, folder / "=two" / "Copy.ipynb")
    (folder / "two").mkdir()
    for name in ("a", "b"):
        nbformat.write(released, folder / "two" / f"{name}.ipynb")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return tiny_lab.write(tmp_path_factory.mktemp("a lab") / "lab")


@pytest.fixture(scope="module")
def released(lab):
    return nbformat.reads(release.student_version(lab), as_version=4)


@pytest.fixture(scope="module")
def graded(lab, released, tmp_path_factory):
    """The class graded: rows of the table by student, the folder of the pages, what was said."""
    folder = tmp_path_factory.mktemp("a class") / "handed in"
    hand_in(folder, released)
    out = folder.with_name("handed in-graded")
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET_OF_THE_TEACHER", "swordfish")
        assert grade.grade_folder(folder, out, LIMITS, lab=lab) == 0
    return rows_of(out), out, said.getvalue()


def rows_of(out):
    with open(out / "grades.csv", encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def points(row):
    return tuple(float(row[task]) for task in ("double", "square", "add"))


# --- What each one gets ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "student, got, words",
    [
        ("right", (10, 5, 15), ""),
        (
            "untouched",
            (0, 0, 0),
            "double: not done yet | square: not done yet | explain: no answer",
        ),
        ("wrong", (0, 0, 15), "add it to itself. | square: This is no square"),
        ("hangs", (10, 0, 15), "did not end in its time, 3 s"),
        ("crashes", (10, 0, 15), "square: the kernel ended while it ran"),
        ("leaves", (10, 0, 15), "square: SystemExit"),
        ("forks", (10, 5, 15), "it started"),
        ("hogs", (10, 0, 15), "it used more than 0.7 GB of memory"),
        ("writes", (10, 5, 15), "it wrote more than 0.05 GB"),
        ("deletes", (10, 5, 15), "Deleted cells were put back: check-double, explain, check-add."),
        ("edits", (0, 0, 15), "Changed check cells were put back as they were: check-double"),
        ("patches", (0, 0, 0), "Worth a look, its code touches"),
        ("injects", (0, 5, 15), "double: ValueError: <script>"),
        ("stripped", (10, 5, 15), "It holds none of the lab's cells"),
        ("stranger", (0, 0, 0), "It holds none of the lab's cells"),
        ("empty", (0, 0, 0), "The file is empty."),
        ("text", (0, 0, 0), "not a Jupyter notebook"),
        ("archive", (0, 0, 0), "It is no notebook: archive.zip"),
        ("link", (0, 0, 0), "It is a link"),
        ("no notebook", (0, 0, 0), "There is no notebook in the folder."),
        ("Zoë D'Ávila (2)", (10, 5, 15), ""),
        ("'=two", (10, 5, 15), "Of 2 notebooks in the folder, Tiny.ipynb was graded."),
        ("two", (0, 0, 0), "There are 2 notebooks in the folder"),
    ],
)
def test_points_and_reason(graded, student, got, words):
    row = graded[0][student]
    assert points(row) == got and words in row["remarks"], row
    assert float(row["total"]) == sum(got) and row["maximum"] == "30"


def test_no_submission_leaves_anything_behind(graded):
    alive = [wall.ask(process, "cmdline", []) for process in psutil.process_iter()]
    assert not [line for line in alive if "time.sleep(98" in " ".join(line)]
    for place in (ROOT, ROOT / "lab", Path("/tmp"), Path("/var/tmp")):
        file = place / "written-by-a-submission"
        assert not file.exists() or file.unlink() or wall.landlock_version() < 3


def test_what_a_submission_sees_and_says_is_limited(graded):
    page = page_of(graded, "writes")
    assert "no large file" in page and "knows []" in page and "swordfish" not in page
    assert wall.landlock_version() < 3 or "written to []" in page
    assert "characters left out" in page and len(page) < 100_000


def page_of(graded, student):
    return (graded[1] / f"{student}.html").read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Collects the tags of a page and their attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def test_every_student_has_a_page_without_scripts_and_in_one_file(graded):
    pages = {path.stem: path.read_text(encoding="utf-8") for path in graded[1].glob("*.html")}
    assert {grade.plain(name) for name in pages} == set(graded[0])
    for name, page in pages.items():
        tags = Reader(page).tags
        assert not {"script", "iframe", "svg", "object", "form", "link"} & {tag for tag, _ in tags}
        assert tags[3][0] == "meta" and "default-src 'none'" in tags[3][1]["content"], name
        for _, attributes in tags:
            assert not [key for key in attributes if key.startswith("on")]
            assert attributes.get("src", "data:").startswith("data:")
            assert not attributes.get("href", "").startswith(("javascript", "data"))


def test_page_shows_points_hints_and_the_notebook(graded):
    page = page_of(graded, "wrong")
    for words in (
        "15 of 30 points",
        "explain: to read",
        "add it to itself",
        "3 * n",
        "<strong>double: 0 points, of 10</strong>",
        "picture: 63",
    ):
        assert words in re.sub("</?span[^>]*>", "", page), words
    assert "picture: 42" in page_of(graded, "right")
    page = page_of(graded, "injects")
    assert "&lt;script&gt;alert(1)" in page and "<em>plain</em> words" in page
    assert "The file is empty." in page_of(graded, "empty")
    page = page_of(graded, "untouched")
    assert page.count("Task not done yet") == 4 and "checks.py" not in page


def test_the_written_answer_is_left_to_the_teacher(graded):
    assert graded[0]["right"]["to read"] == "explain"
    assert graded[0]["untouched"]["to read"] == graded[0]["deletes"]["to read"] == ""


def test_it_says_how_far_it_is_and_whom_to_look_at(graded):
    *_, last, look = graded[2].strip().splitlines()
    assert re.search(
        r"(?m)^\[\d+/23\] right: 30 of 30 points; explain: to read \(\d+ s\)$", graded[2]
    )
    assert last.startswith("23 graded: ") and look.endswith(
        ": archive, empty, link, no notebook, text, two"
    )


# --- More runs ------------------------------------------------------------------------------------


def test_rows_of_others_stay_and_again_gives_the_same(lab, tmp_path):
    """With files that are no notebooks, so that nothing has to be run."""
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


def test_an_interrupted_run_keeps_those_that_were_done(lab, tmp_path, monkeypatch):
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


def test_a_run_that_watches_itself_no_more_is_ended(lab, released, tmp_path, monkeypatch):
    """Also without namespaces, of which nobody is told here."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.setattr(wall, "can_unshare", lambda: False)
    monkeypatch.setattr(grade, "longest", lambda *_: 5)
    (tmp_path / "in").mkdir()
    endless = answers(released, **{TRAINING: "import time\nwhile True:\n    time.sleep(984)"})
    nbformat.write(endless, tmp_path / "in" / "a.ipynb")
    limits = dataclasses.replace(LIMITS, minutes=9)
    grade.grade_folder(tmp_path / "in", tmp_path / "out", limits, lab=lab)
    assert "grading was stopped" in rows_of(tmp_path / "out")["a"]["remarks"]
    assert not [
        p for p in psutil.process_iter() if "lab.grading.submission" in wall.ask(p, "cmdline", [])
    ]


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


def test_checks_that_do_not_load_stop_the_grading_before_it_begins(lab, tmp_path, capsys):
    broken = Path(shutil.copytree(lab, tmp_path / "lab"))
    (broken / "checks.py").write_text("import nowhere\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.ipynb").touch()
    with pytest.raises(LabError, match="do not load .*nowhere"):
        grade.grade_folder(tmp_path / "in", tmp_path / "out", LIMITS, lab=broken)
    assert not (tmp_path / "out").exists()


def test_submissions_use_the_copy_of_the_package_that_the_grader_runs(lab, tmp_path):
    (tmp_path / "course").mkdir()
    folder = grade.prepare(tmp_path / "run", tmp_path / "course", lab)
    code = "import segmentation_tf.datasets.mads as mads; print(mads.__file__)"
    base = grade.chosen_variables(folder)
    limited = wall.command(run.walls(folder, LIMITS, base), [sys.executable, "-c", code])
    ran = subprocess.run(
        limited, env=run.environment(folder, base), cwd=folder / "work", capture_output=True
    )
    assert ran.stdout.decode().strip() == str(folder / "lib/segmentation_tf/datasets/mads.py"), (
        ran.stderr
    )


def test_where_the_wall_refuses_the_checks_it_says_which_option_helps(lab, tmp_path, monkeypatch):
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


def test_what_is_wrong_is_said_before_data_are_drawn(tmp_path, capsys, monkeypatch):
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
    assert last.endswith(f"argument --{option}: {text!r} is no positive number")


@pytest.mark.parametrize("text", ["[1, 2]", '{"cells": [{}], "metadata": 3}', "null", "[" * 10**6])
def test_json_that_is_no_notebook_is_refused(text, tmp_path):
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
    for name, words in (("b", "more than 50"), ("c", "no ordinary file")):
        with pytest.raises(LabError, match=words):
            grade.check_file(tmp_path / f"{name}.ipynb")


def test_half_a_letter_does_no_harm(released, tmp_path):
    """JSON may hold half of a character; UTF-8, in which all is written, may not."""
    text = nbformat.writes(released).replace("Three tasks", "Three \\ud83d tasks")
    (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
    assert "Three ? tasks" in submission.read(tmp_path / "a.ipynb").cells[0].source


def test_what_deceives_the_checks_is_worth_a_look_and_nothing_else_is(released):
    honest = [
        "%matplotlib inline\nimport numpy as np\nx = np.zeros(3)\nx[0], d = 1, {}\nd['a'] = 2"
    ]
    honest += ["class A:\n    def __init__(self):\n        self.x = 1\nplt.rcParams['a'] = 3"]
    patches = ["import numpy as np\nnp.allclose = max", "!ls\nimport sys\ndel sys.modules['lab']"]
    for codes, found in ((honest, []), (patches, ["modules", "np.allclose"])):
        cells = [new_code_cell(code) for code in codes]
        assert submission.suspects(nbformat.v4.new_notebook(cells=cells), released) == found


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
    assert "nowhere: is no folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        grade.main([])


def test_make_grade_asks_for_the_folder():
    ran = subprocess.run(["make", "grade"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode and "make grade SUBMITTED=" in ran.stderr and ran.stderr.count("\n") == 1
