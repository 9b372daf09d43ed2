"""Drawn dancers: people who move in a studio, filmed by three cameras, in the folders of MADS.

A frame is drawn in the order in which light meets the scene:

    pose -> body and clothes -> light and shadow -> the studio behind -> camera

(`motion`, `body`, `light`, `studio` with its `furniture`; `tracing` holds the geometry.) Within a
sequence one person performs in one room, and the cameras C0, C1 and C2 film the same moments. So
the frames of a sequence are alike: a random split tests on what it was trained on. On most days
two sequences are filmed, in the same studio.

Skin, hair and clothes belong to the person. The racket in a player's hand, shadows and the
mannequin do not. A pixel belongs to the mask if the person covers half of it or more in the middle
of the exposure, however far the blur of motion reaches.

joints.json holds `{"names": [17 names], "images": {name: [[x, y, visible], 16 more]}}`: for each
image (without its ending) the JOINTS of `pose.joints`. x, y: px of the image, (0, 0) is the middle
of its top left pixel. visible: 1 if only the joint's own flesh and cloth lie before it; 0 if
another part of the body, the racket or furniture hides it, or if it lies outside of the image.
"""

import io
import itertools
import json
import math
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from segmentation_tf.drawn import tracing
from segmentation_tf.drawn.body import Figure, plain, random_body
from segmentation_tf.drawn.drawing import draw_parallel, smooth_noise
from segmentation_tf.drawn.light import SHADOW_REACH, lit, performer_shadow, sample
from segmentation_tf.drawn.motion import FRAMES_PER_SECOND, Performance, Skeleton, skeleton
from segmentation_tf.drawn.studio import SIZE, View, random_room, view_room
from segmentation_tf.drawn.tracing import FINE, Limb, Part, Surface, reduce, unit
from segmentation_tf.pose.joints import JOINTS

VERSION = 4  # raise it when any pixel changes: the folder's name contains it

SEQUENCES = (
    *(f"HipHop_HipHop{i}" for i in range(1, 15)),
    *(f"Jazz_Jazz{i}" for i in range(1, 13)),
    *(f"Kata_{kata}" for kata in ("F1", "F2", "F3", "F4", "F5", "N1", "N2", "N3", "P2", "P3")),
    *("Sports_Badminton", "Sports_Basketball", "Sports_Football", "Sports_Handball"),
    *("Sports_Tennis", "Sports_Volleyball"),
    *(f"Taichi_S{i}" for i in range(1, 13)),
)  # twice the real set's 27, with fewer frames each: a network has to meet many people
ALL = range(len(SEQUENCES))
CAMERAS = ("C0", "C1", "C2")
FRAMES = 3  # of each camera
STEP = 45  # frames of the film from one to the next
EXPOSURE = 0.02  # s
DIMMING = 0.2  # deviation of the logarithm of the light of a circuit of lamps
RACKETS = {"Sports_Badminton": (0.40, 0.09, 0.005), "Sports_Tennis": (0.34, 0.125, 0.011)}  # m
TREE = Path(*["segmentation_full_body_mads_dataset_1192_img"] * 2)

FACE = {  # places as seen from the centre of the head: left, up, front in m
    "nose": (0, -0.028, 0.1),
    "left_eye": (0.034, 0, 0.075),
    "right_eye": (-0.034, 0, 0.075),
    "left_ear": (0.08, -0.015, 0),
    "right_ear": (-0.08, -0.015, 0),
}
# How deep a joint lies under the surface at most, the thickest clothes included, in m.
DEEPEST = {"nose": 0.04, "eye": 0.04, "ear": 0.04, "shoulder": 0.11, "elbow": 0.09, "wrist": 0.09,
           "hip": 0.2, "knee": 0.13, "ankle": 0.1}  # fmt: skip


