"""What a case is, the error for faulty data, and how cases are split."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MANY_GROUPS = 10  # with fewer to train, no case is spent on validation


class DatasetError(ValueError):
    """A complaint about data: it names the file, what is wrong with it, and the way out."""


@dataclass(frozen=True, order=True)
class Case:
    """One image file with its mask file, or with a folder of masks that count as one.

    Cases of one `group` (a patient, a film) never sit on both sides of a split. `label` is a
    diagnosis or None; splits keep the shares of the labels. `classes` is None for a mask of two
    values. For a map of classes it names those that are the object, as `images.read_mask` does,
    or it is "any".
    """

    name: str
    image: Path
    mask: Path
    group: str
    label: str | None = None
    classes: tuple | str | None = None


def split_cases(
    cases: Sequence[Case], test_fraction: float = 0.2, seed: int = 0
) -> tuple[list[Case], list[Case]]:
    """Split cases into training cases and test cases, both sorted.

    Each label gives about `test_fraction` of its cases to the test side, as far as whole groups
    allow; a group counts by the label of its first case. However few there are, the test side gets
    one group. The same seed gives the same split on every machine.

    Raises:
        ValueError: One side would stay empty, or `test_fraction` is not above 0 and below 1.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction is {test_fraction}; it must be above 0 and below 1")
    test_cases = []
    for groups in _groups_by_label(cases, seed):
        wanted = test_fraction * sum(map(len, groups))
        taken = 0
        for group in groups:
            if abs(taken + len(group) - wanted) < abs(taken - wanted):
                test_cases += group
                taken += len(group)
    if not test_cases and _count_groups(cases) > 1:  # a small set gives up one group
        test_cases = _groups_by_label(cases, seed)[0][0]
    train_cases = set(cases) - set(test_cases)
    if not train_cases or not test_cases:
        raise ValueError(
            f"{len(cases)} cases in {_count_groups(cases)} groups cannot be split at "
            f"test_fraction={test_fraction}: one side would be empty"
        )
    return sorted(train_cases), sorted(test_cases)


def divide_parts(
    parts: dict[str, list[Case]], seed: int = 0
) -> tuple[list[Case], list[Case], list[Case]]:
    """Divide cases into those to train, to validate and to test.

    A split that the folder has is kept. Where it has none to test, its validation cases serve for
    that. Without a validation part, some training cases serve for it, if they have at least
    MANY_GROUPS groups.

    Args:
        parts: Cases by "train", "validation" and "test", as `pairs.load_splits` returns them; those
            of a folder without a split under another name.

    Raises:
        DatasetError: There are too few pictures.
    """
    test = parts.get("test") or parts.get("validation")
    train = parts.get("train")
    if not train or not test:
        cases = [case for part in parts.values() for case in part]
        if len({case.group for case in cases}) < 2:
            raise DatasetError(
                f"too few groups (pictures: {len(cases)}, groups: 1): a training needs at least "
                "two groups, one of them to test. Without --group, each picture is a group. Add "
                "pictures, or make smaller groups"
            )
        train, test = split_cases(cases, 0.2, seed)
        return *_take_validation(train, seed), test
    if parts.get("test") and parts.get("validation"):
        return train, parts["validation"], test
    return *_take_validation(train, seed), test


def fold_cases(
    cases: Sequence[Case], folds: int = 5, seed: int = 0
) -> Iterator[tuple[list[Case], list[Case]]]:
    """Yield training and test cases of each fold; every case is tested exactly once.

    Groups stay whole and labels balanced, as in `split_cases`. Both lists are sorted.

    Raises:
        ValueError: `folds` is below 2 or above the number of groups.
    """
    if not 2 <= folds <= _count_groups(cases):
        raise ValueError(
            f"{_count_groups(cases)} groups cannot make {folds} folds; there must be at least 2 "
            "folds, and no more folds than groups"
        )
    tests = [[] for _ in range(folds)]
    for groups in _groups_by_label(cases, seed):
        label_counts = [0] * folds
        # Largest groups first, each to the fold with the fewest cases of this label.
        for group in sorted(groups, key=len, reverse=True):
            fold = min(range(folds), key=lambda i: (label_counts[i], len(tests[i]), i))
            tests[fold] += group
            label_counts[fold] += len(group)
    return ((sorted(set(cases) - set(test)), sorted(test)) for test in tests)


def refuse_faults(faults: Iterable[str | None]) -> None:
    """Raise a DatasetError for the first fault, and say how many others there are.

    Args:
        faults: For each case what is wrong with it, or None.
    """
    found = [fault for fault in faults if fault]
    if len(found) > 2:
        raise DatasetError(f"{found[0]} ({len(found) - 1} more cases have faults)")
    if len(found) == 2:
        raise DatasetError(f"{found[0]} (1 more case has a fault)")
    if found:
        raise DatasetError(found[0])


def _take_validation(train, seed):
    if len({case.group for case in train}) < MANY_GROUPS:
        return train, []
    return split_cases(train, 0.15, seed)


def _groups_by_label(cases, seed):
    """For each label a list of groups (lists of cases), in an order drawn from the seed."""
    groups = defaultdict(list)
    for case in sorted(cases):
        groups[case.group].append(case)
    by_label = defaultdict(list)
    # A hash gives the same order on every machine and with every version of every library.
    for name in sorted(groups, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest()):
        by_label[str(groups[name][0].label)].append(groups[name])
    return [by_label[label] for label in sorted(by_label)]


def _count_groups(cases):
    return len({case.group for case in cases})
