"""Grade a folder of submitted notebooks.

python -m lab.grade FOLDER       (or: make grade SUBMITTED=FOLDER)

FOLDER holds ana.ipynb, or ana/ with one notebook in it, for each student. Beside it, FOLDER-graded
gets grades.csv and a page for each student. lab/teacher.md says more.

Each notebook runs in a sandbox. Then the checks ask for the values of its functions, and judge them
here. What a notebook prints or claims brings no points.
"""

import argparse
import contextlib
import io
import math
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from tqdm import tqdm

from lab import checks
from lab.grading import feedback, wall
from lab.grading.feedback import WRITTEN, Table, TableError
from lab.grading.run import Ended, Limits, Place, Proxy, Run, Sandbox, Unanswered
from lab.grading.submission import (
    Cell,
    Submission,
    Unusable,
    find_answer,
    find_submissions,
    plain,
    read,
)

try:
    import resource

    MEMORY = resource.RLIMIT_AS
except ImportError:  # Windows
    resource = None

NOTEBOOK = Path(__file__).resolve().parents[1] / "BodySegmentation.ipynb"
NOT_RUN = "not run"
JUDGING = 2 * wall.GIGABYTE  # that judging may use
WITHOUT_WALL = """Caution: --trusted runs notebooks as programs of yours. They can read, change
and send whatever you can. Only time, memory and output are limited."""
NO_WALL = """Grading runs the code of strangers, and here nothing keeps it in: {trouble}.
lab/teacher.md, 'The sandbox', says what to install, or how to grade in a container.
If you trust everybody who handed in, add --trusted."""


class GradingError(ValueError):
    """What is wrong with the folders, the options or the machine, and the way out."""


@dataclass(frozen=True)
class Lab:
    """What is graded: the student's notebook, and the tasks with their checks and points."""

    notebook: Path = NOTEBOOK
    tasks: tuple[checks.Task, ...] = checks.TASKS

    def given(self) -> list[Cell]:
        return read(self.notebook)

    def names(self) -> list[str]:
        return [name_of(check) for task in self.tasks for check in task.checks]


def name_of(check: Callable) -> str:
    """Return the name of a check in tables: scores for check_scores."""
    return check.__name__.removeprefix("check_")


def main(arguments: list[str] | None = None) -> int:
    """Grade as the command line says. Returns the exit status."""
    options = make_parser().parse_args(arguments)
    sys.stdout.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that sandboxes are closed
    folder = options.folder.expanduser().resolve()
    out = (options.out or folder.with_name(f"{folder.name}-graded")).expanduser().resolve()
    limits = Limits(minutes=options.minutes, memory=options.memory, disk=options.disk)
    try:
        check_folders(folder, out)
        return grade_folder(
            folder, out, limits, trusted=options.trusted, only=options.only, new=options.new
        )
    except (GradingError, TableError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"\nStopped. Students who were done are in {out / 'grades.csv'}. Go on with --new, or "
            "if you used --only, with --only and the names left."
        )
        return 130


def make_parser():
    about = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m lab.grade", description=about)
    parser.add_argument("folder", type=Path, help="the submitted notebooks")
    parser.add_argument("--out", type=Path, help="default: FOLDER-graded")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="STUDENT",
        help="grade these students again; the others keep their rows",
    )
    parser.add_argument(
        "--new", action="store_true", help="grade only students who have no row in grades.csv yet"
    )
    for name, unit in (
        ("minutes", "time for a notebook"),
        ("memory", "GB of memory for it"),
        ("disk", "GB of files that it may write"),
    ):
        default = getattr(Limits, name)
        about = f"{unit} (default: {default:g})"
        parser.add_argument(f"--{name}", type=positive, default=default, help=about)
    parser.add_argument(
        "--trusted", action="store_true", help="run the notebooks without a sandbox"
    )
    return parser


