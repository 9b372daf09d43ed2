"""How good instances, panoptic maps and maps of several classes are."""

from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np

RECALLS = np.linspace(0, 1, 101)


class ClassQuality(NamedTuple):
    """Panoptic quality of one class, 0 to 1, and the segments found, false and missed."""

    pq: float
    sq: float
    rq: float
    found: int
    false: int
    missed: int


class PanopticQuality(NamedTuple):
    """Means over the classes, and `of_class`: a ClassQuality by class."""

    pq: float
    sq: float
    rq: float
    of_class: dict


class MeanIoU(NamedTuple):
    """`mean` over the classes that occur, and `of_class`: float `(classes,)`, nan if absent."""

    mean: float
    of_class: np.ndarray


# --- panoptic quality ------------------------------------------------------------------------


def panoptic_quality(truths, predictions):
    """Panoptic quality PQ of `panoptic.Panoptic` maps, one pair a picture: a PanopticQuality.

    A true and a predicted segment of one class match if their IoU exceeds .5 (no segment can do
    so twice). Of each class, counted over all pictures:

        SQ = mean IoU of the matches          segmentation quality: how well what is found fits
        RQ = matches / (matches + false / 2 + missed / 2)          recognition quality: an F1 score
        PQ = SQ * RQ

    then the means over the classes that occur on either side; nan where none does.

    Void as in COCO: pixels that are void (0) in the truth count in no union, and an unmatched
    prediction is no false one where more than half of it is void or a crowd of its class. Void
    in a prediction is simply not found.

    Source: A. Kirillov et al., "Panoptic segmentation", CVPR 2019, arXiv:1801.00868.
    Raises ValueError where sizes differ or a map and its `classes` name different segments.
    """
    counts = defaultdict(Counter)
    for truth, predicted in zip(truths, predictions, strict=True):
        _check_segments(truth)
        _check_segments(predicted)
        _count_segments(truth, predicted, counts)
    of_class = {label: _class_quality(**counts[label]) for label in sorted(counts)}
    means = [_mean([row[i] for row in of_class.values()]) for i in range(3)]
    return PanopticQuality(*means, of_class)


def _check_segments(panoptic):
    ids = set(np.unique(panoptic.ids).tolist()) - {0}
    if ids != set(panoptic.classes):
        odd = sorted(ids ^ set(panoptic.classes))
        raise ValueError(f"segments {odd} are either in the map or in its classes, but not in both")


def _count_segments(truth, predicted, counts):
    """Adds the found, false and missed segments of one picture to `counts`, by class."""
    shared = overlaps(truth.ids, predicted.ids)
    matched = {"true": set(), "predicted": set()}
    for (a, b), iou in _ious(shared).items():
        if iou > 0.5 and a not in truth.crowds and truth.classes[a] == predicted.classes[b]:
            counts[truth.classes[a]].update(found=1, iou=iou)
            matched["true"].add(a)
            matched["predicted"].add(b)
    for a in truth.classes.keys() - matched["true"] - truth.crowds:
        counts[truth.classes[a]].update(missed=1)
    for b in predicted.classes.keys() - matched["predicted"]:
        label = predicted.classes[b]
        unknown = {0} | {crowd for crowd in truth.crowds if truth.classes[crowd] == label}
        if _share_of(b, unknown, shared) <= 0.5:
            counts[label].update(false=1)


def _ious(shared):
    """IoU of each pair of segments that overlap; what is void in the truth counts in no union."""
    true, predicted = Counter(), Counter()
    for (a, b), pixels in shared.items():
        true[a] += pixels
        predicted[b] += pixels if a else 0
    pairs = {(a, b): n for (a, b), n in shared.items() if a and b}
    return {(a, b): n / (true[a] + predicted[b] - n) for (a, b), n in pairs.items()}


def _share_of(segment, others, shared):
    """Which share of a predicted segment lies in the given true ones."""
    own = {a: pixels for (a, b), pixels in shared.items() if b == segment}
    return sum(pixels for a, pixels in own.items() if a in others) / sum(own.values())


def _class_quality(found=0, iou=0.0, false=0, missed=0):
    sq, rq = iou / found if found else 0.0, found / (found + false / 2 + missed / 2)
    return ClassQuality(sq * rq, sq, rq, found, false, missed)


# --- average precision of instances ----------------------------------------------------------


