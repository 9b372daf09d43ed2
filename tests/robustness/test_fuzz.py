"""Readers fed with what they were not made for: a DatasetError or a right result, nothing else.

Hypothesis damages good files and folders in ever new ways. In the run of all tests it does so 60
times a test, the same on every machine; for some minutes, and anew each time, with

    python -m pytest tests/test_fuzz.py --hypothesis-profile=long
"""

import io
import json
import shutil
import struct
import time
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st
from PIL import Image

import mads_tree
import meadow_tree
from ph2_tree import disc, skin, write_ph2
from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets import coco_panoptic, folders, mads, ph2
from segmentation_tf.images import check_pair, read_image, read_mask
from segmentation_tf.pose import joints, targets

SECONDS = 5  # of computing that an example may take
SMALL = (17, 23)  # height and width
NUMBERS = [b"\0\0\0\0", b"\1\0\0\0", b"\0\0\0\1", b"\xff" * 4, b"\xff\xff\xff\x7f",
           b"\0\0\0\x80", b"\x88\x13\0\0", b"\0\0\x13\x88", b"\x40\x9c", b"\x9c\x40",
           b"\x10", b"\0\x20"]  # fmt: skip
TEXTS = ["", "0", "7", "1.5", "nan", "..", "../x", "/etc/x", "C:\\x", "a\0b", "\ud800", "é", "🐑"]


def read(reader, *arguments):
    """What a reader gives, or None where it refuses; it must not take long."""
    start = time.process_time()
    try:
        return reader(*arguments)
    except DatasetError as error:
        event("refused")
        assert str(error)
    finally:
        assert time.process_time() - start < SECONDS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


# --- damage ----------------------------------------------------------------------------------


@st.composite
def damaged(draw, goods):
    """One of several good files, bytes, with a few faults, most of them near its start."""
    data = bytearray(draw(st.sampled_from(goods)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, 64) | st.integers(0, len(data))) % (len(data) + 1)
        kind = draw(st.sampled_from(["flip", "number", "cut", "remove", "insert", "splice"]))
        if kind == "flip" and place < len(data):
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "number":
            number = draw(st.sampled_from(NUMBERS) | st.binary(min_size=1, max_size=4))
            data[place : place + len(number)] = number
        elif kind == "cut":
            del data[place:]
        elif kind == "remove":
            del data[place : place + draw(st.integers(1, 40))]
        elif kind == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=40))
        elif kind == "splice":
            other = draw(st.sampled_from(goods))
            data[place:] = other[draw(st.integers(0, len(other))) :]
    return bytes(data)


