"""Broken PH2 and MADS sets, as a learner meets them: read correctly, or refused with the way out.

Each row of ROWS breaks a tiny good set. Then either every case, image and mask is read as the row
says, or a DatasetError names the file and says what to do. test_fuzz.py covers what no row has.
"""

import contextlib
import io
import os
import re
import shutil
import struct
import sys
import tempfile
import unicodedata
import zlib
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import mads_tree
from ph2_tree import write_ph2
from processes import contents, run
from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets import mads, ph2
from segmentation_tf.images import read_image, read_mask
from segmentation_tf.pipeline import make_dataset

NOBODY = 65534  # a user without rights
FRAMES = (mads_tree.NAMES[0], mads_tree.NAMES[1], mads_tree.NAMES[6])


def write_set(kind, folder):
    """Write a good set of three cases; the second is the one to be broken.

    Returns its files, what has to be read (names, labels, the picture and the marks of the second
    case, off by how much on average), and `given`, the argument of load_cases.
    """
    if kind == "PH2":
        root = write_ph2(folder / "PH2Dataset", [0, 1, 2])
        home, table, load_cases = root / "PH2 Dataset images", "PH2_dataset.txt", ph2.load_cases
        image = home / "IMD003" / "IMD003_Dermoscopic_Image" / "IMD003.bmp"
        mask = home / "IMD003" / "IMD003_lesion" / "IMD003_lesion.bmp"
        names, labels = ["IMD002", "IMD003", "IMD004"], list(ph2.DIAGNOSES)
    else:
        root, table, load_cases = folder / "mads", "df.csv", mads.load_cases
        home = mads_tree.write_mads(root, FRAMES)
        image, mask = (home / part / f"{FRAMES[1]}.png" for part in ("images", "masks"))
        names, labels = list(FRAMES), [None] * 3
    return SimpleNamespace(
        load_cases=load_cases, given=root, root=root, home=home, table=root / table,
        image=image, mask=mask, names=names, labels=labels,
        picture=read_image(image), marks=read_mask(mask), off=0,
    )  # fmt: skip


# --- ways to break a set -----------------------------------------------------------------------


def put(part, content):
    """Give the file `part` other bytes: `content`, or what it makes of the bytes there."""

    def change(tiny):
        file = getattr(tiny, part)
        file.write_bytes(content(file.read_bytes()) if callable(content) else content)

    return change


def save(part, picture, format=None):
    """Save an array that is made from the set as the file `part`."""
    return lambda tiny: Image.fromarray(picture(tiny)).save(getattr(tiny, part), format)


def mask_of(values):
    """Save what a function of the bool mask makes as a grey mask."""
    return save("mask", lambda tiny: values(tiny.marks).astype(np.uint8))


def expect(**attributes):
    """Change what has to be read, or what is given: new values, each a function of the set."""

    def change(tiny):
        for name, value in attributes.items():
            setattr(tiny, name, value(tiny))

    return change


def both(*changes):
    def change(tiny):
        for one in changes:
            one(tiny)

    return change


def replace(part, make):
    """Remove the file `part`; `make(path)` puts something else there."""
    return lambda tiny: (getattr(tiny, part).unlink(), make(getattr(tiny, part)))


def move(*folders):
    """Move the set to other folders, of which the first is given."""

    def change(tiny):
        here, place = tiny.root.parent, tiny.root.parent.joinpath(*folders)
        place.parent.mkdir(parents=True, exist_ok=True)
        tiny.root, tiny.given = tiny.root.rename(place), here / folders[0]

    return change


def table_text(old, new):
    """Replace a text in the table by another."""
    return put("table", lambda data: data.decode().replace(old, new).encode())


def png(width, height, depth, colours, rows):
    """Return the bytes of a PNG."""
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def sixteen_bits(tiny):
    """Save the image with 16 bits a channel, which Pillow cannot write."""
    rows = b"".join(b"\0" + row.tobytes() for row in tiny.picture.astype(">u2") * 257)
    height, width = tiny.picture.shape[:2]
    tiny.image.write_bytes(png(width, height, 16, 2, rows))


def run_lengths(width, height, value):
    """Return the bytes of a grey BMP whose rows are runs of one value."""
    runs = [bytes([min(255, width - x), value]) for x in range(0, width, 255)]
    pixels = (b"".join(runs) + b"\0\0") * height + b"\0\1"
    palette = b"".join(bytes([i, i, i, 0]) for i in range(256))
    start, size = 54 + len(palette), len(pixels)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, size, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + size, 0, 0, start) + header + palette + pixels