LIGHT = ((np.arange(2000) + 0.5) / 1000) ** 2  # its square roots are 1/1000 apart
# The level that the camera gives each light, 6 to 312. Bright light is compressed.
TONES = (6 + 235 * (LIGHT / np.sqrt(1 + 0.25 * LIGHT**2)) ** (1 / 2.2)).astype(np.float32)


class Film:
    """One sequence: the person, what they do, and the studio."""

    def __init__(self, sequence: int):
        self.name, self.key = SEQUENCES[sequence], (0, sequence)
        rng = np.random.default_rng(self.key)
        activity = self.name.split("_")[0]
        self.day = day_of(sequence)
        self.room = _open_room(self.day)
        self.body = random_body(rng, activity)
        self.performance = Performance(rng, activity)

    def bones(self, frame: int, later: float = 0.0) -> Skeleton:
        """The skeleton at a frame of the film, or some seconds later."""
        seconds = frame / FRAMES_PER_SECOND + later
        return skeleton(self.body, self.performance.pose(seconds), self.performance.place(seconds))


class Moment:
    """A frame of a sequence as all three cameras film it: the performer, and the light."""

    def __init__(self, sequence: int, frame: int):
        film = open_film(sequence)
        self.bones, self.later = film.bones(frame), film.bones(frame, EXPOSURE)
        self.figure = Figure(film.body, self.bones)
        self.parts, self.racket = self.figure.dressed(), racket(film.name, self.bones)
        self.spheres = self.figure.spheres()
        # Each circuit of lamps is a little brighter or darker in each frame.
        self.levels = np.exp(np.random.default_rng([*film.key, frame]).normal(0, DIMMING, 2))
        self.lamps = film.room.lamps.dimmed(self.levels)
        self.middle = self.bones.joints["pelvis"][[0, 2]]  # x, z of the shadow map, m
        self.shadow = performer_shadow(self.lamps, self.spheres, self.middle)


# A day has at most two sequences, of FRAMES moments each.
open_film = lru_cache(maxsize=2)(Film)
open_moment = lru_cache(maxsize=2 * FRAMES)(Moment)


def day_of(sequence: int) -> int:
    """On two days of three, two sequences are filmed before furniture and cameras are moved."""
    return 3 * sequence // 5


@lru_cache(maxsize=1)
def _open_room(day):
    return random_room(np.random.default_rng([0, day, 2]))


@lru_cache(maxsize=1)
def studio_view(day: int, camera: int) -> View:
    """The studio, drawn once for all that a camera films on a day."""
    room = _open_room(day)
    return view_room(room, room.cameras[camera])


def frame_numbers(sequence: int) -> list[int]:
    """The frames that are drawn of a sequence, the same for all its cameras."""
    first = np.random.default_rng([0, sequence, 1]).integers(1, 9)
    return [STEP * int(first + k) for k in range(FRAMES)]


def draw_frame(sequence: int, camera: int, frame: int) -> tuple[np.ndarray, np.ndarray, list]:
    """Draw a frame of SEQUENCES[sequence] by camera 0 to 2, the same in every process.

    Returns `(image, mask, joints)`: uint8 (384, 512, 3), bool (384, 512), and [x, y, visible] for
    each of JOINTS.
    """
    film, moment = open_film(sequence), open_moment(sequence, frame)
    view = studio_view(film.day, camera)
    rng = np.random.default_rng([*film.key, camera, frame])
    surface, person = see(view, moment.parts, moment.racket)
    light = view.with_show(rng, film.room.show, moment.levels)
    light *= _shadow_on_floor(moment, view)
    layer = _shaded(moment.lamps, surface, moment.spheres)
    layer = _smeared(layer, surface, moment.bones, moment.later)
    window = _picture_part(surface.window)
    light[:, *window] = light[:, *window] * (1 - layer[3]) + layer[:3]
    mask = np.zeros(SIZE, bool)
    mask[window] = reduce(person.astype(np.float32)) >= 0.5
    image = _take_picture(film, camera, frame, rng, light)
    return image, mask, _see_joints(moment.figure, surface, person)


