"""What all checks share: the Hint, and ways to call a learner's function and to ask about it."""

import textwrap
from collections.abc import Callable
from typing import Any

from lab.checks.values import Failure, attempt, kind_of


class Hint(AssertionError):
    """A mistake that a check found: what was seen, the likely cause, and the way out.

    Args:
        words: the hint; line breaks and repeated spaces in it become one space.
        lines: the lines of the error behind it, if there is one.
    """

    def __init__(self, words: str, lines: tuple | list = ()):
        self.lines = list(lines)
        super().__init__(" ".join(words.split()))

    def _render_traceback_(self):
        """Tell IPython what to show: the learner's error and the hint, not the check's lines."""
        return [*self.lines, *textwrap.wrap(f"Hint: {self}", 92)]


class Stopped(Hint):
    """The learner's function raised an error. `failure` says which; checks may explain it."""

    def __init__(self, name: str, failure: Failure):
        self.failure = failure
        super().__init__(
            f"""{name} stopped with {failure.words}. In the notebook, the lines above say where.""",
            failure.lines,
        )


def call(function: Callable, *arguments, **options) -> Any:
    """Return what the learner's function returns, as a plain value (see lab.checks.values).

    Raises:
        Stopped: the function raised an error.
        Hint: it returned None.
        NotImplementedError: it is still the stub; a notebook shows one line for it.
    """
    return ask(_itself, function, *arguments, **options)


def ask(probe: Callable, function: Callable, *arguments, **options) -> Any:
    """Return `probe(function, *arguments, **options)` as a plain value.

    The probe runs where the function is: here in the notebook, in the sandbox when a teacher
    grades. It must be a function at the top of a module of lab.checks. All arguments are plain
    values. The errors are those of `call`.
    """
    elsewhere = getattr(function, "ask_in_sandbox", None)
    value = (elsewhere or attempt_with(function))(probe, *arguments, **options)
    name = name_of(function)
    if isinstance(value, Failure) and value.stub:
        raise _not_done(name)
    if isinstance(value, Failure):
        raise Stopped(name, value)
    if value is None:
        raise Hint(f"""{name} returned None. A function that ends without return gives None.
            Return what its docstring names.""")
    return value


def attempt_with(function):
    return lambda probe, *arguments, **options: attempt(probe, function, *arguments, **options)


def call_for_parts(names: tuple, function: Callable, *arguments, **options) -> tuple | list:
    """Return what the learner's function returns: a tuple or list with one part for each name.

    Raises:
        Hint: as `call`, or the number of parts is another one.
    """
    return parts_of(call(function, *arguments, **options), names, function)


def parts_of(result: Any, names: tuple, function: Callable) -> tuple | list:
    """Return a result that has one part for each name. Raises a Hint otherwise."""
    if isinstance(result, (tuple, list)) and len(result) == len(names):
        return result
    found = f"a {kind_of(result)}"
    if isinstance(result, (tuple, list)):
        found += f" of {len(result)}"
    raise Hint(f"""{name_of(function)} returned {found}, not the {len(names)} things that its
        docstring asks for. End with: return {", ".join(names)}""")


def report(passed: str, why: str, seed: int) -> None:
    """Print the one line of a check that passed; for other data (another seed) without why."""
    print(f"{passed}: {why}." if seed == 0 else f"{passed}, with other data too.")


def sequence_of(name: str) -> str:
    """Return activity and sequence of a frame: Kata_F2 for Kata_F2_C0_00045."""
    return "_".join(name.split("_")[:2])


def name_of(function: Callable) -> str:
    return getattr(function, "__name__", "the function")


def _itself(function, *arguments, **options):
    return function(*arguments, **options)


def _not_done(name):
    error = NotImplementedError()
    words = f"Not done yet: in the cell above, {name} still raises NotImplementedError."
    error._render_traceback_ = lambda: [words]
    return error
