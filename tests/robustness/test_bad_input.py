"""Broken PH2 and MADS sets, as a learner meets them: read rightly, or refused with the way out.

ROWS is the table. Each of its rows breaks a good tiny set, which then goes the whole way from
`load_cases` to scores. A row either is read, and then case, image and mask are those that
they must be; or it is refused with a DatasetError that names the file and says what to do. No row
may raise anything else, take 5 s of computing or 1 GB of memory, or change the folder.

The rows run one after another in a process of their own (`main`, below): it measures, a hanging
row ends it, and what it prints must fit the poorest console.
"""

import contextlib
import faulthandler
import hashlib
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import psutil
import pytest
from PIL import Image

import mads_tree
from ph2_tree import write_ph2
from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets import mads, ph2
from segmentation_tf.evaluation import otsu_mask, score
from segmentation_tf.images import read_image, read_mask
from segmentation_tf.pipeline import augment, make_dataset

SECONDS, BYTES = 5, 1_000_000_000  # of computing and of memory that a row may take
HANGS = 180  # seconds after which a row is said to hang, on however busy a machine
NOBODY = 65534  # the user without rights that root becomes where rights are tested
LOADERS = {"PH2": ph2.load_cases, "MADS": mads.load_cases}
FRAMES = (mads_tree.NAMES[0], mads_tree.NAMES[1], mads_tree.NAMES[6])
BOTH, PH2, MADS = ("PH2", "MADS"), ("PH2",), ("MADS",)


class Read(NamedTuple):
    """What must be read: functions of the set, or None where it must be as it was.

    `off`: how far the image may be off on average, where its format loses something.
    """

    image: Callable | None = None
    mask: Callable | None = None
    labels: Callable | None = None
    off: float = 0


class Refused(NamedTuple):
    """What must be said: the file, of which {image}, {mask}, {table}, {root} are those of the set,
    and a regular expression of the way out."""

    file: str
    way_out: str


class Row(NamedTuple):
    """A breakage: its id, the sets it is for, what breaks a set, what must come.

    `needs`: what the machine must offer, a key of MISSING.
    """

    name: str
    sets: tuple
    change: Callable
    comes: Read | Refused
    needs: str | None = None


def write_set(kind, folder):
    """Write a good set of three cases; the one to be broken is the second."""
    root = folder / {"PH2": "PH2Dataset", "MADS": "mads"}[kind]
    if kind == "PH2":
        write_ph2(root, [0, 1, 2])
        name, table, home = "IMD003", root / "PH2_dataset.txt", root / "PH2 Dataset images"
        image = home / name / f"{name}_Dermoscopic_Image" / f"{name}.bmp"
        mask = home / name / f"{name}_lesion" / f"{name}_lesion.bmp"
        names, labels = ["IMD002", "IMD003", "IMD004"], list(ph2.DIAGNOSES)
    else:
        home, name, table = mads_tree.write_mads(root, FRAMES), FRAMES[1], root / "df.csv"
        image, mask = home / "images" / f"{name}.png", home / "masks" / f"{name}.png"
        names, labels = list(FRAMES), [None] * 3
    return SimpleNamespace(
        kind=kind, root=root, given=root, home=home, name=name, image=image, mask=mask, table=table,
        names=names, labels=labels, picture=read_image(image), marks=read_mask(mask)
    )  # fmt: skip


# --- ways to break a set ---------------------------------------------------------------------


def put(part, content):
    """Give a file other content: bytes, or a function of those that it has."""

    def change(tree):
        file = getattr(tree, part)
        file.write_bytes(content(file.read_bytes()) if callable(content) else content)

    return change


