"""Run the lessons from top to bottom and write the pages of the course: build/index.html.

python notebooks/run.py                  every lesson
python notebooks/run.py 04_unet.ipynb    only this one
python notebooks/run.py solutions/04_unet.ipynb    the solutions of its exercises
python notebooks/run.py optional/two_dancers.ipynb    a notebook that no lesson needs
python notebooks/run.py --store          also store the outputs in the notebooks (maintainers)
python notebooks/run.py --pages          run nothing: write the pages as they are stored
"""

import argparse
import base64
import io
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from textwrap import indent
from typing import IO

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from PIL import Image

import book
from forecast import REFERENCE, Forecast, calibrate, in_minutes

ROOT = Path(__file__).resolve().parent.parent
CELL_SECONDS = 3600  # no cell takes as long, on any machine
NOISE = re.compile(r"[IWE]0000 |WARNING|\[IPKernelApp\]")  # TensorFlow at import, Jupyter at start
REAL_DATA = ("PH2Dataset", "mads", "meadow", "pictures")
RESULTS = "lessons.json"  # in build/: the rows of the front page
# What the repository keeps of a cell: marks, and that the cell for Colab is folded.
KEPT = ("tags", "jupyter", "cellView")


@dataclass
class Result:
    """The result of one lesson: a row of the front page, and of the file RESULTS."""

    name: str
    title: str
    promise: str
    day: str  # empty where the lesson has not run here
    seconds: float
    score: str
    error: str
    page: str  # below build/, with slashes on Windows too


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(description="Run lessons and write them as pages.")
    parser.add_argument("notebooks", nargs="*", help="default: every lesson")
    parser.add_argument("--store", action="store_true", help="store the outputs in the notebooks")
    parser.add_argument("--pages", action="store_true", help="run nothing, write the pages")
    options = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="replace")  # a letter that the terminal lacks stops nothing
    try:
        paths = [] if options.pages else find_lessons(options.notebooks, ROOT / "notebooks")
        if options.store:
            keep_to_drawn_data(ROOT / "data")
        status = run_lessons(paths, ROOT / "build", options.store)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130
    except BrokenPipeError:  # `| head` has read enough; Python's flush at exit must not fail too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def find_lessons(names: Sequence[str], folder: Path) -> list[Path]:
    """The notebooks named, by path or by file name in `folder`; without names, every lesson."""
    paths = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if names:
        paths = [
            Path(n) if Path(n).is_file() else folder / Path(n).with_suffix(".ipynb") for n in names
        ]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        sys.exit(f"No such notebook: {', '.join(missing) or folder / '01_....ipynb'}")
    return [path.resolve() for path in paths]


def keep_to_drawn_data(data: Path) -> None:
    """See that no real image is stored: refuse where there are some, and forget where others lie.

    What is stored becomes part of the repository, and real images may not.
    """
    for name in REAL_DATA:
        if (data / name).exists():
            sys.exit(f"Not storing: {data / name} holds real images. Move it away and start again.")
    for variable in ("PH2_ROOT", "MADS_ROOT", "MEADOW_ROOT", "PAIRS_ROOT"):
        os.environ.pop(variable, None)


def load_data(paths: Sequence[Path]) -> None:
    """Draw the images that the notebooks need beforehand, so that no cell seems to hang."""
    from segmentation_tf.cases import DatasetError
    from segmentation_tf.datasets import coco_panoptic, mads, pairs, ph2

    loaders = {
        "segmentation_tf.datasets.ph2": [ph2.load_cases],
        "segmentation_tf.datasets.mads": [mads.load_cases],
        "segmentation_tf.datasets.coco_panoptic": [coco_panoptic.load_cases],
        # A lesson with your own pictures still plants faults into the drawn ones.
        "segmentation_tf.datasets.pairs": [pairs.load_cases, pairs.drawn_folder],
        # The real people come without joints, so that poses may need the drawn ones too.
        "segmentation_tf.pose.targets": [mads.load_cases, mads.drawn_folder],
    }
    text = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in paths)
    needed = []
    for module, functions in loaders.items():
        if f"from {module} import" in text:
            needed += [function for function in functions if function not in needed]
    try:
        for load in needed:
            load()
    except DatasetError as error:  # a fault in the user's own images
        sys.exit(str(error))


