"""Which folder a data set is read from."""

import os
from pathlib import Path

from segmentation_tf.cases import DatasetError

REPOSITORY = Path(__file__).resolve().parent.parent
ARCHIVES = {
    ".zip": "python -m zipfile -e {name} .",
    ".rar": "unar {name} (or 7-Zip, or WinRAR)",
    ".7z": "7z x {name}",
    ".tar": "tar -xf {name}",
    ".gz": "tar -xf {name}",
}


def choose_folder(root, variable, name, draw):
    """Return the folder to read a data set from, as a Path.

    `root` where given; else the environment's `variable`; else `data/<name>` of the repository;
    else the drawn set, whose folder `draw()` returns. With no `root` it prints which it took.
    A relative path in the environment counts from the working directory or from the repository.
    """
    if root is not None:
        return check_folder(Path(root).expanduser())
    if os.environ.get(variable):
        return _announce(check_folder(_from_environment(variable)), name, f"from {variable}")
    if (REPOSITORY / "data" / name).exists():
        return _announce(check_folder(REPOSITORY / "data" / name), name, "your copy")
    return _announce(draw(), name, f"the drawn set; real images: data/{name} or {variable}")


def check_folder(path):
    """Return `path` if it is a folder, else raise a DatasetError that says what to do."""
    if path.is_dir():
        return path
    if not path.exists():
        raise DatasetError(f"{path}: there is no such folder; check the path for typing errors")
    if path.suffix.lower() in ARCHIVES:
        raise DatasetError(f"{path} is an archive, not a folder; {how_to_unpack(path)}")
    raise DatasetError(f"{path} is a file; give the folder that holds the data set")


def how_to_unpack(archive):
    """The sentence that says how to unpack an archive, by its suffix."""
    command = ARCHIVES[archive.suffix.lower()].format(name=f'"{archive.name}"')
    return f"unpack it first, with: {command} - and give the folder that comes out"


def _from_environment(variable):
    # Windows' `set` keeps quotes and trailing blanks.
    path = Path(os.environ[variable].strip(" \"'")).expanduser()
    tried = list(dict.fromkeys([Path.cwd() / path, REPOSITORY / path]))
    for found in tried:
        if found.exists():
            return found.resolve()
    places = " nor ".join(map(str, tried))
    raise DatasetError(f"{variable}={path}: there is no {places}; correct or unset {variable}")


def _announce(folder, name, origin):
    shown = folder.relative_to(REPOSITORY) if folder.is_relative_to(REPOSITORY) else folder
    print(f"{name}: {shown} ({origin})")
    return folder
