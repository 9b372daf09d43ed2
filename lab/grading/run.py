"""Run a notebook in a sandbox, within limits, and ask about its functions afterwards.

All decisions fall on this side of the pipe. If a cell ends the process or hangs, a new one is
started, the cells before it that define something or are quick are run again, and it goes on.
"""

import collections
import contextlib
import itertools
import json
import os
import queue
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable

import psutil

from lab.checks.values import BRACKETS, COMMAS, Failure, Malformed, decode, encode
from lab.grading import wall
from lab.grading.wall import GIGABYTE, Limits, Place

STARTS = 10  # of the process, for one submission
START_SECONDS = 120
QUICK = 20  # seconds; slower cells are run again only if they define something
LATE = 5  # seconds for each cell that defines something, once the time of the notebook is used up
GRACE = 10  # seconds to end after an interrupt
LINE_BYTES, ALL_BYTES = 64_000_000, 500_000_000  # of one message, of all
PRINTED = 1_000_000  # bytes of a message with printed text, which may hold any brackets
OUTPUT_CHARACTERS, NOTEBOOK_CHARACTERS = 20_000, 40_000_000  # kept of one text, of all outputs
KINDS = ("text", "error", "image/png")
DEFINES = re.compile(r"(?m)^(def|class|import|from|async def|@)\b")


class Ended(Exception):
    """The process ended or had to be ended: why, in words for the learner."""


class Unanswered(Exception):
    """A check could not ask what it wanted to know: why, in words for the learner."""


class Sandbox:
    """A process behind the wall, and the pipes to it."""

    def __init__(self, limits: Limits, place: Place):
        self.limits = limits
        self.reason, self.number, self.bytes, self.shared = "", 0, 0, shared_memory()
        self.members = []
        self.work = None if place.walled else _work_folder()
        self.process = wall.start(limits, place, self.work and self.work.name)
        self.lines, self.said = queue.Queue(maxsize=20), collections.deque(maxlen=1)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        for work in (self._drain, self._watch):
            threading.Thread(target=work, daemon=True).start()
        try:
            self._receive(START_SECONDS, lambda *_: None)
            # Whatever code behind the wall does to the process that watches it, these end with it.
            self.members = family(self.process.pid)
        except (TimeoutError, Ended) as error:
            said = self.said[0].decode("utf-8", "replace").strip() if self.said else "no message"
            raise self._end(f"the sandbox did not start: {said}") from error

    def request(self, seconds: float, on_output: Callable = lambda *_: None, **message):
        """Send a message; return the answer, or None where it was interrupted after `seconds`.

        Raises:
            Ended: the process ended, did not heed the interrupt, or answers nonsense.
        """
        self.number += 1
        try:
            line = json.dumps({"id": self.number, **message}).encode() + b"\n"
            self.process.stdin.write(line)
            self.process.stdin.flush()
        except OSError as error:
            raise self._end("it ended the process that ran it") from error
        try:
            return self._receive(seconds, on_output)
        except TimeoutError:
            self._interrupt()
        try:
            self._receive(GRACE, on_output)
        except TimeoutError as error:
            raise self._end("it did not end in its time, nor when it was interrupted") from error
        return None

    def _receive(self, seconds, on_output):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                line = self.lines.get(timeout=min(1, left))
            except queue.Empty:
                if self.process.poll() is None:
                    continue
                line = b""  # it ended, and a process that it started holds the pipe open
            kind, value = self._parse(line)
            if kind == "out":
                on_output(*value)
            elif value[0] == self.number:
                return value[1]
        raise TimeoutError

    def _parse(self, line):
        """("out", (kind, text)) or ("done", (number, answer))."""
        self.bytes += len(line)
        if not line:
            raise self._end("it ended the process that ran it")
        if not line.endswith(b"\n") or self.bytes > ALL_BYTES:
            raise self._end("it wrote too much")
        is_short_output = line.startswith(b'{"out": ') and len(line) < PRINTED
        parts = 0 if is_short_output else line.count(b"[") + line.count(b"{")
        if parts > BRACKETS or line.count(b",") > COMMAS:
            raise self._end("it wrote what is no answer")
        try:
            ((kind, (first, second)),) = json.loads(line).items()
        except (ValueError, TypeError, AttributeError, RecursionError, MemoryError) as error:
            raise self._end("it wrote what is no answer") from error
        if kind == "out" and type(first) is type(second) is str:
            return kind, (first, second)
        if kind == "done" and type(first) in (int, type(None)):
            return kind, (first, second)
        raise self._end("it wrote what is no answer")

    def _read(self):
        while line := self.process.stdout.readline(LINE_BYTES):
            self.lines.put(line)
        self.lines.put(b"")

    def _drain(self):
        """Keep the last line on stderr: it says why the sandbox did not start."""
        while line := self.process.stderr.readline(500):
            self.said.append(line)

    def _watch(self):
        """End the process as soon as all that it started uses too much together."""
        while self.process.poll() is None:
            if reason := excess(self.process.pid, self.limits, self.shared):
                self.reason = self.reason or reason
                end_all(self.process, self.members)
            time.sleep(0.2)
        end_all(self.process, self.members)

    def _interrupt(self):
        """As Ctrl-C does, to the Python process alone."""
        for member in family(self.process.pid) if os.name == "posix" else ():
            command = ask(member, "cmdline") or []
            if "lab.grading.inside" in command and "bwrap" not in command[0]:
                return ask(member, "send_signal", signal.SIGINT)

    def _end(self, why):
        """Close the sandbox; the error to raise, with the reason that the watch found, if any."""
        self.close()
        return Ended(self.reason or why)

    def close(self) -> None:
        """End all that runs in it, and remove what it wrote."""
        end_all(self.process, self.members)
        for _ in range(40):  # let the reader come to its end, which may wait for room
            with contextlib.suppress(queue.Empty):
                self.lines.get(timeout=0.05)
            if not self.reader.is_alive():
                break
        if self.work:
            self.work.cleanup()


