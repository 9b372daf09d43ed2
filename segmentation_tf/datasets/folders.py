"""Which folder a data set is read from, how that folder is made, and what lies in it."""

import codecs
import contextlib
import json
import os
import shutil
import stat
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Any

from segmentation_tf.cases import DatasetError

REPOSITORY = Path(__file__).resolve().parents[2]
MAX_TABLE = 2_000_000  # bytes; the largest text table of the drawn sets has 50,000
MAX_UNPACKED = 5_000_000_000  # bytes, far more than any data set of the course has
DAY = 86_400  # seconds
LITTER = ("thumbs.db", "desktop.ini", "@eadir")  # what Windows and network disks leave in folders
ARCHIVES = {
    ".zip": "python -m zipfile -e {name} .",
    ".rar": "unar {name} (or 7-Zip, or WinRAR)",
    ".7z": "7z x {name}",
    ".tar": "tar -xf {name}",
    ".gz": "tar -xf {name}",
}


# --- choosing a folder -------------------------------------------------------------------------


def choose_folder(
    root: str | Path | None, variable: str, name: str, *, draw: Callable[[], Path]
) -> Path:
    """Return the folder to read a data set from; without a `root`, print which one it is.

    It is `root`, else what the environment's `variable` names (a relative path counts from the
    working directory or from the repository), else data/<name> in the repository, else `draw()`.
    """
    if root is not None:
        return _check_folder(Path(os.path.expanduser(root)))
    folder, origin = REPOSITORY / "data" / name, "your copy"
    if os.environ.get(variable):
        folder, origin = _from_environment(variable), f"from {variable}"
    elif not folder.exists():
        folder, origin = draw(), f"the drawn set; real images: data/{name} or {variable}"
    _check_folder(folder)
    shown = folder.relative_to(REPOSITORY) if folder.is_relative_to(REPOSITORY) else folder
    _print(f"{name}: {shown} ({origin})")
    return folder


def _print(line):
    """Print a line; letters that the console cannot show are written as numbers."""
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding))


def _check_folder(path):
    """Return `path` if it is a folder; otherwise raise a DatasetError that says what to do."""
    # Path.is_dir would raise an OSError for a name that is too long, or in a closed folder.
    if os.path.isdir(path):
        return path
    if not os.path.exists(path):
        raise DatasetError(
            f"{path}: there is no such folder; check the path for typing errors, and the "
            "permissions of the folders above it"
        )
    if path.suffix.lower() in ARCHIVES:
        raise DatasetError(f"{path} is an archive, not a folder; {_how_to_unpack(path)}")
    raise DatasetError(f"{path} is a file; give the folder that holds the data set")


# --- reading tables ----------------------------------------------------------------------------


def read_text(file: Path) -> str:
    """Return the text of a table in UTF-8, or in UTF-16 as Windows writes it."""
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


def read_json(
    file: Path, parse: Callable[[Path, Any], Any], otherwise: str = "copy it again"
) -> Any:
    """Return `parse(file, content)` of a JSON file; a file is parsed again if it has changed.

    `otherwise` says what to do about a file that is not JSON.
    """
    try:
        state = file.stat()
        return _parse_json(file, parse, otherwise, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise _unreadable(file, error) from error


@lru_cache(maxsize=4)
def _parse_json(file, parse, otherwise, changed, length):
    try:
        return parse(file, json.loads(file.read_text(encoding="utf-8-sig")))
    except DatasetError:
        raise
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{file}: is not JSON in UTF-8 ({str(error)[:80]}); {otherwise}"
        ) from error


