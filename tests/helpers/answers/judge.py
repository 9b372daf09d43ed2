"""Answers to the lab's task judge: right ones, written in several ways, and mistakes."""

from functools import partial

import numpy as np

from answers.common import changed, sequence
from segmentation_tf.evaluation import score

THRESHOLDS = np.arange(1, 10) / 10


def dice_iou(mask, predicted):
    row = score(mask, predicted)
    return row["dice"], row["iou"]


def cut_probability(logits, threshold):
    return 1 / (1 + np.exp(-logits)) > threshold


def cut_logits(logits, threshold):
    return logits > threshold


def mean_dice(pairs, score):
    return np.mean([score(mask, predicted)[0] for mask, predicted in pairs])


def best_threshold(frames, score=dice_iou, value=mean_dice, cut=cut_probability):
    """The best of nine; `value` is of pairs of masks."""

    def value_at(threshold):
        return value([(mask, cut(logits, threshold)) for _, mask, logits in frames], score)

    return max(THRESHOLDS, key=value_at)


def mean_of_frames(frames, score):
    """frames: those of one row, as (name, mask, prediction)."""
    return tuple(np.mean([score(*masks) for _, *masks in frames], axis=0))


def make_table(
    test, threshold, score=dice_iou, cut=cut_probability, row_of=sequence, mean=mean_of_frames
):
    rows = {}
    for name, mask, logits in test:
        rows.setdefault(row_of(name), []).append((name, mask, cut(logits, threshold)))
    return {row: mean(frames, score) for row, frames in rows.items()}


def judge(validation, test, choose=best_threshold, tabulate=make_table):
    """With the package's score, and probabilities."""
    threshold = choose(validation)
    return threshold, tabulate(test, threshold)


def judge_by_loops(validation, test):
    """Plain loops, a smoothing constant too small to matter, arrays for rows."""

    def both(mask, logits, threshold):
        predicted = logits > np.log(threshold) - np.log1p(-threshold)
        tp = np.logical_and(mask, predicted).sum()
        dice = (2 * tp + 1e-7) / (mask.sum() + predicted.sum() + 1e-7)
        return [dice, (tp + 1e-7) / (np.logical_or(mask, predicted).sum() + 1e-7)]

    best, threshold = -1, None
    for t in THRESHOLDS:
        mean = sum(both(mask, logits, t)[0] for _, mask, logits in validation) / len(validation)
        if mean > best:
            best, threshold = mean, float(t)
    frames = {}
    for name, mask, logits in test:
        frames[sequence(name)] = [*frames.get(sequence(name), []), both(mask, logits, threshold)]
    return threshold, {name: np.mean(rows, axis=0) for name, rows in sorted(frames.items())}


# --- Mistakes in the score of a frame -------------------------------------------------------------


def dice_by_numpy(mask, predicted):
    """nan for two empty masks."""
    tp = (mask & predicted).sum()
    with np.errstate(invalid="ignore"):
        return 2 * tp / (mask.sum() + predicted.sum()), tp / (mask | predicted).sum()


def dice_by_python(mask, predicted):
    """ZeroDivisionError for two empty masks."""
    tp = int((mask & predicted).sum())
    return 2 * tp / int(mask.sum() + predicted.sum()), tp / int((mask | predicted).sum())


def zero_if_both_are_empty(mask, predicted):
    return dice_iou(mask, predicted) if mask.any() or predicted.any() else (0.0, 0.0)


def one_if_the_mask_is_empty(mask, predicted):
    return dice_iou(mask, predicted) if mask.any() else (1.0, 1.0)


def smoothed(mask, predicted):
    tp = (mask & predicted).sum()
    dice = (2 * tp + 1) / (mask.sum() + predicted.sum() + 1)
    return dice, (tp + 1) / ((mask | predicted).sum() + 1)


def accuracy(mask, predicted):
    return (mask == predicted).mean(), (mask == predicted).mean()


def scored_by(score):
    """The score of a frame, for the threshold and for the table."""
    return partial(
        judge,
        choose=partial(best_threshold, score=score),
        tabulate=partial(make_table, score=score),
    )


# --- Mistakes in the mean -------------------------------------------------------------------------


def pooled(frames, score):
    """All frames as one large one."""
    masks, predicted = (np.concatenate([f[i].ravel() for f in frames]) for i in (-2, -1))
    return dice_iou(masks[:, None], predicted[:, None])


def pooled_dice(pairs, score):
    return pooled(pairs, score)[0]


def mean_of_cameras(frames, score):
    cameras = {}
    for name, mask, predicted in frames:
        cameras.setdefault(name.split("_")[2], []).append(score(mask, predicted))
    return np.mean([np.mean(rows, axis=0) for rows in cameras.values()], axis=0)


def median_of_frames(frames, score):
    return np.median([score(*masks) for _, *masks in frames], axis=0)


def iou_of_mean_dice(frames, score):
    dice = mean_of_frames(frames, score)[0]
    return dice, dice / (2 - dice)


def mean_without_nan(frames, score):
    rows = [dice_by_numpy(mask, predicted) for _, mask, predicted in frames]
    return np.nanmean(rows, axis=0) if not np.isnan(rows).all() else (0, 0)


