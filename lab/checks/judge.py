"""Task 6: Dice and IoU of each sequence, at a threshold that is best on the validation frames."""

from collections.abc import Callable

import numpy as np

from lab.checks.common import Hint, call_for_parts, report, sequence_of
from lab.checks.values import as_array, kind_of

GRID = np.arange(1, 10) / 10  # the notebook's THRESHOLDS

# --- The scores -----------------------------------------------------------------------------------

SCORED = (  # name of a frame; its tp, fn and fp
    ("Kata_F2_C0_00045", 17, 8, 4),
    ("Taichi_S1_C1_00045", 0, 0, 0),
    ("Sports_Tennis_C0_00090", 0, 0, 9),
    ("Sports_Tennis_C2_00090", 0, 7, 0),
    ("HipHop_HipHop1_C0_00045", 50, 6, 4),
    ("HipHop_HipHop1_C0_00090", 4, 5, 9),
    ("HipHop_HipHop1_C0_00135", 20, 9, 7),
    ("HipHop_HipHop1_C1_00045", 3, 1, 2),
    ("Jazz_Jazz2_C0_00045", 0, 0, 0),
    ("Jazz_Jazz2_C1_00045", 6, 5, 4),
)


def check_scores(judge: Callable, seed: int = 0) -> None:
    """Check the table: Dice and IoU of each frame, averaged over the frames of a sequence."""
    rng = np.random.default_rng(seed)
    scored = [(name, *(n and n + int(rng.integers(3)) for n in counts)) for name, *counts in SCORED]
    validation = [_frame(rng, f"Jazz_Jazz9_C{camera}_00045", 20, 0, 0) for camera in range(3)]
    test = [_frame(rng, *scored[i]) for i in rng.permutation(len(scored))]
    _, table = _judged(judge, validation, test)
    counts = np.array([counts for _, *counts in scored])
    _check_frame(table["Kata_F2"], counts[0])
    _check_empty(table)
    _check_means(table["HipHop_HipHop1"], counts[4:8])
    _check_left_out(table["Jazz_Jazz2"], counts[9])
    report("Task 6 passed, scores", "frames count alike, empty masks count right", seed)


def _judged(judge, validation, test):
    """Return the threshold, and the table with an array of two numbers for each sequence."""
    threshold, table = call_for_parts(("threshold", "table"), judge, validation, test)
    if not isinstance(table, dict):
        raise Hint(f"""The second thing returned is a {kind_of(table)}, not a dict, and the first is
            a {kind_of(threshold)}. Return threshold, table, in this order. The table has a row for
            each sequence: {{'Kata_F2': (dice, iou), ...}}.""")
    for row in table.values():
        numbers = as_array(row)
        if numbers is None or numbers.shape != (2,):
            raise Hint(f"""A row of the table is {str(row)[:80]}, not a pair of numbers. Give
                (dice, iou) for each sequence, two means over its frames.""")
    found, expected = set(map(str, table)), {sequence_of(name) for name, *_ in test}
    if found != expected:
        raise Hint(f"""The rows of the table are not the sequences of the test frames. Missing are
            {sorted(expected - found)[:2]}; not expected are {sorted(found - expected)[:2]} (two of
            each at most). A sequence is the first two parts of a name, all cameras together.
            Leave the validation frames out: they chose the threshold.""")
    return threshold, {name: as_array(row).astype(float) for name, row in table.items()}


def _frame(rng, name, tp, fn, fp):
    """A mask and logits with these numbers of pixels, in a size drawn for this frame."""
    shape = rng.integers(11, 16, 2)
    mask, predicted = np.zeros((2, *shape), bool)
    pixels = rng.permutation(mask.size)
    mask.flat[pixels[: fn + tp]] = True
    predicted.flat[pixels[fn : fn + tp + fp]] = True
    return name, mask, np.where(predicted, 1, -1) * rng.uniform(3, 8, shape)


def _dice_and_iou(counts):
    tp, fn, fp = counts
    return np.array([2 * tp / (2 * tp + fn + fp), tp / (tp + fn + fp)])


def _same(found, expected):
    return np.allclose(found, expected, atol=2e-3)


def _shown(row):
    return f"({row[0]:.3f}, {row[1]:.3f})"


