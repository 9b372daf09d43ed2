"""Skeletons: their table and what it must refuse, crops, duos, and maps worked by hand."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mads_tree import NAMES, SIZE, frame, person, write_frame, write_mads
from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets import folders, mads
from segmentation_tf.drawn import dancers
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.pose import targets
from segmentation_tf.pose.joints import AWAY, JOINTS, LIMBS, MIRRORED
from segmentation_tf.pose.targets import Duo

FIRST, SECOND = "HipHop_HipHop1_C0_00180", "HipHop_HipHop1_C0_00225"
HEIGHT, WIDTH = SIZE


def skeleton(number=0):
    """17 rows [x, y, seen] in the box of `mads_tree.person`; every third joint is hidden."""
    return [[20 + number % 20 + 3 * i % 10, 10 + i, int(i % 3 > 0)] for i in range(17)]


def write_joints(home, names=NAMES):
    table = {"names": JOINTS, "images": {name: skeleton(n) for n, name in enumerate(names)}}
    (home / "joints.json").write_text(json.dumps(table))


@pytest.fixture
def home(tmp_path):
    home = write_mads(tmp_path / "set")
    write_joints(home)
    return home


@pytest.fixture
def cases(home):
    return targets.load_cases(home)


def edit(home, change):
    content = json.loads((home / "joints.json").read_text())
    change(content)
    (home / "joints.json").write_text(json.dumps(content))


def refuse(home, match):
    with pytest.raises(DatasetError, match=match) as caught:
        targets.load_cases(home)
    assert str(caught.value).startswith(str(home / "joints.json"))
    return str(caught.value)


def people_of(**places):
    """Two people, the second AWAY, with joints at (x, y) in px; who has none is AWAY too."""
    people = np.stack([AWAY, AWAY])[None]
    for name, place in places.items():
        people[0, 0, JOINTS.index(name)] = *place, 1
    return people


def at_cell(column, row, stride=4):
    """The px of the middle of a cell."""
    return (column + 0.5) * stride - 0.5, (row + 0.5) * stride - 0.5


# --- the joints ------------------------------------------------------------------------------


def test_joints_are_those_of_the_drawn_set():
    assert JOINTS == tuple(dancers.JOINTS) and len(JOINTS) == 17


def test_mirrored_exchanges_left_and_right():
    for name, other in zip(JOINTS, MIRRORED):
        sides = {"left": "right", "right": "left"}
        side, _, part = name.partition("_")
        assert JOINTS[other] == (f"{sides[side]}_{part}" if side in sides else name)
        assert MIRRORED[other] == JOINTS.index(name)


def test_limbs_connect_all_joints_and_have_their_mirror_images():
    reached = {0}
    for _ in LIMBS:
        reached |= {end for limb in LIMBS if reached & set(limb) for end in limb}
    assert reached == set(range(17))
    limbs = {frozenset(limb) for limb in LIMBS}
    assert len(limbs) == len(LIMBS)
    assert {frozenset(MIRRORED[end] for end in limb) for limb in limbs} == limbs


# --- the table -------------------------------------------------------------------------------


def test_cases_come_with_their_joints(cases, capsys):
    assert [case.name for case in cases] == sorted(NAMES)
    for case in cases:
        found = targets.read_skeleton(case)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, skeleton(NAMES.index(case.name)))
    assert "drawn" not in capsys.readouterr().out


def test_a_skeleton_may_be_changed_and_is_read_as_it_was(cases):
    targets.read_skeleton(cases[0])[:] = 0
    np.testing.assert_array_equal(targets.read_skeleton(cases[0]), skeleton())


def test_a_table_that_changed_is_read_again(home, cases):
    edit(home, lambda content: content["images"][FIRST][4].__setitem__(0, 7.25))
    assert targets.read_skeleton(cases[0])[4, 0] == 7.25


def test_no_table_where_a_folder_is_given(home):
    (home / "joints.json").unlink()
    assert "give load_cases no folder" in refuse(home, "this table of joints is missing")


@pytest.mark.parametrize(
    "text",
    ["", "[1, 2]", '{"names": []}', '{"names": null, "images": {}}', '{"names": [], "images": 3}'],
)
def test_a_table_of_something_else(home, text):
    (home / "joints.json").write_text(text)
    assert "write it anew" in refuse(home, "is no table")


def test_joints_in_another_order(home):
    edit(home, lambda content: content["names"].reverse())
    message = refuse(home, "must be the 17 joints of COCO in its order, nose, left_eye")
    assert "they are right_ankle, left_ankle" in message


def test_a_case_without_joints_and_the_others_are_counted(home):
    edit(home, lambda content: [content["images"].pop(name) for name in (FIRST, SECOND, NAMES[7])])
    message = refuse(home, f"has no joints for {FIRST}; add them, or remove {FIRST}.png")
    assert message.endswith("(2 more cases have faults)")


@pytest.mark.parametrize(
    "rows",
    [
        skeleton()[:16],
        [*skeleton()[:16], [1, 2]],
        [*skeleton()[:16], [1, float("nan"), 0]],
        [*skeleton()[:16], [1, None, 0]],
        [*skeleton()[:16], [1, "left", 0]],
        [*skeleton()[:16], [1, "2", 0]],
        [[str(number) for number in row] for row in skeleton()],
        [[True, True, True]] * 17,
        [*skeleton()[:16], [1, 10**400, 0]],
        "nobody",
        {},
        3,
    ],
)
def test_what_is_no_skeleton(home, rows):
    edit(home, lambda content: content["images"].update({SECOND: rows}))
    refuse(home, rf"{SECOND} needs 17 rows \[x, y, seen\], all numbers; correct them$")


def test_a_joint_that_is_neither_seen_nor_hidden(home):
    edit(home, lambda content: content["images"][FIRST][3].__setitem__(2, 2))
    refuse(home, rf"{FIRST}: the third number of a joint is 1 \(seen\) or 0; correct it")


def test_where_the_real_set_has_no_joints_the_drawn_set_serves(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MADS_ROOT", raising=False)
    for module in (folders, mads):
        monkeypatch.setattr(module, "REPOSITORY", tmp_path)
    drawn = write_mads(tmp_path / "drawn", NAMES[:2])
    write_joints(drawn, NAMES[:2])
    monkeypatch.setattr(mads, "drawn_folder", lambda: tmp_path / "drawn")
    assert len(targets.load_cases()) == 2
    assert "pose:" not in capsys.readouterr().out
    real = write_mads(tmp_path / "data" / "mads", NAMES[:6])
    assert len(targets.load_cases()) == 2
    assert "no joints.json there, so the drawn set serves" in capsys.readouterr().out
    write_joints(real, NAMES[:6])
    assert len(targets.load_cases()) == 6
    shutil.copy(real / "joints.json", tmp_path / "mine")
    monkeypatch.setenv("MADS_ROOT", str(write_mads(tmp_path / "other", NAMES[:3])))
    assert len(targets.load_cases()) == 2


# --- crops -----------------------------------------------------------------------------------


def paint(case, x, y):
    """Make a black picture of a case, with a white pixel."""
    picture = np.zeros((*SIZE, 3), np.uint8)
    picture[int(y), int(x)] = 255
    Image.fromarray(picture).save(case.image)


def middle(light):
    """(x, y) of the middle of what is bright in `(H, W)`."""
    rows, columns = np.indices(light.shape)
    return (light * columns).sum() / light.sum(), (light * rows).sum() / light.sum()


def test_the_square_of_a_crop_by_hand(cases):
    # The box is 10 x 30, so the side is 1.2 * 30 = 36; its middle is (25, 25).
    crop = np.asarray(targets.read_crop(cases[0], 36, margin=1.2))
    assert crop.dtype == np.uint8 and crop.shape == (36, 36, 3)
    np.testing.assert_array_equal(crop, frame(person())[7:43, 7:43])
    people = targets.read_people(cases[0], 36, margin=1.2)
    assert people.shape == (2, 17, 3) and people.dtype == np.float32
    np.testing.assert_allclose(people[0], np.array(skeleton()) - (7, 7, 0), atol=1e-5)


def test_what_lies_outside_of_the_picture_is_black(cases):
    # 60 px about (25, 25) reach from row and column -5 to 54; the picture has 48 rows.
    crop = np.asarray(targets.read_crop(cases[0], 60, margin=2))
    np.testing.assert_array_equal(crop[5:53, 5:], frame(person())[:, :55])
    assert not crop[:5].any() and not crop[53:].any() and not crop[:, :5].any()


@pytest.mark.parametrize("size", [18, 36, 90])
def test_joints_lie_on_the_crop_where_they_lay_on_the_picture(cases, size):
    for joint, (x, y, _) in enumerate(skeleton()):
        paint(cases[0], x, y)
        light = np.asarray(targets.read_crop(cases[0], size, 1.2), float)[..., 0]
        place = targets.read_people(cases[0], size, 1.2)[0, joint, :2]
        np.testing.assert_allclose(middle(light), place, atol=0.05)


def test_who_is_away_leaves_nothing_on_any_map(cases):
    people = targets.read_people(cases[0], 64)[None]
    alone = people[:, :1]
    assert not targets.heatmaps(people[:, 1:], 64, 4).numpy().any()
    assert not targets.limb_fields(people[:, 1:], 64, 4).numpy().any()
    for maps in (targets.heatmaps, targets.limb_fields):
        np.testing.assert_array_equal(maps(people, 64, 4), maps(alone, 64, 4))
    _, moved = targets.random_view(np.zeros((1, 64, 64, 3), "float32"), people, (1, 2), 64)
    assert not targets.heatmaps(moved[:, 1:], 64, 4).numpy().any()
    assert not targets.limb_fields(moved[:, 1:], 64, 4).numpy().any()


def test_nobody_in_a_mask_is_refused(home):
    write_frame(home, FIRST, np.zeros(SIZE, bool))
    empty, other = targets.load_cases(home)[:2]
    for scene in (empty, Duo(empty, other, 3), Duo(other, empty, 3)):
        for read in (targets.read_crop, targets.read_people):
            with pytest.raises(DatasetError, match=f"{FIRST}.png: nobody is .*leave the case out"):
                read(scene, 32)


# --- two people ------------------------------------------------------------------------------


@pytest.fixture
def duo(cases):
    """The back is in columns 20 to 29; the front, in 21 to 30, is moved to 26 to 35."""
    return Duo(front=cases[1], back=cases[0], shift=5)


def test_a_case_alone_is_a_scene_too(cases):
    image, people = targets.read_scene(cases[0])
    np.testing.assert_array_equal(image, frame(person()))
    np.testing.assert_array_equal(people, [skeleton()])


def test_the_one_in_front_covers_the_other_and_moves_with_their_joints(duo):
    image, (front, back) = targets.read_scene(duo)
    np.testing.assert_array_equal(image, frame(person() | person(shift=6)))
    np.testing.assert_array_equal(front, np.array(skeleton(1)) + (5, 0, 0))
    before = np.array(skeleton())
    np.testing.assert_array_equal(back[:, :2], before[:, :2])
    covered = before[:, 0] >= 26
    assert 0 < (covered & (before[:, 2] > 0)).sum() < before[:, 2].sum()
    np.testing.assert_array_equal(back[:, 2], before[:, 2] * ~covered)


def test_a_joint_outside_of_the_picture_is_not_covered(home, duo):
    edit(home, lambda content: content["images"][FIRST].__setitem__(0, [30, -9, 1]))
    edit(home, lambda content: content["images"][FIRST].__setitem__(1, [30, HEIGHT, 1]))
    assert targets.read_scene(duo)[1][1, :2, 2].tolist() == [1, 1]


def test_a_duos_crop_shows_both_where_their_joints_are(duo):
    # Columns 20 to 35 and rows 10 to 39: the side is 36 and the middle (28, 25).
    scale = 2
    for number, case in enumerate((duo.front, duo.back)):
        x, y, _ = skeleton(1 - number)[7]  # x is 21 or 22: before the front, and on it
        for one in (duo.front, duo.back):
            paint(one, *((x, y) if one is case else (0, 0)))
        light = np.asarray(targets.read_crop(duo, 36 * scale, 1.2), float)[..., 0]
        place = targets.read_people(duo, 36 * scale, 1.2)[number, 7, :2]
        np.testing.assert_allclose(middle(light), place, atol=0.05)
        left = x + 5 * (number == 0) - 10
        np.testing.assert_allclose(place, [scale * (left + 0.5) - 0.5, scale * (y - 6.5) - 0.5])


def test_duos_are_two_moments_of_one_film_and_one_camera(cases):
    duos = targets.make_duos(cases)
    assert [duo.back for duo in duos] == cases
    for front, back, shift in duos:
        assert front.name != back.name
        assert front.name.rpartition("_")[0] == back.name.rpartition("_")[0]
        assert isinstance(shift, int) and 0 < abs(shift) <= 0.3 * WIDTH
    assert len({duo.shift for duo in duos}) > 6
    assert {duo.shift > 0 for duo in duos} == {True, False}


def test_duos_come_from_the_seed_and_not_from_the_order(cases):
    assert targets.make_duos(cases, seed=3) == targets.make_duos(cases[::-1], seed=3)
    assert targets.make_duos(cases, seed=3) != targets.make_duos(cases, seed=4)


@pytest.mark.parametrize(("place", "side"), [(34, -1), (-20, 1)])
def test_who_is_moved_stays_in_the_picture(home, place, side):
    for name in (FIRST, SECOND):
        write_frame(home, name, person(shift=place))  # at an edge
    pair = targets.load_cases(home)[:2]
    shifts = [duo.shift * side for seed in range(20) for duo in targets.make_duos(pair, seed)]
    assert min(shifts) > 0.07 * WIDTH, "who stands at an edge moves to the other side"


def test_a_single_frame_of_each_film_makes_no_duo(cases):
    with pytest.raises(ValueError, match="two cases of one film and one camera"):
        targets.make_duos(cases[::2])


def test_scenes_go_through_make_dataset(cases):
    def change(images, people, seed):
        views, people = targets.random_view(images, people, seed, 32)
        return views, (targets.heatmaps(people, 32, 4), targets.limb_fields(people, 32, 4))

    data = make_dataset(
        [*cases[:3], *targets.make_duos(cases[:2])],
        48,
        2,
        training=True,
        targets=lambda scene: targets.read_people(scene, 48),
        read=lambda scene: targets.read_crop(scene, 48),
        change=change,
    )
    batches = list(data)
    assert [len(images) for images, _ in batches] == [2, 2, 1]
    for images, (maps, fields) in batches:
        assert images.shape[1:] == (32, 32, 3)
        assert maps.shape[1:] == (8, 8, 17) and fields.shape[1:] == (8, 8, 2 * len(LIMBS))
        assert maps.numpy().max(axis=(1, 2, 3)).min() > 0.7
        assert np.abs(fields).max(axis=(1, 2, 3)).min() > 0.7


# --- views -----------------------------------------------------------------------------------


def test_a_view_moves_joints_with_the_picture_and_a_mirror_exchanges_their_names():
    # A nose in red, the left shoulder in green and the right one in blue, below and to its left.
    count, names = 24, ["nose", "left_shoulder", "right_shoulder"]
    places = np.array([[34, 26], [42, 38], [26, 40]])
    people = np.tile(people_of(**dict(zip(names, places))), (count, 1, 1, 1))
    rows, columns = np.indices((64, 68))
    far = [(columns - x) ** 2 + (rows - y) ** 2 for x, y in places]
    image = 0.2 + 0.6 * np.exp(-np.stack(far, axis=-1) / 8).astype("float32")
    views, moved = targets.random_view(np.tile(image, (count, 1, 1, 1)), people, (5, 6), 48)
    assert views.shape == (count, 48, 48, 3) and moved.shape == people.shape
    turns = []
    for view, joints in zip(views.numpy(), moved.numpy()[:, 0]):
        lit = np.maximum(view - (view.min(axis=(0, 1)) + view.max(axis=(0, 1))) / 2, 0)
        nose, green, blue = (np.array(middle(lit[..., i])) for i in range(3))
        turns.append(np.linalg.det([green - nose, blue - nose]) > 0)
        left, right = (green, blue) if turns[-1] else (blue, green)
        np.testing.assert_allclose(joints[[0, 5, 6], :2], [nose, left, right], atol=0.25)
    assert 4 < sum(turns) < count - 4, "some are mirrored, some are not"
    assert len(np.unique(moved[:, 0, 0, 0])) == count


def test_a_view_is_about_the_middle_of_the_picture():
    people = np.tile(people_of(nose=(59.5, 19.5)), (50, 1, 1, 1))
    images = np.zeros((50, 40, 120, 3), "float32")
    x, y, _ = targets.random_view(images, people, (1, 2), 30)[1].numpy()[:, 0, 0].T
    assert np.abs(x - 14.5).max() < 0.11 * 120 / 0.8 and np.abs(y - 14.5).max() < 0.22 * 40 / 0.8
    assert abs(x.mean() - 14.5) < 3 and abs(y.mean() - 14.5) < 2


def test_views_come_from_the_seed_and_turn_no_further_than_told():
    images = np.zeros((50, 32, 32, 3), "float32")
    people = np.tile(people_of(left_hip=(16, 16), left_knee=(16, 26)), (50, 1, 1, 1))
    first, again, other = (
        targets.random_view(images, people, (1, seed), 24, rotation=0.1)[1].numpy()
        for seed in (2, 2, 3)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    joints = np.where(first[:, 0, 11:12, 2:] > 0, first[:, 0, [11, 13]], first[:, 0, [12, 14]])
    right, down = (joints[:, 1] - joints[:, 0])[:, :2].T
    angles = np.abs(np.arctan2(right, down))
    assert 0.05 < angles.max() <= 0.1001
    assert 0.8 < np.hypot(right, down).min() / 10 and np.hypot(right, down).max() / 10 < 1.251


# --- maps ------------------------------------------------------------------------------------


def test_a_heatmap_is_a_gaussian_of_cells():
    maps = targets.heatmaps(people_of(nose=at_cell(5, 3), left_ear=at_cell(2.5, 7)), 32, 4).numpy()
    assert maps.shape == (1, 8, 8, 17) and maps.dtype == np.float32
    nose, ear = maps[0, ..., 0], maps[0, ..., 3]
    assert nose[3, 5] == 1 and nose.argmax() == 3 * 8 + 5
    near = [nose[3, 6], nose[2, 5], nose[4, 6], nose[3, 3], ear[7, 2], ear[7, 3]]
    np.testing.assert_allclose(near, np.exp([-0.5, -0.5, -1, -2, -0.125, -0.125]), rtol=1e-5)
    assert not np.delete(maps, [0, 3], axis=-1).any()


def test_sigma_and_stride_count_in_cells_and_pixels():
    nose = targets.heatmaps(people_of(nose=(5, 3)), 8, 1, sigma=2).numpy()[0, ..., 0]
    assert nose.shape == (8, 8) and nose[3, 5] == 1
    np.testing.assert_allclose([nose[3, 7], nose[4, 5]], np.exp([-0.5, -0.125]), rtol=1e-5)


def test_of_two_people_the_nearer_one_counts():
    people = people_of(nose=at_cell(2, 3))
    people[0, 1, 0, :2] = at_cell(5, 3)
    line = targets.heatmaps(people, 32, 4).numpy()[0, 3, :, 0]
    np.testing.assert_allclose(line[2:6], np.exp([0, -0.5, -0.5, 0]), rtol=1e-5)


def fields_of(people, first, second, size=40):
    """The two channels of a limb, `(H, W, 2)`."""
    limb = LIMBS.index((JOINTS.index(first), JOINTS.index(second)))
    fields = targets.limb_fields(people, size, 4).numpy()
    assert fields.shape == (len(people), size // 4, size // 4, 36) and fields.dtype == np.float32
    return fields[0, ..., 2 * limb : 2 * limb + 2]


SHOULDERS = "left_shoulder", "right_shoulder"


@pytest.mark.parametrize(
    ("places", "rows", "columns", "vector"),
    [
        ([(2, 4), (6, 4)], slice(3, 6), slice(2, 7), (1, 0)),
        ([(6, 4), (2, 4)], slice(3, 6), slice(2, 7), (-1, 0)),
        ([(5, 2), (5, 6)], slice(2, 7), slice(4, 7), (0, 1)),
        ([(5, 6), (5, 2)], slice(2, 7), slice(4, 7), (0, -1)),
    ],
)
def test_the_field_of_a_limb_is_a_unit_vector_on_it(places, rows, columns, vector):
    people = people_of(**dict(zip(SHOULDERS, (at_cell(*place) for place in places))))
    expected = np.zeros((10, 10, 2))
    expected[rows, columns] = vector
    np.testing.assert_allclose(fields_of(people, *SHOULDERS), expected, atol=1e-5)


def test_a_slanting_limb_has_a_slanting_field_of_length_one():
    field = fields_of(people_of(nose=at_cell(1, 1), left_eye=at_cell(4, 5)), "nose", "left_eye")
    on_limb = field.any(axis=-1)
    np.testing.assert_allclose(field[on_limb], np.tile([0.6, 0.8], (on_limb.sum(), 1)), atol=1e-5)
    assert on_limb[1, 1] and on_limb[5, 4] and on_limb[2, 2] and not on_limb[4, 1]


def test_where_two_peoples_limbs_cross_the_field_is_their_mean():
    people = people_of(left_shoulder=at_cell(1, 4), right_shoulder=at_cell(8, 4))
    people[0, 1, 5, :2], people[0, 1, 6, :2] = at_cell(5, 1), at_cell(5, 8)
    field = fields_of(people, *SHOULDERS)
    for (row, column), vector in {
        (4, 2): (1, 0),
        (7, 5): (0, 1),
        (4, 5): (0.5, 0.5),
        (5, 6): (0.5, 0.5),
        (8, 8): (0, 0),
    }.items():
        np.testing.assert_allclose(field[row, column], vector, atol=1e-5)


def test_joints_that_coincide_make_no_field():
    people = people_of(left_shoulder=at_cell(4, 4), right_shoulder=at_cell(4, 4))
    assert not fields_of(people, *SHOULDERS).any()


def test_maps_are_made_of_batches_of_any_size():
    people = np.tile(people_of(nose=(9, 9), left_eye=(20, 9)), (3, 1, 1, 1))
    for maps in (targets.heatmaps, targets.limb_fields):
        data = tf.data.Dataset.from_tensor_slices(people).batch(2)
        found = list(data.map(lambda batch, maps=maps: maps(batch, 32, 4)))
        assert [len(batch) for batch in found] == [2, 1]
        np.testing.assert_allclose(np.concatenate(found), maps(people, 32, 4), atol=1e-6)


# --- what cannot be ---------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1e6, -1e39, 1e308])
def test_a_joint_far_outside_of_any_picture(home, value):
    edit(home, lambda content: content["images"][FIRST].__setitem__(0, [value, 0, 1]))
    refuse(home, f"{FIRST} has a joint more than 100000 px off")


def test_a_table_that_changed_after_loading_is_refused_with_its_file(home, cases):
    edit(home, lambda content: content["images"].pop(FIRST))
    with pytest.raises(DatasetError, match="has no joints for"):
        targets.read_skeleton(cases[0])


def test_frames_of_two_sizes_make_no_duo(home, cases):
    duo = Duo(front=cases[1], back=cases[0], shift=5)
    for part in ("images", "masks"):
        file = home / part / f"{cases[0].name}.png"
        Image.open(file).resize((128, 96), Image.Resampling.NEAREST).save(file)
    for read in (targets.read_scene, lambda scene: targets.read_people(scene, 36)):
        with pytest.raises(DatasetError, match="is 64 x 48 pixels but .* is 128 x 96"):
            read(duo)


def test_sizes_that_are_no_multiple_of_the_stride():
    for maps in (targets.heatmaps, targets.limb_fields):
        for stride in (0, 5):
            with pytest.raises(ValueError, match="must be a multiple of stride"):
                maps(people_of(), 32, stride)


def test_a_square_needs_a_margin(cases):
    with pytest.raises(ValueError, match="margin is 0"):
        targets.read_crop(cases[0], 36, margin=0)