def run_lessons(paths: Sequence[Path], build: Path, store: bool = False) -> int:
    """Run notebooks, write the pages into `build`, print a table; returns the exit status."""
    results = []
    try:
        forecast = begin(paths, build)
        load_data(paths)
        for number, path in enumerate(paths, 1):
            left = forecast.seconds(path.stem for path in paths[number - 1 :])
            result = run_lesson(path, build, f"[{number}/{len(paths)}] {path.stem}", left, store)
            write_pages([result], build)
            results.append(result)
            if not result.error:
                forecast.learn(path.stem, result.seconds)
    except KeyboardInterrupt:
        logging.getLogger("asyncio").disabled = True  # it would report the kernel's end as a fault
        print(f"\nStopped at {paths[len(results)].stem}." if paths else "\nStopped.")
        status = 130
    except BrokenPipeError:
        raise
    except OSError as error:
        where, why = near(Path(error.filename or build)), error.strerror or error
        print(f"\nCannot use {where}: {why}. Move it away, make it writable or free some space.")
        status = 1
    except book.BuildError as error:
        print(f"\nThe pages could not be written:\n{indent(str(error), '    ')}")
        status = 1
    else:
        print(f"\nTo read the pages, open {near(build / 'index.html')}")
        print_table(results, build)
        status = 1 if any(result.error for result in results) else 0
    failed = [path for path, result in zip(paths, results) if result.error]
    left = failed + list(paths[len(results) :])
    if left:
        print(f"To run what is left: {command(left, store)}")
    return status


def begin(paths: Sequence[Path], build: Path) -> Forecast:
    """Say what will happen, and write the first pages; returns how long the lessons will take."""
    forecast = Forecast(read_minutes(), calibrate() / REFERENCE)
    if paths:
        print(plan(paths, forecast), flush=True)
    # These pages show what is stored, so that reading can begin at once; and no lesson runs in
    # vain where nothing can be written.
    with progress("Writing the pages"):
        write_pages([], build)
    if paths:
        print(f"Read meanwhile, with stored results: {near(build / 'index.html')}", flush=True)
    return forecast


def plan(paths: Sequence[Path], forecast: Forecast) -> str:
    """What will happen, and how long it will take here."""
    lessons = f"{len(paths)} notebook{'s' * (len(paths) > 1)}"
    drawing = "" if (ROOT / "data" / "drawn").is_dir() else "Draws the pictures, once. "
    time_needed = in_minutes(forecast.seconds(path.stem for path in paths))
    return f"{drawing}Runs {lessons}: {time_needed} on this machine."


def read_minutes() -> dict[str, float]:
    """What each lesson took when it was stored."""
    file = ROOT / "notebooks" / "minutes.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def command(paths: Sequence[Path], store: bool) -> str:
    """The command that runs only these notebooks, with make if make ran this."""
    lessons = ROOT / "notebooks"
    words = ["--store"] if store else []
    for path in paths:
        inside = path.is_relative_to(lessons)
        words.append(path.relative_to(lessons).as_posix() if inside else near(path))
    if "MAKELEVEL" in os.environ:
        return f"make run ARGS={shlex.quote(shlex.join(words))}"
    return shell_line([near(Path(sys.executable)), near(Path(__file__)), *words])


def shell_line(words: Sequence[str]) -> str:
    """A command to type into a shell, which is PowerShell on Windows."""
    if sys.platform != "win32":
        return shlex.join(words)
    line = subprocess.list2cmdline(words)
    return f"& {line}" if line.startswith('"') else line


def run_lesson(path: Path, build: Path, label: str, left: float, store: bool) -> Result:
    """Run one notebook and keep it for its page; with `store`, also store its outputs.

    `left` is the seconds that this notebook and those after it will take, as far as one can tell.
    """
    notebook, error = read_notebook(path)
    start = time.monotonic()
    with progress(label, left) as say:
        error = error or execute(notebook, path.parent, say)
    seconds = time.monotonic() - start
    result = result_of(notebook, path, seconds, today(), error)
    print(f"{label}: failed at {error}" if error else f"{label}: {seconds:.0f} s, {result.score}")
    if not error:
        notebook = stored_form(notebook)
    book.write_executed(notebook, path, ROOT, build)
    if store and error:
        print(f"{path.name} is left as it was: only a run without an error is stored.")
    elif store:
        store_notebook(notebook, path, seconds)
    return result


