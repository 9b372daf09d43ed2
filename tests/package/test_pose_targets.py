"""Joints of people: their table and its faults, crops, duos, and maps worked out by hand."""

import json

import numpy as np
import pytest
from PIL import Image

from mads_tree import NAMES, SIZE, frame, person, write_frame, write_mads
from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets import folders, mads
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.pose import targets
from segmentation_tf.pose.joints import JOINTS, LIMBS, MIRRORED
from segmentation_tf.pose.targets import AWAY, Duo

FIRST, SECOND = NAMES[:2]  # of one film and one camera
HEIGHT, WIDTH = SIZE


def skeleton(number=0):
    """17 rows [x, y, seen] in the box of `mads_tree.person`; every third joint is hidden."""
    return [[20 + number % 20 + 3 * i % 10, 10 + i, int(i % 3 > 0)] for i in range(17)]


def write_joints(home, images):
    (home / "joints.json").write_text(json.dumps({"names": JOINTS, "images": images}))


def write_people(root, names):
    home = write_mads(root, names)
    write_joints(home, {name: skeleton(number) for number, name in enumerate(names)})
    return home


@pytest.fixture
def home(tmp_path):
    return write_people(tmp_path, NAMES[:2])


@pytest.fixture
def cases(home):
    return targets.load_cases(home)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Nine films of two cases each."""
    return targets.load_cases(write_people(tmp_path_factory.mktemp("films"), NAMES))


def refuse(home, match):
    with pytest.raises(DatasetError, match=match) as caught:
        targets.load_cases(home)
    assert str(caught.value).startswith(str(home / "joints.json"))
    return str(caught.value)


def people_of(**places):
    """Two people `(1, 2, 17, 3)`: those joints of the first at (x, y) in px, all others AWAY."""
    people = np.stack([AWAY, AWAY])[None]
    for name, place in places.items():
        people[0, 0, JOINTS.index(name)] = *place, 1
    return people


def at_cell(column, row, stride=4):
    """The px of the middle of a cell."""
    return (column + 0.5) * stride - 0.5, (row + 0.5) * stride - 0.5


# --- the joints ------------------------------------------------------------------------------


def test_mirrored_exchanges_left_and_right():
    sides = {"left": "right", "right": "left"}
    for name, other in zip(JOINTS, MIRRORED):
        side, _, part = name.partition("_")
        assert JOINTS[other] == (f"{sides[side]}_{part}" if side in sides else name)


def test_limbs_connect_all_joints_and_have_their_mirror_images():
    reached = {0}
    for _ in LIMBS:
        reached |= {end for limb in LIMBS if reached & set(limb) for end in limb}
    assert reached == set(range(17))
    limbs = {frozenset(limb) for limb in LIMBS}
    assert len(limbs) == len(LIMBS)
    assert {frozenset(MIRRORED[end] for end in limb) for limb in limbs} == limbs


# --- the table -------------------------------------------------------------------------------


def test_cases_come_with_their_joints(cases):
    targets.read_skeleton(cases[0])[:] = 0  # is not seen by others
    for number, case in enumerate(cases):
        found = targets.read_skeleton(case)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, skeleton(number))


def test_a_table_that_changes_is_read_again(home, cases):
    write_joints(home, {FIRST: skeleton(3)})
    np.testing.assert_array_equal(targets.read_skeleton(cases[0]), skeleton(3))
    write_joints(home, {})
    with pytest.raises(DatasetError, match="has no joints for"):
        targets.read_skeleton(cases[0])


def test_no_table_where_a_folder_is_given(home):
    (home / "joints.json").unlink()
    assert "call load_cases without a folder" in refuse(home, "this table of joints is missing")


def with_row(row):
    """A table whose first skeleton ends with this row."""
    return {"names": JOINTS, "images": {FIRST: [*skeleton()[:16], row]}}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "is not JSON in UTF-8"),
        ([1, 2], "its content: .* is not of type 'object'"),
        ({"names": JOINTS}, "its content: 'images' is a required property"),
        ({"names": ["Nose", *JOINTS[1:]], "images": {}}, r"names\[0\]: 'Nose' is not .*'nose'"),
        ({"names": JOINTS, "images": {FIRST: skeleton()[:16]}}, rf"images.{FIRST}: .* too short"),
        (with_row([1, 2]), rf"images.{FIRST}\[16\]: .* too short"),
        (with_row(["7", 2, 1]), rf"images.{FIRST}\[16\]\[0\]: '7' is not of type 'number'"),
        (with_row([1, 2, 2]), rf"images.{FIRST}\[16\]\[2\]: 2 is not one of \[0, 1\]"),
        (with_row([1e6, 2, 0]), rf"images.{FIRST}\[16\]\[0\]: .* greater than .* 100000"),
        (with_row([1, float("nan"), 0]), f"images.{FIRST}: has NaN"),
    ],
)
def test_a_table_with_a_fault_is_refused_with_its_place_and_the_way_out(home, content, match):
    text = content if isinstance(content, str) else json.dumps(content)
    (home / "joints.json").write_text(text)
    assert "17 rows [x, y, seen], all numbers" in refuse(home, match)


def test_cases_without_joints_are_counted(home):
    write_joints(home, {})
    message = refuse(home, f"has no joints for {FIRST}; add them, or remove {FIRST}.png")
    assert message.endswith("(1 more case has a fault)")


def test_where_the_real_set_has_no_joints_the_drawn_set_serves(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MADS_ROOT", raising=False)
    monkeypatch.setattr(folders, "REPOSITORY", tmp_path)
    drawn = write_people(tmp_path / "drawn", NAMES[:2])
    monkeypatch.setattr(mads, "drawn_folder", lambda: drawn)
    write_mads(tmp_path / "data" / "mads", NAMES[:6])
    assert len(targets.load_cases()) == 2
    assert "no joints.json there, so the drawn set serves" in capsys.readouterr().out
    write_people(tmp_path / "data" / "mads", NAMES[:6])
    assert len(targets.load_cases()) == 6
    assert "pose:" not in capsys.readouterr().out


# --- crops -----------------------------------------------------------------------------------


def middle(light):
    """(x, y) of the middle of what is bright in `(H, W)`."""
    rows, columns = np.indices(light.shape)
    return (light * columns).sum() / light.sum(), (light * rows).sum() / light.sum()


def test_the_square_of_a_crop_by_hand_is_black_outside_of_the_picture(cases):
    # The box is 10 x 30, its middle (25, 25). 2 * 30 px reach from row and column -5 to 54.
    picture, people = targets.read_crop(cases[0], 60, margin=2)
    expected = np.zeros((60, 60, 3))
    expected[5:53, 5:] = frame(person())[:, :55]
    np.testing.assert_array_equal(picture, expected)
    assert people.dtype == np.float32
    np.testing.assert_allclose(people, [np.array(skeleton()) + (5, 5, 0), AWAY + (5, 5, 0)])


@pytest.mark.parametrize(("size", "joint"), [(18, 0), (90, 8), (90, 16)])
def test_joints_lie_on_the_crop_where_they_lay_on_the_picture(cases, size, joint):
    x, y, _ = skeleton()[joint]
    picture = np.zeros((*SIZE, 3), np.uint8)
    picture[y, x] = 255
    Image.fromarray(picture).save(cases[0].image)
    crop, people = targets.read_crop(cases[0], size, margin=1.2)
    light = np.asarray(crop, float)[..., 0]
    np.testing.assert_allclose(people[0, joint, :2], middle(light), atol=0.05)


def test_areas_are_those_of_the_masks_on_the_crop_hidden_parts_too(cases):
    # The person is 10 x 30; the square of two, as below, is 36 px wide.
    duo = Duo(front=cases[1], back=cases[0], shift=5)
    assert targets.read_areas(cases[0], 66, margin=1.1) == pytest.approx([300 * 2**2])
    assert targets.read_areas(duo, 72, margin=1.2) == pytest.approx([300 * 2**2] * 2)


def test_an_empty_mask_is_refused(home):
    write_frame(home, FIRST, np.zeros(SIZE, bool))
    empty, other = targets.load_cases(home)
    for scene in (empty, *targets.make_duos([empty, other])):
        with pytest.raises(DatasetError, match=f"{FIRST}.png: nobody is .*leave the case out"):
            targets.read_crop(scene, 32)


# --- two people ------------------------------------------------------------------------------


@pytest.fixture
def duo(cases):
    """The back is in columns 20 to 29; the front, in 21 to 30, is moved to 26 to 35."""
    return Duo(front=cases[1], back=cases[0], shift=5)


def test_the_person_in_front_covers_the_other_and_moves_with_their_joints(duo):
    # Columns 20 to 35 and rows 10 to 39: the side is 36 and the middle (28, 25).
    red = (255, 0, 0)
    Image.new("RGB", (WIDTH, HEIGHT), red).save(duo.front.image)
    picture, (front, back) = targets.read_crop(duo, 36, margin=1.2)
    both = frame(person())
    both[person(shift=6)] = red
    np.testing.assert_array_equal(picture, both[7:43, 10:46])
    np.testing.assert_array_equal(front, np.array(skeleton(1)) + (5 - 10, -7, 0))
    before = np.array(skeleton())
    np.testing.assert_array_equal(back[:, :2], before[:, :2] - (10, 7))
    is_covered = before[:, 0] >= 26
    assert 0 < (is_covered & (before[:, 2] > 0)).sum() < before[:, 2].sum()
    np.testing.assert_array_equal(back[:, 2], before[:, 2] * ~is_covered)


def test_scenes_are_read_together(cases, duo):
    pictures, people, areas = targets.read_scenes([duo, duo], 36)
    picture, both = targets.read_crop(duo, 36)
    np.testing.assert_array_equal(pictures, [picture, picture])
    np.testing.assert_array_equal(people, [both, both])
    np.testing.assert_array_equal(areas, [targets.read_areas(duo, 36)] * 2)
    assert targets.read_scenes(cases, 36)[2].shape == (len(cases), 1)


def test_a_joint_outside_of_the_picture_is_not_covered(home, duo):
    pillar = np.zeros(SIZE, bool)
    pillar[:, 21:31] = True
    write_frame(home, SECOND, pillar)
    outside = [[30, -9, 1], [30, HEIGHT, 1]]
    write_joints(home, {FIRST: outside + skeleton()[2:], SECOND: skeleton(1)})
    _, (_, back) = targets.read_crop(duo, 36)
    assert back[:2, 2].tolist() == [1, 1]


def test_frames_of_two_sizes_make_no_duo(home, duo):
    for part in ("images", "masks"):
        file = home / part / f"{FIRST}.png"
        Image.open(file).resize((128, 96), Image.Resampling.NEAREST).save(file)
    with pytest.raises(DatasetError, match=f"{FIRST}.png differ in size, but a film has one"):
        targets.read_crop(duo, 36)


def test_duos_are_two_frames_of_one_film_and_one_camera(films):
    duos = targets.make_duos(films)
    assert [duo.back for duo in duos] == films
    for front, back, shift in duos:
        assert front.name != back.name
        assert front.name.rpartition("_")[0] == back.name.rpartition("_")[0]
        assert isinstance(shift, int) and 0 < abs(shift) <= 0.2 * WIDTH
    assert {duo.shift > 0 for duo in duos} == {True, False}
    assert duos == targets.make_duos(films[::-1]), "their order does not count"
    assert duos != targets.make_duos(films, seed=1)


@pytest.mark.parametrize(("place", "side"), [(34, -1), (-20, 1)])
def test_people_at_an_edge_are_moved_to_the_other_side(home, place, side):
    for name in (FIRST, SECOND):
        write_frame(home, name, person(shift=place))
    pair = targets.load_cases(home)
    shifts = [duo.shift * side for seed in range(8) for duo in targets.make_duos(pair, seed)]
    assert min(shifts) > 0.07 * WIDTH


def test_a_single_frame_of_each_film_makes_no_duo(films):
    with pytest.raises(ValueError, match="two frames of one performance from one camera"):
        targets.make_duos(films[::2])


def test_scenes_go_through_make_dataset(cases, duo):
    def augment_fn(images, people, seed):
        views, people = targets.random_view(images, people, seed, size=32)
        return views, (targets.heatmaps(people, 32, 4), targets.limb_fields(people, 32, 4))

    def load_fn(scene):
        return targets.read_crop(scene, 48)

    data = make_dataset([*cases, duo], 48, 2, training=True, load_fn=load_fn, augment_fn=augment_fn)
    for images, (maps, fields) in data:
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
    images = np.tile(image, (count, 1, 1, 1))
    views, moved = targets.random_view(images, people, (5, 6), size=48)
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


def test_views_come_from_the_seed_are_about_the_middle_and_turn_a_little():
    hip, knee = (59.5, 19.5), (59.5, 29.5)  # the middle of the picture, and below it
    legs = people_of(left_hip=hip, right_hip=hip, left_knee=knee, right_knee=knee)
    people, images = np.tile(legs, (50, 1, 1, 1)), np.zeros((50, 40, 120, 3), "float32")
    first, again, other = (
        targets.random_view(images, people, (1, seed), size=30)[1].numpy() for seed in (2, 2, 3)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    x, y, _ = first[:, 0, 11].T
    assert np.abs(x - 14.5).max() < 0.11 * 120 / 0.8 and np.abs(y - 14.5).max() < 0.22 * 40 / 0.8
    assert abs(x.mean() - 14.5) < 3 and abs(y.mean() - 14.5) < 2
    right, down, _ = (first[:, 0, 13] - first[:, 0, 11]).T
    assert 0.2 < np.abs(np.arctan2(right, down)).max() <= 0.3001
    assert 0.8 < np.hypot(right, down).min() / 10 and np.hypot(right, down).max() / 10 < 1.251


# --- maps ------------------------------------------------------------------------------------


def test_a_person_who_is_away_leaves_nothing_on_any_map():
    people = people_of(left_shoulder=(9, 30), right_shoulder=(30, 20))
    _, moved = targets.random_view(np.zeros((1, 64, 64, 3), "float32"), people, (1, 2), size=64)
    for maps in (targets.heatmaps, targets.limb_fields):
        np.testing.assert_array_equal(maps(people, 64, 4), maps(people[:, :1], 64, 4))
        assert not maps(people[:, 1:], 64, 4).numpy().any()
        assert not maps(moved[:, 1:], 64, 4).numpy().any()


@pytest.mark.parametrize("stride", [1, 4])
def test_a_heatmap_is_a_gaussian_of_cells(stride):
    people = people_of(nose=at_cell(5, 3, stride), left_ear=at_cell(2.5, 7, stride))
    maps = targets.heatmaps(people, 8 * stride, stride).numpy()
    assert maps.shape == (1, 8, 8, 17) and maps.dtype == np.float32
    nose, ear = maps[0, ..., 0], maps[0, ..., 3]
    assert nose[3, 5] == 1 and nose.argmax() == 3 * 8 + 5
    near = [nose[3, 6], nose[2, 5], nose[4, 6], nose[3, 3], ear[7, 2], ear[7, 3]]
    np.testing.assert_allclose(near, np.exp([-0.5, -0.5, -1, -2, -0.125, -0.125]), rtol=1e-5)
    assert not np.delete(maps, [0, 3], axis=-1).any()


def test_of_two_people_the_nearer_one_counts():
    people = people_of(nose=at_cell(2, 3))
    people[0, 1, 0, :2] = at_cell(5, 3)
    line = targets.heatmaps(people, 32, 4).numpy()[0, 3, :, 0]
    np.testing.assert_allclose(line[2:6], np.exp([0, -0.5, -0.5, 0]), rtol=1e-5)


def field_of(people, first="left_shoulder", second="right_shoulder"):
    """The two channels of a limb, `(10, 10, 2)`."""
    limb = LIMBS.index((JOINTS.index(first), JOINTS.index(second)))
    fields = targets.limb_fields(people, 40, 4).numpy()
    assert fields.shape == (1, 10, 10, 36) and fields.dtype == np.float32
    return fields[0, ..., 2 * limb : 2 * limb + 2]


@pytest.mark.parametrize(
    ("left", "right", "on_limb", "vector"),
    [
        ((2, 4), (6, 4), np.s_[3:6, 2:7], (1, 0)),
        ((6, 4), (2, 4), np.s_[3:6, 2:7], (-1, 0)),
        ((5, 2), (5, 6), np.s_[2:7, 4:7], (0, 1)),
        ((4, 4), (4, 4), np.s_[:0], (0, 0)),
    ],
)
def test_the_field_of_a_limb_is_a_unit_vector_on_it(left, right, on_limb, vector):
    people = people_of(left_shoulder=at_cell(*left), right_shoulder=at_cell(*right))
    expected = np.zeros((10, 10, 2))
    expected[on_limb] = vector
    np.testing.assert_allclose(field_of(people), expected, atol=1e-5)


def test_a_slanting_limb_has_a_slanting_field_of_length_one():
    field = field_of(people_of(nose=at_cell(1, 1), left_eye=at_cell(4, 5)), "nose", "left_eye")
    on_limb = field.any(axis=-1)
    np.testing.assert_allclose(field[on_limb], np.tile([0.6, 0.8], (on_limb.sum(), 1)), atol=1e-5)
    assert on_limb[1, 1] and on_limb[5, 4] and on_limb[2, 2] and not on_limb[4, 1]


def test_where_two_peoples_limbs_cross_the_field_is_their_mean():
    people = people_of(left_shoulder=at_cell(1, 4), right_shoulder=at_cell(8, 4))
    people[0, 1, 5, :2], people[0, 1, 6, :2] = at_cell(5, 1), at_cell(5, 8)
    field = field_of(people)
    rows, columns = [4, 7, 4, 5, 8], [2, 5, 5, 6, 8]
    expected = [(1, 0), (0, 1), (0.5, 0.5), (0.5, 0.5), (0, 0)]
    np.testing.assert_allclose(field[rows, columns], expected, atol=1e-5)


@pytest.mark.parametrize(("maps", "stride"), [(targets.heatmaps, 0), (targets.limb_fields, 5)])
def test_sizes_that_are_no_multiple_of_the_stride(maps, stride):
    with pytest.raises(ValueError, match="must be a multiple of stride"):
        maps(people_of(), 32, stride)
