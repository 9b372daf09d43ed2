"""What a case is, what goes wrong with one, and how cases are split into training and test."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path


class DatasetError(ValueError):
    """A complaint about data: names the file, what is wrong with it and the way out."""


def refuse_faults(faults):
    """Raise DatasetError for the first fault and count the others.

    `faults`: what is wrong with each case, one text or None a case.
    """
    first, *others = [fault for fault in faults if fault] or [None]
    if others:
        first += f" ({len(others)} more case{'s have faults' if others[1:] else ' has a fault'})"
    if first:
        raise DatasetError(first)


@dataclass(frozen=True, order=True)
class Case:
    """One image with its mask.

    Cases of one `group` (a patient, a film) never sit on both sides of a split.
    `label` is a diagnosis or None; splits keep its shares.
    """

    name: str
    image: Path
    mask: Path
    group: str
    label: str | None = None


def split_cases(cases, test_fraction=0.2, seed=0):
    """Split cases into `(train, test)`, two sorted lists.

    Whole groups go to one side, and each label gives about `test_fraction` (between 0 and 1) of
    its cases to the test side. The same seed gives the same split on every machine.
    Raises ValueError where a side would stay empty.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction is {test_fraction}; it must lie between 0 and 1")
    test = []
    for groups in _groups_by_label(cases, seed):
        wanted = test_fraction * sum(map(len, groups))
        taken = 0
        for group in groups:
            if abs(taken + len(group) - wanted) < abs(taken - wanted):
                test += group
                taken += len(group)
    train = set(cases) - set(test)
    if not train or not test:
        raise ValueError(
            f"{len(cases)} cases in {_count_groups(cases)} groups cannot be split at "
            f"test_fraction={test_fraction}: one side would be empty"
        )
    return sorted(train), sorted(test)


def fold_cases(cases, folds=5, seed=0):
    """Yield `folds` pairs `(train, test)` of sorted lists; every case is tested exactly once.

    Groups stay whole and labels balanced, as in `split_cases`.
    Raises ValueError where there are fewer groups than folds.
    """
    if not 2 <= folds <= _count_groups(cases):
        raise ValueError(f"{_count_groups(cases)} groups cannot make {folds} folds")
    tests = [[] for _ in range(folds)]
    for groups in _groups_by_label(cases, seed):
        of_label = [0] * folds
        # Largest groups first, each to the fold that has least: the folds come out even.
        for group in sorted(groups, key=len, reverse=True):
            fold = min(range(folds), key=lambda i: (of_label[i], len(tests[i]), i))
            tests[fold] += group
            of_label[fold] += len(group)
    return ((sorted(set(cases) - set(test)), sorted(test)) for test in tests)


def _groups_by_label(cases, seed):
    """One list of groups (lists of cases) a label, in an order drawn from the seed."""
    groups = defaultdict(list)
    for case in sorted(cases):
        groups[case.group].append(case)
    by_label = defaultdict(list)
    # A hash draws the same order on every machine and with every version of every library.
    for name in sorted(groups, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest()):
        by_label[str(groups[name][0].label)].append(groups[name])
    return [by_label[label] for label in sorted(by_label)]


def _count_groups(cases):
    return len({case.group for case in cases})
