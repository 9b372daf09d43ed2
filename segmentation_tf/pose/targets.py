"""Where the joints of people are: skeletons of a MADS folder, pictures of one person and of two,
and the maps that a network learns from them.

A skeleton is float `(17, 3)`: of each of JOINTS x and y, in px of its picture, (0, 0) being the
middle of the top left pixel, and 1 where it is seen, 0 where something hides it. The people of a
picture are `(P, 17, 3)`; who is not there is AWAY, too far off to leave a mark on any map.
"""

from itertools import groupby
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from segmentation_tf.cases import Case, DatasetError, refuse_faults
from segmentation_tf.datasets import mads
from segmentation_tf.datasets.folders import read_json
from segmentation_tf.images import read_image, read_mask
from segmentation_tf.pipeline import move_window, random_transforms, recolour, warp
from segmentation_tf.pose.joints import AWAY, JOINTS, LIMBS, MIRRORED

NO_TABLE = 'no table {"names": [...], "images": {...}} of joints'
FAR = 100_000  # px; MAX_PIXELS allows no picture in which a joint is as far off
MARGIN = 1.1  # a square about a person is wider than the box of their mask by this


class Duo(NamedTuple):
    """Two moments of one film in one picture: the person of `front`, `shift` px further to the
    right than they were, is laid over the picture of `back`. Both are of one camera."""

    front: Case
    back: Case
    shift: int


# --- reading -----------------------------------------------------------------------------------


def load_cases(root=None):
    """Return the cases of `mads.load_cases`, the joints of every one checked.

    The joints are in joints.json beside `images`: {"names": JOINTS, "images": {case: skeleton}}.
    The real set has none: without `root`, the drawn set takes its place, and a line says so.
    DatasetError names what is wrong with the table, or the first case without a sound skeleton.
    """
    cases = mads.load_cases(root)
    if root is None and not _table_file(cases[0]).is_file():
        print(f"pose: no {_table_file(cases[0]).name} there, so the drawn set serves for poses")
        cases = mads.load_cases(mads.drawn_folder())
    refuse_faults(_fault(case) for case in cases)
    return cases


def read_skeleton(case):
    """The joints of the person in a case, float32 `(17, 3)`, in px of its image."""
    refuse_faults([_fault(case)])
    return np.array(_table_of(case)[case.name], np.float32)


def make_duos(cases, seed=0):
    """A Duo for each case that shares film and camera with another: a list, drawn from `seed`.

    Person and light fit, because both pictures are of one film. The one in front stands up to a
    fifth of the picture's width off, as far as the picture reaches.
    Raises ValueError where no two cases are of one film and camera.
    """
    rng, duos = np.random.default_rng(seed), []
    for _, frames in groupby(sorted(cases), key=lambda case: case.name.rpartition("_")[0]):
        frames = list(frames)
        for i, back in enumerate(frames if frames[1:] else []):
            front = frames[(i + rng.integers(1, len(frames))) % len(frames)]
            duos.append(Duo(front, back, _random_shift(rng, read_mask(front.mask))))
    if not duos:
        raise ValueError("make_duos needs two cases of one film and one camera")
    return duos


def _random_shift(rng, mask):
    """How far to move a person sideways, in px, so that they stay in the picture."""
    width, columns = mask.shape[1], np.flatnonzero(mask.any(axis=0))
    if not columns.size:
        return 0
    room = {-1: columns[0], 1: width - 1 - columns[-1]}
    wanted, side = rng.uniform(0.08, 0.2) * width, rng.choice([-1, 1])
    if room[side] < wanted:
        side = max(room, key=room.get)
    return int(side * min(wanted, room[side]))


def _table_file(case):
    return case.image.parent.parent / "joints.json"


def _table_of(case):
    """The skeletons by name of the case."""
    file = _table_file(case)
    if not file.is_file():
        raise DatasetError(
            f"{file}: this table of joints is missing; put one there, or give load_cases no "
            "folder to use the drawn set"
        )
    return read_json(file, _parse_table, NO_TABLE, "write it anew, as UTF-8")


def _parse_table(file, content):
    try:
        names, skeletons = list(content["names"]), dict(content["images"])
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{file}: is {NO_TABLE} ({type(error).__name__}: {str(error)[:80]}); write it anew"
        ) from error
    if names != list(JOINTS):
        raise DatasetError(
            f"{file}: names must be the 17 joints of COCO in its order, {', '.join(JOINTS)}; "
            f"they are {', '.join(map(str, names))[:200]}"
        )
    return skeletons