def result_of(notebook: NotebookNode, path: Path, seconds: float, day: str, error: str) -> Result:
    title, promise = opening(notebook)
    page = book.page_of(path, ROOT)
    return Result(path.stem, title, promise, day, seconds, main_score(notebook), error, page)


def today() -> str:
    return time.strftime("%Y-%m-%d")


def store_notebook(notebook: NotebookNode, path: Path, seconds: float) -> None:
    """Write a notebook with its outputs; of a lesson, also how long it took."""
    with path.open("w", encoding="utf-8", newline="\n") as file:  # on Windows too
        nbformat.write(notebook, file)
    if path.parent.name == "notebooks":
        store_minutes(path.parent / "minutes.json", path.stem, seconds)


def store_minutes(file: Path, name: str, seconds: float) -> None:
    """Keep how long a lesson took; a test compares README's table with it."""
    minutes = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    minutes[name] = round(seconds / 60, 1)
    text = json.dumps(minutes, indent=2, sort_keys=True) + "\n"
    file.write_text(text, encoding="utf-8", newline="\n")


# --- Running ------------------------------------------------------------------------------------


def execute(notebook: NotebookNode, folder: Path, say: Callable[[str], None]) -> str:
    """Run the code cells in place, in `folder`; `say` is told which.

    Returns:
        What failed and why, or an empty string.
    """
    cells = [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    for _, cell in cells:
        cell.outputs, cell.execution_count = [], None
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        # What the kernel writes goes into a file and not to the terminal.
        TemporaryFile("w+", errors="replace") as log,
        ExitStack() as kernel,
    ):
        client, environment = make_client(notebook, folder), kernel_environment(profile)
        try:
            kernel.enter_context(client.setup_kernel(env=environment, stderr=log, cleanup_kc=True))
        except Exception as error:  # of any kind, such as no free port or a broken ipykernel
            why = "\n".join([f"{type(error).__name__}: {error}"[:300], *last_lines(log)])
            if cells:
                show_error(cells[0][1], why)
            return f"the start of its kernel:\n{indent(why, '    ')}"
        return execute_cells(client, cells, log, say)


def execute_cells(
    client: NotebookClient,
    cells: Sequence[tuple[int, NotebookNode]],
    log: IO[str],
    say: Callable[[str], None],
) -> str:
    """Run cells, given as (place, cell), until one fails; return which one and why."""
    for number, (index, cell) in enumerate(cells, 1):
        say(f"cell {number} of {len(cells)}")
        try:
            client.execute_cell(cell, index)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            why = indent(explain(error, cell, log), "    ")
            return f"code cell {number} of {len(cells)}: {first_line(cell)}\n{why}"
    return ""


def make_client(notebook: NotebookNode, folder: Path) -> NotebookClient:
    """A client whose kernel is this process's Python, not one of the user's kernels."""
    only_ipykernels_own = KernelSpecManager(kernel_dirs=[])
    return NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_spec_manager=only_ipykernels_own),
        timeout=CELL_SECONDS,
        record_timing=False,
        force_raise_errors=True,  # also where a tag lets a learner's own notebook go on
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )


