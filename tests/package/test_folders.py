"""Which folder is read, how a folder is made complete, and what is refused on the way."""

import io
import os
import random
import stat
import struct
import sys
import time
import zipfile
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest

from processes import start, unfinished
from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets import coco_panoptic, folders, mads, ph2
from segmentation_tf.drawn import dancers, dermoscopy, meadow

# --- choosing a folder -------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """An empty repository, the working directory elsewhere."""
    (tmp_path / "repository" / "drawn").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(folders, "REPOSITORY", tmp_path / "repository")
    monkeypatch.delenv("PETS_ROOT", raising=False)
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "repository"


def choose(root=None):
    drawn = folders.REPOSITORY / "drawn"
    return folders.choose_folder(root, "PETS_ROOT", "pets", draw=lambda: drawn)


def test_environment_then_data_folder_then_drawn_set(repository, monkeypatch, capsys):
    assert choose() == repository / "drawn"
    said = "pets: drawn (the drawn set; real images: data/pets or PETS_ROOT)\n"
    assert capsys.readouterr().out == said
    (repository / "data" / "pets").mkdir(parents=True)
    assert choose() == repository / "data" / "pets"
    assert "(your copy)" in capsys.readouterr().out
    monkeypatch.setenv("PETS_ROOT", str(repository))
    assert choose() == repository
    assert "(from PETS_ROOT)" in capsys.readouterr().out
    assert choose(str(repository / "drawn")) == repository / "drawn"
    assert capsys.readouterr().out == "", "a root that was given is not announced"


@pytest.mark.parametrize("value", ["drawn", "../repository/drawn", '"drawn" '])
def test_a_path_in_the_environment_may_be_relative_or_quoted(repository, monkeypatch, value):
    monkeypatch.setenv("PETS_ROOT", value)
    assert choose() == repository / "drawn"


def test_a_wrong_environment_does_not_fall_back(repository, monkeypatch):
    monkeypatch.setenv("PETS_ROOT", "typo")
    match = "PETS_ROOT=typo: there is no .*elsewhere.typo and no .*repository.typo; correct or"
    with pytest.raises(DatasetError, match=match):
        choose()


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("nowhere", "no such folder; check the path for typing errors"),
        ("notes.txt", "is a file; give the folder that holds the data set"),
        ("set.zip", "is an archive, not a folder; unpack it first, with: python -m zipfile -e"),
        ("set.RAR", "unar"),
        ("set.7z", "7z x"),
    ],
)
def test_what_is_no_folder_is_refused(tmp_path, name, match):
    if name != "nowhere":
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DatasetError, match=match):
        choose(tmp_path / name)


def test_an_archive_in_the_environment_is_refused_too(repository, monkeypatch):
    (repository / "set.zip").write_bytes(b"x")
    monkeypatch.setenv("PETS_ROOT", "set.zip")
    with pytest.raises(DatasetError, match="set.zip is an archive, not a folder; unpack it first"):
        choose()


def test_levels_leave_out_hidden_folders_and_links_to_what_was_there(tmp_path):
    for name in ("b/c", "a", ".hidden", "__MACOSX"):
        (tmp_path / name).mkdir(parents=True)
    try:
        (tmp_path / "b" / "a").symlink_to(tmp_path / "a", target_is_directory=True)
    except OSError:
        pytest.skip("links may not be made here")
    found = [[folder.name for folder in level] for level in folders.levels(tmp_path, 3)]
    assert found == [["a", "b"], ["c"], []]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["Thumbs.db", "desktop.ini", "@eaDir"], ""),
        (["a ", "Thumbs.db"], "pets: skipped 1 file too small, such as 'cats/a '\n"),
        (["a", "b"], "pets: skipped 2 files too small, such as 'cats/a'\n"),
        (["é"], "pets: skipped 1 file too small, such as 'cats/\\xe9'\n"),
    ],
)
def test_what_is_skipped_is_one_line(monkeypatch, names, said):
    console = io.TextIOWrapper(io.BytesIO(), "ascii", newline="\n", write_through=True)
    monkeypatch.setattr(sys, "stdout", console)
    folders.report_skipped("pets", "file", "too small", [Path("pets/cats", name) for name in names])
    assert console.buffer.getvalue().decode() == said


# --- reading JSON ------------------------------------------------------------------------------

