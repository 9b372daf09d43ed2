"""Run a submitted notebook: within limits, past dead kernels, with checks as they were made."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import psutil
import zmq.asyncio
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade

from lab.grading import wall

GIGABYTE = 2**30
STARTS = 6  # of the kernel, for one submission
REPLAY_SECONDS = 20  # after a dead kernel, cells that took longer are not run again
LATE_SECONDS = 5  # for each cell without points, once the time of the whole notebook is used up
OUTPUT_BYTES = 4_000_000  # of one cell; of all cells, ten times as much
OUTPUTS = {"stream", "display_data", "execute_result", "error", "update_display_data"}
STREAM_CHARACTERS = 20_000  # printed by one cell
SHARED_MEMORY = "/dev/shm"
SYSTEM = "/usr /bin /sbin /lib /lib64 /etc /opt /nix/store /proc /sys".split()
DEVICES = ["null", "zero", "full", "random", "urandom", "shm", "dri", "nvidia*"]

# Run in the kernel before the first cell: what checks lean on is kept, to be put back before each.
GUARD = """
def guard():
    import builtins, importlib, sys, types
    import lab.checks
    shell = get_ipython()
    shell.system = shell.system_raw  # lines with ! need no terminal, which the wall keeps away
    def of_the_lab():
        return [name for name in sys.modules if name.partition(".")[0] == "lab"]
    used = [value for name in of_the_lab() for value in vars(sys.modules[name]).values()]
    used = [m for m in used if isinstance(m, types.ModuleType) and m.__name__ not in of_the_lab()]
    tables = [(vars(module), dict(vars(module))) for module in [builtins, *used]]
    lists = [sys.path, sys.meta_path, sys.path_hooks, shell.ast_transformers,
             shell.input_transformers_post, shell.input_transformer_manager.cleanup_transforms,
             shell.input_transformer_manager.line_transforms,
             shell.input_transformer_manager.token_transformers, *shell.events.callbacks.values()]
    lists = [(now, list(now)) for now in lists]
    load = importlib.import_module
    def restore():
        for now, kept in tables:
            now.update(kept)
        for now, kept in lists:
            now[:] = kept
        for name in of_the_lab():
            del sys.modules[name]
        shell.user_ns["checks"] = load("lab.checks")
        return True
    sys.modules["TOKEN"] = restore