def large(height, width):
    """Give image and mask another size; the left half is the object."""

    def change(tiny):
        tiny.marks = np.tile(np.arange(width) < max(width // 2, 1), (height, 1))
        colours = np.where(tiny.marks[..., None], (110, 70, 50), (220, 170, 150))
        tiny.picture = colours.astype(np.uint8)
        Image.fromarray(tiny.picture).save(tiny.image, "PNG", compress_level=1)
        Image.fromarray(tiny.marks).save(tiny.mask, "PNG")

    return change


def turned(tiny):
    """Save the image as a JPEG that lies on its side, with the EXIF tag that sets it upright."""
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 6, 5
    lying = Image.fromarray(tiny.picture).transpose(Image.Transpose.ROTATE_90)
    lying.save(tiny.image, "JPEG", quality=95, exif=exif)
    tiny.off = 10


def number_as_text(data):
    """Give a number in EXIF the type of a text: Pillow turns the image and fails to note that."""
    at = data.index(b"\x01\x1a", data.index(b"MM")) + 2
    return data[:at] + b"\0\2" + data[at + 2 :]


def exchange(tiny):
    image, mask = tiny.image.read_bytes(), tiny.mask.read_bytes()
    tiny.image.write_bytes(mask)
    tiny.mask.write_bytes(image)


def rename_frame(name, name_of_mask):
    """Give the second MADS frame another name, in the table too."""

    def change(tiny):
        tiny.image.rename(tiny.image.with_stem(name))
        tiny.mask.rename(tiny.mask.with_stem(name_of_mask))
        table_text(FRAMES[1], name)(tiny)
        tiny.names[1] = name

    return change


def links_back(tiny):
    for number in range(30):
        link(tiny.root / f"back {number}", tiny.root)
        link(tiny.home / f"back {number}", tiny.root)


def link(place, target):
    try:
        place.symlink_to(target)
    except OSError:
        pytest.skip("links may not be made here")


def twin_in_another_case(tiny):
    twin = tiny.image.with_name(tiny.image.name.swapcase())
    if twin.exists():
        pytest.skip("names that differ in case only are one file here")
    shutil.copy(tiny.image, twin)


# --- the table ---------------------------------------------------------------------------------

PAGE = b"<!DOCTYPE html><html><title>Sign in</title><p>Sign in to download</p></html>"
PROGRAM = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n%%EOF\n"
COPY, ORIGINAL, BELONGS = "copy it again", "take the original mask", "find the mask that belongs"
SPELLING, REMOVE = "there is no such file; check the spelling", "copy it .*, or remove"
DIAGNOSIS = "|| IMD003 || x || {} || 0 ||\n"
UNIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes and no such names")


def row(name, kind, change, file=None, way_out=None, marks=()):
    """A row: its name, the set, what breaks it, and which file an error names with which advice.

    Without a file, the set has to be read. {image}, {mask}, {table} and so on are those of the set.
    """
    return pytest.param(kind, change, file, way_out, id=f"{kind}-{name}", marks=marks)


ROWS = [
    # The bytes of the image.
    row("empty", "PH2", put("image", b""), "{image}", COPY),
    row("cut-in-its-header", "MADS", put("image", lambda d: d[:20]), "{image}", COPY),
    row("last-pixel-missing", "PH2", put("image", lambda d: d[:-4]), "{image}", COPY),
    row("end-mark-missing", "MADS", put("image", lambda d: d[:-12]), "{image}", COPY),
    row("one-bit-flipped", "MADS", put("image", lambda d: d[:60] + bytes([d[60] ^ 4]) + d[61:]),
        "{image}", COPY),
    row("bytes-before-it", "PH2", put("image", lambda d: b"\r\n" + d), "{image}", COPY),
    row("bytes-after-it", "PH2", put("image", lambda d: d + bytes(999))),
    row("web-page", "MADS", put("image", PAGE), "{image}", COPY),
    row("program-for-a-printer", "PH2", put("image", PROGRAM), "{image}", COPY),

    # The format, colours and size of the image.
    row("png-named-bmp", "PH2", save("image", lambda t: t.picture, "PNG")),
    row("jpeg-named-png", "MADS", both(save("image", lambda t: t.picture, "JPEG"),
                                       expect(off=lambda t: 10))),
    row("tiff-by-another-name", "PH2", save("image", lambda t: t.picture, "TIFF")),
    row("tiff-cut", "PH2", both(save("image", lambda t: t.picture, "TIFF"),
                                put("image", lambda d: d[: len(d) // 2])), "{image}", COPY),
    row("sixteen-bit-colours", "MADS", sixteen_bits),
    row("alpha-hides-all", "PH2",
        save("image", lambda t: np.dstack([t.picture, t.picture[..., 0] * 0]), "PNG")),
    row("bmp-from-top-to-bottom", "PH2",
        both(put("image", lambda d: d[:22] + struct.pack("<i", -57) + d[26:]),
             expect(picture=lambda t: t.picture[::-1]))),
    row("turned-by-exif", "PH2", turned),
    row("turned-by-exif-but-not-the-mask", "MADS",
        both(turned, save("mask", lambda t: np.rot90(t.marks).copy())), "{mask}",
        "EXIF data of the image turn it .*: turn the mask in the same way"),
    row("exif-number-as-text", "PH2", both(turned, put("image", number_as_text)), "{image}", COPY),
    row("no-width", "MADS", put("image", png(0, 48, 8, 2, b"")), "{image}", COPY),
    row("claims-a-gigapixel", "MADS", put("image", png(32000, 32000, 8, 2, bytes(999))),
        "{image}", "Save it smaller"),
    row("one-pixel", "PH2", large(1, 1)),

    # The mask.
    row("mask-cut", "PH2", put("mask", lambda d: d[: len(d) // 2]), "{mask}", COPY),
    row("mask-all-0", "PH2", mask_of(lambda m: m * 0), "{mask}", "empty.*remove the case"),
    row("mask-all-0", "MADS", both(mask_of(lambda m: m * 0), expect(marks=lambda t: t.marks * 0))),
    row("mask-all-1", "PH2", both(mask_of(lambda m: m | 1), expect(marks=lambda t: t.marks | 1))),
    row("mask-of-0-and-128", "PH2", mask_of(lambda m: m * 128)),
    row("mask-of-labels", "MADS", mask_of(lambda m: np.cumsum(m, axis=1) // 4), "{mask}",
        "values 0, 1, 2: three classes; name the one"),
    row("mask-a-jpeg", "PH2", save("mask", lambda t: t.marks * np.uint8(255), "JPEG")),
    row("mask-a-jpeg-of-labels", "PH2",
        save("mask", lambda t: (np.cumsum(t.marks, axis=1) * 7).astype(np.uint8), "JPEG"),
        "{mask}", ORIGINAL + ", in PNG"),
    row("mask-with-one-grey-pixel", "PH2",
        mask_of(lambda m: np.where(np.cumsum(m).reshape(m.shape) == 1, 200, 255) * m)),
    row("mask-and-image-exchanged", "PH2", exchange, "{mask}", ORIGINAL),

    # What lies in place of a file or folder.
    row("mask-missing", "MADS", lambda t: t.mask.unlink(), "{mask}", REMOVE),
    row("folder-for-an-image", "PH2", replace("image", Path.mkdir), "{image}", SPELLING),
    row("pipe-for-an-image", "MADS", replace("image", lambda path: os.mkfifo(path)), "{image}",
        SPELLING, UNIX),
    row("link-to-nothing", "PH2", replace("image", lambda p: link(p, "gone")), "{image}", SPELLING),
    row("link-to-itself", "MADS", replace("image", lambda p: link(p, p)), "{image}", SPELLING),
    row("60-links-to-the-root", "PH2", links_back),

    # Names.
    row("root-with-quotes-and-a-line-end", "PH2", move("it's \"PH2\" & $HOME\n"), marks=UNIX),
    row("frame-with-accents-stored-in-two-ways", "MADS",
        rename_frame("Jóga_Été_C0_00225", unicodedata.normalize("NFD", "Jóga_Été_C0_00225"))),
    row("frame-of-another-name", "MADS", rename_frame("holiday", "holiday"), "holiday.png",
        "give it that name, or remove it"),
    row("folder-of-the-image-twice", "PH2",
        lambda t: shutil.copytree(t.image.parent, f"{t.image.parent} (1)"),
        "{image}", "remove one of them"),
    row("two-files-that-differ-in-case", "MADS", twin_in_another_case, "{image.name}",
        "remove one"),

    # What is given as a folder.
    row("nothing-there", "PH2", expect(given=lambda t: f"{t.root}x"), "{root}x", "check the path"),
    row("name-with-a-nul", "MADS", expect(given=lambda t: f"{t.root}\0"), "{root}",
        "check the path"),
    row("one-folder-deeper", "MADS", move("a", "set")),
    row("four-folders-deeper", "PH2", move(*"abcd", "set"), "{given}", "give the folder"),

    # The table of PH2, and df.csv of MADS.
    row("no-table", "PH2", both(lambda t: t.table.unlink(), expect(labels=lambda t: [None] * 3))),
    row("table-a-web-page", "MADS", put("table", PAGE), "{table}", "or remove"),
    row("table-far-too-large", "PH2",
        both(put("table", bytes(3_000_000)), expect(labels=lambda t: [None] * 3))),
    row("table-in-utf-16", "PH2", put("table", lambda d: d.decode().encode("utf-16"))),
    row("table-from-windows", "MADS",
        put("table", lambda d: b"\xef\xbb\xbf" + d.replace(b"\n", b"\r\n"))),
    row("two-diagnoses", "PH2", both(put("table", lambda d: d + DIAGNOSIS.format(2).encode()),
                                     expect(labels=lambda t: [None] * 3))),
    row("table-with-an-open-quote", "MADS", table_text("1,im", '1,"im'), "{table}",
        "or remove it"),
    row("table-lists-what-is-not-there", "MADS", table_text(FRAMES[1], "Kata_F1_C0_00045"),
        "Kata_F1_C0_00045.png", "copy it .*, or remove its row of df.csv"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "file", "way_out"), ROWS)
def test_a_broken_set_is_read_correctly_or_refused(kind, change, file, way_out, tmp_path):
    tiny = write_set(kind, tmp_path)
    change(tiny)
    before = contents(tmp_path)
    if file is None:
        check_read(tiny)
    else:
        with pytest.raises(DatasetError) as refused:
            tiny.load_cases(tiny.given)
        assert file.format(**vars(tiny)) in str(refused.value)
        assert re.search(way_out, str(refused.value), re.DOTALL)
    assert contents(tmp_path) == before


def check_read(tiny):
    cases = tiny.load_cases(tiny.given)
    assert [case.name for case in cases] == tiny.names
    assert [case.label for case in cases] == tiny.labels
    image, mask = read_image(cases[1].image), read_mask(cases[1].mask)
    assert image.dtype == np.uint8 and image.shape == tiny.picture.shape
    assert np.abs(image.astype(float) - tiny.picture).mean() <= tiny.off
    np.testing.assert_array_equal(mask, tiny.marks)
    images, masks = next(iter(make_dataset(cases, 32, 3)))
    assert images.shape == (3, 32, 32, 3) and 0 <= np.min(images) <= np.max(images) <= 1
    assert masks.shape == (3, 32, 32, 1) and set(np.unique(masks)) <= {0, 1}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are no bytes")
@pytest.mark.parametrize("name", ["पीएच२ 🐑", os.fsdecode(b"caf\xe9 \xff")])
def test_a_folder_whose_name_the_console_cannot_show_is_read(name, tmp_path, monkeypatch):
    tiny = write_set("PH2", tmp_path)
    move(name)(tiny)
    tiny.given = None
    monkeypatch.setenv("PH2_ROOT", str(tiny.root))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    check_read(tiny)


# --- rights ------------------------------------------------------------------------------------


@contextlib.contextmanager
def as_nobody():
    """Become a user without rights if this is root, who may read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no rights that a file's owner lacks")
@pytest.mark.parametrize(
    ("part", "rights"),
    [("image", 0), ("table", 0), ("image.parent", 0), ("image.parent", 0o444), ("root", 0)],
)
def test_what_may_not_be_opened_is_refused(part, rights):
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to other users
        os.chmod(folder, 0o755)
        tiny = write_set("MADS", Path(folder))
        path = attrgetter(part)(tiny)
        path.chmod(rights)
        with pytest.raises(DatasetError, match=f"{path}.*check its permissions"), as_nobody():
            tiny.load_cases(tiny.root)
        path.chmod(0o755)


# --- time and memory ---------------------------------------------------------------------------

WORST = """
import resource, sys, time
from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets import mads, ph2
from segmentation_tf.pipeline import make_dataset

def whole_way(load_cases, folder):
    try:
        cases = load_cases(folder)
    except DatasetError as error:
        return error
    return next(iter(make_dataset(cases, 32, 4)))[0].shape

good, *broken = sys.argv[1:]
whole_way(ph2.load_cases, good)  # TensorFlow takes its own memory
with open("/proc/self/statm") as file:
    memory = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (memory + 1_000_000_000, -1))
for folder, load_cases in zip(broken, (ph2.load_cases, ph2.load_cases, mads.load_cases)):
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 5, -1))
    print("came out:", whole_way(load_cases, folder))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory")
def test_the_worst_sets_take_less_than_5_seconds_and_1_gigabyte(tmp_path):
    good, heavy, runs, rows = (
        write_set(kind, tmp_path / str(number))
        for number, kind in enumerate(("PH2", "PH2", "PH2", "MADS"))
    )
    large(4000, 4000)(heavy)
    for name in ("IMD002", "IMD004"):
        for file in (heavy.image, heavy.mask):
            shutil.copy(file, str(file).replace("IMD003", name))
    runs.image.write_bytes(run_lengths(4000, 4000, 80))
    rows.table.write_bytes(b",images,masks\n" + b",\n" * 900_000)

    said = run(WORST, good.root, heavy.root, runs.root, rows.root)

    read, refused, table = [line for line in said.splitlines() if "came out:" in line]
    assert "(3, 32, 32, 3)" in read
    assert str(runs.mask) in refused and BELONGS in refused
    assert str(rows.table) in table and "or remove it" in table
