"""The drawn dancers: people, masks and joints that agree, in a folder that is laid out as MADS.

tests/robustness/test_determinism.py compares every pixel with stored hashes, and two processes.
"""

import itertools
import json
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import drawn_sets
from drawing_here import drawing_here
from processes import contents
from segmentation_tf.drawn import dancers, furniture, tracing
from segmentation_tf.drawn.body import Figure, plain
from segmentation_tf.drawn.motion import POSES, Performance, as_pose, as_row, mirrored, skeleton
from segmentation_tf.drawn.tracing import Box, Camera, Limb, Part, Surface
from segmentation_tf.images import largest_component
from segmentation_tf.pose.joints import JOINTS

SEQUENCE = dancers.SEQUENCES.index("Sports_Badminton")
FRAME = dancers.frame_numbers(SEQUENCE)[0]
NAMES = [f"Sports_Badminton_{camera}_{FRAME:05d}" for camera in dancers.CAMERAS]
LAST = 2  # the camera whose view of the studio is kept, because it was drawn last


@pytest.fixture(scope="module", autouse=True)
def drawn(tmp_path_factory):
    """A set of one sequence with one frame a camera."""
    folder = tmp_path_factory.mktemp("drawn")
    with drawing_here(dancers, "draw_frame"):
        with mock.patch.object(dancers, "FRAMES", 1):
            dancers.draw_mads(folder, sequences=[SEQUENCE])
        yield folder


@pytest.fixture(scope="module")
def moment(drawn):
    """One moment of one sequence by the three cameras: [(image, mask, joints)]."""
    return [dancers.draw_frame(SEQUENCE, camera, FRAME) for camera in range(3)]


@pytest.fixture(scope="module")
def film(drawn):
    return dancers.open_film(SEQUENCE)


@pytest.fixture(scope="module")
def view(drawn):
    return dancers.studio_view(dancers.day_of(SEQUENCE), LAST)


def performer(film):
    return Figure(film.body, film.bones(FRAME)).dressed()


# --- one frame -------------------------------------------------------------------------------


def test_a_frame_is_an_image_with_a_person(moment):
    for image, mask, joints in moment:
        assert image.dtype == np.uint8 and image.shape == (384, 512, 3)
        assert mask.dtype == bool and mask.shape == (384, 512)
        assert 0.015 < mask.mean() < 0.1
        largest = largest_component(mask).sum()
        assert largest > 0.9 * mask.sum(), "a person is one piece, but for what furniture cuts"
        assert len(joints) == len(JOINTS) == 17
    assert len({image.tobytes() for image, _, _ in moment}) == 3


def test_visible_joints_lie_in_the_mask_and_most_are_visible(moment):
    for _, mask, joints in moment:
        near = ndimage.binary_dilation(mask, iterations=2)
        visible = [(x, y) for x, y, seen in joints if seen]
        assert len(visible) >= 6
        assert all(near[round(y), round(x)] for x, y in visible)


def test_no_face_is_visible_from_behind(film):
    """Where the nose is farther than both ears, the head hides it."""

    def from_behind(frame):
        figure = Figure(film.body, film.bones(frame))
        places = [figure.head_at(*dancers.FACE[name]) for name in dancers.FACE]
        depth = film.room.cameras[LAST].project(places)[:, 2]
        return depth[0] > depth[3:].max() + 0.03

    frames = range(dancers.STEP, 20 * dancers.STEP, dancers.STEP)
    frame = next(frame for frame in frames if from_behind(frame))
    joints = dancers.draw_frame(SEQUENCE, LAST, frame)[2]
    assert not any(seen for _, _, seen in joints[:3])


def test_three_cameras_see_the_same_joints(film, moment):
    below_the_face = [film.bones(FRAME).joints[name] for name in JOINTS[5:]]
    for camera, (_, _, joints) in zip(film.room.cameras, moment):
        expected = camera.project(below_the_face)[:, :2]
        assert np.allclose(np.array(joints)[5:, :2], expected, atol=0.01)


