"""Answers to the lab's task make_batches: right ones, written in several ways, and mistakes."""

import random
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
    images,
    masks,
    batch_size,
    training,
    seed=0,
    convert=to_float,
    augment=flip_together,
    calls=None,
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


def brighter(image, mask, **seed):
    image, mask = flip_together(image, mask)
    return tf.clip_by_value(tf.image.random_brightness(image, 0.2, **seed), 0, 1), mask


def one_seed_for_all(image, mask):
    """The colours' draw has the same seed as the flip's, which does no harm."""
    flip = partial(tf.image.random_flip_left_right, seed=1)
    image, mask = flip_together(image, mask, flip)
    return tf.clip_by_value(tf.image.random_brightness(image, 0.2, seed=1), 0, 1), mask


def flip_by_one_draw(image, mask):
    flip = tf.random.uniform(()) < 0.5
    return tuple(tf.cond(flip, lambda x=x: tf.image.flip_left_right(x), lambda x=x: x)
                 for x in (image, mask))  # fmt: skip


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


def inverted(images, masks, batch_size, training, seed=0):
    return batches(images, ~masks, batch_size, training)


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


def changed_once(images, masks, batch_size, training, seed=0, augment=flip_together):
    """Caches what was augmented."""
    data = slices(images, masks).batch(1).map(to_float)
    if training:
        data = data.map(augment).cache().shuffle(len(images))
    return data.map(lambda image, mask: (image[0], mask[0])).batch(batch_size)


def shuffled_apart(images, masks, batch_size, training, seed=0):
    parts = (images / np.float32(255), masks[..., None].astype("float32"))
    data = [tf.data.Dataset.from_tensor_slices(part) for part in parts]
    if training:
        data = [one.shuffle(len(images)) for one in data]
    return tf.data.Dataset.zip(*data).batch(batch_size)


def flip_seeded(x):
    return tf.image.random_flip_left_right(x, seed=3)


def flips_of_one_seed(image, mask):
    return flip_seeded(image), flip_seeded(mask)


def two_maps(images, masks, batch_size, training, seed=0, calls=None):
    """The first map flips images, the second masks."""
    data = batches(images, masks, batch_size, training, augment=unchanged)
    if not training:
        return data
    data = data.map(lambda image, mask: (flip_seeded(image), mask), calls)
    return data.map(lambda image, mask: (image, flip_seeded(mask)), calls)


def zipped_flips(images, masks, batch_size, training, seed=0):
    """Images and masks are two datasets, flipped by draws of the same seed, several at a time."""
    parts = (images / np.float32(255), masks[..., None].astype("float32"))
    data = [tf.data.Dataset.from_tensor_slices(part) for part in parts]
    if training:
        data = [one.shuffle(len(images), seed=1).map(flip_seeded, 2) for one in data]
    return tf.data.Dataset.zip(*data).batch(batch_size)


def drawn_before(images, masks, batch_size, training, seed=0, change=None):
    """Draws outside of map."""
    draw = tf.random.uniform((), 0.05, 0.2)
    flip = tf.random.uniform(()) < 0.5

    def colours(image, mask):
        image, mask = flip_together(image, mask)
        return tf.clip_by_value(image + draw, 0, 1), mask

    def sides(image, mask):
        return tuple(tf.where(flip, x[:, :, ::-1], x) for x in (image, mask))

    augment = colours if change == "colours" else sides
    return batches(images, masks, batch_size, training, augment=augment)


def numpy_in_map(image, mask):
    """NumPy draws when the function is traced."""
    return mirrored(image, mask) if np.random.rand() < 0.5 else (image, mask)


def python_in_map(image, mask):
    return mirrored(image, mask) if random.random() < 0.5 else (image, mask)


def numpy_with_seed(images, masks, batch_size, training, seed=0):
    flip = np.random.default_rng(seed).random() < 0.5
    return batches(images, masks, batch_size, training, augment=mirrored if flip else unchanged)


def numpy_colours(image, mask):
    image, mask = flip_together(image, mask)
    return tf.clip_by_value(image * np.random.uniform(0.7, 0.95), 0, 1), mask


def mirrored(image, mask):
    return image[:, :, ::-1], mask[:, :, ::-1]


def stateless(image, mask):
    return tuple(tf.image.stateless_random_flip_left_right(x, (1, 2)) for x in (image, mask))


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


def joined_and_brighter(image, mask):
    both = tf.image.random_brightness(tf.concat([image, mask], axis=-1), 0.2)
    both = tf.clip_by_value(tf.image.random_flip_left_right(both), 0, 1)
    return both[..., :3], both[..., 3:]


def darker_too(image, mask):
    image, mask = flip_together(image, mask)
    return 0.8 * image, 0.8 * mask


def joined_and_recoloured(image, mask):
    both = recolour(tf.concat([image, mask], axis=-1), two_numbers())
    return both[..., :3], both[..., 3:]


def mask_recoloured(image, mask):
    image, mask = flip_together(image, mask)
    return image, recolour(mask, two_numbers())


def flip_apart(image, mask):
    return tuple(map(tf.image.random_flip_left_right, (image, mask)))


def upside_down(image, mask):
    return flip_together(*flip_together(image, mask), tf.image.random_flip_up_down)


def turned_round(image, mask):
    turn = tf.random.uniform((), maxval=2, dtype=tf.int32)
    return flip_together(image, mask, lambda both: tf.image.rot90(both, 2 * turn))