def kernel_environment(profile: str) -> dict[str, str]:
    """The environment without PYTHON* variables, with an empty IPython profile."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    # TensorFlow's notes on the processor help nobody here; a user's own setting stays. On Linux
    # each thread may get a heap, which keeps freed memory. The limit of two saves some 150 MB.
    return {"TF_CPP_MIN_LOG_LEVEL": "2", "MALLOC_ARENA_MAX": "2", **kept, "IPYTHONDIR": profile}


def first_line(cell: NotebookNode) -> str:
    lines = cell.source.strip().splitlines()
    return lines[0] if lines else ""


def explain(error: Exception, cell: NotebookNode, log: IO[str]) -> str:
    """The error in a few lines; one that the kernel could not show is put on the page too."""
    if isinstance(error, CellExecutionError):
        lines = [line[:300] for line in f"{error.ename}: {error.evalue}".strip().splitlines()]
        if len(lines) > 4:
            lines = [lines[0], "...", *lines[-3:]]
        return "\n".join(lines)
    if isinstance(error, CellTimeoutError):
        why = f"no end after {CELL_SECONDS} s"
    else:
        why = "\n".join(["the kernel died; often the memory was used up", *last_lines(log)])
    show_error(cell, why)
    return why


def last_lines(log: IO[str]) -> list[str]:
    """The last three lines that the kernel wrote, without what it always writes."""
    log.seek(0)
    return [line[:300] for line in log.read().splitlines() if not NOISE.match(line)][-3:]


def show_error(cell: NotebookNode, why: str) -> None:
    """Add to a cell an error that its kernel could not show."""
    cell.outputs.append(
        nbformat.v4.new_output("error", ename="Stopped", evalue=why, traceback=[why])
    )


@contextmanager
def progress(label: str, left: float = 0) -> Iterator[Callable[[str], None]]:
    """Yields a function that shows a few words: on a terminal in one line, with a running clock.

    If the seconds that are `left` are known, they are counted down.
    """
    if not sys.stdout.isatty():
        print(f"{label} ..." + (f" {in_minutes(left)} left" if left else ""), flush=True)
        yield lambda words: None
        return
    clock = Clock(label, left)
    clock.start()
    try:
        yield clock.show
    finally:
        clock.stop()


class Clock(threading.Thread):
    """Writes one line of the terminal over and over: label, a few words, minutes and seconds."""

    def __init__(self, label: str, left: float = 0):
        super().__init__(daemon=True)
        self.label, self.left, self.words = label, left, "starting"
        self.begin, self.stopped = time.monotonic(), threading.Event()

    def show(self, words: str) -> None:
        self.words = words

    def write(self, line: str) -> None:
        """Write over the line; a longer one than the terminal is wide would begin a new line."""
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{line[:width]:{width}}\r", end="", flush=True)

    def run(self) -> None:
        while not self.stopped.wait(0.5):
            gone = time.monotonic() - self.begin
            line = f"{self.label}: {self.words}, {int(gone) // 60}:{int(gone) % 60:02}"
            if self.left > gone:
                line += f", {in_minutes(self.left - gone)} left"
            self.write(line)

    def stop(self) -> None:
        """Stop, and clear the line."""
        self.stopped.set()
        self.join()
        self.write("")


# --- Reading a notebook -------------------------------------------------------------------------


def read_notebook(path: Path) -> tuple[NotebookNode, str]:
    """The notebook in a file, and ""; or where the file holds no notebook, a page and an error."""
    try:
        return nbformat.read(path, as_version=4), ""
    except (ValueError, TypeError, LookupError, AttributeError, nbformat.ValidationError):
        restore = shell_line(["git", "checkout", "HEAD", "--", near(path)])
        why = f"{near(path)} is not a notebook. Name another file, or restore this one: {restore}"
    page = nbformat.v4.new_markdown_cell(f"# {path.stem}\n\n{why}")
    return nbformat.v4.new_notebook(cells=[page]), f"reading its file: {why}"


def opening(notebook: NotebookNode) -> tuple[str, str]:
    """The title of a lesson and its promise, the first line of text below the title."""
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    title = next((line[2:].strip() for line in lines if line.startswith("# ")), "Untitled")
    promise = next((line for line in lines if not line.startswith("#")), "")
    return title, re.sub(r"[*_`]", "", promise)


def main_score(notebook: NotebookNode) -> str:
    """The last line that the cell tagged main-score printed, or a dash."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and "main-score" in cell.metadata.get("tags", []):
            streams = [o for o in cell.outputs if o.get("name") == "stdout"]
            lines = "".join(o.text for o in streams).strip().splitlines()
            return lines[-1].strip() if lines else "-"
    return "-"


def stored_form(notebook: NotebookNode) -> NotebookNode:
    """The notebook as the repository stores it: nothing that differs from machine to machine."""
    notebook = nbformat.from_dict(notebook)
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in KEPT}
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    output.data["image/png"] = in_256_colours(output.data["image/png"])
    return notebook


