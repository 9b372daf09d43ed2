"""Image and mask files as arrays, at full size and at the network's size."""

import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from functools import reduce
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import ExifTags, Image, ImageChops, ImageFilter, ImageOps, UnidentifiedImageError
from scipy import ndimage
from tqdm import tqdm

from segmentation_tf.cases import Case, DatasetError, refuse_faults

MAX_PIXELS = 65_000_000  # photos of most phones have fewer
# Above this, pairs are read one at a time: one of 64 megapixels takes up to 1.7 GB.
LARGE_PIXELS = 16_000_000
ONE_LARGE_PAIR = Lock()
# Memory in blocks of Pillow's usual 16 MB stays with each thread, 4.5 GB in all; blocks of over
# 32 MB go back to the system.
Image.core.set_block_size(64 * 2**20)
READERS = 4  # files, or pairs of files, that are read at a time
# A progress bar appears after so many seconds, and only for more files than the lessons have.
BAR_DELAY, MANY_FILES = 2, 500
MAX_BETWEEN = 0.2  # largest share of pixels between background and object; an outline has few
OUTLINE = 13  # pixels across: background and object both lie this near to a pixel of an outline
MAX_FAR = 0.05  # share of the pixels between that may lie farther, as a strong blur leaves some
# Largest share of pixels in even areas of 3 x 3, among those that are neither background nor
# object. Blurred and compressed outlines have under 0.02; areas of another class have most.
MAX_EVEN = 0.05
ONE_AT_A_TIME = Lock()  # finding an outline takes 15 bytes a pixel
MAX_CLASSES = 32  # a file with more values is no map of classes
COUNT = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
VOID = (224, 224, 192)  # in the colours of VOC and labelme: pixels that are not judged
OBJECT = (86, 180, 233)  # the colour of objects in pictures
LOSSY = ("JPEG", "WEBP")  # formats that change values a little
LOSS = 64  # by how much their values may be off; in a mask, what is below it is dark
NOISE = 8  # by how much their colours may be off in even areas
# What a data set may hold. Pillow knows more formats, and one of them starts another program.
FORMATS = ("BMP", "DIB", "PNG", "JPEG", "GIF", "WEBP", "TIFF")
# Files that count as pictures. HEIC and AVIF cannot be read, and the error says what to do.
SUFFIXES = set(
    ".bmp .dib .png .jpg .jpeg .jpe .jfif .gif .webp .tif .tiff .heic .heif .avif".split()
)
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
COPY = "copy it again, or save it again from the program that made it"
# 8 bits a channel, or fewer
MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"}
WHOLE_NUMBERS = ("I", "I;16", "I;16B", "I;16L")  # modes of masks that number many objects
# How files begin that are HEIC or AVIF, after their length and "ftyp".
HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")


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


def read_mask(path: Path | str, classes: Iterable | str | None = None) -> np.ndarray:
    """Read a mask file as bool `(H, W)`, True on the object.

    Without `classes` the file has two values or colours, and black (0) is the background: 0 and 1,
    0 and 255, red on black, a palette. Transparent pixels are background, whatever their colour,
    and so is the void (number 255) in VOC's colours. A smooth outline, and the noise that JPEG
    leaves about it, are cut halfway.

    Args:
        path: The file. Like a photograph it is set upright by its EXIF data. Or a folder, of which
            all pictures are masks of one size: what is object in one of them counts.
        classes: What counts as object in a map of classes or of numbered objects: whole numbers
            (grey values, or numbers of a palette) or RGB triples; or "any", all but 0.

    Raises:
        DatasetError: The file cannot be used, or it is not clear what the object is. The message
            says which values were seen.
        ValueError: `classes` is of another form.
    """
    return np.asarray(open_mask(path, classes)) > 0


