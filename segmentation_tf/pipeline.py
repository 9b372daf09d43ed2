"""From cases to batches: read once, keep in memory, augment image and mask by the same draw."""

import numpy as np
import tensorflow as tf

from segmentation_tf.images import map_files, open_image, read_mask, resize_image, resize_mask

MAX_ROTATION = np.pi
ZOOM = (0.8, 1.25)
MAX_SHIFT = 0.1
BRIGHTNESS = 0.15
CONTRAST = (0.8, 1.25)
TINT = 0.05


def make_dataset(
    cases,
    size,
    batch_size,
    training=False,
    seed=0,
    targets=None,
    read=None,
    change=None,
):
    """Return a finite `tf.data.Dataset` of `(image, mask)` batches.

    image: float32 `(N, H, W, 3)` in [0, 1]; mask: float32 `(N, H, W, 1)` in {0, 1}.
    `size` is H = W or `(H, W)`. The last batch may be short. With `training`, every epoch is
    shuffled and augmented anew, the same way on every run with the same `seed`.
    `targets` replaces the mask: a function from a case to a float array, for a map `(H, W, C)` at
    the given size. `read` replaces the image: a function from a case to an RGB Pillow image.
    `change` replaces `augment`, whose arguments it takes: for targets that are no maps, or for
    what has an up.
    All files are read here, so a DatasetError comes from this call and not from the loop.
    """
    if not cases:
        raise ValueError("make_dataset got no cases")
    images, masks = load_arrays(cases, size, targets, read)
    data = tf.data.Dataset.from_tensor_slices((images, masks))
    if training:
        data = data.shuffle(len(cases), seed=seed)
    data = data.batch(batch_size).map(_to_float)
    if training:
        change = change or augment
        draws = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
        data = tf.data.Dataset.zip(data, draws).map(lambda pair, draw: change(*pair, draw))
    # tf.data's own tuning sleeps in a thread that holds up the end of every pass over the data,
    # and short passes most: without it, training on 48 cases takes a quarter less time.
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.prefetch(2).with_options(options)


def load_arrays(cases, size, targets=None, read=None):
    """Read cases into uint8 images `(n, H, W, 3)` and masks `(n, H, W, 1)`, several at a time.

    `targets` and `read` as in `make_dataset`; with `targets`, the second array is float32
    `(n, ...)`.
    """
    height, width = (size, size) if np.isscalar(size) else size

    def load(case):
        picture = read(case) if read else open_image(case.image)
        image = resize_image(picture, (height, width))
        if targets is None:
            return image, resize_mask(read_mask(case.mask), (height, width))[..., None]
        return image, np.asarray(targets(case), "float32")

    images, masks = zip(*map_files(load, cases), strict=True)
    return np.stack(images), np.stack(masks).astype("uint8" if targets is None else "float32")


def augment(images, masks, seed):
    """Flip, turn, zoom, shift and recolour a batch; one draw moves image and mask together.

    images: float32 `(N, H, W, 3)` in [0, 1]; masks: `(N, H, W, C)`; seed: two integers.
    Images are interpolated; masks take the nearest pixel, so they stay in their own values.
    """
    seeds = tf.random.split(tf.cast(seed, tf.int32), 2)
    transforms = random_transforms(tf.shape(images), seeds[0])
    images = recolour(warp(images, transforms, "BILINEAR"), seeds[1])
    return images, warp(masks, transforms, "NEAREST")


def random_windows(images, masks, size, seed, rotation=0.1):
    """Cut a window of `size` (height, width) out of each image and mask, by one draw.

    images: float32 `(N, H, W, 3)`; masks: `(N, H, W, C)`; seed: two integers. The image is
    mirrored, zoomed, shifted and turned by at most `rotation` radians first: people stand
    upright. Interpolation as in `augment`.
    """
    seeds = tf.random.split(tf.cast(seed, tf.int32), 2)
    n, height, width = (tf.shape(images)[axis] for axis in range(3))
    transforms = random_transforms((n, height, width), seeds[0], rotation)
    room = tf.cast([[height - size[0]], [width - size[1]]], tf.float32)
    top, left = tf.unstack(room * tf.random.stateless_uniform((2, n), seeds[1]))
    transforms = move_window(transforms, top, left)
    return warp(images, transforms, "BILINEAR", size), warp(masks, transforms, "NEAREST", size)


def random_transforms(shape, seed, rotation=MAX_ROTATION):
    """Draw one geometric map an image, float32 `(N, 8)`, for images of `shape` (N, H, W, ...).

    Any rotation and mirror image of a mole is a mole: there is no up in dermoscopy.
    """
    n, height, width = shape[0], tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    draw = tf.random.stateless_uniform((6, n), seed)
    angle = (2 * draw[0] - 1) * rotation
    scale = ZOOM[0] * (ZOOM[1] / ZOOM[0]) ** draw[1]
    mirror = tf.where(draw[2] < 0.5, -1.0, 1.0)
    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    a, b, c, d = cos * mirror, -sin, sin * mirror, cos
    # The map sends output to input pixels and turns about the centre, then shifts.
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    x = middle_x * (1 - a) - middle_y * b + (2 * draw[3] - 1) * MAX_SHIFT * width
    y = middle_y * (1 - d) - middle_x * c + (2 * draw[4] - 1) * MAX_SHIFT * height
    return tf.stack([a, b, x, c, d, y, tf.zeros(n), tf.zeros(n)], axis=1)


def move_window(transforms, top, left):
    """The same maps for windows whose corner lies at `top`, `left` px: float32 `(N, 8)`."""
    a, b, x, c, d, y, *rest = tf.unstack(transforms, axis=1)
    return tf.stack([a, b, x + a * left + b * top, c, d, y + c * left + d * top, *rest], axis=1)


def recolour(images, seed):
    """Change contrast, brightness and tint of each image a little; stays in [0, 1]."""
    n = tf.shape(images)[0]
    draw = tf.random.stateless_uniform((n, 1, 1, 5), seed)
    contrast = CONTRAST[0] + draw[..., 0:1] * (CONTRAST[1] - CONTRAST[0])
    brightness = (2 * draw[..., 1:2] - 1) * BRIGHTNESS
    tint = (2 * draw[..., 2:5] - 1) * TINT
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return tf.clip_by_value((images - mean) * contrast + mean + brightness + tint, 0, 1)


def _to_float(images, masks):
    return tf.cast(images, tf.float32) / 255, tf.cast(masks, tf.float32)


def warp(images, transforms, interpolation, size=None):
    """Map images `(N, H, W, C)` by `transforms` `(N, 8)`, which send output to input pixels.

    As `tf.raw_ops.ImageProjectiveTransformV3` does; `size` (height, width) is that of the output,
    else of the input. Beyond an edge lies its mirror image.
    """
    size = images.shape[1:3] if size is None else size
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=size,
        fill_value=0.0,
        interpolation=interpolation,
        fill_mode="REFLECT",
    )
    return tf.ensure_shape(warped, (images.shape[0], *size, images.shape[3]))