def in_256_colours(png: str) -> str:
    """A picture (base64) with a palette: a third of the size, and it looks the same."""
    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    if picture.mode == "P":
        return png
    file = io.BytesIO()
    # This method keeps flat colours, such as a legend's, exactly as they are.
    picture = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1)
    picture.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


# --- Writing ------------------------------------------------------------------------------------


def write_pages(results: Sequence[Result], build: Path) -> None:
    """Write the pages that have changed, and the front page with a row for every lesson."""
    build.mkdir(parents=True, exist_ok=True)
    rows = {result.page: result for result in [*read_results(build), *results]}
    kept = book.write_sources(ROOT, build, rows.keys())
    rows = [rows[page] for page in sorted(kept)]
    text = json.dumps([asdict(row) for row in rows], indent=2)
    (build / RESULTS).write_text(text, encoding="utf-8")
    book.write_index(build, front_page(rows))
    book.build_pages(build)


def read_results(build: Path) -> list[Result]:
    """The earlier results; a row with other fields does not count."""
    try:
        rows = json.loads((build / RESULTS).read_text(encoding="utf-8"))
        return [Result(**row) for row in rows if types(row) == Result.__annotations__]
    except (OSError, ValueError, TypeError, AttributeError):
        return []


def types(row: dict[str, object]) -> dict[str, type]:
    return {name: type(value) for name, value in row.items()}


def stored_results() -> list[Result]:
    """The lessons as they are stored, with the minutes that they took when they were."""
    minutes, results = read_minutes(), []
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        notebook, _ = read_notebook(path)
        results.append(result_of(notebook, path, 60 * minutes.get(path.stem, 0), "", ""))
    return results


FRONT_PAGE = """# Semantic segmentation: the lessons

Begin with [the lecture](README.md), or with [lesson 1](notebooks/01_pixels_and_masks.ipynb).
[The lab](lab/README.md) comes after lesson 6. [Help](notebooks/help.md) is there when something
goes wrong. Times and scores marked *stored* came with the course; the others are of this machine.

| Lesson | Time | Main score |
|---|---|---|"""


def front_page(results: Sequence[Result]) -> list[str]:
    """The lines of the front page: a row for each lesson, and for what else has run."""
    # A learner's copies have pages, but their rows would look like those of the lessons.
    others = [result for result in results if not result.page.startswith("my_work")]
    rows = {result.page: result for result in [*stored_results(), *others]}
    return [*FRONT_PAGE.splitlines(), *(table_row(rows[page]) for page in sorted(rows))]


def table_row(result: Result) -> str:
    """A row of the front page's table, with a link to the lesson's page."""
    link = f"[{result.title}]({result.page.removesuffix('.html')}.ipynb)"
    when = {"": "*stored*", today(): "today"}.get(result.day, result.day)
    cells = [f"{link}<br>{result.promise}", f"{span(result)} <br>{when}", shown(result)]
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def span(result: Result) -> str:
    """How long a lesson took, as README says it: in minutes, unless it is less than one."""
    seconds = round(result.seconds)
    return f"{seconds} s" if seconds < 60 else f"{round(seconds / 60)} min"


def shown(result: Result) -> str:
    """The main score of a lesson, or where it failed."""
    if result.error:
        return "failed at " + result.error.split(":")[0]
    return result.score


def print_table(results: Sequence[Result], build: Path) -> None:
    """Print a row for each lesson, and the names of those that failed."""
    if not results:
        return
    rows = [("notebook", "seconds", "main score", "page")]
    for result in results:
        page = near(build / result.page)
        rows.append((result.name, f"{result.seconds:.0f}", shown(result), page))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    print()
    for name, seconds, score, page in rows:
        print(f"{name:{widths[0]}}  {seconds:>{widths[1]}}  {score:{widths[2]}}  {page}")
    failed = [result.name for result in results if result.error]
    if failed:
        print(f"\n{len(failed)} of {len(results)} failed: {', '.join(failed)}")


def near(path: Path) -> str:
    """A path in its shortest form: relative to the working directory if it lies below that."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


if __name__ == "__main__":
    sys.exit(main())