def _work_folder():
    return tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True)


class Run:
    """A notebook that runs: `outputs` has a list of (kind, text) for each cell."""

    def __init__(self, sources: list[str], limits: Limits, place: Place):
        self.sources, self.limits, self.place = sources, limits, place
        self.outputs = [[] for _ in sources]
        self.sandbox, self.starts, self.late = None, 0, False
        self.took, self.spoilt = {}, set()
        # Of everything: the notebook, the checks, and all cells that run again.
        self.deadline = time.monotonic() + 120 * limits.minutes + START_SECONDS
        self.room = NOTEBOOK_CHARACTERS

    def all_cells(self) -> None:
        """Run the notebook from top to bottom, within the time that it has."""
        with contextlib.suppress(Ended):  # the first cell tells
            self.need_sandbox(0)
        end = time.monotonic() + 60 * self.limits.minutes
        for index, source in enumerate(self.sources):
            now = time.monotonic()
            left = end - now
            if left < 0 and (now > self.deadline or not DEFINES.search(source)):
                self.late = True
                self.outputs[index].append(("error", "Not run: the time was used up."))
                continue
            self.run_cell(index, max(LATE, min(left, 30 * self.limits.minutes)))

    def run_cell(self, index: int, seconds: float) -> None:
        begin, outputs = time.monotonic(), self.outputs[index]

        def keep(kind, text):
            self.keep(outputs, kind, text)

        try:
            self.need_sandbox(index)
            answer = self.sandbox.request(seconds, keep, run=self.sources[index])
            if answer is None:
                outputs.append(("error", f"Stopped: it did not end in its time, {seconds:.0f} s."))
                self.spoilt.add(index)
        except Ended as error:
            outputs.append(("error", f"Stopped: {error}."))
            self.spoilt.add(index)
            self.sandbox = None
        self.outputs[index] = tidy(outputs)
        self.took[index] = time.monotonic() - begin

    def keep(self, outputs, kind, text):
        """Keep an output, as long as there is room for it."""
        self.room -= len(text) + 100
        if kind in KINDS and self.room > 0:
            outputs.append((kind, text))

    def need_sandbox(self, index: int) -> None:
        """Start a sandbox if there is none, and bring it to where cell `index` can run.

        Raises:
            Ended: it was started too often.
        """
        while self.sandbox is None:
            if self.starts == STARTS:
                raise Ended(f"not run: {STARTS} processes were started, and none lasted")
            if time.monotonic() > self.deadline:
                raise Ended("not run: the time for notebook and checks was used up")
            self.starts += 1
            try:
                self.sandbox = Sandbox(self.limits, self.place)
                self.replay(index)
            except Ended:
                self.sandbox = None

    def replay(self, index):
        for before in range(index):
            quick = self.took.get(before, QUICK) < QUICK
            if before in self.spoilt or not (quick or DEFINES.search(self.sources[before])):
                continue
            try:
                seconds = min(
                    3 * self.took.get(before, QUICK) + 10, self.deadline - time.monotonic()
                )
                self.sandbox.request(max(1, seconds), run=self.sources[before])
            except Ended:
                self.spoilt.add(before)
                raise

    def close(self) -> None:
        if self.sandbox:
            self.sandbox.close()
            self.sandbox = None


