"""Splits: groups stay whole, labels keep their shares, the same on every machine."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from segmentation_tf.cases import (
    MANY_GROUPS,
    Case,
    DatasetError,
    divide_parts,
    fold_cases,
    refuse_faults,
    split_cases,
)


def make_cases(groups, labels):
    return [
        Case(f"C{i:03}", Path(f"{i}.png"), Path(f"{i}_mask.png"), str(group), label)
        for i, (group, label) in enumerate(zip(groups, labels, strict=True))
    ]


PH2_LIKE = make_cases(range(200), ["common"] * 80 + ["atypical"] * 80 + ["melanoma"] * 40)
STORED_NAMES = ["C010", "C016", "C026", "C028", "C031", "C034"]
FILM_LIKE = make_cases([i // 30 for i in range(240)], [None] * 240)


def test_split_has_all_cases_once_and_the_labels_in_proportion():
    train, test = split_cases(PH2_LIKE)
    assert sorted(train + test) == sorted(PH2_LIKE)
    assert Counter(c.label for c in test) == {"common": 16, "atypical": 16, "melanoma": 8}


@pytest.mark.parametrize("seed", range(20))
def test_no_group_sits_on_both_sides(seed):
    train, test = split_cases(FILM_LIKE, 0.25, seed)
    assert not {c.group for c in train} & {c.group for c in test}
    assert len(test) == 60
    for train, test in fold_cases(FILM_LIKE, 4, seed):
        assert not {c.group for c in train} & {c.group for c in test}


def test_split_is_the_same_everywhere():
    # Stored names: another library version or machine that splits otherwise fails here.
    _, test = split_cases(PH2_LIKE)
    assert [c.name for c in test[:6]] == STORED_NAMES
    assert split_cases(PH2_LIKE[::-1]) == split_cases(PH2_LIKE)


def test_seed_changes_the_split():
    assert split_cases(PH2_LIKE, seed=0) != split_cases(PH2_LIKE, seed=1)


def test_every_case_is_tested_once_in_balanced_folds():
    folds = list(fold_cases(PH2_LIKE, 5))
    assert sorted(case for _, test in folds for case in test) == sorted(PH2_LIKE)
    for train, test in folds:
        assert sorted(train + test) == sorted(PH2_LIKE)
        assert Counter(c.label for c in test) == {"common": 16, "atypical": 16, "melanoma": 8}


def test_folds_of_uneven_groups_are_even():
    uneven = make_cases(
        [0] * 40 + [1] * 30 + [2] * 20 + [3] * 10 + [4] * 10 + [5] * 10, [None] * 120
    )
    assert sorted(len(test) for _, test in fold_cases(uneven, 3)) == [40, 40, 40]


@pytest.mark.parametrize("fraction", [0, 1, -0.2, 1.5])
def test_impossible_fraction_is_refused(fraction):
    with pytest.raises(ValueError, match="test_fraction"):
        split_cases(PH2_LIKE, fraction)


@pytest.mark.parametrize("labels", [[None] * 3, ["nevus", "atypical", "melanoma"]])
def test_three_cases_make_three_sets_of_one(labels):
    rest, test = split_cases(make_cases(range(3), labels))
    train, validation = split_cases(rest, 0.1)
    assert [len(train), len(validation), len(test)] == [1, 1, 1]


def test_one_group_cannot_be_split():
    film = make_cases([0] * 10, [None] * 10)
    with pytest.raises(ValueError, match="10 cases in 1 groups"):
        split_cases(film)
    with pytest.raises(ValueError, match="1 groups cannot make 2 folds"):
        fold_cases(film, 2)


def test_cases_with_classes_are_split_like_others():
    cases = [replace(case, classes=(1, (255, 0, 0))) for case in PH2_LIKE]
    assert PH2_LIKE[0].classes is None
    train, test = split_cases(cases)
    assert {case.classes for case in train + test} == {(1, (255, 0, 0))}
    assert [case.name for case in test[:6]] == STORED_NAMES


def test_dataset_error_is_a_value_error():
    assert issubclass(DatasetError, ValueError)


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ([None, "a: bad", None], "a: bad"),
        (["a: bad", None, "b: bad"], "a: bad (1 more case has a fault)"),
        (["a: bad", "b: bad", "c: bad"], "a: bad (2 more cases have faults)"),
    ],
)
def test_the_first_fault_is_told_and_the_others_are_counted(faults, message):
    with pytest.raises(DatasetError) as caught:
        refuse_faults(iter(faults))
    assert str(caught.value) == message


def test_no_fault_is_no_error():
    refuse_faults([None, None])
    refuse_faults([])


# --- which cases train, validate and test


def cases_of(prefix, count):
    return [
        Case(f"{prefix}{i}", Path(f"{prefix}{i}.jpg"), Path(f"{prefix}{i}.png"), f"{prefix}{i}")
        for i in range(count)
    ]


def test_a_split_of_the_folder_is_kept():
    train, validation, test = cases_of("a", 20), cases_of("b", 3), cases_of("c", 4)
    parts = {"train": train, "validation": validation, "test": test}
    assert divide_parts(parts, 0) == (train, validation, test)
    found = divide_parts({"train": train, "test": test}, 0)
    assert found[2] == test and found[1] and sorted(found[0] + found[1]) == sorted(train)
    found = divide_parts({"train": train, "validation": validation}, 0)
    assert found[2] == validation and sorted(found[0] + found[1]) == sorted(train)


@pytest.mark.parametrize("count", [2, 3, 9, 13, 40])
def test_other_folders_are_split_and_few_pictures_are_not_spent_on_validation(count):
    cases = cases_of("a", count)
    train, validation, test = divide_parts({"": cases}, 0)
    assert sorted(train + validation + test) == sorted(cases) and train and test
    assert bool(validation) == (count - len(test) >= MANY_GROUPS)
    assert divide_parts({"train": cases}, 0) == (train, validation, test)


def test_too_few_groups_are_refused():
    with pytest.raises(
        DatasetError,
        match=r"too few groups \(pictures: 1, groups: 1\): a training needs at least two groups",
    ):
        divide_parts({"": cases_of("a", 1)}, 0)
