"""The cell for Colab: it does nothing elsewhere, and there it fetches the course."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from notebook_rules import ROOT, colab_cell


def test_the_cell_for_colab_does_nothing_elsewhere(monkeypatch, capfd):
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    before = Path.cwd(), list(sys.path), set(os.environ)
    exec(colab_cell(), {"input": None})  # None cannot be called
    assert (Path.cwd(), sys.path, set(os.environ)) == before
    assert capfd.readouterr() == ("", "")


ON_COLAB = """
import os, pkgutil, subprocess, sys, types

address, cell = sys.argv[1:]
sys.modules["google.colab"] = types.ModuleType("google.colab")
exec(cell, {"input": lambda question: address})
subprocess.run = lambda *command, **options: None
exec(cell, {"input": None})  # once more, as a learner may: nothing is asked again

import lab, segmentation_tf
from segmentation_tf.datasets.folders import REPOSITORY
from segmentation_tf.drawn.drawing import draw_parallel
found = draw_parallel(pkgutil.resolve_name, [("segmentation_tf:__file__",)], "another process")
print(os.getcwd(), lab.__file__, REPOSITORY, *found, sep="\\n")
"""


def write_wheel(folder, name, version):
    """A package with nothing in it, for pip to choose from."""
    about = f"{name}-{version}.dist-info"
    texts = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for file, text in texts.items():
            wheel.writestr(f"{about}/{file}", text)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no clone of the repository to clone")
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_on_colab_the_cell_fetches_the_course_and_replaces_no_package(tmp_path):
    """The last commit stands for the course on the web. pip only says what it would install."""
    content = tmp_path.resolve()
    cell = colab_cell().replace("/content/", f"{content.as_posix()}/")
    write_wheel(content, "tensorflow", "99.0")
    pip = {
        "PIP_DRY_RUN": "1",
        "PIP_REPORT": str(content / "report.json"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": content.as_uri(),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_BUILD_ISOLATION": "0",  # 0 stands for yes: the setuptools that is installed serves
    }
    # The repository may belong to somebody else, as in a container.
    git = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    done = subprocess.run(
        [sys.executable, "-c", ON_COLAB, ROOT.as_uri(), cell],
        cwd=content,
        env=os.environ | pip | git,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((content / "report.json").read_text(encoding="utf-8"))
    assert [found["metadata"]["name"] for found in report["install"]] == ["segmentation-tf"]
    course = content / "segmentation"
    package = course / "segmentation_tf" / "__init__.py"
    places = [course / "notebooks", course / "lab" / "__init__.py", course, package]
    assert [Path(line) for line in done.stdout.splitlines()[-4:]] == places
