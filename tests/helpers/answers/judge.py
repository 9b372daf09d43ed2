"""Answers to the lab's task judge: right ones, written in several ways, and mistakes."""

from functools import partial

import numpy as np

from answers.common import changed, sequence
from segmentation_tf.evaluation import score

THRESHOLDS = np.arange(1, 10) / 10


def dice_iou(mask, predicted):
    row = score(mask, predicted)
    return row["dice"], row["iou"]


def probable(logits, threshold):
    return 1 / (1 + np.exp(-logits)) > threshold


def raw(logits, threshold):
    return logits > threshold


def mean_of(pairs, score=dice_iou):
    """pairs: (mask, prediction) of each frame."""
    return np.mean([score(*pair) for pair in pairs], axis=0)


def judge(validation, test, best=mean_of, mean=mean_of, cut=probable, table_cut=probable):
    def value(threshold):
        return best([(mask, cut(logits, threshold)) for _, mask, logits in validation])[0]

    threshold = max(THRESHOLDS, key=value)
    rows = {}
    for name, mask, logits in test:
        rows.setdefault(sequence(name), []).append((mask, table_cut(logits, threshold)))
    return threshold, {row: mean(pairs) for row, pairs in rows.items()}


def dice_by_numpy(mask, predicted, constant=0):
    """Without a constant, nan for two empty masks."""
    tp, area = (mask & predicted).sum(), mask.sum() + predicted.sum()
    with np.errstate(invalid="ignore"):
        return (2 * tp + constant) / (area + constant), (tp + constant) / (area - tp + constant)


def judge_by_loops(validation, test):
    """Plain loops, a smoothing constant too small to matter, tuples for rows."""

    def both(mask, logits, threshold):
        return dice_by_numpy(mask, logits > np.log(threshold) - np.log1p(-threshold), 1e-7)

    best, threshold = -1, None
    for t in THRESHOLDS:
        mean = sum(both(mask, logits, t)[0] for _, mask, logits in validation) / len(validation)
        if mean > best:
            best, threshold = mean, float(t)
    frames = {}
    for name, mask, logits in test:
        frames[sequence(name)] = [*frames.get(sequence(name), []), both(mask, logits, threshold)]
    return threshold, {name: tuple(np.mean(rows, axis=0)) for name, rows in frames.items()}


def zero_for_two_empty_masks(mask, predicted):
    return dice_iou(mask, predicted) if mask.any() or predicted.any() else (0, 0)


def pooled(pairs):
    """All frames as one large one."""
    return dice_iou(*(np.concatenate([pair[i].ravel() for pair in pairs])[None] for i in (0, 1)))


def mean_without_empty_masks(pairs):
    kept = [pair for pair in pairs if pair[0].any() or pair[1].any()]
    return mean_of(kept) if kept else (1, 1)


def accuracy_of(pairs):
    return [np.mean([(mask == predicted).mean() for mask, predicted in pairs])]


def median_of(pairs):
    return np.median([dice_iou(*pair) for pair in pairs], axis=0)


def weigh_sequences_alike(validation, test):
    names = [sequence(name) for name, *_ in validation]
    repeats = [12 // names.count(name) for name in names]
    return judge([frame for frame, n in zip(validation, repeats) for _ in range(n)], test)


def scored_by(score):
    return partial(judge, mean=partial(mean_of, score=score))


RIGHT = [judge, judge_by_loops]
WRONG_SCORES = [
    ("Return threshold, table", changed(judge, lambda threshold, table: (table, threshold))),
    ("Return threshold, table", changed(judge, lambda t, table: (t, list(table.items())))),
    ("not a pair of numbers", partial(judge, mean=lambda pairs: mean_of(pairs)[0])),
    ("not a pair of numbers", partial(judge, mean=lambda pairs: dict(zip("di", mean_of(pairs))))),
    ("not the sequences of the test", changed(judge, lambda t, table: (t, {"Kata": (1, 1)}))),
    ("not the sequences of the test", lambda frames, test: judge(frames, frames + test)),
    ("the two are exchanged. IoU", partial(judge, mean=lambda pairs: mean_of(pairs)[::-1])),
    ("without a smoothing constant", scored_by(partial(dice_by_numpy, constant=1))),
    ("without a smoothing constant", scored_by(lambda m, p: dice_iou(m, p)[:1] * 2)),
    ("0 / 0, which is nan", scored_by(dice_by_numpy)),
    ("Two empty masks agree", scored_by(zero_for_two_empty_masks)),
    ("Two empty masks agree", scored_by(lambda m, p: dice_iou(m, p) if m.any() else (1, 1))),
    ("of all frames were counted together. Then", partial(judge, mean=pooled)),
    ("of whatever camera", partial(judge, mean=lambda pairs: dice_iou(*pairs[-1]))),
    ("was left out or counted wrong", partial(judge, mean=mean_without_empty_masks)),
]
WRONG_THRESHOLD = [
    ("which is not one of THRESHOLDS", changed(judge, lambda t, table: (int(10 * t) - 1, table))),
    ("which is not one of THRESHOLDS", changed(judge, lambda t, table: (np.log(1 / t - 1), table))),
    ("the best of nine tries", lambda validation, test: judge(test, test)),
    ("the best of nine tries", lambda validation, test: judge(validation + test, test)),
    ("a logit of 0.5 is a", partial(judge, cut=raw)),
    ("a logit of 0.5 is a", partial(judge, cut=raw, table_cut=raw)),
    ("One half need not be the best", changed(judge, lambda threshold, table: (0.5, table))),
    ("One half need not be the best", partial(judge, best=pooled)),
    ("One half need not be the best", partial(judge, best=accuracy_of)),
    ("For the table, logits were", partial(judge, table_cut=raw)),
    ("Another threshold than the one", partial(judge, table_cut=lambda logits, t: logits > 0)),
    ("may end at the first peak", lambda validation, test: judge(validation[:1], test)),
    ("may end at the first peak", partial(judge, best=median_of)),
    ("may end at the first peak", partial(judge, best=lambda pairs: mean_of(pairs)[1:])),
    ("by a mean over sequences, but", weigh_sequences_alike),
    ("let no nan into it", partial(judge, best=partial(mean_of, score=zero_for_two_empty_masks))),
    ("let no nan into it", partial(judge, best=mean_without_empty_masks)),
]
