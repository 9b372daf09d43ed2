"""make and .ci/run in an environment that was set up for something else."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from pages import text_of

ROOT = Path(__file__).resolve().parents[2]
needs_make = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("make") is None,
    reason="needs make, on Linux or macOS",
)

# In place of Python: it writes down how it is called, and makes .venv from itself. A call that
# looks at PYTHON alone has the option -E, which leaves PYTHON's variables out.
STUB = """#!/bin/sh
echo "$*" >> calls
test "$1" = -E || env >> environment
case "$*" in
  *importlib.metadata*) exit "${STUB_LACKS:-0}" ;;
  *version_info*) echo "${STUB_VERSION:-3.12}" ;;
  *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
esac
"""
ANOTHER_PYTHON = {
    "PYTHONPATH": "/opt/ros/site-packages",
    "PYTHONHOME": "/opt/python",
    "PYTHONOPTIMIZE": "2",
    "PYTHONSTARTUP": "/opt/startup.py",
    "PYTHONWARNINGS": "error",
    "PYTEST_PLUGINS": "launch_testing",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "JUPYTER_PATH": "/opt/jupyter",
    "PIP_USER": "1",
    "PIP_TARGET": "/opt/target",
    "PIP_PREFIX": "/opt/prefix",
    "PIP_ROOT": "/opt/root",
    "PIP_PYTHON": "/opt/python",
    "PIP_DRY_RUN": "1",
}
WISHES = {
    "PYTHONUTF8": "1",
    "PYTHONIOENCODING": "utf-8",
    "PYTHONUNBUFFERED": "1",
    "PIP_INDEX_URL": "https://mirror.example/simple",
    "PIP_PROXY": "proxy.example:3128",
    "PIP_CERT": "/etc/own.pem",
}


@pytest.fixture
def course(tmp_path):
    """A folder with the Makefile, whose `make` uses the stub."""
    folder = tmp_path / "a course"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("requirements.txt", "pyproject.toml"):
        (folder / name).touch()
    (folder / "stub").write_text(STUB, encoding="utf-8")
    (folder / "stub").chmod(0o755)
    return folder


def make(folder, *arguments, **environment):
    """Run make with the variables in `environment`, and with as few others as it needs."""
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@needs_make
@pytest.mark.parametrize(
    "arguments, environment", [(["PYTHON=./stub"], {}), ([], {"PYTHON": "./stub"})]
)
def test_setup_uses_the_python_that_is_named_and_installs_once(course, arguments, environment):
    done = make(course, "setup", *arguments, **environment)
    assert done.returncode == 0, done.stderr
    calls = text_of(course / "calls")
    assert re.findall(r"-m (venv|pip install)", calls) == ["venv", "pip install"]
    assert text_of(course / ".venv" / ".installed") == f"{course.resolve()}\n"
    make(course, "setup", *arguments, **environment)
    assert text_of(course / "calls") == calls


@needs_make
def test_a_python_that_does_not_fit_is_named(course):
    done = make(course, "run", "PYTHON=./stub", STUB_VERSION="3.10")
    assert "./stub is Python 3.10. Name one that fits, such as: make run PYTHON=" in done.stderr
    assert not (course / ".venv").exists()


@needs_make
def test_nothing_counts_as_installed_that_is_not_in_venv(course):
    done = make(course, "setup", "PYTHON=./stub", STUB_LACKS="1")
    assert "pip did not install all of requirements.txt into .venv." in done.stderr
    assert "`.venv/bin/python -m pip config list` lists it." in done.stderr
    assert not (course / ".venv" / ".installed").exists()


@needs_make
def test_no_target_sees_the_packages_of_another_python(course):
    targets = ["run", "jupyter", "test", "grade", "bench"]
    environment = {**ANOTHER_PYTHON, **WISHES, "JUPYTER_PREFER_ENV_PATH": "0"}
    done = make(course, *targets, "PYTHON=./stub", "SUBMITTED=x", **environment)
    assert done.returncode == 0, done.stderr
    recipes = text_of(course / "environment")
    seen = set(re.findall(r"(?m)^(\w+)=", recipes))
    assert not seen & set(ANOTHER_PYTHON)
    assert set(WISHES) <= seen
    assert set(re.findall(r"JUPYTER_PREFER_ENV_PATH=.*", recipes)) == {"JUPYTER_PREFER_ENV_PATH=1"}


# --- With pip itself ----------------------------------------------------------------------------

PIP_CONF = """[global]
no-index = yes
find-links = {wheels}
target = {elsewhere}
root = {elsewhere}
dry-run = yes
[install]
user = yes
prefix = {elsewhere}
"""
# Builds the course by copying it, and has to be installed for that itself.
BACKEND = """
import shutil
def build_editable(folder, settings=None, metadata=None):
    return shutil.copy("../wheels/course-1.0-py3-none-any.whl", folder).rpartition("/")[2]
