"""Answers to the lab's task split_sequences: right ones, written in several ways, and mistakes."""

import random
from functools import partial
from pathlib import Path

import numpy as np

from answers.common import changed, sequence
from segmentation_tf.cases import Case, split_cases

OUTSIDE = np.random.default_rng(0)


def shuffled(groups, seed):
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


def drawn_without_a_seed(groups, seed):
    return OUTSIDE.permutation(sorted(set(groups))).tolist()


def unsorted(groups, seed):
    return np.random.default_rng(seed).permutation(list(dict.fromkeys(groups))).tolist()


def with_parts(change):
    return changed(split, lambda *parts: [change(part) for part in parts])


def places_in_the_list(names, validation=0.15, test=0.2, seed=0):
    return [[names.index(name) for name in part] for part in split(names, validation, test, seed)]


RIGHT = [split, split_with_package, split_by_random_module]
WRONG = [
    ("not a list. The notebook joins", with_parts(np.array)),
    ("not a list. The notebook joins", with_parts(set)),
    ("split places in the list", places_in_the_list),
    ("split places in the list", with_parts(lambda part: sorted(set(map(sequence, part))))),
    ("A small share of", partial(split, count=int)),
    ("A small share of", changed(split, lambda train, val, test: (sorted(train + val), [], test))),
    ("Overlapping slices do that", changed(split, lambda t, v, test: (t, v, test + t[:2]))),
    ("Overlapping slices do that", changed(split, lambda t, v, test: (t + t, v, test))),
    ("neither in test nor in validation", changed(split, lambda t, v, test: (t[1:], v, test))),
    ("neither in test nor in validation", with_parts(lambda p: [n for n in p if "_C0_" in n])),
    ("without the camera", partial(split, group=lambda name: name.rsplit("_", 1)[0])),
    ("without the camera", partial(split, group=lambda name: name.split("_")[2])),
    ("cut between frames", partial(split, group=str)),
    ("cut between frames", partial(split, group=lambda name: name.split("_")[3])),
    ("Each activity is on one side", partial(split, group=lambda name: name.split("_")[0])),
    ("This is the order", changed(split, lambda train, val, test: (train, test, val))),
    ("This is the order", changed(split, lambda train, val, test: (test, val, train))),
    ("not of what is left", partial(split, count=lambda share: 4)),
    ("not of what is left", partial(split, count=lambda share: at_least_one(share / 2))),
    ("promises sorted lists", with_parts(lambda part: part[::-1])),
    ("a generator made outside", partial(split, draw=drawn_without_a_seed)),
    ("The same names in another order", partial(split, draw=unsorted)),
    ("seed is not used", partial(split, draw=lambda groups, seed: shuffled(groups, 0))),
    ("seed is not used", partial(split, draw=lambda groups, seed: sorted(set(groups)))),
]
