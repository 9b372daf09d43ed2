"""What a network learns of instances, and single things and panoptic maps from what it predicts."""

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import expand_labels, relabel_sequential, watershed

from segmentation_tf.panoptic.maps import VOID, Panoptic

# --- targets for training --------------------------------------------------------------------


def instance_maps(instances: np.ndarray, border: float = 1) -> np.ndarray:
    """Compute the two maps that tell instances apart: border and distance.

    Args:
        instances: int `(H, W)`, 0 is background, each positive number an instance; negative
            pixels are a crowd and count as background.
        border: width of the border in px.

    Returns:
        float32 `(H, W, 2)` in [0, 1]. Border: 1 in the pixels of an instance that lie within
        `border` px of another instance or of the background; the picture's edge is no border.
        Distance: how far a pixel is from the outside of its instance, divided by the largest
        such distance in it, so that every instance has a peak of 1, large or small.

    Source: M. Bai, R. Urtasun, "Deep watershed transform for instance segmentation", CVPR 2017.
    """
    maps = np.zeros((*instances.shape, 2), np.float32)
    for instance in regionprops(np.maximum(instances, 0)):
        top, left, bottom, right = instance.bbox
        # One pixel more on each side, where the picture has one: what is outside counts.
        window = np.s_[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1]
        away = _distance_inside(instances[window] == instance.label)
        maps[window] += np.stack([(away > 0) & (away <= border), away / away.max()], axis=-1)
    return maps


def _distance_inside(mask: np.ndarray) -> np.ndarray:
    """Distance in px to the nearest pixel outside of a mask; its diagonal if it has no outside."""
    if mask.all():
        return np.full(mask.shape, np.hypot(*mask.shape))
    return ndimage.distance_transform_edt(mask)


def resize_labels(labels: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """Resize a map of numbers, int `(h, w)`, without mixing them: int32 of `size`.

    Each pixel takes the number in its middle. `size` is H = W or (H, W).
    """
    height, width = (size, size) if np.isscalar(size) else size
    image = Image.fromarray(labels.astype(np.int32))
    return np.array(image.resize((width, height), Image.Resampling.NEAREST))


# --- single things ---------------------------------------------------------------------------


def connected_components(mask: np.ndarray, min_size: int = 0) -> np.ndarray:
    """Number the connected pieces of a mask, the baseline: things that touch become one.

    Args:
        mask: bool `(H, W)`; pixels that touch at a corner are connected.
        min_size: smaller pieces, in px, are left out.

    Returns:
        int32 `(H, W)`: 0 is background, the pieces are 1, 2, ...
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
    and things are separated where their basins meet.

    Args:
        mask: bool `(H, W)`, where things are.
        distance: float `(H, W)` in [0, 1], from `instance_maps` or predicted.
        border: likewise.
        min_prominence: how far the way from a peak to a higher one must descend; a lower bump
            belongs to its neighbour. Predicted maps are smooth, so .15 is enough. Exact maps
            have a valley at every leg and need .5 or more.
        min_peak: lower peaks are dropped.
        min_size: smaller things, in px, are left out.
        max_distance: a part of the mask without a peak, such as a leg behind a rail, goes to the
            nearest thing if that is at most so many px away. Else it is left out.

    Returns:
        int32 `(H, W)`: 0 is background, the things are 1, 2, ...

    Raises:
        ValueError: shapes differ.

    Source: P. Soille, "Morphological image analysis", 1999 (h-maxima); S. Beucher, F. Meyer,
    "The morphological approach to segmentation: the watershed transformation", 1993.
    """
    if not mask.shape == distance.shape == (mask if border is None else border).shape:
        raise ValueError(
            f"mask is {mask.shape}, distance {distance.shape}, border {np.shape(border)}: resize "
            "them first"
        )
    seeds = _find_seeds(np.where(mask, distance, 0), min_prominence, min_peak)
    height = 1 - distance if border is None else 1 - distance + border
    found = watershed(height, seeds, mask=mask, connectivity=2)
    near = expand_labels(found, max_distance)  # parts without a peak are filled from here
    return remove_small(watershed(height, near, mask=mask, connectivity=2), min_size)


def _find_seeds(heights: np.ndarray, min_prominence: float, min_peak: float) -> np.ndarray:
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
    """Average a network's confidence over each instance: `{number: mean}`.

    Args:
        instances: int `(H, W)`, 0 is background.
        confidence: float `(H, W)`, such as the predicted distance.
    """
    numbers = np.unique(instances[instances > 0])
    means = ndimage.mean(confidence, instances, numbers)
    return dict(zip(numbers.tolist(), np.asarray(means, float).tolist()))


# --- things and stuff ------------------------------------------------------------------------


def merge_panoptic(
    classes: np.ndarray, instances: np.ndarray, thing: int, *, min_size: int = 0
) -> Panoptic:
    """Join a map of classes and one of things, so that each pixel has one segment.

    An instance wins over stuff. All pixels of a stuff class are one segment. The rest is void:
    pixels of the class `thing` in no instance, and those that are VOID in `classes`.

    Args:
        classes: int `(H, W)`, the class of each pixel.
        instances: int `(H, W)`, 0 where there is no thing.
        thing: the class of the instances.
        min_size: stuff of fewer px becomes void.

    Raises:
        ValueError: shapes differ.

    Source: the heuristic of A. Kirillov et al., "Panoptic segmentation", CVPR 2019, section 5.
    """
    if classes.shape != instances.shape:
        raise ValueError(f"classes are {classes.shape}, instances {instances.shape}: resize one")
    ids = np.maximum(instances, 0).astype(np.int32)
    class_of = dict.fromkeys(np.unique(ids[ids > 0]).tolist(), thing)
    free = ids == 0
    for stuff in np.unique(classes[free]).tolist():
        where = free & (classes == stuff)
        if stuff not in (thing, VOID) and np.count_nonzero(where) >= min_size:
            number = max(class_of, default=0) + 1
            ids[where] = number
            class_of[number] = stuff
    return Panoptic(ids, class_of)
