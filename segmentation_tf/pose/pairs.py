"""Pictures of two people for training: cut-out people, placed differently in every batch.

`read_cutouts` reads all frames once. `draw_pairs` chooses who stands where, with numpy and for the
whole training at once. `make_pairs_dataset` then moves the pixels, batch by batch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from segmentation_tf.cases import Case, DatasetError
from segmentation_tf.images import map_files, read_image, read_mask
from segmentation_tf.pipeline import recolour, warp
from segmentation_tf.pose.joints import MIRRORED
from segmentation_tf.pose.targets import AWAY, MARGIN, heatmaps, limb_fields, read_skeleton

SCALE = 0.75  # of the frames that are kept in memory
SAME_FILM = 0.6  # share of pairs from one film and one camera, as `make_duos` makes them
ALONE = 0.1  # share of pictures with one person
DISTANCE = (0.02, 0.6)  # between the two people's middles, as a share of the larger box
HEIGHTS = 10  # stored pixels, the standard deviation of how much lower the front person stands
PERSON_ZOOM, PERSON_ROTATION = (0.85, 1.18), 0.15  # each person's own; radians
WINDOW_ZOOM, WINDOW_SHIFT = (0.87, 1.2), 0.05  # of the square about both


class Cutouts(NamedTuple):
    """Frames and the people in them, `SCALE` times as large as the files."""

    pictures: np.ndarray  # uint8 (n, H, W, 4): red, green, blue, and the mask as 0 to 255
    skeletons: np.ndarray  # float32 (n, 17, 3), in pixels of the pictures
    boxes: np.ndarray  # float32 (n, 4): left, top, right, bottom of the masks
    films: np.ndarray  # int (n,): equal for frames of one film and one camera


class Pairs(NamedTuple):
    """Who stands where in n pictures; the person in front comes first."""

    frames: np.ndarray  # int32 (n, 2): the numbers of the cut-outs
    transforms: np.ndarray  # float32 (n, 2, 8), as `pipeline.warp` takes them
    people: np.ndarray  # float32 (n, 2, 17, 3), in pixels of the new pictures
    is_pair: np.ndarray  # float32 (n,): 0 where the person in front is left out


def read_cutouts(cases: Sequence[Case]) -> Cutouts:
    """Read frames, masks and joints of all cases, which must have one size.

    Raises:
        DatasetError: A file cannot be used, a mask is empty, or the frames differ in size.
    """
    pictures, boxes = zip(*map_files(_read_cutout, cases), strict=True)
    sizes = {picture.shape for picture in pictures}
    if len(sizes) > 1:
        raise DatasetError(f"the frames have {len(sizes)} sizes; leave all but one size out")
    skeletons = np.stack([read_skeleton(case) for case in cases])
    skeletons[..., :2] = (skeletons[..., :2] + 0.5) * SCALE - 0.5
    names = [case.name.rpartition("_")[0] for case in cases]
    films = np.unique(names, return_inverse=True)[1]
    return Cutouts(np.stack(pictures), skeletons, np.float32(boxes), films)


def _read_cutout(case):
    image, mask = read_image(case.image), read_mask(case.mask, case.classes)
    if not mask.any():
        raise DatasetError(f"{case.mask}: nobody is in this mask; leave the case out")
    alpha = Image.fromarray(mask.astype("uint8") * 255)
    size = round(alpha.width * SCALE), round(alpha.height * SCALE)
    small = [
        np.asarray(part.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
        for part in (Image.fromarray(image), alpha)
    ]
    return np.dstack(small), np.array(alpha.getbbox()) * SCALE


def draw_pairs(cutouts: Cutouts, count: int, size: int, seed: int = 0) -> Pairs:
    """Draw `count` pictures of two people, `size` pixels wide, some of them with one person.

    Film, frame, distance, size, angle and mirror image of each person are drawn, and then a square
    about both. The same seed gives the same pictures.
    """
    rng = np.random.default_rng(seed)
    frames = _draw_frames(cutouts.films, count, rng)
    is_pair = rng.uniform(size=count) >= ALONE
    box = cutouts.boxes[frames]
    middle, extent = (box[..., :2] + box[..., 2:]) / 2, box[..., 2:] - box[..., :2]
    scale = rng.uniform(*PERSON_ZOOM, (count, 2))
    extent = extent * scale[..., None]
    place = _draw_places(extent, rng)
    corner, side = _draw_windows(place, extent, is_pair, rng)
    zoom = (size / side)[:, None]
    place = (place - corner[:, None]) * zoom[..., None] - 0.5  # px of the new picture
    angle = rng.uniform(-PERSON_ROTATION, PERSON_ROTATION, (count, 2))
    flip = rng.choice([-1, 1], (count, 2))
    cos, sin = np.cos(angle) * scale * zoom, np.sin(angle) * scale * zoom
    matrix = np.stack([cos * flip, -sin, sin * flip, cos], axis=-1).reshape(count, 2, 2, 2)
    people = cutouts.skeletons[frames]
    moved = np.einsum("npij,npkj->npki", matrix, people[..., :2] - middle[:, :, None])
    people[..., :2] = moved + place[:, :, None]
    people = np.where(flip[..., None, None] < 0, people[:, :, MIRRORED], people)
    people[~is_pair, 0] = AWAY
    back = np.linalg.inv(matrix)  # from the new picture to the frame
    shift = middle - np.einsum("npij,npj->npi", back, place)
    rows = np.concatenate([back, shift[..., None]], axis=-1).reshape(count, 2, 6)
    transforms = np.concatenate([rows, np.zeros((count, 2, 2))], axis=-1)
    return Pairs(frames, np.float32(transforms), np.float32(people), np.float32(is_pair))


def _draw_frames(films, count, rng):
    """The numbers of two cut-outs for each picture: int32 `(count, 2)`."""
    front, back = rng.integers(len(films), size=(2, count))
    for i in np.flatnonzero(rng.uniform(size=count) < SAME_FILM):
        front[i] = rng.choice(np.flatnonzero(films == films[back[i]]))
    return np.stack([front, back], axis=1).astype("int32")


def _draw_places(extent, rng):
    """The middles of both people `(n, 2, 2)`: the back at 0, the front beside it."""
    place = np.zeros(extent.shape)
    side = rng.choice([-1, 1], len(place))
    place[:, 0, 0] = side * rng.uniform(*DISTANCE, len(place)) * extent.max(axis=(1, 2))
    feet = (extent[:, 1, 1] - extent[:, 0, 1]) / 2
    place[:, 0, 1] = feet + rng.normal(0, HEIGHTS, len(place))
    return place


def _draw_windows(place, extent, is_pair, rng):
    """Left top corner `(n, 2)` and side `(n,)` of a square about the people that are there."""
    low, high = place - extent / 2, place + extent / 2
    low[~is_pair, 0], high[~is_pair, 0] = low[~is_pair, 1], high[~is_pair, 1]
    low, high = low.min(axis=1), high.max(axis=1)
    zoom = np.exp(rng.uniform(*np.log(WINDOW_ZOOM), len(low)))
    side = (high - low).max(axis=1) * MARGIN * zoom
    shift = rng.uniform(-WINDOW_SHIFT, WINDOW_SHIFT, low.shape)
    return (low + high) / 2 + (shift - 0.5) * side[:, None], side


def make_pairs_dataset(
    cutouts: Cutouts, pairs: Pairs, size: int, stride: int, batch_size: int, seed: int = 0
) -> tf.data.Dataset:
    """Make a finite dataset of pictures and targets; each pair is used once, in its order.

    Pictures are float32 `(N, size, size, 3)` in [0, 1]. Targets are float32 `(N, G, G, 17 + 36)`
    with G = size / stride: the maps of `heatmaps`, then the fields of `limb_fields`. The last few
    pairs that fill no batch are left out.
    """
    pictures = tf.constant(cutouts.pictures)

    def load(pairs, draw):
        images = compose(pictures, pairs, draw, size)
        maps = heatmaps(pairs.people, size, stride), limb_fields(pairs.people, size, stride)
        return images, tf.concat(maps, axis=-1)

    data = tf.data.Dataset.from_tensor_slices(pairs).batch(batch_size, drop_remainder=True)
    draws = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
    data = tf.data.Dataset.zip(data, draws).map(load)
    options = tf.data.Options()
    options.autotune.enabled = False  # it gains nothing on data in memory
    return data.prefetch(2).with_options(options)


def compose(pictures: tf.Tensor, pairs: Pairs, seed: tf.Tensor, size: int) -> tf.Tensor:
    """Lay the person in front over the frame of the other: float32 `(N, size, size, 3)`.

    Each of the two is recoloured, so that colours differ more than in the films. Beyond a frame it
    is black. `pictures` are those of Cutouts; `seed` is two integers.
    """
    seeds = tf.random.split(tf.cast(seed, tf.int32), 2)
    layers = []
    for person in range(2):
        frames, transforms = pairs.frames[:, person], pairs.transforms[:, person]
        frames = tf.gather(pictures, frames)
        warped = warp(frames, transforms, "BILINEAR", size=(size, size), fill_mode="CONSTANT")
        layers.append(tf.cast(warped, tf.float32) / 255)
    alpha = layers[0][..., 3:] * pairs.is_pair[:, None, None, None]
    colours = [recolour(layer[..., :3], draw) for layer, draw in zip(layers, tf.unstack(seeds))]
    return alpha * colours[0] + (1 - alpha) * colours[1]
