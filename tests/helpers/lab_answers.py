"""Answers to the lab's tasks as parameters of tests, and the hint that a check gives them."""

from functools import partial

import pytest

from lab.checks import Hint

SEEDS = (0, 7, 10)  # of the visible checks and of the hidden ones


def one_seed_each(mistakes):
    """Parameters (key of the hint, wrong answer, seed) from pairs; the seeds take turns."""
    return [
        pytest.param(key, answer, SEEDS[i % len(SEEDS)], id=f"{key}-{name_of(answer)}")
        for i, (key, answer) in enumerate(mistakes)
    ]


def name_of(answer):
    """What pytest calls an answer: its name, and what a partial changes."""
    if isinstance(answer, partial):
        return "-".join([answer.func.__name__, *answer.keywords])
    return answer.__name__.strip("<>")


def hint_of(check, answer, seed):
    """The words of the hint that the check raises for a wrong answer, without what was seen."""
    with pytest.raises(Hint) as caught:
        check(answer, seed=seed)
    return caught.value.words


def changed(answer, change):
    """The answer, with its result passed through `change`, by its parts if it has several."""

    def wrong(*arguments, **options):
        result = answer(*arguments, **options)
        return change(*result) if isinstance(result, tuple) else change(result)

    return wrong
