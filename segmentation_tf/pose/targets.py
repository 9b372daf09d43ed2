"""From the joints of people to what a network learns: joints.json, pictures and maps.

Skeletons are float32 `(17, 3)`, rows `[x, y, seen]`, see joints.py. The people of a picture are
`(P, 17, 3)`. A scene is a Case (one person) or a Duo (two people).
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from segmentation_tf.cases import Case, DatasetError, refuse_faults
from segmentation_tf.datasets import mads
from segmentation_tf.datasets.folders import check_schema, read_json
from segmentation_tf.images import open_mask, read_image, read_mask
from segmentation_tf.pipeline import move_window, random_transforms, recolour, warp
from segmentation_tf.pose.joints import JOINTS, LIMBS, MIRRORED

FAR = 100_000  # px; a joint further off than this is taken for a mistake
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
ROTATION = 0.3  # radians, the largest angle in training
SIGMA = 1.0  # cells, the standard deviation of the Gaussian about a joint
WIDTH = 1.5  # cells; a limb reaches this far to either side, and half a cell beyond its ends


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
    The real set has no joints. Without `root`, the drawn set then takes its place, and a printed
    line says so.

    Raises:
        DatasetError: The table is missing or damaged, or a case has no skeleton.
    """
    cases = mads.load_cases(root)
    if root is None and not _table_file(cases[0]).is_file():
        print("pose: no joints.json there, so the drawn set serves for poses")
        cases = mads.load_cases(mads.drawn_folder())
    refuse_faults(_fault(case) for case in cases)
    return cases


def read_skeleton(case: Case) -> np.ndarray:
    """Read the joints of a case: float32 `(17, 3)`, in pixels; DatasetError as in `load_cases`."""
    refuse_faults([_fault(case)])
    return _read_table(case)[case.name].copy()


def _table_file(case):
    return case.image.parent.parent / "joints.json"


def _read_table(case):
    file = _table_file(case)
    if not file.is_file():
        raise DatasetError(
            f"{file}: this table of joints is missing; put one there, or call load_cases "
            "without a folder to use the drawn set"
        )
    return read_json(file, _parse_table, otherwise=WAY_OUT)


def _parse_table(file, content):
    check_schema(file, content, TABLE, WAY_OUT)
    skeletons = {name: np.array(rows, np.float32) for name, rows in content["images"].items()}
    for name, skeleton in skeletons.items():
        # NaN passes PLACE: it is neither below the minimum nor above the maximum.
        if np.isnan(skeleton).any():
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

    The person in front is moved sideways by 8 to 20 % of the picture's width, or less where they
    would leave the picture.

    Raises:
        ValueError: No two cases are of one film and one camera.
    """
    rng, duos = np.random.default_rng(seed), []
    for _, film in groupby(sorted(cases), key=lambda case: case.name.rpartition("_")[0]):
        frames = list(film)
        for i, back in enumerate(frames):
            if len(frames) > 1:
                front = frames[(i + rng.integers(1, len(frames))) % len(frames)]
                duos.append(
                    Duo(front, back, _random_shift(rng, open_mask(front.mask, front.classes)))
                )
    if not duos:
        raise ValueError("make_duos needs two frames of one performance from one camera")
    return duos


def _random_shift(rng, mask):
    """How far to move a person sideways, in pixels, so that they stay in the picture."""
    width, box = mask.width, mask.getbbox()
    if box is None:
        return 0
    room = {-1: box[0], 1: width - box[2]}
    wanted, side = rng.uniform(0.08, 0.2) * width, rng.choice([-1, 1])
    if room[side] < wanted:
        side = max(room, key=room.get)
    return int(side * min(wanted, room[side]))


# --- pictures ----------------------------------------------------------------------------------


def read_crop(
    scene: Case | Duo, size: int, margin: float = MARGIN
) -> tuple[Image.Image, np.ndarray]:
    """Read the square about the people of a scene, as a `load_fn` of `make_dataset` does.

    The square is `margin` times as wide as the longer side of the box about the masks.

    Returns:
        An RGB picture, `size` pixels wide, black where the square reaches beyond the image; and
        two people in its pixels, float32 `(2, 17, 3)`, the one in front first. Joints that this
        person covers are not seen. If there is one person only, the second is AWAY, far outside.

    Raises:
        DatasetError: A file cannot be used, a mask is empty, or the frames differ in size.
    """
    image, people, masks = _read_scene(scene)
    side, left, top = _square(masks, margin)
    square = Image.fromarray(image).crop((left, top, left + side, top + side))
    picture = square.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    people = np.stack([*people, AWAY][:2])
    people[..., :2] = (people[..., :2] + 0.5 - (left, top)) * (size / side) - 0.5
    return picture, people


def read_areas(scene: Case | Duo, size: int, margin: float = MARGIN) -> np.ndarray:
    """Compute how many pixels of the crop of `read_crop` each person covers: float `(P,)`.

    What the person in front hides of the other counts too. OKS needs these areas.
    """
    _, _, masks = _read_scene(scene)
    side, _, _ = _square(masks, margin)
    return masks.sum(axis=(1, 2)) * (size / side) ** 2


def read_scenes(
    scenes: Sequence[Case | Duo], size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the crops of scenes with equally many people, as `read_crop` and `read_areas` do.

    Returns:
        Pictures, uint8 `(n, size, size, 3)`; people `(n, 2, 17, 3)`; and areas `(n, P)`.
    """
    pictures, people = zip(*[read_crop(scene, size) for scene in scenes])
    areas = [read_areas(scene, size) for scene in scenes]
    return np.stack(pictures), np.stack(people), np.stack(areas)


