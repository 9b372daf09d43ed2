"""Scores of predicted instances, panoptic maps and maps of several classes."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from segmentation_tf.panoptic.maps import Panoptic

RECALLS = np.linspace(0, 1, 101)  # where COCO reads the precision


class ClassQuality(NamedTuple):
    """PQ, SQ and RQ of one class (see panoptic_quality), and its tp, fp and fn."""

    pq: float
    sq: float
    rq: float
    tp: int
    fp: int
    fn: int


class PanopticQuality(NamedTuple):
    """Means over the classes with a tp, fp or fn (nan without any), and the scores of each."""

    pq: float
    sq: float
    rq: float
    of_class: dict[int, ClassQuality]


class MeanIoU(NamedTuple):
    """`mean` over the classes that occur on either side; `of_class`, nan for the others."""

    mean: float
    of_class: np.ndarray


# --- panoptic quality ------------------------------------------------------------------------


def panoptic_quality(
    truths: Iterable[Panoptic], predictions: Iterable[Panoptic]
) -> PanopticQuality:
    """Compute the panoptic quality PQ of predicted maps, one a picture.

    A true and a predicted segment of one class match if their IoU exceeds .5; no segment can
    match twice. Of each class, counted over all pictures:

        SQ = mean IoU of the matches          segmentation quality: how well the matches fit
        RQ = tp / (tp + fp / 2 + fn / 2)      recognition quality: an F1 score
        PQ = SQ * RQ

    Void is treated as in COCO. Pixels that are void (0) in the ground truth count in no union.
    An unmatched prediction is no false positive if more than half of it is void or a crowd of
    its class. Void in a prediction counts as not found.

    Source: A. Kirillov et al., "Panoptic segmentation", CVPR 2019, arXiv:1801.00868.
    """
    counts = defaultdict(Counter)
    for truth, predicted in zip(truths, predictions, strict=True):
        _check_segments(truth)
        _check_segments(predicted)
        _count_segments(truth, predicted, counts)
    of_class = {label: _class_quality(**counts[label]) for label in sorted(counts)}
    means = np.mean([row[:3] for row in of_class.values()], axis=0) if of_class else [np.nan] * 3
    return PanopticQuality(*map(float, means), of_class)


def _check_segments(panoptic):
    ids = set(np.unique(panoptic.ids).tolist()) - {0}
    if odd := sorted(ids ^ set(panoptic.classes)):
        raise ValueError(f"segments {odd} are either in the map or in its classes, but not in both")


def _count_segments(truth, predicted, counts):
    """Add the tp, fp and fn of one picture, and the IoU of its matches, to `counts` by class."""
    shared = overlaps(truth.ids, predicted.ids)
    unmatched = truth.classes.keys() - truth.crowds, set(predicted.classes)
    for (a, b), iou in _ious(shared, void=0).items():
        if iou > 0.5 and a not in truth.crowds and truth.classes[a] == predicted.classes[b]:
            counts[truth.classes[a]].update(tp=1, iou=iou)
            unmatched[0].remove(a)
            unmatched[1].remove(b)
    for a in unmatched[0]:
        counts[truth.classes[a]].update(fn=1)
    for b in unmatched[1]:
        label = predicted.classes[b]
        ignored = {0} | {crowd for crowd in truth.crowds if truth.classes[crowd] == label}
        if _share_inside(b, ignored, shared) <= 0.5:
            counts[label].update(fp=1)


def _class_quality(tp=0, iou=0.0, fp=0, fn=0):
    sq, rq = iou / max(tp, 1), tp / (tp + fp / 2 + fn / 2)
    return ClassQuality(sq * rq, sq, rq, tp, fp, fn)


# --- average precision of instances ----------------------------------------------------------


def average_precision(
    truths: Iterable[np.ndarray],
    predictions: Iterable[tuple[np.ndarray, dict[int, float]]],
    min_iou: float = 0.5,
) -> float:
    """Compute the average precision of the instances of one class at one IoU: COCO's AP50.

    In each picture, from the highest score down, a prediction matches the true instance with
    which its IoU is largest among those still free, if that is at least `min_iou`. Predictions
    without a match are false positives, unless a share of at least `min_iou` of them lies in a
    crowd. Over all pictures, by falling score, this gives precision and recall. The precision at
    a recall is the best at that recall or a higher one. AP is its mean at the recalls 0, .01,
    ... 1, and nan without a true instance.

    Args:
        truths: ground truth, one int map `(H, W)` a picture: 0 is background, each positive
            number an instance, and negative pixels are a crowd.
        predictions: one pair a picture: such a map, and the score of each of its instances by
            number. Unlike in COCO, instances do not overlap, and there may be more than 100.
        min_iou: 0 to 1.

    Source: T.-Y. Lin et al., "Microsoft COCO: common objects in context", ECCV 2014, and the
    COCOeval of its tools.
    """
    ranked, positives = [], 0
    for truth, (predicted, scores) in zip(truths, predictions, strict=True):
        positives += np.unique(truth[truth > 0]).size
        ranked += _match_instances(truth, predicted, scores, min_iou)
    if not positives:
        return np.nan
    ranked.sort(key=lambda row: -row[0])
    tp = np.cumsum([matched for _, matched in ranked], dtype=int)
    precision = tp / np.arange(1, len(tp) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    first = np.searchsorted(tp / positives, RECALLS)  # the first prediction with that recall
    return float(np.append(best, 0.0)[first].mean())


def _match_instances(truth, predicted, scores, min_iou):
    """Yield the score of each prediction that counts, highest first, and whether it matches."""
    numbers = np.unique(predicted[predicted > 0]).tolist()
    if unscored := sorted(set(numbers) - set(scores)):
        raise ValueError(f"instances {unscored} have no score")
    shared = overlaps(truth, np.maximum(predicted, 0))
    ious = _ious(shared)
    free, crowds = {a for a, _ in shared if a > 0}, {a for a, _ in shared if a < 0}
    for b in sorted(numbers, key=scores.get, reverse=True):
        fits = [(ious[a, b], a) for a in free if (a, b) in ious]
        iou, best = max(fits, default=(0, None))
        matched = best is not None and iou >= min_iou
        if matched:
            free.remove(best)
        if matched or _share_inside(b, crowds, shared) < min_iou:
            yield scores[b], matched


# --- classes ---------------------------------------------------------------------------------


def mean_iou(
    truths: Iterable[np.ndarray],
    predictions: Iterable[np.ndarray],
    classes: int,
    *,
    void: int | None = None,
) -> MeanIoU:
    """Compute the IoU of each class over the pixels of all pictures together, and their mean.

    `truths` and `predictions` have one int map `(H, W)` a picture, of values 0 to `classes` - 1.
    Pixels that are `void` in the truth do not count; `void` in the prediction alone is wrong.
    """
    pixels = Counter()
    for truth, predicted in zip(truths, predictions, strict=True):
        pixels.update(overlaps(truth, predicted))
    pixels = Counter({pair: count for pair, count in pixels.items() if pair[0] != void})
    present = {label for pair in pixels for label in pair}
    if not present <= {*range(classes), void}:
        raise ValueError(f"classes go from 0 to {classes - 1}; these maps hold other values")
    of_class = np.full(classes, np.nan)
    for label in present & set(range(classes)):
        union = sum(count for pair, count in pixels.items() if label in pair)
        of_class[label] = pixels[label, label] / union
    return MeanIoU(float(np.nanmean(of_class)) if present else np.nan, of_class)


# --- overlaps --------------------------------------------------------------------------------


def overlaps(truth: np.ndarray, predicted: np.ndarray) -> dict[tuple[int, int], int]:
    """Count the pixels that each pair of values, of int maps `(H, W)`, shares: `{pair: pixels}`.

    `predicted` has no negative values.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth is {truth.shape}, prediction {predicted.shape}: resize it first")
    # One number a pair, because numbers sort far faster than pairs. This takes 0.7 ms a picture.
    # skimage's contingency_table takes 24 for COCO's ids: it has a row for each up to the largest.
    pairs = (truth.astype(np.int64) << 32) + predicted.astype(np.int64)
    values, pixels = np.unique(pairs, return_counts=True)
    numbers = zip((values >> 32).tolist(), (values & 0xFFFFFFFF).tolist())
    return dict(zip(numbers, pixels.tolist()))


def _ious(shared, void=None):
    """IoU of each true and predicted segment that overlap; pixels of `void` are in no union."""
    true, predicted = Counter(), Counter()
    for (a, b), pixels in shared.items():
        true[a] += pixels
        predicted[b] += 0 if a == void else pixels
    pairs = {(a, b): pixels for (a, b), pixels in shared.items() if a > 0 and b > 0}
    return {(a, b): n / (true[a] + predicted[b] - n) for (a, b), n in pairs.items()}


def _share_inside(segment, regions, shared):
    """Which share of a predicted segment lies in the given true ones."""
    pixels = {a: n for (a, b), n in shared.items() if b == segment}
    return sum(n for a, n in pixels.items() if a in regions) / sum(pixels.values())
