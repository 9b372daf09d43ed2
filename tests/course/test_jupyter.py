"""JupyterLab as `make jupyter` opens it, and how a learner takes an update of the course."""

import asyncio
import json
import os
import runpy
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from jupyter_server.serverapp import ServerApp
from jupyterlab_server.settings_utils import get_settings

from notebook_rules import ANSWERS, LAB, LESSONS, OPTIONAL

ROOT = Path(__file__).resolve().parents[2]
LAB_OF_LEARNERS = ROOT / "lab" / "BodySegmentation.ipynb"
START = SimpleNamespace(**runpy.run_path(str(ROOT / ".jupyter" / "start.py")))
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Jupyter's own
# What JupyterLab 4.6 writes into a notebook that is opened.
KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3 (ipykernel)"}
LANGUAGE = {"name": "python", "version": "3.12.4", "codemirror_mode": {"name": "ipython"}}


@pytest.fixture
def own_settings(tmp_path, monkeypatch):
    """The folder of a user's own Jupyter settings, in place of ~/.jupyter."""
    for name in ("CONFIG", "DATA", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(tmp_path / "own" / name))
    folder = tmp_path / "own" / "CONFIG"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def make_server(own_settings, tmp_path, monkeypatch):
    """Make JupyterLab's server for a folder, without starting it or using a port."""
    monkeypatch.setattr(ServerApp, "init_signal", lambda server: None)
    monkeypatch.setattr(ServerApp, "init_httpserver", lambda server: None)
    course = tmp_path / "a course"
    course.mkdir()

    def make(*arguments, folder=course):
        return START.CourseLab.initialize_server([f"--ServerApp.root_dir={folder}", *arguments])

    yield make
    ServerApp.clear_instance()


def save_as_lab(contents, path, change=lambda notebook: None, kernel=KERNEL):
    """Open a notebook as JupyterLab does, apply `change`, and save it."""
    notebook = asyncio.run(contents.get(path))["content"]
    notebook["metadata"] |= {"kernelspec": kernel, "language_info": LANGUAGE}
    change(notebook)
    asyncio.run(contents.save({"type": "notebook", "content": notebook}, path))


# --- Looking at a lesson changes nothing --------------------------------------------------------


def test_a_notebook_that_was_looked_at_is_saved_as_it_was(make_server):
    contents = make_server().contents_manager
    for path in [*LESSONS, *ANSWERS, *OPTIONAL, *LAB, LAB_OF_LEARNERS]:
        copy = Path(shutil.copy(path, contents.root_dir))
        save_as_lab(contents, copy.name)
        assert copy.read_bytes() == path.read_bytes(), path


def test_what_a_learner_writes_into_a_lesson_is_saved(make_server):
    contents = make_server().contents_manager
    copy = Path(shutil.copy(LESSONS[0], contents.root_dir))
    cell = nbformat.v4.new_code_cell("1 + 1", id="mine")

    save_as_lab(contents, copy.name, lambda notebook: notebook["cells"].append(cell))

    before, after = (json.loads(path.read_text(encoding="utf-8")) for path in (LESSONS[0], copy))
    assert after["cells"].pop()["source"] == ["1 + 1"]
    assert after == before


@pytest.mark.parametrize("kernel", [KERNEL, {**KERNEL, "name": "mine"}])
def test_a_notebook_keeps_the_kernel_that_its_author_chose(make_server, kernel):
    contents = make_server().contents_manager
    path = asyncio.run(contents.new_untitled(type="notebook"))["path"]
    save_as_lab(contents, path)

    save_as_lab(contents, path, kernel=kernel)

    metadata = nbformat.read(Path(contents.root_dir, path), as_version=4).metadata
    assert metadata == {"kernelspec": kernel, "language_info": LANGUAGE}


# --- What JupyterLab shows ----------------------------------------------------------------------


def test_jupyterlab_opens_the_readme(make_server):
    assert make_server().starter_app.default_url == "/lab/tree/README.md"


@pytest.mark.parametrize(
    "plugin, name, value",
    [
        ("docmanager-extension:plugin", "defaultViewers", {"markdown": "Markdown Preview"}),
        ("apputils-extension:notification", "fetchNews", "false"),
        ("apputils-extension:notification", "checkForUpdates", False),
    ],
)
def test_jupyterlab_renders_markdown_and_asks_for_no_news(make_server, plugin, name, value):
    lab = make_server().starter_app
    folders = (lab.app_settings_dir, lab.schemas_dir, lab.user_settings_dir)

    found = get_settings(*folders, f"@jupyterlab/{plugin}")[0]["schema"]["properties"][name]

    assert found["default"] == value
    assert "title" in found  # this JupyterLab knows a setting of that name