def each_batch(change):
    return changed(batches, lambda data: data.map(change))


def augmented(augment, **options):
    return partial(batches, augment=augment, **options)


RIGHT = [
    batches,
    with_layers,
    one_by_one,
    augmented(brighter),
    augmented(recoloured, calls=2),
    augmented(one_seed_for_all, calls=2),
    augmented(flips_of_one_seed),
    two_maps,
    partial(frame_by_frame, augment=flip_by_one_draw, calls=2),
    augmented(smaller("nearest")),
]
WRONG = [
    ("not a tf.data.Dataset", changed(batches, list)),
    ("not a tf.data.Dataset", lambda images, masks, *_, **__: (images, masks)),
    ("not a tuple of two tensors", each_batch(lambda image, mask: image)),
    ("not a tuple of two tensors", each_batch(lambda image, mask: {"image": image, "mask": mask})),
    ("never ends", changed(batches, lambda data: data.repeat())),
    ("know its length", changed(batches, lambda data: data.filter(lambda image, mask: True))),
    ("there are no batches", not_in_batches),
    ("last batch was dropped", last_batch_dropped),
    ("only the last batch may be short", always_two),
    ("only the last batch may be short", changed(batches, lambda data: data.repeat(2))),
    ("without a channel", each_batch(lambda image, mask: (image, mask[..., 0]))),
    ("after the first axis", augmented(lambda i, m: (tf.image.resize(i, (19, 25)), m))),
    ("after the first axis", each_batch(lambda image, mask: (image, image))),
    ("masks have three channels", augmented(mask_recoloured)),
    ("masks have three channels", each_batch(lambda i, m: (i, tf.repeat(m, 3, axis=-1)))),
    ("images have values up to", scaled_by(image=1)),
    ("divided by 255 twice", scaled_by(image=255.0**2)),
    ("both must be float32", partial(batches, convert=lambda i, m: (to_float(i, m)[0], m))),
    ("not all of them are in [0, 1]", partial(batches, convert=minus_one_to_one)),
    ("not all of them are in [0, 1]", augmented(lambda i, m: (flip_together(i, m)[0] + 0.4, m))),
    (
        "not all of them are in [0, 1]",
        each_batch(lambda image, mask: (tf.image.per_image_standardization(image), mask)),
    ),
    ("Divide the image alone", scaled_by(mask=255)),
    ("ground truth of a pixel", scaled_by(mask=1 / 255)),
    ("a mask has two levels", augmented(brighter_too)),
    ("a mask has two levels", augmented(joined_and_brighter)),
    ("a mask has two levels", augmented(darker_too)),
    ("bilinear interpolation makes", augmented(smaller("bilinear"))),
    ("recolour stopped because it got a mask", augmented(joined_and_recoloured)),
    (
        "recolour stopped because it got a mask",
        partial(frame_by_frame, augment=lambda i, m: (i, recolour(m, two_numbers()))),
    ),
    (
        "recolour stopped because it got one frame",
        partial(frame_by_frame, augment=lambda i, m: (recolour(i, two_numbers()), m)),
    ),
    ("second argument, the draw", augmented(lambda i, m: (recolour(i, 3), m))),
    ("second argument, the draw", augmented(lambda i, m: (recolour(i), m))),
    ("second argument, the draw", augmented(lambda i, m: (recolour(i, m), m))),
    ("differ from every given image", always_training),
    ("differ from every given image", scaled_by(image=254.0)),
    ("the frames are in another order", partial(always_training, augment=unchanged)),
    ("the masks are inverted", inverted),
    ("not those given with them", masks_reversed),
    ("Cropping, zooming or shifting", augmented(lambda image, mask: (image, 0 * mask))),
    ("the images alone were moved", augmented(lambda i, m: (flip_together(i, m)[0], m))),
    ("the images never", augmented(lambda i, m: (i, flip_together(i, m)[1]))),
    ("both were moved", augmented(flip_apart)),
    ("the images alone were moved", shuffled_apart),
    ("head points down", augmented(upside_down)),
    ("head points down", augmented(turned_round)),
    ("the draw is made once", augmented(numpy_in_map)),
    ("the draw is made once", augmented(python_in_map)),
    ("the draw is made once", numpy_with_seed),
    ("the draw is made once", partial(drawn_before, change="sides")),
    ("each one is mirrored", augmented(mirrored)),
    ("there is no augmentation", augmented(unchanged)),
    ("augmented frames never at the right", augmented(lambda i, m: (0.8 * i, m))),
    ("in which they were given", shuffled),
    ("smaller than the set", partial(shuffled, buffer=3)),
    ("Let the dataset shuffle", partial(shuffled, buffer=1000, reshuffle=False)),
    ("exactly the same augmented images", changed_once),
    ("exactly the same augmented images", partial(changed_once, augment=brighter)),
    ("in the same changed colours", partial(drawn_before, change="colours")),
    ("in the same changed colours", augmented(numpy_colours)),
    ("two draws that have the same seed", augmented(flips_of_one_seed, calls=tf.data.AUTOTUNE)),
    (
        "two draws that have the same seed",
        partial(frame_by_frame, augment=flips_of_one_seed, calls=2),
    ),
    ("two draws that have the same seed", partial(two_maps, calls=2)),
    ("two draws that have the same seed", zipped_flips),
    ("batches were shuffled, not frames", batched_before_shuffling),
    ("batches were shuffled, not frames", mixed_once_and_batched),
]