def positive(text):
    """The number of an option."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def check_folders(folder, out):
    if not folder.is_dir():
        raise GradingError(f"{folder}: is not a folder; name the one with the submissions")
    if (folder / "grades.csv").is_file():
        raise GradingError(f"{folder}: holds grades.csv; name the folder with the submissions")
    if out == folder:
        raise GradingError(f"--out {out}: is the folder with the submissions; name another one")


def grade_folder(
    folder: Path,
    out: Path,
    limits: Limits,
    *,
    trusted: bool = False,
    lab: Lab | None = None,
    only: list[str] | None = None,
    new: bool = False,
) -> int:
    """Grade all submissions in `folder`, into `out`.

    Args:
        trusted: run them without a wall.
        only: the names of students; the others keep their rows.
        new: grade only students who have no row yet.

    Returns:
        The exit status.

    Raises:
        GradingError, TableError: something is wrong with the folders, the options or the machine.
    """
    lab = lab or Lab()
    table = Table(out, lab.names())
    chosen = choose(find_submissions(folder, lab.notebook.name, out), table, only, new)
    if not chosen:
        raise GradingError(f"{folder}: holds no submissions{' without a row' if new else ''}")
    if not trusted and (trouble := wall.find_trouble()):
        raise GradingError(NO_WALL.format(trouble=trouble))
    if trusted:
        print(WITHOUT_WALL)
    place = Place(not trusted, find_frames() if lab.tasks is checks.TASKS else None, (folder, out))
    rehearse(limits, place)
    not_run = grade_all(chosen, table, lambda submission: grade_one(submission, lab, limits, place))
    print(f"{len(chosen)} graded: {table.path}")
    if not_run:
        print(f"Look at these, which could not be run: {', '.join(not_run)}")
    return 0


def choose(submissions, table, only, new):
    """Those to be graded now; the rows of the others stay as they are."""
    if only:
        if unknown := set(only) - {submission.student for submission in submissions}:
            raise GradingError(f"There is no submission of {', '.join(sorted(unknown))}")
        submissions = [s for s in submissions if s.student in only]
    if only or new:
        table.read()
    return [s for s in submissions if not (new and s.student in table.rows)]


def find_frames() -> Path:
    """Return the folder of the frames: where MADS_ROOT says, else the drawn ones, drawn if need be.

    Raises:
        GradingError: the folder cannot be read, or there is no room to draw them.
    """
    from segmentation_tf import cases
    from segmentation_tf.datasets import mads

    if named := os.environ.get("MADS_ROOT"):
        folder = Path(named).resolve()
        if not folder.is_dir():
            raise GradingError(f"MADS_ROOT={named}: is not a folder")
        return folder
    try:
        return mads.drawn_folder().resolve()
    except cases.DatasetError as error:
        raise GradingError(str(error)) from error


def rehearse(limits, place):
    """GradingError where what a notebook imports does not load in the sandbox."""
    said = []
    try:
        sandbox = Sandbox(limits, place)
    except Ended as error:
        raise GradingError(f"Nothing was graded: {error}") from error
    try:
        code = "import lab.checks, matplotlib.pyplot, segmentation_tf"
        ran = sandbox.request(300, lambda kind, text: said.append(text), run=code)
    except Ended as error:
        ran, said = False, [str(error)]
    finally:
        sandbox.close()
    if not ran:
        last = "".join(said).strip().splitlines()[-1:] or ["it takes more than 5 minutes"]
        raise GradingError(f"What the lab imports does not load in the sandbox: {last[0]}")


def grade_all(submissions, table, grade):
    """Grade each, write its page and its row, and print a line; return those that did not run."""
    not_run = []
    with tqdm(submissions, unit="notebook", file=sys.stdout, leave=False, disable=None) as bar:
        for number, submission in enumerate(bar, 1):
            begin = time.monotonic()
            bar.set_description(submission.student)
            rows, remarks, page = grade(submission)
            table.add(submission.student, rows, remarks)
            outcome = feedback.summary(rows)
            try:
                page_file = table.folder / f"{submission.student}.html"
                page_file.write_text(page, encoding="utf-8", errors="replace")
            except OSError as error:
                outcome += f"; its page could not be written: {error.strerror}"
            if all(row["note"] == NOT_RUN for row in rows):
                not_run.append(submission.student)
                outcome += f": {remarks[0]}"
            label = f"[{number}/{len(submissions)}] {submission.student}"
            tqdm.write(f"{label}: {outcome} ({time.monotonic() - begin:.0f} s)")
            sys.stdout.flush()
    return not_run


# --- One submission -------------------------------------------------------------------------------


def grade_one(submission: Submission, lab: Lab, limits: Limits, place: Place) -> tuple:
    """Return the rows of a submission, remarks for the teacher, and its page.

    A row is a dict: task, title, anchor, points (None: to read), of, by_hand, note.
    """
    student, cells = submission.student, []
    remarks = [submission.remark] if submission.remark else []
    try:
        cells = read(submission.file) if submission.file else []
    except Unusable as error:
        remarks.append(str(error))
    except OSError as error:
        remarks.append(f"The file could not be read: {error.strerror}.")
    if not cells:
        remarks = remarks or ["The notebook has no cells."]
        rows = [*judge(lab, lambda *_: NOT_RUN), make_row(WRITTEN, 0, 10, NOT_RUN)]
        return rows, remarks, feedback.make_page(student, rows, remarks)
    given = lab.given()
    answer = find_answer(cells, given)
    run = Run([cell.source for cell in cells if cell.kind == "code"], limits, place)
    try:
        run.all_cells()
        rows = judge(lab, lambda check, function: judge_function(check, function, run))
    finally:
        run.close()
    note = "your teacher reads it" if answer else "no answer"
    rows.append(make_row(WRITTEN, None if answer else 0, 10, note))
    if run.late:
        remarks.append(f"The time for the whole notebook, {limits.minutes:g} min, was used up.")
    remarks += [*mishaps(run), *doubts(lab, run, rows)]
    page = feedback.make_page(
        student,
        rows,
        remarks,
        answer=answer,
        cells=cells,
        outputs=run.outputs,
        given={cell.source.strip() for cell in given},
    )
    remarks += [f"{row['task']}: {row['note']}" for row in rows if row["points"] == 0]
    return rows, remarks, page


def make_row(name, points, of, note, *, task=None):
    """`task`: that of a check; the written answer has none."""
    title = "7. Explain a failure"
    if task:
        title = task.title if len(task.checks) == 1 else f"{task.title}: {name}"
    row = {"task": name, "title": title, "anchor": task.function if task else name}
    return row | {"points": points, "of": of, "by_hand": task is None, "note": note}


def judge(lab: Lab, judge_one: Callable) -> list[dict]:
    """Return a row for each check: all of its points, or 0 and why."""
    rows = []
    for task in lab.tasks:
        for check, of in task.checks.items():
            note = judge_one(check, task.function)
            points = of if note == "passed" else 0
            rows.append(make_row(name_of(check), points, of, note, task=task))
    return rows


def judge_function(check, function, run):
    """Say 'passed', or why not: the first hint among the seeds."""
    for seed in (0, *run.limits.seeds):
        try:
            with contextlib.redirect_stdout(io.StringIO()), at_most(run.limits.check_seconds):
                check(Proxy(function, run), seed=seed)
        except NotImplementedError:
            return "not done yet"
        except (Unanswered, checks.Hint) as error:
            return plain(str(error)[:800])
        except Exception as error:  # a value of a kind that the check does not expect
            return plain(f"it returned what the check cannot judge ({type(error).__name__})")
    return "passed"


@contextlib.contextmanager
def at_most(seconds):
    """Raise an error if judging takes too much time or memory, where the system limits them."""

    def stop(*_):
        raise Unanswered("judging what it returned took too long")

    if resource is None:
        yield
        return
    handler, (soft, hard) = signal.signal(signal.SIGPROF, stop), resource.getrlimit(MEMORY)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    resource.setrlimit(MEMORY, (psutil.Process().memory_info().vms + JUDGING, hard))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        resource.setrlimit(MEMORY, (soft, hard))


def mishaps(run):
    """What stopped a cell, three at most: it hung, or it ended the process. And the first error."""
    told, first = [], ""
    for source, outputs in zip(run.sources, run.outputs):
        line = source.strip().partition("\n")[0][:50]
        for text in (text for kind, text in outputs if kind == "error"):
            if text.startswith(("Stopped: ", "Not run: ")):
                told.append(f"In the cell {line!r}: {text.partition(': ')[2]}")
            elif "\n" in text.strip() and "Hint: " not in text:  # else a line of the lab itself
                first = (
                    first or f"First error, in the cell {line!r}: {text.strip().splitlines()[-1]}"
                )
    return told[:3] + ([first[:300]] if first else [])


def doubts(lab, run, rows):
    """Functions that passed, although the notebook has no code for them."""
    passed = {row["anchor"] for row in rows if row["note"] == "passed"}
    for function in [task.function for task in lab.tasks if task.function in passed]:
        cells = [source for source in run.sources if re.search(rf"\b{function}\b *[(=:]", source)]
        written = [c for c in cells if re.search(rf"(def|class) +{function}\b|{function} *=", c)]
        if not written or "raise NotImplementedError" in written[-1]:
            yield f"{function} passed, but the notebook does not seem to write it: see the page."
