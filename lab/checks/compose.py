"""Task 8: the person before the background, blended by the probability, in uint8."""

import re
from collections.abc import Callable

import numpy as np

from lab.checks.common import Hint, Stopped, ask, report
from lab.checks.values import kind_of


def check_compose(compose: Callable, seed: int = 0) -> None:
    """Check the picture's form, both of its sides, the soft edge, and that nothing overflows."""
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(20, 30)), int(rng.integers(48, 60)), 3
    # The image is lighter, and the sum of both stays below 255: a sum cannot overflow yet.
    image = rng.integers(120, 180, shape, np.uint8)
    background = rng.integers(20, 60, shape, np.uint8)
    # From 0 at the left to 1 at the right.
    slope = np.clip((np.arange(shape[1]) - 10) / (shape[1] - 21), 0, 1)
    slope = np.tile(slope.astype("float32"), (shape[0], 1))
    if _picture(compose, image, slope, background).max() <= 1:
        raise Hint("""The picture is uint8, but black: no value is above 1. A cast of values from 0
            to 1 does that, and so does uint8 * uint8 // 255 (300 becomes 44). Compute in float,
            from 0 to 255.""")
    sure = np.ones_like(slope)
    front, back = (_picture(compose, image, p, background) for p in (sure, 0 * sure))
    _check_sides(front, back, image, background)
    _check_weights(_picture(compose, np.full_like(image, 90), slope, np.full_like(image, 90)))
    dark, light = (rng.integers(low, low + 40, shape, np.uint8) for low in (0, 215))
    for first, second in ((dark, light), (light, dark)):
        _check_range(_picture(compose, first, slope, second), dark, light)
    flat = np.full_like(image, 200), slope, np.full_like(image, 40)
    _check_edge(_picture(compose, *flat)[shape[0] // 2, :, 0], slope[0])
    report("Task 8 passed", "the presenter stands before the map, with soft edges", seed)


def composed(compose, image, probability, background):
    """Return the picture, and the arguments as they are afterwards; None if there is none."""
    given = [image.copy(), probability.copy(), background.copy()]
    picture = compose(*given)
    return None if picture is None else [picture, *given]


def _picture(compose, *arrays):
    """Return the picture that compose makes; raise a Hint if it has not the right form."""
    height, width, _ = expected = arrays[0].shape
    try:
        picture, *given = ask(composed, compose, *arrays)
    except Stopped as stopped:
        shapes = re.findall(r"[(\[]([\d, ]+)[)\]]", stopped.failure.message)
        if f"{height},{width}" in (shape.replace(" ", "") for shape in shapes):
            raise Hint(
                f"""Shapes do not fit: probability is {(height, width)}, without an axis for the
                channels of {expected}. Write probability[..., None].""",
                stopped.lines,
            ) from stopped
        raise
    if not isinstance(picture, np.ndarray):
        raise Hint(f"""compose returned an object of type {kind_of(picture)}, not one NumPy array
            of numbers. The cells below use its pixels. np.asarray(picture) makes an array of an
            image, a tensor or a list.""")
    if picture.shape != expected:
        raise Hint(f"""The picture has the shape {picture.shape}, not {expected}. Keep the size of
            the image and its three channels. A picture has no fourth channel (alpha) and no axis
            for a batch.""")
    if picture.dtype != np.uint8:
        raise Hint(f"""The picture is {picture.dtype} with values up to
            {float(picture.max()):.4g}. Pillow and PNG need uint8 from 0 to 255. Use floats with
            such values, then np.round(picture).astype(np.uint8).""")
    for name, now, before in zip(("image", "probability", "background"), given, arrays):
        if not np.array_equal(now, before):
            raise Hint(f"""compose changed the {name} that it was given. A second call would use the
                changed array. Make a new array, for example by .copy() or by computing.""")
    return picture


def _check_sides(front, back, image, background):
    """front: the picture where the probability is 1; back: where it is 0."""
    if _difference(front, background) < 3 and _difference(back, image) < 3:
        raise Hint("""Where the probability is 1 the background shows, and where it is 0 the image:
            they are exchanged. A high probability p means person. Weight the image with
            p and the background with 1 - p.""")
    for p, name, found, right in ((1, "image", front, image), (0, "background", back, background)):
        if _difference(found, right[..., ::-1]) < 3:
            raise Hint(f"""Red and blue of the {name} are exchanged: it comes in as RGB and must
                leave as RGB. Leave the order of the channels alone.""")
        if (off := _difference(found, right)) > 3:
            raise Hint(f"""Where the probability is {p} the picture must be the {name}, but differs
                from it by {off:.0f} on average (of 255). The other picture shines through,
                pixels or colours were changed, or values above 255 wrapped around. Weight the image
                with p and the background with 1 - p. Do not apply a sigmoid: p is a
                probability already.""")


def _difference(picture, other):
    return abs(picture.astype(float) - other).mean()


def _check_weights(picture):
    """picture: image and background both have the value 90 everywhere."""
    found = picture.astype(int)
    worst = found.flat[abs(found - 90).argmax()]
    if abs(worst - 90) > 3:
        raise Hint(f"""If image and background are all 90, the picture holds {worst}: the
            weights of the two do not add up to 1. If the image has the weight w, give the
            background 1 - w.""")


def _check_range(picture, dark, light):
    picture = picture.astype(int)
    wrong = (picture < dark.astype(int) - 3) | (picture > light.astype(int) + 3)
    if wrong.mean() > 0.01:
        raise Hint(f"""{wrong.mean():.0%} of the picture is darker or lighter than both image and
            background. uint8 wraps around: 50 - 200 is 106 there. Compute in float, such as
            image.astype(float), and cast to uint8 at the end.""")


def _check_edge(row, p):
    """row: pixels of an image of 200 before a background of 40, with the probability p."""
    mixed = (row > 50) & (row < 190)
    # A sharper edge is fine, but both below and above one half some pixels must be mixed.
    lower, upper = mixed[(p > 0) & (p < 0.5)].mean(), mixed[(p > 0.5) & (p < 1)].mean()
    if min(lower, upper) < 0.15:
        raise Hint(f"""The edge is hard: {lower:.0%} of its pixels with p below one half are a
            mixture, and {upper:.0%} above. At least 15% of each should be. A threshold,
            whole numbers for p or a steep curve make hair look cut by scissors. Blend by the
            probability itself.""")
