"""The wall around a submission's code: bubblewrap (`bwrap`), where the machine has it.

Inside are the system and Python, both read-only, what a notebook of the lab imports, the frames,
and an empty work folder in memory. Outside are the network, the home folder, the solution, the
submissions and all other processes. `find_trouble` says why there is no wall.
"""

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from secrets import randbelow

COURSE = Path(__file__).resolve().parents[2]
NEEDED = "lab/__init__.py lab/checks lab/grading/__init__.py lab/grading/inside.py segmentation_tf"
OPTIONAL = ("lab/steps.py",)
SYSTEM = "/usr /bin /sbin /lib /lib32 /lib64 /nix/store /etc/alternatives /etc/fonts".split()
SYSTEM += ["/etc/ld.so.cache", "/etc/localtime"]
GIGABYTE = 2**30
HOME = "/learner"  # the work folder; no folder of a real machine, which it would cover
SHARED = GIGABYTE // 16  # bytes of /tmp and of /dev/shm
ROOTS = "sys irq bus fs acpi driver scsi sysrq-trigger mtrr".split()
KEPT = "KERAS_BACKEND OMP_NUM_THREADS TF_ENABLE_ONEDNN_OPTS TF_NUM_INTEROP_THREADS".split()


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    minutes: float = 20  # for the whole notebook; a cell gets at most half of it
    memory: float = 6  # GB, of all its processes together
    disk: float = 2  # GB, of files
    check_seconds: float = 60  # for one check
    processes: int = 64
    # Of the checks' data, beside those that learners see. Nobody knows them beforehand, so that
    # remembered results are of no use.
    seeds: tuple[int, ...] = field(default_factory=lambda: tuple(map(randbelow, (2**30, 2**30))))


@dataclass(frozen=True)
class Place:
    """Where submissions run.

    Attributes:
        walled: inside of bubblewrap; else as ordinary processes of this user.
        frames: the folder of the frames, as MADS_ROOT names it; or None.
        hidden: folders that must not be visible inside: the submissions and their results.
    """

    walled: bool
    frames: Path | None = None
    hidden: tuple[Path, ...] = ()


@functools.cache
def find_trouble() -> str:
    """Return why bubblewrap does not run here; an empty string if it does."""
    if sys.platform != "linux":
        return "bubblewrap is for Linux alone"
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    tried = _run(_wall(Limits(), Place(walled=True)), "true")
    return "" if tried.returncode == 0 else tried.stderr.strip()[-300:] or "bwrap fails"


def _run(wall, *command):
    return subprocess.run([*wall, *command], capture_output=True, text=True, check=False)


@functools.cache
def can_limit_memory() -> bool:
    """Whether systemd can limit the memory of a group of processes for this user."""
    if shutil.which("systemd-run") is None:
        return False
    return _run(_scope(Limits()), "true").returncode == 0


def _scope(limits):
    memory = f"MemoryMax={int(limits.memory * GIGABYTE + limits.disk * GIGABYTE)}"
    properties = ["-p", memory, "-p", "MemorySwapMax=0", "-p", "TasksMax=2000"]
    return [
        shutil.which("systemd-run"),
        "--user",
        "--scope",
        "--quiet",
        "--collect",
        *properties,
        "--",
    ]


def start(limits: Limits, place: Place, work: Path | None) -> subprocess.Popen:
    """Start lab.grading.inside, which answers over its standard input and output.

    Args:
        work: the folder to work in, where there is no wall.
    """
    program = [sys.executable, "-m", "lab.grading.inside"]
    wall, cwd, options = [], work, {}
    if place.walled:
        wall, cwd = _wall(limits, place), "/"
        wall = [*(_scope(limits) if can_limit_memory() else []), *wall]
    if os.name == "posix":
        options["start_new_session"] = True
    return subprocess.Popen(
        [*wall, *program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=_environment(place, work),
        **options,
    )


def _environment(place, work):
    """No variable of the teacher's but a few harmless ones."""
    home = HOME if place.walled else str(work)
    python = str(Path(sys.executable).parent)
    variables = {
        "PATH": os.pathsep.join([python, "/usr/bin", "/bin"]),
        "HOME": home,
        "TMPDIR": home,
        "USER": "learner",
        "LANG": "C.UTF-8",
        "PYTHONPATH": "/course" if place.walled else str(COURSE),
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    if place.frames:
        variables["MADS_ROOT"] = "/frames" if place.walled else str(place.frames)
    if sys.platform == "win32":  # Python does not start without it
        variables["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    if place.walled and can_limit_memory():  # systemd-run finds the user's manager by it
        variables |= {n: os.environ[n] for n in ("XDG_RUNTIME_DIR",) if n in os.environ}
    return variables | {name: os.environ[name] for name in KEPT if name in os.environ}


def _wall(limits, place):
    """The command that builds the wall and then runs what is behind it."""
    wall = [
        shutil.which("bwrap"),
        "--unshare-user",
        "--unshare-all",
        "--uid",
        "1000",
        "--gid",
        "1000",
    ]
    wall += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if _can_forbid_namespaces():
        wall += ["--disable-userns"]
    for path in SYSTEM:
        if os.path.islink(path) and os.path.isdir(path):
            wall += ["--symlink", os.readlink(path), path]
        else:
            wall += ["--ro-bind-try", path, path]
    wall += ["--size", str(SHARED), "--tmpfs", "/tmp"]  # before what may lie in it
    python = [sys.base_prefix, sys.prefix, *(p for p in sys.path if p.endswith("packages"))]
    wall += _show(python)
    # The course may lie in Python's folders, and submissions in either: cover those.
    secrets = [COURSE, *place.hidden]
    wall += [part for path in secrets if _within(path, [*SYSTEM, *python]) for part in _cover(path)]
    wall += _show([path for path in python if _within(path, secrets)])
    for part in [*NEEDED.split(), *OPTIONAL]:
        wall += ["--ro-bind-try", str(COURSE / part), f"/course/{part}"]
    if place.frames:
        wall += ["--ro-bind", str(place.frames), "/frames"]
    wall += ["--proc", "/proc"]  # where root may write, also without any right of root's
    wall += _show([f"/proc/{name}" for name in ROOTS if os.path.exists(f"/proc/{name}")])
    wall += ["--dev", "/dev", "--size", str(SHARED), "--tmpfs", "/dev/shm"]
    wall += ["--size", str(int(limits.disk * GIGABYTE)), "--tmpfs", HOME]
    wall += ["--remount-ro", "/dev", "--remount-ro", "/"]
    return [*wall, "--chdir", HOME, "--"]


def _show(paths):
    return [part for path in dict.fromkeys(paths) for part in ("--ro-bind", path, path)]


def _cover(path):
    return ["--size", "4096", "--tmpfs", str(path)]


def _within(path, folders):
    return any(Path(path).is_relative_to(folder) for folder in folders)


@functools.cache
def _can_forbid_namespaces():
    """Whether bwrap is of version 0.8 or later, which can refuse namespaces within its own."""
    return "--disable-userns" in _run(["bwrap"], "--help").stdout