PET = {"required": ["age"], "properties": {"age": {"type": "integer"}}}
SCHEMA = {"type": "object", "properties": {"pets": {"type": "array", "items": PET}}}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ([], r"its content: \[\] is not of type 'object'; feed it"),
        ({"pets": [{"age": 1}, {}]}, r"pets\[1\]: 'age' is a required property"),
        ({"pets": [{"age": True}]}, r"pets\[0\]\.age: True is not of type 'integer'"),
        ({"pets": [{"age": 2.0}]}, "2.0 is not of type 'integer'"),
        ({"pets": "x" * 9999}, "x{50,60} ... x+' is not of type 'array'; feed it$"),
    ],
)
def test_a_schema_names_file_and_field(content, match):
    folders.check_schema(Path("pets.json"), {"pets": [{"age": 1}]}, SCHEMA)
    with pytest.raises(DatasetError, match=f"^pets.json: .*{match}") as caught:
        folders.check_schema(Path("pets.json"), content, SCHEMA, "feed it")
    assert len(str(caught.value)) < 250


def test_json_is_parsed_again_only_where_it_has_changed(tmp_path):
    file, parse = tmp_path / "pets.json", Mock(side_effect=lambda file, content: sum(content))
    file.write_text("[1]")
    assert [folders.read_json(file, parse) for _ in range(3)] == [1, 1, 1]
    file.write_text("[1, 20]")
    assert folders.read_json(file, parse) == 21
    assert parse.call_count == 2


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 200_000])
def test_what_is_no_json_is_refused(tmp_path, content):
    (tmp_path / "pets.json").write_bytes(content)
    with pytest.raises(DatasetError, match="pets.json: is not JSON in UTF-8 .*; copy it again"):
        folders.read_json(tmp_path / "pets.json", max)


# --- complete or absent ------------------------------------------------------------------------


def write(folder, text="whole"):
    (folder / "file").write_text(text)


def test_a_folder_is_filled_once(tmp_path):
    folder = tmp_path / "new" / "set"
    assert folders.complete_folder(folder, write, "it") == folder
    assert folders.complete_folder(folder, partial(write, text="again"), "it") == folder
    assert (folder / "file").read_text() == "whole"
    assert unfinished(folder) == []


def test_the_folder_that_was_filled_is_renamed_and_not_copied(tmp_path):
    numbers = []
    folder = folders.complete_folder(
        tmp_path / "set", lambda place: numbers.append(place.stat().st_ino), "it"
    )
    assert numbers == [folder.stat().st_ino]


def test_of_two_at_once_the_first_to_finish_wins(tmp_path):
    folder = tmp_path / "set"

    def overtaken(place):
        write(place, "slow")
        folders.complete_folder(folder, partial(write, text="fast"), "it")

    assert folders.complete_folder(folder, overtaken, "it") == folder
    assert (folder / "file").read_text() == "fast"
    assert unfinished(folder) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, DatasetError])
def test_an_error_leaves_nothing(tmp_path, error):
    def interrupted(place):
        write(place, "half")
        raise error

    with pytest.raises(error):
        folders.complete_folder(tmp_path / "set", interrupted, "it")
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, time
from segmentation_tf.datasets.folders import complete_folder
def fill(place):
    (place / "file").write_text("half")
    print("in the middle", flush=True)
    time.sleep(100)
