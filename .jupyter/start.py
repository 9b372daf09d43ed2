"""Open the lessons in JupyterLab: python .jupyter/start.py, with JupyterLab's own options.

Your own Jupyter settings hold as well. They win, except for root_dir and HIDDEN names.
"""

import json
import os
from pathlib import Path

from jupyter_core.application import JupyterApp
from jupyterlab.labapp import LabApp
from traitlets.config import Config

FOLDER = Path(__file__).resolve().parent
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# The lab's grader, and every __init__.py. JupyterLab lists these names in no folder.
HIDDEN = ["__init__.py", "grade.py", "grading"]


def settings():
    """The course's settings, which the user's override."""
    config = Config()
    config.LabApp.default_url = "/lab/tree/README.md"
    config.LabApp.app_settings_dir = str(FOLDER)  # where JupyterLab finds overrides.json
    for name in ("jupyter_lab_config", "jupyter_server_config"):
        own = JupyterApp(config_file_name=name)
        own.load_config_file()
        config.merge(own.config)
    # Not the user's folder: this command opens the course.
    config.ServerApp.root_dir = str(FOLDER.parent)
    return config


def keep_metadata(model, path, contents_manager):
    """Keep the kernel's details as the file has them, unless the kernel has changed.

    JupyterLab rewrites them even if you only look at a notebook. Git would see a change.
    """
    if model["type"] != "notebook":
        return
    file = Path(contents_manager.root_dir, path.strip("/"))
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))["metadata"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # a new notebook, or one that was damaged
    metadata = model["content"]["metadata"]
    if kernel_name(stored) == kernel_name(metadata):
        for key in {"kernelspec", "language_info"} & stored.keys():
            metadata[key] = stored[key]


def kernel_name(metadata):
    return metadata.get("kernelspec", {}).get("name")


class CourseLab(LabApp):
    """JupyterLab with the course's settings."""

    @classmethod
    def get_extension_package(cls):
        """The package of the extension. Jupyter would take this file."""
        return "jupyterlab"

    @classmethod
    def initialize_server(cls, argv=None, **kwargs):
        """The server, ready to start."""
        server = super().initialize_server(argv, config=settings(), **kwargs)
        server.contents_manager.register_pre_save_hook(keep_metadata)
        server.contents_manager.hide_globs += HIDDEN
        # Jupyter refuses to run as root, but in many containers there is no other user. That is
        # safe while other machines cannot reach the server.
        if server.ip in LOOPBACK:
            server.allow_root = True
        return server


if __name__ == "__main__":
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # for kernels on Linux, as in notebooks/run.py
    CourseLab.launch_instance()
