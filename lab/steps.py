"""What the lab's notebook does while some of its tasks are not done: a cell stops with one line."""

from collections.abc import Callable

from lab.checks import TASKS

NUMBERS = {task.function: task.title.split(".")[0] for task in TASKS}


class NotDone(Exception):
    """A cell needs a function that is still the stub."""

    def _render_traceback_(self):
        """Tell IPython to show one line and no traceback."""
        return [str(self)]


def needs(*functions: Callable) -> None:
    """Stop the cell if one of the tasks' functions is still the stub.

    Raises:
        NotDone: The first function, in the order given, that names NotImplementedError.
    """
    for function in functions:
        code = getattr(function, "__code__", None)  # a partial or a class has none, and is done
        if code and "NotImplementedError" in code.co_names:
            name = function.__name__
            raise NotDone(
                f"This cell needs {name} of task {NUMBERS[name]}, which is not done yet. If it is, "
                "delete its line 'raise NotImplementedError'."
            )
