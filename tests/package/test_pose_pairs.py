"""Pictures of two people: who stands where, and that joints move with their pixels."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mads_tree import NAMES, SIZE, frame, person, write_frame, write_mads
from segmentation_tf.cases import DatasetError
from segmentation_tf.pose import pairs, targets
from segmentation_tf.pose.joints import JOINTS, MIRRORED
from segmentation_tf.pose.targets import AWAY

HEIGHT, WIDTH = SIZE
PX, STRIDE = 64, 4


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Nine films of two cases each; all joints lie in the box of `mads_tree.person`."""
    home = write_mads(tmp_path_factory.mktemp("films"), NAMES)
    rows = [[21 + i % 8, 11 + i, 1] for i in range(17)]
    table = {"names": JOINTS, "images": dict.fromkeys(NAMES, rows)}
    (home / "joints.json").write_text(json.dumps(table))
    return targets.load_cases(home)


@pytest.fixture(scope="module")
def cutouts(cases):
    return pairs.read_cutouts(cases)


def test_cutouts_are_frames_with_their_masks_joints_and_boxes(cases, cutouts):
    assert cutouts.pictures.shape == (len(cases), HEIGHT * 0.75, WIDTH * 0.75, 4)
    assert cutouts.pictures.dtype == np.uint8
    small = Image.fromarray(frame(person())).resize((round(WIDTH * 0.75), round(HEIGHT * 0.75)))
    assert cutouts.pictures[0, ..., :3].mean() == pytest.approx(np.mean(small), abs=1)
    assert cutouts.boxes[0].tolist() == [15, 7.5, 22.5, 30]
    skeleton = targets.read_skeleton(cases[0])
    np.testing.assert_allclose(cutouts.skeletons[0, :, 0], (skeleton[:, 0] + 0.5) * 0.75 - 0.5)
    films = {case.name.rpartition("_")[0]: number for case, number in zip(cases, cutouts.films)}
    assert len(set(cutouts.films)) == len(films) > 1


def test_an_empty_mask_and_frames_of_two_sizes_are_refused(tmp_path):
    home = write_mads(tmp_path, NAMES[:2])
    rows = [[21, 11 + i, 1] for i in range(17)]
    table = {"names": JOINTS, "images": dict.fromkeys(NAMES[:2], rows)}
    (home / "joints.json").write_text(json.dumps(table))
    cases = targets.load_cases(home)
    for part in ("images", "masks"):
        file = home / part / f"{NAMES[0]}.png"
        Image.open(file).resize((128, 96), Image.Resampling.NEAREST).save(file)
    with pytest.raises(DatasetError, match="2 sizes"):
        pairs.read_cutouts(cases)
    write_frame(home, NAMES[1], np.zeros(SIZE, bool))
    with pytest.raises(DatasetError, match="nobody is in this mask"):
        pairs.read_cutouts(cases)


def test_pairs_come_from_the_seed_and_both_people_are_in_the_picture(cutouts):
    drawn = pairs.draw_pairs(cutouts, 400, PX, seed=3)
    again = pairs.draw_pairs(cutouts, 400, PX, seed=3)
    for one, other in zip(drawn, again):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(drawn.frames, pairs.draw_pairs(cutouts, 400, PX, seed=4).frames)
    assert drawn.is_pair.mean() == pytest.approx(1 - pairs.ALONE, abs=0.05)
    assert (drawn.people[drawn.is_pair == 0, 0] == AWAY).all()
    places = np.concatenate([drawn.people[:, 1], drawn.people[drawn.is_pair == 1, 0]])[..., :2]
    assert np.mean((places > 0) & (places < PX - 1)) > 0.95
    films = cutouts.films[drawn.frames]
    assert 0.6 < np.mean(films[:, 0] == films[:, 1]) < 0.8  # others are of one film by chance


def test_transforms_lead_back_to_the_joints_of_the_frame(cutouts):
    drawn = pairs.draw_pairs(cutouts, 20, PX)
    a, b, x, c, d, y = np.moveaxis(drawn.transforms[..., :6], -1, 0)
    is_mirrored = (a * d - b * c < 0)[..., None, None]
    assert 0 < is_mirrored.mean() < 1
    people = np.where(is_mirrored, drawn.people[:, :, MIRRORED], drawn.people)
    u, v = people[..., 0], people[..., 1]
    a, b, x, c, d, y = (value[..., None] for value in (a, b, x, c, d, y))
    found = np.stack([a * u + b * v + x, c * u + d * v + y], axis=-1)
    there = np.stack([drawn.is_pair, np.ones(20)], axis=1) > 0
    expected = cutouts.skeletons[drawn.frames][..., :2]
    np.testing.assert_allclose(found[there], expected[there], atol=1e-3)


def test_batches_show_the_front_person_over_the_other(cutouts):
    drawn = pairs.draw_pairs(cutouts, 10, PX)
    data = pairs.make_pairs_dataset(cutouts, drawn, PX, STRIDE, batch_size=4)
    images, maps = next(iter(data))
    assert int(data.cardinality()) == 2
    assert images.shape == (4, PX, PX, 3) and 0 <= images.numpy().min() <= images.numpy().max() <= 1
    assert maps.shape == (4, PX // STRIDE, PX // STRIDE, 17 + 36)
    expected = targets.heatmaps(drawn.people[:4], PX, STRIDE)
    np.testing.assert_allclose(maps[..., :17], expected, atol=1e-6)


def test_a_person_laid_over_a_frame_covers_it_and_nobody_covers_it_alone():
    white, black = np.full((2, 40, 40, 4), 255, "uint8")
    black[..., :3], white[..., 3] = 0, 0
    white[10:20, 10:20, 3] = 255
    still = np.tile(np.float32([1, 0, 0, 0, 1, 0, 0, 0]), (2, 2, 1))
    people = np.zeros((2, 2, 17, 3), "float32")
    drawn = pairs.Pairs(np.int32([[0, 1], [0, 1]]), still, people, np.float32([1, 0]))
    pictures = tf.constant(np.stack([white, black]))
    both, alone = pairs.compose(pictures, drawn, tf.constant([0, 1]), 40).numpy()
    assert both[10:20, 10:20].min() > 0.7 and both[:9].max() < 0.3
    assert alone.max() < 0.3
