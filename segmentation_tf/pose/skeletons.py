"""From maps of joints and limbs to skeletons, of one person or of several people.

A predicted skeleton is float `(17, 3)`, one row `[x, y, certainty]` for each of JOINTS: x and y in
pixels of the network's input, the certainty in [0, 1]. Joints that were not found are nan.
"""

import numpy as np
from scipy import ndimage
from scipy.special import softmax
from skimage.feature import peak_local_max

from segmentation_tf.pose.joints import JOINTS, LIMBS, MIRRORED

SAMPLES = 10  # points along a limb at which its field is read


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Take the softmax over the cells of each map: `(..., H, W, C)`, each map sums to 1."""
    return softmax(logits, axis=(-3, -2))


def mirror_maps(maps: np.ndarray) -> np.ndarray:
    """Mirror maps `(..., H, W, 17)` and exchange left and right joints."""
    return maps[..., :, ::-1, :][..., MIRRORED]


# --- peaks -------------------------------------------------------------------------------------


def refine(heatmap: np.ndarray, row: int, column: int) -> tuple[float, float]:
    """Find the place of a peak between the cells, at most half a cell from its highest cell.

    A parabola goes through the logarithms of the highest cell and its two neighbours. If the peak
    is a Gaussian, the top of the parabola is exact. Peaks at an edge are not moved across it.

    Args:
        heatmap: float `(H, W)`, positive.
        row, column: The highest cell.

    Source:
        F. Zhang et al., "Distribution-aware coordinate representation for human pose estimation",
        CVPR 2020, arXiv:1910.06278.
    """
    return (
        row + _offset_of_top(heatmap[:, column], row),
        column + _offset_of_top(heatmap[row], column),
    )


def _offset_of_top(line, place):
    if not 0 < place < len(line) - 1:
        return 0.0
    before, here, after = np.log(np.maximum(line[place - 1 : place + 2], 1e-12))
    bend = 2 * here - before - after
    return float(np.clip((after - before) / (2 * bend), -0.5, 0.5)) if bend > 0 else 0.0


def find_peaks(
    heatmap: np.ndarray, min_certainty: float = 0.05, min_distance: int = 2
) -> np.ndarray:
    """Find the local maxima of a map, the most certain first.

    Args:
        heatmap: float `(H, W)` in [0, 1] that sums to 1.
        min_certainty: Peaks with a smaller certainty are dropped. The certainty is the sum of the
            map within `min_distance` cells of the peak.
        min_distance: Peaks are more than this many cells apart.

    Returns:
        float `(n, 3)`: row, column (both refined) and certainty.
    """
    width = 2 * min_distance + 1
    certainty = ndimage.uniform_filter(heatmap, width, mode="constant") * width**2
    cells = peak_local_max(
        heatmap, min_distance=min_distance, threshold_abs=0, exclude_border=False
    )
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
    peaks = _peaks_of_joints(maps, min_certainty=0)
    first_peaks = {joint: 0 for joint in range(len(JOINTS)) if len(peaks[joint])}
    return _skeleton(peaks, first_peaks, stride)


def _peaks_of_joints(maps, min_certainty):
    return [find_peaks(maps[..., joint], min_certainty) for joint in range(len(JOINTS))]


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
    min_certainty: float = 0.05,
    min_score: float = 0.05,
    min_joints: int = 4,
) -> np.ndarray:
    """Find the skeletons of all people in a picture by part affinity fields.

    For each limb, the pairs of joints whose field agrees best are taken first, and each joint is
    used once. Then people are put together from the limbs.

    Args:
        maps: float `(H, W, 17)`, each map sums to 1.
        fields: float `(H, W, 2 * len(LIMBS))`, as from `targets.limb_fields`.
        stride: Width of a cell in pixels.
        min_certainty: Peaks with a smaller certainty are dropped.
        min_score: Limbs with a smaller `limb_score` are dropped.
        min_joints: People with fewer joints are dropped.

    Returns:
        float `(P, 17, 3)`; the people with the largest sum of certainties come first.

    Raises:
        ValueError: The fields do not fit the maps.

    Source:
        Z. Cao, T. Simon, S.-E. Wei, Y. Sheikh, "Realtime multi-person 2D pose estimation using
        part affinity fields", CVPR 2017, arXiv:1611.08050 (greedy parsing).
    """
    if fields.shape != (*maps.shape[:2], 2 * len(LIMBS)):
        raise ValueError(f"maps are {maps.shape}, fields {fields.shape}: they must belong together")

    def score_fn(limb, first, second):
        return limb_score(fields[..., 2 * limb : 2 * limb + 2], first, second)

    peaks = _peaks_of_joints(maps, min_certainty)
    bonds = _find_bonds(peaks, score_fn, min_score)
    return _build_people(peaks, bonds, stride, min_joints)


def nearest_skeletons(
    maps: np.ndarray, stride: int, *, min_certainty: float = 0.05, min_joints: int = 4
) -> np.ndarray:
    """Do as `find_skeletons` without fields: the nearest pairs of joints make the limbs."""

    def score_fn(limb, first, second):
        return -np.hypot(*(first - second))

    peaks = _peaks_of_joints(maps, min_certainty)
    bonds = _find_bonds(peaks, score_fn, min_score=-np.inf)
    return _build_people(peaks, bonds, stride, min_joints)


def limb_score(field: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Compute how well a field agrees with a limb from one joint to another.

    Args:
        field: float `(H, W, 2)`, the vector (x, y) of each cell.
        first, second: Row and column of the joints in cells.

    Returns:
        The mean of the field along the limb, in its direction: 1 where all vectors point along
        it, 0 where they are zero or run across, -1 where they point back.
    """
    limb = np.subtract(second, first)
    length = np.hypot(*limb)
    if length < 1e-6:
        return 0.0
    down, right = limb / length
    points = np.linspace(first, second, SAMPLES).T
    x = ndimage.map_coordinates(field[..., 0], points, order=1)
    y = ndimage.map_coordinates(field[..., 1], points, order=1)
    return float(np.mean(x * right + y * down))


def match_limb(scores: np.ndarray, min_score: float) -> list[tuple[int, int]]:
    """Match the joints at a limb's two ends greedily: the best pair first, each joint once.

    Args:
        scores: How well each first joint (row) fits each second joint (column).
        min_score: Pairs with a smaller score are dropped.

    Returns:
        Pairs (row, column), the best first.
    """
    pairs, rows, columns = [], set(), set()
    for row, column in sorted(np.ndindex(scores.shape), key=lambda pair: -scores[pair]):
        if scores[row, column] >= min_score and row not in rows and column not in columns:
            pairs.append((row, column))
            rows.add(row)
            columns.add(column)
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


def _build_people(peaks, bonds, stride, min_joints):
    groups = [members for members in _join(peaks, bonds) if len(members) >= min_joints]
    skeletons = [_skeleton(peaks, members, stride) for members in groups]
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
