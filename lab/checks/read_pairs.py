"""Task 1: names, images and masks belong together, in the size asked for, with the right values."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from lab.checks.common import Hint, call_for_parts, report

HINTS = {
    "names: no text": """
        names holds {kind} objects. Later tasks split names at their underscores, so names must
        be text. A Path has its name as file.stem.""",
    "names: with ending": """
        A name is {name!r}, with the ending of its file. Image and mask would have different
        names if one of them were saved in another format. Take file.stem.""",
    "names: others": """
        There are {count} names, and the first is {first!r}; the images are {expected} and so
        on. Take the stem of every image file, once.""",
    "names: not sorted": """
        The names are those of the images, but they are not sorted. Folders list their files in
        an order that differs between machines. Sort the image files by stem first, then read
        images and masks in that order.""",
    "images: width first": """
        images has the shape {shape}: width and height are exchanged. Pillow's resize takes
        (width, height), arrays and size are (height, width). Reverse size in the call of
        resize.""",
    "images: no colour": """
        images has the shape {shape}: the colours are gone. Without colours a grey shirt looks
        like the grey wall behind it. Read the images as RGB, three channels.""",
    "images: shape": """
        images has the shape {shape}, not {expected}. It must hold every image in RGB, shrunk to
        size = (height, width), in one array: np.stack makes it from a list.""",
    "images: not uint8": """
        images are {dtype} with values up to {top:.4g}. All frames stay in memory together, and
        uint8 (0 to 255) needs a quarter of the memory of float32. Keep uint8 here; the pipeline
        of task 3 scales one batch at a time.""",
    "images: grey": """
        The three channels of images are equal: the colours were dropped and grey was copied
        three times. Open the images as they are, by convert('RGB').""",
    "images: BGR": """
        A frame is {colour} in red, green, blue, and images have {found} there: red and blue are
        exchanged. OpenCV reads BGR, which [..., ::-1] turns into RGB; Pillow reads RGB, which
        it turns into BGR. Return RGB.""",
    "images: other colours": """
        A frame is {colour} in red, green, blue, and images have {found} there. Keep the colours
        as they are in the file, from 0 to 255.""",
    "images: pixels left out": """
        Fine grain, black and white, keeps {share:.0%} of its contrast in the small images:
        pixels were left out. That is right for masks, but it makes images flicker. Shrink
        images smoothly, for example with Pillow's Image.Resampling.BILINEAR.""",
    "masks: width first": """
        masks has the shape {shape}: width and height are exchanged. Pillow's resize takes
        (width, height), arrays and size are (height, width).""",
    "masks: channels": """
        masks has the shape {shape}: the channels of the files are still there. Some masks are
        stored as RGB, but a pixel belongs to the person or not, which is one value. Read each
        mask in one channel, for example by convert('L').""",
    "masks: stacked": """
        The masks do not fit into one array, because their shapes differ: the files have 1, 3 or
        4 channels. Read each mask in one channel, for example by convert('L'), and shrink it to
        size.""",
    "masks: empty": """
        {count} masks have no True pixel, for example that of {name}, but each file shows a
        person. In the files 255 is the person: == 1 finds nobody, and neither does >= 128 after
        a division by 255. Compare the file's own grey values, for example mask >= 128.""",
    "masks: shape": """
        masks has the shape {shape}, not {expected}. It must hold one mask for each image,
        shrunk to size = (height, width). np.stack makes one array from a list.""",
    "masks: grey": """
        masks hold {count} different values, such as {value:.3g}. Smooth interpolation makes
        greys between person and background, and a pixel can only be one of the two. Shrink
        masks by nearest neighbour or by a vote: True where at least half of the area was.""",
    "masks: not bool": """
        masks are {dtype} with the values {values}, not bool. For numbers, ~ is not the
        opposite, and an index picks other pixels. Compare the file's own grey values, for
        example grey >= 128; values of 0 and 1 need .astype(bool).""",
    "masks: alpha": """
        The mask of {name} is True on {share:.0%} of the frame. Its file has a fourth channel,
        alpha, which is 255 everywhere, and any() over all channels finds it. Read the mask as
        grey, by convert('L').""",
    "masks: background": """
        The masks are True on {share:.0%} of the pixels: the background is marked. In the files
        255 is the person. Put True on the person.""",
    "pairs: shuffled": """
        {wrong} of {count} images have the mask of another image. The two lists come in
        different orders, and zip pairs by position. Pair by name: sort both by stem, or look up
        each image's mask by its stem.""",
    "pairs: names of others": """
        Images and masks fit each other, but not the names: where the name is {name}, the image
        is that of {image}. Sort the files once, and take names, images and masks from the
        sorted list.""",
    "masks: grown": """
        The masks cover {share:.0%} more than the persons do. Smooth interpolation blurs the
        outline, and > 0 counts every pixel that the blur reached. Use nearest neighbour, or cut
        at half: True where at least half of the area was.""",
    "masks: shrunk": """
        The masks cover {share:.0%} less than the persons do. Smooth interpolation blurs the
        outline, and == 255 leaves out every pixel that the blur reached. Use nearest neighbour,
        or cut at half: True where at least half of the area was.""",
    "masks: elsewhere": """
        The masks have the right area but lie elsewhere: their IoU with the persons is
        {share:.2f}. A mask may have been turned, or cropped instead of shrunk. Resize the whole
        mask exactly as you resize the image.""",
}

