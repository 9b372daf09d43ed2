"""Where else the course runs (a container, Binder, GitHub's machines) fits what it needs."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def fits(version):
    """Whether pyproject.toml allows this version of Python."""
    allowed = tomllib.loads(text_of("pyproject.toml"))["project"]["requires-python"]
    return version in SpecifierSet(allowed)


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


@pytest.mark.skipif(sys.platform == "win32", reason="a script for bash")
def test_binder_installs_what_the_course_imports_and_the_course(tmp_path):
    told = tmp_path / "python"  # in place of Python: says what pip would be given
    told.write_text("#!/bin/sh\necho $*\ncat\n")
    told.chmod(0o755)
    done = subprocess.run(
        [shutil.which("bash"), ".binder/postBuild"],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    command, *lines = [line for line in done.stdout.splitlines() if not line.startswith("# ")]
    assert command == "-m pip install --no-cache-dir -r /dev/stdin"
    course = text_of("requirements.txt").split("\n\n")[1].splitlines()[1:]
    assert len(course) > 5 and lines == [*course, "-e ."]


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


def test_the_weekly_run_takes_the_pins_off_and_nothing_else():
    [command] = [
        step["run"]
        for job in yaml.safe_load(text_of(".github/workflows/weekly.yml"))["jobs"].values()
        for step in job["steps"]
        if step.get("run", "").startswith("sed ")
    ]
    pattern = re.fullmatch(r"sed -i 's/(.*)//' requirements\.txt", command)[1]
    before = text_of("requirements.txt").splitlines()
    after = [re.sub(pattern, "", line, count=1) for line in before]
    assert "tensorflow" in after and not any("==" in line for line in after)
    assert [line.partition("==")[0] for line in before] == after
