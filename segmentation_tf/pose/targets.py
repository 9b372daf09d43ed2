"""From the joints of people to what a network learns: joints.json, pictures and maps.

Skeletons are float32 `(17, 3)`, rows `[x, y, seen]`, see joints.py. The people of a picture are
`(P, 17, 3)`. A scene is a Case (one person) or a Duo (two people).
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from segmentation_tf.cases import Case, DatasetError, refuse_faults
from segmentation_tf.datasets import mads
from segmentation_tf.datasets.folders import check_schema, read_json
from segmentation_tf.images import read_image, read_mask
from segmentation_tf.pipeline import move_window, random_transforms, recolour, warp
from segmentation_tf.pose.joints import JOINTS, LIMBS, MIRRORED

FAR = 100_000  # px; MAX_PIXELS allows no picture in which a joint is as far off
PLACE = {"type": "number", "minimum": -FAR, "maximum": FAR}
ROW = {"type": "array", "items": [PLACE, PLACE, {"enum": [0, 1]}], "minItems": 3, "maxItems": 3}
SEVENTEEN = {"type": "array", "minItems": len(JOINTS), "maxItems": len(JOINTS)}
TABLE = {
    "type": "object",
    "required": ["names", "images"],
    "properties": {
        "names": SEVENTEEN | {"items": [{"enum": [name]} for name in JOINTS]},
        "images": {"type": "object", "additionalProperties": SEVENTEEN | {"items": ROW}},
    },
}  # a JSON schema of draft 4
WAY_OUT = (
    'write {"names": [...], "images": {...}}: names are the 17 joints of COCO in its order, and '
    "images gives each case 17 rows [x, y, seen], all numbers, where seen is 1 or 0"
)
# The skeleton of a person who is not there: too far off to leave a mark on any map.
AWAY = np.tile(np.float32([-1e4, -1e4, 0]), (len(JOINTS), 1))
MARGIN = 1.1  # the square about a person is wider than the box of the mask by this factor


class Duo(NamedTuple):
    """Two people in one picture, made of two frames of one film and one camera.

    The person of `front`, moved `shift` pixels to the right, is laid over the picture of `back`.
    """

    front: Case
    back: Case
    shift: int


# --- reading -----------------------------------------------------------------------------------


def load_cases(root: str | Path | None = None) -> list[Case]:
    """Load the cases of `mads.load_cases` and check the joints of every one.

    The joints are in joints.json beside `images`: {"names": JOINTS, "images": {case: skeleton}}.
    The real set has no joints. Without `root`, the drawn set takes its place and a line says so.

    Raises:
        DatasetError: The table is missing or damaged, or a case has no skeleton.
    """
    cases = mads.load_cases(root)
    if root is None and not _table_file(cases[0]).is_file():
        print(f"pose: no {_table_file(cases[0]).name} there, so the drawn set serves for poses")
        cases = mads.load_cases(mads.drawn_folder())
    refuse_faults(_fault(case) for case in cases)
    return cases


def read_skeleton(case: Case) -> np.ndarray:
    """Read the joints of the person in a case: float32 `(17, 3)`, in pixels of its image.

    Raises:
        DatasetError: As in `load_cases`.
    """
    refuse_faults([_fault(case)])
    return _read_table(case)[case.name].copy()


def _table_file(case):
    return case.image.parent.parent / "joints.json"


def _read_table(case):
    """The skeletons by name of the case."""
    file = _table_file(case)
    if not file.is_file():
        raise DatasetError(
            f"{file}: this table of joints is missing; put one there, or give load_cases no "
            "folder to use the drawn set"
        )
    return read_json(file, _parse_table, otherwise=WAY_OUT)


def _parse_table(file, content):
    check_schema(file, content, TABLE, WAY_OUT)
    skeletons = {name: np.array(rows, np.float32) for name, rows in content["images"].items()}
    for name, skeleton in skeletons.items():
        if np.isnan(skeleton).any():  # NaN passes every schema
            raise DatasetError(f"{file}: images.{name}: has NaN in place of a number; {WAY_OUT}")
    return skeletons


def _fault(case):
    if case.name not in _read_table(case):
        return (
            f"{_table_file(case)}: has no joints for {case.name}; add them, or remove "
            f"{case.image.name} and its mask to go on without"
        )


def make_duos(cases: Sequence[Case], seed: int = 0) -> list[Duo]:
    """Make a Duo of each case that shares film and camera with another case.

    Person and light fit, because both frames are of one film. The person in front stands up to a
    fifth of the picture's width to the side and stays in the picture.

    Raises:
        ValueError: No two cases are of one film and one camera.
    """
    films = defaultdict(list)
    for case in sorted(cases):
        films[case.name.rpartition("_")[0]].append(case)
    rng, duos = np.random.default_rng(seed), []
    for frames in films.values():
        if len(frames) == 1:
            continue
        for i, back in enumerate(frames):
            front = frames[(i + rng.integers(1, len(frames))) % len(frames)]
            duos.append(Duo(front, back, _random_shift(rng, read_mask(front.mask))))
    if not duos:
        raise ValueError("make_duos needs two cases of one film and one camera")
    return duos


def _random_shift(rng, mask):
    """How far to move a person sideways, in pixels, so that they stay in the picture."""
    width, columns = mask.shape[1], np.flatnonzero(mask.any(axis=0))
    if not columns.size:
        return 0
    room = {-1: columns[0], 1: width - 1 - columns[-1]}
    wanted, side = rng.uniform(0.08, 0.2) * width, rng.choice([-1, 1])
    if room[side] < wanted:
        side = max(room, key=room.get)
    return int(side * min(wanted, room[side]))


# --- pictures ----------------------------------------------------------------------------------


def read_crop(
    scene: Case | Duo, size: int, margin: float = MARGIN
) -> tuple[Image.Image, np.ndarray]:
    """Read the square about the people of a scene, as a `load_fn` of `make_dataset` does.

    Args:
        scene: A Case or a Duo.
        size: Side of the resulting picture in pixels.
        margin: Side of the square as a multiple of the longer side of the box about the masks.

    Returns:
        An RGB picture, black where the square reaches beyond the image; and two people in pixels
        of that picture, float32 `(2, 17, 3)`, the one in front first. Joints that this person
        covers are not seen. If there is one person only, the second is AWAY.

    Raises:
        DatasetError: A file cannot be used, a mask is empty, or the frames differ in size.
        ValueError: The margin is too small.
    """
    image, people, mask = _read_scene(scene)
    left, top, side = _square(mask, margin)
    square = Image.fromarray(image).crop((left, top, left + side, top + side))
    picture = square.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    people = np.stack([*people, AWAY][:2])
    people[..., :2] = (people[..., :2] + 0.5 - (left, top)) * (size / side) - 0.5
    return picture, people


def _read_scene(scene):
    """A scene at full size: uint8 image `(H, W, 3)`, people `(P, 17, 3)`, and the mask of all."""
    if isinstance(scene, Case):
        return _read_person(scene)
    image, people, mask = _read_person(scene.back)
    front_image, front_people, front_mask = _read_person(scene.front, scene.shift)
    if mask.shape != front_mask.shape:
        (height, width), (front_height, front_width) = mask.shape, front_mask.shape
        raise DatasetError(
            f"{scene.front.image} is {front_width} x {front_height} pixels but {scene.back.image} "
            f"is {width} x {height}; a film has one size: take the original frames, or leave one "
            "of the two out"
        )
    image = np.where(front_mask[..., None], front_image, image)
    return image, np.concatenate([front_people, _hide(people, front_mask)]), mask | front_mask


def _read_person(case, shift=0):
    """Image, people `(1, 17, 3)` and mask of a case, moved `shift` pixels to the right."""
    mask = read_mask(case.mask)
    if not mask.any():
        raise DatasetError(
            f"{case.mask}: nobody is in this mask, so there is no square about a person; "
            "leave the case out"
        )
    image, people = read_image(case.image), read_skeleton(case)[None] + np.float32([shift, 0, 0])
    return np.roll(image, shift, axis=1), people, np.roll(mask, shift, axis=1)


def _hide(people, mask):
    """The same people; joints that the mask covers are not seen."""
    columns, rows = np.moveaxis(np.rint(people[..., :2]).astype(int), -1, 0)
    inside = (0 <= rows) & (rows < mask.shape[0]) & (0 <= columns) & (columns < mask.shape[1])
    people[inside, 2] *= ~mask[rows[inside], columns[inside]]
    return people


def _square(mask, margin):
    """Left, top and side, whole pixels, of the square about what is in the mask."""
    if margin < 0.5:
        raise ValueError(f"margin is {margin}; give 0.5 or more, half the size of a person")
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    side = round(margin * (max(np.ptp(rows), np.ptp(columns)) + 1))
    middle = (rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2
    return round(middle[1] - side / 2), round(middle[0] - side / 2), side


# --- targets -----------------------------------------------------------------------------------


def random_view(
    images: tf.Tensor, people: tf.Tensor, seed: tf.Tensor, *, size: int, rotation: float = 0.3
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirror, rotate, zoom, shift and recolour a batch, people together with their image.

    A mirror makes a left joint a right one, so the joints change places in the skeleton there.

    Args:
        images: float32 `(N, H, W, 3)` in [0, 1].
        people: float32 `(N, P, 17, 3)` in pixels.
        seed: Two integers.
        size: Side of the views in pixels.
        rotation: The largest angle in radians.

    Returns:
        Views from the middle of the images, `(N, size, size, 3)`, and the people in their pixels.
    """
    seeds = tf.random.split(tf.cast(seed, tf.int32), 2)
    top, left = (images.shape[1] - size) / 2, (images.shape[2] - size) / 2
    transforms = random_transforms(tf.shape(images), seeds[0], rotation)
    transforms = move_window(transforms, top, left)
    views = warp(images, transforms, "BILINEAR", size=(size, size))
    return recolour(views, seeds[1]), _move_people(people, transforms)


