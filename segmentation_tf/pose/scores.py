"""Scores of predicted skeletons: the percentage of correct keypoints, as shares from 0 to 1."""

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
    """Tell which joints are close enough to the true ones: bool `(..., 17)`.

    The distance is compared with the box about the true joints and not with the trunk: the trunk
    of a person who bends or turns aside looks short, so that person would be judged more strictly.

    Args:
        truth, predicted: float `(..., 17, 2 or more)`, x and y in pixels; nan counts as wrong.
        tolerance: The largest distance of a correct joint, as a share of the box's longer side.

    Source: Y. Yang, D. Ramanan, "Articulated human detection with flexible mixtures of parts",
    IEEE TPAMI 35(12), 2013.
    """
    distance = np.linalg.norm(truth[..., :2] - predicted[..., :2], axis=-1)
    box = np.ptp(truth[..., :2], axis=-2).max(axis=-1)
    return distance <= tolerance * box[..., None]  # a comparison with nan is False


def pck(truth: np.ndarray, predicted: np.ndarray, tolerance: float = 0.1) -> PCK:
    """Compute the percentage of correct keypoints.

    `truth` is `(N, 17, 3)`, and its third number says whether the joint is seen; `predicted` is
    `(N, 17, 2 or more)` in the same order. `tolerance` is that of `right_joints`.
    """
    if truth.shape[-2:] != (len(JOINTS), 3) or truth[..., :2].shape != predicted[..., :2].shape:
        raise ValueError(
            f"give (N, 17, 3) and (N, 17, 2 or more), not {truth.shape} and {predicted.shape}"
        )
    right, seen = right_joints(truth, predicted, tolerance), truth[..., 2] > 0
    of_joint = {name: _share(right[..., joint]) for joint, name in enumerate(JOINTS)}
    return PCK(_share(right), _share(right[seen]), _share(right[~seen]), of_joint)


def match_people(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Match true people and predicted skeletons so that as many joints as possible are right.

    Each predicted skeleton is used at most once. If a person was predicted in pieces, the best
    piece counts. Both arrays hold the people of one picture, `(P, 17, 3)` and `(Q, 17, 3)`. The
    result is
    `(P, 17, 3)` in the order of `truth`, nan for people without a match.
    """
    matched = np.full(truth.shape, np.nan)
    matches = right_joints(truth[:, None], predicted[None]).sum(axis=-1)
    for i, j in zip(*linear_sum_assignment(matches, maximize=True)):
        if matches[i, j] > 0:
            matched[i] = predicted[j]
    return matched


def _share(right):
    return float(right.mean()) if right.size else float("nan")
