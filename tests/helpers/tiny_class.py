"""A class that hands in the tiny lab: good, bad and hostile submissions, a function each."""

import copy
from pathlib import Path
from textwrap import indent

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

ROOT = Path(__file__).resolve().parents[2]
RIGHT = {
    "double": "def double(n):\n    return n + n",
    "square": "def square(n):\n    return n ** 2",
    "add": "def add(n, m):\n    return m + n",
    "explain": "It fails where the number is dark.",
}
TRAINING = "tiny-06"  # a cell without points, before the tasks square and add


def answers(released, **sources):
    """The student's version with right answers, or those that are given; None leaves the stub."""
    notebook = copy.deepcopy(released)
    for cell in notebook.cells:
        name = grade_id(cell) or cell.id
        source = (RIGHT | sources).get(name)
        if source is not None and not cell.metadata.get("nbgrader", {}).get("locked"):
            cell.source = source
    return notebook


def grade_id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def right(released):
    """With a line of shell, which is dropped without harm."""
    return answers(released, **{TRAINING: "!echo hello\ntrained = double(21)"})


def untouched(released):
    return released


def wrong(released):
    """One answer is wrong; one is right for the visible number only; exit() ends the kernel."""
    return answers(
        released,
        **{TRAINING: "helper = 1\nexit()"},
        double="def double(n):\n    return 3 * n",
        square="def square(n):\n    return 9",
    )


def hangs(released):
    """In a cell without points, where interrupts are ignored; in a check; others end the kernel."""
    deaf = "import time\nwhile True:\n    try:\n        time.sleep(9)\n    except BaseException:\n"
    return answers(
        released,
        **{TRAINING: deaf + "        pass"},
        double="import sys\ndef double(n):\n    sys.exit()",
        square="import time\ndef square(n):\n    while True:\n        time.sleep(1)",
        add="import os\ndef add(n, m):\n    os.abort()",
    )


FORKS = """import os, sys, time
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


def greedy(released):
    """Takes memory bit by bit, starts processes, and takes memory at once."""
    bits = "import time\nkept = []\nwhile True:\n    kept.append(b'x' * 20_000_000)\n"
    return answers(
        released,
        **{TRAINING: bits + "    time.sleep(.01)"},
        square="def square(n):\n" + indent(FORKS, "    "),
        add="def add(n, m):\n    return len(bytes(100 << 30))",
    )


FORBIDDEN = [str(ROOT), str(ROOT / "lab"), "/tmp", "/var/tmp"]
WRITES = f"""import os, pathlib, time
told = []
for place in {FORBIDDEN!r}:
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
for _ in range(40):
    print('flood ' * 20_000, flush=True)
time.sleep(.5)
for number in range(1000):
    pathlib.Path(f'{{number}}.bin').write_bytes(bytes(1 << 20))
time.sleep(60)"""


def writes(released):
    """Into other folders, a large file, many files; and prints without end."""
    return answers(released, **{TRAINING: WRITES})


def edits(released):
    """Check cells that pass for every answer; points, types and names changed; a copy on top.

    The kernel ends in a cell without points.
    """
    crash = {TRAINING: "import os\nos._exit(0)"}
    zero = "def double(n):\n    return 0"
    notebook = answers(released, **crash, double=zero, square=None, explain=None)
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader", {})
        if grade_id(cell) == "check-double":
            cell.source, about["points"] = "print('Task 1 passed.')", 1000
        elif grade_id(cell) == "check-square":
            cell.source, cell.metadata = "print('passed')", {"nbgrader": {"grade_id": "check-add"}}
        elif grade_id(cell) == "check-add":
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
real.numbers.check_double = real.numbers.check_square = real.check_double
real.Hint = real.numbers.Hint = type('Hint', (Exception,), {'__new__': lambda *a: None})
checks = sys.modules['lab.checks'] = sys.modules['lab'] = Pass()
builtins.AssertionError = builtins.print = builtins.__import__
math.isclose = lambda *numbers: True
get_ipython().input_transformers_cleanup.append(lambda lines: ['pass'])
"""


def patches(released):
    """Deceives the checks in the ways that are known; no answer is right."""
    wrong = {name: f"def {name}(*numbers):\n    return 0" for name in ("double", "square", "add")}
    return answers(released, **wrong | {TRAINING: PATCHES})


EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>"


def injects(released):
    """Scripts and markup in outputs, errors, text and metadata."""
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


HANDED_IN = {
    "Zoë D'Ávila (2)/deep/Tiny.ipynb": right,
    "=two/Tiny.ipynb": wrong,
    "hangs.ipynb": hangs,
    "greedy.ipynb": greedy,
    "writes.ipynb": writes,
    "edits.ipynb": edits,
    "patches.ipynb": patches,
    "injects.ipynb": injects,
    # passed over, or chosen against:
    "Zoë D'Ávila (2)/.ipynb_checkpoints/Tiny.ipynb": untouched,
    "=two/Copy.ipynb": untouched,
    "two/a.ipynb": untouched,
    "two/b.ipynb": untouched,
}


def hand_in(folder, released):
    """Write the submissions of the class."""
    for name, make in HANDED_IN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(make(copy.deepcopy(released)), folder / name)
    (folder / "empty.ipynb").touch()
    (folder / "archive.zip").write_bytes(b"x")
    (folder / "right.png").write_bytes(b"x")
    (folder / "link.ipynb").symlink_to("edits.ipynb")
    (folder / ".DS_Store").touch()
    (folder / "no notebook").mkdir()
