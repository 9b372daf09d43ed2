"""From maps of joints and limbs to skeletons, of one person or of several people.

A predicted skeleton is float `(17, 3)`, one row `[x, y, certainty]` for each of JOINTS: x and y in
pixels of the network's input, the certainty in [0, 1]. Joints that were not found are nan.
"""

import numpy as np
from scipy import ndimage
from scipy.special import softmax
from skimage.feature import peak_local_max

from segmentation_tf.pose.joints import JOINTS, LIMBS, MIRRORED

NEAR = 2  # cells; peaks are further apart, and a peak's certainty is summed up within this distance
MIN_CERTAINTY = 0.05  # peaks with a smaller certainty are dropped
MIN_SCORE = 0.05  # limbs with a smaller `limb_score` are dropped
MIN_JOINTS = 4  # people with fewer joints are dropped
MIN_SHARED = 0.3  # the smallest `limb_score` that leads to a joint of somebody else
SAMPLES = 10  # points along a limb at which its field is read


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Take the softmax over the cells of each map: `(..., H, W, C)`, each map sums to 1."""
    return softmax(logits, axis=(-3, -2))


def mirror_maps(maps: np.ndarray) -> np.ndarray:
    """Mirror maps `(..., H, W, 17)` and exchange left and right joints."""
    return maps[..., :, ::-1, :][..., MIRRORED]


def mirror_fields(fields: np.ndarray) -> np.ndarray:
    """Mirror fields `(..., H, W, 2 * len(LIMBS))` and exchange the limbs of left and right."""
    arrows = fields[..., :, ::-1, :].reshape(*fields.shape[:-1], len(LIMBS), 2) * (-1, 1)
    numbers, signs = [], []
    for limb in LIMBS:
        partner = tuple(MIRRORED[joint] for joint in limb)
        is_listed = partner in LIMBS  # else it is there in the other direction
        numbers.append(LIMBS.index(partner if is_listed else partner[::-1]))
        signs.append(1 if is_listed else -1)
    arrows = arrows[..., numbers, :] * np.array(signs)[:, None]
    return arrows.reshape(fields.shape)


# --- peaks -------------------------------------------------------------------------------------


def refine(heatmap: np.ndarray, row: int, column: int) -> tuple[float, float]:
    """Find the place of a peak between the cells, at most half a cell from its highest cell.

    A parabola goes through the logarithms of the highest cell and its two neighbours. If the peak
    is a Gaussian, the top of the parabola is exact. Peaks at an edge are not moved across it.

    Source: F. Zhang et al., "Distribution-aware coordinate representation for human pose
    estimation", CVPR 2020, arXiv:1910.06278.
    """
    return _top(heatmap[:, column], row), _top(heatmap[row], column)


def _top(line, place):
    if not 0 < place < len(line) - 1:
        return place
    before, here, after = np.log(np.maximum(line[place - 1 : place + 2], 1e-12))
    bend = 2 * here - before - after
    return place + np.clip((after - before) / (2 * bend), -0.5, 0.5) if bend > 0 else place


def find_peaks(heatmap: np.ndarray, min_certainty: float = MIN_CERTAINTY) -> np.ndarray:
    """Find the local maxima of a map `(H, W)` that sums to 1, the most certain first.

    The result is float `(n, 3)`: row, column (both refined), and the sum of the map about the peak.
    """
    width = 2 * NEAR + 1
    certainty = ndimage.uniform_filter(heatmap, width, mode="constant") * width**2
    cells = peak_local_max(heatmap, min_distance=NEAR, threshold_abs=0, exclude_border=False)
    peaks = [
        (*refine(heatmap, row, column), min(certainty[row, column], 1.0))
        for row, column in cells
        if certainty[row, column] >= min_certainty
    ]
    return np.array(sorted(peaks, key=lambda peak: -peak[2])).reshape(-1, 3)


def one_skeleton(maps: np.ndarray, stride: int) -> np.ndarray:
    """Read the skeleton of one person: the most certain peak of each map.

    `maps` is float `(H, W, 17)`, each map sums to 1; a cell is `stride` pixels wide.
    """
    peaks = [find_peaks(maps[..., joint], min_certainty=0) for joint in range(len(JOINTS))]
    return _skeleton(peaks, {joint: 0 for joint, found in enumerate(peaks) if len(found)}, stride)


def _skeleton(peaks, members, stride):
    """The skeleton, in pixels, of `members`: a dict from a joint to the number of its peak."""
    skeleton = np.full((len(JOINTS), 3), np.nan)
    for joint, number in members.items():
        row, column, certainty = peaks[joint][number]
        skeleton[joint] = (column + 0.5) * stride - 0.5, (row + 0.5) * stride - 0.5, certainty
    return skeleton


# --- several people ----------------------------------------------------------------------------


def find_skeletons(
    maps: np.ndarray,
    fields: np.ndarray,
    stride: int,
    *,
    min_joints: int = MIN_JOINTS,
    share: bool = False,
) -> np.ndarray:
    """Find the skeletons of all people in a picture by part affinity fields.

    For each limb, the pairs of joints whose field agrees best are taken first, and each joint is
    used once. Then people are put together from the limbs. The result is float `(P, 17, 3)`; the
    people with the largest sum of certainties come first.

    Args:
        maps, stride: Those of `one_skeleton`.
        fields: `(H, W, 2 * len(LIMBS))`, as `targets.limb_fields` makes them.
        min_joints: People with fewer joints are dropped.
        share: Let a person who lacks a joint use a peak of somebody else if a field leads there.
            Where equal joints of two people lie close together, they make one peak for both.

    Source: Z. Cao, T. Simon, S.-E. Wei, Y. Sheikh, "Realtime multi-person 2D pose estimation using
    part affinity fields", CVPR 2017, arXiv:1611.08050 (greedy parsing).
    """
    if fields.shape != (*maps.shape[:2], 2 * len(LIMBS)):
        raise ValueError(f"maps are {maps.shape}, fields {fields.shape}: they must belong together")

    def score_fn(limb, first, second):
        return limb_score(fields[..., 2 * limb : 2 * limb + 2], first, second)

    return _build_people(maps, stride, score_fn, MIN_SCORE, min_joints, share)


def nearest_skeletons(maps: np.ndarray, stride: int) -> np.ndarray:
    """Do as `find_skeletons` without fields: the nearest pairs of joints make the limbs."""
    return _build_people(maps, stride, lambda limb, a, b: -np.hypot(*(a - b)), min_score=-np.inf)


def limb_score(field: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Compute how well a field agrees with a limb from one joint to another.

    The score is the mean of the field along the limb, in its direction: 1 where all vectors point
    along it, 0 where they are zero or run across, -1 where they point back. `field` is float
    `(H, W, 2)`, a vector (x, y) for each cell; `first` and `second` are row and column of a cell.
    """
    limb = np.subtract(second, first)
    down, right = limb / max(np.hypot(*limb), 1e-6)
    points = np.linspace(first, second, SAMPLES).T
    return float(ndimage.map_coordinates(field @ (right, down), points, order=1).mean())