def test_nothing_but_the_performer_is_in_the_mask(film, moment):
    """Masks stay within what a camera sees of the performer in an empty space."""
    for camera, (_, mask, _) in zip(film.room.cameras, moment):
        nothing = SimpleNamespace(camera=camera, depth=np.full((768, 1024), np.inf))
        surface, person = dancers.see(nothing, performer(film), [])
        outline = np.zeros((768, 1024), bool)
        top, bottom, left, right = surface.window
        outline[top:bottom, left:right] = person
        covered = tracing.reduce(outline.astype(float))
        assert not (mask & (covered == 0)).any()


def test_what_stands_before_the_performer_is_cut_out_of_the_mask(film, view):
    _, alone = dancers.see(view, performer(film), [])
    pelvis = film.bones(FRAME).joints["pelvis"]
    before = pelvis + 0.3 * (view.camera.position - pelvis)
    parts = furniture.mannequin(np.random.default_rng(0), before * [1, 0, 1], 0.0)
    surface = Surface(view.camera, (0, 768, 0, 1024), parts)
    crowded = SimpleNamespace(camera=view.camera, depth=np.minimum(view.depth, surface.depth))
    _, rest = dancers.see(crowded, performer(film), [])
    assert not (rest & ~alone).any()
    assert rest.sum() < 0.8 * alone.sum()


def test_a_racket_is_drawn_and_not_in_the_mask(film, view):
    bones = film.bones(FRAME)
    surface, person = dancers.see(view, performer(film), dancers.racket(film.name, bones))
    assert ((surface.part >= 0) & ~person).sum() > 50
    assert dancers.racket("Jazz_Jazz1", bones) == []


# --- how people move -------------------------------------------------------------------------


@pytest.mark.parametrize("activity", POSES)
def test_bodies_keep_their_bones_and_stand_on_the_floor(film, activity):
    performance, body, lowest = Performance(np.random.default_rng(4), activity), film.body, []
    bones = (("shoulder", "elbow", body.upper_arm), ("elbow", "wrist", body.forearm),
             ("hip", "knee", body.thigh), ("knee", "ankle", body.shin))  # fmt: skip
    for seconds in np.arange(10, 40, 1.7):
        joints = skeleton(body, performance.pose(seconds), performance.place(seconds)).joints
        for side, (a, b, length) in itertools.product(("left", "right"), bones):
            long = np.linalg.norm(joints[f"{side}_{a}"] - joints[f"{side}_{b}"])
            assert long == pytest.approx(length, rel=1e-6)
        lowest.append(min(joints["left_ankle"][1], joints["right_ankle"][1]))
    assert min(lowest) > body.ankle - 0.02, "no foot goes through the floor"
    assert np.median(lowest) < body.ankle + 0.06, "one foot stands, most of the time"


def test_motion_is_smooth(film):
    dance, times = Performance(np.random.default_rng(1), "HipHop"), np.arange(8, 11, 0.01)
    bones = [skeleton(film.body, dance.pose(t), dance.place(t)) for t in times]
    wrists = [one.joints["left_wrist"] for one in bones]
    speed = np.linalg.norm(np.diff(wrists, axis=0), axis=1) / 0.01
    assert 0.5 < speed.max() < 15, "m/s; a boxer's fist makes about 10"


def test_mirroring_exchanges_left_and_right():
    pose = as_pose(np.arange(18.0))
    assert np.array_equal(mirrored(pose).left_hand, pose.right_hand)
    assert np.array_equal(mirrored(pose).head, pose.head * [-1, 1])
    assert np.array_equal(as_row(mirrored(mirrored(pose))), np.arange(18))


# --- geometry --------------------------------------------------------------------------------

CAMERA = Camera(np.array([0.0, 1, 4]), (0, 1, 0), 400, (384, 512))


def ball(x, y, z, radius):
    return Limb((x, y, z), (x, y, z), (radius, radius))