def _move_people(people, transforms):
    """Move joints as `warp` moves pixels. It maps output to input, so its inverse is taken."""
    a, b, x, c, d, y, *_ = tf.unstack(transforms[:, None, None], axis=-1)
    right, down = people[..., 0] - x, people[..., 1] - y
    determinant = a * d - b * c
    new_x, new_y = (d * right - b * down) / determinant, (a * down - c * right) / determinant
    moved = tf.stack([new_x, new_y, people[..., 2]], axis=-1)
    is_mirrored = determinant[..., None] < 0
    return tf.where(is_mirrored, tf.gather(moved, MIRRORED, axis=2), moved)


def heatmaps(people: tf.Tensor, size: int, stride: int, *, sigma: float = 1.0) -> tf.Tensor:
    """Make a map for each joint that is bright about it.

    Args:
        people: float32 `(N, P, 17, 3)` in pixels of a picture.
        size: Side of the picture in pixels.
        stride: Width of a cell of the maps in pixels; it divides `size`.
        sigma: Standard deviation of the Gaussian about a joint, in cells.

    Returns:
        float32 `(N, G, G, 17)` in [0, 1], G = size / stride; of two people the nearer one counts.

    Raises:
        ValueError: `stride` does not divide `size`.

    Source:
        J. Tompson, A. Jain, Y. LeCun, C. Bregler, "Joint training of a convolutional network and
        a graphical model for human pose estimation", NeurIPS 2014, arXiv:1406.2984.
    """
    cells, joints = _to_cells(people, size, stride)
    gaussians = tf.exp(-((joints[..., None] - cells) ** 2) / (2 * sigma**2))  # (N, P, 17, 2, G)
    across, down = tf.unstack(gaussians, axis=3)
    maps = down[..., :, None] * across[..., None, :]
    return tf.transpose(tf.reduce_max(maps, axis=1), (0, 2, 3, 1))


