"""The checks of the lab: right answers pass however they are written, mistakes get their hint."""

import re
import sys
from functools import partial

import pytest

from answers import (
    build_network,
    compose,
    judge,
    make_batches,
    person_loss,
    read_pairs,
    split_sequences,
)
from lab import checks
from lab.checks.common import HINTS, Hint

SEEDS = (0, 7, 10)  # of the visible checks and of the hidden ones
ANSWERS = [
    (checks.check_read_pairs, read_pairs.RIGHT, read_pairs.WRONG),
    (checks.check_split_sequences, split_sequences.RIGHT, split_sequences.WRONG),
    (checks.check_make_batches, make_batches.RIGHT, make_batches.WRONG),
    (checks.check_build_network, build_network.RIGHT, build_network.WRONG),
    (checks.check_person_loss, person_loss.RIGHT, person_loss.WRONG),
    (checks.check_scores, judge.RIGHT, judge.WRONG_SCORES),
    (checks.check_threshold, judge.RIGHT, judge.WRONG_THRESHOLD),
    (checks.check_compose, compose.RIGHT, compose.WRONG),
]
CHECKS = [check for check, _, _ in ANSWERS]
MODULES = dict.fromkeys(sys.modules[check.__module__] for check in [*CHECKS, Hint])


def name_of(answer):
    """What pytest calls an answer: its name, and what a partial changes."""
    if isinstance(answer, partial):
        return "-".join([answer.func.__name__, *answer.keywords])
    return getattr(answer, "__name__", str(answer)).strip("<>")


def hint_of(check, answer, seed=0):
    """The words of the hint that the check raises for a wrong answer, without what was seen."""
    with pytest.raises(Hint) as caught:
        check(answer, seed=seed)
    return caught.value.words


# --- Right and wrong answers ----------------------------------------------------------------------


SLOW = (checks.check_make_batches, checks.check_build_network)
RIGHT = [
    (check, answer, seed)
    for check, right, _ in ANSWERS
    for answer in right
    for seed in (SEEDS[:2] if check in SLOW else SEEDS)
]


@pytest.mark.parametrize("check, answer, seed", RIGHT, ids=name_of)
def test_a_right_answer_passes(check, answer, seed):
    check(answer, seed=seed)


MISTAKES = [
    pytest.param(check, key, answer, SEEDS[i % len(SEEDS)], id=f"{key}-{name_of(answer)}")
    for check, _, wrong in ANSWERS
    for i, (key, answer) in enumerate(wrong)
]


@pytest.mark.filterwarnings("ignore:.*(softmax over axis|from_logits=True):UserWarning")
@pytest.mark.parametrize("check, key, answer, seed", MISTAKES)
def test_a_mistake_gets_its_hint(check, key, answer, seed):
    """The seeds take turns."""
    assert hint_of(check, answer, seed) == sys.modules[check.__module__].HINTS[key]


def test_every_hint_is_given():
    given = {(check.__module__, key) for check, _, wrong in ANSWERS for key, _ in wrong}
    there = {(module.__name__, key) for module in MODULES for key in module.HINTS}
    assert given == there - {("lab.checks.common", key) for key in HINTS}  # those are given below


# --- What all checks share ------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS)
def test_an_empty_stub_stays_not_implemented(check):
    def stub(*arguments, **options):
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        check(stub)


def test_an_empty_stub_is_one_line_in_a_notebook():
    def read_pairs(*arguments):
        raise NotImplementedError

    with pytest.raises(NotImplementedError) as caught:
        checks.check_read_pairs(read_pairs)
    assert caught.type is NotImplementedError and not caught.value.args
    said = "Task 1 is still to be done: read_pairs raises NotImplementedError."
    assert caught.value._render_traceback_() == [said]


@pytest.mark.parametrize("check", CHECKS)
def test_an_error_in_an_answer_is_a_hint(check):
    assert hint_of(check, lambda: None) == HINTS["stopped"]


def test_an_error_inside_of_map_is_a_hint():
    def make_batches(images, masks, batch_size, training, seed=0):
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices((images, masks))
        return data.map(lambda image, mask: (image.numpy(), mask))

    with pytest.raises(Hint, match="AttributeError: .*numpy") as caught:
        checks.check_make_batches(make_batches)
    assert caught.value.words == HINTS["stopped"]


@pytest.mark.parametrize("check", CHECKS)
def test_an_answer_without_return_is_a_hint(check):
    assert hint_of(check, lambda *_, **__: None) == HINTS["nothing returned"]


@pytest.mark.parametrize("task", ["read_pairs", "split_sequences", "scores", "threshold"])
@pytest.mark.parametrize("result", [(), ("one",), ["one", 2, 3, 4], 5])
def test_too_few_or_too_many_parts_are_a_hint(task, result):
    check = getattr(checks, f"check_{task}")
    assert hint_of(check, lambda *_, **__: result) == HINTS["other parts"]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_hint_is_two_to_four_sentences(module):
    for hint in module.HINTS.values():
        text = " ".join(hint.split())
        sentences = re.split(r"(?<=[.?]) (?=[A-Z{])", text)
        assert 2 <= len(sentences) <= 4 and len(text.split()) <= 75, sentences


def test_a_notebook_shows_the_words_of_a_hint_and_the_error_behind_it():
    def judge(validation, test):
        return 1 / 0, {}

    with pytest.raises(Hint) as caught:
        checks.check_threshold(judge)
    shown = "\n".join(caught.value._render_traceback_())
    assert "return 1 / 0, {}" in shown and "ZeroDivisionError" in shown
    assert shown.rstrip().splitlines()[-1] in str(caught.value)


def test_a_notebook_shows_no_lines_of_the_checks():
    shown = Hint("Red and blue are exchanged. Return RGB.")._render_traceback_()
    assert shown == ["Hint: Red and blue are exchanged. Return RGB."]
