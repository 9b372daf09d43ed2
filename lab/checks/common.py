"""What all checks share: the Hint, the call of a learner's function, the numbers of the tasks."""

import textwrap
import traceback
from collections.abc import Callable

TASKS = {
    "read_pairs": 1,
    "split_sequences": 2,
    "make_batches": 3,
    "build_network": 4,
    "person_loss": 5,
    "judge": 6,
    "compose": 8,
}

HINTS = {
    "stopped": """
        {function} stopped with {error}. In the notebook, the lines above say where. The check
        calls it with small data of the kinds that its docstring names.""",
    "nothing returned": """
        {function} returned None. A function that ends without return gives None. Return what
        its docstring names.""",
    "other parts": """
        {function} returned {found}, not the {count} things that its docstring asks for. End
        with: return {names}""",
}


class Hint(AssertionError):
    """A mistake that a check found: what was seen, the likely cause, and the way out.

    Args:
        words: a text of a module's HINTS, which stays readable as `hint.words`.
        values: what was seen; fills the gaps in the text.
    """

    def __init__(self, words: str, **values):
        self.words = words
        super().__init__(" ".join(words.format(**values).split()))

    def _render_traceback_(self):
        """Tell IPython what to show: the hint and the learner's error, not the check's lines."""
        cause = traceback.format_exception(self.__cause__) if self.__cause__ else []
        return [*"".join(cause).splitlines(), *textwrap.wrap(f"Hint: {self}", 92)]


def call(function: Callable, *arguments, **options):
    """Return what the learner's function returns.

    Raises:
        Hint: the function raised an error or returned None.
        NotImplementedError: the function is still the stub; a notebook shows one line for it.
    """
    name = name_of(function)
    try:
        result = function(*arguments, **options)
    except Hint:
        raise
    except Exception as error:
        if isinstance(error, NotImplementedError) and not error.args:
            error._render_traceback_ = lambda: [_not_done(name)]
            raise
        raise Hint(HINTS["stopped"], function=name, error=_first_words(error)) from error
    if result is None:
        raise Hint(HINTS["nothing returned"], function=name)
    return result


def call_for_parts(names: tuple, function: Callable, *arguments, **options):
    """Return what the learner's function returns: a tuple or list with one part for each name.

    Raises:
        Hint: as `call`, or the number of parts is another one.
    """
    result = call(function, *arguments, **options)
    found = f"a {type(result).__name__}"
    if isinstance(result, (tuple, list)):
        if len(result) == len(names):
            return result
        found += f" of {len(result)}"
    seen = {"function": name_of(function), "found": found}
    raise Hint(HINTS["other parts"], **seen, count=len(names), names=", ".join(names))


def report(passed: str, why: str, seed: int) -> None:
    """Print the one line of a check that passed; for a hidden test (another seed) without why."""
    print(f"{passed}: {why}." if seed == 0 else f"{passed}, with other data too.")


def sequence_of(name: str) -> str:
    """Return activity and sequence of a frame: Kata_F2 for Kata_F2_C0_00045."""
    return "_".join(name.split("_")[:2])


def name_of(function: Callable) -> str:
    return getattr(function, "__name__", "the function")


def _not_done(name):
    task = f"Task {TASKS[name]}" if name in TASKS else "This task"
    return f"{task} is still to be done: {name} raises NotImplementedError."


def _first_words(error):
    """The error's type and the line of its message that says most, at most 300 characters."""
    lines = str(error).strip().splitlines() or ["no message"]
    inside_map = lines[0].startswith("in user code")  # TensorFlow lists the user's lines first
    return f"{type(error).__name__}: {lines[-1 if inside_map else 0].strip()}"[:300]
