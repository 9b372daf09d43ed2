"""How good skeletons are: the share of joints that lie where they should."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from segmentation_tf.pose.joints import JOINTS


class PCK(NamedTuple):
    """Shares of right joints, in [0, 1]: of all, of those seen, of those hidden, and of each."""

    all: float
    seen: float
    hidden: float
    of_joint: dict


def right_joints(truth, found, share=0.1):
    """Which joints lie where they should: bool `(..., 17)`.

    `truth`, `found`: float `(..., 17, 2 or more)`, x and y in px; nan in `found` is wrong. A joint
    is right if it lies no further off than `share` of the longer side of the box about the true
    joints. The box, and not the trunk: who bends or turns aside has a short trunk, and would be
    judged more strictly than others.
    Source: Y. Yang, D. Ramanan, "Articulated human detection with flexible mixtures of parts",
    IEEE TPAMI 35(12), 2013.
    """
    away = np.linalg.norm(truth[..., :2] - found[..., :2], axis=-1)
    box = np.ptp(truth[..., :2], axis=-2).max(axis=-1)
    return away <= share * box[..., None]  # nan is no more than nothing


def pck(truth, found, share=0.1):
    """Percentage of correct keypoints of skeletons `(N, 17, 3)` against others: a PCK.

    `truth` says in its third number what is seen. A share of nothing is nan.
    Raises ValueError where there are not as many found as true ones, or they are no skeletons.
    """
    if truth.shape[:-1] != found.shape[:-1]:
        raise ValueError(f"{truth.shape[:-1]} joints cannot be compared with {found.shape[:-1]}")
    if truth.shape[-2:] != (len(JOINTS), 3) or found.shape[-1] < 2:
        raise ValueError(f"give skeletons (N, 17, 3), not {truth.shape} and {found.shape}")
    right, seen = right_joints(truth, found, share), truth[..., 2] > 0
    of_joint = {name: _mean(right[..., i]) for i, name in enumerate(JOINTS)}
    return PCK(_mean(right), _mean(right[seen]), _mean(right[~seen]), of_joint)


def match_people(truth, found, share=0.1):
    """Give each true person the found one who has most of their joints right.

    `truth` `(P, 17, 3)`, `found` `(Q, 17, 3)`: returns `(P, 17, 3)`, nan for who was not found.
    Nobody is given twice, so a person in pieces counts as the best piece.
    """
    matched = np.full(truth.shape, np.nan)
    if len(found):
        hits = right_joints(truth[:, None], found[None], share).sum(axis=-1)
        for i, j in zip(*linear_sum_assignment(-hits)):
            if hits[i, j]:
                matched[i] = found[j]
    return matched


def _mean(values):
    return float(np.mean(values)) if np.size(values) else float("nan")
