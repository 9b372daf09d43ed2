"""The pages that `make run` writes: Sphinx builds them as one book in build/.

The pages are README.md, the notebooks, and every Markdown file or notebook that these link to.
They are copied to build/.sphinx/source, in the folders that they have in the repository.
"""

import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import unquote

HERE = Path(__file__).resolve().parent
WORK = ".sphinx"  # in build/: what Sphinx reads and remembers; a name that no website shows
FIRST = (
    "README.md",
    "notebooks/[0-9]*.ipynb",
    "notebooks/*/*.ipynb",
    "lab/README.md",
    "lab/*.ipynb",
)
# The parts of the navigation. A page stands in the first part that has a pattern for it.
PARTS = {
    "Lecture": ("README.md",),
    "Help": ("notebooks/help.md", "notebooks/elsewhere.md"),
    "Lessons": ("notebooks/[0-9]*",),
    "After the lessons": (
        "notebooks/optional/*",
        "notebooks/your_pictures.md",
        "notebooks/beyond.md",
    ),
    "Lab": ("lab/README.md", "lab/BodySegmentation.ipynb", "lab/teacher.md"),
    "Solutions": ("notebooks/solutions/*", "lab/solution/*"),
    "हिन्दी": ("*.hi.md", "notebooks/hi/*"),
    "More": ("*",),
}
# Pages whose own titles would not tell them apart in the navigation.
TITLES = {
    "README.md": "The lecture",
    "notebooks/elsewhere.md": "Elsewhere",
    "lab/BodySegmentation.ipynb": "Your notebook for the lab",
    "lab/solution/BodySegmentation.ipynb": "Solution of the lab",
}


class BuildError(Exception):
    """Sphinx stopped, and not because a file could not be written."""


def page_of(path: Path, root: Path) -> str:
    """The page of a notebook, below build/, with slashes on every system."""
    return name_of(path, root).removesuffix(path.suffix) + ".html"


def name_of(path: Path, root: Path) -> str:
    """The name of a file in the book: its path in the repository, or other/ and its file name."""
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else f"other/{path.name}"
    return name.removeprefix(".")  # Sphinx and GitHub Pages leave out what is hidden


# --- Collecting the pages -----------------------------------------------------------------------


def write_sources(root: Path, build: Path, executed: Collection[str]) -> set[str]:
    """Copy the pages and the files they link to, and remove the copies of what is gone.

    Args:
        root: the folder of the repository.
        build: the folder of the pages.
        executed: the pages of notebooks that were executed here and written by `write_executed`.

    Returns:
        Those of `executed` that stay, because the code of their notebooks has not changed.
    """
    source, kept, names = build / WORK / "source", set(), {"index.md"}
    for path in linked_files(root, executed):
        name = name_of(path, root)
        names.add(name)
        if page_of(path, root) in executed and same_cells(path, source / name):
            kept.add(page_of(path, root))
        else:
            write_if_new(source / name, source_of(path))
    for path in [path for path in source.rglob("*") if path.is_file()]:
        name = path.relative_to(source).as_posix()
        if name.startswith("other/"):
            kept.add(page_of(path, source))
        elif name not in names:
            path.unlink()
    return kept.intersection(executed)


def linked_files(root: Path, executed: Collection[str]) -> list[Path]:
    """The first pages and all files of the repository that they link to, directly or not.

    What a learner's own notebooks link to is left out: it may be a whole copy of the course.
    """
    found = list(dict.fromkeys(path for name in FIRST for path in sorted(root.glob(name))))
    for path in found:  # grows while it is read
        for link in re.findall(r"\]\(([^)#\s]+)", markdown_of(path)):
            file = (path.parent / unquote(link)).resolve()
            if file.is_file() and file.is_relative_to(root) and file not in found:
                found.append(file)
    own = (root / page.replace(".html", ".ipynb") for page in sorted(executed))
    return found + [path for path in own if path.is_file() and path not in found]


