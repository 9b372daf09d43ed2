"""The checks of the lab: right answers pass however they are written, mistakes get their hint."""

import ast
import re
import subprocess
import sys
import traceback
from functools import cache, partial
from itertools import cycle
from pathlib import Path

import keras
import pytest

from answers import (
    build_network,
    common,
    compose,
    judge,
    make_batches,
    person_loss,
    read_pairs,
    split_sequences,
)
from answers.common import Far
from lab import checks
from lab.checks.common import Hint

SEEDS = (0, 7, 10)
ANSWERS = [
    (checks.check_read_pairs, read_pairs.RIGHT, read_pairs.WRONG + common.WRONG_PARTS),
    (
        checks.check_split_sequences,
        split_sequences.RIGHT,
        split_sequences.WRONG + common.WRONG_PARTS,
    ),
    (checks.check_make_batches, make_batches.RIGHT, make_batches.WRONG),
    (checks.check_build_network, build_network.RIGHT, build_network.WRONG),
    (checks.check_person_loss, person_loss.RIGHT, person_loss.WRONG),
    (checks.check_scores, judge.RIGHT, judge.WRONG_SCORES + common.WRONG_PARTS),
    (checks.check_threshold, judge.RIGHT, judge.WRONG_THRESHOLD + common.WRONG_PARTS),
    (checks.check_compose, compose.RIGHT, compose.WRONG),
]
CHECKS = [check for check, _, _ in ANSWERS]
MISTAKES = [  # the seeds take turns
    (check, words, answer, seed)
    for check, _, wrong in ANSWERS
    for (words, answer), seed in zip(wrong + common.WRONG, cycle(SEEDS))
]


@pytest.fixture(autouse=True)
def same_weights_in_each_run():
    keras.utils.set_random_seed(0)


def name_of(value):
    """What pytest calls an answer: its name, and what a partial changes."""
    if isinstance(value, partial):
        return "-".join([value.func.__name__, *value.keywords])
    return getattr(value, "__name__", str(value)).strip("<>")


@cache
def hint_of(check, answer, seed=0, far=False):
    """The hint that the check raises for a wrong answer."""
    with pytest.raises(Hint) as caught:
        check(Far(answer) if far else answer, seed=seed)
    return caught.value


def place_of(hint):
    """File and line where it was raised."""
    last = traceback.extract_tb(hint.__traceback__)[-1]
    return Path(last.filename).name, last.lineno


@cache
def written_hints():
    """The words of each `raise Hint(...)` in the checks, by file, first line and last line."""
    hints = {}
    for file in Path(checks.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and ast.unparse(node.exc or node).startswith("Hint("):
                words = [part.value for part in ast.walk(node) if is_text(part)]
                where = file.name, node.lineno, node.end_lineno
                hints[where] = " ".join("".join(words).split())
    return hints


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


# --- Right and wrong answers ----------------------------------------------------------------------

SLOW = (checks.check_make_batches, checks.check_build_network)
RIGHT = [
    (check, answer, seed)
    for check, right, _ in ANSWERS
    for answer in right
    for seed in (SEEDS[:2] if check in SLOW else SEEDS)
]


@pytest.mark.parametrize("check, answer, seed", RIGHT, ids=name_of)
def test_a_right_answer_passes_here_and_in_a_sandbox(check, answer, seed, capsys):
    check(answer, seed=seed)
    here = capsys.readouterr().out
    check(Far(answer), seed=seed)
    assert capsys.readouterr().out == here and "passed" in here


@pytest.mark.filterwarnings("ignore:.*(softmax over axis|from_logits=True):UserWarning")
@pytest.mark.parametrize("check, words, answer, seed", MISTAKES, ids=name_of)
def test_a_mistake_gets_its_hint_here_and_in_a_sandbox(check, words, answer, seed):
    here, far = (hint_of(check, answer, seed, far=far) for far in (False, True))
    assert words in str(here)
    assert place_of(far) == place_of(here)


@pytest.mark.parametrize("words", dict.fromkeys(words for _, words, _, _ in MISTAKES))
def test_the_words_of_a_mistake_stand_in_one_hint(words):
    assert sum(words in text for text in written_hints().values()) == 1


def test_every_hint_is_given():
    """After the tests above: each answer was tried by them, and is not tried again."""
    given = {place_of(hint_of(check, answer, seed)) for check, _, answer, seed in MISTAKES}
    missed = [
        (file, first)
        for file, first, last in written_hints()
        if not any(file == name and first <= line <= last for name, line in given)
    ]
    assert not missed


@pytest.mark.parametrize("check, words, answer, seed", MISTAKES, ids=name_of)
def test_a_hint_has_two_to_four_short_sentences(check, words, answer, seed):
    text = str(hint_of(check, answer, seed))
    sentences = re.split(r"(?<=[.?]) ", re.sub(r"[(\[][^)\]]*[)\]]", "()", text))
    assert 2 <= len(sentences) <= 4 and len(text.split()) <= 75, text
    assert max(len(sentence.split()) for sentence in sentences) <= 25, sentences


# --- What all checks share ------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("answer", [common.stub, Far(common.stub)], ids=["here", "far"])
def test_an_empty_stub_stays_not_implemented(check, answer):
    with pytest.raises(NotImplementedError) as caught:
        check(answer)
    said = "Not done yet: in the cell above, stub still raises NotImplementedError."
    assert caught.value._render_traceback_() == [said]


@pytest.mark.parametrize("check", CHECKS)
def test_an_error_in_an_answer_is_a_hint(check):
    hint = hint_of(check, lambda: None)
    assert "stopped with TypeError" in str(hint) and hint.lines


def test_an_error_inside_of_map_is_a_hint():
    def make_batches(images, masks, batch_size, training, seed=0):
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices((images, masks))
        return data.map(lambda image, mask: (image.numpy(), mask))

    assert re.search(
        "AttributeError: .*numpy", str(hint_of(checks.check_make_batches, make_batches))
    )


def test_a_notebook_shows_the_words_of_a_hint_and_the_error_behind_it():
    def judge(validation, test):
        return [][1], {}

    hint = hint_of(checks.check_threshold, judge)
    shown = "\n".join(hint._render_traceback_())
    assert "return [][1], {}" in shown and "IndexError" in shown and "values.py" not in shown
    assert shown.rstrip().splitlines()[-1] in str(hint)


def test_a_notebook_shows_no_lines_of_the_checks():
    shown = Hint("Red and blue are exchanged. Return RGB.")._render_traceback_()
    assert shown == ["Hint: Red and blue are exchanged. Return RGB."]


def test_a_division_by_zero_of_another_kind_is_not_blamed_on_empty_masks():
    hint = hint_of(checks.check_scores, lambda validation, test: (1 / 0, {}))
    assert "stopped with ZeroDivisionError" in str(hint)


@pytest.mark.parametrize("answer", build_network.SLOW, ids=name_of)
def test_a_slow_network_passes_with_a_warning(answer, capsys):
    checks.check_build_network(answer)
    assert re.search(r"passed.*\nBut an epoch will take about \d+ seconds", capsys.readouterr().out)


@pytest.mark.parametrize("answer", build_network.RIGHT, ids=name_of)
def test_a_small_network_passes_without_a_warning(answer, capsys):
    checks.check_build_network(answer)
    assert "epoch" not in capsys.readouterr().out


def test_the_checks_load_no_tensorflow():
    program = "import lab.checks, sys; sys.exit('tensorflow' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2]).returncode
        == 0
    )
