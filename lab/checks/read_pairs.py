"""Task 1: names, images and masks belong together, in the size asked for, with the right values."""

from collections.abc import Callable
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from lab.checks.common import Hint, Stopped, ask, parts_of, report
from lab.checks.values import as_array, kind_of

# What NumPy says where arrays of unequal shapes are put together.
UNEQUAL = ("must have the same shape", "inhomogeneous", "could not broadcast input array")
# Of the backgrounds. Red is the largest and blue the smallest, so that exchanged channels show.
COLOURS = np.array([(190, 90, 40), (130, 120, 30), (230, 190, 130), (100, 60, 10), (240, 130, 70)])
PERSON = np.array((250, 240, 200))
CHANNELS = (3, 1, 4, 3, 1)  # of the mask files; the fourth one is opaque everywhere


def check_read_pairs(read_pairs: Callable, seed: int = 0) -> None:
    """Check that names, images and masks belong together and have the right size and values."""
    expected_names, shares, *files = _make_frames(seed)
    names, images, masks = _read(read_pairs, *files, shares.shape[1:])
    _check_names(names, expected_names)
    images = _shaped("images", images, (*shares.shape, 3))
    masks = _shaped("masks", masks, shares.shape)
    _check_values(images)
    _check_bool(masks)
    _check_areas(masks, shares, names)
    _check_pairs(_recognise(images, shares), _match(masks, shares), names)
    _check_grain(images)
    report("Task 1 passed", "names, images and masks belong together", seed)


# --- The files ------------------------------------------------------------------------------------


