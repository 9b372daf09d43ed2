"""What the answers to several tasks use, and mistakes that all checks find."""

from lab.checks.values import attempt, decode, encode


def changed(answer, change):
    """The answer, with its result passed through `change`, by its parts if it has several."""

    def wrong(*arguments, **options):
        result = answer(*arguments, **options)
        return change(*result) if isinstance(result, tuple) else change(result)

    return wrong


def sequence(name):
    return "_".join(name.split("_")[:2])


class Far:
    """An answer in another process: only text goes to it and comes back, as in grading."""

    def __init__(self, answer):
        self.answer = answer
        self.__name__ = getattr(answer, "__name__", "the function")

    def ask_in_sandbox(self, probe, *arguments, **options):
        arguments, options = decode(encode([arguments, options]))
        return decode(encode(attempt(probe, self.answer, *arguments, **options)))


def stub(*arguments, **options):
    raise NotImplementedError


def without_return(*arguments, **options):
    pass


def returns(result):
    return lambda *arguments, **options: result


WRONG = [("A function that ends without return", without_return)]
WRONG_PARTS = [  # of tasks that return several things
    ("things that its docstring asks for", returns(result))
    for result in ((), ("one",), ["one", 2, 3, 4], 5)
]
