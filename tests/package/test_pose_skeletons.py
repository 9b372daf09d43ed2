"""Skeletons from maps: exact on exact maps, and of two people whose limbs cross."""

import numpy as np
import pytest

from segmentation_tf.pose import skeletons, targets
from segmentation_tf.pose.joints import JOINTS, LIMBS, MIRRORED

SIZE, STRIDE = 192, 4
FLAT = 1 / 48**2  # the cells of a map without a peak that sums to 1
WRIST = JOINTS.index("left_wrist")
UPRIGHT = np.array(
    [
        *((20.2, 6.1), (21.3, 5.2), (19.4, 5.3), (22.1, 6.3), (18.2, 6.2)),
        *((23.7, 11.2), (16.6, 11.4), (25.2, 17.3), (14.8, 17.1), (26.1, 22.7), (13.9, 23.2)),
        *((22.3, 23.6), (18.1, 23.4), (22.8, 31.2), (17.6, 31.4), (23.1, 39.3), (17.2, 39.1)),
    ]
)  # x and y in cells


def in_px(cells):
    """A skeleton `(17, 3)` in px, all seen."""
    return np.c_[(np.asarray(cells) + 0.5) * STRIDE - 0.5, np.ones(17)].astype("float32")


def exact(*people):
    """The maps, each summing to 1, and the fields that belong to people `(17, 3)`."""
    people = np.stack(people)[None]
    maps = targets.heatmaps(people, SIZE, STRIDE).numpy()[0].astype(float)
    fields = targets.limb_fields(people, SIZE, STRIDE).numpy()[0]
    return maps / maps.sum(axis=(0, 1)), fields


@pytest.fixture(scope="module")
def crossing():
    """Two people, 6 cells apart; the left forearm and lower leg of each reach across the other."""
    one, other = UPRIGHT.copy(), UPRIGHT + (6, 0)
    one[WRIST], other[WRIST] = other[7] + (0.5, 4), one[7] + (0.3, 4.2)
    one[15], other[15] = other[13] + (0.7, 5.1), one[13] + (-0.2, 5.4)
    return in_px(one), in_px(other)


def same(found, true):
    return np.nanmax(np.abs(found[:, :2] - true[:, :2])) < 0.5


def lost(skeleton):
    """The joints that were not found."""
    return np.flatnonzero(np.isnan(skeleton).any(axis=1)).tolist()


def gaussian(*peaks):
    """A map that sums to 1, of Gaussians (y, x, weight) in cells."""
    rows, columns = np.indices((12, 14))
    heatmap = sum(w * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 2) for y, x, w in peaks)
    return heatmap / heatmap.sum()


# --- maps ------------------------------------------------------------------------------------


def test_probabilities_are_a_softmax_over_the_cells_of_each_map():
    logits = np.log([[[1.0, 5], [2, 5]], [[3, 5], [4, 5]]])
    expected = [[[0.1, 0.25], [0.2, 0.25]], [[0.3, 0.25], [0.4, 0.25]]]
    np.testing.assert_allclose(skeletons.probabilities(logits), expected)


def test_maps_of_a_mirrored_picture_come_back():
    person = in_px(UPRIGHT)
    mirrored = person[list(MIRRORED)] * (-1, 1, 1) + (SIZE - 1, 0, 0)
    (maps, _), (others, _) = exact(person), exact(mirrored.astype("float32"))
    found = skeletons.mirror_maps(np.stack([others, maps]))
    np.testing.assert_allclose(found, [maps, others], atol=1e-6)


def test_fields_of_a_mirrored_picture_come_back(crossing):
    mirrored = [person[list(MIRRORED)] * (-1, 1, 1) + (SIZE - 1, 0, 0) for person in crossing]
    (_, fields), (_, others) = exact(*crossing), exact(*np.float32(mirrored))
    found = skeletons.mirror_fields(np.stack([others, fields]))
    np.testing.assert_allclose(found, [fields, others], atol=1e-5)


# --- peaks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [(5, 4), (5.3, 3.8), (4.6, 4.49)])
def test_the_top_of_a_gaussian_between_cells_is_exact(place):
    heatmap = gaussian((*place, 1))
    assert skeletons.refine(heatmap, 5, 4) == pytest.approx(place, abs=1e-9)


