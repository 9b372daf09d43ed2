"""Scores of skeletons against numbers worked out by hand, and against COCO's own tools."""

from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segmentation_tf.pose.joints import JOINTS
from segmentation_tf.pose.scores import (
    SPREAD,
    joint_similarity,
    kinds_of_error,
    match_people,
    pck,
    people_score,
    right_joints,
)

NAN = float("nan")


def person(x=0, y=0, size=100):
    """A skeleton in a box of `size` x half of that, all joints seen."""
    places = np.linspace((x, y), (x + size / 2, y + size), 17)
    return np.c_[places, np.ones(17)]


def moved(skeleton, **joints):
    """A copy with joints moved by (right, down)."""
    copy = skeleton.copy()
    for name, way in joints.items():
        copy[JOINTS.index(name), :2] += way
    return copy


def test_a_joint_is_right_within_a_tenth_of_the_longer_side_of_the_box():
    found = moved(person(), nose=(6, -8), left_eye=(0, 10.1), right_eye=(8, 8), left_ear=(NAN, 0))
    assert np.flatnonzero(~right_joints(person(), found)).tolist() == [1, 2, 3]
    assert np.flatnonzero(~right_joints(person(), found, tolerance=0.12)).tolist() == [3]
    wide = person()[:, [1, 0, 2]]
    assert np.flatnonzero(~right_joints(wide, moved(wide, nose=(0, 10), left_eye=(0, 11)))) == [1]


def test_every_person_has_their_own_box():
    truth = np.stack([person(), person(size=200), person(size=50)])
    assert right_joints(truth, truth + (0, 8, 0)).all(axis=-1).tolist() == [True, True, False]


def test_pck_by_hand():
    truth = np.stack([person(), person(x=300)])
    truth[0, :4, 2] = 0  # of 34 joints, 4 are hidden
    found = np.stack([moved(truth[0], nose=(0, 50), left_hip=(50, 0)), moved(truth[1], nose=NAN)])
    score = pck(truth, found)
    assert score[:3] == pytest.approx((31 / 34, 28 / 30, 3 / 4))
    expected = dict.fromkeys(JOINTS, 1.0) | {"nose": 0.0, "left_hip": 0.5}
    assert score.of_joint == expected and list(score.of_joint) == list(JOINTS)
    assert pck(truth, found * (1, 1, 0)) == pck(truth, found[..., :2]) == score, "no certainties"


def test_pck_of_all_of_nothing_and_of_nobody():
    truth = person()[None]
    assert pck(truth, truth)[:2] == (1, 1) and np.isnan(pck(truth, truth).hidden)
    assert pck(truth, np.full_like(truth, NAN))[:2] == (0, 0)
    empty = pck(truth[:0], truth[:0])
    assert np.isnan([empty.all, empty.seen, empty.hidden, *empty.of_joint.values()]).all()


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        ((2, 17, 3), (1, 17, 3)),
        ((2, 17, 3), (2, 16, 3)),
        ((2, 17, 3), (2, 17, 1)),
        ((2, 17, 2), (2, 17, 2)),
        ((2, 16, 3), (2, 16, 3)),
    ],
)
def test_pck_refuses_other_shapes(truth, predicted):
    with pytest.raises(ValueError, match=r"give \(N, 17, 3\) and \(N, 17, 2 or more\), not"):
        pck(np.zeros(truth), np.zeros(predicted))


# --- similarity ------------------------------------------------------------------------------


def coco_similarity(truth, predicted, area):
    """OKS of one person by COCO's own tools."""
    place = {"image_id": 1, "category_id": 1, "area": area, "bbox": [0, 0, 1, 1]}
    true = place | {"id": 1, "iscrowd": 0, "num_keypoints": 17, "keypoints": [*truth.ravel()]}
    data = COCO()
    with redirect_stdout(StringIO()):
        data.dataset = {
            "images": [{"id": 1}],
            "categories": [{"id": 1}],
            "annotations": [true],
        }
        data.createIndex()
        found = data.loadRes([place | {"keypoints": [*predicted.ravel()], "score": 1.0}])
        evaluation = COCOeval(data, found, "keypoints")
        evaluation.evaluate()
    return evaluation.ious[1, 1].item()


