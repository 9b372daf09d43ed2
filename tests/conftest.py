"""Settings for the whole test run, the notebooks included."""

import importlib.util
import os

import pytest
from nbval.plugin import IPyNbFile

import segmentation_tf  # noqa: F401  speeds TensorFlow up, if it comes before the first import

# Fewer notes of TensorFlow on the processor; nothing depends on it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


PACKAGES = {"torch": "torch", "jax": "jax jaxlib"}  # not in requirements.txt: see README.md


def pytest_configure():
    """Say what is missing where Keras is asked for a backend that is not installed."""
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