def open_mask(path: Path | str, classes: Iterable | str | None = None) -> Image.Image:
    """Open a mask as a Pillow image of mode '1' or 'L'; as `read_mask` otherwise."""
    first, *others = mask_files(path)
    marks = _open_mask(first, classes)
    for file in others:
        more = _open_mask(file, classes)
        if more.size != marks.size:
            raise DatasetError(
                f"{file} is {more.width} x {more.height} pixels but {first.name} beside it is "
                f"{marks.width} x {marks.height}; find the mask that belongs to this image"
            )
        marks = ImageChops.lighter(marks.convert("L"), more.convert("L"))
    return marks


def mask_files(path: Path | str) -> list[Path]:
    """Return the file of a mask, or the pictures in its folder, sorted.

    Raises:
        DatasetError: There are none in the folder, or it cannot be opened.
    """
    path = Path(path)
    if not os.path.isdir(path):
        return [path]
    try:
        files = sorted(filter(is_picture, path.iterdir()))
    except OSError as error:
        raise _closed(path, error) from error
    if not files:
        raise DatasetError(f"{path}: there is no mask in this folder; add it, or remove the case")
    return files


def list_values(path: Path | str) -> list:
    """Return the values or colours of a mask file, sorted; [] if there are over MAX_CLASSES."""
    with Image.open(mask_files(path)[0], formats=FORMATS) as picture:
        if picture.mode in WHOLE_NUMBERS:
            values = np.unique(picture).tolist()
            return values if len(values) <= MAX_CLASSES else []
        return sorted(value for _, value in picture.getcolors(MAX_CLASSES) or ())


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by its name, and not hidden."""
    return path.suffix.lower() in SUFFIXES and path.name[0] != "."


def check_classes(classes: Iterable | str | None) -> tuple | str | None:
    """Return `classes` as a tuple of whole numbers and RGB triples; a ValueError if it is not.

    None and "any" are returned as they are.
    """
    if classes is None or isinstance(classes, str) and classes == "any":
        return classes
    try:
        found = tuple(tuple(map(int, one)) if np.ndim(one) else int(one) for one in classes)
    except (TypeError, ValueError) as error:
        raise ValueError(f"classes is {classes!r}; give a tuple, such as classes=(1,)") from error
    right = (
        len(one) == 3 and 0 <= min(one) and max(one) <= 255
        if isinstance(one, tuple)
        else 0 <= one <= 65_535
        for one in found
    )
    if not found or not all(right):
        raise ValueError(
            f"classes is {classes!r}; give numbers from 0 to 65535, such as classes=(1, 2), "
            'colours, such as classes=((255, 0, 0),), or classes="any"'
        )
    return found


def check_pair(
    image: Path, mask: Path, empty_mask_ok: bool = False, classes: Iterable | str | None = None
) -> bool:
    """Read both files to their end, and compare their sizes; return whether there is an object.

    Raises:
        DatasetError: A file cannot be read, the sizes differ, it is not clear what the object is,
            or the mask is empty and `empty_mask_ok` is False.
    """
    size = _open(image).size
    marks = open_mask(mask, classes)
    if size != marks.size:
        reason = _why_sizes_differ(image, mask, turned=size == marks.size[::-1])
        raise DatasetError(
            f"{mask} is {marks.width} x {marks.height} pixels but {image} is "
            f"{size[0]} x {size[1]}; {reason}"
        )
    full = marks.getbbox() is not None
    if not full and not empty_mask_ok:
        seen = "all 0" if classes is None else f"no pixel has a value of classes={classes}"
        raise DatasetError(f"{mask}: the mask is empty ({seen}); replace it or remove the case")
    return full


def _why_sizes_differ(image, mask, turned):
    turns = _find_turn(image), _find_turn(mask)
    if turned and turns.count(None) == 1:
        turned, other = ("mask", "image") if turns[0] is None else ("image", "mask")
        return (
            f"the EXIF data of the {turned} turn it by 90 degrees {turns[0] or turns[1]}, and the "
            f"{other} has no such data: turn the {other} in the same way"
        )
    if turned:
        return (
            "height and width are exchanged. Usually the photo was turned, by its EXIF data, and "
            "the mask was not: turn the mask by 90 degrees, and look at both"
        )
    return "find the mask that belongs to this image"


def _find_turn(path):
    """How the EXIF data exchange height and width, or None."""
    with Image.open(mask_files(path)[0], formats=FORMATS) as picture:
        tag = picture.getexif().get(ExifTags.Base.Orientation)
    mirrored = {5: "counterclockwise, after mirroring it", 7: "clockwise, after mirroring it"}
    return {6: "clockwise", 8: "counterclockwise", **mirrored}.get(tag)


def check_cases(cases: Sequence[Case], empty_mask_ok: bool = False) -> list[Case]:
    """Apply `check_pair` to every case, several at a time; return the cases with empty masks.

    Raises:
        DatasetError: The first fault, with the number of the others.
    """

    def look(case):
        try:
            with large_in_turn(case.image):
                return None, check_pair(case.image, case.mask, empty_mask_ok, case.classes)
        except DatasetError as error:
            return str(error), None

    looks = list(map_files(look, cases))
    refuse_faults(fault for fault, _ in looks)
    return [case for case, (_, full) in zip(cases, looks, strict=True) if not full]


@contextmanager
def large_in_turn(path: Path | str) -> Iterator[None]:
    """Wait until no other pair of LARGE_PIXELS is read, if this picture has as many."""
    large = False
    # What is wrong with a file is said when it is read.
    with suppress(*BROKEN):
        if Path(path).is_file():  # a pipe would be waited for
            with Image.open(path, formats=FORMATS) as picture:
                large = picture.width * picture.height > LARGE_PIXELS
    with ONE_LARGE_PAIR if large else nullcontext():
        yield


def map_files(function: Callable, items: Sequence, *, silent: int = MANY_FILES) -> Iterator:
    """Yield `function(item)` for each item, in order; READERS of them run at a time.

    More than `silent` items have a progress bar on stderr, if they take longer than BAR_DELAY.
    """
    with ThreadPoolExecutor(READERS) as pool:
        yield from tqdm(
            pool.map(function, items),
            "reading",
            len(items),
            delay=BAR_DELAY,
            mininterval=1,
            disable=len(items) <= silent,
        )


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


def object_overlay(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Tint the object in uint8 RGB `(H, W, 3)`, and draw its outline in white beside black.

    `mask` is bool `(H, W)`. The outline is wider in larger pictures.
    """
    blur = ImageFilter.BoxBlur(1 + max(mask.shape) // 600)
    near = np.asarray(Image.fromarray(mask).convert("L").filter(blur))
    overlay = tint(image, mask, OBJECT, share=0.4)
    overlay[~mask & (near > 0)] = 0
    overlay[mask & (near < 255)] = 255
    return overlay


def tint(
    image: np.ndarray, region: np.ndarray, colour: tuple[int, int, int], share: float
) -> np.ndarray:
    """Mix the grey of uint8 RGB `(H, W, 3)` with a colour, where `region`, bool `(H, W)`, is True.

    `share` is that of the colour. In the image's own colours, blue on red would become violet.
    """
    shades = (1 - share) * np.arange(256)[:, None] + share * np.array(colour)
    picture = Image.fromarray(image)
    grey = picture.convert("L")
    bands = [grey.point(table) for table in shades.astype(np.uint8).T.tolist()]
    picture.paste(Image.merge("RGB", bands), mask=Image.fromarray(region))
    return np.array(picture)


# --- what is object in a mask


def _open_mask(path, classes):
    picture = _open(path, modes=MODES.union(WHOLE_NUMBERS))
    classes = check_classes(classes)
    if picture.mode in WHOLE_NUMBERS:
        return _pick_numbers(path, np.asarray(picture), classes)
    if classes == "any":
        return _pick_any(picture)
    if classes:
        return _pick_classes(path, picture, classes)
    if picture.mode == "1":
        return picture
    plain, alpha = _split_alpha(picture)
    if alpha and _has_one_colour(plain, alpha):
        return alpha.point(lambda value: 255 * (value >= 128))
    marks = None if picture.format in LOSSY else _two_values(plain)
    if marks is None:
        with ONE_AT_A_TIME:
            marks = _cut_outline(plain)
    if marks is None:
        raise DatasetError(f"{path}: {_unclear(picture)}")
    return Image.fromarray(marks)


def _split_alpha(picture):
    """A picture in which black stands for transparent, and its opacity, mode 'L', if it has one."""
    if not picture.has_transparency_data:
        return picture, None
    picture = picture.convert("RGBA")
    alpha = picture.getchannel("A")
    if len(alpha.getcolors()) == 2 and alpha.getextrema()[0] == 0:
        # An object that is half transparent everywhere counts in full.
        alpha = alpha.point(lambda value: 255 * (value > 0))
        picture.putalpha(alpha)
    black = Image.new("RGBA", picture.size, "black")
    return Image.alpha_composite(black, picture).convert("RGB"), alpha


def _has_one_colour(picture, alpha):
    """Whether some pixels are transparent, and all that are opaque have the same colour."""
    opaque = alpha.point(lambda value: 255 * (value == 255))
    bands = np.reshape(picture.histogram(opaque), (3, 256))
    return alpha.getextrema()[0] == 0 and (np.count_nonzero(bands, axis=1) == 1).all()


def _two_values(picture):
    """The mask of a picture with one or two colours, one of them black; otherwise None."""
    if picture.mode not in ("L", "P", "RGB"):
        picture = picture.convert("RGB")
    colours = _count_colours(picture, 3)
    if colours is None:
        return None
    values = sorted(colours)
    if len(values) == 3:
        values = [value for value in values if colours[value] != VOID]
    black = [value for value in values if colours[value] == (0, 0, 0)]
    objects = [value for value in values if value != black[0]] if black else values
    if len(objects) > 1:
        return None
    pixels = np.asarray(picture)
    if not objects:
        return np.zeros(pixels.shape[:2], bool)
    return (pixels == objects[0]).reshape(*pixels.shape[:2], -1).all(axis=2)


def _count_colours(picture, most):
    """Each value of a picture of mode L, P or RGB with its colour; None if there are too many."""
    counts = picture.getcolors(most)
    if counts is None:
        return None
    values = [value for _, value in counts]
    if picture.mode == "P":
        palette = picture.getpalette()
        return {value: tuple(palette[3 * value : 3 * value + 3]) for value in values}
    return {value: value if picture.mode == "RGB" else (value,) * 3 for value in values}


def _cut_outline(picture):
    """The mask of a picture of two colours, one of them dark, with noise or a smooth outline.

    None if there are other colours: areas of them, or pixels that no outline is near.
    """
    strength, off, light = _strengths(picture)
    counts, values = strength.histogram(), np.asarray(strength)
    dark = int(np.argmax(counts[:LOSS]))
    if light < LOSS:  # no object, if all pixels are alike
        return np.zeros(values.shape, bool) if np.count_nonzero(counts) == 1 else None
    room = (light - dark) / 4
    is_dark = (values <= dark + room) & (off <= LOSS)
    is_light = (values >= light - room) & (values <= light + room) & (off <= LOSS)
    between = ~(is_dark | is_light)
    odd = (off > NOISE) | ((values != dark) & (values != light))
    even = ndimage.minimum_filter(values, 3) == ndimage.maximum_filter(values, 3)
    near = [ndimage.maximum_filter(side, OUTLINE) for side in (is_dark, is_light)]
    far = between & ~(near[0] & near[1])
    if (
        between.mean() > MAX_BETWEEN
        or (odd & even).sum() > MAX_EVEN * odd.sum()
        or far.sum() > MAX_FAR * between.sum()
    ):
        return None
    return values >= (dark + light) / 2


def _strengths(picture):
    """How light the pixels are, how far they are off the object's colour, and how light that is.

    Lightness is the largest of red, green and blue. The object's colour is the most frequent one
    that is not dark; an outline has darker shades of it. An image of mode 'L', uint8 `(H, W)`, and
    a number.
    """
    if picture.mode == "L":
        counts = picture.histogram()[LOSS:]
        light = LOSS + int(np.argmax(counts)) if any(counts) else 0
        return picture, np.zeros(picture.size[::-1], np.uint8), light
    picture = picture.convert("RGB")
    bands = picture.split()
    strength = _lightest(bands)
    counts = picture.histogram(strength.point(lambda value: 255 * (value >= LOSS)))
    colour = np.reshape(counts, (3, 256)).argmax(axis=1).tolist()
    light = max(colour)
    tables = (np.outer(colour, np.arange(256)) // max(light, 1)).clip(0, 255).tolist()
    shades = [strength.point(table) for table in tables]
    off = _lightest(map(ImageChops.difference, bands, shades))
    return strength, np.asarray(off), light


def _lightest(bands):
    return reduce(ImageChops.lighter, bands)


def _pick_numbers(path, values, classes):
    """The mask of whole numbers `(H, W)`, which may be greater than 255."""
    if classes is None:
        seen = np.unique(values).tolist()
        if len(set(seen) - {0}) > 1:
            raise DatasetError(f"{path}: {_several_classes(dict(zip(seen, seen)), 'values')}")
    if classes in (None, "any"):
        return Image.fromarray(values != 0)
    return Image.fromarray(np.isin(values, [one for one in classes if not isinstance(one, tuple)]))


def _pick_any(picture):
    """The mask of all that is not 0, or black, or VOC's void."""
    if picture.mode == "P":
        colours = _count_colours(picture, 256)
        chosen = [value > 0 and colours.get(value) != VOID for value in range(256)]
        return Image.fromarray(np.array(chosen)[np.asarray(picture)])
    pixels = np.asarray(_split_alpha(picture)[0].convert("RGB"))
    black = LOSS if picture.format in LOSSY else 0
    return Image.fromarray((pixels > black).any(axis=2) & (pixels != VOID).any(axis=2))


def _pick_classes(path, picture, classes):
    """The mask of the pixels that have one of `classes`."""
    numbers = {one for one in classes if not isinstance(one, tuple)}
    if picture.mode == "P":
        colours = _count_colours(picture, 256)
        chosen = [value in numbers or colours.get(value) in classes for value in range(256)]
        return Image.fromarray(np.array(chosen)[np.asarray(picture)])
    if picture.mode == "1" and 1 in numbers:
        numbers.add(255)
    lossy = picture.format in LOSSY
    if lossy and any(0 < one < LOSS for one in numbers):
        raise DatasetError(
            f"{path}: {picture.format} files do not keep numbers of classes such as "
            f"{min(numbers - {0})}; take the original mask, in PNG"
        )
    plain, alpha = _split_alpha(picture)
    plain = plain.convert("RGB")
    if numbers and not lossy and _is_coloured(plain):
        raise DatasetError(f"{path}: {_unclear(picture)}")
    chosen = Image.new("L", plain.size)
    for one in {*classes, *numbers} - set(range(256, 65_536)):
        colour = one if isinstance(one, tuple) else (one,) * 3
        off = _lightest(ImageChops.difference(plain, Image.new("RGB", plain.size, colour)).split())
        near = off.point(lambda value: 255 * (value <= (LOSS if lossy else 0)))
        chosen = ImageChops.lighter(chosen, near)
    return ImageChops.darker(chosen, alpha) if alpha else chosen


def _is_coloured(picture):
    red, green, blue = picture.split()
    return any(ImageChops.difference(green, band).getbbox() for band in (red, blue))


def _unclear(picture):
    """What is in a mask whose object is not clear, and the way out."""
    lossy = picture.format in LOSSY
    if picture.mode not in ("L", "P"):
        picture = _split_alpha(picture)[0].convert("RGB")
        if not _is_coloured(picture):
            picture = picture.convert("L")
    colours = _count_colours(picture, MAX_CLASSES)
    if lossy:
        return (
            "is not a mask of two colours, and JPEG and WebP files do not keep the values of "
            "classes; take the original mask, in PNG, and check that it is not the photograph"
        )
    if colours is None:
        return (
            f"is not a mask: it has more than {MAX_CLASSES} values, and does not look like "
            "two colours, background and object; take the original mask, and check that it is not "
            "the photograph"
        )
    return _several_classes(colours, "colours" if picture.mode == "RGB" else "values")


def _several_classes(colours, kind):
    """What to say of several values. `colours`: for each value its colour, or 0 if it is black."""
    values = sorted(colours)
    seen = ", ".join(map(str, values[:9])) + (", ..." if len(values) > 9 else "")
    count = COUNT[len(values)] if len(values) < len(COUNT) else len(values)
    others = [value for value in values if np.any(colours[value])]
    black = "" if len(others) < len(values) else "; no colour is black, the usual background"
    choice = others[0] if others else values[-1]
    typed = str(choice).strip("()").replace(" ", "")
    return (
        f"{kind} {seen}: {count} classes{black}; name the one you want, such as "
        f"classes=({choice},) in Python, --classes {typed} in a terminal. To take all but the "
        'background: classes="any", --classes any'
    )


# --- opening


def _open(path, modes=MODES):
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
            pages = picture.n_frames if picture.format == "TIFF" else 1
            if picture.width * picture.height <= MAX_PIXELS:
                ImageOps.exif_transpose(picture, in_place=True)
                picture.load()
        if picture.mode == "P" and picture.palette is None:
            raise ValueError("its palette is missing")
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: there is no such file; check the spelling") from error
    except PermissionError as error:
        raise _closed(path, error) from error
    except Image.DecompressionBombError as error:  # Pillow's own limit is higher
        raise DatasetError(f"{path}: {_too_large('more than 178')}") from error
    except UnidentifiedImageError as error:
        raise DatasetError(f"{path}: {_what_it_is(path)}") from error
    except BROKEN as error:
        raise DatasetError(f"{path}: cannot be read as an image ({error}); {COPY}") from error
    _check_kind(path, picture, pages, modes)
    return picture


def _closed(path, error):
    return DatasetError(f"{path}: cannot be opened ({error.strerror}); check its permissions")


def _too_large(megapixels):
    return (
        f"has {megapixels} megapixels; the limit is {MAX_PIXELS // 1_000_000}. Save it "
        "smaller, for example 4,000 pixels wide, and its mask too"
    )


def _check_kind(path, picture, pages, modes):
    """Refuse what cannot be used as it is, although it is an image."""
    if picture.width * picture.height > MAX_PIXELS:
        raise DatasetError(f"{path}: {_too_large(round(picture.width * picture.height / 1e6, 1))}")
    if pages > 1:
        raise DatasetError(
            f"{path}: is a TIFF of {pages} pages; save the page that you want as a separate file"
        )
    if picture.mode in modes:
        return
    if picture.mode.startswith(("I", "F")):
        bits, values = 16 if "16" in picture.mode else 32, np.asarray(picture)
        raise DatasetError(
            f"{path}: has {bits} bits a channel (values {values.min()} to {values.max()}), but 8 "
            "are needed. Scale all images alike, from the lowest to the highest value of the set: "
            "np.uint8((values - low) * (255.0 / (high - low)))"
        )
    if picture.mode not in MODES:
        raise DatasetError(
            f"{path}: its colours are of the mode {picture.mode}; save it as RGB or grey, with "
            "8 bits a channel"
        )


def _what_it_is(path):
    """What a file is that no reader knows, and the way out."""
    with open(path, "rb") as file:
        start = file.read(12)
    if start[4:8] == b"ftyp" and start[8:12] in HEIC:
        return (
            "is a HEIC or AVIF photograph, which cannot be read here; convert it to JPEG: open it "
            "and export it, or on a Mac: sips -s format jpeg FILE --out FILE.jpg. iPhones take "
            "JPEG with Settings, Camera, Formats, Most Compatible"
        )
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return (
            "is a TIFF of a kind that cannot be read here, such as one with 64 bits a channel; "
            "save it as PNG with 8 bits a channel"
        )
    if start[4:8] == b"ftyp":
        return "is a video, not a photo; save the frames that you want as PNG or JPEG"
    return f"cannot be read as an image (it holds something else, or is damaged); {COPY}"
