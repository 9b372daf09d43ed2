"""The colours of classes and of instances, painted over pictures."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage
from skimage.segmentation import expand_labels

from segmentation_tf.panoptic.maps import VOID
from segmentation_tf.panoptic.scores import overlaps
from segmentation_tf.plotting import FALSE_NEGATIVE, FALSE_POSITIVE

RGB = tuple[int, int, int]

# By index of the class. Those of the drawn meadow come first and differ in lightness too.
CLASS_COLOURS = ((110, 160, 60), (120, 180, 230), (30, 90, 40), (140, 100, 60), (240, 230, 210),
                 (230, 159, 0), (0, 114, 178), (204, 121, 167))  # fmt: skip
# None of them resembles the colour of an error.
INSTANCE_COLOURS = ((0, 114, 178), (204, 121, 167), (0, 158, 115), (136, 34, 85), (60, 200, 215),
                    (150, 130, 220), (50, 60, 150))  # fmt: skip
NEAR = 3  # px; instances with a gap of up to twice as much look as if they touched
MATCHES = {"missed: false negative": FALSE_NEGATIVE, "wrong: false positive": FALSE_POSITIVE}


def class_colours(names: Sequence[str]) -> dict[str, RGB]:
    """Return the colours that `paint_classes` gives to classes, as a legend: name to RGB."""
    return {name: CLASS_COLOURS[i % len(CLASS_COLOURS)] for i, name in enumerate(names)}


def paint_classes(classes: np.ndarray) -> np.ndarray:
    """Paint a map of classes, uint8 `(H, W)` of indices, as uint8 RGB; VOID is black."""
    # Not skimage's label2rgb: it gives its colours to the classes that occur, not by index.
    table = np.resize(np.array(CLASS_COLOURS, np.uint8), (256, 3))
    table[VOID] = 0
    return table[classes]


def paint_instances(
    picture: np.ndarray, instances: np.ndarray, colours: Mapping[int, RGB] | None = None
) -> np.ndarray:
    """Tint the instances of a picture and draw a white line where two of them touch.

    Args:
        picture: uint8 RGB `(H, W, 3)`.
        instances: int `(H, W)`; what is 0 or negative, such as a crowd, stays as it is.
        colours: of each instance, by its number; by default from INSTANCE_COLOURS.
    """
    # Not skimage's label2rgb, which takes over 10 times as long, nor its mark_boundaries, which
    # also draws lines against the background.
    instances, painted = np.maximum(instances, 0), picture.copy()
    inside, table = instances > 0, np.zeros((instances.max() + 1, 3))
    for number, colour in (colours or instance_colours(instances)).items():
        table[number] = colour
    painted[inside] = 0.3 * picture[inside] + 0.7 * table[instances[inside]]
    lowest = ndimage.minimum_filter(np.where(inside, instances, instances.max() + 1), 3)
    painted[inside & (lowest < instances)] = 255
    return painted


def paint_matches(
    picture: np.ndarray,
    truth: np.ndarray,
    found: np.ndarray,
    pairs: Iterable[tuple[int, int]],
) -> tuple[np.ndarray, np.ndarray]:
    """Paint true and found instances; those that match have the same colour in both pictures.

    What has no match has the colours of MATCHES. Matches that touch in either picture differ, as
    far as the colours suffice.

    Args:
        picture: uint8 RGB `(H, W, 3)`.
        truth, found: int `(H, W)`, as in `paint_instances`.
        pairs: the numbers of matches, true and found.
    """
    true_of = {b: a for a, b in pairs}
    matched = np.where(np.isin(truth, list(true_of.values())), truth, 0)
    colours = instance_colours(matched, _contacts(found, true_of))
    of_truth = dict.fromkeys(np.unique(truth[truth > 0]).tolist(), FALSE_NEGATIVE) | colours
    of_found = dict.fromkeys(np.unique(found[found > 0]).tolist(), FALSE_POSITIVE)
    of_found |= {b: colours[a] for b, a in true_of.items()}
    return paint_instances(picture, truth, of_truth), paint_instances(picture, found, of_found)


def paint_overlaps(
    picture: np.ndarray, truth: np.ndarray, found: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Paint true and found instances; a found one has the colour of the true one it overlaps most.

    A found instance that lies mostly on the background is not painted. Arguments are as in
    `paint_matches`.
    """
    truth, numbers = np.maximum(truth, 0), np.unique(found[found > 0]).tolist()
    largest = {number: int(np.bincount(truth[found == number]).argmax()) for number in numbers}
    of_truth = instance_colours(truth, _contacts(found, largest))
    of_found = {number: of_truth[a] for number, a in largest.items() if a > 0}
    kept = np.where(np.isin(found, list(of_found)), found, 0)
    if not of_found:
        return paint_instances(picture, truth, of_truth), picture.copy()
    return paint_instances(picture, truth, of_truth), paint_instances(picture, kept, of_found)


def show_counts(true: np.ndarray, counted: Mapping[str, np.ndarray], colours: Sequence) -> None:
    """Draw for each way of counting the counted against the true number, one dot a picture.

    Args:
        true: the number of things on each picture.
        counted: for each way, the numbers that it counts.
        colours: of the ways.
    """
    # Many dots have the same whole numbers and would hide each other.
    nudge = np.random.default_rng(0).uniform(-0.2, 0.2, len(true))
    size = (3.4 * len(counted) + 0.6, 3.4)
    _, axes = plt.subplots(1, len(counted), figsize=size, sharey=True, squeeze=False)
    plt.gcf().set_layout_engine("constrained")
    for axis, (name, numbers), colour in zip(axes[0], counted.items(), colours, strict=True):
        axis.plot([0, max(true)], [0, max(true)], color="black", linewidth=1)
        axis.plot(true + nudge, numbers, "o", markersize=5, alpha=0.6, color=colour)
        axis.set(title=name, xlabel="true number")
    axes[0, 0].set_ylabel("counted")
    plt.show()


def instance_colours(
    instances: np.ndarray, contacts: Iterable[tuple[int, int]] = ()
) -> dict[int, RGB]:
    """Choose a colour for each instance. Those that touch differ, as far as the colours suffice.

    No colour is used again before all of them are in use. `contacts` are more pairs of numbers
    that must differ.
    """
    colours, pairs = {}, _contacts(instances) | set(contacts)
    for number in np.unique(instances[instances > 0]).tolist():
        taken = {colours.get(n) for pair in pairs if number in pair for n in pair}
        free = [one for one in INSTANCE_COLOURS if one not in taken] or INSTANCE_COLOURS
        used = Counter(colours.values())
        colours[number] = min(free, key=lambda one: used[one])
    return colours


def _contacts(
    instances: np.ndarray, names: Mapping[int, int] | None = None
) -> set[tuple[int, int]]:
    """Which instances touch, or nearly: pairs of their numbers, or of other `names` for them."""
    wide = expand_labels(np.maximum(instances, 0), NEAR)
    pairs = (*overlaps(wide[1:], wide[:-1]), *overlaps(wide[:, 1:], wide[:, :-1]))
    if names is not None:
        pairs = [(names.get(a, 0), names.get(b, 0)) for a, b in pairs]
    return {(a, b) for a, b in pairs if a != b and a > 0 and b > 0}