# --- the person in the picture ---------------------------------------------------------------


def see(view: View, parts: list[Part], others: list[Part]) -> tuple[Surface, np.ndarray]:
    """The performer as a camera sees them, without what furniture hides.

    Returns the Surface of a window, and where in it the `parts` are seen and not the `others`.
    """
    solids = [solid for part in parts + others for solid in part.solids]
    margin = np.array([-1, 1, -1, 1]) * 12 * FINE  # for the blur of motion
    top, bottom, left, right = (np.array(view.camera.window(solids)) + margin) // FINE * FINE
    height, width = view.depth.shape
    window = (max(top, 0), min(bottom, height), max(left, 0), min(right, width))
    surface = Surface(view.camera, window, others + parts)
    top, bottom, left, right = window
    hidden = surface.depth > view.depth[top:bottom, left:right]
    surface.depth[hidden] = np.inf
    surface.part[hidden] = -1
    return surface, surface.part >= len(others)


def _picture_part(window):
    """Where the fine pixels of a window lie in the picture: slices of rows and of columns."""
    top, bottom, left, right = (edge // FINE for edge in window)
    return slice(top, bottom), slice(left, right)


def _shaded(lamps, surface, spheres):
    """Light from a surface, and the share of each picture pixel that it covers: (4, H, W)."""
    seen = surface.part >= 0
    rows, columns = np.nonzero(seen)
    chosen, _ = tracing.one_a_pixel(rows, columns)
    rows, columns = rows[chosen], columns[chosen]
    points = surface.points(rows, columns)
    normals = surface.normals(rows, columns, points)
    view = surface.camera.position.astype(np.float32)[:, None] - points
    view /= np.sqrt((view**2).sum(axis=0))
    # A gleam of the lamps above (J. Blinn, "Models of light reflection", 1977), and the pale rim
    # of cloth and skin that are seen along their surface.
    halfway = view + np.array([[0], [1], [0]], np.float32)
    halfway /= np.sqrt((halfway**2).sum(axis=0))
    gleam = 0.35 * np.maximum((halfway * normals).sum(axis=0), 0) ** 24
    rim = 1 + 0.1 * (1 - np.clip((view * normals).sum(axis=0), 0, 1)) ** 3
    falling, where = lit(lamps, points, normals, spheres), (rows // FINE, columns // FINE)
    colour, gloss = (reduce(plane * seen)[..., *where] for plane in (surface.colour, surface.gloss))
    cover = reduce(seen.astype(np.float32))
    light = np.stack([np.zeros_like(cover)] * 3 + [cover])
    light[:3, *where] = falling * (rim * colour + gleam * gloss)
    return light


def _shadow_on_floor(moment, view):
    """What the performer's shadow leaves of the light: (H, W), 1 outside of it."""
    x, z, is_floor = view.floor
    middle_x, middle_z = moment.middle.tolist()
    near = np.maximum(np.abs(x - middle_x), np.abs(z - middle_z)) < is_floor * SHADOW_REACH
    left = np.ones(SIZE, np.float32)
    left[near] = sample(moment.shadow, moment.middle - SHADOW_REACH, x[near], z[near])
    return left


def _smeared(layer, surface, bones, later):
    """A layer (4, H, W) with what moves fast smeared along its way during the exposure."""
    names = [n for n in bones.joints if n.endswith(("wrist", "ankle", "elbow", "knee", "head"))]
    here, there = (
        surface.camera.project([skeleton.joints[name] for name in names])[:, :2]
        for skeleton in (bones, later)
    )
    rows, columns = _picture_part(surface.window)
    if np.hypot(*(there - here).T).max() <= 0.8:
        return layer
    y, x = np.indices(layer.shape[1:], dtype=np.float32)
    a, b = (here - [columns.start, rows.start]).T[:, :, None, None].astype(np.float32)
    near = np.exp(-((x - a) ** 2 + (y - b) ** 2) / 260)  # each joint moves what is around it
    way = np.tensordot((there - here).astype(np.float32), near / (near.sum(0) + 0.15), (0, 0))
    fast = np.hypot(*way) > 0.8
    taps = np.linspace(-0.5, 0.5, 5)
    places = [(at[fast] + taps[:, None] * move[fast]) for at, move in ((y, way[1]), (x, way[0]))]
    for plane in layer:
        plane[fast] = ndimage.map_coordinates(plane, places, order=1, mode="nearest").mean(axis=0)
    return layer


def racket(name: str, bones: Skeleton) -> list[Part]:
    """The racket of a player, in the right hand: handle, frame and a few strings."""
    if name not in RACKETS:
        return []
    long, wide, thick = RACKETS[name]
    wrist, elbow = bones.joints["right_wrist"], bones.joints["right_elbow"]
    along = unit(unit(wrist - elbow) + 0.5 * bones.chest[1])
    side = unit(tracing.cross(along, bones.chest[2]) + 1e-3)
    grip = wrist + 0.06 * along
    middle = grip + (long + 1.2 * wide) * along
    angles = np.linspace(0, 2 * math.pi, 13)
    rim = [middle + wide * (1.25 * math.cos(a) * along + math.sin(a) * side) for a in angles]
    frame = [Limb(a, b, (thick, thick)) for a, b in zip(rim[:-1], rim[1:])]
    frame.append(Limb(grip, grip + long * along, (1.4 * thick, thick)))
    ends = [(middle + wide * s * side, 1.1 * wide * along) for s in (-0.5, 0, 0.5)]
    strings = [Limb(a - b, a + b, (0.002, 0.002)) for a, b in ends]
    return [Part(frame, plain((60, 90, 150)), 0, 0.5), Part(strings, plain((190, 190, 180)))]


def _see_joints(figure, surface, person):
    """[x, y, visible] for each of JOINTS."""
    places = [figure.head_at(*FACE[n]) if n in FACE else figure.joints[n] for n in JOINTS]
    rows, columns = _picture_part(surface.window)
    seen = []
    for name, (x, y, depth) in zip(JOINTS, surface.camera.project(places)):
        flesh = DEEPEST[name.split("_")[-1]]
        row, column = (round(FINE * (at + 0.5) - 0.5) for at in (y - rows.start, x - columns.start))
        inside = 0 <= row < person.shape[0] and 0 <= column < person.shape[1]
        own = inside and person[row, column] and surface.depth[row, column] > depth - flesh
        seen.append([round(float(x), 2), round(float(y), 2), int(own)])
    return seen


# --- the camera ------------------------------------------------------------------------------


def _take_picture(film, camera, frame, rng, light):
    """From light (3, H, W) to what a small video camera stores: uint8 (H, W, 3).

    Exposure drifts and lamps flicker from frame to frame, so that no two backgrounds are equal;
    bright things glow; noise, a little blur and the blocks of JPEG come last.
    """
    own = np.random.default_rng([*film.key, camera])  # what stays the same for all its frames
    gain, warm, noise = own.uniform(0.85, 1.25), own.normal(0, 0.05), own.uniform(0.006, 0.016)
    soft, quality, phase = own.uniform(0.35, 0.6), int(own.integers(72, 90)), own.uniform(0, 6)
    exposure = gain * math.exp(0.15 * math.sin(frame / 60 + phase) + rng.normal(0, 0.1))
    tint = np.array([1 + warm, 1, 1 - warm]) * (1 + rng.normal(0, 0.02, 3)) * exposure
    x = np.linspace(-0.5, 0.5, SIZE[1], dtype=np.float32)
    y = np.linspace(-0.5, 0.5, SIZE[0], dtype=np.float32)[:, None]
    flicker = 1 + rng.normal(0, 0.15) * x + rng.normal(0, 0.08) * y
    flicker *= 1 - 0.45 * (y**2 + x**2)  # lenses are darker towards the corners
    light = light * (tint.astype(np.float32)[:, None, None] * flicker)
    light += _glow(np.maximum(light - 0.9, 0))
    # Grey noise, because JPEG takes the colour from it: a third of the random numbers.
    light += noise * np.sqrt(light + 0.01) * (0.7 * rng.standard_normal(SIZE, np.float32))
    light = _blurred(np.maximum(light, 0, out=light), math.exp(-0.5 / soft**2))
    value = TONES[np.minimum(1000 * np.sqrt(light), len(TONES) - 1).astype(np.int16)]
    value += 1.2 * smooth_noise(rng, SIZE, 5)
    stored = io.BytesIO()
    planes = [Image.fromarray(plane) for plane in np.clip(value, 0, 255).astype(np.uint8)]
    Image.merge("RGB", planes).save(stored, "JPEG", quality=quality)
    return np.asarray(Image.open(stored))


def _blurred(light, share):
    """Blur light (3, H, W): along each axis, a neighbour counts `share` times the pixel."""
    for axis in (1, 2):
        light = np.moveaxis(light, axis, 0)
        padded = np.pad(light, [(1, 1), (0, 0), (0, 0)], "edge")
        light = (light + share * (padded[:-2] + padded[2:])) / (1 + 2 * share)
        light = np.moveaxis(light, 0, axis)
    return light


def _glow(light):
    """The haze of a lens around what is too bright, computed for blocks of 8 x 8 px."""
    coarse = np.stack([Image.fromarray(plane).reduce(8) for plane in light])
    haze = 0.12 * ndimage.gaussian_filter(coarse, (0, 1, 1))
    haze += 0.05 * ndimage.gaussian_filter(coarse, (0, 3.5, 3.5))
    return np.stack([Image.fromarray(plane).resize(SIZE[::-1], Image.BICUBIC) for plane in haze])


# --- the folder ------------------------------------------------------------------------------


def draw_mads(folder: Path, sequences: Iterable[int] = ALL, processes: int = 0) -> Path:
    """Draw all sequences, or those given by number, into `folder`, laid out as MADS; return it."""
    for sub in ("images", "masks", "collages"):
        (folder / TREE / sub).mkdir(parents=True)
    jobs = [(folder / TREE, list(of_day)) for _, of_day in itertools.groupby(sequences, key=day_of)]
    joints = {}
    for of_day in draw_parallel(_save_frames, jobs, "drawing dancers", processes):
        joints |= of_day
    (folder / TREE / "joints.json").write_text(json.dumps({"names": JOINTS, "images": joints}))
    rows = [f"{n},images/{name}.png,masks/{name}.png,collages/{name}.jpg\n"
            for n, name in enumerate(sorted(joints))]  # fmt: skip
    (folder / "df.csv").write_text(",images,masks,collages\n" + "".join(rows), newline="\n")
    return folder


def _save_frames(folder, sequences):
    """Draw all frames of a day's sequences; return the joints by image name."""
    joints = {}
    films = [(sequence, frame) for sequence in sequences for frame in frame_numbers(sequence)]
    for camera, (sequence, frame) in itertools.product(range(len(CAMERAS)), films):
        name = f"{SEQUENCES[sequence]}_{CAMERAS[camera]}_{frame:05d}"
        image, mask, joints[name] = draw_frame(sequence, camera, frame)
        mask = np.repeat(mask[..., None], 3, axis=-1) * np.uint8(255)
        collage = Image.fromarray(np.hstack([image, mask]))
        image, mask = Image.fromarray(image), Image.fromarray(mask)
        # The file is a fifth larger than at level 6, and takes a quarter of the time.
        image.save(folder / "images" / f"{name}.png", compress_level=1, compress_type=3)
        mask.save(folder / "masks" / f"{name}.png", compress_level=1)
        collage.save(folder / "collages" / f"{name}.jpg", quality=85)
    return joints
