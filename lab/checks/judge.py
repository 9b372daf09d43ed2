"""Task 6: Dice and IoU of each sequence, at a threshold that is best on the validation frames."""

from collections.abc import Callable

import numpy as np

from lab.checks.common import Hint, call_for_parts, report, sequence_of

CHOSEN = """The threshold is {found:.1f}, and the validation frames have their best mean Dice at
        {right:.1f}."""
IN_TABLE = """At the threshold {threshold:.1f} the test frames have the Dice {right:.2f}, and the
        table says {found:.2f}:"""

HINTS = {
    "scores: no dict": """
        The table is a {kind}, not a dict. It holds a row for each sequence: {{'Kata_F2': (dice,
        iou), ...}}.""",
    "scores: by camera": """
        The table has a row for each camera, {row} and so on. Three cameras show one
        performance, so three such rows are not independent. A sequence is the first two parts
        of a name, all cameras together.""",
    "scores: validation too": """
        The table holds {row}, a sequence of the validation frames. They chose the threshold, so
        their scores are too good. The table is for the test frames alone.""",
    "scores: rows": """
        The rows of the table are not the sequences of the test frames. Missing: {missing}; not
        expected: {extra} (two of each at most). A sequence is the first two parts of a name,
        joined by an underscore.""",
    "scores: no pair": """
        A row of the table is {row}, not a pair of numbers. Give (dice, iou) for each sequence,
        two means over its frames.""",
    "scores: both empty": """
        Two empty masks led to {found}: for them Dice and IoU are 0 / 0. Nobody was there and
        nobody was predicted, so the two agree: count 1. Ask for this case before you divide.""",
    "scores: exchanged": """
        A frame with Dice {dice:.3f} and IoU {iou:.3f} got {found}: exchanged. IoU is never
        above Dice. Return (dice, iou).""",
    "scores: Dice as IoU": """
        A frame with Dice {dice:.3f} and IoU {iou:.3f} got {found}: Dice was given as IoU. Dice
        divides twice the shared area by the sum of both areas, IoU divides the shared area by
        the area that either covers, (a | b).sum().""",
    "scores: formula": """
        A frame with Dice {dice:.3f} and IoU {iou:.3f} got {found}. Dice is twice the shared
        area over the sum of both areas, IoU the shared area over the area that either covers,
        both at the frame's own size. Add nothing to smooth them: that is for losses.""",
    "scores: one empty": """
        Frames where only one of mask and prediction is empty got {found}. They share no pixel,
        so they score 0; only two empty masks score 1. Ask whether both are empty.""",
    "scores: pooled": """
        {name} has frames with Dice {dices}, mean {right:.3f}, and got {found:.3f}: the pixels
        of all frames were counted together. Then a large person weighs more than a small one.
        Score each frame, then take the mean.""",
    "scores: mean of cameras": """
        {name} has frames with Dice {dices}, mean {right:.3f}, and got {found:.3f}: a mean over
        cameras, in which the only frame of C1 counts as much as both of C0. Take one mean over
        all frames of the sequence.""",
    "scores: IoU of means": """
        The IoU of {name} was computed from the mean of its Dice. IoU = Dice / (2 - Dice) holds
        for one frame, and not for a mean. Compute both for each frame, then the two means.""",
    "scores: means": """
        {name} has frames with Dice {dices}. Their mean Dice and IoU are {right}, and its row is
        {found}. A row is the mean over all frames of the sequence, those of every camera.""",
    "threshold: not of the nine": """
        The threshold is {found}, which is not one of THRESHOLDS. It is the probability itself,
        not its place in the list and not its logit. Return THRESHOLDS[np.argmax(...)].""",
    "threshold: tuned on test": f"""{CHOSEN}
        Yours is best for the test frames. A score on the frames that chose the threshold is the
        best of nine tries, and flatters. Choose on validation alone, and use the choice on the
        test.""",
    "threshold: pooled": f"""{CHOSEN}
        Yours is best for the pixels of all frames counted together, where one large person
        weighs more than four small ones. Take Dice of each frame, then the mean.""",
    "threshold: mean of sequences": f"""{CHOSEN}
        Yours is best for the mean over sequences, in which a single frame counts as much as
        four of one sequence. Here every validation frame counts alike.""",
    "threshold: IoU": f"""{CHOSEN}
        Yours is best for the mean IoU, which may prefer another one. Choose by Dice.""",
    "threshold: empty masks": f"""{CHOSEN}
        Some of these frames have an empty mask: a prediction scores 1 there if it is empty too,
        else 0. Keep such frames in the mean, and count two empty masks as 1.""",
    "threshold: on logits": f"""{CHOSEN}
        Logits were compared with a probability: a logit of 0.5 is a probability of 0.62.
        Compare like with like: logits > log(t / (1 - t)), or sigmoid(logits) > t.""",
    "threshold: one half": f"""{CHOSEN}
        One half is common, but it need not be the best. Try every one of THRESHOLDS on the
        validation frames and keep the best.""",
    "threshold: not the best": f"""{CHOSEN}
        For each of THRESHOLDS, take the mean of the Dice of the single validation frames.
        np.argmax finds where it is largest.""",
    "threshold: table on logits": f"""{IN_TABLE}
        for the table, logits were compared with a probability. Compare like with like: logits >
        log(t / (1 - t)), or sigmoid(logits) > t.""",
    "threshold: not used": f"""{IN_TABLE}
        it uses another threshold than the one returned. Choose first, on validation. Then score
        the test frames once, with the choice.""",
    "threshold: scores": f"""{IN_TABLE}
        its rows are right at none of the nine thresholds. Either the scores are wrong, which
        check_scores tells, or the table was made at another threshold. Correct the scores
        first, then use the threshold that you return.""",
}