def test_a_peak_moves_half_a_cell_at_most_and_not_at_an_edge():
    ramp = np.tile(np.exp(np.arange(8.0) ** 2 / 16), (8, 1))
    assert skeletons.refine(ramp, 3, 7) == (3, 7)
    assert skeletons.refine(ramp, 0, 4) == (0, 4)  # at an edge; the parabola along x has no top
    steep = np.tile(np.exp(-((np.arange(8.0) - 5.2) ** 2)), (8, 1))
    assert skeletons.refine(steep, 3, 4) == (3, 4.5)


def test_two_peaks_come_with_their_certainties_the_larger_first():
    heatmap = gaussian((3.2, 3.4, 1), (8, 10.3, 3))
    found = skeletons.find_peaks(heatmap)
    np.testing.assert_allclose(found[:, :2], [[8, 10.3], [3.2, 3.4]], atol=0.01)
    np.testing.assert_allclose(found[:, 2], [heatmap[6:11, 8:13].sum(), heatmap[1:6, 1:6].sum()])
    np.testing.assert_array_equal(skeletons.find_peaks(heatmap, min_certainty=0.3), found[:1])
    assert skeletons.find_peaks(heatmap, min_certainty=0.8).shape == (0, 3)


def test_a_map_without_a_peak():
    assert len(skeletons.find_peaks(np.full((48, 48), FLAT))) == 0
    assert len(skeletons.find_peaks(np.zeros((6, 6)), min_certainty=0)) == 0


@pytest.mark.parametrize("place", [(5.5, 4), (5, 4.5), (5.5, 4.5), (0, 13)])
def test_a_peak_midway_between_cells_or_in_a_corner_is_one_peak(place):
    found = skeletons.find_peaks(gaussian((*place, 1)))
    np.testing.assert_allclose(found[:, :2], [place])
    assert found[0, 2] > 0.9


def test_two_peaks_are_more_than_two_cells_apart():
    heatmap = np.full((9, 9), 1e-3)
    heatmap[4, 5], heatmap[4, 3], heatmap[1, 5] = 0.5, 0.3, 0.1
    np.testing.assert_array_equal(skeletons.find_peaks(heatmap)[:, :2], [[4, 5], [1, 5]])


def test_one_skeleton_is_exact_on_exact_maps():
    person = in_px(UPRIGHT)
    found = skeletons.one_skeleton(exact(person)[0], STRIDE)
    np.testing.assert_allclose(found[:, :2], person[:, :2], atol=0.01)
    assert (found[:, 2] > 0.95).all() and (found[:, 2] <= 1).all()


def test_one_skeleton_takes_the_larger_peak_and_is_nan_on_empty_maps():
    maps = np.zeros((12, 14, 17))
    maps[..., 3] = gaussian((3, 3, 1), (8, 10, 2))
    found = skeletons.one_skeleton(maps, 2)
    np.testing.assert_allclose(found[3, :2], [20.5, 16.5], atol=0.05)
    assert np.isnan(np.delete(found, 3, axis=0)).all()


# --- limbs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "score"),
    [
        ((4, 1), (4, 7), 1),
        ((4, 7), (4, 1), -1),
        ((1, 4), (7, 4), 0),
        ((1, 1), (5, 4), 0.6),
        ((4, 4), (4, 4), 0),
    ],
)
def test_a_limb_scores_by_how_a_field_to_the_right_agrees_with_it(first, second, score):
    right = np.tile((1.0, 0.0), (9, 9, 1))
    assert skeletons.limb_score(right, first, second) == pytest.approx(score)
    down = right[..., ::-1]
    assert skeletons.limb_score(down, first[::-1], second[::-1]) == pytest.approx(score)
    assert skeletons.limb_score(0 * right, first, second) == 0


def test_a_limb_with_a_field_on_half_of_it_scores_half():
    field = np.zeros((9, 12, 2))
    field[:, 6:, 0] = 1
    assert skeletons.limb_score(field, (4, 1), (4, 10)) == pytest.approx(0.5)


def test_limbs_are_matched_the_best_first():
    # The best sum would be 0.8 + 0.85, but 0.9 comes first and leaves 0.3.
    scores = np.array([[0.9, 0.8, 0.1], [0.85, 0.3, 0.2]])
    assert skeletons.match_limb(scores, min_score=0.25) == [(0, 0), (1, 1)]
    assert skeletons.match_limb(scores, min_score=0.4) == [(0, 0)]
    assert skeletons.match_limb(np.zeros((0, 3)), min_score=0.4) == []


