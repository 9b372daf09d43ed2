"""Readers fed with what they were not made for: a DatasetError or a correct result, nothing else.

Hypothesis damages good files and folders in ever new ways. In the run of all tests it does so 60
times a test, the same on every machine. For some minutes, and different each time, with

    python -m pytest tests/robustness/test_fuzz.py --hypothesis-profile=long
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
from segmentation_tf.datasets import coco_panoptic, folders, mads, pairs, ph2
from segmentation_tf.images import check_pair, read_image, read_mask
from segmentation_tf.pose import joints, targets

SECONDS = 5  # of computing that an example may take
SMALL = (17, 23)  # height and width
FRAMES = mads_tree.NAMES[:2]
NUMBERS = [bytes(4), b"\1\0\0\0", b"\0\0\0\1", b"\xff" * 4, b"\xff\xff\xff\x7f",
           b"\0\0\0\x80", b"\x88\x13\0\0", b"\0\0\x13\x88", b"\x40\x9c", b"\x10"]  # fmt: skip
TEXTS = ["", "0", "7", "1.5", "nan", "..", "../x", "/etc/x", "C:\\x", "a\0b", "\ud800", "é", "🐑"]


def read(reader, *arguments):
    """Return what a reader gives, or None if it refuses; it must not take long."""
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


# --- damage ------------------------------------------------------------------------------------


@st.composite
def damaged(draw, goods):
    """Bytes of one of several good files with a few faults, most of them near its start."""
    data = bytearray(draw(st.sampled_from(goods)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, 64) | st.integers(0, len(data)))
        other = draw(st.sampled_from(goods))
        new = draw(
            st.sampled_from([b"", *NUMBERS, other[place:], other[-place:]]) | st.binary(max_size=40)
        )
        length = draw(st.sampled_from([len(new), len(new), 0, 1, 40, len(data)]))
        data[place : place + length] = new
    return bytes(data)


def with_checksums(data):
    """Give all chunks of a PNG the checksum that belongs to them, as far as there are chunks."""
    place, parts = 8, [data[:8]]
    while place + 8 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        body = data[place + 4 : place + 8 + length]
        parts += [data[place : place + 4], body, struct.pack(">I", zlib.crc32(body))]
        place += 12 + length
    return b"".join(parts)


SINGLE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
SINGLE |= st.sampled_from([*TEXTS, 2**63, -(2**63), 2**24, 10**400, 1e300])
VALUES = SINGLE | st.lists(SINGLE, max_size=4) | st.dictionaries(st.text(max_size=3), SINGLE)


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
    key = draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
    kind = draw(st.sampled_from(["change", "change", "change", "remove", "double"]))
    if kind == "change":
        value[key] = damaged_value(draw, value[key])
    elif kind == "remove":
        del value[key]
    elif isinstance(value, list):
        value.append(value[key])
    return value


# --- images ------------------------------------------------------------------------------------


def encoded(mode, format, **options):
    file = io.BytesIO()
    Image.fromarray(skin(disc(SMALL, (8, 11), 5))).convert(mode).save(file, format, **options)
    return file.getvalue()


TURNED = Image.Exif()
TURNED[0x0112] = 6
BMPS = [encoded(mode, "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")]
PNGS = [encoded(mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
PNGS += [encoded("P", "PNG", transparency=3), encoded("RGB", "PNG", exif=TURNED)]
OTHERS = [encoded(mode, "JPEG") for mode in ("L", "RGB", "CMYK")]
OTHERS += [encoded("RGB", "JPEG", progressive=True, exif=TURNED)]
OTHERS += [encoded("P", "GIF"), encoded("RGB", "WEBP"), encoded("RGBA", "WEBP", lossless=True)]
TIFFS = [encoded(mode, "TIFF") for mode in ("1", "L", "P", "RGB", "RGBA", "I;16", "F")]
TIFFS += [encoded("RGB", "TIFF", compression=name) for name in ("tiff_lzw", "jpeg", "packbits")]
TIFFS += [encoded("RGB", "TIFF", exif=TURNED)]
IMAGES = {
    "BMP": damaged(BMPS),
    "PNG": damaged(PNGS),
    "PNG with checksums that fit": damaged(PNGS).map(with_checksums),
    "JPEG, GIF, WebP": damaged(OTHERS),
    "TIFF": damaged(TIFFS),
    "PNG without pixels": st.just(with_checksums(PNGS[4][:33] + PNGS[4][-12:])),
    "PNG without its palette": st.just(with_checksums(PNGS[3].replace(b"PLTE", b"qLTE"))),
}


def size_in_header(data):
    """Return width and height as a BMP or PNG says itself; None if it does not."""
    if data.startswith(b"\x89PNG") and data[12:16] == b"IHDR":
        return struct.unpack(">II", data[16:24])
    if data.startswith(b"BM") and data[14:18] == struct.pack("<I", 40):
        return [abs(side) for side in struct.unpack("<ii", data[18:26])]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on damaged TIFFs
@pytest.mark.parametrize("kind", IMAGES)
@given(draw=st.data())
def test_images(folder, kind, draw):
    data, file, mask = draw.draw(IMAGES[kind]), folder / "image.bmp", folder / "mask.png"
    file.write_bytes(data)
    image, marks = read(read_image, file), read(read_mask, file)
    chosen = read(read_mask, file, (1, (220, 170, 150)))
    assert chosen is None or image is None or chosen.shape == image.shape[:2]
    if image is not None:
        event("read")
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        size = size_in_header(data)
        assert size is None or sorted(size) == sorted(image.shape[:2])  # EXIF may turn it
        Image.fromarray(np.ones(image.shape[:2], bool)).save(mask)
        check_pair(file, mask)
    if marks is not None:
        assert marks.dtype == bool and (image is None or marks.shape == image.shape[:2])


# --- tables ------------------------------------------------------------------------------------


def table(good, *pieces):
    """A damaged table, or a text put together from pieces and from anything."""
    encodings = ("utf-8", "utf-8-sig", "utf-16", "latin-1")
    piece = st.sampled_from([*pieces, *TEXTS, "\n", "\r\n", " ", "\t"]) | st.text(max_size=3)
    texts = st.lists(piece, max_size=60).map(lambda all: "".join(all).encode("utf-8", "replace"))
    return damaged([good.encode(name) for name in encodings]) | texts


PH2_TABLE = "|| Name || Histology || Clinical || Asymmetry ||\n|| IMD002 || x || 2 || 0 | 1 ||\n"
PIECES = ("||", "|| IMD002 ||", "|| IMD002 || x || 1 || 0 ||", "|", "٢", "²", ",", '"', "Name",
          "Name,Clinical Diagnosis\n", "IMD002,1\n", "Name\tClinical Diagnosis\n", "IMD002\t2\n",
          "Image Name;Melanoma\n", "IMD002;X\n")  # fmt: skip


@given(data=table(PH2_TABLE, *PIECES))
@example(data=b"|| IMD002 || || " + b"7" * 5000 + b" || 0 ||")  # was a ValueError of int()
@example(data=b"Name,Clinical Diagnosis\nIMD002,2\0\n")
def test_ph2_table(folder, data):
    root = folder / "ph2"
    if not root.exists():
        write_ph2(root, [1])
    (root / "PH2_dataset.txt").write_bytes(data)
    (case,) = ph2.load_cases(root)  # a table costs the labels at most
    assert case.name == "IMD002" and case.label in (None, *ph2.DIAGNOSES)


MADS_TABLE = ",images,masks,collages\n" + "".join(
    f"{i},images/{n}.png,masks/{n}.png,collages/{n}.jpg\n" for i, n in enumerate(FRAMES)
)
CELLS = ("images,masks\n", ",", '"', "images/", "\\", f"{FRAMES[0]}.png,", f"{FRAMES[0]}.png\n")


@pytest.fixture(scope="module")
def mads_home(tmp_path_factory):
    return mads_tree.write_mads(tmp_path_factory.mktemp("mads"), FRAMES)


@given(data=table(MADS_TABLE, *CELLS))
def test_mads_table(mads_home, data):
    (mads_home / "df.csv").write_bytes(data)
    cases = read(mads.load_cases, mads_home)
    (mads_home / "df.csv").unlink()
    assert cases is None or [case.name for case in cases] == list(FRAMES)


SKELETON = [[20 + i, 10 + i, i % 2] for i in range(17)]
JOINTS = {"names": joints.JOINTS, "images": dict.fromkeys(FRAMES, SKELETON)}


@given(text=damaged_json(JOINTS))
@example(text=json.dumps(JOINTS).replace("20, 10", '"20", 10'))  # numbers as text were read
@example(text=json.dumps(JOINTS).replace("[20, 10", f"[{-(2**63)}, 10"))
def test_joints(mads_home, text):
    (mads_home / "joints.json").write_text(text)
    folders._parse_json.cache_clear()  # files change faster here than their times do
    for case in read(targets.load_cases, mads_home) or []:
        skeleton = targets.read_skeleton(case)
        assert skeleton.shape == (17, 3) and skeleton.dtype == np.float32
        assert (np.abs(skeleton) <= targets.FAR).all() and set(skeleton[:, 2]) <= {0, 1}
        plain = json.loads(text)["images"]
        assert not isinstance(plain, dict) or '"' not in json.dumps(plain[case.name])


@pytest.fixture(scope="module")
def meadow(tmp_path_factory):
    """The JSON of a meadow, and what is in it."""
    file = meadow_tree.write_meadows(tmp_path_factory.mktemp("meadow"), meadow_tree.NAMES[:2])
    return file, json.loads(file.read_text())


@given(draw=st.data())
def test_panoptic_json(meadow, draw):
    file, good = meadow
    file.write_text(draw.draw(damaged_json(good)))
    folders._parse_json.cache_clear()
    cases = read(coco_panoptic.load_cases, file.parents[1])
    for case in cases or []:
        panoptic = coco_panoptic.read_panoptic(case)
        assert panoptic.ids.shape == meadow_tree.SIZE == coco_panoptic.read_classes(case).shape
        assert set(panoptic.classes) == set(np.unique(panoptic.ids).tolist()) - {0}
        categories = coco_panoptic.read_categories(cases)
        assert set(panoptic.classes.values()) <= set(range(len(categories)))
        for category in categories:
            if category.thing:
                assert coco_panoptic.read_instances(case, category.name).min() >= -1


# --- archives and folders ----------------------------------------------------------------------


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
PARTS = [text for text in TEXTS if text.isprintable()] + ["a", "A", "a."]
MEMBERS = st.tuples(st.lists(st.sampled_from(PARTS)).map("/".join), st.binary(max_size=9))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@given(data=damaged(ZIPS) | st.lists(MEMBERS, max_size=4).map(zipped))
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


NAMES = ["images", "masks", "PH2 Dataset images", "IMD003", "imd003", "IMD003_lesion",
         "IMD003_Dermoscopic_Image", "IMD003.bmp", "IMD003_lesion.bmp", "IMD003_LESION.BMP",
         f"{FRAMES[0]}.PNG", "df.csv", "PH2_dataset.txt", "PH2_dataset.csv", "a.zip", "._x",
         "train", "a.png", "a.JPG", "a_mask.png", "labels", "test"]  # fmt: skip
FILES = {"image": BMPS[3], "mask": BMPS[0], "nothing": b"", "ph2": PH2_TABLE.encode(),
         "mads": MADS_TABLE.encode()}  # fmt: skip
LETTERS = st.characters(exclude_characters="/\\:\0")
NAME = st.sampled_from(NAMES) | st.text(LETTERS, min_size=1, max_size=9)
FILE = st.sampled_from([*FILES, "link"])
TREE = st.recursive(FILE, lambda inner: st.dictionaries(NAME, inner, max_size=4), max_leaves=12)
PAIR = {"IMD003.bmp": "image", "IMD003_lesion.bmp": "mask"}
PARTS_OF_MADS = {"images": {f"{FRAMES[0]}.png": "image"}, "masks": {f"{FRAMES[0]}.png": "mask"}}
SETS = [
    {"PH2 Dataset images": {"IMD003": PAIR}, "PH2_dataset.txt": "ph2"},
    {"PH2 Dataset images": {"IMD003": {"IMD003_lesion": PAIR}}},
    {"set": {**PARTS_OF_MADS, "df.csv": "mads"}},
    {**PARTS_OF_MADS, "set": "link"},
    {"train": {"a.JPG": "image", "a_mask.png": "mask"}, "test": {"x": "link"}},
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
    for load in (ph2.load_cases, mads.load_cases, pairs.load_cases):
        cases = read(load, root)
        assert cases is None or cases
        for case in cases or []:
            event(load.__module__)
            assert read_image(case.image).shape[:2] == read_mask(case.mask).shape == SMALL