def _make_frames(seed):
    """Make five names, the share of person in each pixel once shrunk, images and masks.

    The background's colour tells which frame an image is. Mirrored persons fit no other frame.
    Images and masks are {name: pixels}, in different orders.
    """
    rng = np.random.default_rng(seed)
    height, width, factor = ((48, 64, 2), (32, 56, 4))[seed % 2]
    full, count = (height * factor, width * factor), len(COLOURS)
    names = [f"Jazz_Jazz{i}_C{rng.integers(3)}_{45 * i:05}" for i in range(count)]
    persons = [_ellipse(full, rng.uniform(0.35, 0.45), 0.14 + 0.16 * i) for i in range(count)]
    images = [np.where(person[..., None], PERSON, c) for person, c in zip(persons, COLOURS)]
    for image in images:  # fine grain at the bottom, which turns grey when it is shrunk smoothly
        image[-full[0] // 5 :] = rng.choice([0, 255], (*full, 1))[-full[0] // 5 :]
    masks = [_as_stored(person, channels) for person, channels in zip(persons, CHANNELS)]
    shares = np.reshape(persons, (count, height, factor, width, factor)).mean(axis=(2, 4))
    images = {names[i]: images[i].astype(np.uint8) for i in (3, 1, 4, 0, 2)}
    return names, shares, images, {names[i]: masks[i] for i in (4, 0, 2, 3, 1)}


def _ellipse(size, middle_row, middle_column):
    """An upright ellipse in a bool mask of that size; its middle is given in shares of the size."""
    row, column = (np.arange(n) / n for n in size)
    return np.hypot((row[:, None] - middle_row) / 0.28, (column - middle_column) / 0.06) < 1


def _as_stored(person, channels):
    grey = person.astype(np.uint8) * 255
    rgba = np.stack([grey, grey, grey, np.full_like(grey, 255)], axis=-1)
    return grey if channels == 1 else rgba[..., :channels]


def read_files(read_pairs, images, masks, size):
    """Write images and masks as PNG files, and return what read_pairs makes of them."""
    with TemporaryDirectory() as folder:
        image_files = _write(Path(folder, "images"), images)
        mask_files = _write(Path(folder, "masks"), masks)
        return read_pairs(image_files, mask_files, tuple(size))


def _write(folder, pictures):
    folder.mkdir()
    files = [folder / f"{name}.png" for name in pictures]
    for file, pixels in zip(files, pictures.values()):
        Image.fromarray(pixels).save(file)
    return files


def _read(read_pairs, images, masks, size):
    try:
        result = ask(read_files, read_pairs, images, masks, size)
    except Stopped as stopped:
        if any(words in stopped.failure.message for words in UNEQUAL):
            raise Hint(
                """Arrays of unequal shapes were put together. Mask files have 1, 3 or 4 channels:
                read each in one, for example by convert('L'). Pillow's resize takes (width,
                height), but arrays and size are (height, width).""",
                stopped.lines,
            ) from stopped
        raise
    return parts_of(result, ("names", "images", "masks"), read_pairs)


# --- Form -----------------------------------------------------------------------------------------


def _check_names(names, expected):
    if kind_of(names) == "ndarray" and as_array(names) is None:  # an array of text
        raise Hint("""names is an array, and a list was asked for. Make a list of it:
            names.tolist().""")
    if not isinstance(names, (list, tuple)):
        found = "an array" if kind_of(names) == "ndarray" else f"a {kind_of(names)}"
        raise Hint(f"""The first thing returned is {found}, not a list of names. Return names,
            images, masks, in this order.""")
    for name in names:
        if not isinstance(name, str) or PurePath(name).stem != name:
            raise Hint(f"""names holds {str(name)[:80]!r} of type {kind_of(name)}. A name is text,
                without the folder and without .png. Take file.stem.""")
    if list(names) != expected:
        too_few = " Is return inside of the loop?" if len(names) < 2 else ""
        raise Hint(f"""The number of names is {len(names)}, and they begin with {list(names[:2])}.
            The five stems in sorted order begin with {expected[:2]}.{too_few} Folders list their
            files in any order: sort the image files first, then take the stem of each.""")


def _shaped(name, value, expected):
    """The value as an array, if that has the expected shape."""
    array = as_array(value)
    shape = () if array is None else array.shape
    count, height, width, *_ = expected
    if shape[:3] == (count, width, height):
        raise Hint(f"""{name} has the shape {shape}: the width comes first. Pillow's resize takes
            (width, height), but arrays and size are (height, width). Call resize with
            size[::-1].""")
    if name == "masks" and shape[:-1] == expected:
        raise Hint(f"""masks has the shape {shape}: it still has an axis for channels, and
            {expected} is right. Read each mask in one channel, for example by convert('L'). An axis
            of length 1 goes away by masks[..., 0].""")
    if shape != expected:
        found = f"the shape {shape}" if shape else "parts that do not fit together"
        raise Hint(f"""{name} is a {kind_of(value)} of {found}, not of the shape {expected}. Return
            names, images, masks, in this order. Images have three channels and masks none. Both
            hold one entry for each name, shrunk to size.""")
    if isinstance(value, (list, tuple)):
        raise Hint(f"""{name} is a {kind_of(value)} of arrays, and the cells below need one array.
            np.stack makes one array of it.""")
    return array


# --- Images ---------------------------------------------------------------------------------------


def _check_values(images):
    if images.dtype != np.uint8 or images.max() <= 1:
        raise Hint(f"""images are {images.dtype} with values up to {float(images.max()):.4g}, not
            uint8 from 0 to 255. A division by 255 makes floats, and a cast to uint8 after it makes
            all black. Return uint8 as in the files: task 3 scales one batch at a time.""")
    if (images == images[..., :1]).all():
        raise Hint("""The three channels of images are equal: the colours were dropped, and grey was
            copied three times. Open the images in colour, by convert('RGB').""")


def _recognise(images, shares):
    """Which frame each image shows."""
    walls = np.median(images[:, : images.shape[1] // 2], axis=(1, 2))
    apart, reversed_apart = (_distance(w[:, None], COLOURS) for w in (walls, walls[:, ::-1]))
    frames, off = apart.argmin(axis=1), apart.min(axis=1).mean()
    if reversed_apart.min(axis=1).mean() < min(12, off):
        raise Hint(f"""A background is {COLOURS[reversed_apart[0].argmin()].tolist()} in its file,
            and {walls[0].tolist()} in images: red and blue are exchanged. OpenCV reads BGR, which
            [..., ::-1] turns into RGB. Pillow reads RGB already.""")
    rows = slice(images.shape[1] * 3 // 4)  # above the grain
    to_person = _distance(images[:, rows], PERSON)
    to_wall = _distance(images[:, rows], COLOURS[frames, None, None])
    overlap = _iou(to_person < to_wall, shares[frames, rows] >= 0.5).min()
    if off > 12 or overlap < 0.75:
        raise Hint(f"""The images do not show what is in the files. Their backgrounds are off by
            {off:.0f} (of 441), and the worst IoU of a person is {overlap:.2f}. Shrink the whole
            image with resize, neither cropped nor turned, and keep its colours.""")
    return frames


def _distance(colours, others):
    return np.linalg.norm(colours.astype(float) - others, axis=-1)


def _check_grain(images):
    contrast = images[:, -images.shape[1] // 8 :].std() / 127.5
    if contrast > 0.75:
        raise Hint(f"""Fine grain, black and white, keeps {contrast:.0%} of its contrast in the
            small images: pixels were left out. That is right for masks, but it makes images
            flicker. Shrink images smoothly, for example with Image.Resampling.BILINEAR.""")


# --- Masks ----------------------------------------------------------------------------------------


def _check_bool(masks):
    if masks.dtype == bool:
        return
    values = np.unique(masks)
    if max(len(np.unique(mask)) for mask in masks) > 2:
        raise Hint(f"""masks hold {len(values)} different values, such as
            {values[len(values) // 2]:.3g}. Smooth interpolation makes greys between person and
            background, but a pixel is one of the two. Shrink masks by nearest neighbour, or cut
            the greys at half: grey >= 128.""")
    raise Hint(f"""masks are {masks.dtype} with the values {values[:6].tolist()}, not bool. For
        numbers, ~ does not invert, and mask indexing goes wrong. Read one channel, by
        convert('L'), and compare: grey >= 128 is bool.""")


def _check_areas(masks, shares, names):
    marked, right = (areas.mean(axis=(1, 2)) for areas in (masks, shares))
    empty = marked < 0.1 * right
    if empty.all():
        raise Hint(f"""The masks mark {marked.mean():.1%} of all pixels, and the persons cover
            {right.mean():.1%}: values and threshold have different scales. After a division by 255
            the person is 1, and >= 128 finds nobody. Without it, the person is 255, and == 1 finds
            nobody. Compare grey >= 128, or grey / 255 >= 0.5.""")
    if empty.any():
        raise Hint(f"""The mask of {names[empty.argmax()]} shows nobody, but its file does. Files
            have 1, 3 or 4 channels: read each in one, by convert('L'). If a part of the mask was
            cut out, shrink the whole mask with resize.""")
    if marked.max() > 0.99:
        raise Hint(f"""The mask of {names[marked.argmax()]} is True on every pixel. A
            comparison such as >= 0 does that, and so does the fourth channel, alpha, which is 255
            everywhere. Read the mask by convert('L') and compare: grey >= 128.""")
    if marked.max() > 0.5:
        raise Hint(f"""A mask is True on {marked.max():.0%} of its pixels: the background is marked,
            or an image was read in place of its mask. In mask files 255 is the person. Put True on
            the person: grey >= 128.""")
    growth = marked.sum() / right.sum()
    if growth > 1.08:
        raise Hint(f"""The masks cover {growth - 1:.0%} more than the persons do. Smooth
            interpolation blurs the outline, and a cut far below half, such as > 0 or astype(bool),
            marks too much. Use nearest neighbour, or cut at half: grey >= 128.""")
    if growth < 0.92:
        raise Hint(f"""The masks cover {1 - growth:.0%} less than the persons do. Smooth
            interpolation blurs the outline, and == 255 marks too little. So does astype(np.uint8)
            on values from 0 to 1: 0.99 becomes 0. Compare first, by grey / 255 >= 0.5.""")


def _iou(a, b):
    """IoU of masks, for each pair that the first axes hold."""
    return (a & b).sum(axis=(-2, -1)) / (a | b).sum(axis=(-2, -1))


def _match(masks, shares):
    """Which frame's person each mask shows."""
    overlaps = _iou(masks[:, None], shares >= 0.5)
    found = overlaps.max(axis=1).min()
    if found < 0.75:
        raise Hint(f"""A mask fits the person of no frame: its best IoU is {found:.2f}, although the
            areas add up. It may have been mirrored, turned, moved or reshaped. Resize the whole
            mask exactly as you resize the image.""")
    return overlaps.argmax(axis=1)


def _check_pairs(frame_of_image, frame_of_mask, names):
    if wrong := int((frame_of_image != frame_of_mask).sum()):
        raise Hint(f"""{wrong} of {len(names)} images have the mask of another image. The two lists
            come in different orders, and zip pairs by position. Or a loop read one file again and
            again. Pair by name: sort both lists by stem, or look up each mask by its stem.""")
    moved = frame_of_image != np.arange(len(names))
    if moved.any():
        at = int(moved.argmax())
        raise Hint(f"""Images and masks fit each other, but not the names: where the name is
            {names[at]}, the image is that of {names[frame_of_image[at]]}. Sort the files once, and
            take names, images and masks from the sorted list.""")
