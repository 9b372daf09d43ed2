"""Scores of predicted skeletons: PCK, OKS, and what kind of error a joint has.

PCK is the percentage of correct keypoints, OKS the object keypoint similarity of COCO. Both are
shares from 0 to 1.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from segmentation_tf.pose.joints import JOINTS, MIRRORED

# How far people are apart who mark the same joint, as a share of the square root of the person's
# area: measured by COCO, one number for each of JOINTS (cocoapi, cocoeval.py).
SPREAD = np.array(
    [0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062]
    + [0.107, 0.107, 0.087, 0.087, 0.089, 0.089]
)


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
    box = np.ptp(truth[..., :2], axis=-2).max(axis=-1)
    return _distance(truth, predicted) <= tolerance * box[..., None]  # nan compares as False


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


def joint_similarity(truth: np.ndarray, predicted: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Compute how near each joint is to the true one: float `(..., 17)`, 1 if it is there.

    The similarity falls off as a Gaussian, whose width depends on the joint and on how large the
    person is. The mean over a person's joints is OKS, the object keypoint similarity. COCO leaves
    joints out that nobody has marked. In our data all joints are marked.

    Args:
        truth, predicted: As in `right_joints`; nan has similarity 0.
        areas: Pixels that each person covers, `(...)`, above 0.

    Source: COCO, "Keypoint evaluation", cocodataset.org.
    """
    width = 2 * SPREAD * np.sqrt(areas)[..., None]
    return np.nan_to_num(np.exp(-((_distance(truth, predicted) / width) ** 2) / 2))


def kinds_of_error(truth: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Sort joints into four kinds, each a bool `(..., 17)`; each joint is of one kind.

    A joint is "right" as `right_joints` says. Two joints of a pair, such as the knees, are
    "exchanged" if both are wrong, and each lies near the true place of the other. A joint is
    "collapsed" if it is wrong and lies near the true place of the other, and the other is right:
    then both lie at one place. All other joints are "elsewhere".

    Args:
        truth, predicted: As in `right_joints`.
    """
    right = right_joints(truth, predicted)
    at_other = right_joints(truth[..., MIRRORED, :], predicted) & ~right
    exchanged = at_other & at_other[..., MIRRORED]
    collapsed = at_other & right[..., MIRRORED]
    elsewhere = ~(right | exchanged | collapsed)
    return {
        "right": right,
        "exchanged": exchanged,
        "collapsed": collapsed,
        "elsewhere": elsewhere,
    }


def match_people(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Match true people and predicted skeletons so that as many joints as possible are right.

    Each predicted skeleton is used at most once. If a person was predicted in pieces, the best
    piece counts. Both arrays hold the people of one picture, `(P, 17, 3)` and `(Q, 17, 3)`. The
    result is `(P, 17, 3)` in the order of `truth`, nan for people without a match.
    """
    matched = np.full(truth.shape, np.nan)
    matches = right_joints(truth[:, None], predicted[None]).sum(axis=-1)
    for i, j in zip(*linear_sum_assignment(matches, maximize=True)):
        if matches[i, j] > 0:
            matched[i] = predicted[j]
    return matched


def people_score(truth: np.ndarray, predicted: np.ndarray, areas: np.ndarray) -> float:
    """Score the people found in one picture, in [0, 1]: OKS counts, and extra people cost.

    The score is 2 * sum of OKS / (true people + predicted people), as in panoptic quality. A person
    who was missed has OKS 0. The arrays are those of `match_people` and `joint_similarity`.
    """
    similarity = joint_similarity(truth, match_people(truth, predicted), areas)
    return float(2 * similarity.mean(axis=-1).sum() / (len(truth) + len(predicted)))


def _distance(truth, predicted):
    return np.linalg.norm(truth[..., :2] - predicted[..., :2], axis=-1)


def _share(right):
    return float(right.mean()) if right.size else float("nan")
