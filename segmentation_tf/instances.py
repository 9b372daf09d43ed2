"""From predicted maps to single things, and from things and stuff to one panoptic map."""

import numpy as np
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold
from skimage.segmentation import watershed

from segmentation_tf.panoptic import Panoptic

EIGHT = np.ones((3, 3), int)  # pixels that touch at a corner belong together


def connected_components(mask, least=0):
    """Number the pieces of a mask: bool `(H, W)` to int32 `(H, W)`, 0 none, then 1, 2, ...

    The baseline: things that touch become one. Pieces of fewer than `least` px are left out.
    """
    return without_small(ndimage.label(mask, EIGHT)[0], least)


def watershed_instances(mask, distance, border=None, seed=0.4, peak=0.75, least=0, reach=6):
    """Tell apart things that touch: int32 `(H, W)`, 0 none, then 1, 2, ...

    `mask`: bool `(H, W)`, where things are. `distance` and `border`: float `(H, W)` in [0, 1] as
    `meadow.instance_maps` gives them or a network predicts them. Each piece in which `distance`
    exceeds `seed` everywhere and `peak` somewhere is one thing: a body does, a head does not.
    From all of them at once, water rises over `1 - distance`, and over `border` where there is
    one, and where two waters meet, two things do. A part of the mask without a seed belongs to
    the nearest thing if that is within `reach` px: a leg behind a rail. A thing of fewer than
    `least` px is left out.

    Source: S. Beucher, F. Meyer, "The morphological approach to segmentation: the watershed
    transformation", 1993; skimage's implementation. Raises ValueError where shapes differ.
    """
    if not mask.shape == distance.shape == (mask if border is None else border).shape:
        raise ValueError(f"mask is {mask.shape}, distance {distance.shape}: resize them first")
    heights = np.where(mask, distance, 0)
    seeds, _ = ndimage.label(apply_hysteresis_threshold(heights, seed, peak), EIGHT)
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
    """
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
