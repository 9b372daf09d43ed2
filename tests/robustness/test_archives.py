"""Unpacking a zip from the web: all of it or nothing, and nothing outside its folder."""

import random
import stat
import struct
import zipfile
from collections import namedtuple

import pytest

from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets import archives

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def place(tmp_path):
    """A folder with the archive in one sub-folder, and another to unpack into."""
    for name in ("download", "data"):
        (tmp_path / name).mkdir()
    return tmp_path


def everything(place):
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


def pack(place, members):
    """Write a zip of `(name or ZipInfo, bytes)`; returns its path."""
    archive = place / "download" / "set.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for member, data in members:
            packed.writestr(member, data)
    return archive


def refuse(place, match):
    """The set is refused, and the disk is as it was, hidden files and all."""
    before = everything(place)
    with pytest.raises(DatasetError, match=match) as caught:
        archives.unpack(place / "download" / "set.zip", place / "data" / "set")
    assert everything(place) == before
    return str(caught.value)


GOOD = [("df.csv", b"a,b\n" * 500), ("in/images/a.png", b"\x89PNG" * 99), ("in/masks/a.png", b"")]


def test_a_good_archive_is_unpacked_whole(place):
    archive = pack(place, [("in/", b""), *GOOD, ("./in/dotted.txt", b"x"), ("empty/", b"")])
    folder = archives.unpack(archive, place / "data" / "set")
    assert folder == place / "data" / "set"
    for name, data in GOOD:
        assert (folder / name).read_bytes() == data
    assert (folder / "in" / "dotted.txt").read_bytes() == b"x"
    assert [path.name for path in (place / "data").iterdir()] == ["set"], "no scratch is left"


def test_an_archive_made_on_old_windows_has_folders_too(place):
    archive = pack(place, [(raw("in\\images\\a.png"), b"x")])
    folder = archives.unpack(str(archive), str(place / "data" / "set"))
    assert (folder / "in" / "images" / "a.png").read_bytes() == b"x"


def raw(name, mode=None, **attributes):
    """A ZipInfo whose name is written as it stands; `mode`: the file type that Unix would see."""
    info = zipfile.ZipInfo("x")
    info.filename = name
    info.compress_type = zipfile.ZIP_DEFLATED
    if mode is not None:
        info.create_system = 3
        info.external_attr = (mode | 0o777) << 16
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


@pytest.mark.parametrize(
    ("member", "match"),
    [
        (raw("/etc/evil"), "'/etc/evil' has an absolute path"),
        (raw("\\evil"), "has an absolute path"),
        (raw("\\\\server\\share\\evil"), "has an absolute path"),
        (raw("C:\\evil"), "has an absolute path"),
        (raw("C:evil"), "has an absolute path"),
        (raw("in/a.png:stream"), "has an absolute path"),
        (raw("../evil"), "leads out of the folder"),
        (raw("in/../../evil"), "leads out of the folder"),
        (raw("in\\..\\..\\evil"), "leads out of the folder"),
        (raw(".. /evil"), "leads out of the folder"),
        (raw(".../evil"), "leads out of the folder"),
        (raw("in/.."), "leads out of the folder"),
        (raw("."), "unreadable name"),
        (raw("in/a\nb"), "unreadable name"),
        (raw("link", stat.S_IFLNK), "is a link or a device"),
        (raw("pipe", stat.S_IFIFO), "is a link or a device"),
        (raw("disk", stat.S_IFBLK), "is a link or a device"),
        (raw("lzma", compress_type=zipfile.ZIP_LZMA), "compressed in an unusual way"),
        (raw("DF.csv"), "is there twice"),
        (raw(".\\df.csv"), "is there twice"),
    ],
)
def test_a_malicious_member_is_refused_and_nothing_is_left(place, member, match):
    pack(place, [*GOOD, (member, b"../../outside"), ("last", b"x")])
    assert "nothing was unpacked" in refuse(place, match)


def patched(archive, change):
    """Change the last entry of the table of contents: `change(entry)`, a bytearray."""
    data = bytearray(archive.read_bytes())
    start = data.rindex(b"PK\x01\x02")
    entry = data[start:]
    change(entry)
    archive.write_bytes(data[:start] + entry)


def test_an_encrypted_member_is_refused(place):
    patched(pack(place, GOOD), lambda entry: struct.pack_into("<H", entry, 8, 1))
    refuse(place, "'in/masks/a.png' is encrypted")


def test_a_name_cut_by_a_nul_is_refused(place):
    patched(pack(place, GOOD), lambda entry: entry.__setitem__(slice(50, 51), b"\0"))
    refuse(place, "unreadable name")


def test_a_name_that_is_not_the_utf8_it_claims_to_be_is_refused(place):
    def change(entry):
        struct.pack_into("<H", entry, 8, 0x800)
        entry[46:48] = b"\xff\xff"

    patched(pack(place, GOOD), change)
    refuse(place, "is not a whole zip archive.*utf-8")