# What NumPy (twice) and TensorFlow say when arrays of different shapes are to become one.
UNEQUAL = ("must have the same shape", "inhomogeneous", "Shapes of all inputs must match")
# Of the backgrounds. Red is the largest and blue the smallest, so that exchanged channels show.
COLOURS = ((190, 90, 40), (130, 120, 30), (230, 190, 130), (100, 60, 10), (240, 130, 70))


@dataclass(frozen=True)
class Frames:
    """The files of a check, and what a right answer finds in them."""

    names: list[str]
    image_files: list[Path]
    mask_files: list[Path]
    size: tuple[int, int]
    shares: np.ndarray  # (n, height, width): how much of each small pixel was the person


def check_read_pairs(read_pairs: Callable, seed: int = 0) -> None:
    """Check that names, images and masks belong together and have the right size and values."""
    with TemporaryDirectory() as folder:
        made = _write_frames(Path(folder), seed)
        names, images, masks = _read(read_pairs, made)
    _check_names(names, made.names)
    _check_images(images, (len(names), *made.size, 3))
    _check_masks(masks, (len(names), *made.size), names)
    _check_pairs(images, masks, made)
    _check_outlines(masks, made.shares)
    _check_grain(images)
    report("Task 1 passed", "names, images and masks belong together", seed)


