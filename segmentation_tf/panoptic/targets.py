"""From predicted maps to single things, and from things and stuff to one panoptic map."""

import numpy as np
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from segmentation_tf.datasets.coco_panoptic import read_classes, read_instances
from segmentation_tf.panoptic.maps import Panoptic

EIGHT = np.ones((3, 3), int)  # pixels that touch at a corner belong together


def connected_components(mask, least=0):
    """Number the pieces of a mask: bool `(H, W)` to int32 `(H, W)`, 0 none, then 1, 2, ...

    The baseline: things that touch become one. Pieces of fewer than `least` px are left out.
    """
    return without_small(ndimage.label(mask, EIGHT)[0], least)


def watershed_instances(mask, distance, border=None, dip=0.15, peak=0.5, least=0, reach=6):
    """Tell apart things that touch: int32 `(H, W)`, 0 none, then 1, 2, ...

    `mask`: bool `(H, W)`, where things are. `distance` and `border`: float `(H, W)` in [0, 1] as
    `meadow.instance_maps` gives them or a network predicts them. Each peak of `distance` is one
    thing if it exceeds `peak`, and if who leaves it for a higher one must first descend by `dip`.
    From all of them at once, water rises over `1 - distance`, and over `border` where there is
    one, and where two waters meet, two things do. What a network predicts is smooth, and small
    dips count; exact maps have a dip at every leg, and want a `dip` of .5 or more. A part of the
    mask without a peak belongs to the nearest thing if that is within `reach` px: a leg behind a
    rail. A thing of fewer than `least` px is left out.

    Sources: P. Soille, "Morphological image analysis", 1999 (h-maxima); S. Beucher, F. Meyer,
    "The morphological approach to segmentation: the watershed transformation", 1993; both as
    skimage has them. Raises ValueError where shapes differ.
    """
    if not mask.shape == distance.shape == (mask if border is None else border).shape:
        raise ValueError(
            f"mask is {mask.shape}, distance {distance.shape}, border {np.shape(border)}: resize "
            "them first"
        )
    heights = np.where(mask, distance, 0).astype(float)
    # skimage's h_maxima marks two peaks of one height apart, however small the dip between them.
    lowered = reconstruction(heights - dip, heights, footprint=EIGHT)
    seeds, _ = ndimage.label(local_maxima(lowered) & (lowered > peak - dip), EIGHT)
    height = 1 - distance if border is None else 1 - distance + border
    found = watershed(height, seeds, mask=mask, connectivity=2)
    return without_small(_adopt(found, mask & (found == 0), reach), least)


def _adopt(instances, orphans, reach):
    """Gives each piece of `orphans` to the nearest instance, if that is within `reach` px."""
    if not orphans.any() or not instances.any():
        return instances
    away, nearest = ndimage.distance_transform_edt(instances == 0, return_indices=True)
    pieces, count = ndimage.label(orphans, EIGHT)
    for place in ndimage.minimum_position(away, pieces, range(1, count + 1)):
        if away[place] <= reach:
            instances[pieces == pieces[place]] = instances[tuple(nearest[:, *place])]
    return instances


def without_small(instances, least):
    """The instances of `least` px and more, numbered anew: int32 `(H, W)`."""
    areas = np.bincount(instances.ravel())
    kept = areas >= max(least, 1)
    kept[0] = False
    return (np.cumsum(kept) * kept).astype(np.int32)[instances]


def instance_scores(instances, confidence):
    """How sure a network is of each instance: a dict, number to mean `confidence`.

    `instances`: int `(H, W)`; `confidence`: float `(H, W)`, such as the probability of a thing.
    """
    numbers = np.unique(instances[instances > 0])
    means = ndimage.mean(confidence, instances, numbers)
    return dict(zip(numbers.tolist(), np.asarray(means, float).tolist()))


def merge_panoptic(classes, instances, thing, least=0):
    """Join a map of classes and one of things to a Panoptic, in which each pixel has one segment.

    `classes`: int `(H, W)`, a class each; `instances`: int `(H, W)`, 0 none; `thing`: the class
    of the instances. An instance wins over stuff. All pixels of a stuff class are one segment,
    unless they are fewer than `least`. What is left is void: pixels of the class `thing` in no
    instance, and 255.
    Source: the heuristic of A. Kirillov et al., "Panoptic segmentation", CVPR 2019, section 5.
    Raises ValueError where shapes differ.
    """
    if classes.shape != instances.shape:
        raise ValueError(f"classes are {classes.shape}, instances {instances.shape}: resize one")
    ids = np.maximum(instances, 0).astype(np.int32)
    numbers = {int(number): thing for number in np.unique(ids[ids > 0])}
    free = ids == 0
    for label in np.unique(classes[free]).tolist():
        stuff = free & (classes == label)
        if label not in (thing, 255) and np.count_nonzero(stuff) >= least:
            number = max(numbers, default=0) + 1
            ids[stuff] = number
            numbers[number] = label
    return Panoptic(ids, numbers)


# --- targets for training --------------------------------------------------------------------


def class_target(size):
    """`targets` for `make_dataset`: the class of each pixel, float32 `(H, W, 1)`, VOID included.

    `size` is H = W or (H, W). For a softmax with sparse categorical cross-entropy, which passes
    over VOID with `ignore_class=VOID`.
    """
    return lambda case: shrink(read_classes(case), size)[..., None].astype(np.float32)


def instance_target(size, name="sheep", border=1):
    """`targets` for `make_dataset`: three maps that tell things apart, float32 `(H, W, 3)`.

    In [0, 1]: interior and border of `instance_maps`, and their distance. `size` is H = W or
    (H, W).
    """
    return lambda case: instance_maps(shrink(read_instances(case, name), size), border)


def instance_maps(instances, border=1):
    """Interior, border and distance of a map of instances, float32 `(H, W, 3)` in [0, 1].

    `instances`: int `(H, W)`, 0 none, negative a crowd, which counts as none. Border: the pixels
    of an instance within `border` px of anything else; it is what separates two that touch, and
    the picture's edge is none. Interior: the other pixels of an instance. Distance: how far a
    pixel is from the border of its instance, as a share of the largest such distance in it, so
    that every instance has a peak of 1, large or small.
    Idea: M. Bai, R. Urtasun, "Deep watershed transform for instance segmentation", CVPR 2017.
    """
    distance = np.zeros(instances.shape, np.float32)
    share = distance.copy()
    around = np.pad(instances, 1, mode="edge")  # so that the picture's edge is no border
    for number, window in enumerate(ndimage.find_objects(np.maximum(instances, 0)), 1):
        if window is not None:
            wider = tuple(slice(edge.start, edge.stop + 2) for edge in window)
            away = _distance_inside(around[wider] == number)[1:-1, 1:-1]
            distance[window] += away
            share[window] += away / away.max()
    interior, rim = distance > border, (distance > 0) & (distance <= border)
    return np.stack([interior, rim, share], axis=-1).astype(np.float32)


def _distance_inside(mask):
    """Distance in px to the nearest pixel outside of a mask; its diagonal if it has no outside."""
    if mask.all():
        return np.full(mask.shape, np.hypot(*mask.shape))
    return ndimage.distance_transform_edt(mask)


def shrink(values, size):
    """A map of numbers at `size`, H = W or (H, W): each pixel takes the value in its middle."""
    height, width = (size, size) if np.isscalar(size) else size
    rows = (np.arange(height) + 0.5) * values.shape[0] / height
    columns = (np.arange(width) + 0.5) * values.shape[1] / width
    return values[rows.astype(int)[:, None], columns.astype(int)]