def _check_frame(row, counts):
    """row: that of a sequence of one frame."""
    right = _dice_and_iou(counts)
    seen = f"A frame with Dice {right[0]:.3f} and IoU {right[1]:.3f} got {_shown(row)}"
    if _same(row, right[::-1]):
        raise Hint(f"""{seen}: the two are exchanged. IoU is never above Dice. Return (dice, iou)
            in each row.""")
    if not _same(row, right):
        raise Hint(f"""{seen}. Dice is twice the shared area over the sum of both areas. IoU is the
            shared area over the area that either covers. Compute both from bool masks of one frame,
            without a smoothing constant.""")


def _check_empty(table):
    """Check the rows of frames with empty masks."""
    both, one = table["Taichi_S1"], table["Sports_Tennis"]
    for row in (both, table["Jazz_Jazz2"]):
        if np.isnan(row).any():
            raise Hint(f"""An empty mask and prediction gave the row {_shown(row)}: Dice and IoU
                were 0 / 0, which is nan. Nobody was there and nobody was predicted, so the two
                agree: count 1. Look for this case before you divide.""")
    if not _same(both, 1) or not _same(one, 0):
        raise Hint(f"""A frame with two empty masks got {_shown(both)}, and frames where only one of
            the two is empty got {_shown(one)}. Two empty masks agree, and score 1. A person without
            a prediction scores 0, and so does a prediction without a person.""")


def _check_means(row, counts):
    """row: that of four frames of one sequence, three of C0 and one of C1."""
    frames = np.array([_dice_and_iou(one) for one in counts])
    right = frames.mean(axis=0)
    seen = f"""HipHop_HipHop1 has four frames with Dice
        {", ".join(f"{dice:.3f}" for dice in frames[:, 0])}. Their means are {_shown(right)}, and
        the row is {_shown(row)}"""
    if _same(row, _dice_and_iou(counts.sum(axis=0))):
        raise Hint(f"""{seen}: the pixels of all frames were counted together. Then a large person
            weighs more than a small one. Score each frame, then take the mean.""")
    if not _same(row, right):
        raise Hint(f"""{seen}. Compute Dice and IoU of each frame, and collect them in a list for
            each sequence. A row is the mean over all its frames, of whatever camera.""")


def _check_left_out(row, counts):
    """row: that of two frames, one with two empty masks and one with these counts."""
    frame = _dice_and_iou(counts)
    if not _same(row, (frame + 1) / 2):
        raise Hint(f"""Jazz_Jazz2 has two frames: one scores {_shown(frame)}, the other has two
            empty masks. Its row is {_shown(row)}: the other was left out or counted wrong.
            np.nanmean leaves frames out. Let two empty masks score 1 in every mean.""")


# --- The threshold --------------------------------------------------------------------------------

# The best thresholds of small validation frames, of a large one, and of most test frames.
BEST = ((0.3, 0.8, 0.7), (0.2, 0.9, 0.4), (0.2, 0.8, 0.4), (0.3, 0.9, 0.7))


def check_threshold(judge: Callable, seed: int = 0) -> None:
    """Check the threshold: a probability, the best of nine for the mean Dice on validation."""
    low, high, other = BEST[seed % len(BEST)]
    validation = [_certain(f"Jazz_Jazz{i // 2}_C{i % 2}_00045", low, 6) for i in range(4)]
    validation.append(_certain("Kata_F2_C0_00045", high, 60))
    # One test frame for every threshold too, so that each gives another score.
    bests = np.append(GRID, np.full(27, other))
    test = [_certain(f"Taichi_S{i // 3}_C{i % 3}_00090", b, 6) for i, b in enumerate(bests)]
    threshold, table = _chosen(judge, validation, test)
    _check_choice(judge, threshold, validation, test)
    _check_use(threshold, table, test)
    _check_other_choices(judge, low, high, test)
    report("Task 6 passed, threshold", "chosen on validation, used on the test", seed)


def _chosen(judge, validation, test):
    threshold, table = _judged(judge, validation, test)
    number = as_array(threshold)
    if number is None or number.shape or not np.isclose(GRID, number).any():
        raise Hint(f"""The threshold is {str(threshold)[:80]}, which is not one of THRESHOLDS. Give
            the probability itself, not its place in the list and not its logit. Return
            THRESHOLDS[np.argmax(...)].""")
    return float(number), table


# A frame that is right at `high` has Dice 2/3 and IoU 1/2 at `low`; one that is right at `low` has
# Dice 0 at `high`.


def _certain(name, best, size):
    """A frame that is right at one threshold; lower ones mark too much, higher ones nothing."""
    pixel = np.arange(16 * 16)
    probability = np.select([pixel < size, pixel < 2 * size], [best + 0.04, best - 0.04], 0.02)
    return name, (pixel < size).reshape(16, 16), _logit(probability).reshape(16, 16)


