"""The package is laid out as its docstring says, and nothing in it imports upwards."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "segmentation_tf"
FOLDERS = {"datasets", "panoptic", "pose", "drawn"}


def table(page):
    """The files and the folders that the package's docstring, or a page's table, lists in order."""
    row = r"(?m)^(?:\| `| {4})(\w+)(\.py|/)(?:` \|| )"
    rows = re.findall(row, page.read_text(encoding="utf-8"))
    files = [name for name, end in rows if end == ".py"]
    return files, [name for name, end in rows if end == "/"]


DOCSTRING = PACKAGE / "__init__.py"
COMMAND = "__main__"  # the last row: it calls the others, and nothing imports it
CORE = [name for name in table(DOCSTRING)[0] if name != COMMAND]
# What these two define, formats and names, serves every folder: they import nothing.
BASIC = {"panoptic.maps", "pose.joints"}
# What the command and the modules of a folder may import.
MAY_IMPORT = {
    COMMAND: {*CORE, "datasets"},
    "datasets": {*CORE, *BASIC, "datasets"},
    "panoptic": {*CORE, "panoptic"},
    "pose": {*CORE, "datasets", "pose"},
    "drawn": {*BASIC, "cases", "images", "drawn"},
}


def all_modules():
    """Every module of the package by its name below the package, such as pose.joints."""
    paths = sorted(PACKAGE.glob("**/*.py"))
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in paths}


MODULES = all_modules()


def imports(nodes):
    """The names below the package that these nodes of a syntax tree import."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    prefix = "segmentation_tf."
    return {name.removeprefix(prefix) for name in found if name.startswith(prefix)}


def is_below(name, parts):
    """Whether an imported name, such as pose.joints.JOINTS, is one of `parts` or in one."""
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def allowed(module):
    """The parts of the package that a module may import."""
    if module in CORE:
        return set(CORE[: CORE.index(module)])
    return set() if module in BASIC else MAY_IMPORT.get(module.split(".")[0], set())


def upward_imports(module, source):
    """What a module imports and may not. Datasets may import drawn/, but only inside functions."""
    nodes = set(ast.walk(ast.parse(source)))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    inside = {node for function in functions for node in ast.walk(function)}
    lazy = {"drawn"} if module.startswith("datasets.") else set()
    faults = {name for name in imports(inside) if not is_below(name, allowed(module) | lazy)}
    return faults | {n for n in imports(nodes - inside) if not is_below(n, allowed(module))}


def test_the_table_of_the_package_is_complete():
    files, folders = table(DOCSTRING)
    assert files == [*CORE, COMMAND]
    assert sorted(files) == [name for name in MODULES if "." not in name and name != "__init__"]
    assert set(folders) == FOLDERS == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_upwards(module):
    assert upward_imports(module, MODULES[module].read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cases", "from segmentation_tf.images import read_image"),
        ("images", "from segmentation_tf import pipeline"),
        ("plotting", "from segmentation_tf.panoptic import maps"),
        ("evaluation", "def f():\n    from segmentation_tf.datasets import ph2"),
        ("pose.targets", "import segmentation_tf.drawn.dancers"),
        ("panoptic.targets", "from segmentation_tf.datasets import coco_panoptic"),
        ("panoptic.maps", "from segmentation_tf.pose.joints import JOINTS"),
        ("drawn.drawing", "from segmentation_tf.datasets.folders import children"),
        ("datasets.ph2", "from segmentation_tf.drawn import dermoscopy"),
        ("datasets.ph2", "try:\n    from segmentation_tf.drawn import body\nexcept E: pass"),
        ("datasets.pairs", "from segmentation_tf.drawn import leaves"),
        ("datasets.checkup", "from segmentation_tf.panoptic import targets"),
        ("drawn.leaves", "from segmentation_tf.datasets import pairs"),
        ("plotting", "from segmentation_tf.__main__ import main"),
        ("__main__", "from segmentation_tf.drawn import leaves"),
    ],
)
def test_an_import_upwards_is_found(module, source):
    assert len(upward_imports(module, source)) == 1
