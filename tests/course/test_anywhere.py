"""Packages, make, and where else the course runs: a container, Binder, GitHub's machines."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


PROJECT = tomllib.loads(text_of("pyproject.toml"))["project"]


def fits(version):
    """Whether pyproject.toml allows this version of Python."""
    return version in SpecifierSet(PROJECT["requires-python"])


def commands(workflow):
    """Every command that the jobs of a workflow run."""
    jobs = yaml.safe_load(text_of(f".github/workflows/{workflow}.yml"))["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


# --- Packages, make -----------------------------------------------------------------------------


def test_the_lock_holds_exact_versions_and_the_course_itself_and_no_host():
    course, *lines = [ln for ln in text_of("requirements.txt").splitlines() if ln[0] != "#"]
    assert course == "-e ."
    for line in lines:
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; [\w .*'<>=!()]+)?", line), line


def test_the_lock_fits_what_pyproject_names():
    lines = [ln for ln in text_of("requirements.txt").splitlines() if "==" in ln]
    locked = [Requirement(line) for line in lines]
    versions = {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in locked}
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for needed in (Requirement(text) for group in groups for text in group):
        version = versions.get(canonicalize_name(needed.name))
        assert version in needed.specifier, f"{needed}: renew the lock, see CONTRIBUTING.md"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", ["check", "test"])
def test_make_looks_at_the_code_before_it_runs_the_tests(target):
    shown = ["make", "--dry-run", "--assume-old=.venv/.installed", target]
    done = subprocess.run(shown, cwd=ROOT, capture_output=True, text=True, check=True)
    modules = re.findall(r"-m (ruff check|ruff format --check|pytest)", done.stdout)
    assert modules == ["ruff check", "ruff format --check", "pytest"]


# --- A container, Binder ------------------------------------------------------------------------


def test_the_container_has_a_python_that_fits_and_sets_up_venv_as_make_does():
    without_comments = re.sub(r"(?m)^\s*//.*", "", text_of(".devcontainer/devcontainer.json"))
    container = json.loads(without_comments)
    assert fits(re.search(r"/python:([\d.]+)-", container["image"])[1])
    target = re.search(r"make (\S+)$", container["postCreateCommand"])[1]
    makefile = text_of("Makefile")
    assert f"\n{target}:" in makefile
    python = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert python.endswith("/" + re.search(r"VENV_PYTHON := (\S+)", makefile)[1])


def test_binder_has_a_python_that_fits():
    assert fits(re.fullmatch(r"python-(3\.\d+)\n", text_of(".binder/runtime.txt"))[1])


def test_binder_installs_what_the_course_imports_and_the_course():
    *_, command = text_of(".binder/postBuild").splitlines()
    assert command == "python -m pip install --no-cache-dir -e ."


# --- GitHub's machines --------------------------------------------------------------------------


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request):
    return yaml.safe_load(request.param.read_text(encoding="utf-8"))


def test_every_job_ends_in_time_and_its_actions_have_a_version(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            assert re.search(r"@(v\d+|[0-9a-f]{40})$", step.get("uses", "@v1")), step


def test_the_tests_run_on_every_python_that_fits_and_on_every_system():
    jobs = yaml.safe_load(text_of(".github/workflows/tests.yml"))["jobs"]
    tested = {name: job["strategy"]["matrix"] for name, job in jobs.items()}
    versions = [f"3.{minor}" for minor in range(30) if fits(f"3.{minor}")]
    assert all(matrix["python"] == versions for matrix in tested.values())
    assert f"filter {' '.join(versions)}," in text_of("Makefile")
    assert [system.split("-")[0] for system in tested["elsewhere"]["system"]] == [
        "macos",
        "windows",
    ]
    assert jobs["linux"]["runs-on"].startswith("ubuntu")


def test_the_weekly_run_installs_every_group_and_not_the_lock():
    groups = ",".join(PROJECT["optional-dependencies"])
    assert f'python -m pip install -e ".[{groups}]"' in commands("weekly")
    assert not any("requirements.txt" in command for command in commands("weekly"))
