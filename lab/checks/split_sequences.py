"""Task 2: whole sequences on one side, every frame once, the shares asked for, repeatable."""

from collections.abc import Callable
from itertools import permutations

import numpy as np

from lab.checks.common import Hint, call_for_parts, report, sequence_of
from lab.checks.values import kind_of

PARTS = ("train", "validation", "test")
ASKED = {"validation": 0.1, "test": 0.35}  # far from the defaults
FEW = {"validation": 0.15, "test": 0.2}  # of four sequences


def check_split_sequences(split_sequences: Callable, seed: int = 0) -> None:
    """Check that sequences stay whole, that shares are as asked for, and that the seed decides."""

    def split(names, seed=seed, shares=ASKED):
        parts = call_for_parts(PARTS, split_sequences, list(names), seed=seed, **shares)
        _check_lists(parts, names)
        return list(parts)

    names = _film_names(seed)
    parts = split(names)
    _check_groups(parts)
    _check_shares(parts)
    split([f"Kata_F{i}_C{c}_00045" for i in range(4) for c in range(3)], shares=FEW)
    for name, part in zip(PARTS, parts):
        if list(part) != sorted(part):
            raise Hint(f"""The names of {name} are not sorted. The docstring promises sorted lists,
                so that two people get the same lists. Return sorted(...).""")
    _check_repeatable(split, names, parts)
    report("Task 2 passed", "no sequence is on two sides, and the seed alone decides", seed)


def _film_names(seed):
    """Names of frames in mixed order: 24 sequences, three cameras, three or four frames each."""
    rng = np.random.default_rng(seed)
    names = []
    for activity in ("HipHop_HipHop", "Jazz_Jazz", "Kata_F", "Taichi_F"):
        for number in (1, 2, 3, 11, 12, 21):
            frames = range(1, rng.integers(4, 6))
            film = f"{activity}{number}"
            names += [f"{film}_C{camera}_{45 * i:05}" for camera in range(3) for i in frames]
    return rng.permutation(names).tolist()


def _check_lists(parts, names):
    count = len(set(map(sequence_of, names)))
    for name, part in zip(PARTS, parts):
        if not isinstance(part, (list, tuple)):
            found = "an array" if kind_of(part) == "ndarray" else f"a {kind_of(part)}"
            raise Hint(f"""{name} is {found}, not a list. The notebook joins such lists
                by +. Return sorted(...) of the names, which is a list.""")
        for one in part:
            if not isinstance(one, str) or one not in names:
                raise Hint(f"""{name} holds {str(one)!r} of type {kind_of(one)}, which is not the
                    name of a frame. If you split places in the list, take names[i] at the end. If
                    you split sequences, take all names whose sequence was drawn.""")
        if not part:
            raise Hint(f"""{name} is empty, although there are {count} sequences. A small share of
                them may become 0, and each list needs one: max(1, ...). A slice order[a:b] is also
                empty where a >= b, or where a >= len(order).""")
    found = [name for part in parts for name in part]
    twice = [name for name in set(found) if found.count(name) > 1]
    if twice:
        raise Hint(f"""{len(twice)} frames are in two lists or twice in one, for example
            {min(twice)}. Overlapping slices do that, and so does startswith, because
            Kata_F1 also begins Kata_F11. Each frame belongs to exactly one list.""")
    if lost := set(names) - set(found):
        raise Hint(f"""{len(lost)} of {len(names)} frames are in no list, for example {min(lost)}.
            Frames that are neither in test nor in validation are for training: take the rest.""")


def _on_several_sides(parts, group_of):
    a, b, c = ({group_of(name) for name in part} for part in parts)
    return sorted(a & b | a & c | b & c)


def _check_groups(parts):
    torn = _on_several_sides(parts, sequence_of)
    # Two cuts in the line of frames tear two sequences at most, perhaps between cameras.
    if len(torn) > 2 and not _on_several_sides(parts, lambda name: name.rsplit("_", 1)[0]):
        raise Hint(f"""{len(torn)} sequences are in several lists, each camera whole, for example
            {torn[0]}. C0, C1 and C2 film one person in one room at one moment, so the test holds
            what was trained on. Group by activity and sequence, without the camera.""")
    if torn:
        raise Hint(f"""Frames of {len(torn)} sequences are in several lists, for example {torn[0]}:
            the lists were cut between frames. A frame looks like the one before it, so such a
            test also measures memory. Draw sequences, and let each take all its frames along.""")
    if not _on_several_sides(parts, lambda name: name.split("_")[0]):
        raise Hint("""Each activity is on one side: all of one kind, such as Kata, went to one list.
            Then the test holds activities that the network never met. Group by activity AND
            sequence, the first two parts of a name, such as Kata_F2.""")


def _check_shares(parts):
    total = sum(map(len, parts))
    found = ", ".join(f"{len(part) / total:.0%}" for part in parts)
    for order in permutations(PARTS):  # the right order is the first
        shares = {name: len(part) / total for name, part in zip(order, parts)}
        if all(abs(shares[name] - share) < 0.09 for name, share in ASKED.items()):
            if order == PARTS:
                return
            raise Hint(f"""Asked for validation=0.1 and test=0.35, the three lists hold {found} of
                the frames. This is the order {", ".join(order)}. Return the training list
                first, then validation, then test.""")
    raise Hint(f"""Asked for validation=0.1 and test=0.35, the three lists hold {found} of the
        frames. Both are shares of all frames, not of what is left. Compute from both shares how
        many sequences each list gets, and let train take the rest.""")


def _check_repeatable(split, names, parts):
    if split(names) != parts:
        raise Hint("""Two calls with the same names and seed gave two different splits. A draw
            without the seed cannot be repeated, nor can one by a generator made outside of the
            function. Draw inside, with np.random.default_rng(seed).""")
    # With this many sequences, the order of a set depends on the order of insertion.
    many = [f"Sports_Game{i}_C0_00045" for i in range(120)]
    orders = [np.random.default_rng(i).permutation(many).tolist() for i in range(6)]
    if any(split(order) != split(many) for order in orders):
        raise Hint("""The same names in another order gave another split. A set has an order that
            differs from run to run, and folders list files in an order that differs between
            machines. Sort the sequences before you shuffle them.""")
    drawn = [split(names, seed=other) for other in range(5)]
    if drawn.count(drawn[0]) == len(drawn):
        raise Hint("""The seeds 0 to 4 all give the same split: seed is not used, or nothing is
            drawn. Without a draw, the test holds a few activities only. Shuffle the sequences
            with np.random.default_rng(seed).""")
