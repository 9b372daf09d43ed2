"""python -m lab.grade on a tiny lab: good, bad and hostile submissions, all of one class.

They are graded once, in one folder, so that no submission may stop or change the others.
"""

import contextlib
import csv
import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import psutil
import pytest

import tiny_class
import tiny_lab
from lab.checks.values import Failure, Malformed, Other, decode, encode
from lab.grading import grade, run, submission, wall
from lab.grading.feedback import Table, TableError
from lab.grading.grade import GradingError
from lab.grading.submission import plain

ROOT = Path(__file__).resolve().parents[2]
LIMITS = grade.Limits(
    seeds=(7, 10), minutes=0.2, check_seconds=4, memory=0.6, processes=30, disk=0.03
)
walled = pytest.mark.skipif(
    bool(wall.find_trouble()), reason=f"no sandbox: {wall.find_trouble()}; the walls are not tested"
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return tiny_lab.make(tmp_path_factory.mktemp("a lab") / "lab")


@dataclasses.dataclass
class Graded:
    """A class that was graded: rows of the table by student, folder of the pages, what was said."""

    rows: dict
    out: Path
    said: str

    def page(self, student):
        return (self.out / f"{student}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def graded(lab, tmp_path_factory):
    folder = tmp_path_factory.mktemp("a class") / "handed in"
    tiny_class.hand_in(folder)
    out = folder.with_name("handed in-graded")
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET_OF_THE_TEACHER", "swordfish")
        patch.setattr(run, "GRACE", 5)
        patch.setattr(run, "QUICK", 0.3)
        assert grade.grade_folder(folder, out, LIMITS, lab=lab) == 0
    return Graded(rows_of(out), out, said.getvalue())


def rows_of(out):
    with open(out / "grades.csv", encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


# --- What each one gets ---------------------------------------------------------------------------


@walled
@pytest.mark.parametrize("student", tiny_class.TRIALS)
def test_points_and_reason(graded, student):
    handed, row = tiny_class.TRIALS[student], graded.rows[student]
    assert float(row["total"]) == handed.got, row
    assert re.search(handed.remarks, row["remarks"]), row
    assert re.search(handed.page, graded.page(student), re.DOTALL), graded.page(student)


@walled
@pytest.mark.parametrize(
    "student, total, remarks",
    [
        ("Zoë D'Ávila (2)", 30, "^First error, in the cell '1 .': SyntaxError"),
        ("Eva", 30, "does not end in .ipynb: Eva.ipynb.txt"),
        (".Dot", 30, "^First error, in the cell '1 .': SyntaxError"),
        ("~T", 30, "^First error, in the cell '1 .': SyntaxError"),
        ("'\uff1dtwo", 30, "^First error, in the cell '1 .': SyntaxError"),
        ("empty", 0, "The file is empty"),
        ("archive", 0, "not a notebook: archive.zip"),
        ("link", 0, "It is a link"),
        ("no notebook", 0, "no notebook in the folder"),
    ],
)
def test_names_and_files(graded, student, total, remarks):
    row = graded.rows[student]
    assert float(row["total"]) == total and re.search(remarks, row["remarks"])
    assert row["to read"] == ("answer-7" if total else "")
    assert len(graded.rows) == len(tiny_class.TRIALS) + 9


@walled
def test_the_written_answer_is_found_where_it_was_written(graded):
    assert graded.rows["right"]["to read"] == "answer-7" and not graded.rows["wrong"]["to read"]
    assert "It fails where the number is dark." in graded.page("right")
    above, _, _ = graded.page("Eva").partition("The notebook as it ran")
    assert "My answer: where\nit is dark." in above


@walled
def test_no_submission_leaves_anything_behind(graded):
    alive = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    lines = [" ".join(line) for line in alive]
    assert not [line for line in lines if "time.sleep(987" in line]
    ours = [run.ask(process, "cmdline") or [] for process in run.family(os.getpid())]
    assert not [line for line in ours if "lab.grading.inside" in line]
    assert {path.suffix for path in graded.out.iterdir()} == {".csv", ".html"}


PNG = "data:image/png;base64,AA=="
ALLOWED = set("lang charset http-equiv content name class alt src id href".split())


class Reader(HTMLParser):
    """Collects the tags of a page and their attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


@walled
def test_pages_hold_our_markup_alone(graded):
    ours = set("html head meta title style body h1 h2 h3 p strong table tr th td pre img a".split())
    for page in graded.out.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        tags = Reader(text).tags
        assert {tag for tag, _ in tags} <= ours and not re.search("[\x00-\x08\x1b\u202e]", text)
        assert "default-src 'none'" in tags[3][1]["content"]
        for _, attributes in tags:
            assert set(attributes) <= ALLOWED
            assert re.fullmatch(r"#[\w-]+", attributes.get("href", "#x"))
            assert re.match(r"data:image/png;base64,[\w+/=]+$", attributes.get("src", PNG))


@walled
def test_it_says_how_far_it_is_and_whom_to_look_at(graded):
    count = len(graded.rows)
    line = rf"(?m)^\[\d+/{count}\] right: 30 of 30 points; answer-7: to read \(\d+ s\)$"
    assert re.search(line, graded.said)
    assert graded.said.splitlines()[-1].endswith(": archive, empty, link, no notebook")


@walled
def test_what_lies_within_a_folder_that_is_bound_is_covered(tmp_path, monkeypatch):
    """As a course below /opt or /usr would be, or submissions within it."""
    course, python = tmp_path / "opt" / "course", tmp_path / "opt" / "course" / ".venv"
    for folder in (course / "lab" / "solution", tmp_path / "opt" / "in", python):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    monkeypatch.setattr(wall, "COURSE", course)
    monkeypatch.setattr(wall, "SYSTEM", [*wall.SYSTEM, str(tmp_path / "opt")])
    monkeypatch.setattr(sys, "prefix", str(python))
    place = wall.Place(True, hidden=(tmp_path / "opt" / "in",))
    command = [*wall._wall(LIMITS, place), "find", str(tmp_path / "opt"), "-name", "file"]
    seen = subprocess.run(command, capture_output=True, text=True)
    assert seen.stdout.splitlines() == [str(python / "file")], seen.stderr


def test_trusted_grades_without_a_wall(lab, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("right", "ends", "deaf", "takes memory"):
        nbformat.write(tiny_class.TRIALS[name].notebook(), tmp_path / "in" / f"{name}.ipynb")
    grade.grade_folder(tmp_path / "in", tmp_path / "out", LIMITS, lab=lab, trusted=True)
    assert "can read, change\nand send" in capsys.readouterr().out
    assert [row["total"] for row in rows_of(tmp_path / "out").values()] == ["30"] * 4


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_sigterm_ends_all_and_removes_all(tmp_path):
    """Without a wall, where it matters most; the lab's own notebook is not needed to see it."""
    (tmp_path / "in").mkdir()
    nbformat.write(tiny_class.HONEST["deaf"].notebook(), tmp_path / "in" / "a.ipynb")
    command = [sys.executable, "-c", SIGTERM_CODE, str(tmp_path)]
    path = f"{ROOT}:{ROOT / 'tests' / 'helpers'}"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": path}
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    for _ in range(300):
        if list(tmp_path.glob("lab-*/started")):
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    assert not list(tmp_path.glob("lab-*"))
    folders = [process.info["cwd"] or "" for process in psutil.process_iter(["cwd"])]
    assert not [folder for folder in folders if folder.startswith(str(tmp_path))]


SIGTERM_CODE = """
import sys, tiny_class, tiny_lab, pathlib, nbformat
from lab.grading import grade
folder = pathlib.Path(sys.argv[1])
grade.Lab = lambda lab=tiny_lab.make(folder / "lab"): lab
deaf = tiny_class.training("open('started', 'w').close()\\nimport time\\ntime.sleep(99)")
nbformat.write(deaf.notebook(), folder / "in" / "a.ipynb")
sys.exit(grade.main([str(folder / "in"), "--trusted"]))
"""

# --- Which ones are graded ------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """Grade without a sandbox: the files are not notebooks, so that nothing runs."""
    monkeypatch.setattr(grade, "rehearse", lambda *_: None)
    monkeypatch.setattr(wall, "find_trouble", lambda: "")


def test_rows_of_others_stay_and_again_gives_the_same(quick, lab, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "in" / "out"
    folder.mkdir()

    def run(**options):
        grade.grade_folder(folder, out, LIMITS, lab=lab, **options)
        return rows_of(out)

    (folder / "b.txt").touch()
    run()
    first = (out / "grades.csv").read_bytes()
    run()
    assert (out / "grades.csv").read_bytes() == first
    (folder / "b.txt").rename(folder / "b.zip")
    for name in ("a", "c"):
        (folder / f"{name}.txt").touch()
    rows = run(new=True)
    assert list(rows) == ["a", "b", "c"] and "b.txt" in rows["b"]["remarks"]
    rows = run(only=["b"])
    assert list(rows) == ["a", "b", "c"] and "b.zip" in rows["b"]["remarks"]
    with pytest.raises(GradingError, match="no submission of d"):
        run(only=["d"])
    (out / "grades.csv").write_text("student,other\na,1\n", encoding="utf-8")
    with pytest.raises(TableError, match="other columns"):
        run(new=True)


def test_an_interrupted_run_keeps_those_that_were_done(quick, lab, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "in" / f"{name}.txt").touch()
    grade_one = grade.grade_one

    def interrupted(one, *arguments):
        if one.student == "b":
            raise KeyboardInterrupt
        return grade_one(one, *arguments)

    monkeypatch.setattr(grade, "grade_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        grade.grade_folder(tmp_path / "in", tmp_path / "out", LIMITS, lab=lab)
    assert list(rows_of(tmp_path / "out")) == ["a"]


def test_names_are_different_in_the_table_and_stray_files_have_none(tmp_path):
    names = "Ana.ipynb", "ana.zip", "Bo Li.ipynb", "Bo  Li.ipynb", "Bo\u200bLi.zip", "c.ipynb"
    names = (*names, "c.txt")
    for name in (*names, "Thumbs.db", "._x.ipynb", "~$c.docx"):
        (tmp_path / name).write_text("x")
    (tmp_path / "__MACOSX").mkdir()
    found = submission.find_submissions(tmp_path, "Tiny.ipynb", tmp_path / "out")
    students = [one.student for one in found]
    assert len(set(map(str.casefold, students))) == len(names)
    assert students == ["Ana", "Bo Li", "Bo Li_2", "Bo Li_3", "ana_2", "c.ipynb", "c.txt"]


def test_long_names_fit_a_file_and_semicolons_a_cell(tmp_path):
    for number in range(3):
        (tmp_path / ("\N{EGYPTIAN HIEROGLYPH A001}" * 59 + str(number))).write_text("x")
    found = submission.find_submissions(tmp_path, "Tiny.ipynb", tmp_path / "out")
    assert len({one.student for one in found}) == len(found)
    assert all(len(one.student.encode()) < 240 for one in found)
    table = Table(tmp_path / "out", [])
    table.add("Bo;100;=1", [], [])
    assert '"Bo;100;=1","0"' in table.path.read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="a Mac refuses a name that is not UTF-8")
def test_a_name_that_is_not_utf8_gets_a_row(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.ipynb")).write_text("x")
    (found,) = submission.find_submissions(tmp_path, "Tiny.ipynb", tmp_path / "out")
    assert found.student == "caf\N{REPLACEMENT CHARACTER}"


# --- What is refused before anything runs ---------------------------------------------------------


def test_without_a_wall_it_says_what_to_do(lab, tmp_path, monkeypatch):
    (tmp_path / "a.ipynb").touch()
    monkeypatch.setattr(wall, "find_trouble", lambda: "bubblewrap is not installed")
    with pytest.raises(GradingError, match="(?s)bubblewrap is not.*teacher.md.*--trusted"):
        grade.grade_folder(tmp_path, tmp_path / "out", LIMITS, lab=lab)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["nowhere"], "nowhere: is not a folder"),
        (["empty"], "holds no submissions"),
        (["one", "--only", "b"], "no submission of b"),
        (["one", "--out", "one"], "is the folder with the submissions"),
        (["one-graded"], "holds grades.csv"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, words, quick, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "one", "one-graded"):
        Path(folder).mkdir()
    Path("one/a.txt").touch()
    Path("one-graded/grades.csv").touch()
    assert grade.main(arguments) == 2 and words in capsys.readouterr().err


@pytest.mark.parametrize("option", ["minutes", "memory", "disk"])
@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "many"])
def test_limits_are_positive_numbers(option, text, tmp_path, capsys):
    with pytest.raises(SystemExit):
        grade.main([str(tmp_path), f"--{option}={text}"])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f"argument --{option}: {text!r} is not a positive number")


def test_make_grade_asks_for_the_folder():
    ran = subprocess.run(["make", "grade"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode and "make grade SUBMITTED=" in ran.stderr and ran.stderr.count("\n") == 1


NOT_NOTEBOOKS = ["no JSON {", "[1, 2]", '{"cells": [{}]}', "null", "[" * 10**6, '{"cells": 5}']


@pytest.mark.parametrize("text", NOT_NOTEBOOKS, ids=range(len(NOT_NOTEBOOKS)))
def test_a_file_that_is_not_a_notebook_is_refused(text, tmp_path):
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(submission.Unusable, match="not a Jupyter notebook"):
        submission.read(tmp_path / "a.ipynb")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes among its files")
def test_endless_notebooks_and_files_are_refused(tmp_path):
    cells = [{"cell_type": "code", "source": "x"}] * (submission.MOST_CELLS + 1)
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
    with pytest.raises(submission.Unusable, match="too long"):
        submission.read(tmp_path / "a.ipynb")
    with open(tmp_path / "b.ipynb", "wb") as file:
        file.truncate(submission.LARGEST + 1)
    os.mkfifo(tmp_path / "c.ipynb")
    _, b, c = submission.find_submissions(tmp_path, "Tiny.ipynb", tmp_path / "out")
    assert "more than 50" in b.remark and "special file" in c.remark


def test_half_a_letter_does_no_harm(tmp_path):
    """JSON may hold half of a character; UTF-8, in which all is written, may not."""
    text = nbformat.writes(tiny_lab.notebook()).replace("Three tasks", "Three \\ud83d tasks")
    (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
    assert "Three ? tasks" in submission.read(tmp_path / "a.ipynb")[0].source


@pytest.mark.parametrize("text", ["=1", "+1", "@a", "\t=1", "\u202e=1", "\uff1d1", "\uff0b1"])
def test_a_spreadsheet_runs_no_cell(text):
    assert plain(text).startswith("'") and plain("a\n\u202eb") == "a b"


# --- Values that cross the wall -------------------------------------------------------------------


def test_values_come_back_as_they_were():
    value = {"a": (1, 2.5, None, True), "b": ["x", Other("Path", "y")], 3: float("inf")}
    assert decode(encode(value)) == value
    failure = Failure("ValueError", "bad", ["line"], stub=False)
    assert decode(encode(failure)) == failure


@pytest.mark.parametrize(
    "text",
    [
        "{", '{"array": ["object", [1], "AA=="]}', '{"array": ["float64", [9], "AA=="]}',
        '{"array": ["uint8", [-1], ""]}', '{"array": ["uint8", [1], "?"]}', '{"tuple": 5}',
        "[" * 10**5, "[" * 50 + "]" * 50, '{"dict": [[[], 1]]}', '{"other": []}', "{}",
        '{"pickle": "x"}', "9" * 5000, str(2**61 - 1), '{"dict": [[1.5, 1]]}',
        "[0" + ",0" * 3 * 10**6 + "]", "[" + "[]," * 10**6 + "1]",
        '{"array": ["uint8", [' + "9" * 4000 + '], ""]}',
    ],
)  # fmt: skip
def test_what_is_no_value_is_refused(text):
    with pytest.raises(Malformed):
        decode(text)


@pytest.mark.skipif(grade.resource is None, reason="Windows has no such limits")
def test_judging_ends_whatever_a_check_meets():
    with pytest.raises(run.Unanswered, match="took too long"), grade.at_most(0.05):
        while True:
            pass