@pytest.mark.parametrize("area", [300.0, 4000.0])
def test_the_mean_similarity_is_that_of_cocos_own_tools(area):
    rng = np.random.default_rng(0)
    predicted = person() + np.c_[rng.normal(0, 5, (17, 2)), np.zeros(17)]
    found = joint_similarity(person(), predicted, np.array(area)).mean()
    assert found == pytest.approx(coco_similarity(person(), predicted, area), abs=1e-6)


def test_similarity_by_hand_for_each_person_with_their_own_area():
    truth = np.stack([person(), person()])
    wide = 2 * SPREAD[JOINTS.index("left_hip")] * 10  # the Gaussian's width at 100 px
    found = np.stack([moved(person(), left_hip=(wide, 0), nose=(NAN, 0))] * 2)
    similarity = joint_similarity(truth, found, np.array([100.0, 400.0]))
    hip = JOINTS.index("left_hip")
    assert similarity[:, hip] == pytest.approx(np.exp([-1 / 2, -1 / 8]))
    assert similarity[:, 0].tolist() == [0, 0] and (similarity[:, 1:hip] == 1).all()


# --- kinds of errors -------------------------------------------------------------------------


def standing():
    """A skeleton whose left is 40 px to the right of its right, in rows 20 px apart."""
    rows = [0] + [20 * (joint + 1) // 2 for joint in range(1, 17)]
    across = [0] + [40 * (joint % 2) for joint in range(1, 17)]
    return np.c_[across, rows, np.ones(17)].astype(float)


def test_sides_are_exchanged_only_if_both_joints_of_a_pair_are():
    truth, found = standing(), standing()
    left, right = JOINTS.index("left_knee"), JOINTS.index("right_knee")
    found[[left, right]] = truth[[right, left]]
    found[JOINTS.index("left_hip")] = truth[JOINTS.index("right_hip")]  # both hips at one place
    found[JOINTS.index("left_ear"), :2] = truth[JOINTS.index("right_ear"), :2]
    found[JOINTS.index("right_ear"), 0] -= 50
    found[JOINTS.index("left_wrist")] = NAN
    kinds = kinds_of_error(truth, found)
    named = {kind: [JOINTS[i] for i in np.flatnonzero(kinds[kind])] for kind in kinds}
    assert named["exchanged"] == ["left_knee", "right_knee"]
    assert named["collapsed"] == ["left_hip"]
    assert named["elsewhere"] == ["left_ear", "right_ear", "left_wrist"]
    assert np.sum(list(kinds.values()), axis=0).tolist() == [1] * 17
    np.testing.assert_array_equal(kinds["right"], right_joints(truth, found))


# --- people ----------------------------------------------------------------------------------


def test_people_are_matched_by_their_right_joints_in_any_order():
    truth = np.stack([person(), person(x=300), person(x=600)])
    stranger, found = person(x=900), truth[[2, 0]] + (3, -3, 0)
    matched = match_people(truth, np.stack([*found, stranger]))
    np.testing.assert_array_equal(matched, [found[1], np.full((17, 3), NAN), found[0]])


def test_each_person_gets_the_best_of_several_skeletons():
    truth = person()[None]
    upper, lower = truth[0].copy(), truth[0].copy()
    upper[10:], lower[:10] = NAN, NAN
    np.testing.assert_array_equal(match_people(truth, np.stack([lower, upper])), [upper])


def test_each_skeleton_is_given_to_one_person():
    truth = np.stack([person(), person(x=4)])
    matched = match_people(truth, person(x=3)[None])
    assert np.isnan(matched).all(axis=(1, 2)).sum() == 1
    both = match_people(truth, np.stack([moved(truth[1], nose=(0, 30)), truth[1]]))
    assert not np.isnan(both).any() and not np.array_equal(both[0], both[1])


def test_no_skeletons_and_no_people():
    truth = np.stack([person(), person(x=300)])
    matched = match_people(truth, np.zeros((0, 17, 3)))
    assert matched.shape == (2, 17, 3) and np.isnan(matched).all()
    assert match_people(truth[:0], truth).shape == (0, 17, 3)


def test_the_score_of_people_falls_with_extra_and_with_missed_ones():
    truth, areas = np.stack([person(), person(x=300)]), np.array([3000.0, 3000.0])
    assert people_score(truth, truth[::-1], areas) == pytest.approx(1)
    assert people_score(truth, truth[:1], areas) == pytest.approx(2 / 3)
    extra = np.stack([*truth, person(x=900), person(x=1200)])
    assert people_score(truth, extra, areas) == pytest.approx(4 / 6)
    assert people_score(truth, truth[:0], areas) == 0