def markdown_of(path: Path) -> str:
    """The text of a page; no text for a file that is no page."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [cell for cell in read_cells(path) if cell["cell_type"] == "markdown"]
        return "\n\n".join("".join(cell["source"]) for cell in cells)
    return ""


def read_cells(path: Path) -> list[dict]:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError):  # a learner's broken file is no page
        return []
    return cells if isinstance(cells, list) else []


def same_cells(one: Path, other: Path) -> bool:
    """Whether two notebooks have the same text and code, or the first is damaged."""
    first, second = (["".join(cell["source"]) for cell in read_cells(p)] for p in (one, other))
    return not first or first == second


def source_of(path: Path) -> bytes:
    """A file as Sphinx gets it."""
    if path.suffix == ".md":
        text = path.read_text(encoding="utf-8")
        return re.sub(r"(\]\((?:\.\./)*)\.(github/)", r"\1\2", text).encode()
    if path.suffix == ".ipynb" and read_cells(path):
        return page_form(json.loads(path.read_text(encoding="utf-8")))
    return path.read_bytes()


def page_form(notebook: dict) -> bytes:
    """A notebook whose cell for Colab is folded, and whose figures have words for the blind."""
    cells = [{**cell, "metadata": page_metadata(cell)} for cell in notebook["cells"]]
    about = {"language_info": {"name": "python"}}  # for its colours
    return json.dumps({**notebook, "cells": cells, "metadata": about}).encode()


def page_metadata(cell: dict) -> dict:
    if cell["cell_type"] != "code":
        return cell["metadata"]
    tags, settings = (
        cell["metadata"].get("tags", []),
        {"image": {"alt": "Figure of the cell above"}},
    )
    if "colab" in tags:
        prompt = "The cell for Google Colab"
        settings |= {"code_prompt_show": prompt, "code_prompt_hide": prompt}
        tags = [*tags, "hide-input"]
    return {**cell["metadata"], "tags": tags, "mystnb": settings}


def write_executed(notebook: dict, path: Path, root: Path, build: Path) -> None:
    """Keep a notebook with the outputs of this run for its page."""
    write_if_new(build / WORK / "source" / name_of(path, root), page_form(notebook))


def write_if_new(file: Path, content: bytes) -> None:
    """Write a file, unless it is there: Sphinx reads again what has a new time."""
    if not file.is_file() or file.read_bytes() != content:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


# --- The front page and the navigation ----------------------------------------------------------


def write_index(build: Path, text: Sequence[str]) -> None:
    """Write the front page: Markdown lines, then the navigation of all pages, which is not seen."""
    source = build / WORK / "source"
    pages = [p for p in source.rglob("*") if p.suffix in (".md", ".ipynb") and p.is_file()]
    names = sorted(page.relative_to(source).as_posix() for page in pages)
    parts = list(navigation([name for name in names if name != "index.md"]))
    write_if_new(source / "index.md", "\n".join([*text, "", *parts]).encode())
    known, parts = build / WORK / "navigation.txt", "\n".join(parts).encode()
    if not known.is_file() or known.read_bytes() != parts:
        # It stands on every page: without its memory, Sphinx writes all of them.
        (build / WORK / "doctrees" / "environment.pickle").unlink(missing_ok=True)
        known.write_bytes(parts)


def navigation(names: Sequence[str]) -> Iterator[str]:
    """The lines of Sphinx's toctrees, one for each part that has pages."""
    left = list(names)
    for part, patterns in PARTS.items():
        pages = [n for pattern in patterns for n in left if fnmatchcase(n, pattern)]
        left = [name for name in left if name not in pages]
        if pages:
            yield from ("```{toctree}", ":hidden:", f":caption: {part}", "")
            yield from (entry(name) for name in pages)
            yield from ("```", "")


def entry(name: str) -> str:
    page = "/" + name.rpartition(".")[0]
    return f"{TITLES[name]} <{page}>" if name in TITLES else page


# --- Building -----------------------------------------------------------------------------------


def build_pages(build: Path) -> None:
    """Let Sphinx write every page whose source has changed.

    Raises:
        OSError: a page cannot be written.
        BuildError: Sphinx stopped for another reason.
    """
    # What it remembers may be damaged, by a full disk for example: then all is read once more.
    for options in ([], ["--fresh-env"]):
        status, said = run_sphinx(build, options)
        unwritten = re.search(r"error writing file (.+?): (?:\[\w+ \d+\] )?(.+)", said)
        if unwritten:
            raise OSError(None, unwritten[2], unwritten[1])
        if status == 0:
            return remove_old_figures(build)
    raise BuildError("\n".join(said.strip().splitlines()[-3:]))


def remove_old_figures(build: Path) -> None:
    """Remove the figures of earlier runs, which no page shows any more."""
    pages = "".join(page.read_text(encoding="utf-8") for page in build.rglob("*.html"))
    for folder in (build / "_images", build / WORK / "figures"):
        for file in folder.glob(f"{'?' * 64}.png"):
            if file.name not in pages:
                file.unlink()


def run_sphinx(build: Path, options: Sequence[str]) -> tuple[int, str]:
    """Run Sphinx in a process for itself; returns its exit status and what it said."""
    work = Path(WORK)
    folders = ["-c", HERE, "-d", work / "doctrees", work / "source", "."]
    command = [sys.executable, "-m", "sphinx", "--quiet", "--no-color", *options, *folders]
    in_utf8 = {"env": {**os.environ, "PYTHONUTF8": "1"}, "encoding": "utf-8", "errors": "replace"}
    done = subprocess.run(command, cwd=build, capture_output=True, **in_utf8)
    said = done.stdout + done.stderr
    (build / WORK / "log.txt").write_text(said, encoding="utf-8")
    return done.returncode, said


def anchor(heading: str) -> str:
    """The name that GitHub gives a heading: unlike MyST's, it keeps the vowel signs of Hindi."""
    kept = [c for c in heading.strip().lower() if unicodedata.category(c)[0] in "LMN" or c in "-_ "]
    return "".join(kept).replace(" ", "-")