@pytest.mark.parametrize("claimed", [10, 99_999, 100_001, 4_000_000])
def test_a_member_of_another_size_than_the_table_says_is_refused(place, claimed):
    archive = pack(place, [*GOOD, ("zeros", bytes(100_000))])
    patched(archive, lambda entry: struct.pack_into("<I", entry, 24, claimed))
    refuse(place, "is not a whole zip archive.*download it again")


def test_a_member_shorter_than_its_consistent_header_says_is_refused(place):
    # The checksum fits the data, so that only counting finds it.
    archive = pack(place, [("zeros", bytes(100_000))])
    patched(archive, lambda entry: struct.pack_into("<I", entry, 24, 4_000_000))
    refuse(place, "zeros is shorter than the table of contents says")


def test_a_bomb_is_refused_before_it_is_unpacked(place, monkeypatch):
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: Usage(9e12, 0, 9e12))
    archive = pack(place, [(f"zeros{n}", b"") for n in range(2)])
    for _ in range(2):
        data = archive.read_bytes()
        at = data.index(b"PK\x01\x02")
        archive.write_bytes(data[: at + 24] + struct.pack("<I", 0xFFFFFFF0) + data[at + 28 :])
        patched(archive, lambda entry: struct.pack_into("<I", entry, 24, 0xFFFFFFF0))
    refuse(place, r"would take 8,589.9 MB, more than any data set of the course")


def test_a_disk_too_small_is_found_before_anything_is_written(place, monkeypatch):
    asked = []

    def disk_usage(path):
        asked.append(path)
        return Usage(10**9, 10**9 - 1500, 1500)

    monkeypatch.setattr(archives.shutil, "disk_usage", disk_usage)
    monkeypatch.setattr(archives, "complete_folder", None)  # would be a TypeError if it came so far
    pack(place, [("big", bytes(2_000_000))])
    refuse(place, "data/set: needs 2.0 MB but the disk has 0.0 MB left; free some space")
    assert asked == [place / "data"]


def test_the_disk_of_a_folder_that_is_not_there_yet_is_asked(place):
    archive = pack(place, GOOD)
    folder = archives.unpack(archive, place / "new" / "deep" / "set")
    assert (folder / "df.csv").is_file()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError, OSError(28, "disk full")])
def test_an_interrupted_unpacking_leaves_nothing(place, monkeypatch, interruption):
    pack(place, GOOD)
    before = everything(place)
    write, seen = archives._write, []

    def interrupted(packed, member, path):
        write(packed, member, path)
        seen.append(path)
        if len(seen) == 2:
            assert all(path.exists() for path in seen), "it is in the middle"
            raise interruption

    monkeypatch.setattr(archives, "_write", interrupted)
    expected = DatasetError if isinstance(interruption, OSError) else interruption
    with pytest.raises(expected):
        archives.unpack(place / "download" / "set.zip", place / "data" / "set")
    assert len(seen) == 2
    assert everything(place) == before


def test_a_web_page_saved_as_a_zip(place):
    archive = place / "download" / "set.zip"
    archive.write_text("\n <!DOCTYPE html><html>Sign in</html>")
    refuse(place, "is a web page, not a zip archive: .*sign in first; download it again")


@pytest.mark.parametrize("content", [b"", b"Rar!\x1a\x07\x00 and so on"])
def test_a_file_that_is_no_zip(place, content):
    (place / "download" / "set.zip").write_bytes(content)
    refuse(place, "is not a whole zip archive.*download it again")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_zip(place, share):
    archive = pack(place, [("noise", random.Random(0).randbytes(100_000)), *GOOD])
    archive.write_bytes(archive.read_bytes()[: int(share * archive.stat().st_size)])
    refuse(place, "ends too early: the download broke off; download it again")


def test_an_archive_without_files(place):
    pack(place, [("only/", b""), ("folders/", b"")])
    refuse(place, "holds no files")


def test_a_file_and_a_folder_of_one_name(place):
    pack(place, [("a", b"x"), ("a/b", b"y")])
    refuse(place, "cannot write")


def test_what_is_there_already_is_kept(place):
    pack(place, GOOD)
    (place / "data" / "set").mkdir()
    (place / "data" / "set" / "mine").write_text("precious")
    refuse(place, "data.set: is there already; rename or delete it")


def test_no_archive_at_all(place):
    refuse(place, "set.zip: there is no such file")
    (place / "download" / "set.zip").mkdir()
    refuse(place, "set.zip: cannot be read .(Is a directory|Permission denied)")  # so on Windows


def test_damaged_bytes_are_always_a_dataset_error(place):
    # Whatever a broken disk or a bad line does to an archive: refused or unpacked, never a
    # traceback of another kind, and never anything left over.
    archive = pack(place, GOOD)
    whole = archive.read_bytes()
    before = everything(place)
    chance = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        archive.write_bytes(damaged)
        folder = place / "data" / "set"
        try:
            archives.unpack(archive, folder)
        except DatasetError:
            refused += 1
        else:
            archives.shutil.rmtree(folder)
        assert everything(place) == before
    assert refused > 100