def _fault(case):
    """What is wrong with the skeleton of a case, else None."""
    file = _table_file(case)
    skeleton = _table_of(case).get(case.name)
    if skeleton is None:
        return (
            f"{file}: has no joints for {case.name}; add them, or remove {case.image.name} and "
            "its mask to go on without"
        )
    try:
        if np.array(skeleton).dtype.kind not in "iuf":  # float would make numbers of "7" and true
            raise TypeError
        skeleton = np.array(skeleton, float)
        far = np.abs(skeleton).max(initial=0) > FAR
    except (TypeError, ValueError, OverflowError):
        skeleton, far = np.zeros(0), False
    if skeleton.shape != (len(JOINTS), 3) or not np.isfinite(skeleton).all():
        return f"{file}: {case.name} needs 17 rows [x, y, seen], all numbers; correct them"
    if far:
        return f"{file}: {case.name} has a joint more than {FAR} px off; correct it"
    if not np.isin(skeleton[:, 2], (0, 1)).all():
        return f"{file}: {case.name}: the third number of a joint is 1 (seen) or 0; correct it"


# --- pictures ----------------------------------------------------------------------------------


def read_scene(scene):
    """A Case or a Duo at full size: image, uint8 `(H, W, 3)`, and its people, `(P, 17, 3)`.

    What the one in front covers of the other is not seen.
    """
    masks = _read_masks(scene)
    return _read_image(scene, masks), _read_skeletons(scene, masks)


def read_crop(scene, size, margin=MARGIN):
    """The square about the people of a scene, uint8 `(size, size, 3)`, as a Pillow image.

    Its side is `margin` times the longer side of the box about their masks; what lies outside of
    the picture is black.
    """
    masks = _read_masks(scene)
    left, top, side = _square(masks, margin)
    picture = Image.fromarray(_read_image(scene, masks))
    square = picture.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)


def read_people(scene, size, margin=MARGIN):
    """The people of a scene in px of its `read_crop`, float32 `(2, 17, 3)`.

    Where there is one person only, the second is as far off as AWAY.
    """
    masks = _read_masks(scene)
    left, top, side = _square(masks, margin)
    people = np.stack([*_read_skeletons(scene, masks), AWAY][:2])
    people[..., :2] = (people[..., :2] + 0.5 - (left, top)) * (size / side) - 0.5
    return people


def _read_masks(scene):
    """Where each person of a scene is, the one in front moved: a list of bool `(H, W)`."""
    cases = [scene] if isinstance(scene, Case) else [scene.front, scene.back]
    masks = [read_mask(case.mask) for case in cases]
    for case, mask in zip(cases, masks, strict=True):
        if not mask.any():
            raise DatasetError(
                f"{case.mask}: nobody is in this mask, so there is no square about a person; "
                "leave the case out"
            )
    sizes = [f"{mask.shape[1]} x {mask.shape[0]}" for mask in masks]
    if len(set(sizes)) > 1:
        raise DatasetError(
            f"{scene.front.image} is {sizes[0]} pixels but {scene.back.image} is {sizes[1]}; a "
            "film has one size: take the original frames, or leave one of the two out"
        )
    return masks if isinstance(scene, Case) else [np.roll(masks[0], scene.shift, axis=1), masks[1]]


def _read_image(scene, masks):
    if isinstance(scene, Case):
        return read_image(scene.image)
    front = np.roll(read_image(scene.front.image), scene.shift, axis=1)
    return np.where(masks[0][..., None], front, read_image(scene.back.image))


def _read_skeletons(scene, masks):
    if isinstance(scene, Case):
        return read_skeleton(scene)[None]
    front, back = read_skeleton(scene.front), read_skeleton(scene.back)
    front[:, 0] += scene.shift
    column, row = np.rint(back[:, :2]).astype(int).T
    height, width = masks[0].shape
    inside = (0 <= row) & (row < height) & (0 <= column) & (column < width)
    back[inside, 2] *= ~masks[0][row[inside], column[inside]]
    return np.stack([front, back])


