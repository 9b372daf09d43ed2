"""Task 2: whole sequences on one side, every frame once, the shares asked for, repeatable."""

from collections.abc import Callable

import numpy as np

from lab.checks.common import Hint, call_for_parts, report, sequence_of

HINTS = {
    "no frames": """
        The lists hold {strange!r}, which is not the name of a frame. If you split a list of
        sequences, go back to the frames at the end: all names whose sequence was drawn.""",
    "empty part": """
        {part} is empty. A share of few sequences may round to 0, and slices may be taken from
        the wrong end. Give every part at least one sequence.""",
    "too few": """
        With four sequences {part} is empty. A share of so few may round to 0, and the docstring
        promises at least one sequence in each. Take max(1, ...) of them.""",
    "by number": """
        Kata_F2 and Taichi_F2, and all such pairs, are always on one side: the second part of a
        name was the group. The number counts within an activity. A sequence is activity AND
        number, the first two parts of a name.""",
    "frames twice": """
        {count} frames are in two lists or twice in one, for example {name}. Overlapping slices
        do that. A frame belongs to exactly one list, or the test holds what was trained on.""",
    "frames lost": """
        {count} of {total} frames are in no list, for example {name}. What is neither test nor
        validation is for training: take the rest.""",
    "by camera": """
        {count} sequences are on several sides, each camera whole, for example {name}. C0, C1
        and C2 film the same person in the same room at the same moment, so the test still holds
        what was trained on. The group is activity and sequence, without camera.""",
    "by frame": """
        Frames of {count} sequences are on several sides, for example {name}: the split goes by
        frames. A frame looks like the one before it, so such a test also measures memory. Draw
        sequences, and let each take all its frames along.""",
    "by activity": """
        Each activity is on one side: all of one kind, such as Kata, went to one list. The group
        is activity AND sequence, the first two parts of a name, such as Kata_F2. Then the test
        holds new people, and as a rule the network has met their activity in training.""",
    "exchanged": """
        Asked for validation=0.1 and test=0.3, the lists hold {shares}. Validation and test are
        exchanged. The order to return is train, validation, test.""",
    "shares": """
        Asked for validation=0.1 and test=0.3, the lists hold {shares}. Both are shares of all
        frames, not of what is left, and the arguments decide, not fixed numbers. Count how many
        sequences make each share.""",
    "not sorted": """
        The names of {part} are not sorted. The docstring promises sorted lists, so that two
        people get the same lists. Return sorted(...).""",
    "unseeded": """
        Two calls with the same names and seed gave two different splits. A draw without a seed
        cannot be repeated, and its test frames get into the next training. Draw with
        np.random.default_rng(seed).""",
    "by order": """
        The same names in another order gave another split. A set has an order that differs from
        run to run, and the listing of a folder one that differs between machines. Sort the
        sequences before you shuffle them.""",
    "seed unused": """
        The seeds 0 to 4 all give the same split, so the seed is not used, or nothing is drawn.
        Without a draw, the test holds the last activities only. Shuffle the sequences with
        np.random.default_rng(seed).""",
}

PARTS = ("train", "validation", "test")
ASKED = {"validation": 0.1, "test": 0.3}
FEW = {"validation": 0.15, "test": 0.2}  # of four sequences


def check_split_sequences(split_sequences: Callable, seed: int = 0) -> None:
    """Check that sequences stay whole, that shares are as asked for, and that the seed decides."""

    def split(names, seed, shares=ASKED):
        parts = call_for_parts(PARTS, split_sequences, list(names), seed=seed, **shares)
        return [list(part) for part in parts]

    names = _film_names(seed)
    parts = split(names, seed)
    _check_frames(parts, names)
    _check_groups(parts)
    drawn = [split(names, other) for other in range(5)]
    always_the_same = drawn.count(drawn[0]) == len(drawn)
    if not always_the_same and not any(_on_several_sides(p, _number_of) for p in drawn):
        raise Hint(HINTS["by number"])
    _check_shares(parts)
    _check_none_is_empty(split(_few_names(), seed, FEW), "too few")
    for name, part in zip(PARTS, parts):
        if part != sorted(part):
            raise Hint(HINTS["not sorted"], part=name)
    if split(names, seed) != parts:
        raise Hint(HINTS["unseeded"])
    rng = np.random.default_rng(seed)
    if any(split(rng.permutation(names).tolist(), seed) != parts for _ in range(3)):
        raise Hint(HINTS["by order"])
    if always_the_same:
        raise Hint(HINTS["seed unused"])
    report("Task 2 passed", "no sequence is on two sides, and the seed alone decides", seed)


def _number_of(name):
    return name.split("_")[1]


def _film_names(seed):
    """Names of frames in mixed order: 24 sequences, three cameras, two to four frames each.

    Kata and Taichi have sequences of the same number, which show different people.
    """
    rng = np.random.default_rng(seed)
    names = []
    for activity, letter in (
        ("HipHop", "HipHop"),
        ("Jazz", "Jazz"),
        ("Kata", "F"),
        ("Taichi", "F"),
    ):
        for number in range(1, 7):
            frames = range(1, rng.integers(3, 6))
            film = f"{activity}_{letter}{number}"
            names += [f"{film}_C{camera}_{45 * i:05}" for camera in range(3) for i in frames]
    return rng.permutation(names).tolist()


def _few_names():
    return [f"Kata_F{i}_C{camera}_00045" for i in range(4) for camera in range(3)]


def _check_frames(parts, names):
    found = [name for part in parts for name in part]
    if strange := set(map(str, found)) - set(names):
        raise Hint(HINTS["no frames"], strange=min(strange))
    _check_none_is_empty(parts, "empty part")
    if len(found) > len(set(found)):
        twice = next(name for name in found if found.count(name) > 1)
        raise Hint(HINTS["frames twice"], count=len(found) - len(set(found)), name=twice)
    if lost := set(names) - set(found):
        raise Hint(HINTS["frames lost"], count=len(lost), total=len(names), name=min(lost))


def _check_none_is_empty(parts, hint):
    for name, part in zip(PARTS, parts):
        if not part:
            raise Hint(HINTS[hint], part=name)


def _on_several_sides(parts, group_of):
    a, b, c = ({group_of(name) for name in part} for part in parts)
    return sorted(a & b | a & c | b & c)


def _check_groups(parts):
    torn = _on_several_sides(parts, sequence_of)
    if torn and not _on_several_sides(parts, lambda name: name.rsplit("_", 1)[0]):
        raise Hint(HINTS["by camera"], count=len(torn), name=torn[0])
    if torn:
        raise Hint(HINTS["by frame"], count=len(torn), name=torn[0])
    if not _on_several_sides(parts, lambda name: name.split("_")[0]):
        raise Hint(HINTS["by activity"])


def _check_shares(parts):
    total = sum(map(len, parts))
    shares = {name: len(part) / total for name, part in zip(PARTS, parts)}
    if _is_about(shares, ASKED):
        return
    exchanged = {"validation": ASKED["test"], "test": ASKED["validation"]}
    hint = "exchanged" if _is_about(shares, exchanged) else "shares"
    found = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    raise Hint(HINTS[hint], shares=found)


def _is_about(shares, expected):
    return all(abs(shares[name] - share) < 0.08 for name, share in expected.items())