def dice_alone(frames, score):
    return mean_of_frames(frames, score)[0]


def every_frame(frames, score):
    return [score(*masks) for _, *masks in frames]


def names_of_frames(frames, score):
    return [name for name, *_ in frames][:2]


def as_a_dict(frames, score):
    return dict(zip(("dice", "iou"), mean_of_frames(frames, score)))


def iou_first(frames, score):
    return mean_of_frames(frames, score)[::-1]


def averaged_by(mean):
    return partial(judge, tabulate=partial(make_table, mean=mean))


# --- Mistakes in the choice -----------------------------------------------------------------------


def mean_iou(pairs, score):
    return np.mean([score(*masks)[1] for masks in pairs])


def mean_without_empty_masks(pairs, score):
    return np.mean([score(mask, predicted)[0] for mask, predicted in pairs if mask.any()])


def negative_dice(pairs, score):
    return -mean_dice(pairs, score)


def best_for_sequences(validation):
    """By the mean over sequences, where the docstring asks for the mean over frames."""

    def mean_of_rows(threshold):
        return np.mean([dice for dice, _ in make_table(validation, threshold).values()])

    return max(THRESHOLDS, key=mean_of_rows)


def chosen_by(value):
    return partial(judge, choose=partial(best_threshold, value=value))


def tuned_on_test(validation, test):
    return judge(test, test)


def tuned_on_both(validation, test):
    return judge(validation + test, test)


def table_of_both(validation, test):
    return judge(validation, validation + test)


def table_at_one_half(test, threshold):
    return make_table(test, 0.5)


def with_threshold(change):
    return changed(judge, lambda threshold, table: (change(threshold), table))


RIGHT = [judge, judge_by_loops]
WRONG_SCORES = [
    ("scores: no dict", changed(judge, lambda threshold, table: (threshold, list(table)))),
    (
        "scores: by camera",
        partial(judge, tabulate=partial(make_table, row_of=lambda name: name.rsplit("_", 1)[0])),
    ),
    ("scores: validation too", table_of_both),
    (
        "scores: rows",
        partial(judge, tabulate=partial(make_table, row_of=lambda name: name.split("_")[0])),
    ),
    ("scores: rows", partial(judge, tabulate=partial(make_table, row_of=str))),
    ("scores: no pair", averaged_by(dice_alone)),
    ("scores: both empty", scored_by(dice_by_numpy)),
    ("scores: both empty", scored_by(dice_by_python)),
    ("scores: both empty", scored_by(zero_if_both_are_empty)),
    ("scores: both empty", averaged_by(mean_without_nan)),
    ("scores: one empty", scored_by(one_if_the_mask_is_empty)),
    ("scores: exchanged", averaged_by(iou_first)),
    ("scores: Dice as IoU", averaged_by(lambda *frames: mean_of_frames(*frames)[:1] * 2)),
    ("scores: formula", scored_by(smoothed)),
    ("scores: formula", scored_by(accuracy)),
    ("scores: pooled", averaged_by(pooled)),
    ("scores: mean of cameras", averaged_by(mean_of_cameras)),
    ("scores: IoU of means", averaged_by(iou_of_mean_dice)),
    ("scores: means", averaged_by(median_of_frames)),
]
WRONG_THRESHOLD = [
    ("threshold: not of the nine", with_threshold(lambda t: int(10 * t) - 1)),
    ("threshold: not of the nine", with_threshold(lambda t: np.log(1 / t - 1))),
    ("threshold: not of the nine", with_threshold(lambda t: "half")),
    ("threshold: not of the nine", with_threshold(lambda t: [t])),
    ("threshold: tuned on test", tuned_on_test),
    ("threshold: tuned on test", tuned_on_both),
    ("threshold: IoU", chosen_by(mean_iou)),
    ("threshold: empty masks", scored_by(zero_if_both_are_empty)),
    ("threshold: empty masks", chosen_by(mean_without_empty_masks)),
    ("threshold: pooled", chosen_by(pooled_dice)),
    ("threshold: mean of sequences", partial(judge, choose=best_for_sequences)),
    ("threshold: on logits", partial(judge, choose=partial(best_threshold, cut=cut_logits))),
    ("threshold: one half", partial(judge, choose=lambda validation: 0.5)),
    ("threshold: not the best", chosen_by(negative_dice)),
    ("threshold: table on logits", partial(judge, tabulate=partial(make_table, cut=cut_logits))),
    ("threshold: not used", partial(judge, tabulate=table_at_one_half)),
    ("threshold: scores", averaged_by(pooled)),
    ("threshold: scores", scored_by(smoothed)),
    ("threshold: scores", averaged_by(iou_first)),
    ("scores: no dict", changed(judge, lambda threshold, table: (table, threshold))),
    ("scores: no pair", averaged_by(every_frame)),
    ("scores: no pair", averaged_by(names_of_frames)),
    ("scores: no pair", averaged_by(as_a_dict)),
    ("scores: both empty", scored_by(dice_by_python)),
]
