"""Image and mask files as arrays, at full size and at the network's size."""

import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from segmentation_tf.cases import DatasetError, refuse_faults

MAX_PIXELS = 16_000_000  # with as many, all that is read at a time fits in 1 GB of memory
READERS = 4  # files, or pairs of them, that are read at a time
MAX_GREY = 0.02  # of a mask's pixels: about what an outline drawn with a smooth edge has
# What a data set may hold. Pillow knows more, and starts a program of its own for one of them.
FORMATS = ("BMP", "DIB", "PNG", "JPEG", "GIF", "WEBP")
# What Pillow raises on damaged files: IndexError of a PNG without pixels, the next two of EXIF.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    TypeError,
    struct.error,
    Image.DecompressionBombError,
)
MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"}  # of 8 bits a channel, or fewer


def read_image(path):
    """Read an image file as uint8 RGB `(H, W, 3)`; grey, palette, CMYK and alpha become RGB."""
    return np.asarray(open_image(path))


def open_image(path):
    """Open an image file as a Pillow image of mode 'RGB'."""
    picture = _open(path)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def read_mask(path):
    """Read a mask file as bool `(H, W)`, True on the object.

    It may have one bit, one channel or three equal ones, with values 0 and 255 (or 0 and 1). The
    few grey pixels of a smooth outline are cut at half. Transparent pixels are background,
    whatever colour they hide.
    """
    return np.asarray(open_mask(path)) > 0


def open_mask(path):
    """Open a mask file as a Pillow image of mode '1' or 'L'; refuse one that is not binary."""
    picture = _open(path)
    if picture.has_transparency_data:
        black = Image.new("RGBA", picture.size, "black")
        picture = Image.alpha_composite(black, picture.convert("RGBA"))
    if picture.mode == "1":
        return picture
    grey = picture.convert("L")
    counts = grey.histogram()
    if not any(counts[2:]):
        return grey
    smooth, total = sum(counts[1:255]), sum(counts)
    if smooth > min(MAX_GREY * total, counts[255]):  # an outline is smaller than what it encloses
        raise DatasetError(
            f"{path}: a mask holds 0 and 255 only, but {smooth / total:.1%} of this is neither; "
            "take the original mask: JPEG copies and smoothly resized ones blur its edge"
        )
    return grey.point(lambda value: 255 * (value >= 128))


def check_pair(image, mask, empty_mask_ok=False):
    """Raise DatasetError unless both files can be read to their end, fit and the mask is binary."""
    picture, marks = _open(image), open_mask(mask)
    if picture.size != marks.size:
        raise DatasetError(
            f"{mask} is {marks.width} x {marks.height} pixels but {image} is "
            f"{picture.width} x {picture.height}; find the mask that belongs to this image"
        )
    if not empty_mask_ok and marks.getbbox() is None:
        raise DatasetError(f"{mask}: the mask is empty (all 0); replace it or remove the case")


def check_cases(cases, empty_mask_ok=False):
    """Read every file of the cases, several at a time.

    Raises DatasetError for the first case that `check_pair` refuses, and counts the others.
    """

    def fault(case):
        try:
            check_pair(case.image, case.mask, empty_mask_ok)
        except DatasetError as error:
            return str(error)

    refuse_faults(map_files(fault, cases))


def map_files(work, items):
    """Yield `work(item)` of each item, in their order; READERS at a time, as memory allows."""
    with ThreadPoolExecutor(READERS) as pool:
        yield from pool.map(work, items)


def resize_image(image, size):
    """Resize uint8 `(H, W, 3)` or an RGB Pillow image to `size = (height, width)`, no aliasing."""
    height, width = size
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0))


def resize_mask(mask, size):
    """Resize bool `(H, W)` to `size`: a pixel is True where at least half of its area was.

    The vote keeps the mask binary and its area right, also where it shrinks a lot.
    """
    height, width = size
    share = Image.fromarray(mask.astype(np.uint8) * 255).resize(
        (width, height), Image.Resampling.BOX
    )
    return np.asarray(share) >= 128


def _open(path):
    """Decode a whole file now, turned upright, so that what is broken shows here and not later."""
    try:
        # Else a pipe in its place would be waited for without end.
        if not Path(path).is_file():
            raise FileNotFoundError
        # load() passes over the checksums of a PNG; after verify() it must be opened anew.
        with Image.open(path, formats=FORMATS) as picture:
            picture.verify()
        with Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height <= MAX_PIXELS:
                ImageOps.exif_transpose(picture, in_place=True)
                picture.load()
        if picture.mode == "P" and picture.palette is None:
            raise ValueError("its palette is missing")
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: there is no such file; unpack the data set again") from error
    except PermissionError as error:
        raise DatasetError(
            f"{path}: may not be opened ({error.strerror}); give yourself the right to read it"
        ) from error
    except BROKEN as error:
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "its content is that of no image" if unknown else error
        raise DatasetError(
            f"{path}: cannot be read as an image ({reason}); copy it again from the archive"
        ) from error
    if picture.width * picture.height > MAX_PIXELS:
        raise DatasetError(
            f"{path}: has more than {MAX_PIXELS:,} pixels; shrink image and mask together, for "
            "example to a width of 1,000 pixels"
        )
    if picture.mode not in MODES:
        raise DatasetError(
            f"{path}: has other pixels ({picture.mode}) than those of 8 bits a channel; save it as "
            "RGB or grey with 8 bits"
        )
    return picture
