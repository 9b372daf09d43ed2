"""From maps of joints and limbs to skeletons, one person's or several people's.

A found skeleton is float `(17, 3)`: of each of `pose.JOINTS` x and y in px of the network's
picture, and how sure the network is of it; nan where it was not found.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.special import softmax

from segmentation_tf.pose.joints import JOINTS, LIMBS, MIRRORED

SAMPLES = 10  # places along a limb at which its field is read


class Bond(NamedTuple):
    """Two joints that may make a limb: their places among the peaks, and how well they fit."""

    limb: int
    first: int
    second: int
    score: float


def probabilities(logits):
    """Softmax over the cells of each map: `(..., H, W, C)` to the same, each map summing to 1."""
    return softmax(logits, axis=(-3, -2))


def mirror_maps(maps):
    """Maps `(..., H, W, 17)` of a mirrored picture, mirrored back: left and right change names."""
    return maps[..., :, ::-1, :][..., MIRRORED]


# --- peaks -------------------------------------------------------------------------------------


def refine(heatmap, row, column):
    """Where between the cells a peak lies: `(row, column)`, each at most half a cell away.

    `heatmap`: float `(H, W)`, positive. Through the logarithms of a peak and its two neighbours
    goes one parabola; where the peak is a Gaussian, its top is exact. At an edge nothing moves.
    Source: F. Zhang et al., "Distribution-aware coordinate representation for human pose
    estimation", CVPR 2020, arXiv:1910.06278.
    """
    shifts = []
    for place, line in ((row, heatmap[:, column]), (column, heatmap[row])):
        if not 0 < place < len(line) - 1:
            shifts.append(0.0)
            continue
        before, here, after = np.log(np.maximum(line[place - 1 : place + 2], 1e-12))
        bend = 2 * here - before - after
        shifts.append(float(np.clip((after - before) / 2 / bend, -0.5, 0.5)) if bend > 0 else 0.0)
    return row + shifts[0], column + shifts[1]


def find_peaks(heatmap, least=0.05, distance=2):
    """Local maxima of a map, float `(n, 3)`: row, column (refined) and certainty, the surest first.

    `heatmap`: float `(H, W)`, in [0, 1] and summing to 1. The certainty of a peak is the sum of
    the map within `distance` cells; below `least` there is none. Two peaks are more than
    `distance` cells apart.
    """
    width = 2 * distance + 1
    certainty = ndimage.uniform_filter(heatmap, width, mode="constant") * width**2
    # By rank, so that of equal cells one is the highest: a peak may lie midway between two.
    rank = np.argsort(np.argsort(heatmap, axis=None, kind="stable")).reshape(heatmap.shape)
    highest = (rank == ndimage.maximum_filter(rank, width)) & (heatmap > 0)
    found = [
        (*refine(heatmap, row, column), min(certainty[row, column], 1.0))
        for row, column in np.argwhere(highest & (certainty >= least))
    ]
    return np.array(sorted(found, key=lambda peak: -peak[2])).reshape(-1, 3)


def one_skeleton(maps, stride):
    """The skeleton of a picture with one person: the highest peak of each map, float `(17, 3)`.

    `maps`: float `(H, W, 17)`, each summing to 1, with cells of `stride` px.
    """
    skeleton = np.full((len(JOINTS), 3), np.nan)
    for joint in range(len(JOINTS)):
        if len(peaks := find_peaks(maps[..., joint], least=0)):
            skeleton[joint] = _in_px(peaks[:1], stride)[0]
    return skeleton


def _in_px(peaks, stride):
    """(row, column, certainty) in cells as (x, y, certainty) in px."""
    places = (peaks[:, 1::-1] + 0.5) * stride - 0.5
    return np.concatenate([places, peaks[:, 2:]], axis=1)


# --- several people ----------------------------------------------------------------------------


def find_skeletons(maps, fields, stride, least=0.05, score=0.05, joints=4):
    """The skeletons of all people in a picture, float `(people, 17, 3)`, the largest first.

    `maps`: float `(H, W, 17)`, each summing to 1; `fields`: float `(H, W, 2 L)` of
    `pose.limb_fields`; cells are `stride` px wide. Every peak of certainty `least` is a joint of
    somebody. Of the pairs of joints that a limb could have, those whose field agrees best come
    first, and a joint is used once; an agreement below `score` is none. Who has fewer than
    `joints` of them is nobody.
    Raises ValueError where the fields do not fit the maps.
    Source: the greedy parsing of Z. Cao et al., CVPR 2017, arXiv:1611.08050.
    """
    if fields.shape != (*maps.shape[:2], 2 * len(LIMBS)):
        raise ValueError(f"maps are {maps.shape}, fields {fields.shape}: they must belong together")

    def fits(limb, first, second):
        return limb_score(fields[..., 2 * limb : 2 * limb + 2], first[:2], second[:2])

    return _skeletons(maps, stride, least, fits, score, joints)


def nearest_skeletons(maps, stride, least=0.05, joints=4):
    """`find_skeletons` without fields, to compare: the nearest pair of joints makes a limb."""

    def fits(limb, first, second):
        return -np.hypot(*(first[:2] - second[:2]))

    return _skeletons(maps, stride, least, fits, -np.inf, joints)


def limb_score(field, first, second):
    """How well a field runs from one joint to another: its mean along the line, in [-1, 1].

    `field`: float `(H, W, 2)`, the vector (x, y) of each cell; `first`, `second`: (row, column).
    1 where it points along the line everywhere, 0 where it is nothing or runs across.
    """
    way = np.subtract(second, first)
    length = np.hypot(*way)
    if length < 1e-6:
        return 0.0
    places = np.linspace(first, second, SAMPLES).T
    down, right = way / length
    read = (ndimage.map_coordinates(field[..., i], places, order=1) for i in (0, 1))
    return float(np.mean(next(read) * right + next(read) * down))


def match_limb(limb, firsts, seconds, fits, least):
    """Greedy matching of the peaks of a limb's two joints: a list of Bond, the best first."""
    bonds = [
        Bond(limb, i, j, fits(limb, first, second))
        for i, first in enumerate(firsts)
        for j, second in enumerate(seconds)
    ]
    chosen, used = [], set()
    for bond in sorted(bonds, key=lambda bond: -bond.score):
        ends = {("first", bond.first), ("second", bond.second)}
        if bond.score >= least and not ends & used:
            chosen.append(bond)
            used |= ends
    return chosen


