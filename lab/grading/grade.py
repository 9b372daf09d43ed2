"""Grade a folder of submitted notebooks.

python -m lab.grade FOLDER       (or: make grade SUBMITTED=FOLDER)

FOLDER holds ana.ipynb, or ana/ with one notebook in it, for each student. Beside it, FOLDER-graded
gets grades.csv and a page for each student. lab/teacher.md says more.
"""

import argparse
import csv
import json
import math
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import psutil
from tqdm import tqdm

import segmentation_tf  # also sets what TensorFlow must find in the environment
from lab.grading import feedback, wall
from lab.grading.course import LAB, LabError, find_source, graded_cells, make_course, task_name
from lab.grading.run import Limits, rehearse
from lab.grading.submission import NOT_RUN, refuse

LARGEST = 50_000_000  # bytes of a submitted file
STRAY = (".", "~", "__MACOSX", "Thumbs.db", "desktop.ini")
BESIDE = (".png", ".jpg", ".jpeg", ".csv")  # what may lie beside the notebooks
# The variables of the teacher's environment that a submission's code gets.
VARIABLES = """PATH LANG LC_ALL LC_CTYPE TZ MADS_ROOT KERAS_BACKEND CUDA_VISIBLE_DEVICES
LD_LIBRARY_PATH TF_ENABLE_ONEDNN_OPTS OMP_NUM_THREADS SYSTEMROOT""".split()
CSV_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Submission:
    """A student's name, the notebook, and what there is to say about it before it is opened."""

    student: str
    file: Path | None
    remark: str = ""