"""


def write_wheel(folder, name, source=""):
    """A package with one module, as pip installs it."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", source)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def course_with_pip(course):
    """A course of two tiny packages, and a pip.conf with a mirror and with other folders."""
    wheels, elsewhere = course.parent / "wheels", course.parent / "elsewhere"
    wheels.mkdir()
    write_wheel(wheels, "course")
    write_wheel(wheels, "backend", BACKEND)
    write_wheel(wheels, "tiny")
    (course / "requirements.txt").write_text("-e .\ntiny==1.0\n", encoding="utf-8")
    build = '[build-system]\nrequires = ["backend"]\nbuild-backend = "backend"\n'
    (course / "pyproject.toml").write_text(build, encoding="utf-8")
    settings = course / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(PIP_CONF.format(wheels=wheels, elsewhere=elsewhere), encoding="utf-8")
    return course


@needs_make
def test_pip_installs_into_venv_whatever_its_settings_say(course_with_pip):
    python = f"PYTHON={sys.executable}"
    done = make(course_with_pip, "setup", python, **ANOTHER_PYTHON)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {path.name for path in (course_with_pip / ".venv").glob("lib/*/site-packages/*.py")}
    assert found == {"course.py", "tiny.py"}
    assert not (course_with_pip.parent / "elsewhere").exists()


# --- What maintainers see -----------------------------------------------------------------------


@pytest.fixture
def ci_run(course):
    """A copy of .ci/run, with other commands in place of make and of the sandbox's bwrap."""
    (course / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", course / ".ci")
    for name, line in {"make": 'test "$1" != "$FAILS"', "bwrap": "true"}.items():
        (course / name).write_text(f"#!/bin/sh\necho {name} $1\n{line}\n", encoding="utf-8")
        (course / name).chmod(0o755)

    def run(fails):
        path = os.pathsep.join([str(course), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "FAILS": fails, "GITHUB_ACTIONS": ""}
        command = [str(course / ".ci" / "run")]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


@needs_make
def test_ci_says_at_which_step_it_is_and_how_long_each_took(ci_run):
    done = ci_run(fails="nothing")
    assert done.returncode == 0
    assert re.findall(r"(?m)^make (\w+)$", done.stdout) == ["setup", "lint", "test"]
    steps = re.findall(r"(?m)^\[(\d)/3\] make (\w+): \d+ s$", done.stdout)
    assert steps == [("1", "setup"), ("2", "lint"), ("3", "test")]


@needs_make
def test_ci_ends_with_the_step_that_failed(ci_run):
    done = ci_run(fails="lint")
    assert done.returncode == 1
    assert re.fullmatch(r"\[2/3\] make lint: failed after \d+ s", done.stdout.splitlines()[-1])


def test_the_end_of_the_tests_names_the_first_cell_that_failed(tmp_path):
    for name in (
        "pyproject.toml",
        "tests/conftest.py",
        "tests/nbval.cfg",
        "notebooks/minutes.json",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    sources = ["a = 1", "b = a / 0\nprint(b)", "print(b + 1)"]
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    nbformat.write(notebook, tmp_path / "notebooks" / "lesson.ipynb")
    tests = [sys.executable, "-m", "pytest", "--color=no"]
    done = subprocess.run(tests, cwd=tmp_path, capture_output=True, text=True, check=False)
    *_, failure, counts = done.stdout.splitlines()
    assert failure.startswith("first failure in ")
    assert failure.endswith("lesson.ipynb: Cell 1: b = a / 0")
    assert "2 failed, 1 passed" in counts


# --- Windows ------------------------------------------------------------------------------------


def test_a_folder_as_long_as_the_page_allows_has_room_for_every_file():
    paragraphs = text_of(ROOT / "notebooks" / "help.md").split("\n\n")
    paragraph = "".join(text for text in paragraphs if "LongPathsEnabled" in text)
    allowed = int(re.search(r"\b\d\d\b", paragraph)[0])
    files = [file for package in distributions() for file in package.files or []]
    longest = max(len(rf"\.venv\Lib\site-packages\{file}") for file in files)
    assert allowed + longest < 260