def _square(masks, margin):
    """Left, top and side, whole px, of the square about the people in these masks."""
    if margin < 0.5:
        raise ValueError(f"margin is {margin}; a square of half a person is the smallest")
    mask = np.any(masks, axis=0)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    side = round(margin * (max(np.ptp(rows), np.ptp(columns)) + 1))
    middle = (rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2
    return round(middle[1] - side / 2), round(middle[0] - side / 2), side


# --- targets -----------------------------------------------------------------------------------


def random_view(images, people, seed, size, rotation=0.3):
    """Mirror, turn, zoom, shift and recolour a batch, people with their image, by one draw.

    images: float32 `(N, H, W, 3)`; people: `(N, P, 17, 3)` in px; seed: two integers. Returns the
    middle of each, `(N, size, size, 3)`, and the people in its px. In a mirror left is right, so
    the joints change their numbers there.
    """
    seeds = tf.random.split(tf.cast(seed, tf.int32), 2)
    top, left = (images.shape[1] - size) / 2, (images.shape[2] - size) / 2
    transforms = random_transforms(tf.shape(images), seeds[0], rotation)
    transforms = move_window(transforms, top, left)
    views = warp(images, transforms, "BILINEAR", size=(size, size))

    # The map sends a place of the view to one of the image; joints go the other way.
    a, b, x, c, d, y, *_ = tf.unstack(transforms[:, None, None], axis=-1)
    right, down = people[..., 0] - x, people[..., 1] - y
    area = a * d - b * c
    places = (d * right - b * down) / area, (a * down - c * right) / area
    moved = tf.stack([*places, people[..., 2]], axis=-1)
    moved = tf.where(area[..., None] < 0, tf.gather(moved, MIRRORED, axis=2), moved)
    return recolour(views, seeds[1]), moved


def heatmaps(people, size, stride, sigma=1.0):
    """A picture a joint that is bright about it: `(N, P, 17, 3)` to `(N, G, G, 17)` in [0, 1].

    `people` in px of a picture of `size` x `size`; a map has G = size / stride cells a side. The
    brightness falls as a Gaussian of `sigma` cells; of two people the nearer one counts.
    Source: J. Tompson, A. Jain, Y. LeCun, C. Bregler, "Joint training of a convolutional network
    and a graphical model for human pose estimation", NeurIPS 2014, arXiv:1406.2984.
    """
    cells, joints = _on_grid(people, size, stride)
    across, down = (
        tf.exp(-((joints[..., axis, None] - cells) ** 2) / (2 * sigma**2)) for axis in (0, 1)
    )
    each = down[..., :, None] * across[..., None, :]
    return tf.transpose(tf.reduce_max(each, axis=1), (0, 2, 3, 1))


def limb_fields(people, size, stride, width=1.5):
    """Part affinity fields: `(N, P, 17, 3)` to `(N, G, G, 2 L)` in [-1, 1], L = len(LIMBS).

    Channels 2 l and 2 l + 1 hold, on cells within `width` of limb l, the vector (x, y) of length 1
    from its first joint to its second, and 0 elsewhere; where two people's limbs cross, the mean.
    Source: Z. Cao, T. Simon, S.-E. Wei, Y. Sheikh, "Realtime multi-person 2D pose estimation using
    part affinity fields", CVPR 2017, arXiv:1611.08050.
    """
    cells, joints = _on_grid(people, size, stride)
    first, second = (tf.gather(joints, [limb[end] for limb in LIMBS], axis=2) for end in (0, 1))
    length = tf.norm(second - first, axis=-1, keepdims=True) + 1e-6
    x, y = tf.unstack((second - first) / length, axis=-1)
    x, y, length = x[..., None, None], y[..., None, None], length[..., None]
    right = cells - first[..., 0, None, None]  # (N, P, L, 1, G)
    down = cells[:, None] - first[..., 1, None, None]  # (N, P, L, G, 1)
    along, aside = right * x + down * y, tf.abs(down * x - right * y)
    near = (-0.5 < along) & (along < length + 0.5) & (aside <= width)
    on_limb = tf.cast(near & (length > 1e-3), tf.float32)  # who is AWAY is near to nothing
    people_there = tf.maximum(tf.reduce_sum(on_limb, axis=1), 1)
    fields = [tf.reduce_sum(on_limb * part, axis=1) / people_there for part in (x, y)]
    fields = tf.transpose(tf.stack(fields, axis=2), (0, 3, 4, 1, 2))  # (N, G, G, L, 2)
    return tf.reshape(fields, (-1, *fields.shape[1:3], 2 * len(LIMBS)))


def _on_grid(people, size, stride):
    """The cells of a side, float `(G,)`, and the places of joints in cells `stride` px wide."""
    if stride < 1 or size % stride:
        raise ValueError(f"size is {size}; it must be a multiple of stride, {stride}")
    return tf.range(size // stride, dtype=tf.float32), (people[..., :2] + 0.5) / stride - 0.5
