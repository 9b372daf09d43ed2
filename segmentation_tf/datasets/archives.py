"""Zip archives that come from the web: all of one or nothing, and nothing outside its folder."""

import contextlib
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from segmentation_tf.cases import DatasetError
from segmentation_tf.datasets.atomic import complete_folder

# Ten times the largest data set of the course: more is a mistake or a zip bomb.
MAX_BYTES = 5_000_000_000
# What zipfile raises on bytes that are no archive, or a damaged one.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,
)


def unpack(archive, folder):
    """Unpack the zip `archive` as the new `folder`, and return that as a Path.

    Raises DatasetError, and leaves nothing behind, where the file is no whole zip archive, where a
    member would land outside the folder or is a link, encrypted, there twice, or not what the
    table of contents says, and where the disk has too little room.
    """
    archive, folder = (Path(path).expanduser().absolute() for path in (archive, folder))
    if folder.exists():
        raise DatasetError(f"{folder}: is there already; rename or delete it, then unpack again")
    with _opened(archive) as packed:
        members = _checked_members(packed, archive)
        size = sum(member.file_size for member in members.values())
        _check_room(archive, folder, size)
        with complete_folder(folder, f"the {_megabytes(size)} of {archive.name}") as unfinished:
            for parts, member in members.items():
                _write(packed, member, unfinished.joinpath(*parts))
    return folder


@contextlib.contextmanager
def _opened(archive):
    """The archive as a ZipFile; whatever is wrong with its bytes becomes a DatasetError."""
    try:
        with zipfile.ZipFile(archive) as packed:
            yield packed
    except BROKEN as error:
        raise DatasetError(f"{archive}: {_diagnosis(archive, error)}; download it again") from error
    except FileNotFoundError as error:
        raise DatasetError(f"{archive}: there is no such file; check the path") from error
    except OSError as error:
        raise DatasetError(
            f"{archive}: cannot be read ({error.strerror or error}); give the zip file itself, "
            "and yourself the right to read it"
        ) from error


def _diagnosis(archive, error):
    with open(archive, "rb") as file:
        start = file.read(512).lstrip()
    if start.startswith(b"<"):
        return "is a web page, not a zip archive: the site wanted you to sign in first"
    if start.startswith(b"PK") and not zipfile.is_zipfile(archive):
        return "ends too early: the download broke off"
    return f"is not a whole zip archive ({error})"


def _checked_members(packed, archive):
    """The members that are files, by the parts of their path; refuses what no data set needs."""
    members, seen = {}, set()
    for member in packed.infolist():
        fault, parts = _fault(member), _parts(member)
        if fault is None and tuple(map(str.lower, parts)) in seen:
            fault = "is there twice"
        if fault:
            raise DatasetError(
                f"{archive}: its member {member.orig_filename!r} {fault}, which no data set needs; "
                "nothing was unpacked. Take the archive from its original source"
            )
        if not member.is_dir():
            seen.add(tuple(map(str.lower, parts)))
            members[parts] = member
    if not members:
        raise DatasetError(f"{archive}: holds no files; download it again")
    return members


def _fault(member):
    """What makes a member unfit to be unpacked; None for a plain file or folder."""
    # Judged by the raw name: zipfile has cut `filename` at a NUL. Backslashes count as slashes
    # and colons are refused on every system, so that an archive is judged alike on all.
    name = member.orig_filename.replace("\\", "/")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if name.startswith("/") or ":" in name:
        return "has an absolute path"
    # Windows drops blanks and dots at the end of a name, so that '.. ' leads upwards, too.
    if any(part != "." and part != part.rstrip(" .") for part in name.split("/")):
        return "has a path that leads out of the folder"
    if not name.isprintable() or not _parts(member):
        return "has an unreadable name"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if member.flag_bits & 0x41:
        return "is encrypted"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed in an unusual way"


def _parts(member):
    name = member.filename.replace("\\", "/")
    return tuple(part for part in name.split("/") if part not in ("", "."))


def _check_room(archive, folder, size):
    if size > MAX_BYTES:
        raise DatasetError(
            f"{archive}: would take {_megabytes(size)}, more than any data set of the course; "
            "nothing was unpacked. Take the archive from its original source"
        )
    disk = next(parent for parent in folder.parents if parent.exists())
    free = shutil.disk_usage(disk).free
    if free < size:
        raise DatasetError(
            f"{folder}: needs {_megabytes(size)} but the disk has {_megabytes(free)} left; "
            "free some space or move the project to another disk"
        )


def _megabytes(size):
    return f"{size / 1e6:,.1f} MB"


def _write(packed, member, path):
    """Write one member, and count: the sizes in the table of contents may be a lie.

    zipfile stops at the size that stands there, so no more than was checked is ever written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with packed.open(member) as source, open(path, "xb") as target:
        shutil.copyfileobj(source, target)
        written = target.tell()
    if written != member.file_size:
        raise zipfile.BadZipFile(f"{member.filename} is shorter than the table of contents says")
