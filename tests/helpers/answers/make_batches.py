"""Answers to the lab's task make_batches: right ones, written in several ways, and mistakes."""

from functools import partial

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from answers.common import changed
from segmentation_tf.pipeline import recolour


def to_float(image, mask):
    return tf.cast(image, tf.float32) / 255, tf.cast(mask, tf.float32)


def flip_together(image, mask, flip_fn=tf.image.random_flip_left_right):
    """One draw for each image, of a batch or alone."""
    both = flip_fn(tf.concat([image, mask], axis=-1))
    return both[..., :3], both[..., 3:]


def unchanged(image, mask):
    return image, mask


def slices(images, masks):
    return tf.data.Dataset.from_tensor_slices((images, masks[..., None]))


def batches(
    images, masks, batch_size, training, seed=0, convert=to_float, augment=flip_together, calls=None
):
    data = slices(images, masks)
    if training:
        data = data.shuffle(len(images), seed=seed)
    data = data.batch(batch_size).map(convert, calls)
    return data.map(augment, calls) if training else data


def frame_by_frame(images, masks, batch_size, training, seed=0, augment=flip_together, calls=None):
    """Batches at the end."""
    data = slices(images, masks).map(to_float, calls)
    if training:
        data = data.shuffle(len(images), seed=seed).map(augment, calls)
    return data.batch(batch_size)


# --- Other right answers --------------------------------------------------------------------------


def with_layers(images, masks, batch_size, training, seed=0):
    """Keras' own layers, on image and mask joined into one array."""
    flip = layers.RandomFlip("horizontal", seed=seed)
    shift = layers.RandomTranslation(0.05, 0.05, fill_mode="reflect", interpolation="nearest")
    turn = layers.RandomRotation(0.05, interpolation="nearest")
    move = keras.Sequential([flip, shift, turn])

    def augment(both):
        both = move(both, training=True)
        image = tf.image.random_contrast(both[..., :3], 0.8, 1.2)
        return tf.clip_by_value(image, 0, 1), both[..., 3:]

    both = np.concatenate([images / 255, masks[..., None]], axis=-1).astype("float32")
    data = tf.data.Dataset.from_tensor_slices(both).cache()
    if not training:
        return data.batch(batch_size).map(lambda both: (both[..., :3], both[..., 3:]))
    return data.shuffle(len(images)).batch(batch_size).map(augment).prefetch(1)


def one_by_one(images, masks, batch_size, training, seed=0):
    """Stateless functions, both with the same seed, before batching."""

    def augment(image, mask, draw):
        image, mask = (tf.image.stateless_random_flip_left_right(x, draw) for x in (image, mask))
        return tf.clip_by_value(tf.image.stateless_random_hue(image, 0.05, draw), 0, 1), mask

    data = slices(images, masks).map(to_float).cache()
    if training:
        draws = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
        data = tf.data.Dataset.zip(data.shuffle(len(images)), draws)
        data = data.map(lambda pair, draw: augment(*pair, tf.cast(draw, tf.int32)), 2)
    return data.batch(batch_size)


def one_seed_for_all(image, mask):
    """The colours' draw has the same seed as the flip's, which does no harm."""
    flip = partial(tf.image.random_flip_left_right, seed=1)
    image, mask = flip_together(image, mask, flip)
    return tf.clip_by_value(tf.image.random_brightness(image, 0.2, seed=1), 0, 1), mask


def recoloured(image, mask):
    image, mask = flip_together(image, mask)
    return recolour(image, two_numbers()), mask


def two_numbers():
    return tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)


def smaller(method):
    """Flips, and shrinks image and mask a little, the mask by `method`."""

    def augment(image, mask):
        image, mask = flip_together(image, mask)
        height, width = image.shape[1:3]
        image = tf.image.resize(image, (height - 6, width - 6))
        mask = tf.image.resize(mask, (height - 6, width - 6), method)
        return tuple(tf.image.resize_with_crop_or_pad(x, height, width) for x in (image, mask))

    return augment


# --- Mistakes -------------------------------------------------------------------------------------


def always_training(images, masks, batch_size, training, seed=0, augment=flip_together):
    return batches(images, masks, batch_size, True, augment=augment)


def shuffled(images, masks, batch_size, training, seed=0, buffer=1, reshuffle=True):
    data = slices(images, masks)
    if training:
        data = data.shuffle(buffer, seed, reshuffle_each_iteration=reshuffle)
    data = data.batch(batch_size).map(to_float)
    return data.map(flip_together) if training else data


def batched_before_shuffling(images, masks, batch_size, training, seed=0):
    data = batches(images, masks, batch_size, training=False)
    return data.shuffle(len(images), seed=seed).map(flip_together) if training else data


def changed_once(images, masks, batch_size, training, seed=0, augment=flip_together):
    """Caches what was augmented."""
    data = slices(images, masks).batch(1).map(to_float)
    if training:
        data = data.map(augment).cache().shuffle(len(images))
    return data.map(lambda image, mask: (image[0], mask[0])).batch(batch_size)


