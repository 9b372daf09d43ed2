"""A wall around a submission's code, as far as the machine can build one.

As a program it limits itself and becomes the command it is given: the kernel that runs the code.

    python wall.py '{"read": [...], "write": [...], "data": ..., ...}' command ...

On Linux, the kernel gets its own process numbers and no network (by `unshare`, where users may),
and Landlock lets it read and write only what is named. Elsewhere the limits of the process stay.
"""

import contextlib
import ctypes
import functools
import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import psutil

try:
    import resource
except ImportError:  # on Windows; lab.grade says so
    resource = None

LINUX = sys.platform == "linux"
UNSHARE = (
    "setpriv --pdeathsig KILL unshare --user --map-current-user --net --pid --fork --kill-child"
)

# Of Linux: include/uapi/linux/landlock.h and prctl.h. Numbers of calls are those of every platform.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_FOLDER, TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
EVERYTHING = {1: (1 << 13) - 1, 2: (1 << 14) - 1}  # from version 3 on: with TRUNCATE
READ, FOR_FILES = EXECUTE | READ_FILE | READ_FOLDER, EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
TCP, SIGNALS_AND_SOCKETS = 0b11, 0b11
DIE_WITH_PARENT, NO_NEW_PRIVILEGES, ADOPT_ORPHANS = 1, 38, 36


def command(walls: dict, program: list[str]) -> list[str]:
    """Return the command that runs `program` behind `walls`, which lab.grading.run.walls makes."""
    apart = UNSHARE.split() if can_unshare() else []
    return [*apart, sys.executable, __file__, json.dumps(walls), *program]


@functools.cache
def can_unshare() -> bool:
    """Whether this user may make namespaces of processes and network."""
    try:
        tried = LINUX and subprocess.run([*UNSHARE.split(), "true"], capture_output=True)
        return bool(tried) and tried.returncode == 0
    except OSError:
        return False


def landlock_version() -> int:
    """Return 0 without Landlock; from 3 on it keeps all writing in, from 4 TCP, from 6 signals."""
    return max(0, _call(CREATE_RULESET, None, 0, 1)) if LINUX else 0


def describe() -> str:
    """Say in a sentence what the wall of this machine lets through."""
    version, namespaces = landlock_version(), can_unshare()
    through = [
        "" if version >= 3 else "write to your files",
        "" if version >= 1 else "read your files",
        "" if namespaces or version >= 4 else "use the network",
        "" if namespaces or version >= 6 else "stop your programs",
    ]
    if not any(through):
        closed = "network" if namespaces else "TCP"
        return (
            "Submissions run walled in: no writing to your files, no reading of your home, no "
            f"{closed}, no signals to your programs; lab/teacher.md says what stays open."
        )
    return f"Caution: here submissions can {', '.join(filter(None, through))}; see lab/teacher.md."


# --- Around this process ------------------------------------------------------------------------


def build(walls: dict) -> None:
    """Limit this process and all that it will start, for good."""
    os.nice(5)  # the teacher's machine stays usable
    process_option(DIE_WITH_PARENT, 9)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_CPU, walls["cpu_seconds"])
    limit(resource.RLIMIT_FSIZE, walls["file_bytes"])
    limit(resource.RLIMIT_NPROC, walls["threads"])
    if LINUX:  # elsewhere nothing heeds it
        limit(resource.RLIMIT_DATA, walls["data_bytes"])
        process_option(NO_NEW_PRIVILEGES, 1)
        shut_files(walls["read"], walls["write"])


def limit(kind, most):
    hard = resource.getrlimit(kind)[1]
    most = int(most) if hard == resource.RLIM_INFINITY else min(int(most), hard)
    resource.setrlimit(kind, (most, most))


def shut_files(read, write):
    """Landlock: open only these files and folders, no TCP, no signals to others."""
    version = landlock_version()
    if not version:
        return
    rights = EVERYTHING.get(version, (1 << 15) - 1)
    handled = (rights, TCP if version >= 4 else 0, SIGNALS_AND_SOCKETS if version >= 6 else 0)
    attributes = struct.pack("=QQQ", *handled)
    ruleset = _call(CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "Landlock refused its rules")
    for paths, allowed in ((read, READ), (write, rights)):
        for path in paths:
            _allow(ruleset, path, allowed & rights)
    if _call(RESTRICT_SELF, ruleset, 0):
        raise OSError(ctypes.get_errno(), "Landlock refused to begin")
    os.close(ruleset)


def _allow(ruleset, path, allowed):
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there need not be opened
    if not os.path.isdir(path):
        allowed &= FOR_FILES
    rule = struct.pack("=Qi", allowed, file)
    if _call(ADD_RULE, ruleset, 1, rule, 0):
        raise OSError(ctypes.get_errno(), f"Landlock refused {path}")
    os.close(file)


def _call(number, *arguments):
    return ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)


def process_option(option, value):
    """prctl, where there is one."""
    if LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


# --- The end of all it started ------------------------------------------------------------------


def descendants(process):
    """All that a process has started, and what that started."""
    return set(ask(process, "children", [], recursive=True))


def family(home: Path, process: psutil.Process | None = None) -> list[psutil.Process]:
    """Return the living descendants of `process`, and whatever runs with `home` as its HOME."""
    members = descendants(process) if process else set()
    for other in psutil.process_iter():
        if ask(other, "environ", {}).get("HOME") == str(home):
            members.add(other)
    return living(members)


def living(processes):
    gone = psutil.STATUS_ZOMBIE
    return [process for process in processes if ask(process, "status", gone) != gone]


def kill_family(home: Path, process: psutil.Process | None = None) -> bool:
    """End a family of processes; return whether that worked.

    All are stopped before the first is killed, group by group, which the system does at once: a
    stopped process cannot start another one.
    """
    stopped = set()
    for _ in range(200):
        groups = groups_of(family(home, process)) - stopped
        if not groups:
            break
        signal_groups(groups, signal.SIGSTOP)
        stopped |= groups
    for _ in range(50):
        members = family(home, process)
        if not members:
            return True
        signal_groups(groups_of(members), signal.SIGKILL)
        psutil.wait_procs(members, timeout=0.2)
    return False


def groups_of(processes):
    """The groups of processes that they belong to, never this process's own."""
    groups = set()
    for process in processes:
        with contextlib.suppress(OSError):
            groups.add(os.getpgid(process.pid))
    return groups - {os.getpgrp()}


def signal_groups(groups, number):
    for group in groups:
        with contextlib.suppress(OSError):
            os.killpg(group, number)


def ask(process, method, otherwise=None, **options):
    """What a method of a psutil.Process returns; `otherwise` where it ended or is another's."""
    try:
        return getattr(process, method)(**options)
    except psutil.Error:
        return otherwise


def main():
    walls, *program = sys.argv[1:]
    build(json.loads(walls))
    os.execvp(program[0], program)


if __name__ == "__main__":
    main()