def share(part, quarters):
    return put(part, lambda data: data[: len(data) * quarters // 4])


def paint(part, picture, format=None, **options):
    """Save a function of the set, which gives an array or a Pillow image, as one of its files."""

    def change(tree):
        made = picture(tree)
        made = made if isinstance(made, Image.Image) else Image.fromarray(made)
        made.save(getattr(tree, part), format, **options)

    return change


def mode(name, format="PNG", **options):
    """The image in another mode of colours."""
    return paint(
        "image", lambda tree: Image.fromarray(tree.picture).convert(name), format, **options
    )


def seen_as(name):
    """The image as RGB, after another mode of colours."""
    return lambda tree: np.asarray(Image.fromarray(tree.picture).convert(name).convert("RGB"))


def grey_mask(values, format="PNG"):
    """The mask with values (outside, inside), or a function of the bool array."""
    made = values if callable(values) else lambda marks: np.where(marks, *values[::-1])
    return paint("mask", lambda tree: made(tree.marks).astype(np.uint8), format)


def both(*changes):
    def change(tree):
        for one in changes:
            one(tree)

    return change


def remove(*parts):
    def change(tree):
        for part in parts:
            getattr(tree, part).unlink()

    return change


def in_place_of(part, make):
    """Remove a file, then `make(path, tree)` something else there."""

    def change(tree):
        path = getattr(tree, part)
        path.unlink()
        make(path, tree)

    return change


def moved(name):
    """Move the whole set to a folder of another name."""

    def change(tree):
        place = tree.root.parent / name
        tree.root.rename(place)
        tree.image, tree.mask, tree.table, tree.home = (
            place / path.relative_to(tree.root)
            for path in (tree.image, tree.mask, tree.table, tree.home)
        )
        tree.root = tree.given = place

    return change


def give(path):
    """Call load_cases with another path: a function of the set."""

    def change(tree):
        tree.given = path(tree)

    return change


def link(place, target):
    """A link to a folder; both are functions of the set."""
    return lambda tree: place(tree).symlink_to(target(tree), target_is_directory=True)


def stray(count, make):
    """Put many files or folders into the root, and beside the image."""

    def change(tree):
        for number in range(count):
            make((tree.root, tree.image.parent)[number % 2] / f"stray {number}")

    return change


def closed(path, rights=0):
    """Take away the right to read a path: a function of the set."""
    return lambda tree: path(tree).chmod(rights)


def rename_frame(name, name_of_mask=None):
    """Give the second MADS frame another name, in the table too."""

    def change(tree):
        tree.image.rename(tree.image.with_name(f"{name}.png"))
        tree.mask.rename(tree.mask.with_name(f"{name_of_mask or name}.png"))
        text = tree.table.read_text(encoding="utf-8").replace(tree.name, name.replace('"', '""'))
        lines = [re.sub(r"[^,]*/[^,]*", r'"\g<0>"', line) for line in text.splitlines()]
        tree.table.write_text("\n".join(lines), encoding="utf-8")
        tree.name, tree.names = name, sorted([FRAMES[0], name, FRAMES[2]])

    return change


def white_first(tree):
    """A mask whose palette is white, black: the numbers 0 and 1 stand for object and nothing."""
    height, width = tree.marks.shape
    picture = Image.frombytes("P", (width, height), (~tree.marks).tobytes())
    picture.putpalette([255] * 3 + [0] * 3)
    picture.save(tree.mask, "PNG")


def swap(tree):
    image, mask = tree.image.read_bytes(), tree.mask.read_bytes()
    tree.image.write_bytes(mask)
    tree.mask.write_bytes(image)


def sizes(height, width):
    """Image and mask of another size; the left half is the object."""

    def change(tree):
        marks = np.arange(width) < max(width // 2, 1)
        marks = np.broadcast_to(marks, (height, width))
        tree.picture = np.where(marks[..., None], (110, 70, 50), (220, 170, 150)).astype(np.uint8)
        tree.marks = marks.copy()
        Image.fromarray(tree.picture).save(tree.image, "PNG", compress_level=1)
        Image.fromarray(tree.marks).save(tree.mask, "PNG")

    return change


def large_set(tree):
    """All three pictures as large as can be."""
    sizes(4000, 4000)(tree)
    for image, mask in zip(files_like(tree, tree.image), files_like(tree, tree.mask)):
        if image != tree.image:
            shutil.copy(tree.image, image)
            shutil.copy(tree.mask, mask)


def files_like(tree, file):
    return [Path(str(file).replace(tree.name, name)) for name in tree.names]


def turned_photograph(mask_too):
    """A JPEG that stands upright by its EXIF tag only; the mask stands upright, or lies too."""

    def change(tree):
        exif = Image.Exif()
        exif[0x0112] = 6
        lying = Image.fromarray(tree.picture).transpose(Image.Transpose.ROTATE_90)
        lying.save(tree.image, "JPEG", quality=95, exif=exif)
        if mask_too:
            Image.fromarray(np.rot90(tree.marks)).save(tree.mask)

    return change


def exif(content):
    return paint("image", lambda t: Image.fromarray(t.picture), "JPEG", quality=95, exif=content)


def odd_orientation(tree):
    tag = Image.Exif()
    tag[0x0112] = 99
    exif(tag)(tree)


def number_as_text(tag):
    """An EXIF tag says that its number is text: Pillow turns the image, then fails to note that."""

    def change(tree):
        content = Image.Exif()
        content[0x0112], content[tag] = 6, 5
        exif(content)(tree)
        data = tree.image.read_bytes()
        at = data.index(tag.to_bytes(2, "big"), data.index(b"MM")) + 2
        tree.image.write_bytes(data[:at] + b"\0\2" + data[at + 2 :])

    return change


def deep_colours(tree):
    """A PNG of 16 bits a channel, which Pillow does not write."""
    deep = tree.picture.astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    height, width = tree.picture.shape[:2]
    tree.image.write_bytes(png(width, height, 16, 2, rows))


def png(width, height, depth, colours, rows):
    """A PNG put together by hand; without `rows`, it has no pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    pixels = None if rows is None else zlib.compress(rows)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
        if data is not None
    )


def rle(width, height, runs):
    """A grey BMP of run lengths."""
    palette = b"".join(bytes([i, i, i, 0]) for i in range(256))
    start = 54 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + header + palette + runs


def environment(path=None):
    """The set lies where PH2_ROOT or MADS_ROOT says, and load_cases prints that."""

    def change(tree):
        os.environ[f"{tree.kind}_ROOT"] = path or str(tree.root)
        tree.given = None

    return change


def from_inside(tree):
    os.chdir(tree.home)
    tree.given = "."


def zip_of(path):
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("readme", "x")


def only_an_archive(tree):
    shutil.rmtree(tree.root)
    tree.root.mkdir()
    zip_of(tree.root / "download.zip")


def too_deep(tree):
    deep = tree.root.parent / "a" / "b" / "c" / "d"
    deep.mkdir(parents=True)
    shutil.move(tree.root, deep)
    tree.given = tree.root.parent / "a"


def one_deeper(tree):
    outer = tree.root.parent / "outer"
    outer.mkdir()
    shutil.move(tree.root, outer)
    tree.given = outer


def sparse(path):
    """A file that says it has 3 GB."""
    with open(path, "wb") as file:
        file.truncate(3_000_000_000)


def table_rows(*rows):
    """A PH2 table with other rows after its header."""
    text = "|| Name || Histology || Clinical || Asymmetry ||\n" + "\n".join(rows)
    return put("table", text.encode())


def table_text(change):
    """The table with another text: a function of the one that it has."""
    return put("table", lambda data: change(data.decode()).encode())


def listing(old, new):
    return table_text(lambda text: text.replace(old, new))


def only_loops(tree):
    shutil.rmtree(tree.root)
    tree.root.mkdir()
    for name in ("a", "b", "images", "masks", "IMD"):
        (tree.root / name).symlink_to(tree.root, target_is_directory=True)


def many_links(tree):
    for number in range(60):
        (tree.root / f"back {number}").symlink_to(tree.root, target_is_directory=True)
        (tree.home / f"back {number}").symlink_to(tree.root, target_is_directory=True)


def link_beside(tree):
    (tree.root.parent / "a link").symlink_to(tree.root, target_is_directory=True)
    tree.given = tree.root.parent


def without_labels(tree):
    return [None] * 3


def root_of(tree):
    return tree.root


COPY = "copy it again"
PAGE = b"<!DOCTYPE html><html><title>Sign in</title><p>Sign in to download</p></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 132\n"
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n%%EOF\n"

# --- the table -------------------------------------------------------------------------------

ROWS = [
    # The bytes of the image.
    Row("empty", BOTH, put("image", b""), Refused("{image}", COPY)),
    Row("cut-in-its-header", BOTH, put("image", lambda data: data[:20]), Refused("{image}", COPY)),
    Row("cut-after-a-quarter", BOTH, share("image", 1), Refused("{image}", COPY)),
    Row("cut-after-a-half", BOTH, share("image", 2), Refused("{image}", COPY)),
    Row("cut-after-three-quarters", BOTH, share("image", 3), Refused("{image}", COPY)),
    Row("last-pixel-missing", PH2, put("image", lambda d: d[:-4]), Refused("{image}", COPY)),
    Row("end-mark-missing", MADS, put("image", lambda d: d[:-12]), Refused("{image}", COPY)),
    Row("all-zeros", BOTH, put("image", lambda d: bytes(len(d))), Refused("{image}", COPY)),
    Row("second-half-zeros", MADS,
        put("image", lambda d: d[: len(d) // 2] + bytes(len(d) - len(d) // 2)),
        Refused("{image}", COPY)),
    Row("one-byte-other", MADS,
        put("image", lambda d: d[:60] + bytes([d[60] ^ 4]) + d[61:]), Refused("{image}", COPY)),
    Row("line-ends-changed", MADS,
        put("image", lambda d: d.replace(b"\r\n", b"\n")), Refused("{image}", COPY)),
    Row("bytes-before-it", BOTH, put("image", lambda d: b"\r\n" + d), Refused("{image}", COPY)),
    Row("bytes-after-it", BOTH, put("image", lambda d: d + bytes(999)), Read()),
    Row("web-page", BOTH, put("image", PAGE), Refused("{image}", COPY)),
    Row("git-lfs-pointer", BOTH, put("image", POINTER), Refused("{image}", COPY)),
    Row("program-for-a-printer", BOTH, put("image", EPS), Refused("{image}", COPY)),
    Row("zip-in-its-place", BOTH, lambda t: zip_of(t.image), Refused("{image}", COPY)),

    # The format and the colours of the image.
    Row("jpeg-by-another-name", BOTH, mode("RGB", "JPEG", quality=95), Read(off=10)),
    Row("png-named-bmp", PH2, mode("RGB", "PNG"), Read()),
    Row("bmp-named-png", MADS, mode("RGB", "BMP"), Read()),
    Row("webp-by-another-name", BOTH, mode("RGB", "WEBP", lossless=True), Read()),
    Row("gif-of-two-pictures", BOTH,
        paint("image", lambda t: Image.fromarray(t.picture).quantize(64), "GIF", save_all=True,
              append_images=[Image.new("L", (9, 9))]), Read(off=10)),
    Row("tiff-by-another-name", BOTH, mode("RGB", "TIFF"), Refused("{image}", COPY)),
    Row("suffix-changed", BOTH, lambda t: t.image.rename(t.image.with_suffix(".jpg")),
        Refused("{image}", "missing.*copy it from the archive")),
    Row("suffix-doubled", BOTH,
        lambda t: t.image.rename(t.image.with_name(t.image.name + t.image.suffix)),
        Refused("{image}", "missing.*copy it from the archive")),
    Row("suffix-in-capitals", BOTH,
        lambda t: t.image.rename(t.image.with_suffix(t.image.suffix.upper())), Read()),
    Row("sixteen-bit-grey", BOTH,
        paint("image", lambda t: t.picture[..., 0].astype(np.uint16) * 257, "PNG"),
        Refused("{image}", "save it .* 8 bits")),
    Row("sixteen-bit-colours", BOTH, deep_colours, Read()),
    Row("grey", BOTH, mode("L"), Read(seen_as("L"))),
    Row("grey-with-alpha", BOTH, mode("LA"), Read(seen_as("L"))),
    Row("rgba", BOTH, mode("RGBA"), Read()),
    Row("rgba-that-hides-all", BOTH,
        paint("image", lambda t: np.dstack([t.picture, t.picture[..., 0] * 0]), "PNG"), Read()),
    Row("bmp-of-32-bits", PH2, mode("RGBA", "BMP"), Read()),
    Row("bmp-from-top-to-bottom", PH2,
        put("image", lambda d: d[:22] + struct.pack("<i", -57) + d[26:]),
        Read(lambda t: t.picture[::-1])),
    Row("bmp-of-run-lengths", PH2, put("image", rle(77, 57, b"\x4d\x50\0\0" * 57 + b"\0\1")),
        Read(lambda t: t.picture * 0 + 80)),
    Row("palette", BOTH, mode("P", palette=Image.Palette.ADAPTIVE), Read(seen_as("P"))),
    Row("palette-missing", BOTH, put("image", png(64, 48, 8, 3, bytes(65 * 48))),
        Refused("{image}", COPY)),
    Row("no-pixels", BOTH, put("image", png(64, 48, 8, 2, None)), Refused("{image}", COPY)),
    Row("one-bit", BOTH, mode("1"), Read(seen_as("1"))),
    Row("cmyk", BOTH, mode("CMYK", "JPEG", quality=95), Read(off=10)),
    Row("turned-by-exif", BOTH, turned_photograph(mask_too=False), Read(off=10)),
    Row("turned-by-exif-but-not-the-mask", BOTH, turned_photograph(mask_too=True),
        Refused("{mask}", "find the mask that belongs")),
    Row("exif-width-as-text", BOTH, number_as_text(0x0100), Refused("{image}", "copy it again")),
    Row("exif-fraction-as-text", BOTH, number_as_text(0x011A),
        Refused("{image}", "copy it again")),
    Row("exif-turns-by-nonsense", BOTH, odd_orientation, Read(off=10)),
    Row("exif-of-noise", BOTH, exif(b"Exif\0\0II*\0\xff\xff\xff\xff" * 9), Read(off=10)),

    # The size of the image.
    Row("bomb-that-claims-a-gigapixel", BOTH,
        put("image", png(32000, 32000, 8, 2, bytes(999))), Refused("{image}", COPY)),
    Row("bomb-of-100-megapixels", BOTH,
        paint("image", lambda t: Image.new("1", (20000, 5000)), "PNG"),
        Refused("{image}", "pixels; shrink image and mask together")),
    Row("bomb-of-few-run-lengths", PH2,
        put("image", rle(4000, 4000, b"\1\1\0\0" * 4000 + b"\0\1")),
        Refused("{mask}", "find the mask that belongs")),
    Row("bmp-that-claims-65535-x-65535", PH2,
        put("image", lambda d: d[:18] + struct.pack("<II", 65535, 65535) + d[26:]),
        Refused("{image}", COPY)),
    Row("no-width", BOTH, put("image", png(0, 48, 8, 2, b"")), Refused("{image}", COPY)),
    Row("one-pixel", BOTH, sizes(1, 1), Read()),
    Row("20000-px-wide", BOTH, sizes(40, 20000), Read()),
    Row("20000-px-wide-but-not-the-mask", BOTH,
        paint("image", lambda t: Image.new("RGB", (20000, 40)), "PNG"),
        Refused("{mask}", "find the mask that belongs")),
    Row("16-megapixels-each", BOTH, large_set,
        Read()),
    Row("all-black", BOTH, paint("image", lambda t: t.picture * 0), Read(lambda t: t.picture * 0)),
    Row("all-white", BOTH, paint("image", lambda t: t.picture * 0 + 255),
        Read(lambda t: t.picture * 0 + 255)),

    # The mask.
    Row("mask-empty-file", BOTH, put("mask", b""), Refused("{mask}", COPY)),
    Row("mask-cut", BOTH, share("mask", 2), Refused("{mask}", COPY)),
    Row("mask-web-page", BOTH, put("mask", PAGE), Refused("{mask}", COPY)),
    Row("mask-a-row-less", BOTH, paint("mask", lambda t: t.marks[:-1]),
        Refused("{mask}", "find the mask that belongs")),
    Row("mask-of-half-size", BOTH, paint("mask", lambda t: t.marks[::2, ::2].copy()),
        Refused("{mask}", "find the mask that belongs")),
    Row("mask-lying", BOTH, paint("mask", lambda t: t.marks.T.copy()),
        Refused("{mask}", "find the mask that belongs")),
    Row("mask-all-0", PH2, grey_mask((0, 0)), Refused("{mask}", "empty.*remove the case")),
    Row("mask-all-0", MADS, grey_mask((0, 0)), Read(mask=lambda t: t.marks & False)),
    Row("mask-all-1", BOTH, grey_mask((1, 1)), Read(mask=lambda t: t.marks | True)),
    Row("mask-all-255", BOTH, grey_mask((255, 255)), Read(mask=lambda t: t.marks | True)),
    Row("mask-all-128", BOTH, grey_mask((128, 128)), Refused("{mask}", "take the original mask")),
    Row("mask-of-0-and-1", BOTH, grey_mask((0, 1)), Read()),
    Row("mask-of-0-and-128", BOTH, grey_mask((0, 128)),
        Refused("{mask}", "take the original mask")),
    Row("mask-of-labels", BOTH, grey_mask(lambda marks: np.cumsum(marks, axis=1) // 4),
        Refused("{mask}", "take the original mask")),
    Row("mask-blurred", BOTH,
        paint("mask", lambda t: Image.fromarray(t.marks).convert("L").resize((19, 14))
              .resize(t.marks.shape[::-1])), Refused("{mask}", "take the original mask")),
    Row("mask-a-jpeg", BOTH, grey_mask((0, 255), "JPEG"),
        Refused("{mask}", "take the original mask: JPEG copies")),
    Row("mask-with-a-few-grey-pixels", BOTH,
        grey_mask(lambda marks: np.where(np.cumsum(marks).reshape(marks.shape) == 1, 200, 255)
                  * marks), Read()),
    Row("mask-red", BOTH, paint("mask", lambda t: t.marks[..., None] * np.uint8([255, 0, 0])),
        Refused("{mask}", "take the original mask")),
    Row("mask-a-photograph", BOTH, paint("mask", lambda t: t.picture),
        Refused("{mask}", "take the original mask")),
    Row("mask-and-image-exchanged", BOTH, swap, Refused("{mask}", "take the original mask")),
    Row("mask-of-16-bits", BOTH, paint("mask", lambda t: t.marks * np.uint16(65535), "PNG"),
        Refused("{mask}", "save it .* 8 bits")),
    Row("mask-of-three-channels", BOTH,
        paint("mask", lambda t: t.marks[..., None] * np.uint8([255] * 3)), Read()),
    Row("mask-rgba", BOTH,
        paint("mask", lambda t: np.dstack([t.marks * np.uint8(255)] * 4), "PNG"), Read()),
    Row("mask-half-transparent", BOTH,
        paint("mask", lambda t: np.dstack([t.marks * np.uint8(255), t.marks * np.uint8(99)]),
              "PNG"), Refused("{mask}", "take the original mask")),
    Row("mask-of-a-palette-that-starts-white", BOTH, white_first, Read()),

    # What lies in place of a file.
    Row("image-missing", BOTH, remove("image"), Refused("{image}", "copy it .*, or remove")),
    Row("mask-missing", BOTH, remove("mask"), Refused("{mask}", "copy it .*, or remove")),
    Row("both-missing", BOTH, remove("image", "mask"), Refused("{image}", "copy it .*, or remove")),
    Row("folder-for-an-image", BOTH, in_place_of("image", lambda path, t: path.mkdir()),
        Refused("{image}", "unpack the data set again")),
    Row("pipe-for-an-image", BOTH, in_place_of("image", lambda path, t: os.mkfifo(path)),
        Refused("{image}", "unpack the data set again"), "pipes"),
    Row("device-for-an-image", BOTH,
        in_place_of("image", lambda path, t: path.symlink_to("/dev/zero")),
        Refused("{image}", "unpack the data set again"), "pipes"),
    Row("link-to-nothing", BOTH, in_place_of("image", lambda path, t: path.symlink_to("gone")),
        Refused("{image}", "unpack the data set again"), "links"),
    Row("link-to-itself", BOTH, in_place_of("image", lambda path, t: path.symlink_to(path)),
        Refused("{image}", "unpack the data set again"), "links"),
    Row("link-to-the-file", BOTH,
        lambda t: t.image.rename(t.root.parent / "x") and t.image.symlink_to(t.root.parent / "x"),
        Read(), "links"),

    # Links of folders.
    Row("root-is-a-link", BOTH,
        both(link(lambda t: t.root.parent / "a link", root_of),
             give(lambda t: t.root.parent / "a link")), Read(), "links"),
    Row("link-to-the-root-beside-it", BOTH, link_beside, Read(), "links"),
    Row("link-to-the-root-in-it", BOTH, link(lambda t: t.root / "a", root_of), Read(), "links"),
    Row("link-to-the-root-deep-in-it", BOTH, link(lambda t: t.image.parent / "a", root_of), Read(),
        "links"),
    Row("link-to-the-folder-above", BOTH, link(lambda t: t.root / "a", lambda t: t.root.parent),
        Read(), "links"),
    Row("120-links-to-the-root", BOTH, many_links, Read(), "links"),
    Row("links-and-nothing-else", PH2, only_loops,
        Refused("{root}", "give the folder PH2Dataset"), "links"),
    Row("links-and-nothing-else", MADS, only_loops, Refused("{root}", "unpack the archive again"),
        "links"),
    Row("case-folder-links-to-another", PH2,
        lambda t: shutil.rmtree(t.home / "IMD003") or (t.home / "IMD003").symlink_to("IMD002"),
        Refused("{image}", "copy it .*, or remove"), "links"),

    # Names.
    Row("root-with-spaces", BOTH, moved("my  data set"), Read()),
    Row("root-in-unicode", BOTH, moved("Δεδομένα पीएच२ 数据 🐑"), Read()),
    Row("root-with-quotes", BOTH, moved("it's \"PH2\" & $HOME `x`"), Read(), "odd names"),
    Row("root-with-a-line-end", BOTH, moved("two\nlines\t"), Read(), "odd names"),
    Row("root-like-a-pattern", BOTH, moved("-rf [a-z]{0} %s %20 #1"), Read()),
    Row("root-in-no-utf-8", BOTH, moved(os.fsdecode(b"caf\xe9 \xff")), Read(), "names of bytes"),
    Row("root-of-240-letters", BOTH, moved("x" * 240), Read(), "long names"),
    Row("frame-with-a-space", MADS, rename_frame("Hip Hop_One Two_C0_00225"), Read()),
    Row("frame-with-quotes", MADS, rename_frame("Hip'\"Hop_One_C0_00225"), Read(), "odd names"),
    Row("frame-in-unicode", MADS, rename_frame("नृत्य_一_C0_00225"), Read()),
    Row("frame-with-accents-stored-in-two-ways", MADS,
        rename_frame("Séga_Été_C0_00225", unicodedata.normalize("NFD", "Séga_Été_C0_00225")),
        Read()),
    Row("frame-of-another-name", MADS, rename_frame("holiday"),
        Refused("holiday.png", "give it that name, or remove it")),
    Row("mask-of-another-name", MADS, rename_frame(FRAMES[1], f"{FRAMES[1]}_mask"),
        Refused("{mask}", "copy it .*, or remove")),
    Row("copy-by-a-browser", MADS,
        lambda t: [shutil.copy(f, f.with_stem(f"{f.stem} (1)")) for f in (t.image, t.mask)],
        Refused(f"{FRAMES[1]} (1).png", "give it that name, or remove it")),
    Row("copy-beside-it", PH2,
        lambda t: shutil.copy(t.image, t.image.with_stem("IMD003 - Copy")), Read()),
    Row("folder-of-the-image-twice", PH2,
        lambda t: shutil.copytree(t.image.parent, f"{t.image.parent} (1)"),
        Refused("{image}", "remove one of them")),
    Row("names-in-another-case", BOTH,
        lambda t: t.mask.rename(t.mask.with_name(t.mask.name.upper())), Read()),
    Row("two-files-that-differ-in-case", BOTH,
        lambda t: shutil.copy(t.image, t.image.with_name(t.image.name.swapcase())),
        Refused("{image.name}", "remove one"), "case"),
    Row("two-folders-that-differ-in-case", PH2,
        lambda t: shutil.copytree(t.home / "IMD003", t.home / "imd003"),
        Refused("imd003", "keep one copy"), "case"),
    Row("images-in-capitals", MADS, lambda t: t.image.parent.rename(t.home / "IMAGES"),
        Refused("{root}", "give the folder that the archive unpacks to")),

    # Folders, and what is given as one.
    Row("10000-stray-files", BOTH, stray(10_000, lambda path: path.touch()), Read()),
    Row("10000-stray-folders", BOTH, stray(10_000, lambda path: path.mkdir()), Read()),
    Row("nothing-there", BOTH, give(lambda t: t.root.parent / "typo"),
        Refused("typo", "check the path")),
    Row("a-file", BOTH, give(lambda t: t.table), Refused("{table}", "give the folder")),
    Row("a-zip", BOTH, both(lambda t: zip_of(t.root.parent / "a.zip"),
                            give(lambda t: t.root.parent / "a.zip")),
        Refused("a.zip", "unpack it first, with: python -m")),
    Row("only-a-zip-in-it", BOTH, only_an_archive,
        Refused("{root}", "unpack it first, with: python -m .*download.zip")),
    Row("an-empty-folder", BOTH, lambda t: shutil.rmtree(t.root) or t.root.mkdir(),
        Refused("{root}", "give the folder")),
    Row("name-too-long", BOTH, give(lambda t: "x" * 5000), Refused("xxxx", "check the path")),
    Row("home-of-nobody-known", BOTH, give(lambda t: "~nobody-known/set"),
        Refused("~nobody-known", "check the path")),
    Row("name-with-a-nul", BOTH, give(lambda t: f"{t.root}\0"),
        Refused("{root}", "check the path")),
    Row("one-folder-deeper", BOTH, one_deeper, Read()),
    Row("four-folders-deeper", BOTH, too_deep, Refused("a", "give the folder")),
    Row("from-inside", BOTH, from_inside, Read()),
    Row("folder-of-one-case", PH2, give(lambda t: t.image.parent.parent),
        Refused("{image.parent.parent}", "give the folder PH2Dataset")),
    Row("folder-of-one-part", MADS, give(lambda t: t.image.parent),
        Refused("{image.parent}", "give the folder above it")),
    Row("two-copies", MADS, lambda t: shutil.copytree(t.home, f"{t.home} 2"),
        Refused("{home}", "give one of them")),
    Row("two-copies", PH2, lambda t: shutil.copytree(t.home, f"{t.home} 2"),
        Refused("IMD002", "keep one copy")),
    Row("no-masks", MADS, lambda t: shutil.rmtree(t.mask.parent),
        Refused("{root}", "give the folder that the archive unpacks to")),
    Row("empty-images", MADS,
        lambda t: [shutil.rmtree(t.image.parent), t.image.parent.mkdir()],
        Refused("{image.parent}", "unpack the archive again")),
    Row("environment-in-unicode", BOTH, both(moved("Δεδομένα 🐑"), environment()), Read()),
    Row("environment-too-long", BOTH, environment("x" * 5000),
        Refused("{kind}_ROOT", "correct or unset")),
    Row("environment-of-nobody-known", BOTH, environment("~nobody-known/set"),
        Refused("~nobody-known", "correct or unset")),
    Row("environment-in-no-utf-8", BOTH, both(moved(os.fsdecode(b"caf\xe9")), environment()),
        Read(), "names of bytes"),

    # Rights.
    Row("image-closed", BOTH, closed(lambda t: t.image),
        Refused("{image}", "give yourself the right"), "rights"),
    Row("table-closed", BOTH, closed(lambda t: t.table),
        Refused("{table}", "give yourself the right"), "rights"),
    Row("folder-of-the-image-closed", BOTH, closed(lambda t: t.image.parent),
        Refused("{image.parent}", "give yourself the right"), "rights"),
    Row("folder-of-the-image-only-listed", BOTH, closed(lambda t: t.image.parent, 0o444),
        Refused("{image.parent}", "give yourself the right"), "rights"),
    Row("root-closed", BOTH, closed(root_of), Refused("{root}", "give yourself the right"),
        "rights"),
    Row("root-only-listed", BOTH, closed(root_of, 0o444), Refused("{root}", "give"), "rights"),
    Row("folder-above-closed", BOTH, closed(lambda t: t.root.parent),
        Refused("{root}", "you may open the folders above"), "rights"),

    # The table of PH2, and df.csv of MADS.
    Row("no-table", PH2, remove("table"), Read(labels=without_labels)),
    Row("no-table", MADS, remove("table"), Read()),
    Row("folder-for-a-table", PH2, in_place_of("table", lambda path, t: path.mkdir()),
        Read(labels=without_labels)),
    Row("folder-for-a-table", MADS, in_place_of("table", lambda path, t: path.mkdir()), Read()),
    Row("table-empty", BOTH, put("table", b""), Refused("{table}", "or remove")),
    Row("table-a-web-page", BOTH, put("table", PAGE), Refused("{table}", "or remove")),
    Row("table-of-noise", BOTH, put("table", bytes(range(256)) * 9),
        Refused("{table}", "or remove")),
    Row("table-of-3-gigabytes", BOTH, lambda t: sparse(t.table), Refused("{table}", COPY)),
    Row("table-in-utf-16", BOTH, put("table", lambda d: d.decode().encode("utf-16")), Read()),
    Row("table-with-a-byte-order-mark-and-windows-lines", BOTH,
        table_text(lambda text: "\ufeff" + text.replace("\n", "\r\n")), Read()),
    Row("table-with-latin-letters", PH2,
        put("table", lambda d: d + "\nLegend: diagnóstico 0\n".encode("latin-1")), Read()),
    Row("table-in-lower-case", PH2, table_text(str.lower), Read()),
    Row("table-cut-in-a-row", PH2, put("table", lambda d: d[:-18]),
        Read(labels=lambda t: [*t.labels[:2], None])),
    Row("diagnosis-unknown", PH2, table_rows("|| IMD003 || x || 7 || 0 ||"),
        Refused("{table}", "correct the row, or remove")),
    Row("diagnosis-a-word", PH2, table_rows("|| IMD003 || x || two || 0 ||"),
        Refused("{table}", "correct the row, or remove")),
    Row("diagnosis-of-5000-digits", PH2, table_rows(f"|| IMD003 || x || {'7' * 5000} || 0 ||"),
        Refused("{table}", "correct the row, or remove")),
    Row("diagnosis-blank", PH2, table_rows("|| IMD003 || ||   || 0 ||"),
        Read(labels=without_labels)),
    Row("two-diagnoses", PH2, put("table", lambda d: d + b"|| IMD003 || || 2 || 0 ||\n"),
        Refused("{table}", "correct the row, or remove")),
    Row("table-with-a-line-of-blanks", PH2,
        put("table", lambda d: d + b"|| IMD003 || ||" + b" " * 300_000), Read()),
    Row("table-of-other-columns", MADS, put("table", b"id,file\n1,a.png\n"),
        Refused("{table}", "or remove it")),
    Row("table-of-columns-only", MADS, put("table", b",images,masks,collages\n"),
        Refused("{table}", "or remove it")),
    Row("table-with-semicolons", MADS, listing(",", ";"), Refused("{table}", "or remove it")),
    Row("table-with-a-gap", MADS, table_text(lambda text: text + "3,images/x.png\n"),
        Refused("{table}", "or remove it")),
    Row("table-with-an-empty-cell", MADS, listing(f"images/{FRAMES[1]}.png", ""),
        Refused("df.csv", "or remove its row")),
    Row("table-of-900000-empty-rows", MADS, put("table", b",images,masks\n" + b",\n" * 900_000),
        Refused("{table}", "or remove it")),
    Row("table-with-an-open-quote", MADS, listing("1,images", '1,"images'),
        Refused("{table}", "or remove it")),
    Row("table-with-a-cell-of-200-kB", MADS, listing("1,images/", "1," + "x" * 200_000),
        Refused("{table}", "or remove it")),
    Row("table-with-other-folders", MADS,
        listing("images/", "C:\\Users\\me\\..\\images\\"), Read()),
    Row("table-lists-what-is-not-there", MADS, listing(FRAMES[1], "Kata_F1_C0_00045"),
        Refused("Kata_F1_C0_00045.png", "copy it .*, or remove its row of df.csv")),
    Row("table-lists-fewer", MADS,
        table_text(lambda text: "".join(text.splitlines(keepends=True)[:-1])), Read()),
]  # fmt: skip


# --- running it ------------------------------------------------------------------------------


def missing_rights():
    if os.name == "nt":
        return "Windows has no rights that a file's owner lacks"
    if os.geteuid() == 0:
        try:
            with as_nobody():
                pass
        except OSError:
            return "this is root, who may read all, and root may not become another user here"


def missing_links(folder):
    try:
        (folder / "link").symlink_to(folder, target_is_directory=True)
        (folder / "link").unlink()
    except OSError:
        return "links may not be made here"


def missing_case(folder):
    (folder / "case").touch()
    if (folder / "CASE").exists():
        return "names that differ in case only are one file here"


def missing_names(name):
    def missing(folder):
        try:
            (folder / name).mkdir()
        except (OSError, ValueError):
            return f"no folder may be called {ascii(name)} here"

    return missing


MISSING = {
    "links": missing_links,
    "case": missing_case,
    "rights": lambda folder: missing_rights(),
    "pipes": lambda folder: None if hasattr(os, "mkfifo") else "there are no pipes here",
    "long names": lambda folder: "Windows ends a path at 260" if os.name == "nt" else None,
    "odd names": missing_names('"\n'),
    "names of bytes": missing_names(os.fsdecode(b"caf\xe9")),
}


def forget_peak():
    """Let `peak_memory` count from now on, where that is possible."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


@contextlib.contextmanager
def as_nobody():
    """As a user without rights, if this is root."""
    root = os.name != "nt" and os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def peak_memory():
    """The most memory that this process has held so far, in bytes."""
    if sys.platform == "linux":  # where what getrusage says includes the process that started it
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024
    if os.name == "nt":
        return psutil.Process().memory_info().peak_wset
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def whole_way(kind, given, name):
    """What a learner does first: load, take a batch, augment, threshold, score. Returns cases."""
    cases = LOADERS[kind](given)
    batch = next(iter(make_dataset(cases, 32, 8)))
    for images, masks in (batch, augment(*batch, (0, 1))):
        assert images.shape == (3, 32, 32, 3) and masks.shape == (3, 32, 32, 1)
        assert np.isfinite(images).all() and 0 <= np.min(images) <= np.max(images) <= 1
        assert set(np.unique(masks)) <= {0, 1}
    for case in cases:
        if case.name == name:
            found = otsu_mask(read_image(case.image))
            scores = score(read_mask(case.mask), found)
            assert np.isfinite(list(scores.values())).all(), scores
    return cases


def check_read(tree, comes, cases):
    """What was read must be what was there, but for what the row says."""
    assert [case.name for case in cases] == tree.names
    assert [case.label for case in cases] == (comes.labels(tree) if comes.labels else tree.labels)
    broken = cases[tree.names.index(tree.name)]
    image, mask = read_image(broken.image), read_mask(broken.mask)
    expected = comes.image(tree) if comes.image else tree.picture
    assert image.shape == expected.shape and image.dtype == np.uint8
    assert np.abs(image.astype(float) - expected).mean() <= comes.off
    np.testing.assert_array_equal(mask, comes.mask(tree) if comes.mask else tree.marks)


def check_refused(tree, comes, error):
    assert isinstance(error, DatasetError), error
    named = comes.file.format(**vars(tree))
    assert named in str(error), f"{named!r} is not named in: {error}"
    assert re.search(comes.way_out, str(error), re.DOTALL), error


def state_of(folder):
    """What lies in a folder: names, kinds, times and contents."""
    state = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            try:
                entry = path.lstat()
            except PermissionError:  # the row has closed the folder
                continue
            plain = os.path.isfile(path) and not path.is_symlink() and entry.st_size < 1_000_000
            plain = plain and os.access(path, os.R_OK)
            content = hashlib.sha256(path.read_bytes()).hexdigest() if plain else None
            state[str(path)] = entry.st_mode, entry.st_size, entry.st_mtime_ns, content
    return state


def run_row(kind, row, folder):
    """One row: what is wrong with it (None: nothing), seconds and bytes; or why it was skipped."""
    if row.needs and (reason := MISSING[row.needs](folder)):
        return {"skipped": reason}
    place = folder / "place"
    place.mkdir()
    tree = write_set(kind, place)
    row.change(tree)
    before = state_of(place)
    forget_peak()
    memory, seconds = peak_memory(), time.process_time()
    error, cases = None, None
    rights = as_nobody() if row.needs == "rights" else contextlib.nullcontext()
    console = io.TextIOWrapper(io.BytesIO(), "ascii")
    with rights, contextlib.redirect_stdout(console):
        try:
            cases = whole_way(kind, tree.given, tree.name)
        except Exception as caught:
            error = caught
    seconds, peak = time.process_time() - seconds, peak_memory()
    result = {"seconds": seconds, "bytes": peak - START["bytes"] if peak > memory else 0}
    try:
        if isinstance(row.comes, Refused):
            assert error is not None, "it was read"
            check_refused(tree, row.comes, error)
        elif error is not None:
            raise error
        else:
            check_read(tree, row.comes, cases)
        assert state_of(place) == before, "the folder was changed"
    except Exception:
        return result | {"fault": traceback.format_exc(limit=-6)}
    return result | {"fault": None}


def main(wanted):
    """Run the rows of these ids and print of each, when it is done, a line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # nobody must get in
        for kind in BOTH:  # what TensorFlow needs for itself is no row's
            whole_way(kind, write_set(kind, Path(folder)).root, None)
        START["bytes"] = psutil.Process().memory_info().rss
        here, environment = Path.cwd(), dict(os.environ)
        for name in wanted:
            faulthandler.dump_traceback_later(HANGS, exit=True)
            place = Path(folder, name)
            place.mkdir()
            result = run_row(*IDS[name], place)
            print(json.dumps({"id": name} | result), flush=True)
            os.chdir(here)
            os.environ.clear()
            os.environ.update(environment)
            open_again(place)
            shutil.rmtree(place)
        faulthandler.cancel_dump_traceback_later()


def open_again(folder):
    """Give back the rights that a row took away, so that the folder can be deleted."""
    for place, folders, _ in os.walk(folder):
        for name in folders:
            if not Path(place, name).is_symlink():
                Path(place, name).chmod(0o755)


IDS = {f"{kind}-{row.name}": (kind, row) for row in ROWS for kind in row.sets}
START = {}


@pytest.fixture(scope="module")
def results(request):
    """What came of each row that this run of pytest is to test, by id."""
    names = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = [item.params["row"] for item in names if item and item.params.get("row") in IDS]
    done = {}
    while left := [name for name in wanted if name not in done]:
        ran = subprocess.run(
            [sys.executable, __file__, *left], capture_output=True, text=True, errors="replace"
        )
        lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
        done |= {line["id"]: line for line in lines}
        if len(lines) < len(left):
            ended = f"it hung or ended the process ({ran.returncode}):\n{ran.stderr[-3000:]}"
            done[left[len(lines)]] = {"fault": ended, "seconds": 0, "bytes": 0}
    return done


@pytest.mark.parametrize("row", IDS)
def test_a_broken_set_is_read_rightly_or_refused(results, row):
    result = results[row]
    if "skipped" in result:
        pytest.skip(result["skipped"])
    assert result["fault"] is None, result["fault"]
    assert result["seconds"] < SECONDS
    assert result["bytes"] < BYTES


def test_the_table_has_sixty_rows_and_no_id_twice():
    assert len({row.name for row in ROWS}) >= 60
    assert len(IDS) == sum(len(row.sets) for row in ROWS)


if __name__ == "__main__":
    main(sys.argv[1:])
