"""Inside of the sandbox: runs the cells of a notebook, and answers questions about its functions.

It reads a JSON object a line from its standard input:

    {"id": 1, "run": source of a cell}
    {"id": 2, "ask": [module:probe, name of a function, arguments, options]}

and writes {"out": [kind, text]} for each output as it comes, then {"done": [id, answer]}. A
learner's code runs in this process and can write there whatever it likes, so the other side
believes nothing.
"""

import importlib
import io
import json
import os
import subprocess
import sys
import threading

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from lab.checks.values import Failure, attempt, decode, encode

OUTPUT_BYTES = 4_000_000  # of one cell
PIECE = 100_000  # characters of printed text in one message


class Channel(io.TextIOBase):
    """Writes messages to the other side, and takes what is printed in place of sys.stdout."""

    encoding, errors, name = "utf-8", "replace", "<stdout>"

    def __init__(self, file: int):
        self.file, self.lock, self.bytes = file, threading.Lock(), 0

    def tell(self, **message) -> None:
        data = json.dumps(message).encode() + b"\n"
        with self.lock:
            while data:
                data = data[os.write(self.file, data) :]

    def out(self, kind: str, text: str) -> None:
        """Pass an output on, unless the cell has said too much already."""
        self.bytes += len(text)
        if self.bytes > OUTPUT_BYTES:
            return
        step = len(text) if kind == "image/png" else PIECE
        for start in range(0, len(text), step):
            self.tell(out=[kind, text[start : start + step]])

    def write(self, text: str) -> int:
        self.out("text", str(text))
        return len(text)

    def fileno(self) -> int:
        return 1

    def show(self, data: dict) -> None:
        """Pass on what is displayed: the picture, or else the plain text."""
        if "image/png" in data:
            self.out("image/png", data["image/png"])
        else:
            self.out("text", f"{data.get('text/plain', '')}\n")


class Publisher(DisplayPublisher):
    def publish(self, data, metadata=None, **options):
        self.shell.channel.show(data)


class Hook(DisplayHook):
    def __call__(self, result=None):
        if result is not None and not self.quiet():
            self.update_user_ns(result)
            self.shell.channel.show(self.compute_format_data(result)[0])


class Shell(InteractiveShell):
    """IPython without a terminal: outputs and errors go to the other side."""

    display_pub_class = Type(Publisher)
    displayhook_class = Type(Hook)

    def system(self, command):
        """A line that begins with an exclamation mark."""
        command = self.var_expand(command, depth=1)
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "errors": "replace"}
        print(subprocess.run(command, shell=True, **both).stdout, end="")

    def _showtraceback(self, kind, error, lines):
        self.channel.out("error", "\n".join(lines) or kind.__name__)

    def enable_gui(self, gui=None):
        """There is no window."""


def answer(shell: Shell, probe: str, name: str, arguments: str, options: str):
    """Return what a probe of lab.checks finds out about a function of the notebook."""
    function = shell.user_ns.get(name)
    if not callable(function):
        return Failure("Missing", f"there is no function {name}")
    module, _, probe = probe.partition(":")
    return attempt(
        getattr(importlib.import_module(module), probe),
        function,
        *decode(arguments),
        **decode(options),
    )


def take(shell: Shell, message: dict) -> str | bool:
    """Do what a message asks for; return the answer: for a cell, whether it ran to its end."""
    shell.channel.bytes = 0
    if "run" in message:
        return shell.run_cell(message["run"], store_history=True).success
    return encode(answer(shell, *message["ask"]))


def serve(shell: Shell, requests) -> None:
    """Answer request by request, until the other side closes the pipe."""
    number = None
    while True:
        try:
            number = None
            line = requests.readline()
            if not line:
                return
            message = json.loads(line)
            number = message["id"]
            shell.channel.tell(done=[number, take(shell, message)])
        except BaseException as error:  # an interrupt; sys.exit() in a function
            failure = Failure(type(error).__name__, str(error)[:300])
            shell.channel.tell(done=[number, encode(failure)])


def limit() -> None:
    """Set limits of this process and all that it starts, where the system has them."""
    try:
        import resource
    except ImportError:  # Windows
        return
    most = {"CORE": 0, "NPROC": 2000, "NOFILE": 2000}
    for name, value in most.items():
        hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (most, most))  # the grader had less while it judged


def main() -> None:
    """Keep the pipes for messages; what else is read or written ends in nothing."""
    requests, channel = os.fdopen(os.dup(0), "r", encoding="utf-8"), Channel(os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    for file in range(3):
        os.dup2(nothing, file)
    limit()
    sys.stdout = sys.stderr = channel
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = Shell.instance(config=config)
    shell.channel = channel
    channel.tell(done=[0, True])
    serve(shell, requests)


if __name__ == "__main__":
    main()
