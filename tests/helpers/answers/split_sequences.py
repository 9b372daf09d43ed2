"""Answers to the lab's task split_sequences: right ones, written in several ways, and mistakes."""

import random
from functools import partial
from pathlib import Path

import numpy as np

from answers.common import changed, sequence
from segmentation_tf.cases import Case, split_cases


def shuffled(groups, seed):
    """groups: that of each name, in the order of the names."""
    return np.random.default_rng(seed).permutation(sorted(set(groups))).tolist()


def at_least_one(share):
    return max(1, round(share))


def split(
    names, validation=0.15, test=0.2, seed=0, group=sequence, draw=shuffled, count=at_least_one
):
    order = draw([group(name) for name in names], seed)
    end = len(order) - count(test * len(order))
    middle = end - count(validation * len(order))
    parts = order[:middle], order[middle:end], order[end:]
    return tuple(sorted(name for name in names if group(name) in part) for part in parts)


def split_with_package(names, validation=0.15, test=0.2, seed=0):
    cases = [Case(name, Path(name), Path(name), sequence(name)) for name in names]
    rest, last = split_cases(cases, test, seed)
    first, middle = split_cases(rest, validation / (1 - test), seed)
    return [[case.name for case in part] for part in (first, middle, last)]


def split_by_random_module(names, validation=0.15, test=0.2, seed=0):
    """Fills test and validation until they have their share of the frames."""
    films = {}
    for name in sorted(names):
        films.setdefault(name[: name.index("_C", name.index("_") + 1)], []).append(name)
    order = sorted(films)
    random.Random(seed).shuffle(order)
    parts = {"test": [], "validation": [], "train": []}
    for film in order:
        for part, share in (("test", test), ("validation", validation), ("train", 1)):
            if not parts[part] or len(parts[part]) < share * len(names) - 3:
                parts[part] += films[film]
                break
    return tuple(sorted(parts[part]) for part in ("train", "validation", "test"))


def unsorted(groups, seed):
    return np.random.default_rng(seed).permutation(list(dict.fromkeys(groups))).tolist()


def split_groups(group):
    return partial(split, group=group)


RIGHT = [split, split_with_package, split_by_random_module]
WRONG = [
    ("by frame", split_groups(lambda name: name)),
    ("by camera", split_groups(lambda name: name.rsplit("_", 1)[0])),
    ("by activity", split_groups(lambda name: name.split("_")[0])),
    ("by number", split_groups(lambda name: name.split("_")[1])),
    ("no frames", changed(split, lambda *parts: [sorted(set(map(sequence, p))) for p in parts])),
    ("empty part", changed(split, lambda train, val, test: (sorted(train + val), [], test))),
    ("empty part", partial(split, count=lambda share: int(share / 4))),
    ("too few", partial(split, count=int)),
    ("frames twice", changed(split, lambda train, val, test: (train, val, test + train[:2]))),
    ("frames lost", changed(split, lambda train, val, test: (train[1:], val, test))),
    ("exchanged", changed(split, lambda train, val, test: (train, test, val))),
    ("shares", partial(split, count=lambda share: 4)),
    ("not sorted", changed(split, lambda *parts: [part[::-1] for part in parts])),
    ("unseeded", partial(split, draw=lambda g, seed: np.random.permutation(sorted(set(g))))),
    ("by order", partial(split, draw=unsorted)),
    ("seed unused", partial(split, draw=lambda groups, seed: shuffled(groups, 0))),
]
