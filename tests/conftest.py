"""Settings for the whole test run, the notebooks included."""

import importlib.util
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from nbval.plugin import IPyNbFile

import segmentation_tf  # noqa: F401  speeds TensorFlow up, if it comes before the first import

# Fewer notes of TensorFlow on the processor; nothing depends on it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


# test_fuzz.py tries the same few examples in every run, and new ones for some minutes with
# --hypothesis-profile=long.
SLOW = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("short", derandomize=True, max_examples=60, **SLOW)
settings.register_profile("long", max_examples=5000, **SLOW)
settings.load_profile("short")

PACKAGES = {"torch": "torch", "jax": "jax jaxlib"}  # not in pyproject.toml: see elsewhere.md


def pytest_configure(config):
    """Say what is missing where Keras is asked for a backend that is not installed."""
    config.pluginmanager.register(NotebookHooks())
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend in PACKAGES and importlib.util.find_spec(backend) is None:
        pytest.exit(
            f"KERAS_BACKEND={backend}: {backend} is not installed (its build for the CPU serves): "
            f".venv/bin/python -m pip install {PACKAGES[backend]}",
            returncode=2,
        )


def pytest_collection_modifyitems(items):
    """Let nbval pass over stderr: what libraries say there depends on the machine."""
    for notebook in {item.parent for item in items if isinstance(item.parent, IPyNbFile)}:
        notebook.skip_compare += ("stderr",)


# --- Notebooks: no false alarm on a busy machine, and none missed -------------------------------

MINUTES = Path(__file__).parents[1] / "notebooks" / "minutes.json"


def seconds_for(path, otherwise):
    """How long a cell of this notebook may take: five times what the whole notebook took once."""
    minutes = json.loads(MINUTES.read_text(encoding="utf-8"))
    return max(120, 300 * minutes[path.stem]) if path.stem in minutes else otherwise


class NotebookHooks:
    """Hooks for all notebooks. Those of a conftest are called for the tests beside it alone."""

    def __init__(self):
        self.first_failures = {}

    def pytest_runtest_setup(self, item):
        if isinstance(item.parent, IPyNbFile):
            option = item.config.option
            option.given_timeout = getattr(option, "given_timeout", option.nbval_cell_timeout)
            option.nbval_cell_timeout = seconds_for(item.path, option.given_timeout)
            # The lab's tag is for learners, not for solutions.
            item.options["check_exception"] = False
            # For a picture to come from the kernel: nbval's 5 are few.
            item.output_timeout = min(30, option.nbval_cell_timeout)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        """Fail a cell that took too long, also if it ends well when stopped, as `train` does."""
        result = yield
        if isinstance(item.parent, IPyNbFile) and item.parent.timed_out:
            timeout = item.config.option.nbval_cell_timeout
            pytest.fail(f"no end after {timeout:g} s", pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item):
        report = yield
        if report.failed and isinstance(item.parent, IPyNbFile):
            first_line = item.cell.source.strip().partition("\n")[0]
            self.first_failures.setdefault(item.path, f"{item.name}: {first_line}")
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter):
        """End with each notebook's first failed cell, which often makes others fail."""
        yield
        for notebook, cell in self.first_failures.items():
            terminalreporter.write_line(f"first failure in {notebook}: {cell}", red=True)
