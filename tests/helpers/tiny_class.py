"""A class that hands in the tiny lab: what each one hands in, and what they must get."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

import tiny_lab

ROOT = Path(__file__).resolve().parents[2]
RIGHT = {
    "double": "def double(n):\n    return n + n",
    "square": "def square(n):\n    return n ** 2",
    "add": "def add(n, m):\n    return m + n",
    "text": "It fails where the number is dark.",
    "training": "trained = double(21)",
}
PLACES = dict(zip(RIGHT, (2, 4, 8, 6, 3)))  # of their cells


@dataclass
class Handed:
    """A submission: cells that differ from the right ones, points it must get, words to find."""

    got: int
    remarks: str = ""  # a pattern in the table's remarks
    page: str = ""  # and one in the page
    cells: dict = field(default_factory=dict)

    def notebook(self):
        notebook = tiny_lab.notebook()
        for name, source in (RIGHT | self.cells).items():
            notebook.cells[PLACES[name]].source = source
        return notebook


def training(source, got=30, remarks="", page="", **cells):
    """A cell without points holds `source`, between the first task and the others."""
    return Handed(got, remarks, page, {"training": source, **cells})


def wrong(got, remarks="", **cells):
    """Some of the functions are not as they should be."""
    return Handed(got, remarks, cells=cells)


STUB = "def square(*numbers):\n    raise NotImplementedError"
LOOP = "    while True:\n        pass"
DEAF = """import time
while True:
    try:
        time.sleep(9)
    except BaseException:
        pass"""
FORKS = """import os, time
kept = b'x' * 250_000_000
if 0 in [os.fork() for _ in range(3)]:
    time.sleep(1)
    os._exit(0)
time.sleep(1)"""


def define(body):
    """The three functions with the same body."""
    return {name: f"def {name}(*numbers):\n{body}" for name in ("double", "square", "add")}


ZERO = define("    return 0")

HONEST = {
    "right": training("!echo hello\n%time x = 1", page="hello"),
    "stubs": wrong(10, "square: not done yet", square=STUB, add=STUB.replace("square", "add")),
    "wrong": wrong(
        20,
        "double: This is not twice",
        double="double = lambda n: 3 * n",
        text=tiny_lab.release.ANSWER,
    ),
    # Right for the data that learners see, wrong for others.
    "overfits": wrong(25, "square: This is no square", square="square = lambda n: 9"),
    "raises": wrong(20, "double: double stopped with Zero", double="def double(n): 1 / 0"),
    "missing": wrong(15, "the notebook has no function add", add="1"),
    "helper below": training("helper = lambda n: 2 * n", double="double = lambda n: helper(n)"),
    "forks": training(FORKS),
    "prints": training("for n in range(30_000):\n    print(n)", page="characters left out"),
    "prints lists": training("print([[0]] * 300_000)", page="characters left out"),
    "no module": training("import google.colab\n1", remarks="First error, .*: ModuleNotFoundError"),
    "draws": training("import pylab\npylab.plot([1, 2])", page="data:image/png;base64,"),
    "exits": training("helper = 1\nexit()"),
    "ends": training("import os\nos._exit(0)", remarks="In the cell 'import os': it ended the"),
    # Slow cells that define something run again after the process has ended.
    "slow import": training(
        "import os\nos._exit(0)",
        double="import math, time\ntime.sleep(.4)\ndouble = lambda n: math.floor(2 * n)",
    ),
    "sleeps": training("import time\ntime.sleep(99)", remarks="it did not end in its time"),
    "hangs in all": wrong(0, "add: it did not end in its time", **define(LOOP)),
    "deaf": training(DEAF, remarks="nor when it was interrupted"),
    "deaf function": wrong(20, double="def double(n):\n" + indent(DEAF, "    ")),
    "system exit": wrong(20, double="import sys\ndouble = lambda n: sys.exit()"),
    "aborts": wrong(15, "add: it ended the process", add="import os\nadd = lambda *a: os.abort()"),
}

FORBIDDEN = [*(str(ROOT / name) for name in ("lab/solution", "tests", "README.md")), "/etc/passwd"]
ESCAPES = f"""import os, shutil, socket, subprocess, sys
import lab.checks
file, done = lab.checks.__file__, []
def can(name, act, *arguments):
    try:
        if act(*arguments) is not False:
            done.append(name)
    except (OSError, AttributeError):
        pass
for place in {FORBIDDEN!r} + ['SUBMISSION']:
    can('look at ' + place, lambda: os.listdir(place) if os.path.isdir(place) else open(place))
can('write', open, file, 'a')
can('set the kernel', open, '/proc/sys/kernel/core_pattern', 'w')
can('chmod', os.chmod, file, 0o777)
can('chown', os.chown, file, 0, 0)
can('utime', os.utime, file)
can('xattr', os.setxattr, file, 'user.x', b'x')
can('remove', os.remove, file)
for folder in ('/', '/usr', '/course', '/dev', '/proc', '/sys', '/etc', '/run', '/var/tmp'):
    can('make ' + folder, os.mkdir, folder + '/x')
can('net', socket.create_connection, ('1.1.1.1', 80), 1)
can('kill', os.kill, {os.getpid()}, 0)
can('mount', lambda: not subprocess.run(['mount', '-t', 'tmpfs', 'x', '/usr']).returncode)
can('namespace', lambda: not subprocess.run(['unshare', '-Ur', 'true']).returncode)
can('see', lambda: len([n for n in os.listdir('/proc') if n.isdigit()]) > 8)
can('secret', lambda: 'SECRET_OF_THE_TEACHER' in os.environ)
print('can', done)"""

FILLS = """import os
def fill(folder):
    try:
        for number in range(99):
            open(f'{folder}/{number}', 'wb').write(bytes(10_000_000))
    except OSError as error:
        print(folder, error.strerror)