def main(arguments: list[str] | None = None) -> int:
    """Grade as the command line says. Returns the exit status."""
    options = make_parser().parse_args(arguments)
    sys.stdout.reconfigure(errors="replace")
    if wall.resource is None:
        return complain("Grading needs Linux or macOS; on Windows, run it in WSL")
    folder = options.folder.expanduser().resolve()
    if not folder.is_dir():
        return complain(f"{options.folder}: is not a folder; name the one with the submissions")
    limits = Limits(
        minutes=options.minutes,
        memory=options.memory,
        disk=options.disk,
        read=tuple(os.path.abspath(path) for path in options.read),
    )
    out = options.out or folder.with_name(f"{folder.name}-graded")
    try:
        return grade_folder(folder, out, limits, only=options.only, new=options.new, data=find_data)
    except LabError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        print(
            f"\nStopped. Students who were done are in {out / 'grades.csv'}. Go on with --new, or "
            "after --only with --only and the names that are left."
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
    parser.add_argument("--read", nargs="+", default=(), help="folders that submissions may read")
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


def complain(words):
    print(words, file=sys.stderr)
    return 2


def find_data() -> None:
    """Tell all that runs where the frames are: where MADS_ROOT says, else the drawn ones."""
    os.environ["MADS_ROOT"] = os.path.abspath(os.environ.get("MADS_ROOT") or drawn_data())


def drawn_data():
    """The folder of the drawn frames, which are drawn now if they are not there."""
    from segmentation_tf import cases
    from segmentation_tf.datasets import mads

    try:
        return mads.drawn_folder()
    except cases.DatasetError as error:
        raise LabError(str(error)) from error


def grade_folder(
    folder: Path,
    out: Path,
    limits: Limits,
    *,
    lab: Path = LAB,
    only: list[str] | None = None,
    new: bool = False,
    data: Callable[[], None] | None = None,
) -> int:
    """Grade all submissions in `folder`, into `out`.

    Args:
        lab: the folder of the lab.
        only: the names of students; the others keep their rows.
        new: grade only students who have no row yet.
        data: called before the first one is run, if all that can be checked before it is right.

    Returns:
        The exit status.

    Raises:
        LabError: something is wrong with the lab, the folders or the options.
    """
    check_readable(limits.read, [lab / "solution", folder, out])
    submissions = find_submissions(folder, find_source(lab).name, out)
    with TemporaryDirectory(prefix="lab-") as scratch:
        course = Path(scratch) / "course"
        path = make_course(find_source(lab), course)
        tasks = graded_cells(nbformat.read(path, as_version=4))
        table = Table(out, tasks)
        chosen = choose(submissions, table, only, new)
        if data:
            data()
        print(wall.describe())
        check_loading(prepare(Path(scratch) / "rehearsal", course, lab), limits)
        run = partial(grade_one, course=course, path=path, limits=limits, lab=lab)
        not_run = grade_all(chosen, table, run)
    print(f"{len(chosen)} graded: {table.path}")
    if not_run:
        print(f"Look at these, which could not be run: {', '.join(not_run)}")
    return 0


def grade_all(submissions, table, run):
    """Run each, write its page and its row, and print a line; return who could not be run."""
    not_run = []
    with tqdm(submissions, unit="notebook", file=sys.stdout, leave=False, disable=None) as bar:
        for number, submission in enumerate(bar, 1):
            begin = time.monotonic()
            bar.set_description(submission.student)
            result, page = run(submission)
            table.folder.mkdir(parents=True, exist_ok=True)
            (table.folder / f"{submission.student}.html").write_text(page, encoding="utf-8")
            table.add(submission, result)
            outcome = feedback.summary(result["rows"])
            if not was_run(result):
                not_run.append(submission.student)
                outcome += f": {result['remarks'][0]}"
            label = f"[{number}/{len(submissions)}] {submission.student}"
            tqdm.write(f"{label}: {outcome} ({time.monotonic() - begin:.0f} s)")
            sys.stdout.flush()
    return not_run


def check_loading(folder, limits):
    """LabError where the checks cannot be imported behind the wall."""
    trouble = rehearse(folder, limits, chosen_variables(folder))
    if not trouble:
        return
    refused = "PermissionError" in trouble or "Permission denied" in trouble
    way = "; let submissions read the folder of what is refused: --read FOLDER" if refused else ""
    raise LabError(f"The checks do not load where submissions run: {trouble}{way}")


def check_readable(folders, secret):
    """LabError where a folder that submissions may read holds what they must not see."""
    for folder in folders:
        opened = Path(folder).resolve()
        for place in (Path(place).resolve() for place in secret):
            if place.is_relative_to(opened) or opened.is_relative_to(place):
                raise LabError(f"--read {folder}: submissions must not read {place}")


def was_run(result):
    return any(row["note"] != NOT_RUN for row in result["rows"])


# --- Finding ------------------------------------------------------------------------------------


def find_submissions(folder: Path, name: str, out: Path | None) -> list[Submission]:
    """Find one Submission for each file and folder in `folder`.

    Args:
        name: of the lab's notebook, to choose it among several.
        out: passed over, if it lies in `folder`.
    """
    entries = [e for e in sorted(folder.iterdir()) if not e.name.startswith(STRAY) and e != out]
    entries = [e for e in entries if e.is_dir() or not e.name.lower().endswith(BESIDE)]
    if not entries:
        raise LabError(f"{folder}: holds no submissions")
    stems = [entry.name if entry.is_dir() else entry.stem for entry in entries]
    found = []
    for entry, stem in zip(entries, stems, strict=True):
        student = stem if stems.count(stem) == 1 else entry.name
        student = os.fsencode(student).decode("utf-8", "replace")[:60]
        while student.casefold() in {other.student.casefold() for other in found}:
            student += "_"
        try:
            file, remark = look_into(entry, name)
            found.append(Submission(student, check_file(file), remark))
        except (LabError, OSError) as error:
            found.append(Submission(student, None, str(error)))
    return found


def look_into(entry, name):
    """The notebook that is handed in as `entry`, a file or a folder, and a remark."""
    if entry.is_symlink() or not entry.is_dir():
        return entry, ""
    files = [Path(parent, file) for parent, _, names in os.walk(entry) for file in names]
    files = [
        file
        for file in sorted(files)
        if file.suffix.lower() == ".ipynb"
        and not any(part.startswith(STRAY) for part in file.relative_to(entry).parts)
    ]
    if not files:
        raise LabError("There is no notebook in the folder.")
    if len(files) == 1:
        return files[0], ""
    named = [file for file in files if file.name == name]
    if len(named) != 1:
        raise LabError(f"There are {len(files)} notebooks in the folder: which one is it?")
    return named[0], f"Of {len(files)} notebooks in the folder, {name} was graded."


def check_file(file):
    about = file.lstat()
    if not stat.S_ISREG(about.st_mode):
        raise LabError("It is a link or another special file.")
    if file.suffix.lower() != ".ipynb":
        raise LabError(f"It is not a notebook: {file.name}")
    if about.st_size > LARGEST:
        raise LabError(f"The file has {about.st_size / 1e6:.0f} MB, more than {LARGEST / 1e6:.0f}.")
    return file


def choose(submissions, table, only, new):
    """Those to be graded now; the rows of the others stay as they are."""
    if only:
        if unknown := set(only) - {submission.student for submission in submissions}:
            raise LabError(f"There is no submission of {', '.join(sorted(unknown))}")
        submissions = [s for s in submissions if s.student in only]
    if only or new:
        table.read()
    return [s for s in submissions if not (new and table.has(s))]


# --- Grading one --------------------------------------------------------------------------------


def grade_one(submission, course, path, *, limits, lab):
    """The result of a submission (see lab.grading.submission) and its page."""
    released = nbformat.read(path, as_version=4)
    if submission.file is None:
        return refusal(submission, released, submission.remark)
    with TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True) as scratch:
        folder = prepare(Path(scratch) / "run", course, lab)
        try:
            shutil.copyfile(submission.file, folder / "submission.ipynb")
        except OSError as error:
            return refusal(submission, released, f"The file could not be read: {error.strerror}.")
        job = {"student": submission.student, "released": str(path.relative_to(course))}
        job["limits"] = asdict(limits)
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        why = run_process(folder, longest(limits, released))
        try:
            result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return refusal(submission, released, why)
        try:
            return result, (folder / "feedback.html").read_text(encoding="utf-8")
        except OSError:
            result["remarks"].append("The page could not show the notebook.")
            return result, feedback.make_page(submission.student, **result)