def test_the_list_of_files_leaves_out_what_grades_the_lab(make_server):
    contents = make_server(folder=ROOT).contents_manager

    names = {entry["name"] for entry in asyncio.run(contents.get("lab"))["content"]}

    assert {"BodySegmentation.ipynb", "README.md", "README.hi.md", "solution"} <= names
    assert not names & {"__init__.py", "grade.py", "grading"}
    assert contents.should_list("helper.py")


# --- The user's own settings, and root ----------------------------------------------------------


@pytest.mark.parametrize("name", ["jupyter_config", "jupyter_server_config", "jupyter_lab_config"])
def test_a_users_own_settings_win(own_settings, make_server, name):
    own = 'c.LabApp.default_url = "/lab"\nc.ContentsManager.pre_save_hook = print\n'
    (own_settings / f"{name}.py").write_text(own, encoding="utf-8")

    server = make_server()

    assert server.starter_app.default_url == "/lab"
    assert server.contents_manager.pre_save_hook is print


@pytest.mark.parametrize(
    "arguments, allowed",
    [
        ([], True),
        (["--ip=127.0.0.1"], True),
        (["--ip=0.0.0.0"], False),
        (["--ip=*"], False),
        (["--ip=0.0.0.0", "--allow-root"], True),
    ],
)
def test_root_may_start_it_where_other_machines_cannot_reach_it(make_server, arguments, allowed):
    server = make_server(*arguments)
    assert server.allow_root == allowed
    assert server.identity_provider.token


def test_an_address_from_the_users_own_settings_counts_too(own_settings, make_server):
    own = 'c.ServerApp.ip = "0.0.0.0"\n'
    (own_settings / "jupyter_lab_config.py").write_text(own, encoding="utf-8")
    assert not make_server().allow_root


def test_it_opens_the_course_and_not_the_users_own_folder(own_settings, tmp_path):
    own = f"c.ServerApp.root_dir = {str(tmp_path)!r}\n"
    (own_settings / "jupyter_server_config.py").write_text(own, encoding="utf-8")
    assert START.settings().ServerApp.root_dir == str(ROOT)


# --- An update of the course --------------------------------------------------------------------

UPDATE = ("git stash", "git worktree add {folder} stash", "git pull")
LESSON = "notebooks/01_pixels_and_masks.ipynb"
# No settings of git but these: a learner may not have told git a name.
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "user.useConfigOnly",
    "GIT_CONFIG_VALUE_0": "true",
}
AUTHOR = ("-c", "user.name=Author", "-c", "user.email=author@example.org")


def git(folder, *arguments):
    """What git prints in `folder`."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **GIT},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def publish(author):
    git(author, "add", ".")
    git(author, *AUTHOR, "commit", "-q", "-m", "Lessons")
    git(author, "push", "-q", "origin", "HEAD")


def append_cell(path, source):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    nbformat.write(notebook, path)


def last_cell(path):
    return nbformat.read(path, as_version=4).cells[-1].source


@pytest.fixture
def clones(tmp_path):
    """An author's and a learner's clone of a small course of one lesson."""
    git(tmp_path, "init", "-q", "--bare", "origin")
    git(tmp_path, "clone", "-q", "origin", "author")
    author, learner = tmp_path / "author", tmp_path / "a learner"
    (author / "notebooks").mkdir()
    for name in (".gitignore", ".gitattributes", LESSON):
        shutil.copy(ROOT / name, author / name)
    publish(author)
    git(tmp_path, "clone", "-q", "origin", str(learner))
    return author, learner


def test_a_learner_takes_two_updates_and_keeps_the_work(clones):
    author, learner = clones
    mine = learner / "notebooks" / "mine.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), mine)

    for folder in ("my_work", "my_work_2"):
        append_cell(author / LESSON, f"new before {folder}")
        publish(author)
        append_cell(learner / LESSON, f"written before {folder}")
        for line in UPDATE:
            git(learner, *line.format(folder=folder).split()[1:])

        assert last_cell(learner / LESSON) == f"new before {folder}"
        assert last_cell(learner / folder / LESSON) == f"written before {folder}"
        assert git(learner, "status", "--short").split() == ["??", "notebooks/mine.ipynb"]
    assert last_cell(learner / "my_work" / LESSON) == "written before my_work"
    assert mine.exists()


def test_help_says_how_to_take_an_update():
    lines = "".join(f"    {line.format(folder='my_work')}\n" for line in UPDATE)
    assert lines in (ROOT / "notebooks" / "help.md").read_text(encoding="utf-8")