def _frames(bests):
    """Small frames that are right at these thresholds, each the only one of its sequence."""
    return [_certain(f"Kata_F{i}_C0_00045", best, 6) for i, best in enumerate(bests)]


def _logit(probability):
    return np.log(probability / (1 - probability))


def _mean_dice(frames, cut):
    """Mean Dice of frames whose logits are cut at `cut`."""
    return np.mean([2 * (m & (z > cut)).sum() / (m.sum() + (z > cut).sum()) for _, m, z in frames])


def _best(frames):
    return GRID[np.argmax([_mean_dice(frames, _logit(threshold)) for threshold in GRID])]


def _check_choice(judge, threshold, validation, test):
    right = _best(validation)
    if np.isclose(threshold, right):
        return
    seen = f"""The threshold is {threshold:.1f}, and the validation frames have their best mean
        Dice at {right:.1f}."""
    if np.isclose(threshold, [_best(test), _best(validation + test)]).any():
        raise Hint(f"""{seen} Yours is best for the test frames. Frames that chose the threshold
            give too good a score, the best of nine tries. Choose on validation alone, and use the
            choice on the test.""")
    sixth, _ = _chosen(judge, _frames([0.6] * 3), test)  # logits of 0.41 are right for these
    if np.isclose(sixth, (0.3, 0.4)).any():
        raise Hint(f"""{seen} Logits were compared with a probability: a logit of 0.5 is a
            probability of 0.62. Compare logits > log(t / (1 - t)), or sigmoid(logits) > t.""")
    raise Hint(f"""{seen} One half need not be the best, nor what is best for accuracy or for the
        pixels of all frames together. For each of THRESHOLDS, take the mean of the Dice of the
        single validation frames. np.argmax finds the place of the largest mean.""")


def _check_use(threshold, table, test):
    sequences = sorted(table)
    found = [table[sequence][0] for sequence in sequences]

    def dices(cut):
        groups = ([frame for frame in test if sequence_of(frame[0]) == s] for s in sequences)
        return [_mean_dice(group, cut) for group in groups]

    right = dices(_logit(threshold))
    if _same(found, right):
        return
    seen = f"""At the threshold {threshold:.1f} the test has the mean Dice {np.mean(right):.2f},
        and the table says {np.mean(found):.2f}."""
    if _same(found, dices(threshold)):
        raise Hint(f"""{seen} For the table, logits were compared with a probability. Compare
            logits > log(t / (1 - t)), or sigmoid(logits) > t.""")
    raise Hint(f"""{seen} Another threshold than the one returned may be in use, or the scores are
        wrong, which check_scores tells. Choose first, on validation. Then score the test frames
        once, with the choice.""")


def _check_other_choices(judge, low, high, test):
    """Check the choice on frames where one mistake leads to another threshold."""
    for frames, right in (
        (_frames([low] + [high] * 5), high),  # a search that ends at the first peak gives low
        (_frames([low] * 4 + [high] * 5), low),  # the median gives high
        (_frames([low] * 2 + [high] * 5), low),  # the mean IoU gives high
    ):
        found, _ = _chosen(judge, frames, test)
        if not np.isclose(found, right):
            raise Hint(f"""Other validation frames have their best mean Dice at {right:.1f}, and the
                threshold is {found:.1f}. The search may end at the first peak or skip frames, or
                choose by the mean IoU or a median. Compare the mean Dice of all frames at all
                THRESHOLDS.""")
    long = [_certain(f"Jazz_Jazz1_C0_{45 * i:05}", low, 6) for i in range(4)]
    found, _ = _chosen(judge, long + _frames([high] * 5), test)
    if not np.isclose(found, low):
        raise Hint(f"""The threshold is {found:.1f}, perhaps by a mean over sequences, but
            {low:.1f} is best for single frames. One sequence has four frames here, and five have
            one. Give every validation frame the same weight.""")
    frames = _frames([low, low, high] + [high - 0.08] * 3 + [0.05])
    frames[3:] = [(name, np.zeros_like(mask), logits) for name, mask, logits in frames[3:]]
    found, _ = _chosen(judge, frames, test)
    if not np.isclose(found, high):
        raise Hint(f"""The threshold is {found:.1f}, and {high:.1f} has the best mean Dice. Four of
            these seven frames have an empty mask. A prediction scores 1 there if it is empty too,
            and else 0. Keep such frames in the mean, and let no nan into it.""")
