"""check_compose: right answers pass however they are written, each mistake gets its hint."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from lab.checks import check_compose
from lab.checks.compose import HINTS
from lab_answers import SEEDS, hint_of, name_of, one_seed_each


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


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("answer", RIGHT, ids=name_of)
def test_a_right_answer_passes(answer, seed):
    check_compose(answer, seed=seed)


@pytest.mark.parametrize("key, answer, seed", one_seed_each(WRONG))
def test_a_mistake_gets_its_hint(key, answer, seed):
    assert hint_of(check_compose, answer, seed) == HINTS[key]


def test_every_hint_is_given():
    assert {key for key, _ in WRONG} == set(HINTS)