guard()
del guard
"""


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    minutes: float = 20  # for the whole notebook; a cell without points gets at most half of it
    check_seconds: float = 60  # for a cell that brings points
    memory: float = 6  # GB, of all its processes together
    processes: int = 64
    disk: float = 2  # GB, in its folder
    read: tuple = ()  # more folders that it may read


class Stopped(Exception):
    """Why a cell was not run or not finished, in words for the learner."""


class Walled(AsyncKernelManager):
    """Starts kernels behind a wall; they talk through files, since they have no network."""

    def format_kernel_cmd(self, extra_arguments=None):
        program = [sys.executable, "-m", "ipykernel_launcher", "-f", self.connection_file]
        return wall.command(self.walls, [*program, *(extra_arguments or [])])


class Run(Execute):
    """nbgrader's preprocessor that runs a notebook, but it comes to an end with every notebook."""

    def __init__(self, folder, limits):
        super().__init__(
            startup_timeout=120,
            timeout=120,
            timeout_func=self.seconds,
            iopub_timeout=min(10, limits.check_seconds),  # to end after it was interrupted
            shutdown_kernel="immediate",
        )
        self.folder, self.limits = folder, limits
        self.work = folder / "work"
        self.token = f"guard_{secrets.token_hex(8)}"
        self.starts, self.bytes, self.total = 0, 0, 0
        self.replied, self.leaves = False, False
        self.spoilt, self.took = set(), {}

    def preprocess(self, nb, resources):
        self.nb, self.resources = nb, resources
        self.reset_execution_trackers()
        self.end = time.monotonic() + 60 * self.limits.minutes
        self.watch = Watch(self.work, self.limits)
        self.watch.start()
        try:
            for index, cell in enumerate(nb.cells):
                if cell.cell_type == "code":
                    self.run_cell(cell, index)
        finally:
            self.late = time.monotonic() > self.end
            self.drop_kernel()
            self.watch.done.set()
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs = tidy(cell)
        return nb, resources

    def seconds(self, cell):
        if is_grade(cell):
            return self.limits.check_seconds
        half = 30 * self.limits.minutes
        return max(LATE_SECONDS, min(half, self.end - time.monotonic()))

    def run_cell(self, cell, index):
        cell.outputs, begin = [], time.monotonic()
        self.bytes, self.replied, self.leaves = 0, False, False
        try:
            self.need_kernel(index)
            if is_grade(cell):
                self.restore_checks()
            self.execute_cell(cell, index)
            if is_grade(cell) and not self.replied:  # nbgrader would take silence for success
                raise Stopped("it was not run")
            if self.leaves:
                self.drop_kernel()
        except Exception as error:  # a dead kernel raises many kinds
            cell.outputs.append(self.explain(error))
            self.drop_kernel()
        if self.leaves or {o.get("ename") for o in cell.outputs} & {"Stopped", "CellTimeoutError"}:
            self.spoilt.add(index)
        self.took[index] = time.monotonic() - begin

    def explain(self, error):
        """The output that stands for what could not be finished."""
        if isinstance(error, Stopped):
            why = str(error)
        elif self.watch.reason:
            why = self.watch.reason
        elif isinstance(error, CellTimeoutError):
            why = "it did not end in its time and could not be interrupted"
        elif isinstance(error, DeadKernelError):
            why = "the kernel ended while it ran: the code ended or crashed it, or memory ran out"
        else:
            why = f"it could not be run ({type(error).__name__}: {str(error)[:200]})"
        return new_output("error", ename="Stopped", evalue=why, traceback=[f"Stopped: {why}"])

    # --- kernels --------------------------------------------------------------------------------

    def need_kernel(self, index):
        """Start a kernel if there is none, and bring it to where cell `index` can be run."""
        while self.km is None:
            if self.starts == STARTS:
                raise Stopped(f"not run: {STARTS} kernels were started, and none lasted")
            self.starts += 1
            self.watch.reason = ""
            if disk_use(self.work) > self.limits.disk * GIGABYTE:
                empty(self.work)
            self.create_kernel_manager()
            try:
                self.start_new_kernel(**self.start_options())
                self.start_new_kernel_client()
                self.ask(GUARD.replace("TOKEN", self.token))
                self.replay(index)
            except Exception:  # once more
                self.drop_kernel()

    def start_options(self):
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return {"cwd": str(self.work), "env": environment(self.folder, os.environ)} | silent

    def create_kernel_manager(self):
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.MAXMSGSIZE, 10 * OUTPUT_BYTES)
        path = str(self.work / "kernel.json")
        self.km = Walled(transport="ipc", connection_file=path, context=context)
        self.km.walls = walls(self.folder, self.limits, os.environ)
        return self.km

    def replay(self, index):
        """Run the cells before `index` again that are quick and did no harm; checks need none."""
        for before, cell in enumerate(self.nb.cells[:index]):
            quick = self.took.get(before, 0) < REPLAY_SECONDS
            if cell.cell_type == "code" and not is_grade(cell):
                if quick and before not in self.spoilt:
                    self.run_again(cell, before)

    def run_again(self, cell, index):
        try:
            self.execute_cell(deepcopy(cell), index)
        except Exception:
            self.spoilt.add(index)
            raise
        finally:
            self.nb.cells[index] = cell

    def drop_kernel(self):
        try:
            if self.km is not None:
                self._cleanup_kernel()
        except Exception as error:  # it may be half started, or gone
            self.log.debug("cleaning up: %s", error)
        self.km = self.kc = None
        wall.kill_family(self.work, psutil.Process())
        bury()

    def ask(self, code, **options):
        """Run code of ours in the kernel, unseen by the notebook; returns the reply."""
        message = self.kc.execute(code, silent=True, store_history=False, **options)
        reply = self.wait_for_reply(message)
        if not reply or reply["content"]["status"] != "ok":
            told = reply["content"].get("evalue", "") if reply else "no answer"
            raise Stopped(f"the checks could not be loaded: {told[:200]}")
        return reply["content"]

    def restore_checks(self):
        """The checks from their file again, whatever the notebook has done to them."""
        # An expression: changed rules for what a cell means do not touch it.
        call = f"__import__('sys').modules[{self.token!r}]()"
        answer = self.ask("", user_expressions={"restored": call})["user_expressions"]["restored"]
        if answer.get("data", {}).get("text/plain") != "True":
            raise Stopped(f"the check could not be restored: {answer.get('evalue', '')[:200]}")

    # --- hooks of nbclient ----------------------------------------------------------------------

    def on_cell_executed(self, **about):
        super().on_cell_executed(**about)
        self.replied = True
        payload = about["execute_reply"]["content"].get("payload", [])
        self.leaves = any(part.get("source") == "ask_exit" for part in payload)  # exit(), quit()

    def process_message(self, msg, cell, cell_index):
        """Pass a message on, unless the cell has said too much already."""
        if msg["msg_type"] in OUTPUTS:
            size = len(str(msg["content"]))
            self.bytes, self.total = self.bytes + size, self.total + size
            if self.bytes > OUTPUT_BYTES or self.total > 10 * OUTPUT_BYTES:
                return None
        return super().process_message(msg, cell, cell_index)

    def _update_display_id(self, display_id, msg):
        try:
            super()._update_display_id(display_id, msg)
        except LookupError:
            pass  # the display is of a kernel that is gone


def environment(folder: Path, base: dict) -> dict:
    """Return the variables of a submission's code: those of `base`, with its own folders."""
    work = str(folder / "work")
    return {**base, "HOME": work, "TMPDIR": work, "PYTHONPATH": str(folder / "lib")}