def match_limb(scores: np.ndarray, min_score: float) -> list[tuple[int, int]]:
    """Match the joints at a limb's two ends greedily: the best pair first, each joint once.

    `scores` says how well each first joint (row) fits each second joint (column).
    """
    pairs = []
    for row, column in sorted(np.ndindex(scores.shape), key=lambda pair: -scores[pair]):
        is_free = all(row != i and column != j for i, j in pairs)
        if is_free and scores[row, column] >= min_score:
            pairs.append((row, column))
    return pairs


def _find_bonds(peaks, score_fn, min_score):
    """The limbs, the best first: (score, first, second), both ends as (joint, number of peak)."""
    bonds = []
    for limb, (a, b) in enumerate(LIMBS):
        scores = np.empty((len(peaks[a]), len(peaks[b])))
        for i, j in np.ndindex(scores.shape):
            scores[i, j] = score_fn(limb, peaks[a][i, :2], peaks[b][j, :2])
        bonds += [(scores[i, j], (a, i), (b, j)) for i, j in match_limb(scores, min_score)]
    return sorted(bonds, key=lambda bond: -bond[0])


def _build_people(maps, stride, score_fn, min_score, min_joints=MIN_JOINTS, share=False):
    peaks = [find_peaks(maps[..., joint]) for joint in range(len(JOINTS))]
    groups = _join(peaks, _find_bonds(peaks, score_fn, min_score))
    groups = [group for group in groups if len(group) >= min_joints]
    if share:
        groups = [_with_shared(group, peaks, score_fn) for group in groups]
    skeletons = [_skeleton(peaks, group, stride) for group in groups]
    skeletons.sort(key=lambda skeleton: -np.nansum(skeleton[:, 2]))
    return np.array(skeletons).reshape(-1, len(JOINTS), 3)


def _join(peaks, bonds):
    """Join peaks to people, the best bonds first: dicts from a joint to the number of its peak."""
    places = [(joint, i) for joint, found in enumerate(peaks) for i in range(len(found))]
    person_of = {(joint, i): {joint: i} for joint, i in places}
    for _, first, second in bonds:
        one, other = person_of[first], person_of[second]
        if one.keys() & other.keys():
            continue  # they are one person already, or would have two joints of a kind
        one.update(other)
        for place in other.items():
            person_of[place] = one
    return list({id(person): person for person in person_of.values()}.values())


def _with_shared(person, peaks, score_fn):
    """A person, with the joints that they lack from any peak, the best limbs first."""
    person = dict(person)
    while True:
        limbs = []
        for limb, (a, b) in enumerate(LIMBS):
            if (a in person) == (b in person):
                continue
            known, wanted = (a, b) if a in person else (b, a)
            for number, peak in enumerate(peaks[wanted]):
                ends = {known: peaks[known][person[known]][:2], wanted: peak[:2]}
                limbs.append((score_fn(limb, ends[a], ends[b]), wanted, number))
        score, joint, number = max(limbs, default=(0, 0, 0))
        if score < MIN_SHARED:
            return person
        person[joint] = number
