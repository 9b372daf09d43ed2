# Every target but help sets up .venv by itself, once. Nothing has to be activated or exported.

# The Python to make .venv with: make run PYTHON=python3.12
PYTHON ?= python3
# What Keras computes with: make test BACKEND=torch (or jax) runs the lessons on it.
BACKEND ?= $(or $(KERAS_BACKEND),tensorflow)
export KERAS_BACKEND := $(BACKEND)
# More for the command behind a target: make test ARGS="-k pipeline"
ARGS ?=
# What make check runs: make check TESTS=tests/package
TESTS ?= tests
# The folder of submitted notebooks: make grade SUBMITTED=../submissions
SUBMITTED ?=
export SUBMITTED

# Only .venv's packages, plugins and kernels count, not those of another Python that the environment
# names. PYTHONUTF8 and the two beside it stay: they only change how text is written.
unexport $(filter-out PYTHONUTF8 PYTHONIOENCODING PYTHONUNBUFFERED,\
    $(filter PYTHON% PYTEST_%,$(.VARIABLES))) JUPYTER_PATH
export JUPYTER_PREFER_ENV_PATH := 1
# These lead pip away from .venv. The mirror, proxy and certificate stay.
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PIP_DRY_RUN

# .venv/bin/python -m ... and relative paths only: the folder's name may have spaces in it.
VENV_PYTHON := .venv/bin/python

.PHONY: help setup run test check lint jupyter grade bench

help:
	@echo "make setup    install everything into .venv, and no more"
	@echo "make run      run every lesson and write it as a page: build/index.html"
	@echo "make jupyter  open the lessons in JupyterLab"
	@echo "make test     run the tests, and every lesson as a test"
	@echo "make check    run the tests without the lessons: before every commit"
	@echo "make grade    grade the lab: make grade SUBMITTED=folder"
	@echo "make bench    measure the numbers that the course states"

setup: .venv/.installed

run: .venv/.installed
	@$(VENV_PYTHON) notebooks/run.py $(ARGS)

test: lint
	@$(VENV_PYTHON) -m pytest $(if $(filter-out tensorflow,$(BACKEND)),\
	    tests/robustness/test_backends.py notebooks) $(ARGS)

check: lint
	@$(VENV_PYTHON) -m pytest $(TESTS) $(ARGS)

lint: .venv/.installed
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .

jupyter: .venv/.installed
	@$(VENV_PYTHON) .jupyter/start.py $(ARGS)

grade: .venv/.installed
	@$(VENV_PYTHON) -m lab.grade "$$SUBMITTED" $(ARGS)

bench: .venv/.installed
	@$(VENV_PYTHON) tests/benchmark/bench.py $(ARGS)

# Said before anything is set up. Quoted by the shell above, the name may have anything in it.
ifneq ($(filter grade,$(MAKECMDGOALS)),)
$(if $(SUBMITTED),,$(error Name the folder of the notebooks: make grade SUBMITTED=folder))
endif

# --- Setting up .venv ---------------------------------------------------------------------------

# The stamp .venv/.installed is written last and holds the folder it was written in. So an
# interrupted installation has none, and a .venv that was moved or copied has the wrong one:
# both are made again. A newer requirements.txt or pyproject.toml is only installed on top.
INSTALLED := $(shell test -x .venv/bin/python && \
    test "$$(cat .venv/.installed 2>/dev/null)" = "$$(pwd -P)" && echo yes)
ifneq ($(INSTALLED),yes)
.PHONY: .venv/.installed
endif

.venv/.installed: requirements.txt pyproject.toml
	$(if $(INSTALLED),,$(check_python))
	@echo "Setting up .venv, once: some minutes and about 3 GB, most of it TensorFlow."
	$(if $(INSTALLED),,@rm -rf .venv && "$(PYTHON)" -m venv .venv)
	@rm -f .venv/.installed
	@printf '[%s]\n$(into_venv)' global install > .venv/pip.conf
	@$(VENV_PYTHON) -m pip install --disable-pip-version-check -r requirements.txt
	@$(VENV_PYTHON) -I -c '$(look)' 2> /dev/null || { echo "$(incomplete)" >&2; exit 1; }
	@pwd -P > .venv/.installed

# .venv/pip.conf overrides the user's pip.conf, also where pip calls itself to build a package.
into_venv = user = no\ntarget =\nprefix =\nroot =\npython =\ndry-run = no\n

# Whether .venv has what every system needs: the lines of requirements.txt without a marker.
look = from importlib.metadata import version; \
    lines = [line for line in open("requirements.txt") if "==" in line and ";" not in line]; \
    assert all(version(name) == pin for name, pin in (line.strip().split("==") for line in lines))
incomplete = pip did not install all of requirements.txt into .venv. Remove the setting that leads \
    it elsewhere: \`$(VENV_PYTHON) -m pip config list\` lists it.

# One clear line where PYTHON will not do, in place of a traceback.
version = $(shell "$(PYTHON)" -E -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
has_venv = $(shell "$(PYTHON)" -E -c 'import ensurepip, venv' 2>/dev/null && echo yes)
again = make $(firstword $(MAKECMDGOALS)) PYTHON=python3.12
check_python = $(if $(filter 3.11 3.12 3.13,$(version)),$(check_venv),$(error \
    The course needs Python 3.11, 3.12 or 3.13; $(PYTHON) is \
    $(if $(version),Python $(version),not there). Name one that fits, such as: $(again)))
check_venv = $(if $(has_venv),,$(error \
    $(PYTHON) has no venv module; on Debian and Ubuntu: sudo apt install python$(version)-venv))
