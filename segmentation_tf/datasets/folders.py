"""Which folder a data set is read from, and what lies in it."""

import codecs
import json
import os
import sys
from functools import lru_cache
from pathlib import Path

from segmentation_tf.cases import DatasetError

REPOSITORY = Path(__file__).resolve().parents[2]
MAX_TABLE = 2_000_000  # bytes; ten times the largest of these data sets
ARCHIVES = {
    ".zip": "python -m zipfile -e {name} .",
    ".rar": "unar {name} (or 7-Zip, or WinRAR)",
    ".7z": "7z x {name}",
    ".tar": "tar -xf {name}",
    ".gz": "tar -xf {name}",
}


def choose_folder(root, variable, name, draw, archives=ARCHIVES):
    """Return the folder to read a data set from, as a Path.

    `root` where given; else the environment's `variable`; else `data/<name>` of the repository;
    else the drawn set, whose folder `draw()` returns. With no `root` it prints which it took.
    A relative path in the environment counts from the working directory or from the repository.
    `archives` gives, by suffix, the command that a DatasetError names where it finds an archive.
    """
    if root is not None:
        return check_folder(Path(os.path.expanduser(root)), archives)
    if os.environ.get(variable):
        folder = check_folder(_from_environment(variable), archives)
        return _announce(folder, name, f"from {variable}")
    if (REPOSITORY / "data" / name).exists():
        folder = check_folder(REPOSITORY / "data" / name, archives)
        return _announce(folder, name, "your copy")
    return _announce(draw(), name, f"the drawn set; real images: data/{name} or {variable}")


def check_folder(path, archives=ARCHIVES):
    """Return `path` if it is a folder, else raise a DatasetError that says what to do."""
    # os.path, because Path.is_dir raises errors of its own for a name that is too long, and
    # where a folder above may not be opened.
    if os.path.isdir(path):
        return path
    if not os.path.exists(path):
        raise DatasetError(
            f"{path}: there is no such folder; check the path for typing errors, and that you may "
            "open the folders above it"
        )
    if path.suffix.lower() in archives:
        raise DatasetError(f"{path} is an archive, not a folder; {_how_to_unpack(path, archives)}")
    raise DatasetError(f"{path} is a file; give the folder that holds the data set")


def read_text(file):
    """The text of a small file, such as a table: UTF-8, or UTF-16 as Windows writes it.

    Raises DatasetError where the file cannot be read, or is far too large.
    """
    try:
        with open(file, "rb") as opened:
            content = opened.read(MAX_TABLE + 1)
    except OSError as error:
        raise _unreadable(file, error) from error
    if len(content) > MAX_TABLE:
        raise DatasetError(
            f"{file}: has more than {MAX_TABLE:,} bytes, so it is no table; copy it again"
        )
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig", errors="replace")


def read_json(file, parse, what="not JSON in UTF-8", otherwise="copy it again"):
    """`parse(file, content)` of a JSON file, done again only where the file has changed.

    Raises DatasetError where the file cannot be read; or is not JSON, and then it says that the
    file is `what`, and what to do.
    """
    try:
        state = file.stat()
        return _parse_json(file, parse, what, otherwise, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise _unreadable(file, error) from error


@lru_cache(maxsize=4)
def _parse_json(file, parse, what, otherwise, changed, length):
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{file}: is {what} ({str(error)[:80]}); {otherwise}") from error
    return parse(file, content)


def _unreadable(file, error):
    return DatasetError(
        f"{file}: cannot be read ({error.strerror}); give yourself the right to read it, or copy "
        "it again"
    )


def way_out(root, otherwise, archives=ARCHIVES):
    """How to go on where a folder holds no data set: unpack the archive in it, or `otherwise`."""
    packed = [path for path in children(root) if path.suffix.lower() in archives]
    return _how_to_unpack(packed[0], archives) if packed else otherwise


def subfolders(folder):
    """The folders in a folder, but for hidden ones; a sorted list of Path."""
    # os.path.isdir is False, and no error, where a folder may not be looked at.
    return [child for child in children(folder) if os.path.isdir(child)]


def levels(root, depth):
    """Yield the folders on each level below `root`, down to `depth`: sorted lists of Path.

    A folder that links lead to once more, under the same name, is passed over: else links to
    folders above would multiply the set, level by level.
    """
    level, seen = [root], set()
    for _ in range(depth):
        inside = [child for folder in level for child in subfolders(folder)]
        places = {(child.name, child.resolve()): child for child in reversed(inside)}
        level = [child for place, child in reversed(places.items()) if place not in seen]
        seen |= places.keys()
        yield level


def children(folder):
    """What lies in a folder, but for hidden entries; a sorted list of Path."""
    try:
        return [child for child in sorted(folder.iterdir()) if child.name[0] not in "._"]
    except OSError as error:
        raise DatasetError(
            f"{folder}: cannot be opened ({error.strerror}); give yourself the right to read it"
        ) from error


def _how_to_unpack(archive, archives):
    command = archives[archive.suffix.lower()].format(name=f'"{archive.as_posix()}"')
    return f"unpack it first, with: {command} - and give the folder that comes out"


def _from_environment(variable):
    # Windows' `set` keeps quotes and trailing blanks.
    path = Path(os.path.expanduser(os.environ[variable].strip(" \"'")))
    tried = list(dict.fromkeys([Path.cwd() / path, REPOSITORY / path]))
    for found in tried:
        if os.path.exists(found):
            return found.resolve()
    places = ("neither " if tried[1:] else "no ") + " nor ".join(map(str, tried))
    raise DatasetError(f"{variable}={path}: there is {places}; correct or unset {variable}")


def _announce(folder, name, origin):
    shown = folder.relative_to(REPOSITORY) if folder.is_relative_to(REPOSITORY) else folder
    # A name may have letters that the console cannot show.
    encoding = sys.stdout.encoding or "utf-8"
    shown = str(shown).encode(encoding, "backslashreplace").decode(encoding)
    print(f"{name}: {shown} ({origin})")
    return folder
