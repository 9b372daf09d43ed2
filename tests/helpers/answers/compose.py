"""Answers to the lab's task compose: right ones, written in several ways, and mistakes."""

from functools import partial

import numpy as np
from PIL import Image


def mixed(p, image, background):
    return p * image + (1 - p) * background


def as_uint8(picture):
    return picture.astype(np.uint8)


def blend(image, probability, background, weight=np.array, mix=mixed, finish=as_uint8):
    return finish(mix(weight(probability[..., None]), image, background))


def blend_with_pillow(image, probability, background):
    mask = Image.fromarray(np.round(probability * 255).astype(np.uint8))
    return np.asarray(Image.composite(Image.fromarray(image), Image.fromarray(background), mask))


def blend_in_place_of_a_copy(image, probability, background):
    picture = background.astype("float32")
    picture += probability[..., None] * (image - picture)
    return np.clip(picture.round(), 0, 255).astype(np.uint8)


def in_wide_whole_numbers(image, probability, background):
    p = np.round(probability * 255).astype(int)[..., None]
    return ((p * image + (255 - p) * background) // 255).astype(np.uint8)


def in_bytes(image, probability, background):
    """uint8 times uint8, which wraps around."""
    p = np.round(probability * 255).astype(np.uint8)[..., None]
    return p * image // 255 + (255 - p) * background // 255


def without_channel(image, probability, background):
    return mixed(probability, image, background).astype(np.uint8)


def in_place(image, probability, background):
    background[probability > 0.5] = image[probability > 0.5]
    return background


def weighted(weight):
    return partial(blend, weight=weight)


def mixed_by(mix):
    return partial(blend, mix=mix)


def as_finished(change):
    return partial(blend, finish=lambda picture: change(as_uint8(picture)))


RIGHT = [
    blend,
    blend_with_pillow,
    blend_in_place_of_a_copy,
    in_wide_whole_numbers,
    weighted(lambda p: np.clip((p - 0.5) * 3 + 0.5, 0, 1)),
    weighted(np.square),
    weighted(np.sqrt),
]
WRONG = [
    ("Shapes do not fit", without_channel),
    ("not one NumPy array", as_finished(Image.fromarray)),
    ("Keep the size of the image", as_finished(lambda picture: picture[None])),
    ("Keep the size of the image", as_finished(lambda picture: picture[..., [0, 1, 2, 0]])),
    ("Pillow and PNG need uint8", partial(blend, finish=lambda picture: picture / 255)),
    ("no value is above 1", partial(blend, finish=lambda picture: as_uint8(picture / 255))),
    ("no value is above 1", in_bytes),
    ("would use the changed array", in_place),
    ("A high probability p means person", weighted(lambda p: 1 - p)),
    ("it comes in as RGB", mixed_by(lambda p, image, back: mixed(p, image[..., ::-1], back))),
    ("it comes in as RGB", as_finished(lambda picture: picture[..., ::-1])),
    ("The other picture shines through", mixed_by(lambda p, image, back: p * image + back)),
    ("The other picture shines through", weighted(lambda p: 1 / (1 + np.exp(-p)))),
    ("The other picture shines through", as_finished(lambda picture: picture[::-1])),
    ("do not add up to 1", mixed_by(lambda p, image, back: p**2 * image + (1 - p) ** 2 * back)),
    ("do not add up to 1", mixed_by(lambda p, image, back: p * image + (p < 0.5) * back)),
    ("darker or lighter than both", mixed_by(lambda p, image, back: back + p * (image - back))),
    ("look cut by scissors", weighted(np.round)),
    ("look cut by scissors", weighted(lambda p: np.where(p > 0.5, 1, p))),
]