complete_folder(sys.argv[1], fill, "it")
"""


def test_a_killed_run_leaves_no_half_set_and_goes_away_after_a_day(tmp_path):
    folder = tmp_path / "set"
    run = start(KILLED, folder)
    assert run.stdout.readline() == "in the middle\n"
    run.kill()
    run.communicate()
    (left,) = unfinished(folder)
    assert not folder.exists()

    folders.complete_folder(folder, write, "it")
    assert (folder / "file").read_text() == "whole"
    assert unfinished(folder) == [left], "for all we know, its owner is still at work"

    yesterday = time.time() - folders.DAY - 1
    os.utime(left, (yesterday, yesterday))
    folders.complete_folder(folder, write, "it")
    assert unfinished(folder) == []


@pytest.mark.parametrize("place", ["file", "file/set"])
def test_a_folder_that_cannot_be_written_is_one_line_with_the_way_out(tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetError, match="cannot write the films .*; free some space, make"):
        folders.complete_folder(tmp_path / place, write, "the films")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full")
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    def overflow(place):
        Path("/dev/full").write_text("x")

    with pytest.raises(DatasetError, match="cannot write it here .No space left"):
        folders.complete_folder(tmp_path / "set", overflow, "it")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("loader", "variable", "name"),
    [
        (ph2, "PH2_ROOT", "PH2Dataset"),
        (mads, "MADS_ROOT", "mads"),
        (coco_panoptic, "MEADOW_ROOT", "meadow"),
    ],
)
def test_each_set_has_its_variable_its_folder_in_data_and_its_drawing(
    monkeypatch, loader, variable, name
):
    choose = Mock(side_effect=DatasetError)
    monkeypatch.setattr(folders, "choose_folder", choose)
    with pytest.raises(DatasetError):
        loader.load_cases()
    choose.assert_called_once_with(None, variable, name, draw=loader.drawn_folder)


@pytest.mark.parametrize(
    ("loader", "drawing", "draw", "name"),
    [
        (ph2, dermoscopy, "draw_ph2", "PH2Dataset"),
        (mads, dancers, "draw_mads", "MADS"),
        (coco_panoptic, meadow, "draw_meadows", "meadow"),
    ],
)
def test_each_drawn_set_has_a_folder_for_its_version(
    repository, monkeypatch, loader, drawing, draw, name
):
    monkeypatch.setattr(drawing, draw, write)
    monkeypatch.setattr(drawing, "VERSION", 77)
    assert loader.drawn_folder() == repository / "data" / "drawn" / f"{name}-v77"
    assert (loader.drawn_folder() / "file").read_text() == "whole"


# --- unpacking ---------------------------------------------------------------------------------

GOOD = {"df.csv": b"a,b\n" * 500, "in/images/a.png": b"\x89PNG" * 99, "in/masks/a.png": b""}


def pack(archive, members):
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return archive


def refuse(archive, match):
    """The archive is refused, and nothing of it lies on the disk."""
    with pytest.raises(DatasetError, match=match) as caught:
        folders.unpack(archive, archive.parent / "set")
    assert str(caught.value).startswith(str(archive))
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]


def test_a_good_archive_is_unpacked_whole(tmp_path):
    archive = pack(tmp_path / "set.zip", {**GOOD, "empty/": b""})
    folder = folders.unpack(str(archive), tmp_path / "set")
    assert {name: (folder / name).read_bytes() for name in GOOD} == GOOD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set.zip"]


def linked():
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "match"),
    [
        ({"in/../../evil": b"x"}, r"'in/\.\./\.\./evil' leads out of the folder, so nothing was"),
        ({"in\\..\\..\\evil": b"x"}, "leads out of the folder"),
        ({"/etc/evil": b"x"}, "leads out of the folder"),
        ({"C:\\evil": b"x"}, "leads out of the folder"),
        ({linked(): b"../../outside"}, "'link' is a link"),
    ],
)
def test_members_that_no_data_set_needs_are_refused(tmp_path, members, match):
    refuse(pack(tmp_path / "set.zip", {**GOOD, **members}), f"{match}.* original source")


def patch(archive, place, number):
    """Write a number into the entry of the last member in the table of contents."""
    data = bytearray(archive.read_bytes())
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + place, number)
    archive.write_bytes(data)


def test_an_encrypted_member_is_refused(tmp_path):
    archive = pack(tmp_path / "set.zip", GOOD)
    patch(archive, 8, 1)
    refuse(archive, "'in/masks/a.png' is encrypted")


@pytest.mark.parametrize(
    ("members", "megabytes"), [({"zeros": bytes(1_100_000)}, 1.1), ({"empty/": b""}, 0.0)]
)
def test_a_bomb_and_nothing_are_refused(tmp_path, monkeypatch, members, megabytes):
    monkeypatch.setattr(folders, "MAX_UNPACKED", 1_000_000)
    archive = pack(tmp_path / "set.zip", members)
    refuse(archive, f"would have {megabytes} MB, which no data set of the course has")


def test_a_member_is_not_unpacked_beyond_the_size_that_was_checked(tmp_path):
    archive = pack(tmp_path / "set.zip", {"zeros": bytes(100_000)})
    patch(archive, 24, 10)
    refuse(archive, "is not a complete zip archive .*download it again")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"\n <!DOCTYPE html><html>Sign in</html>",
        lambda data: data[:-1],
        lambda data: data[:60] + bytes(20) + data[80:],
    ],
    ids=["empty", "web page", "last byte", "zeros"],
)
def test_what_is_no_complete_zip_is_refused(tmp_path, damage):
    archive = pack(tmp_path / "set.zip", {"noise": random.Random(0).randbytes(999)})
    archive.write_bytes(damage(archive.read_bytes()))
    refuse(archive, "is not a complete zip archive .*: .*sign in.* download it again")


def test_damaged_bz2_data_are_not_taken_for_a_full_disk(tmp_path):
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_BZIP2) as packed:
        packed.writestr("noise", random.Random(0).randbytes(999))
    data = archive.read_bytes()
    archive.write_bytes(data[:100] + bytes(50) + data[150:])
    refuse(archive, "is not a complete zip archive")


def test_no_archive_at_all(tmp_path):
    with pytest.raises(DatasetError, match="set.zip: cannot be read .*; give the path of the zip"):
        folders.unpack(tmp_path / "set.zip", tmp_path / "set")
