"""A folder that is complete or absent, whatever interrupts the program that fills it."""

import contextlib
import glob
import os
import shutil
import tempfile
import time
from pathlib import Path

from segmentation_tf.cases import DatasetError

try:
    import fcntl
except ImportError:  # Windows: a file that is open cannot be deleted, which locks just as well
    fcntl = None


@contextlib.contextmanager
def complete_folder(folder, content):
    """Gives an empty folder to fill; when the block ends well, it becomes `folder` in one step.

    Until then everything lies in a hidden sibling, which goes away with any error. A killed run
    leaves its sibling behind; the next run knows it by its lock, which died with its owner, and
    removes it. Where two runs fill the same `folder`, the first to finish wins and the other
    throws its copy away. OSError (disk full, read-only) becomes one DatasetError, in which
    `content` says what was to be written and how large it is.
    """
    folder = Path(folder).absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        scratch = Path(tempfile.mkdtemp(prefix=_prefix(folder), dir=folder.parent))
        try:
            # The lock lies beside the content, not in it: it is held until the rename is done.
            with _locked(scratch / "lock"):
                unfinished = scratch / folder.name
                unfinished.mkdir()
                yield unfinished
                _rename_unless_there(unfinished, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise DatasetError(
            f"{folder}: cannot write {content} here ({error.strerror or error}); free some "
            "space, make the folder writable, or move the project to another disk"
        ) from error


def _prefix(folder):
    return f".{folder.name}-unfinished-"


@contextlib.contextmanager
def _locked(path):
    """Holds a lock file; the system frees it when its owner ends, however it ends."""
    with open(path if fcntl is None else path.with_suffix(".new"), "w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
            os.rename(file.name, path)  # nobody sees the file before it is locked
        yield


def _refuse_if_locked(path):
    """Raises OSError where the owner of the lock file is alive, or never made one."""
    if fcntl is None:
        path.unlink()
        return
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_leftovers(folder):
    """Removes the unfinished siblings of `folder` whose owners are dead."""
    for scratch in folder.parent.glob(glob.escape(_prefix(folder)) + "*"):
        with contextlib.suppress(OSError):
            if (scratch / "lock").exists():
                _refuse_if_locked(scratch / "lock")
            elif time.time() - scratch.stat().st_mtime < 3600:
                continue  # its owner may just be about to lock it
            shutil.rmtree(scratch, ignore_errors=True)


def _rename_unless_there(unfinished, folder):
    if hasattr(os, "sync"):
        os.sync()  # else a power cut might keep the new name and lose what lies in the files
    try:
        os.rename(unfinished, folder)
    except OSError:
        if not folder.is_dir():
            raise  # not a finished copy of another run, but a real obstacle