def _square(masks, margin):
    """Side, left and top of the square about the masks `(P, H, W)`."""
    left, top, right, bottom = Image.fromarray(masks.any(axis=0)).getbbox()
    side = round(margin * max(right - left, bottom - top))
    return side, round((left + right - side) / 2), round((top + bottom - side) / 2)


def _read_scene(scene):
    """A scene at full size: uint8 image `(H, W, 3)`, people `(P, 17, 3)`, masks `(P, H, W)`."""
    if isinstance(scene, Case):
        return _read_person(scene)
    image, people, masks = _read_person(scene.back)
    front_image, front_people, front_masks = _read_person(scene.front, scene.shift)
    if masks.shape != front_masks.shape:
        raise DatasetError(
            f"{scene.front.image} and {scene.back.image} differ in size, but a film has one size; "
            "take the original frames, or leave one of the two out"
        )
    (front_mask,) = front_masks
    image = np.where(front_mask[..., None], front_image, image)
    places = np.moveaxis(people[..., 1::-1], -1, 0)  # rows and columns
    people[..., 2] *= ~ndimage.map_coordinates(front_mask, places, order=0, mode="grid-constant")
    return image, np.concatenate([front_people, people]), np.concatenate([front_masks, masks])


def _read_person(case, shift=0):
    """Image, people `(1, 17, 3)`, masks `(1, H, W)` of a case, moved `shift` pixels right."""
    mask = read_mask(case.mask, case.classes)
    if not mask.any():
        raise DatasetError(
            f"{case.mask}: nobody is in this mask, so there is no square about a person; "
            "leave the case out"
        )
    image, people = read_image(case.image), read_skeleton(case)[None] + np.float32([shift, 0, 0])
    return np.roll(image, shift, axis=1), people, np.roll(mask, shift, axis=1)[None]


# --- targets -----------------------------------------------------------------------------------


def random_view(
    images: tf.Tensor, people: tf.Tensor, seed: tf.Tensor, *, size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirror, rotate, zoom, shift and recolour a batch, people together with their image.

    A mirror makes a left joint a right one, so the joints change places in the skeleton there.
    Images are float32 `(N, H, W, 3)` in [0, 1], people `(N, P, 17, 3)` in pixels, the seed two
    integers. The views are from the middle of the images, `(N, size, size, 3)`.
    """
    seeds = tf.random.split(tf.cast(seed, tf.int32), 2)
    top, left = (images.shape[1] - size) / 2, (images.shape[2] - size) / 2
    transforms = move_window(random_transforms(tf.shape(images), seeds[0], ROTATION), top, left)
    views = warp(images, transforms, "BILINEAR", size=(size, size))
    return recolour(views, seeds[1]), _move_people(people, transforms)


def _move_people(people, transforms):
    """Move joints as `warp` moves pixels. It maps output to input, so its inverse is taken."""
    rows = tf.reshape(transforms[:, None, None, :6], (-1, 1, 1, 2, 3))
    matrix, shift = rows[..., :2], rows[..., 2]
    places = tf.linalg.matvec(tf.linalg.inv(matrix), people[..., :2] - shift)
    moved = tf.concat([places, people[..., 2:]], axis=-1)
    is_mirrored = tf.linalg.det(matrix)[..., None] < 0
    return tf.where(is_mirrored, tf.gather(moved, MIRRORED, axis=2), moved)


def heatmaps(people: tf.Tensor, size: int, stride: int) -> tf.Tensor:
    """Make a map for each joint: a Gaussian about it.

    `people` are float32 `(N, P, 17, 3)` in pixels of pictures that are `size` pixels wide. A cell
    of the maps is `stride` pixels wide. The maps are float32 `(N, G, G, 17)` in [0, 1] with
    G = size / stride. Where two people have the same joint, each cell takes the larger Gaussian.

    Source: J. Tompson, A. Jain, Y. LeCun, C. Bregler, "Joint training of a convolutional network
    and a graphical model for human pose estimation", NeurIPS 2014, arXiv:1406.2984.
    """
    cells, joints = _to_cells(people, size, stride)
    gaussians = tf.exp(-((joints[..., None] - cells) ** 2) / (2 * SIGMA**2))  # (N, P, 17, 2, G)
    across, down = tf.unstack(gaussians, axis=3)
    maps = down[..., :, None] * across[..., None, :]
    return tf.transpose(tf.reduce_max(maps, axis=1), (0, 2, 3, 1))


def limb_fields(people: tf.Tensor, size: int, stride: int) -> tf.Tensor:
    """Make part affinity fields: on each limb, the unit vector from its first to its second joint.

    Arguments are those of `heatmaps`. The result is float32 `(N, G, G, 2 * len(LIMBS))` in
    [-1, 1]: x and y of limb l in channels 2 l and 2 l + 1, and 0 beside the limb. Where the limbs
    of two people cross, it is the mean.

    Source: Z. Cao, T. Simon, S.-E. Wei, Y. Sheikh, "Realtime multi-person 2D pose estimation using
    part affinity fields", CVPR 2017, arXiv:1611.08050.
    """
    cells, joints = _to_cells(people, size, stride)
    first, second = tf.unstack(tf.gather(joints, LIMBS, axis=2), axis=3)  # (N, P, L, 2)
    length = tf.norm(second - first, axis=-1, keepdims=True) + 1e-6
    x, y = tf.unstack(((second - first) / length)[..., None, None], axis=3)  # (N, P, L, 1, 1)
    length = length[..., None]
    right = cells - first[..., 0, None, None]  # (N, P, L, 1, G)
    down = cells[:, None] - first[..., 1, None, None]  # (N, P, L, G, 1)
    along, aside = right * x + down * y, tf.abs(down * x - right * y)
    near = (-0.5 < along) & (along < length + 0.5) & (aside <= WIDTH)
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