def flips_of_one_seed(image, mask):
    return tuple(tf.image.random_flip_left_right(x, seed=3) for x in (image, mask))


def numpy_colours(image, mask):
    image, mask = flip_together(image, mask)
    return tf.clip_by_value(image * np.random.uniform(0.7, 0.95), 0, 1), mask


def changed_input(change):
    return lambda images, masks, *rest, **more: batches(*change(images, masks), *rest, **more)


def mirrored(image, mask):
    return image[:, :, ::-1], mask[:, :, ::-1]


def scaled_by(image=255.0, mask=1.0):
    """Divides image and mask by these numbers."""
    return partial(
        batches,
        convert=lambda i, m: (tf.cast(i, tf.float32) / image, tf.cast(m, tf.float32) / mask),
    )


def each_batch(change):
    return changed(batches, lambda data: data.map(change))


def augmented(augment, **options):
    return partial(batches, augment=augment, **options)


RIGHT = [
    batches,
    with_layers,
    one_by_one,
    augmented(recoloured, calls=2),
    augmented(one_seed_for_all, calls=2),
    augmented(flips_of_one_seed),
    partial(frame_by_frame, calls=2),
    augmented(smaller("nearest")),
]
WRONG = [
    ("not a tf.data.Dataset", changed(batches, list)),
    ("not a tuple of two tensors", each_batch(lambda image, mask: {"image": image, "mask": mask})),
    ("has no known length", changed(batches, lambda data: data.repeat())),
    ("has no known length", changed(batches, lambda data: data.filter(lambda image, mask: True))),
    ("there are no batches", lambda images, masks, *_, **__: slices(images, masks).map(to_float)),
    ("without drop_remainder", changed_input(lambda i, m: (i[:-1], m[:-1]))),
    ("without drop_remainder", changed(batches, lambda data: data.repeat(2))),
    ("without a channel", each_batch(lambda image, mask: (image, mask[..., 0]))),
    ("after the first axis", augmented(lambda i, m: (tf.image.resize(i, (19, 25)), m))),
    ("after the first axis", augmented(lambda i, m: (i, recolour(m, two_numbers())))),
    ("images from about 0 to 1", scaled_by(image=1)),
    ("images from about 0 to 1", scaled_by(image=255.0**2)),
    ("images from about 0 to 1", partial(batches, convert=lambda i, m: (to_float(i, m)[0], m))),
    ("images from about 0 to 1", augmented(lambda i, m: (flip_together(i, m)[0] + 0.4, m))),
    ("a mask has two levels", scaled_by(mask=255)),
    ("a mask has two levels", augmented(lambda i, m: flip_together(0.8 * i, 0.8 * m))),
    ("bilinear interpolation makes", augmented(smaller("bilinear"))),
    (
        "recolour stopped because it got a mask",
        augmented(lambda i, m: recolour(tf.concat([i, m], axis=-1), two_numbers())),
    ),
    (
        "recolour stopped because it got one frame",
        partial(frame_by_frame, augment=lambda i, m: (recolour(i, two_numbers()), m)),
    ),
    ("second argument, the draw", augmented(lambda i, m: (recolour(i, 3), m))),
    ("second argument, the draw", augmented(lambda i, m: (recolour(i), m))),
    ("differ from every given image", always_training),
    ("differ from every given image", scaled_by(image=254.0)),
    ("the frames are in another order", partial(always_training, augment=unchanged)),
    ("pixels of the masks are not", changed_input(lambda images, masks: (images, ~masks))),
    ("pixels of the masks are not", changed_input(lambda images, masks: (images, masks[::-1]))),
    ("Cropping, zooming or shifting", augmented(lambda image, mask: (image, 0 * mask))),
    ("augmented pairs the mask is not", augmented(lambda i, m: (flip_together(i, m)[0], m))),
    (
        "augmented pairs the mask is not",
        augmented(lambda *both: tuple(map(tf.image.random_flip_left_right, both))),
    ),
    ("head points down", augmented(partial(flip_together, flip_fn=tf.image.random_flip_up_down))),
    ("the draw is made once", augmented(lambda *x: mirrored(*x) if np.random.rand() < 0.5 else x)),
    ("left-right flip is missing", augmented(mirrored)),
    ("left-right flip is missing", augmented(unchanged)),
    ("Either nothing is shuffled", shuffled),
    ("Either nothing is shuffled", partial(shuffled, buffer=3)),
    ("the same frames met in a batch", partial(shuffled, buffer=1000, reshuffle=False)),
    ("the same frames met in a batch", batched_before_shuffling),
    ("with the same changes each time", changed_once),
    ("with the same changes each time", augmented(numpy_colours)),
    ("two draws that have the same seed", augmented(flips_of_one_seed, calls=tf.data.AUTOTUNE)),
    (
        "two draws that have the same seed",
        partial(frame_by_frame, augment=flips_of_one_seed, calls=2),
    ),
]