def traced(*solids):
    """A surface with a part for each solid."""
    parts = [Part([solid], plain((200, 100, 50))) for solid in solids]
    return Surface(CAMERA, (0, 768, 0, 1024), parts)


def test_a_traced_ball_is_as_large_and_as_far_as_it_should_be():
    surface = traced(ball(0, 1, 0, 0.5))
    assert surface.depth.min() == pytest.approx(3.5, abs=0.01)
    radius = 2 * 400 * 0.5 / np.sqrt(4**2 - 0.5**2)
    assert (surface.part == 0).sum() == pytest.approx(np.pi * radius**2, rel=0.03)
    rows, columns = np.nonzero(surface.part == 0)
    points = surface.points(rows, columns)
    normals = surface.normals(rows, columns, points)
    outward = (points - [[0], [1], [0]]) / 0.5
    assert ((normals * outward).sum(axis=0) > 0.95).mean() > 0.99


def test_a_traced_box_hides_what_is_behind_it():
    box = Box((0, 1, 0), (1, 1, 1), np.eye(3))
    surface = traced(box, ball(0, 1, -1, 0.3))
    assert np.array_equal(surface.depth, traced(box).depth)
    assert set(np.unique(surface.part)) == {-1, 0}


def test_parts_outside_of_the_window_keep_their_number():
    far_to_the_right, in_the_middle = ball(50, 1, 0, 0.3), ball(0, 1, 0, 0.3)
    assert set(np.unique(traced(far_to_the_right, in_the_middle).part)) == {-1, 1}


def test_rays_and_projection_agree():
    rows, columns = np.array([10, 300, 700]), np.array([20, 512, 1000])
    points = CAMERA.position[:, None] + 2.5 * CAMERA.rays(rows, columns)
    x, y, depth = CAMERA.project(points.T).T
    assert np.allclose([2 * x + 0.5, 2 * y + 0.5], [columns, rows], atol=1e-2)
    assert np.allclose(depth, 2.5, atol=1e-5)


# --- the folder ------------------------------------------------------------------------------


def test_the_folder_is_laid_out_as_mads_is(drawn):
    inner = "segmentation_full_body_mads_dataset_1192_img/" * 2
    files = [(f"images/{n}.png", f"masks/{n}.png", f"collages/{n}.jpg") for n in NAMES]
    paths = [inner + file for file in ("joints.json", *itertools.chain(*files))]
    assert sorted(contents(drawn)) == sorted(["df.csv", *paths])
    rows = [f"{number},{','.join(three)}" for number, three in enumerate(files)]
    assert (drawn / "df.csv").read_text().splitlines() == [",images,masks,collages", *rows]


def test_files_have_the_formats_of_mads(drawn):
    for name in NAMES:
        image = Image.open(drawn / dancers.TREE / "images" / f"{name}.png")
        mask = Image.open(drawn / dancers.TREE / "masks" / f"{name}.png")
        collage = Image.open(drawn / dancers.TREE / "collages" / f"{name}.jpg")
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (512, 384))
        assert (mask.format, mask.mode, mask.size) == ("PNG", "RGB", (512, 384))
        assert (collage.format, collage.size) == ("JPEG", (1024, 384))
        planes = np.asarray(mask)
        assert set(np.unique(planes)) == {0, 255}
        assert (planes == planes[..., :1]).all()


def test_joints_of_all_images_are_stored(drawn, moment):
    stored = json.loads((drawn / dancers.TREE / "joints.json").read_text())
    assert tuple(stored["names"]) == JOINTS
    assert stored["images"] == {name: joints for name, (_, _, joints) in zip(NAMES, moment)}


def test_every_image_of_the_whole_set_shows_a_person():
    stored = json.loads(drawn_sets.STORED.read_text(encoding="utf-8"))["sets"]
    means = stored[f"MADS-v{dancers.VERSION}"]["means"]
    shares = [mask / 255 for *_, mask in means.values()]
    assert 0.03 < np.mean(shares) < 0.05 and min(shares) > 0.01