GRID = np.arange(1, 10) / 10  # the notebook's THRESHOLDS

# --- The scores -----------------------------------------------------------------------------------

SCORED = (  # name of a frame; its tp, fn and fp
    ("Kata_F2_C0_00045", 12, 8, 4),
    ("Taichi_S1_C1_00045", 0, 0, 0),
    ("Sports_Tennis_C0_00090", 0, 0, 9),
    ("Sports_Tennis_C2_00090", 0, 7, 0),
    ("HipHop_HipHop1_C0_00045", 50, 6, 4),
    ("HipHop_HipHop1_C0_00090", 4, 5, 9),
    ("HipHop_HipHop1_C1_00045", 3, 1, 2),
)


def check_scores(judge: Callable, seed: int = 0) -> None:
    """Check the table: Dice and IoU of each frame, averaged over the frames of a sequence."""
    rng = np.random.default_rng(seed)
    scored = [(name, *(n and n + int(rng.integers(3)) for n in counts)) for name, *counts in SCORED]
    validation = [_frame(rng, f"Jazz_Jazz9_C{camera}_00045", 20, 0, 0) for camera in range(3)]
    test = [_frame(rng, *scored[i]) for i in rng.permutation(len(scored))]
    _, table = _judged(judge, validation, test)
    _check_frame_scores([table[sequence_of(name)] for name, *_ in scored], scored[0])
    _check_means(table[sequence_of(scored[-1][0])], scored[4:])
    report("Task 6 passed, scores", "frames count alike, empty masks count right", seed)


def _judged(judge, validation, test):
    """Return threshold and table, which has a pair of numbers for each sequence."""
    try:
        threshold, table = call_for_parts(("threshold", "table"), judge, validation, test)
    except Hint as hint:
        if isinstance(hint.__cause__, ZeroDivisionError):
            raise Hint(HINTS["scores: both empty"], found=hint.__cause__) from hint.__cause__
        raise
    _check_rows(table, [name for name, *_ in test], [name for name, *_ in validation])
    return threshold, table


def _frame(rng, name, tp, fn, fp):
    """A mask and logits with these numbers of pixels, in a size drawn for this frame."""
    shape = rng.integers(11, 16, 2)
    mask, predicted = np.zeros((2, *shape), bool)
    pixels = rng.permutation(mask.size)
    mask.flat[pixels[: fn + tp]] = True
    predicted.flat[pixels[fn : fn + tp + fp]] = True
    return name, mask, np.where(predicted, 1, -1) * rng.uniform(3, 8, shape)


def _dice_and_iou(tp, fn, fp):
    area = tp + fn + fp
    return (2 * tp / (tp + area), tp / area) if area else (1.0, 1.0)