# --- people ----------------------------------------------------------------------------------


def test_every_joint_of_two_people_whose_limbs_cross_goes_to_its_owner(crossing):
    found = skeletons.find_skeletons(*exact(*crossing), STRIDE)
    one, other = sorted(found, key=lambda skeleton: skeleton[0, 0])
    assert not np.isnan(found).any() and same(one, crossing[0]) and same(other, crossing[1])


def test_nearest_joints_exchange_limbs_that_cross(crossing):
    found = skeletons.nearest_skeletons(exact(*crossing)[0], STRIDE)
    assert len(found) == 2
    for skeleton in found:
        off = [np.abs(skeleton[:, :2] - person[:, :2]).max(axis=1) for person in crossing]
        owner = np.argmin(off, axis=0)
        assert np.min(off, axis=0).max() < 0.5, "every joint is somebody's"
        assert owner[7] != owner[WRIST] and owner[13] != owner[15]


@pytest.mark.parametrize("missing", ["peak", "field"])
def test_a_joint_without_a_peak_or_a_field_that_leads_to_it_is_nan(missing):
    maps, fields = exact(in_px(UPRIGHT))
    if missing == "peak":
        maps[..., WRIST] = FLAT
    else:
        limb = LIMBS.index((7, WRIST))
        fields[..., 2 * limb : 2 * limb + 2] = 0
    (found,) = skeletons.find_skeletons(maps, fields, STRIDE)
    assert lost(found) == [WRIST] and same(found, in_px(UPRIGHT))


def test_people_with_less_than_four_joints_are_dropped():
    maps, fields = exact(in_px(UPRIGHT))
    maps[..., 4:] = FLAT
    (found,) = skeletons.find_skeletons(maps, fields, STRIDE)
    assert lost(found) == list(range(4, 17))
    maps[..., 3] = FLAT
    assert skeletons.find_skeletons(maps, fields, STRIDE).shape == (0, 17, 3)
    maps[:] = FLAT
    assert skeletons.nearest_skeletons(maps, STRIDE).shape == (0, 17, 3)


def test_of_people_who_stand_apart_the_one_with_more_joints_comes_first():
    small, large = in_px(UPRIGHT - (8, 0)), in_px(UPRIGHT + (14, 2))
    # The shoulder of the one and the hip of the other have no other partner: a bad limb, the last.
    small[11:], large[5] = targets.AWAY[11:], targets.AWAY[5]
    maps, fields = exact(small, large)
    by_fields = skeletons.find_skeletons(maps, fields, STRIDE)
    for first, second in (by_fields, skeletons.nearest_skeletons(maps, STRIDE)):
        assert same(first, large) and same(second, small)
        assert lost(first) == [5, 7, 9] and lost(second) == [11, 12, 13, 14, 15, 16]


def test_fields_of_other_maps_are_refused():
    with pytest.raises(ValueError, match="must belong together"):
        skeletons.find_skeletons(np.full((8, 8, 17), 1 / 64), np.zeros((9, 8, 36)), 4)


def test_a_joint_of_two_people_at_one_place_is_shared_if_fields_lead_there():
    one, other = UPRIGHT.copy(), UPRIGHT + (8, 0)
    one[WRIST] = other[WRIST] = one[7] + (4, 5)
    maps, fields = exact(in_px(one), in_px(other))
    alone = skeletons.find_skeletons(maps, fields, STRIDE)
    assert sorted(map(lost, alone)) == [[], [WRIST]]
    shared = skeletons.find_skeletons(maps, fields, STRIDE, share=True)
    first, second = sorted(shared, key=lambda skeleton: skeleton[0, 0])
    assert same(first, in_px(one)) and same(second, in_px(other)) and not np.isnan(shared).any()
    fields[..., 2 * LIMBS.index((7, WRIST)) :][..., :2] = 0
    shared = skeletons.find_skeletons(maps, fields, STRIDE, share=True)
    assert [lost(skeleton) for skeleton in shared] == [[WRIST], [WRIST]]


def test_people_with_less_than_min_joints_are_dropped():
    maps, fields = exact(in_px(UPRIGHT))
    maps[..., 9:] = FLAT
    assert len(skeletons.find_skeletons(maps, fields, STRIDE, min_joints=9)) == 1
    assert len(skeletons.find_skeletons(maps, fields, STRIDE, min_joints=10)) == 0