def with_checksums(data):
    """A PNG whose chunks all have the checksum that belongs to them, as far as there are chunks."""
    place, parts = 8, [data[:8]]
    while place + 8 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        body = data[place + 4 : place + 8 + length]
        parts += [data[place : place + 4], body, struct.pack(">I", zlib.crc32(body))]
        place += 12 + length
    return b"".join(parts)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([*TEXTS, 2**63, -(2**63), 2**24, 10**400, 1e300]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@st.composite
def damaged_json(draw, good):
    """The text of a JSON in which a few values are others, missing, doubled, or text."""
    content = json.loads(json.dumps(good))
    for _ in range(draw(st.integers(1, 3))):
        content = damaged_value(draw, content)
    text = json.dumps(content)
    return draw(st.just(text) | st.integers(0, len(text)).map(lambda end: text[:end]))


def damaged_value(draw, value):
    deeper = isinstance(value, list | dict) and value and draw(st.sampled_from([True, True, False]))
    if not deeper:
        return draw(VALUES | st.just(str(value)) | st.just([value]) | st.just({"id": value}))
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = draw(st.sampled_from(keys))
    kind = draw(st.sampled_from(["change", "change", "change", "remove", "double"]))
    if kind == "change":
        value[key] = damaged_value(draw, value[key])
    elif kind == "remove":
        del value[key]
    elif isinstance(value, list):
        value.append(value[key])
    return value


# --- images ----------------------------------------------------------------------------------


def encoded(mode, format, **options):
    file = io.BytesIO()
    picture = Image.fromarray(skin(disc(SMALL, (8, 11), 5)))
    picture.convert(mode).save(file, format, **options)
    return file.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


BMPS = [encoded(mode, "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")]
PNGS = [encoded(mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
PNGS += [encoded("P", "PNG", transparency=3), encoded("RGB", "PNG", exif=turned())]
OTHERS = [encoded(mode, "JPEG") for mode in ("L", "RGB", "CMYK")]
OTHERS += [encoded("RGB", "JPEG", progressive=True, exif=turned())]
OTHERS += [encoded("P", "GIF"), encoded("RGB", "WEBP"), encoded("RGBA", "WEBP", lossless=True)]


def size_in_header(data):
    """Width and height as a BMP or PNG says itself; None where it does not."""
    if data.startswith(b"\x89PNG") and data[12:16] == b"IHDR":
        return struct.unpack(">II", data[16:24])
    if data.startswith(b"BM") and data[14:18] == struct.pack("<I", 40):
        width, height = struct.unpack("<ii", data[18:26])
        return width, abs(height)


def check_image(folder, data):
    file, mask = folder / "image.bmp", folder / "mask.png"
    file.write_bytes(data)
    image, marks = read(read_image, file), read(read_mask, file)
    if image is not None:
        event("read")
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        size = size_in_header(data)
        assert size is None or sorted(size) == sorted(image.shape[:2])  # EXIF may turn it
        Image.fromarray(np.ones(image.shape[:2], bool)).save(mask)
        check_pair(file, mask)
    if marks is not None:
        assert marks.dtype == bool and (image is None or marks.shape == image.shape[:2])


@given(data=damaged(BMPS))
def test_bmp(folder, data):
    check_image(folder, data)


@given(data=damaged(PNGS))
def test_png(folder, data):
    check_image(folder, data)


@given(data=damaged(PNGS).map(with_checksums))
@example(data=with_checksums(PNGS[4][:33] + PNGS[4][-12:]))  # no pixels: IndexError
@example(data=with_checksums(PNGS[3].replace(b"PLTE", b"qLTE")))  # no palette: AssertionError
def test_png_with_checksums_that_fit(folder, data):
    check_image(folder, data)


@given(data=damaged(OTHERS))
def test_other_images(folder, data):
    check_image(folder, data)


# --- tables ----------------------------------------------------------------------------------


def lines(*pieces):
    """Texts put together from pieces and from anything."""
    piece = st.sampled_from([*pieces, *TEXTS, "\n", "\r\n", " ", "\t"]) | st.text(max_size=3)
    return st.lists(piece, max_size=60).map(lambda all: "".join(all).encode("utf-8", "replace"))


PH2_TABLE = "|| Name || Histology || Clinical || Asymmetry ||\n|| IMD002 || x || 2 || 0 | 1 ||\n"
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1")
PH2_TABLES = damaged([PH2_TABLE.encode(name) for name in ENCODINGS])


@given(data=PH2_TABLES | lines("||", "|| IMD002 ||", "|| IMD002 || x || 1 || 0 ||", "|", "٢", "²"))
@example(data=b"|| IMD002 || || " + b"7" * 5000 + b" || 0 ||")  # was a ValueError of int()
def test_ph2_table(ph2_root, data):
    (ph2_root / "PH2_dataset.txt").write_bytes(data)
    cases = read(ph2.load_cases, ph2_root)
    if cases is not None:
        assert [case.name for case in cases] == ["IMD002"]
        assert cases[0].label in (None, *ph2.DIAGNOSES)


@pytest.fixture(scope="module")
def ph2_root(tmp_path_factory):
    return write_ph2(tmp_path_factory.mktemp("ph2"), [1])


FRAMES = mads_tree.NAMES[:2]
MADS_TABLE = "".join(
    f"{i},images/{n}.png,masks/{n}.png,collages/{n}.jpg\n" for i, n in enumerate(FRAMES)
)
MADS_TABLE = ",images,masks,collages\n" + MADS_TABLE
MADS_TABLES = damaged([MADS_TABLE.encode(name) for name in ENCODINGS])
CELLS = ("images,masks\n", ",", '"', "images/", "\\", f"{FRAMES[0]}.png,", f"{FRAMES[0]}.png\n")


@given(data=MADS_TABLES | lines(*CELLS))
def test_mads_table(mads_home, data):
    (mads_home / "df.csv").write_bytes(data)
    cases = read(mads.load_cases, mads_home)
    assert cases is None or [case.name for case in cases] == list(FRAMES)


@pytest.fixture(scope="module")
def mads_home(tmp_path_factory):
    return mads_tree.write_mads(tmp_path_factory.mktemp("mads"), FRAMES)


SKELETON = [[20 + i, 10 + i, i % 2] for i in range(17)]
JOINTS = {"names": joints.JOINTS, "images": dict.fromkeys(FRAMES, SKELETON)}


@given(text=damaged_json(JOINTS))
@example(text=json.dumps(JOINTS).replace("20, 10", '"20", 10'))  # numbers as text were read
@example(text=json.dumps(JOINTS).replace("[20, 10", f"[{-(2**63)}, 10"))
def test_joints(joints_home, text):
    (joints_home / "joints.json").write_text(text)
    folders._parse_json.cache_clear()  # files change faster here than their times do
    cases = read(targets.load_cases, joints_home)
    for case in cases or []:
        skeleton = targets.read_skeleton(case)
        assert skeleton.shape == (17, 3) and skeleton.dtype == np.float32
        assert (np.abs(skeleton) <= targets.FAR).all() and set(skeleton[:, 2]) <= {0, 1}
        plain = json.loads(text)["images"]
        assert not isinstance(plain, dict) or '"' not in json.dumps(plain[case.name])


@pytest.fixture(scope="module")
def joints_home(tmp_path_factory):
    return mads_tree.write_mads(tmp_path_factory.mktemp("joints"), FRAMES)


def good_panoptic(root):
    return json.loads(meadow_tree.write_meadows(root, meadow_tree.NAMES[:2]).read_text())


@given(data=st.data())
def test_panoptic_json(meadow_root, data):
    root, good = meadow_root
    table = root / "annotations" / "panoptic_tiny.json"
    table.write_text(data.draw(damaged_json(good)))
    folders._parse_json.cache_clear()
    cases = read(coco_panoptic.load_cases, root)
    for case in cases or []:
        panoptic = coco_panoptic.read_panoptic(case)
        assert panoptic.ids.shape == meadow_tree.SIZE == coco_panoptic.read_classes(case).shape
        assert set(panoptic.classes) == set(np.unique(panoptic.ids).tolist()) - {0}
        categories = coco_panoptic.read_categories(cases)
        assert set(panoptic.classes.values()) <= set(range(len(categories)))
        for category in categories:
            if category.thing:
                assert coco_panoptic.read_instances(case, category.name).min() >= -1


@pytest.fixture(scope="module")
def meadow_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("meadow")
    return root, good_panoptic(root)


# --- archives --------------------------------------------------------------------------------


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as packed:
        for name, content in members:
            packed.writestr(zipfile.ZipInfo(name), content, compression)
    return file.getvalue()


ZIPS = [
    zipped([("mads/df.csv", MADS_TABLE), ("mads/images/a.png", PNGS[4])]),
    zipped([("a/", b""), ("a/b.txt", b"x" * 999)], zipfile.ZIP_STORED),
]
MEMBER_NAMES = st.text(max_size=6) | st.lists(st.sampled_from([*TEXTS, "a", "A", "a."])).map(
    "/".join
)
MEMBERS = st.lists(st.tuples(MEMBER_NAMES, st.binary(max_size=9)), max_size=4)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@given(data=damaged(ZIPS) | MEMBERS.map(lambda members: plain_zip(members)))
def test_zip(folder, data):
    place = folder / "zip"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    (place / "set.zip").write_bytes(data)
    out = read(folders.unpack, place / "set.zip", place / "set")
    left = {path.name for path in place.iterdir()}
    assert left == ({"set.zip"} if out is None else {"set.zip", "set"})
    if out is not None:
        assert all(path.is_file() or path.is_dir() for path in out.rglob("*"))


def plain_zip(members):
    try:
        return zipped([(name.encode("utf-8", "replace").decode(), body) for name, body in members])
    except ValueError:
        return b""


# --- folders ---------------------------------------------------------------------------------

NAMES = ["images", "masks", "PH2 Dataset images", "IMD003", "imd003", "IMD003_lesion",
         "IMD003_Dermoscopic_Image", "IMD003.bmp", "IMD003_lesion.bmp", "IMD003_LESION.BMP",
         f"{FRAMES[0]}.png", f"{FRAMES[0]}.PNG", "x.png", "df.csv", "PH2_dataset.txt", "a.zip",
         "Thumbs.db", "._x"]  # fmt: skip
FILES = {"image": BMPS[3], "mask": BMPS[0], "nothing": b"", "ph2": PH2_TABLE.encode(),
         "mads": MADS_TABLE.encode()}  # fmt: skip
ENTRY = st.sampled_from([*FILES, "link"])
NAME = st.sampled_from(NAMES) | st.text(
    st.characters(exclude_characters="/\\:\0"), min_size=1, max_size=9
)
TREE = st.recursive(ENTRY, lambda inner: st.dictionaries(NAME, inner, max_size=4), max_leaves=12)
PAIR = {"IMD003.bmp": "image", "IMD003_lesion.bmp": "mask"}
FRAME = {f"{FRAMES[0]}.png": "image"}
SETS = [
    {"PH2 Dataset images": {"IMD003": PAIR}, "PH2_dataset.txt": "ph2"},
    {"PH2 Dataset images": {"IMD003": {"IMD003_lesion": PAIR}}},
    {"set": {"images": FRAME, "masks": {f"{FRAMES[0]}.png": "mask"}, "df.csv": "mads"}},
    {"images": FRAME, "masks": {f"{FRAMES[0]}.png": "mask"}, "set": "link"},
]


@st.composite
def damaged_trees(draw):
    """A good set, in which a folder somewhere has more or other things."""
    tree = json.loads(json.dumps(draw(st.sampled_from(SETS))))
    place = tree
    while inner := [one for one in place.values() if isinstance(one, dict)]:
        if draw(st.booleans()):
            break
        place = draw(st.sampled_from(inner))
    place |= draw(st.dictionaries(NAME, TREE, max_size=3))
    return tree


def write_tree(place, tree, root):
    place.mkdir()
    for name, content in tree.items():
        path = place / name
        try:
            if isinstance(content, dict):
                write_tree(path, content, root)
            elif content == "link":
                path.symlink_to(root, target_is_directory=True)
            else:
                path.write_bytes(FILES[content])
        except (OSError, ValueError):  # a name that this machine cannot have, or has already
            event("name refused")


@given(tree=damaged_trees() | st.dictionaries(NAME, TREE, max_size=4))
def test_folders(folder, tree):
    root = folder / "tree"
    shutil.rmtree(root, ignore_errors=True)
    write_tree(root, tree, root)
    for load in (ph2.load_cases, mads.load_cases):
        cases = read(load, root)
        assert cases is None or cases
        for case in cases or []:
            event(load.__module__)
            assert read_image(case.image).shape[:2] == read_mask(case.mask).shape == SMALL
