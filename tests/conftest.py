"""Settings for the whole test run, the notebooks included."""

import os

from nbval.plugin import IPyNbFile

import segmentation_tf  # noqa: F401  speeds TensorFlow up, if it comes before the first import

# Fewer notes of TensorFlow on the processor; nothing depends on it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def pytest_collection_modifyitems(items):
    """Let nbval pass over stderr: what libraries say there depends on the machine."""
    for notebook in {item.parent for item in items if isinstance(item.parent, IPyNbFile)}:
        notebook.skip_compare += ("stderr",)