def limb_fields(people: tf.Tensor, size: int, stride: int, *, width: float = 1.5) -> tf.Tensor:
    """Make part affinity fields: on each limb, the unit vector from its first to its second joint.

    Args:
        people, size, stride: As in `heatmaps`.
        width: Cells at most this far from a limb belong to it.

    Returns:
        float32 `(N, G, G, 2 * len(LIMBS))` in [-1, 1]: x and y of limb l in channels 2 l and
        2 l + 1, 0 beside it. Where the limbs of two people cross, it is the mean.

    Source:
        Z. Cao, T. Simon, S.-E. Wei, Y. Sheikh, "Realtime multi-person 2D pose estimation using
        part affinity fields", CVPR 2017, arXiv:1611.08050.
    """
    cells, joints = _to_cells(people, size, stride)
    first_ends, second_ends = zip(*LIMBS)
    first, second = tf.gather(joints, first_ends, axis=2), tf.gather(joints, second_ends, axis=2)
    length = tf.norm(second - first, axis=-1, keepdims=True) + 1e-6
    x, y = tf.unstack(((second - first) / length)[..., None, None], axis=3)  # (N, P, L, 1, 1)
    length = length[..., None]
    right = cells - first[..., 0, None, None]  # (N, P, L, 1, G)
    down = cells[:, None] - first[..., 1, None, None]  # (N, P, L, G, 1)
    along, aside = right * x + down * y, tf.abs(down * x - right * y)
    near = (-0.5 < along) & (along < length + 0.5) & (aside <= width)
    on_limb = tf.cast(near & (length > 1e-3), tf.float32)  # AWAY has limbs of length 0
    count = tf.maximum(tf.reduce_sum(on_limb, axis=1), 1)
    fields = [tf.reduce_sum(on_limb * part, axis=1) / count for part in (x, y)]
    fields = tf.transpose(tf.stack(fields, axis=2), (0, 3, 4, 1, 2))  # (N, G, G, L, 2)
    return tf.reshape(fields, (-1, *fields.shape[1:3], 2 * len(LIMBS)))


def _to_cells(people, size, stride):
    """The cells of a side, float `(G,)`, and x and y of the joints in cells."""
    if stride < 1 or size % stride:
        raise ValueError(f"size is {size}; it must be a multiple of stride, {stride}")
    return tf.range(size // stride, dtype=tf.float32), (people[..., :2] + 0.5) / stride - 0.5
