"""Answers to the lab's task compose: right ones, written in several ways, and mistakes."""

from functools import partial

import numpy as np
from PIL import Image


def mixed(p, image, background):
    return p * image + (1 - p) * background


def as_uint8(picture):
    return picture.astype(np.uint8)


def blend(image, probability, background, weight=np.array, mix=mixed, finish=as_uint8):
    p = weight(np.repeat(probability[..., None], 3, axis=-1))
    return finish(mix(p, image, background))


def blend_with_pillow(image, probability, background):
    mask = Image.fromarray(np.round(probability * 255).astype(np.uint8))
    return np.asarray(Image.composite(Image.fromarray(image), Image.fromarray(background), mask))


def blend_sharper(image, probability, background):
    p = np.clip((probability.astype(float) - 0.5) * 3 + 0.5, 0, 1)[..., None]
    return (background + p * (image.astype(float) - background)).round().astype("uint8")


def in_place(image, probability, background):
    background[probability > 0.5] = image[probability > 0.5]
    return background


def cut_out(image, probability, background):
    return np.where(probability[..., None] > 0.5, image, background)


def without_channel(image, probability, background):
    return (probability * image + (1 - probability) * background).astype(np.uint8)


def weighted(weight):
    return partial(blend, weight=weight)


def finished(finish):
    return partial(blend, finish=finish)


RIGHT = [
    blend,
    blend_with_pillow,
    blend_sharper,
    weighted(np.square),
    weighted(np.sqrt),
    weighted(lambda p: p * p * (3 - 2 * p)),
]
WRONG = [
    ("no channel", without_channel),
    ("shape", finished(lambda picture: as_uint8(picture)[..., 0])),
    ("no array", finished(lambda picture: Image.fromarray(as_uint8(picture)))),
    ("not uint8", finished(lambda picture: picture)),
    ("not uint8", finished(lambda picture: picture / 255)),
    ("black", finished(lambda picture: as_uint8(picture / 255))),
    ("exchanged", weighted(lambda p: 1 - p)),
    ("BGR", partial(blend, mix=lambda p, image, back: mixed(p, image[..., ::-1], back))),
    ("shines through", partial(blend, mix=lambda p, image, back: p * image + back)),
    ("no background", partial(blend, mix=lambda p, image, back: p * image)),
    ("hard edge", cut_out),
    ("hard edge", weighted(np.round)),
    ("hard edge", weighted(lambda p: np.where(p < 0.5, 0, p))),
    ("hard edge", weighted(lambda p: np.where(p > 0.5, 1, p))),
    ("hard edge", weighted(lambda p: 1 / (1 + np.exp(-60 * (p - 0.5))))),
    ("overflow", partial(blend, mix=lambda p, image, back: back + p * (image - back))),
    ("changed in place", in_place),
]
