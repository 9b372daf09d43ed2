"""Image and mask files as arrays, at full size and at the network's size."""

import struct
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from segmentation_tf.cases import Case, DatasetError, refuse_faults

MAX_PIXELS = 16_000_000  # four pairs of this size need about half a GB at once
READERS = 4  # files, or pairs of files, that are read at a time
MAX_GREY = 0.02  # largest share of grey pixels in a mask; a smooth outline needs about this many
# What a data set may hold. Pillow knows more formats, and one of them starts another program.
FORMATS = ("BMP", "DIB", "PNG", "JPEG", "GIF", "WEBP")
# What Pillow raises on damaged files: IndexError for a PNG without pixels; TypeError and
# struct.error for damaged EXIF data.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    TypeError,
    struct.error,
    Image.DecompressionBombError,
)
MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"}  # 8 bits a channel, or fewer


# --- reading files


def read_image(path: Path | str) -> np.ndarray:
    """Read an image file, in one of FORMATS, as uint8 RGB `(H, W, 3)`, upright by its EXIF data.

    Raises:
        DatasetError: The file cannot be used.
    """
    return np.asarray(open_image(path))


def open_image(path: Path | str) -> Image.Image:
    """Open an image file as a Pillow image of mode 'RGB'; DatasetError as in `read_image`."""
    picture = _open(path)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def read_mask(path: Path | str) -> np.ndarray:
    """Read a mask file as bool `(H, W)`, True on the object.

    The file may have one bit, or any channels that convert to grey, with values 0 and 255 or 0
    and 1. The few grey pixels of a smooth outline count as object from 128 on. Transparent pixels
    are background, whatever their colour.

    Raises:
        DatasetError: The file cannot be used, or is not binary.
    """
    return np.asarray(open_mask(path)) > 0


def open_mask(path: Path | str) -> Image.Image:
    """Open a mask file as a Pillow image of mode '1' or 'L'; DatasetError as in `read_mask`."""
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
    if smooth > min(MAX_GREY * total, counts[255]):  # more grey than white is no outline
        raise DatasetError(
            f"{path}: a mask holds 0 and 255 only, or 0 and 1, but {smooth / total:.1%} of its "
            "pixels are grey; take the original mask: JPEG copies and smooth resizing blur its "
            "edge, and colours turn grey"
        )
    return grey.point(lambda value: 255 * (value >= 128))


def check_pair(image: Path, mask: Path, empty_mask_ok: bool = False) -> None:
    """Read both files to their end, and compare their sizes.

    Raises:
        DatasetError: A file cannot be read, the sizes differ, the mask is not binary, or it is
            empty and `empty_mask_ok` is False.
    """
    picture, marks = _open(image), open_mask(mask)
    if picture.size != marks.size:
        raise DatasetError(
            f"{mask} is {marks.width} x {marks.height} pixels but {image} is "
            f"{picture.width} x {picture.height}; find the mask that belongs to this image"
        )
    if not empty_mask_ok and marks.getbbox() is None:
        raise DatasetError(f"{mask}: the mask is empty (all 0); replace it or remove the case")


def check_cases(cases: Iterable[Case], empty_mask_ok: bool = False) -> None:
    """Apply `check_pair` to every case, several at a time.

    Raises:
        DatasetError: The first fault, with the number of the others.
    """

    def fault(case):
        try:
            check_pair(case.image, case.mask, empty_mask_ok)
        except DatasetError as error:
            return str(error)

    refuse_faults(map_files(fault, cases))


def map_files(function: Callable, items: Iterable) -> Iterator:
    """Yield `function(item)` for each item, in order; READERS of them run at a time."""
    with ThreadPoolExecutor(READERS) as pool:
        yield from pool.map(function, items)


# --- arrays


def resize_image(image: np.ndarray | Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 `(H, W, 3)` or an RGB Pillow image to (height, width), with little aliasing."""
    height, width = size
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0))


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a bool mask `(H, W)` to `size` = (height, width).

    A pixel is True if at least half of the area that it stands for was True. This vote keeps the
    mask binary, and the area of compact objects nearly right. Thin lines can vanish.
    """
    height, width = size
    share = Image.fromarray(mask.astype(bool).astype(np.uint8) * 255).resize(
        (width, height), Image.Resampling.BOX
    )
    return np.asarray(share) >= 128


def largest_component(mask: np.ndarray) -> np.ndarray:
    """Keep the largest connected part of a bool mask `(H, W)`.

    Pixels are connected if they share an edge. Of parts of equal size the first one stays.
    """
    # For bool masks skimage.measure.label calls this function.
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])


def _open(path):
    """Decode a whole file, turned upright, so that damage shows here and not later."""
    try:
        # Opening a named pipe would wait without end.
        if not Path(path).is_file():
            raise FileNotFoundError
        # verify() checks a PNG's checksums, which load() ignores. After it the image must be opened
        # again.
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
            f"{path}: cannot be opened ({error.strerror}); check its permissions"
        ) from error
    except BROKEN as error:
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "its content is not an image" if unknown else error
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
            f"{path}: its pixels do not have 8 bits a channel (mode {picture.mode}); save it as "
            "RGB or grey with 8 bits"
        )
    return picture