def average_precision(truths, predictions, iou=0.5):
    """Average precision AP of the instances of one class, 0 to 1, as COCO computes it.

    `truths`: one int map `(H, W)` a picture: 0 is background, each instance has a number of its
    own, negative pixels are a crowd. `predictions`: a pair a picture, such a map and the scores
    of its instances, a dict by number.

    In each picture, from the highest score down, a prediction takes the free true instance with
    which its IoU is largest, if that is at least `iou`; what takes none is false, but for
    predictions that lie in a crowd with a share of at least `iou`. Over all pictures, by falling
    score, this gives precision and recall; the precision at a recall is the best at that recall
    or a higher one, and AP is its mean at the recalls 0, .01, ... 1. nan without a true instance.

    Source: T.-Y. Lin et al., "Microsoft COCO: common objects in context", ECCV 2014, and the
    COCOeval of its tools. Unlike there, a picture may have more than 100 predictions, and
    predictions do not overlap. Raises ValueError where sizes differ or an instance has no score.
    """
    scores, hits, total = [], [], 0
    for truth, (predicted, of_instance) in zip(truths, predictions, strict=True):
        total += np.unique(truth[truth > 0]).size
        for score, hit in _greedy_hits(truth, predicted, of_instance, iou):
            scores.append(score)
            hits.append(hit)
    if not total:
        return float("nan")
    falling = np.argsort(-np.array(scores), kind="stable")
    return _area_under_precision(np.array(hits, bool)[falling], total)


def _greedy_hits(truth, predicted, scores, least):
    """Yield `(score, hit)` of each prediction that counts, from the highest score down."""
    numbers = np.unique(predicted[predicted > 0]).tolist()
    if unscored := set(numbers) - set(scores):
        raise ValueError(f"instances {sorted(unscored)} have no score")
    shared = overlaps(truth, np.maximum(predicted, 0))
    true = Counter(truth[truth > 0].tolist())
    size = Counter(predicted[predicted > 0].tolist())
    taken = set()
    for b in sorted(numbers, key=lambda number: -scores[number]):
        ious = {
            a: n / (true[a] + size[b] - n)
            for (a, other), n in shared.items()
            if other == b and a > 0 and a not in taken
        }
        best = max(ious, key=ious.get, default=None)
        hit = best is not None and ious[best] >= least
        in_crowd = sum(n for (a, other), n in shared.items() if other == b and a < 0) / size[b]
        if hit:
            taken.add(best)
        if hit or in_crowd < least:
            yield scores[b], hit


def _area_under_precision(hits, total):
    """Mean precision at RECALLS of predictions in the order of their scores."""
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    first = np.searchsorted(found / total, RECALLS)  # the first prediction with that recall
    return float(np.append(best, 0.0)[first].mean())


# --- classes ---------------------------------------------------------------------------------


def mean_iou(truths, predictions, classes, void=None):
    """Mean IoU of maps of classes, int `(H, W)` with values 0 to `classes` - 1: a MeanIoU.

    Pixels are counted over all pictures, then each class has its IoU, then comes the mean over
    the classes that occur on either side; nan where none does. True pixels of the value `void`
    do not count; a predicted `void` is wrong. Raises ValueError for other values or sizes.
    """
    table = np.zeros((classes, classes + 1), int)
    for truth, predicted in zip(truths, predictions, strict=True):
        _check_sizes(truth, predicted)
        known = truth != void
        a, b = truth[known].astype(int), predicted[known].astype(int)
        if not (np.isin(a, range(classes)).all() and np.isin(b[b != void], range(classes)).all()):
            raise ValueError(f"classes go from 0 to {classes - 1}; these maps hold other values")
        pairs = a * (classes + 1) + np.where(b == void, classes, b)
        table += np.bincount(pairs, minlength=table.size).reshape(table.shape)
    hit = np.diag(table)
    union = table.sum(axis=1) + table[:, :classes].sum(axis=0) - hit
    of_class = np.where(union > 0, hit / np.maximum(union, 1), np.nan)
    return MeanIoU(_mean(of_class[union > 0]), of_class)


# --- what they share -------------------------------------------------------------------------


def overlaps(truth, predicted):
    """How many pixels each pair of values shares: a dict `(value, value) -> pixels`."""
    _check_sizes(truth, predicted)
    pairs = np.stack([truth.ravel(), predicted.ravel()]).astype(np.int64)
    # One number a pair: sorting those is far faster than sorting pairs.
    values, pixels = np.unique((pairs[0] << 32) + pairs[1], return_counts=True)
    return {
        (int(v) >> 32, int(v) & 0xFFFFFFFF): int(n) for v, n in zip(values, pixels, strict=True)
    }


def _check_sizes(truth, predicted):
    if truth.shape != predicted.shape:
        raise ValueError(f"truth is {truth.shape}, prediction {predicted.shape}: resize it first")


def _mean(values):
    return float(np.mean(values)) if len(values) else float("nan")
