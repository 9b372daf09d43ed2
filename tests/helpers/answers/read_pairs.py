"""Answers to the lab's task read_pairs: right ones, written in several ways, and mistakes."""

from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from answers.common import changed
from segmentation_tf.images import read_image, read_mask, resize_image, resize_mask

SMOOTH, NEAREST = Image.Resampling.BILINEAR, Image.Resampling.NEAREST


def small_image(file, size):
    return resize_image(read_image(file), size)


def voted_mask(file, size):
    """As it should be: bool, True where at least half of the area was."""
    return resize_mask(read_mask(file), size)


def read(image_files, mask_files, size, image=small_image, mask=voted_mask):
    """With the helpers of the course's package."""
    files = list(zip(sorted(image_files), sorted(mask_files)))
    images = np.stack([image(file, size) for file, _ in files])
    masks = np.stack([mask(file, size) for _, file in files])
    return [file.stem for file, _ in files], images, masks


def read_with_tensorflow(image_files, mask_files, size):
    masks = {file.stem: file for file in mask_files}
    rows = []
    for file in sorted(image_files):
        image = tf.io.decode_png(tf.io.read_file(str(file)), channels=3)
        mask = tf.io.decode_png(tf.io.read_file(str(masks[file.stem])), channels=1)
        image = tf.cast(tf.round(tf.image.resize(image, size, antialias=True)), tf.uint8)
        mask = tf.image.resize(mask, size, method="nearest")[..., 0] > 127
        rows.append((file.stem, image.numpy(), mask.numpy()))
    return tuple(list(part) for part in zip(*rows))


def read_with_numpy(image_files, mask_files, size):
    """Averages blocks of pixels, and cuts the average of a mask at half."""

    def shrink(array):
        height, width = size
        blocks = array.reshape(height, len(array) // height, width, -1, *array.shape[2:])
        return blocks.mean(axis=(1, 3))

    pairs = list(zip(sorted(image_files), sorted(mask_files, key=lambda file: file.name)))
    images = [shrink(np.asarray(Image.open(image)).astype(float)) for image, _ in pairs]
    masks = [shrink(np.asarray(Image.open(mask).convert("L")) / 255) > 0.5 for _, mask in pairs]
    names = np.array([image.name.removesuffix(".png") for image, _ in pairs])
    return names.tolist(), np.round(images).astype(np.uint8), np.array(masks)


def smooth_cut_at_half(file, size):
    return grey(file, size, Image.Resampling.BICUBIC) > 127


def grey(file, size, method=SMOOTH, mode="L"):
    return np.asarray(Image.open(file).convert(mode).resize(size[::-1], method))


def as_stored(file, size):
    return np.asarray(Image.open(file).resize(size[::-1], NEAREST))


def any_channel(file, size):
    return as_stored(file, size).reshape(*size, -1).any(axis=-1)


def pair_by_place(image_files, mask_files, size):
    """Sorts the images alone."""
    names, images, _ = read(image_files, mask_files, size)
    return names, images, np.stack([voted_mask(file, size) for file in mask_files])


def sort_the_names_alone(image_files, mask_files, size):
    names, _, masks = read(image_files, mask_files, size)
    return names, np.stack([small_image(file, size) for file in image_files]), masks


def keep_the_order_of_files(image_files, mask_files, size):
    masks = {file.stem: file for file in mask_files}
    images = np.stack([small_image(file, size) for file in image_files])
    masks = np.stack([voted_mask(masks[file.stem], size) for file in image_files])
    return [file.stem for file in image_files], images, masks


def with_names(change):
    return changed(read, lambda names, images, masks: (list(map(change, names)), images, masks))


def with_images(change):
    return changed(read, lambda names, images, masks: (names, change(images), masks))


def with_masks(change):
    return changed(read, lambda names, images, masks: (names, images, change(masks)))


def read_masks(method):
    return partial(read, mask=method)


RIGHT = [read, read_with_tensorflow, read_with_numpy, read_masks(smooth_cut_at_half)]
WRONG = [
    ("names: no text", with_names(Path)),
    ("names: with ending", with_names(lambda name: f"{name}.png")),
    ("names: others", with_names(lambda name: name.rsplit("_", 1)[0])),
    ("names: not sorted", keep_the_order_of_files),
    ("images: width first", partial(read, image=lambda f, size: small_image(f, size[::-1]))),
    ("images: no colour", with_images(lambda images: images[..., 0])),
    ("images: shape", partial(read, image=lambda file, size: read_image(file))),
    ("images: shape", partial(read, image=partial(grey, mode="RGBA"))),
    ("images: not uint8", with_images(lambda images: images / 255)),
    ("images: not uint8", with_images(lambda images: images.astype("float32"))),
    ("images: grey", with_images(lambda images: np.repeat(images[..., :1], 3, axis=-1))),
    ("images: BGR", with_images(lambda images: images[..., ::-1])),
    ("images: other colours", with_images(lambda images: images // 2)),
    ("images: pixels left out", partial(read, image=as_stored)),
    ("masks: width first", read_masks(lambda file, size: voted_mask(file, size[::-1]))),
    ("masks: channels", read_masks(lambda f, size: grey(f, size, NEAREST, mode="RGB") > 0)),
    ("masks: channels", with_masks(lambda masks: masks[..., None])),
    ("masks: shape", read_masks(lambda file, size: read_mask(file))),
    ("masks: grey", read_masks(grey)),
    ("masks: grey", read_masks(lambda file, size: grey(file, size) / 255)),
    ("masks: not bool", read_masks(lambda file, size: grey(file, size, NEAREST))),
    ("masks: stacked", read_masks(as_stored)),
    ("masks: empty", read_masks(lambda file, size: grey(file, size, NEAREST) == 1)),
    ("masks: alpha", read_masks(any_channel)),
    ("masks: background", with_masks(lambda masks: ~masks)),
    ("pairs: shuffled", pair_by_place),
    ("pairs: shuffled", sort_the_names_alone),
    ("pairs: names of others", changed(read, lambda n, i, m: (n, i[::-1], m[::-1]))),
    ("masks: grown", read_masks(lambda file, size: grey(file, size) > 0)),
    ("masks: shrunk", read_masks(lambda file, size: grey(file, size) == 255)),
    ("masks: elsewhere", with_masks(lambda masks: np.roll(masks, 5, axis=1))),
]
