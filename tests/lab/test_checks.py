"""What all checks of the lab share: stubs, errors in an answer, and the words of hints."""

import importlib
import re

import pytest

from lab import checks
from lab.checks.common import HINTS, TASKS, Hint
from lab_answers import hint_of

CHECKS = [getattr(checks, name) for name in checks.__all__ if name.startswith("check_")]
MODULES = [importlib.import_module(f"lab.checks.{name}") for name in (*TASKS, "common")]


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
    assert hint_of(check, lambda: None, seed=0) == HINTS["stopped"]


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
    assert hint_of(check, lambda *_, **__: None, seed=0) == HINTS["nothing returned"]


@pytest.mark.parametrize("task", ["read_pairs", "split_sequences", "scores", "threshold"])
@pytest.mark.parametrize("result", [(), ("one",), ["one", 2, 3, 4], 5])
def test_too_few_or_too_many_parts_are_a_hint(task, result):
    check = getattr(checks, f"check_{task}")
    assert hint_of(check, lambda *_, **__: result, seed=0) == HINTS["other parts"]


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