class Proxy:
    """Stands for a function of a notebook that ran; lab.checks asks it in place of the function.

    Raises:
        Unanswered: there is no such function, or it brought no answer in the time of a check.
    """

    def __init__(self, name: str, run: Run):
        self.__name__, self.run = name, run
        self.end = time.monotonic() + run.limits.check_seconds

    def ask_in_sandbox(self, probe: Callable, *arguments, **options):
        name = f"{probe.__module__}:{probe.__name__}"
        packed = [name, self.__name__, encode(list(arguments)), encode(options)]
        try:
            begin = time.monotonic()
            self.run.need_sandbox(len(self.run.sources))
            self.end += time.monotonic() - begin  # a new start is no fault of this function
            seconds = self.end - time.monotonic()
            answer = self.run.sandbox.request(max(1, seconds), ask=packed)
        except Ended as error:
            self.run.sandbox = None
            raise Unanswered(str(error)) from error
        if answer is None:
            raise Unanswered(f"it did not end in its time, {self.run.limits.check_seconds:g} s")
        value = self.read(answer)
        if isinstance(value, Failure) and value.kind == "Missing":
            raise Unanswered(f"the notebook has no function {self.__name__}")
        return value

    def read(self, answer):
        try:
            return decode(answer)
        except Malformed as error:
            raise Unanswered("it returned what is no answer") from error


def tidy(outputs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return outputs with texts that follow each other joined, and none of them too long."""
    joined = []
    for kind, group in itertools.groupby(outputs, key=lambda output: output[0]):
        texts = [text for _, text in group]
        if kind == "text":
            texts = [shorten(overwrite("".join(texts)))]
        joined += [(kind, text if "/" in kind else shorten(text)) for text in texts]
    return joined


def overwrite(text: str) -> str:
    """Return what a terminal would show: a carriage return starts the line again."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def shorten(text: str) -> str:
    """Return a text without its middle if it is too long."""
    if len(text) <= OUTPUT_CHARACTERS:
        return text
    half = OUTPUT_CHARACTERS // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"


# --- All that a process has started ---------------------------------------------------------------


def ask(process: psutil.Process, method: str, *arguments):
    """Return what a method of a process returns; None where the process is gone or another's."""
    try:
        return getattr(process, method)(*arguments)
    except psutil.Error:
        return None


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def end_all(process: subprocess.Popen, members: list[psutil.Process]) -> None:
    """Kill a process, its descendants and `members`, the first processes behind a wall.

    With the first of those, the system ends all others behind the wall, without fail.
    """
    # Once it has ended, its number may be that of another process.
    found = family(process.pid) if process.poll() is None else []
    for member in [*reversed(found), *members]:
        ask(member, "kill")
    process.kill()
    process.wait()


def excess(pid: int, limits: Limits, shared: int) -> str:
    """Return which limit a process and its descendants exceed together, or an empty string.

    Args:
        shared: the machine's shared memory in bytes before the process was started. Files in
            memory count there; no process need have them among its pages.
    """
    members = family(pid)
    if len(members) > limits.processes + os.cpu_count():
        return f"it started {len(members)} processes"
    most = limits.memory * GIGABYTE
    # PSS counts a page that several processes share once. It takes longer to read than RSS.
    too_much = used(members, "memory_info", "rss") > most
    too_much = too_much and used(members, "memory_full_info", "pss") > most
    if too_much or shared_memory() - shared > most + limits.disk * GIGABYTE:
        return f"it used more than {limits.memory:g} GB of memory"
    return ""


def used(members, method, part):
    """The sum of a part of the members' memory; RSS where the system does not tell the part."""
    sizes = [ask(member, method) or ask(member, "memory_info") for member in members]
    return sum(getattr(size, part, size.rss) for size in sizes if size)


def shared_memory() -> int:
    """Return the bytes of shared memory in use on this machine; 0 where it does not tell."""
    return getattr(psutil.virtual_memory(), "shared", 0)