def check_schema(file: Path, content: Any, schema: dict, otherwise: str = "copy it again") -> None:
    """If the content does not fit the schema, raise a DatasetError with the field and `otherwise`.

    The JSON schema is of draft 4, in which 1.0 and true are not integers.
    """
    import jsonschema  # here, because it takes over a second and PH2 needs none

    errors = jsonschema.Draft4Validator(schema).iter_errors(content)
    if error := jsonschema.exceptions.best_match(errors):
        place = error.json_path.removeprefix("$").removeprefix(".") or "its content"
        reason = error.message  # begins with the value, which may be the whole file
        if len(reason) > 160:
            reason = f"{reason[:60]} ... {reason[-90:]}"
        raise DatasetError(f"{file}: {place}: {reason}; {otherwise}")


def _unreadable(file, error):
    return DatasetError(
        f"{file}: cannot be read ({error.strerror}); check its permissions, or copy it again"
    )


# --- looking into folders ----------------------------------------------------------------------


def way_out(root: Path, otherwise: str) -> str:
    """Say how to go on from a folder without a set: unpack the archive in it, or `otherwise`."""
    packed = [path for path in children(root) if path.suffix.lower() in ARCHIVES]
    return _how_to_unpack(packed[0]) if packed else otherwise


def children(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted, without hidden entries."""
    try:
        return [child for child in sorted(folder.iterdir()) if child.name[0] not in "._"]
    except OSError as error:
        raise DatasetError(
            f"{folder}: cannot be opened ({error.strerror}); check its permissions"
        ) from error


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, without hidden ones."""
    # os.path.isdir says False where a folder may not be looked at; Path.is_dir raises an error.
    return [child for child in children(folder) if os.path.isdir(child)]


def report_skipped(name: str, kind: str, reason: str, skipped: Sequence[Path]) -> None:
    """Print one line about what a loader has skipped, if there is anything but LITTER.

    `report_skipped("mads", "file", "not in PNG", [Path("images/a.jpg"), Path("masks/a.gif")])`
    prints: mads: skipped 2 files not in PNG, such as 'images/a.jpg'
    """
    skipped = [path for path in skipped if path.name.lower() not in LITTER]
    if skipped:
        plural = "s" if len(skipped) > 1 else ""
        first = "/".join(skipped[0].parts[-2:])  # in quotes, so that a blank at its end shows
        _print(f"{name}: skipped {len(skipped)} {kind}{plural} {reason}, such as {first!r}")


def levels(root: Path, depth: int) -> Iterator[list[Path]]:
    """Yield the folders one level below `root`, then those two levels below, down to `depth`.

    A folder that is found again under the same name, by a link, is left out. Otherwise links to
    folders above would multiply the set at each level.
    """
    level, seen = [root], set()
    for _ in range(depth):
        inside = [child for folder in level for child in subfolders(folder)]
        level = []
        for child in inside:
            if (place := (child.name, child.resolve())) not in seen:
                seen.add(place)
                level.append(child)
        yield level


def _how_to_unpack(archive):
    command = ARCHIVES[archive.suffix.lower()].format(name=f'"{archive.as_posix()}"')
    return f"unpack it first, with: {command} - and give the folder that comes out"


def _from_environment(variable):
    # Windows' `set` keeps quotes and trailing blanks.
    path = Path(os.path.expanduser(os.environ[variable].strip(" \"'")))
    tried = list(dict.fromkeys([Path.cwd() / path, REPOSITORY / path]))
    for found in tried:
        if os.path.exists(found):
            return found.resolve()
    missing = " and no ".join(map(str, tried))
    raise DatasetError(f"{variable}={path}: there is no {missing}; correct or unset {variable}")


# --- making a folder ---------------------------------------------------------------------------


def complete_folder(folder: Path, fill: Callable[[Path], Any], content: str) -> Path:
    """Return `folder`; if it is not there yet, have it filled: it appears complete or not at all.

    `fill(path)` writes into an empty temporary folder. At the end it is renamed to `folder`; after
    an error it is deleted. If two programs do this at once, the first to finish wins. What a
    killed program leaves is deleted by the first call more than a day later. `content` names what
    is written, for error messages.
    """
    folder = Path(folder).absolute()
    prefix = f".{folder.name}-unfinished-"
    _remove_leftovers(folder.parent, prefix)
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(
            prefix=prefix, dir=folder.parent, ignore_cleanup_errors=True
        ) as scratch:
            # A folder inside, because only its owner may open the temporary one.
            unfinished = Path(scratch, folder.name)
            unfinished.mkdir()
            fill(unfinished)
            _rename_unless_there(unfinished, folder)
    except OSError as error:
        if error.errno is None:
            raise  # not of the disk: bz2 raises it for damaged data
        raise DatasetError(
            f"{folder}: cannot write {content} here ({error.strerror or error}); free some "
            "space, make the folder writable, or move the project to another disk"
        ) from error
    return folder


def drawn_folder(name: str, draw: Callable[[Path], Any], megabytes: int) -> Path:
    """Return the folder of a drawn set, data/drawn/<name>; drawn now if it is not there yet."""
    content = f"the drawn images (about {megabytes} MB)"
    return complete_folder(REPOSITORY / "data" / "drawn" / name, draw, content)


def unpack(archive: str | Path, folder: Path, check: Callable[[Path], Any] = Path.exists) -> Path:
    """Unpack a zip as the new `folder`: all of it or nothing, and nothing outside `folder`.

    `check(path)` raises a DatasetError if what was unpacked is not the data set. A folder that is
    there already is left as it is. Returns `folder`.
    """
    archive = Path(archive).expanduser().absolute()

    def fill(path):
        packed.extractall(path)
        try:
            check(path)
        except DatasetError as error:
            raise DatasetError(
                f"{archive}: is not the archive of this data set, so nothing was unpacked; "
                "download the right one"
            ) from error

    try:
        with zipfile.ZipFile(archive) as packed:
            size = _check_members(archive, packed.infolist())
            content = f"the {size / 1e6:,.1f} MB of {archive.name}"
            return complete_folder(folder, fill, content)
    except DatasetError:
        raise
    except Exception as error:  # zipfile raises many kinds for damaged bytes, such as LZMAError
        if isinstance(error, OSError) and error.errno is not None:
            raise DatasetError(
                f"{archive}: cannot be read ({error.strerror}); give the path of the zip file, and "
                "check its permissions"
            ) from error
        raise DatasetError(
            f"{archive}: is not a complete zip archive ({error}): perhaps the download broke off, "
            "or it is the web page that asks you to sign in. Sign in there, and download it again"
        ) from error


def _check_members(archive, members):
    """Refuse what a data set does not need; return the number of bytes of all members together."""
    for member in members:
        path = PureWindowsPath(member.filename)  # knows both kinds of slashes, and drives
        if path.anchor or ".." in path.parts:
            fault = "leads out of the folder"
        elif stat.S_ISLNK(member.external_attr >> 16):
            fault = "is a link"
        elif member.flag_bits & 1:
            fault = "is encrypted"
        else:
            continue
        raise DatasetError(
            f"{archive}: its member {member.filename!r} {fault}, so nothing was unpacked; take the "
            "archive from its original source"
        )
    size = sum(member.file_size for member in members)
    if not 0 < size <= MAX_UNPACKED:
        raise DatasetError(
            f"{archive}: unpacked, it would have {size / 1e6:,.1f} MB, which no data set of the "
            "course has; take the archive from its original source"
        )
    return size


def _remove_leftovers(parent, prefix):
    """Remove what killed runs left more than a day ago; a younger folder may still be in use."""
    with contextlib.suppress(OSError):  # no parent yet, or the owner is just deleting its folder
        for child in parent.iterdir():
            if child.name.startswith(prefix) and time.time() - child.stat().st_mtime > DAY:
                shutil.rmtree(child, ignore_errors=True)


def _rename_unless_there(unfinished, folder):
    try:
        os.rename(unfinished, folder)
    except OSError:
        if not folder.is_dir():
            raise  # not the finished copy of another run, but a real obstacle