def _check_rows(table, test_names, validation_names):
    if not isinstance(table, dict):
        raise Hint(HINTS["scores: no dict"], kind=type(table).__name__)
    found, expected = set(map(str, table)), set(map(sequence_of, test_names))
    if found == {name.rsplit("_", 1)[0] for name in test_names}:
        raise Hint(HINTS["scores: by camera"], row=min(found))
    if found == expected | set(map(sequence_of, validation_names)):
        raise Hint(HINTS["scores: validation too"], row=sequence_of(validation_names[0]))
    if found != expected:
        seen = {"missing": sorted(expected - found)[:2], "extra": sorted(found - expected)[:2]}
        raise Hint(HINTS["scores: rows"], **seen)
    for row in table.values():
        if np.shape(_numbers(row)) != (2,):
            raise Hint(HINTS["scores: no pair"], row=f"{row}"[:80])


def _numbers(value):
    """As an array of floats, or None."""
    try:
        return np.asarray(value, float)
    except (TypeError, ValueError):
        return None


def _same(found, expected):
    return np.allclose(found, expected, atol=2e-3)


def _check_frame_scores(rows, first):
    """rows: those of the sequences of SCORED, in that order; first: its first frame."""
    if np.isnan(rows[1]).any():
        raise Hint(HINTS["scores: both empty"], found=_shown(rows[1]))
    dice, iou = _dice_and_iou(*first[1:])
    seen = {"dice": dice, "iou": iou, "found": _shown(rows[0])}
    if _same(rows[0], (iou, dice)):
        raise Hint(HINTS["scores: exchanged"], **seen)
    if _same(rows[0], (dice, dice)):
        raise Hint(HINTS["scores: Dice as IoU"], **seen)
    if not _same(rows[0], (dice, iou)):
        raise Hint(HINTS["scores: formula"], **seen)
    if not _same(rows[1], 1):
        raise Hint(HINTS["scores: both empty"], found=_shown(rows[1]))
    if not _same(rows[2], 0):
        raise Hint(HINTS["scores: one empty"], found=_shown(rows[2]))


def _shown(row):
    return f"({row[0]:.3f}, {row[1]:.3f})"


def _check_means(row, scored):
    """scored: the frames of one sequence, two of C0 and one of C1."""
    counts = np.array([counts for _, *counts in scored])
    frames = np.array([_dice_and_iou(*one) for one in counts])
    right = frames.mean(axis=0)
    if _same(row, right):
        return
    name = sequence_of(scored[0][0])
    dices = ", ".join(f"{dice:.3f}" for dice in frames[:, 0])
    seen = {"name": name, "dices": dices, "right": right[0], "found": row[0]}
    if _same(row, _dice_and_iou(*counts.sum(axis=0))):
        raise Hint(HINTS["scores: pooled"], **seen)
    if _same(row, (frames[:2].mean(axis=0) + frames[2]) / 2):
        raise Hint(HINTS["scores: mean of cameras"], **seen)
    if _same(row, (right[0], right[0] / (2 - right[0]))):
        raise Hint(HINTS["scores: IoU of means"], name=name)
    raise Hint(HINTS["scores: means"], **seen | {"right": _shown(right), "found": _shown(row)})


# --- The threshold --------------------------------------------------------------------------------

# The best thresholds of small validation frames, of a large one, and of most test frames.
BEST = ((0.3, 0.8, 0.6), (0.4, 0.9, 0.7), (0.2, 0.8, 0.4), (0.6, 0.9, 0.4))


def check_threshold(judge: Callable, seed: int = 0) -> None:
    """Check the threshold: a probability, the best of nine for the mean Dice on validation."""
    small, large, other = BEST[seed % len(BEST)]
    validation = [_certain(f"Jazz_Jazz{i // 2}_C{i % 2}_00045", small, 6) for i in range(4)]
    validation.append(_certain("Kata_F2_C0_00045", large, 60))
    # One test frame for every threshold too, so that each gives another score.
    bests = np.append(GRID, np.full(27, other))
    test = [_certain(f"Taichi_S{i // 3}_C{i % 3}_00090", b, 6) for i, b in enumerate(bests)]
    threshold, table = _chosen(judge, validation, test)
    _check_choice(threshold, validation, test)
    _check_use(threshold, table, test)
    low, high = small, large
    _check_subtle(judge, "mean of sequences", _one_long_sequence(low, high), test, (low, high))
    _check_subtle(judge, "IoU", _low_and_high(2, 5, low, high), test, (low, high))
    _check_subtle(judge, "empty masks", _some_nobody(low, high), test, (high, low))
    report("Task 6 passed, threshold", "chosen on validation, used on the test", seed)


