"""Answers to the lab's task make_batches: right ones, written in several ways, and mistakes."""

from functools import partial

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from answers.common import changed


def to_float(image, mask):
    return tf.cast(image, tf.float32) / 255, tf.cast(mask, tf.float32)


def flip_together(image, mask):
    """One draw for each image of a batch."""
    flip = tf.random.uniform((tf.shape(image)[0], 1, 1, 1)) < 0.5
    return tuple(tf.where(flip, one[:, :, ::-1], one) for one in (image, mask))


def unchanged(image, mask):
    return image, mask


def slices(images, masks):
    return tf.data.Dataset.from_tensor_slices((images, masks[..., None]))


def batches(images, masks, batch_size, training, seed=0, convert=to_float, augment=flip_together):
    data = slices(images, masks)
    if training:
        data = data.shuffle(len(images), seed=seed)
    data = data.batch(batch_size).map(convert)
    return data.map(augment) if training else data


# --- Other right answers --------------------------------------------------------------------------


def with_layers(images, masks, batch_size, training, seed=0):
    """Keras' own layers, on image and mask joined into one array."""
    flip = layers.RandomFlip("horizontal", seed=seed)
    shift = layers.RandomTranslation(0.05, 0.05, fill_mode="reflect", interpolation="nearest")
    move = keras.Sequential([flip, shift])

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
        data = data.map(lambda pair, draw: augment(*pair, tf.cast(draw, tf.int32)))
    return data.batch(batch_size)


def brighter(image, mask):
    image, mask = flip_together(image, mask)
    return tf.clip_by_value(tf.image.random_brightness(image, 0.2), 0, 1), mask


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


def not_in_batches(images, masks, batch_size, training, seed=0):
    return slices(images, masks).map(to_float)


def last_batch_dropped(images, masks, batch_size, training, seed=0):
    full = len(images) // batch_size * batch_size
    return batches(images[:full], masks[:full], batch_size, training)


def always_two(images, masks, batch_size, training, seed=0):
    return batches(images, masks, 2, training)


def always_training(images, masks, batch_size, training, seed=0, augment=flip_together):
    return batches(images, masks, batch_size, True, augment=augment)


def masks_reversed(images, masks, batch_size, training, seed=0):
    return batches(images, masks[::-1], batch_size, training)


def shuffled(images, masks, batch_size, training, seed=0, buffer=1, reshuffle=True):
    data = slices(images, masks)
    if training:
        data = data.shuffle(buffer, seed, reshuffle_each_iteration=reshuffle)
    data = data.batch(batch_size).map(to_float)
    return data.map(flip_together) if training else data


def batched_before_shuffling(images, masks, batch_size, training, seed=0):
    data = batches(images, masks, batch_size, training=False)
    return data.shuffle(len(images), seed=seed).map(flip_together) if training else data


def mixed_once_and_batched(images, masks, batch_size, training, seed=0):
    """So that each batch holds frames of all films, but always the same ones."""
    order = np.arange(len(images))
    if training:
        order = np.random.default_rng(seed).permutation(len(images))
    return batched_before_shuffling(images[order], masks[order], batch_size, training, seed)


def changed_once(images, masks, batch_size, training, seed=0):
    """Caches what was augmented."""
    data = slices(images, masks).batch(1).map(to_float)
    if training:
        data = data.map(flip_together).cache().shuffle(len(images))
    return data.map(lambda image, mask: (image[0], mask[0])).batch(batch_size)


def scaled_by(image=255.0, mask=1.0):
    """Divides image and mask by these numbers."""
    return partial(
        batches,
        convert=lambda i, m: (tf.cast(i, tf.float32) / image, tf.cast(m, tf.float32) / mask),
    )


def minus_one_to_one(image, mask):
    image, mask = to_float(image, mask)
    return 2 * image - 1, mask


def brighter_too(image, mask):
    change = tf.random.uniform((), 0.05, 0.2)
    image, mask = flip_together(image, mask)
    return tf.clip_by_value(image + change, 0, 1), mask + change


def flip_apart(image, mask):
    return tuple(map(tf.image.random_flip_left_right, (image, mask)))


def each_batch(change):
    return changed(batches, lambda data: data.map(change))


def augmented(augment):
    return partial(batches, augment=augment)


RIGHT = [batches, with_layers, one_by_one, augmented(brighter), augmented(smaller("nearest"))]
WRONG = [
    ("no dataset", changed(batches, list)),
    ("no pairs", each_batch(lambda image, mask: image)),
    ("endless", changed(batches, lambda data: data.repeat())),
    ("unknown length", changed(batches, lambda data: data.filter(lambda image, mask: True))),
    ("no batches", not_in_batches),
    ("last dropped", last_batch_dropped),
    ("lengths", always_two),
    ("no channel", each_batch(lambda image, mask: (image, mask[..., 0]))),
    ("shape", augmented(lambda image, mask: (tf.image.resize(image, (19, 25)), mask))),
    ("not scaled", scaled_by(image=1)),
    ("scaled twice", scaled_by(image=255.0**2)),
    ("not float32", partial(batches, convert=lambda i, m: (to_float(i, m)[0], m))),
    ("out of range", partial(batches, convert=minus_one_to_one)),
    ("out of range", augmented(lambda i, m: (flip_together(i, m)[0] + 0.4, m))),
    ("mask divided", scaled_by(mask=255)),
    ("mask of 255", scaled_by(mask=1 / 255)),
    ("mask recoloured", augmented(brighter_too)),
    ("mask grey", augmented(smaller("bilinear"))),
    ("validation augmented", always_training),
    ("validation shuffled", partial(always_training, augment=unchanged)),
    ("validation masks", masks_reversed),
    ("persons lost", augmented(lambda image, mask: (image, 0 * mask))),
    ("image moved", augmented(lambda image, mask: (flip_together(image, mask)[0], mask))),
    ("mask moved", augmented(lambda image, mask: (image, flip_together(image, mask)[1]))),
    ("two draws", augmented(flip_apart)),
    ("not augmented", augmented(unchanged)),
    ("never flipped", augmented(lambda image, mask: (0.8 * image, mask))),
    ("always flipped", augmented(lambda image, mask: (image[:, :, ::-1], mask[:, :, ::-1]))),
    ("not shuffled", shuffled),
    ("small buffer", partial(shuffled, buffer=3)),
    ("same order", partial(shuffled, buffer=1000, reshuffle=False)),
    ("same augmentation", changed_once),
    ("same company", batched_before_shuffling),
    ("same company", mixed_once_and_batched),
]
