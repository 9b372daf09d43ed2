"""Open the lessons in JupyterLab: python .jupyter/start.py, with JupyterLab's own options.

Your own Jupyter settings hold as well. Where they differ from the course's, yours win.
"""

import json
from pathlib import Path

from jupyter_core.application import JupyterApp
from jupyterlab.labapp import LabApp
from traitlets.config import Config

FOLDER = Path(__file__).resolve().parent
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# What grades the lab. JupyterLab leaves these names out of its list of files, in every folder.
HIDDEN = ["__init__.py", "grade.py", "grading"]


def settings():
    """The course's settings, and over them the user's own."""
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
    """Save a notebook with the kernel's details that its file has, if the kernel is the same.

    JupyterLab rewrites the details of a notebook that is only looked at; git would see a change.
    """
    file = Path(contents_manager.root_dir, path.strip("/"))
    if model["type"] != "notebook" or not file.is_file():
        return
    stored = json.loads(file.read_text(encoding="utf-8"))["metadata"]
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
        """Where Jupyter looks for the extension: otherwise in this file."""
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
    CourseLab.launch_instance()
