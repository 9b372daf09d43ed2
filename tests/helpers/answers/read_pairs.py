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


def small_mask(file, size):
    return resize_mask(read_mask(file), size)


def read(image_files, mask_files, size, image=small_image, mask=small_mask, order=sorted):
    """With the helpers of the course's package."""
    files = list(zip(sorted(image_files), order(mask_files)))
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
    names, images, masks = zip(*rows)
    return list(names), np.stack(images), np.stack(masks)


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


def fill_arrays(image_files, mask_files, size, mask=small_mask):
    images, masks = np.zeros((5, *size, 3), np.uint8), np.zeros((5, *size), bool)
    for i, (image_file, mask_file) in enumerate(zip(sorted(image_files), sorted(mask_files))):
        images[i], masks[i] = small_image(image_file, size), mask(mask_file, size)
    return [file.stem for file in sorted(image_files)], images, masks


def grey(file, size, method=SMOOTH, mode="L"):
    return np.asarray(Image.open(file).convert(mode).resize(size[::-1], method))


def as_stored(file, size):
    return np.asarray(Image.open(file).resize(size[::-1], NEAREST))


def channels(file, size):
    """One or more."""
    return as_stored(file, size).reshape(*size, -1)


def ones(file, size, method=SMOOTH):
    """Grey divided by 255, shrunk smoothly, cast too early: 1 only where all of a pixel is 255."""
    grey = np.asarray(Image.open(file).convert("L"), "float32") / 255
    return np.asarray(Image.fromarray(grey).resize(size[::-1], method)).astype(np.uint8)


def turned(shrink):
    """Width first."""
    return lambda file, size: shrink(file, size[::-1])


def mask_of(compare, method=SMOOTH):
    """Compares greys that were shrunk."""
    return partial(read, mask=lambda file, size: compare(grey(file, size, method)))


def with_names(change):
    return changed(read, lambda names, images, masks: (change(names), images, masks))


def with_images(change):
    return changed(read, lambda names, images, masks: (names, change(images), masks))


def with_masks(change):
    return changed(read, lambda names, images, masks: (names, images, change(masks)))


RIGHT = [
    read,
    read_with_tensorflow,
    read_with_numpy,
    fill_arrays,
    partial(read, mask=lambda file, size: grey(file, size, Image.Resampling.BICUBIC) > 127),
    partial(read, mask=lambda file, size: ones(file, size, NEAREST) >= 0.5),
    mask_of(lambda grey: grey / 255 > 0.5),
]
WRONG = [
    ("Arrays of unequal shapes", partial(read, mask=as_stored)),
    ("Arrays of unequal shapes", partial(fill_arrays, mask=turned(small_mask))),
    ("names.tolist()", with_names(np.array)),
    ("not a list of names", changed(read, lambda names, images, masks: (images, masks, names))),
    ("Take file.stem.", with_names(lambda names: list(map(Path, names)))),
    ("Take file.stem.", with_names(lambda names: [f"{name}.png" for name in names])),
    ("files in any order", changed(read, lambda n, i, m: (n[::-1], i[::-1], m[::-1]))),
    ("files in any order", with_names(lambda names: names[:1])),
    ("files in any order", with_names(lambda n: [name.rsplit("_", 1)[0] for name in n])),
    ("the width comes first", partial(read, image=turned(small_image))),
    ("the width comes first", partial(read, mask=turned(small_mask))),
    ("an axis for channels, and", with_masks(lambda masks: masks[..., None])),
    ("an axis for channels, and", partial(read, mask=partial(grey, mode="RGB"))),
    ("np.stack makes one array", with_images(list)),
    ("np.stack makes one array", with_masks(list)),
    ("three channels and masks none", changed(read, lambda n, i, m: (n, m, i))),
    ("three channels and masks none", partial(read, image=lambda file, size: read_image(file))),
    ("three channels and masks none", with_masks(lambda masks: [*masks[:4], masks[4, 1:]])),
    ("A division by 255 makes", with_images(lambda images: images / 255)),
    ("A division by 255 makes", with_images(lambda i: (i / 255).astype(np.uint8))),
    ("copied three times", with_images(lambda images: np.repeat(images[..., :1], 3, axis=-1))),
    ("Pillow reads RGB already", with_images(lambda images: images[..., ::-1])),
    ("do not show what is in the files", with_images(lambda images: images // 2)),
    ("do not show what is in the files", with_images(lambda images: images[:, :, ::-1])),
    ("makes images flicker", partial(read, image=as_stored)),
    ("greys between person and", partial(read, mask=grey)),
    ("greys between person and", mask_of(lambda grey: grey / 255)),
    ("mask indexing goes wrong", partial(read, mask=ones)),
    ("mask indexing goes wrong", partial(read, mask=lambda f, s: channels(f, s).sum(axis=-1))),
    ("have different scales", mask_of(lambda grey: grey / 255 >= 128)),
    ("have different scales", mask_of(lambda grey: grey == 1, NEAREST)),
    ("but its file does", partial(read, mask=lambda f, s: channels(f, s).sum(axis=-1) == 3 * 255)),
    ("but its file does", partial(read, mask=lambda f, s: read_mask(f)[: s[0], : s[1]])),
    ("True on every pixel", mask_of(lambda grey: grey >= 0)),
    ("True on every pixel", partial(read, mask=lambda f, s: channels(f, s).any(axis=-1))),
    ("the background is marked", with_masks(lambda masks: ~masks)),
    ("the background is marked", changed(read, lambda n, i, m: (n, i, i[..., 0] > 127))),
    ("marks too much", mask_of(lambda grey: grey > 0)),
    ("marks too much", mask_of(lambda grey: grey.astype(bool))),
    ("marks too little", mask_of(lambda grey: grey == 255)),
    ("marks too little", partial(read, mask=lambda file, size: ones(file, size) >= 0.5)),
    ("fits the person of no frame", with_masks(lambda masks: masks[:, :, ::-1])),
    ("have the mask of another image", partial(read, order=list)),
    ("have the mask of another image", partial(read, order=lambda files: [min(files)] * 5)),
    ("fit each other, but not the names", changed(read, lambda n, i, m: (n, i[::-1], m[::-1]))),
]