fill('/learner'), fill('/dev/shm'), fill('/tmp')
os.system('rm -rf /learner/* /dev/shm/*')
os.mkdir('shut'); os.chmod('shut', 0)
for number in range(5000):
    os.mkdir(f'empty{number}')
file = open('gone', 'wb'); file.write(bytes(10_000_000)); os.remove('gone')"""

FORK_BOMB = """import os, time
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(.1)"""
DETACHED = """import os, sys, time
if not os.fork():
    os.setsid()
    if not os.fork():
        os.execve(sys.executable, [sys.executable, '-c', 'import time; time.sleep(987)'], {})
    os._exit(0)"""
PATCHES = """import builtins, sys
import lab.checks as real, lab.checks.common, lab.checks.values
real.check_double = real.common.call = real.common.ask = lambda *a, **o: None
real.values.attempt = real.values.encode = lambda *a, **o: '6'
builtins.AssertionError = builtins.abs = lambda *a: 0
sys.modules['__main__'].answer = lambda *a: True"""
FORGES = """channel = get_ipython().channel
for number in range(40):
    channel.tell(done=[number, '"passed"']), channel.tell(done=[number, True])"""
NONSENSE = """import os
for number in range(3, 20):
    try:
        os.write(number, b'{"done": ' + b'[' * 300_000 + b'\\n')
    except OSError:
        pass"""
EQUAL = """class Equal(int):
    __eq__ = __le__ = __lt__ = lambda *a: True
    __ne__ = __abs__ = lambda *a: 0
    __add__ = __sub__ = __mul__ = lambda *a: Equal()
double = square = add = lambda *a: Equal(0)"""
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)><a href='java\tscript:alert(3)'>x</a>"

INJECTS = f"""from IPython.display import *
display(HTML({EVIL!r}), Javascript('alert(4)'))
print({EVIL!r}, '\\u202e', '\\x1b]0;x\\x07')
display({{'image/png': 'AA"><script>alert(6)</script>'}}, raw=True)"""
DEEP = "def double(n):\n    x = []\n    for _ in range(9999):\n        x = [x]\n    return x"
GREEDY = "kept = []\nwhile True:\n    kept.append(b'x' * 20_000_000)"

HOSTILE = {
    "escapes": training(ESCAPES, page=r"can \[\]"),
    "fills": training(FILLS, page="/learner No space.*/dev/shm No space.*/tmp No space"),
    "takes memory": training(GREEDY, remarks="it used more than 0.6 GB"),
    "takes all memory": wrong(
        15, "add: add stopped with Mem", add="add = lambda *a: bytes(1 << 50)"
    ),
    "fork bomb": training(FORK_BOMB, remarks="it started|ended the process"),
    "detached": training(DETACHED),
    "patches": training(PATCHES, got=0, **ZERO),
    "forges": training(FORGES, got=0, **ZERO),
    "equal to all": training(EQUAL, got=0, **dict.fromkeys(ZERO, "")),
    "says passed": training("print('Task 1 passed.')", got=0, **ZERO),
    "nonsense": training(NONSENSE, got=0, remarks="it wrote what is no answer", **ZERO),
    "deep": wrong(20, "double: This is not twice", double=DEEP),
    "huge": wrong(20, "double: ", double="import numpy\ndouble = lambda n: numpy.zeros(10**8)"),
    "odd": wrong(0, "double: ", **define("    return float('nan'), {b'x': object}")),
    "from elsewhere": training(
        "globals()['squ' + 'are'] = lambda n: n * n",
        remarks="square passed, but the notebook does not",
        square="1",
    ),
    "marks": training("### BEGIN SOLUTION ### BEGIN HIDDEN TESTS\n" * 16_000),
    "nested": training("(" * 50_000 + ")" * 50_000),
    "injects": training(
        INJECTS,
        got=20,
        remarks="double: double stopped with ValueError: <script>",
        page="&lt;script&gt;alert",
        double=f"def double(n):\n    raise ValueError({EVIL!r})",
        text=f"{EVIL}\n\n[x](javascript:alert(7))",
    ),
}
TRIALS = HONEST | HOSTILE


def hand_in(folder: Path) -> None:
    """Write the submissions of the class, and other things that are found in such folders."""
    folder.mkdir()
    for name, handed in TRIALS.items():
        text = nbformat.writes(handed.notebook()).replace("SUBMISSION", str(folder / "right.ipynb"))
        (folder / f"{name}.ipynb").write_text(text, encoding="utf-8")
    renamed = Handed(30, cells={}).notebook()
    renamed.cells = [cell for cell in renamed.cells if cell.id != "answer-7"]
    renamed.cells.insert(6, new_markdown_cell("My answer: where\nit is dark."))
    renamed.cells.append(new_code_cell("1 +"))
    for place in (
        "Zoë D'Ávila (2)/deep/Tiny.ipynb",
        "Eva.ipynb.txt",
        ".Dot.ipynb",
        "~T.ipynb",
        "\uff1dtwo.ipynb",
    ):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(renamed, folder / place)
    (folder / "Zoë D'Ávila (2)" / ".ipynb_checkpoints").mkdir()
    nbformat.write(renamed, folder / "Zoë D'Ávila (2)" / ".ipynb_checkpoints" / "Tiny.ipynb")
    (folder / "empty.ipynb").touch()
    (folder / "archive.zip").write_bytes(b"x")
    (folder / "picture.png").write_bytes(b"x")
    (folder / "link.ipynb").symlink_to("right.ipynb")
    (folder / ".DS_Store").touch()
    (folder / "no notebook").mkdir()
