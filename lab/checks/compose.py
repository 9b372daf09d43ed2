"""Task 8: the person before the background, blended by the probability, in uint8."""

from collections.abc import Callable

import numpy as np

from lab.checks.common import Hint, call, report

HINTS = {
    "no channel": """
        Shapes do not fit: probability is (H, W), it has no axis for the channels of (H, W, 3).
        Write probability[..., None].""",
    "no array": """
        compose returned an object of type {kind}, not a NumPy array. The cells below use its
        pixels. Return np.asarray(...) of it, uint8.""",
    "shape": """
        The picture has the shape {shape}, not {expected}. An (H, W) probability does not fit
        (H, W, 3) colours: give it a last axis, probability[..., None].""",
    "not uint8": """
        The picture is {dtype} with values up to {top:.4g}. Pillow and PNG files need uint8 from
        0 to 255. Round, then .astype(np.uint8).""",
    "black": """
        The picture is uint8 with no value above 1: black. Values in [0, 1] were cast to whole
        numbers. Compute with 0 to 255, or multiply by 255 first.""",
    "changed in place": """
        compose changed the {name} that it was given. A second call would paste onto the result
        of the first. Make a new array, for example by .copy() or by computing.""",
    "exchanged": """
        Where the probability is 1 the background shows, and where it is 0 the image: they are
        exchanged. The person is where the probability is high. Weight the image with p and the
        background with 1 - p.""",
    "BGR": """
        Red and blue are exchanged: the image comes in as RGB and must leave as RGB. Leave the
        order of the channels alone.""",
    "shines through": """
        Where the probability is 1 the picture must be the image, but it differs from it by
        {off:.0f} on average (of 255). A background that is added in full does that, and so does
        an image whose colours were changed. Weight the unchanged image with p and the
        background with 1 - p.""",
    "no background": """
        Where the probability is 0 the picture must be the background, and differs from it by
        {off:.0f} on average (of 255). Weight the image with p and the background with 1 - p.""",
    "hard edge": """
        The probability rises from 0 to 1 over {width} pixels. Where it is below one half,
        {lower:.0%} of the pixels show a mixture of image and background, where it is above,
        {upper:.0%}; each should be 15% at least. A mask of 0 and 1 gives hair and blurred hands
        a hard edge. Blend by the probability itself, without a threshold or too steep a curve.""",
    "overflow": """
        {share:.0%} of the picture is darker or lighter than both image and background. uint8
        wraps around: 50 - 200 is 106 there. Compute in float, such as image.astype(float), and
        cast to uint8 at the end.""",
}


def check_compose(compose: Callable, seed: int = 0) -> None:
    """Check the picture's form, both of its sides, the soft edge, and that nothing overflows."""
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(20, 30)), int(rng.integers(48, 60)), 3
    # The image is lighter, and the sum of both stays below 255: nothing can overflow yet.
    image = rng.integers(120, 180, shape, np.uint8)
    background = rng.integers(20, 60, shape, np.uint8)
    # From 0 at the left to 1 at the right.
    slope = np.clip((np.arange(shape[1]) - 10) / (shape[1] - 21), 0, 1)
    slope = np.tile(slope.astype("float32"), (shape[0], 1))
    _check_picture(compose, image, slope, background)
    _check_sides(compose, image, background)
    _check_edge(compose, slope, shape)
    dark, light = (rng.integers(low, low + 40, shape, np.uint8) for low in (0, 215))
    _check_range(call(compose, dark, slope, light), dark, light)
    _check_range(call(compose, light, slope, dark), dark, light)
    report("Task 8 passed", "the presenter stands before the map, with soft edges", seed)


def _check_picture(compose, *arrays):
    given = [array.copy() for array in arrays]
    picture = _blended(compose, *given)
    if not isinstance(picture, np.ndarray):
        raise Hint(HINTS["no array"], kind=type(picture).__name__)
    if picture.shape != arrays[0].shape:
        raise Hint(HINTS["shape"], shape=picture.shape, expected=arrays[0].shape)
    if picture.dtype != np.uint8:
        raise Hint(HINTS["not uint8"], dtype=picture.dtype, top=picture.max())
    if picture.max() <= 1:
        raise Hint(HINTS["black"])
    for name, now, before in zip(("image", "probability", "background"), given, arrays):
        if not np.array_equal(now, before):
            raise Hint(HINTS["changed in place"], name=name)


def _blended(compose, *arrays):
    try:
        return call(compose, *arrays)
    except Hint as hint:
        if "broadcast" in str(hint.__cause__):
            raise Hint(HINTS["no channel"]) from hint.__cause__
        raise


def _check_sides(compose, image, background):
    sure = np.ones(image.shape[:2], "float32")
    front, back = (call(compose, image, p, background) for p in (sure, 0 * sure))
    if _difference(front, background) < 3 and _difference(back, image) < 3:
        raise Hint(HINTS["exchanged"])
    if _difference(front, image[..., ::-1]) < 3:
        raise Hint(HINTS["BGR"])
    if (off := _difference(front, image)) > 3:
        raise Hint(HINTS["shines through"], off=off)
    if (off := _difference(back, background)) > 3:
        raise Hint(HINTS["no background"], off=off)


def _difference(picture, other):
    return abs(picture.astype(float) - other).mean()


def _check_edge(compose, slope, shape):
    light, dark = np.full(shape, 200, np.uint8), np.full(shape, 40, np.uint8)
    row = call(compose, light, slope, dark)[shape[0] // 2, :, 0]
    mixed, p = (row > 50) & (row < 190), slope[0]
    # A sharper edge is fine, but both below and above one half some pixels must be mixed.
    lower, upper = mixed[(p > 0) & (p < 0.5)].mean(), mixed[(p > 0.5) & (p < 1)].mean()
    if min(lower, upper) < 0.15:
        raise Hint(HINTS["hard edge"], width=shape[1] - 20, lower=lower, upper=upper)


def _check_range(picture, dark, light):
    picture = picture.astype(int)
    wrong = (picture < dark.astype(int) - 3) | (picture > light.astype(int) + 3)
    if wrong.mean() > 0.01:
        raise Hint(HINTS["overflow"], share=wrong.mean())