def _chosen(judge, validation, test):
    threshold, table = _judged(judge, validation, test)
    number = _numbers(threshold)
    if number is None or np.shape(number) or not np.isclose(GRID, number).any():
        raise Hint(HINTS["threshold: not of the nine"], found=f"{threshold!r}"[:80])
    return float(number), table


def _check_subtle(judge, mistake, validation, test, right_and_wrong):
    """Check the choice on frames where one mistake leads to another threshold."""
    right, wrong = right_and_wrong
    found, _ = _chosen(judge, validation, test)
    if not np.isclose(found, right):
        hint = mistake if np.isclose(found, wrong) else "not the best"
        raise Hint(HINTS[f"threshold: {hint}"], found=found, right=right)


# A frame that is right at `high` has Dice 2/3 and IoU 1/2 at `low`; one that is right at `low` has
# Dice 0 at `high`.


def _low_and_high(lows, highs, low, high, name="Kata_F{}_C0"):
    """`lows` frames that are right at `low`, then `highs` at `high`; each is one sequence."""
    bests = [low] * lows + [high] * highs
    return [_certain(name.format(i) + "_00045", best, 6) for i, best in enumerate(bests)]


def _one_long_sequence(low, high):
    """Four frames of one sequence, right at `low`, and five sequences of one frame, at `high`."""
    one = [_certain(f"Jazz_Jazz1_C0_{45 * i:05}", low, 6) for i in range(4)]
    return one + _low_and_high(0, 5, low, high)


def _some_nobody(low, high):
    """Three frames with a person, two right at `low`; three with nobody, marked below `high`."""
    nobody = []
    for name, mask, _ in _low_and_high(3, 0, low, high, name="Taichi_S{}_C0"):
        nobody.append((name, np.zeros_like(mask), _logit(np.where(mask, high - 0.04, 0.02))))
    return _low_and_high(2, 1, low, high) + nobody


def _certain(name, best, size):
    """A frame that is right at one threshold; lower ones mark too much, higher ones nothing."""
    pixel = np.arange(16 * 16)
    probability = np.select([pixel < size, pixel < 2 * size], [best + 0.04, best - 0.04], 0.02)
    return name, (pixel < size).reshape(16, 16), _logit(probability).reshape(16, 16)


def _logit(probability):
    return np.log(probability / (1 - probability))


def _mean_dice(frames, cut):
    """Mean Dice of frames whose logits are cut at `cut`."""
    return np.mean([2 * (m & (z > cut)).sum() / (m.sum() + (z > cut).sum()) for _, m, z in frames])


def _pooled_dice(frames, cut):
    _, masks, logits = zip(*frames)
    return _mean_dice([(None, np.stack(masks), np.stack(logits))], cut)


def _check_choice(threshold, validation, test):
    right = _best(_mean_dice, validation)
    if np.isclose(threshold, right):
        return
    mistakes = (
        ("tuned on test", _best(_mean_dice, test)),
        ("tuned on test", _best(_mean_dice, validation + test)),
        ("pooled", _best(_pooled_dice, validation)),
        ("on logits", _best(_mean_dice, validation, cut=float)),
        ("one half", 0.5),
        ("not the best", threshold),
    )
    mistake = next(name for name, chosen in mistakes if np.isclose(threshold, chosen))
    raise Hint(HINTS[f"threshold: {mistake}"], found=threshold, right=right)


def _best(score, frames, cut=_logit):
    return GRID[np.argmax([score(frames, cut(threshold)) for threshold in GRID])]


def _check_use(threshold, table, test):
    sequences = sorted(table)
    found = [float(table[sequence][0]) for sequence in sequences]

    def dices(cut):
        groups = ([frame for frame in test if sequence_of(frame[0]) == s] for s in sequences)
        return [_mean_dice(group, cut) for group in groups]

    right = dices(_logit(threshold))
    if _same(found, right):
        return
    mistake = "scores"
    if _same(found, dices(threshold)):
        mistake = "table on logits"
    elif any(_same(found, dices(_logit(other))) for other in GRID):
        mistake = "not used"
    seen = {"threshold": threshold, "right": np.mean(right), "found": np.mean(found)}
    raise Hint(HINTS[f"threshold: {mistake}"], **seen)