def rehearse(folder: Path, limits: Limits, base: dict) -> str:
    """Import the checks behind the wall; return what goes wrong, or an empty string."""
    program = [sys.executable, "-c", "import ipykernel, segmentation_tf, lab.checks"]
    try:
        tried = subprocess.run(
            wall.command(walls(folder, limits, base), program),
            env=environment(folder, base),
            cwd=folder / "work",
            capture_output=True,
            timeout=300,
        )
    except subprocess.TimeoutExpired:
        return "it takes more than 5 minutes"
    told = tried.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
    return told[-1] if tried.returncode else ""


def walls(folder: Path, limits: Limits, base: dict) -> dict:
    """Return what lab.grading.wall needs: what may be read and written, and the limits."""
    python = [sys.prefix, sys.base_prefix, *(p for p in sys.path if p.endswith("packages"))]
    data = [base["MADS_ROOT"]] if "MADS_ROOT" in base else []
    devices = [device for name in DEVICES for device in Path("/dev").glob(name)]
    return {
        "read": [*SYSTEM, *python, str(folder / "lib"), *data, *limits.read],
        "write": [str(path) for path in [folder / "work", *devices]],
        "cpu_seconds": 60 * limits.minutes * 2 * os.cpu_count(),
        "file_bytes": limits.disk * GIGABYTE / 2,
        "data_bytes": 2 * limits.memory * GIGABYTE,
        "threads": count_threads() + 1024,
    }


def count_threads():
    """How many threads this user has: the limit of the system counts those too."""
    user = psutil.Process().uids()
    mine = [process for process in psutil.process_iter() if wall.ask(process, "uids") == user]
    return sum(wall.ask(p, "num_threads", 1) for p in mine)


class Watch(threading.Thread):
    """Ends the kernel and all its children as soon as they use too much together."""

    def __init__(self, work, limits):
        super().__init__(daemon=True)
        self.work, self.limits = work, limits
        self.done, self.reason = threading.Event(), ""
        self.shared = shared_memory()

    def run(self):
        while not self.done.wait(0.2):
            if reason := self.excess():
                self.reason = reason
                wall.kill_family(self.work, psutil.Process())

    def excess(self):
        members = wall.living(wall.descendants(psutil.Process()))
        if len(members) > self.limits.processes + os.cpu_count():
            return f"it started {len(members)} processes"
        sizes = [wall.ask(member, "memory_info") for member in members]
        used = sum(size.rss for size in sizes if size) + shared_memory() - self.shared
        if used > self.limits.memory * GIGABYTE:
            return f"it used more than {self.limits.memory:g} GB of memory"
        if disk_use(self.work) > self.limits.disk * GIGABYTE:
            return f"it wrote more than {self.limits.disk:g} GB"
        return ""


def bury():
    """Let the dead go that this process has adopted: the system counts them until then."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def shared_memory():
    return psutil.disk_usage(SHARED_MEMORY).used if os.path.isdir(SHARED_MEMORY) else 0


def disk_use(folder):
    """The bytes that all files below a folder take, an empty one counting as a block."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += max(4096, 512 * os.lstat(os.path.join(parent, name)).st_blocks)
            except OSError:
                pass
    return total


def empty(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)


# --- Outputs ------------------------------------------------------------------------------------


def tidy(cell: NotebookNode) -> list[NotebookNode]:
    """Return a cell's outputs without what is too long, cannot be written, or misleads nbgrader.

    In a cell with points only an error counts: nbgrader would take a warning for one, and a value
    for points.
    """
    outputs = []
    for output in cell.outputs:
        if is_grade(cell) and (
            output.output_type == "execute_result" or output.get("name") == "stderr"
        ):
            continue
        last = outputs[-1] if outputs else {}
        if output.output_type == "stream":
            if last.get("output_type") == "stream" and last.name == output.name:
                last.text += output.text
            else:
                outputs.append(output)
        elif output.output_type == "error":
            outputs.append(output)
        elif data := showable(output.data):
            outputs.append(new_output("display_data", data))
    for output in outputs:
        if output.output_type == "stream":
            output.text = shorten(overwrite(writable(output.text)))
        elif output.output_type == "error":
            output.ename, output.evalue = writable(output.ename), shorten(writable(output.evalue))
            output.traceback = [shorten(writable(line)) for line in output.traceback]
    return outputs


def showable(data: dict) -> dict:
    """Return the parts of an output that a page can show, if they are what they say."""
    data, kept = {kind: part for kind, part in data.items() if isinstance(part, str)}, {}
    for kind in ("image/png", "image/jpeg"):
        if re.fullmatch(r"[\w+/=\s]+", data.get(kind, ""), re.ASCII):
            kept[kind] = data[kind]
    if "text/plain" in data:
        kept["text/plain"] = shorten(writable(data["text/plain"]))
    if len(data.get("text/html", "")) in range(1, 10 * STREAM_CHARACTERS):
        kept["text/html"] = writable(data["text/html"])
    return kept


def writable(text: str) -> str:
    """Return a string that UTF-8 can hold: half characters, which JSON allows, are replaced."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def overwrite(text):
    """What a terminal shows: a carriage return starts the line again."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def shorten(text):
    if len(text) <= STREAM_CHARACTERS:
        return text
    half = STREAM_CHARACTERS // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
