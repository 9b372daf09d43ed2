"""From cases to batches: read once, keep in memory, augment image and mask by the same draw."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from segmentation_tf.images import map_files, open_image, read_mask, resize_image, resize_mask

MAX_ROTATION = 0.3  # radians; larger ones fill more of the corners with mirror images
ZOOM = (0.8, 1.25)
MAX_SHIFT = 0.1  # share of the image's side
BRIGHTNESS = 0.15
CONTRAST = (0.8, 1.25)
TINT = 0.05


def make_dataset(
    cases: Sequence,
    size: int | tuple[int, int],
    batch_size: int,
    *,
    training: bool = False,
    seed: int = 0,
    load_fn: Callable | None = None,
    augment_fn: Callable | None = None,
) -> tf.data.Dataset:
    """Make a finite dataset of `(image, mask)` batches.

    An image batch is float32 `(N, H, W, 3)` in [0, 1]; a mask batch is float32 `(N, H, W, 1)` in
    {0, 1}. Training batches are always full: an epoch leaves out the last few shuffled cases, and a
    set smaller than a batch is repeated. Without `training`, the last batch may be short.

    Args:
        cases: Case objects, or whatever `load_fn` reads.
        size: Height and width of the batches in pixels; one number means a square.
        batch_size: Images in a batch.
        training: Shuffle and augment every epoch. The same `seed` gives the same epochs if Keras'
            global seed is the same too.
        seed: Seed of shuffling and augmentation.
        load_fn: Reads a case in another way: it takes the case and returns an RGB Pillow image and
            a target in place of the mask, a float array of the same shape for all cases.
        augment_fn: Takes the place of `augment`, with the same arguments.

    Raises:
        DatasetError: A file cannot be used. All files are read here, before the first batch.
        ValueError: There are no cases, or `size` or `batch_size` is below 1.
    """
    if not cases:
        raise ValueError("make_dataset got no cases")
    sides = np.asarray(size)
    if sides.dtype.kind not in "iu" or sides.shape not in ((), (2,)) or sides.min() < 1:
        raise ValueError(f"size is {size!r}; give a number of pixels, or height and width")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
    with tf.device("CPU"):
        images, masks = map(tf.constant, load_arrays(cases, size, load_fn))
    # We shuffle the numbers of the pictures. Shuffling the pictures would need a second copy.
    data = tf.data.Dataset.range(len(cases))
    if training:
        rounds = math.ceil(batch_size / len(cases))  # one, if the cases fill a batch
        data = data.repeat(rounds).shuffle(rounds * len(cases), seed=seed)
    # A short training batch would upset batch normalisation's running statistics.
    data = data.batch(batch_size, drop_remainder=training)
    data = data.map(lambda chosen: _to_float(tf.gather(images, chosen), tf.gather(masks, chosen)))
    if training:
        augment_fn = augment_fn or augment
        draws = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
        data = tf.data.Dataset.zip(data, draws).map(lambda pair, draw: augment_fn(*pair, draw))
    # Autotuning gains nothing on data that are already in memory, and on a busy machine its
    # sleeping thread holds up the end of every pass over the data.
    options = tf.data.Options()
    options.autotune.enabled = False
    # These optimizations gain nothing here, and TensorFlow copies all pictures for them.
    options.experimental_optimization.apply_default_optimizations = False
    return data.prefetch(2).with_options(options)


def load_arrays(
    cases: Sequence, size: int | tuple[int, int], load_fn: Callable | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Read all cases into memory, several files at a time.

    Args:
        cases, size, load_fn: As in `make_dataset`.

    Returns:
        Images, uint8 `(n, H, W, 3)`, and masks, uint8 `(n, H, W, 1)` in {0, 1}. With `load_fn`,
        the second array holds its targets, float32 `(n, ...)`.

    Raises:
        DatasetError: A file cannot be used.
    """
    height, width = (size, size) if np.isscalar(size) else size

    def load(case):
        if load_fn is None:
            mask = resize_mask(read_mask(case.mask, case.classes), (height, width))[..., None]
            return resize_image(open_image(case.image), (height, width)), mask.astype("uint8")
        image, target = load_fn(case)
        return resize_image(image, (height, width)), np.asarray(target, "float32")

    for i, pair in enumerate(map_files(load, cases)):
        if i == 0:  # each picture goes to its place at once, because a list would be a second copy
            arrays = [np.empty((len(cases), *array.shape), array.dtype) for array in pair]
        for whole, array in zip(arrays, pair, strict=True):
            if array.shape != whole.shape[1:]:
                raise ValueError(
                    f"load_fn must return targets of one shape, not {array.shape} and "
                    f"{whole.shape[1:]}"
                )
            whole[i] = array
    return tuple(arrays)