def _skeletons(maps, stride, least, fits, score, joints):
    peaks = [find_peaks(maps[..., joint], least) for joint in range(len(JOINTS))]
    bonds = [
        bond
        for limb, (a, b) in enumerate(LIMBS)
        for bond in match_limb(limb, peaks[a], peaks[b], fits, score)
    ]
    found = []
    for members in _join(bonds, peaks):
        skeleton = np.full((len(JOINTS), 3), np.nan)
        for joint, number in members.items():
            skeleton[joint] = _in_px(peaks[joint][number : number + 1], stride)[0]
        if len(members) >= joints:
            found.append(skeleton)
    found.sort(key=lambda skeleton: -np.nansum(skeleton[:, 2]))
    return np.array(found).reshape(-1, len(JOINTS), 3)


def _join(bonds, peaks):
    """Grow people from bonds, the best first: a list of dicts, joint to the number of its peak.

    A bond that would give somebody two joints of a kind joins nothing.
    """
    person = {
        (joint, i): {joint: i} for joint, found in enumerate(peaks) for i in range(len(found))
    }
    for bond in sorted(bonds, key=lambda bond: -bond.score):
        a, b = LIMBS[bond.limb]
        one, other = person[a, bond.first], person[b, bond.second]
        if one is not other and not one.keys() & other.keys():
            one.update(other)
            for joint, number in other.items():
                person[joint, number] = one
    return list({id(one): one for one in person.values()}.values())