def _write_frames(folder, seed):
    """Write five frames as PNG, their masks with one channel, three, or four with an opaque alpha.

    The colour of the background tells which frame an image is. The two lists of files come in
    different orders.
    """
    rng = np.random.default_rng(seed)
    height, width, factor = ((48, 64, 2), (32, 56, 4))[seed % 2]
    full, count = (height * factor, width * factor), len(COLOURS)
    names = [f"Jazz_Jazz{i}_C{rng.integers(3)}_{45 * i:05}" for i in range(count)]
    masks = [_ellipse(full, rng.uniform(0.35, 0.45), (i + 0.5) / count) for i in range(count)]
    (folder / "masks").mkdir()
    order = (3, 1, 4, 0, 2)
    for i in order:
        image = np.where(masks[i][..., None], (250, 240, 200), COLOURS[i]).astype(np.uint8)
        # Fine grain at the bottom, which turns grey when it is shrunk smoothly.
        image[-full[0] // 5 :] = rng.choice([0, 255], (*full, 1))[-full[0] // 5 :]
        Image.fromarray(image).save(folder / f"{names[i]}.png")
        mask = Image.fromarray(masks[i].astype(np.uint8) * 255).convert(("RGB", "L", "RGBA")[i % 3])
        mask.save(folder / "masks" / f"{names[i]}.png")
    return Frames(
        names=names,
        image_files=[folder / f"{names[i]}.png" for i in order],
        mask_files=[folder / "masks" / f"{names[i]}.png" for i in (*order[2:], *order[:2])],
        size=(height, width),
        shares=np.reshape(masks, (count, height, factor, width, factor)).mean(axis=(2, 4)),
    )


def _ellipse(size, middle_row, middle_column):
    """An upright ellipse in a bool mask of that size; its middle is given in shares of the size."""
    row, column = (np.arange(n) / n for n in size)
    return np.hypot((row[:, None] - middle_row) / 0.28, (column - middle_column) / 0.06) < 1


def _read(read_pairs, made):
    parts = ("names", "images", "masks")
    try:
        result = call_for_parts(parts, read_pairs, made.image_files, made.mask_files, made.size)
        masks = np.asarray(result[2])
    except (Hint, ValueError) as error:
        cause = error.__cause__ or error
        if any(words in str(cause) for words in UNEQUAL):
            raise Hint(HINTS["masks: stacked"]) from cause
        raise
    return list(result[0]), np.asarray(result[1]), masks


def _check_names(names, expected):
    if any(not isinstance(name, str) for name in names):
        raise Hint(HINTS["names: no text"], kind=type(names[0]).__name__)
    if any(name.endswith(".png") for name in names):
        raise Hint(HINTS["names: with ending"], name=names[0])
    if sorted(names) != expected:
        seen = {"count": len(names), "first": "".join(names[:1])}
        raise Hint(HINTS["names: others"], **seen, expected=expected[:2])
    if names != expected:
        raise Hint(HINTS["names: not sorted"])


def _check_images(images, expected):
    count, height, width, _ = expected
    if images.shape == (count, width, height, 3):
        raise Hint(HINTS["images: width first"], shape=images.shape)
    if images.shape in (expected[:3], (*expected[:3], 1)):
        raise Hint(HINTS["images: no colour"], shape=images.shape)
    if images.shape != expected:
        raise Hint(HINTS["images: shape"], shape=images.shape, expected=expected)
    if images.dtype != np.uint8:
        raise Hint(HINTS["images: not uint8"], dtype=images.dtype, top=images.max())


def _check_masks(masks, expected, names):
    count, height, width = expected
    if masks.shape[:3] == (count, width, height):
        raise Hint(HINTS["masks: width first"], shape=masks.shape)
    if masks.ndim == 4 and masks.shape[:3] == expected:
        raise Hint(HINTS["masks: channels"], shape=masks.shape)
    if masks.shape != expected:
        raise Hint(HINTS["masks: shape"], shape=masks.shape, expected=expected)
    if masks.dtype != bool:
        values = np.unique(masks)
        if len(values) > 2:
            raise Hint(HINTS["masks: grey"], count=len(values), value=values[len(values) // 2])
        raise Hint(HINTS["masks: not bool"], dtype=masks.dtype, values=values.tolist())
    _check_areas(masks.mean(axis=(1, 2)), names)


def _check_areas(shares, names):
    """shares: which share of each mask is True."""
    if not shares.all():
        count = int((shares == 0).sum())
        raise Hint(HINTS["masks: empty"], count=count, name=names[shares.argmin()])
    if shares.min() < 0.5 and shares.max() > 0.95:
        raise Hint(HINTS["masks: alpha"], name=names[shares.argmax()], share=shares.max())
    if shares.mean() > 0.5:
        raise Hint(HINTS["masks: background"], share=shares.mean())


def _check_pairs(images, masks, made):
    top = images[:, : made.size[0] // 2]
    if (top == top[..., :1]).all():
        raise Hint(HINTS["images: grey"])
    frame_of_image = _recognise(np.median(top, axis=(1, 2)))  # by the colour of the background
    frame_of_mask = (masks[:, None] & (made.shares >= 0.5)).sum(axis=(2, 3)).argmax(axis=1)
    if wrong := int((frame_of_image != frame_of_mask).sum()):
        raise Hint(HINTS["pairs: shuffled"], wrong=wrong, count=len(masks))
    if frame_of_image[0] != 0 or len(set(frame_of_image)) < len(frame_of_image):
        at = next(i for i, frame in enumerate(frame_of_image) if frame != i)
        seen = {"name": made.names[at], "image": made.names[frame_of_image[at]]}
        raise Hint(HINTS["pairs: names of others"], **seen)


def _recognise(found):
    """Which of COLOURS each colour (n, 3) is nearest to."""
    apart = np.linalg.norm(found[:, None] - COLOURS, axis=2)
    reversed_apart = np.linalg.norm(found[:, None, ::-1] - COLOURS, axis=2)
    seen = {"colour": COLOURS[0], "found": tuple(found[0].astype(int).tolist())}
    if reversed_apart.min(axis=1).mean() < apart.min(axis=1).mean():
        raise Hint(HINTS["images: BGR"], **seen)
    if apart.min(axis=1).mean() > 12:
        raise Hint(HINTS["images: other colours"], **seen)
    return apart.argmin(axis=1)


def _check_outlines(masks, shares):
    growth = masks.sum() / shares.sum()
    if growth > 1.08:
        raise Hint(HINTS["masks: grown"], share=growth - 1)
    if growth < 0.92:
        raise Hint(HINTS["masks: shrunk"], share=1 - growth)
    voted = shares >= 0.5
    overlap = (masks & voted).sum() / (masks | voted).sum()
    if overlap < 0.75:
        raise Hint(HINTS["masks: elsewhere"], share=overlap)


def _check_grain(images):
    contrast = images[:, -images.shape[1] // 8 :].std() / 127.5
    if contrast > 0.75:
        raise Hint(HINTS["images: pixels left out"], share=contrast)