def augment(images: tf.Tensor, masks: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Flip, rotate, zoom, shift and recolour a batch; one draw moves image and mask together.

    A dermoscopic image has no top, so it is flipped upside down as often as left to right.
    Images, float32 `(N, H, W, 3)` in [0, 1], are interpolated. Masks `(N, H, W, C)` take the
    nearest pixel, so they keep their values. `seed` is two integers.
    """
    seeds = tf.random.split(tf.cast(seed, tf.int32), 2)
    transforms = random_transforms(tf.shape(images), seeds[0], upside_down=True)
    images = recolour(warp(images, transforms, "BILINEAR"), seeds[1])
    return images, warp(masks, transforms, "NEAREST")


def random_windows(
    images: tf.Tensor,
    masks: tf.Tensor,
    size: tuple[int, int],
    *,
    seed: tf.Tensor,
    rotation: float = 0.1,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cut one window out of each image and its mask, after a random flip, rotation, zoom and shift.

    Images and masks are as in `augment`; colours do not change.

    Args:
        size: Height and width of the windows in pixels.
        seed: Two integers.
        rotation: The largest angle in radians. The default is small because people stand upright.
    """
    seeds = tf.random.split(tf.cast(seed, tf.int32), 2)
    n, height, width = (tf.shape(images)[axis] for axis in range(3))
    transforms = random_transforms((n, height, width), seeds[0], rotation)
    room = tf.cast([[height - size[0]], [width - size[1]]], tf.float32)
    top, left = tf.unstack(room * tf.random.stateless_uniform((2, n), seeds[1]))
    transforms = move_window(transforms, top, left)
    images = warp(images, transforms, "BILINEAR", size=size)
    return images, warp(masks, transforms, "NEAREST", size=size)


def random_transforms(
    shape: tuple | tf.Tensor,
    seed: tf.Tensor,
    rotation: float = MAX_ROTATION,
    *,
    upside_down: bool = False,
) -> tf.Tensor:
    """Draw one geometric map for each image: float32 `(N, 8)`, in the form that `warp` expects.

    Args:
        shape: `(N, H, W, ...)` of the images.
        seed: Two integers.
        rotation: The largest angle in radians.
        upside_down: Whether to flip half of the images upside down. In any case, half of all
            images are flipped left to right.
    """
    n, height, width = shape[0], tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    draw = tf.random.stateless_uniform((6, n), seed)
    angle = (2 * draw[0] - 1) * rotation
    scale = ZOOM[0] * (ZOOM[1] / ZOOM[0]) ** draw[1]
    flip_x = tf.where(draw[2] < 0.5, -1.0, 1.0)
    flip_y = tf.where(draw[5] < 0.5, -1.0, 1.0) if upside_down else 1.0
    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    a, b, c, d = cos * flip_x, -sin * flip_y, sin * flip_x, cos * flip_y
    # The map sends output pixels to input pixels: it turns about the centre, then shifts.
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    x = middle_x * (1 - a) - middle_y * b + (2 * draw[3] - 1) * MAX_SHIFT * width
    y = middle_y * (1 - d) - middle_x * c + (2 * draw[4] - 1) * MAX_SHIFT * height
    return tf.stack([a, b, x, c, d, y, tf.zeros(n), tf.zeros(n)], axis=1)


def move_window(transforms: tf.Tensor, top: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
    """Change maps `(N, 8)` so that their output begins at row `top` and column `left` (pixels)."""
    a, b, x, c, d, y, *rest = tf.unstack(transforms, axis=1)
    return tf.stack([a, b, x + a * left + b * top, c, d, y + c * left + d * top, *rest], axis=1)


def recolour(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Change contrast, brightness and tint of images `(N, H, W, 3)`, which stay in [0, 1]."""
    n = tf.shape(images)[0]
    draw = tf.random.stateless_uniform((n, 1, 1, 5), seed)
    contrast = CONTRAST[0] + draw[..., 0:1] * (CONTRAST[1] - CONTRAST[0])
    brightness = (2 * draw[..., 1:2] - 1) * BRIGHTNESS
    tint = (2 * draw[..., 2:5] - 1) * TINT
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return tf.clip_by_value((images - mean) * contrast + mean + brightness + tint, 0, 1)


def warp(
    images: tf.Tensor,
    transforms: tf.Tensor,
    interpolation: str,
    *,
    size: tuple[int, int] | None = None,
    fill_mode: str = "REFLECT",
) -> tf.Tensor:
    """Move the pixels of each image by its geometric map.

    One op for the whole batch takes a third of the time of Keras' augmentation layers (for 8
    images of 128 px on two cores, 8 ms instead of 24).

    Args:
        images: `(N, H, W, C)`.
        transforms: float32 `(N, 8)`; they send output pixels to input pixels.
        interpolation: "BILINEAR" or "NEAREST".
        size: Height and width of the output in pixels; those of the input by default.
        fill_mode: What lies beyond an edge: "REFLECT", the mirror image, or "CONSTANT", zeros.

    Raises:
        ValueError: Another `interpolation`, for which TensorFlow would return zeros.
    """
    if interpolation not in ("BILINEAR", "NEAREST"):
        raise ValueError(f'interpolation is {interpolation!r}; give "BILINEAR" or "NEAREST"')
    size = images.shape[1:3] if size is None else size
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=size,
        fill_value=0.0,
        interpolation=interpolation,
        fill_mode=fill_mode,
    )
    return tf.ensure_shape(warped, (images.shape[0], *size, images.shape[3]))


def _to_float(images, masks):
    return tf.cast(images, tf.float32) / 255, tf.cast(masks, tf.float32)
