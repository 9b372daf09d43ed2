"""How good skeletons are: the percentage of correct keypoints."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from segmentation_tf.pose.joints import JOINTS


class PCK(NamedTuple):
    """Shares of correct joints in [0, 1]; nan where there are no joints to count."""

    all: float
    seen: float
    hidden: float
    of_joint: dict[str, float]


def right_joints(truth: np.ndarray, predicted: np.ndarray, tolerance: float = 0.1) -> np.ndarray:
    """Tell which joints are close enough to the true ones.

    The distance is compared with the box about the true joints and not with the trunk: the trunk
    of a person who bends or turns aside looks short, so that person would be judged more strictly.

    Args:
        truth: True joints, float `(..., 17, 2 or more)`, x and y in pixels.
        predicted: Predicted joints, likewise; nan counts as wrong.
        tolerance: The largest distance of a correct joint, as a share of the box's longer side.

    Returns:
        bool `(..., 17)`.

    Source:
        Y. Yang, D. Ramanan, "Articulated human detection with flexible mixtures of parts", IEEE
        TPAMI 35(12), 2013.
    """
    distance = np.linalg.norm(truth[..., :2] - predicted[..., :2], axis=-1)
    box = np.ptp(truth[..., :2], axis=-2).max(axis=-1)
    return distance <= tolerance * box[..., None]  # a comparison with nan is False


def pck(truth: np.ndarray, predicted: np.ndarray, tolerance: float = 0.1) -> PCK:
    """Compute the percentage of correct keypoints.

    Args:
        truth: True skeletons `(N, 17, 3)`; the third number says whether the joint is seen.
        predicted: Predicted skeletons in the same order, `(N, 17, 2 or more)`.
        tolerance: As in `right_joints`.

    Raises:
        ValueError: The shapes differ, or they are not those of skeletons.
    """
    if truth.shape[:-1] != predicted.shape[:-1]:
        raise ValueError(
            f"{truth.shape[:-1]} joints cannot be compared with {predicted.shape[:-1]}"
        )
    if truth.shape[-2:] != (len(JOINTS), 3) or predicted.shape[-1] < 2:
        raise ValueError(f"give skeletons (N, 17, 3), not {truth.shape} and {predicted.shape}")
    right, seen = right_joints(truth, predicted, tolerance), truth[..., 2] > 0
    of_joint = {name: _share(right[..., joint]) for joint, name in enumerate(JOINTS)}
    return PCK(_share(right), _share(right[seen]), _share(right[~seen]), of_joint)


def match_people(truth: np.ndarray, predicted: np.ndarray, tolerance: float = 0.1) -> np.ndarray:
    """Give each true person the predicted skeleton with most of their joints right.

    Each predicted skeleton is used once. If a person was predicted in pieces, the best piece
    counts.

    Args:
        truth: The people of a picture, `(P, 17, 3)`.
        predicted: The predicted skeletons of that picture, `(Q, 17, 3)`.
        tolerance: As in `right_joints`.

    Returns:
        `(P, 17, 3)` in the order of `truth`; nan for people without a match.
    """
    matched = np.full(truth.shape, np.nan)
    matches = right_joints(truth[:, None], predicted[None], tolerance).sum(axis=-1)
    for i, j in zip(*linear_sum_assignment(matches, maximize=True)):
        if matches[i, j] > 0:
            matched[i] = predicted[j]
    return matched


def _share(right):
    return float(right.mean()) if right.size else float("nan")
