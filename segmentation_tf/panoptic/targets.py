"""Targets that teach a network to tell instances apart; from its predictions, the instances."""

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import expand_labels, relabel_sequential, watershed

from segmentation_tf.panoptic.maps import VOID, Panoptic

# --- targets for training --------------------------------------------------------------------


def instance_maps(instances: np.ndarray, border: float = 1) -> np.ndarray:
    """Compute border and distance, the maps that tell instances apart: float32 `(H, W, 2)`.

    `instances` is int `(H, W)`: positive numbers are instances, all else is background.

    Border is 1 in the pixels of an instance that lie within `border` px of another instance or of
    the background, else 0; the picture's edge is no border. Distance is how far a pixel is from
    the outside of its instance, divided by the largest such distance in it. So every instance has
    a peak of 1, large or small.

    Source: M. Bai, R. Urtasun, "Deep watershed transform for instance segmentation", CVPR 2017.
    """
    maps = np.zeros((*instances.shape, 2), np.float32)
    for instance in regionprops(np.maximum(instances, 0)):
        top, left, bottom, right = instance.bbox
        # One pixel more on each side, where the picture has one: what is outside counts.
        window = np.s_[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1]
        mask = instances[window] == instance.label
        away = ndimage.distance_transform_edt(mask)
        if mask.all():  # it fills the picture and has no outside, so all of it is far from there
            away = np.full(mask.shape, np.hypot(*mask.shape))
        maps[window] += np.stack([(away > 0) & (away <= border), away / away.max()], axis=-1)
    return maps


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a map of numbers, int `(h, w)`, to int32 of `size` = (H, W), without mixing them.

    Each pixel takes the number in its middle.
    """
    image = Image.fromarray(labels.astype(np.int32))
    return np.array(image.resize(size[::-1], Image.Resampling.NEAREST))


# --- single things ---------------------------------------------------------------------------


def connected_components(mask: np.ndarray, min_size: int = 0) -> np.ndarray:
    """Number the pieces of a bool mask, the baseline: things that touch become one.

    Pixels that touch at a corner are connected. Pieces of fewer than `min_size` px are dropped.
    Returns int32 `(H, W)`: 0 is background, the pieces are 1, 2, ...
    """
    return remove_small(label(mask), min_size)


def watershed_instances(
    mask: np.ndarray,
    distance: np.ndarray,
    border: np.ndarray | None = None,
    *,
    min_prominence: float = 0.15,
    min_peak: float = 0.5,
    min_size: int = 0,
    max_distance: float = 6,
) -> np.ndarray:
    """Tell apart things that touch, by a watershed from the peaks of the distance map.

    Each peak becomes a basin of `1 - distance + border`. Water rises from all of them at once,
    and things are separated where their basins meet. Returns int32 `(H, W)`: 0 is background, the
    things are 1, 2, ...

    Args:
        mask: bool `(H, W)`, where things are.
        distance, border: float `(H, W)` in [0, 1], from `instance_maps` or predicted.
        min_prominence: how far the way from a peak to a higher one must descend; a lower bump
            belongs to its neighbour. Predicted maps are smooth, so .15 is enough. Exact maps
            have a valley at every leg and need .5 to .7.
        min_peak, min_size: lower peaks and things of fewer px are dropped.
        max_distance: a part of the mask without a peak, such as a leg behind a rail, goes to the
            nearest thing within this distance in px, or is dropped if there is none.

    Source: P. Soille, "Morphological image analysis", 1999 (h-maxima); S. Beucher, F. Meyer,
    "The morphological approach to segmentation: the watershed transformation", 1993.
    """
    shapes = [one.shape for one in (mask, distance, border) if one is not None]
    if len(set(shapes)) > 1:
        raise ValueError(f"mask, distance and border have the shapes {shapes}: resize them first")
    seeds = _find_seeds(np.where(mask, distance, 0), min_prominence, min_peak)
    height = 1 - distance if border is None else 1 - distance + border
    found = watershed(height, seeds, mask=mask, connectivity=2)
    near = expand_labels(found, max_distance)  # parts without a peak are filled from here
    return remove_small(watershed(height, near, mask=mask, connectivity=2), min_size)


def _find_seeds(heights, min_prominence, min_peak):
    """Number the tops of the peaks that count: int `(H, W)`, 0 elsewhere."""
    # Not skimage's h_maxima: it keeps two peaks of one height apart, however shallow the valley
    # between them, and exact distance maps have many peaks of 1.
    lowered = reconstruction(heights - min_prominence, heights, footprint=np.ones((3, 3)))
    return label(local_maxima(lowered) & (lowered > min_peak - min_prominence))


def remove_small(instances: np.ndarray, min_size: int) -> np.ndarray:
    """Keep the instances of `min_size` px or more and number them 1, 2, ...: int32 `(H, W)`."""
    # Not skimage's remove_small_objects: it warns about maps with a single instance.
    large = np.bincount(instances.ravel()) >= min_size
    return relabel_sequential(np.where(large[instances], instances, 0))[0].astype(np.int32)


def instance_scores(instances: np.ndarray, confidence: np.ndarray) -> dict[int, float]:
    """Average a confidence `(H, W)`, such as the predicted distance, over each instance.

    `instances` is int `(H, W)`, 0 is background. Returns the mean by the instance's number.
    """
    numbers = np.unique(instances[instances > 0])
    means = ndimage.mean(confidence, instances, numbers)
    return dict(zip(numbers.tolist(), np.asarray(means, float).tolist()))


# --- things and stuff ------------------------------------------------------------------------


def merge_panoptic(
    classes: np.ndarray, instances: np.ndarray, thing: int, *, min_size: int = 0
) -> Panoptic:
    """Join a map of classes and one of instances, int `(H, W)`, to one panoptic map.

    An instance, of the class `thing`, wins over stuff. All pixels of a stuff class are one segment.
    The rest is void: pixels of the class `thing` in no instance, those that are VOID in `classes`,
    and stuff of fewer than `min_size` px.

    Source: the heuristic of A. Kirillov et al., "Panoptic segmentation", CVPR 2019, section 7.
    """
    if classes.shape != instances.shape:
        raise ValueError(f"classes are {classes.shape}, instances {instances.shape}: resize one")
    ids = np.maximum(instances, 0).astype(np.int32)
    class_of = dict.fromkeys(np.unique(ids[ids > 0]).tolist(), thing)
    stuff = np.where(ids == 0, classes, VOID)
    for kind in sorted(set(np.unique(stuff).tolist()) - {thing, VOID}):
        if np.count_nonzero(stuff == kind) >= min_size:
            number = max(class_of, default=0) + 1
            ids[stuff == kind] = number
            class_of[number] = kind
    return Panoptic(ids, class_of)