def prepare(folder, course, lab):
    """Make the folder that lab.grading.submission works in."""
    folder = folder.resolve()
    shutil.copytree(course, folder / "course")
    apart = shutil.ignore_patterns("solution", "*.ipynb", "*.md", "__pycache__")
    shutil.copytree(lab, folder / "lib" / "lab", ignore=apart)
    package = Path(segmentation_tf.__file__).parent
    apart = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(package, folder / "lib" / package.name, ignore=apart)
    (folder / "home").mkdir()
    (folder / "work").mkdir()
    return folder


def chosen_variables(folder):
    """The environment of a run: nothing of the teacher's but a few harmless variables."""
    home = str(folder / "home")
    known = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    settings = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
    return known | settings | {"HOME": home, "TMPDIR": home}


def refusal(submission, released, why):
    rows, remarks = refuse(released), [why]
    return {"rows": rows, "remarks": remarks}, feedback.make_page(submission.student, rows, remarks)


def longest(limits, released):
    """Seconds after which a run is ended, although it watches its own time."""
    return 60 * limits.minutes + limits.check_seconds * len(graded_cells(released)) + 600


def run_process(folder, seconds):
    """Run lab.grading.submission in `folder`. Returns why it left no result, if so."""
    with open(folder / "log", "w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab.grading.submission", str(folder)],
            cwd=LAB.parent,
            env=chosen_variables(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(seconds)
            log.seek(0)
            last = (log.read().strip().splitlines() or ["no message"])[-1]
            return f"Its grading broke off: {last[:200]}"
        except subprocess.TimeoutExpired:
            return f"Its grading was stopped after {seconds / 60:.0f} min."
        finally:
            end(process, folder / "work")


def end(process, work):
    """End a run and all that it started, also what has left its group of processes."""
    if process.poll() is None:
        process.send_signal(signal.SIGSTOP)  # so that it does not go on with the next cell
        ended = wall.kill_family(work, psutil.Process(process.pid))
        process.kill()
        process.wait()
    else:
        ended = wall.kill_family(work)
    if not ended:
        print(
            "Caution: processes of the submission just graded still run and could not be ended",
            file=sys.stderr,
        )


# --- Telling ------------------------------------------------------------------------------------


class Table:
    """grades.csv: complete after each student, whatever happens to the next one."""

    def __init__(self, folder, tasks):
        self.folder, self.path, self.rows = folder, folder / "grades.csv", {}
        self.tasks = [task_name(task) for task in tasks if not task.metadata.nbgrader.solution]
        self.columns = ["student", *self.tasks, "total", "maximum", "to read", "remarks"]

    def read(self):
        """Take over the rows of an earlier run."""
        if not self.path.is_file():
            return
        with open(self.path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        if any(list(row) != self.columns for row in rows):
            raise LabError(f"{self.path}: has other columns than this lab; move it away first")
        self.rows = {row["student"]: row for row in rows}

    def has(self, submission):
        return plain(submission.student) in self.rows

    def add(self, submission, result):
        rows = {row["task"]: row for row in result["rows"]}
        automatic = [rows[task] for task in self.tasks]
        row = {"student": submission.student}
        row |= {task: f"{rows[task]['points']:g}" for task in self.tasks}
        row["total"] = f"{sum(r['points'] for r in automatic):g}"
        row["maximum"] = f"{sum(r['of'] for r in automatic):g}"
        row["to read"] = ", ".join(task for task, r in rows.items() if r["points"] is None)
        remarks = [submission.remark if submission.file else "", *result["remarks"]]
        if was_run(result):
            remarks += [f"{task}: {r['note']}" for task, r in rows.items() if r["points"] == 0]
        row["remarks"] = " | ".join(filter(None, remarks))
        self.rows[plain(submission.student)] = {name: plain(text) for name, text in row.items()}
        self.write()

    def write(self):
        unfinished = self.path.with_name(self.path.name + ".part")
        with open(unfinished, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(row for _, row in sorted(self.rows.items()))
        os.replace(unfinished, self.path)


def plain(text):
    """A text that a spreadsheet shows as it is: in one line, and not as a formula."""
    text = " ".join(str(text).split())
    return f"'{text}" if text.startswith(CSV_FORMULA) else text
