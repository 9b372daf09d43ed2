"""Every stored notebook keeps to the style of the course (whether it runs, nbval tests).

A rule is a function that takes a notebook and yields its complaints, each naming the cell: code
cells by the number of their order, [1], [2], ...; a notebook is good if no rule complains.
At the end of the file every rule is shown a bad notebook, because a rule that cannot fail is none.
"""

import ast
import base64
import copy
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

import run

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "lab" / "solution").glob("*.ipynb"))

# What a '## ' heading must contain, in this order; other headings may stand between.
SKELETON = [
    "what you will learn",
    "set-up",
    "data",
    "look",
    "model",
    "train",
    "judge",
    "where it fails",
    "summary",
    "exercises",
    "check yourself",
    "next",
]
HOME_PATH = re.compile(
    r"/(home|root|Users|tmp|work|private|mnt|content)/|[A-Z]:\\+Users", re.IGNORECASE
)
DOWNLOAD = re.compile(
    r"\burllib|\brequests\b|\bget_file\b|\bwget\b|\bcurl\b|\bkaggle|\bgdown"
    r"|datasets\.\w+\.load_data|from_preset|\bimagenet\b"
)
ADDRESS = re.compile(r"\bat 0x[0-9a-f]+", re.IGNORECASE)
INSTALL = re.compile(r"\bpip\b|\bconda\b|\bensurepip\b")
READS_ENVIRONMENT = re.compile(
    r"getenv|environ\.get|in (os\.)?environ|environ\[[^\]]*\](?!\s*=[^=])|sys\.modules|sys\.argv"
)
MAX_BYTES = 1_500_000


# --- Reading a notebook -------------------------------------------------------------------------


def code_cells(notebook):
    """Yields (number, cell), the number being the execution count the cell should have."""
    return enumerate((c for c in notebook.cells if c.cell_type == "code"), 1)


def tags(cell):
    return cell.metadata.get("tags", [])


def source_lines(cell):
    """The lines of code. Of the lab's cells, neither nbgrader's marks nor a task's text count."""
    source = re.sub(r"(?m)^\s*### (BEGIN|END) .*", "", cell.source)
    if cell.metadata.get("nbgrader", {}).get("solution"):
        source = re.sub(r'""".*?"""', "", source, count=1, flags=re.DOTALL)
    return [line for line in source.splitlines() if line.strip()]


def texts(cell):
    """What a cell printed or showed as text."""
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            yield output.text
        elif "text/plain" in output.get("data", {}):
            yield output.data["text/plain"]


def html(cell):
    datas = [output.get("data", {}) for output in cell.get("outputs", [])]
    return [data["text/html"] for data in datas if "text/html" in data]


def pictures(cell):
    datas = [output.get("data", {}) for output in cell.get("outputs", [])]
    return [data["image/png"] for data in datas if "image/png" in data]


def colab_cell():
    """The text of the first lesson's cell for Colab; the other notebooks have the same."""
    cells = code_cells(nbformat.read(LESSONS[0], as_version=4))
    return next(cell.source for _, cell in cells if "colab" in tags(cell))


def python(cell):
    """The cell as plain Python: shell lines and magics become calls of get_ipython()."""
    return TransformerManager().transform_cell(cell.source)


def markdown(notebook):
    """All text, without what stands in code fences."""
    text = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def section(notebook, name):
    """The text below the '## ' heading that contains `name`, up to the next one."""
    for part in re.split(r"^## ", markdown(notebook), flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        if name in heading.lower():
            return body
    return ""


def prose_before_code(notebook):
    """Yields (number of the code cell, text before it, code cells since the last text)."""
    text, since, number = "", 0, 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text, since = text + "\n\n" + cell.source, 0
        elif cell.cell_type == "code":
            number, since = number + 1, since + 1
            yield number, text, since
            text = ""


def words(text, lists=True):
    """How many words of prose: no heading, table, code, picture, folded answer; lists if asked."""
    hidden = r"^```.*?^```|^\$\$.*?\$\$|<details>.*?</details>"
    text = re.sub(hidden, "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"!\[.*?\]\(.*?\)|<[^>]+>", "", text)
    left_out = r"\s*[#|]" if lists else r"\s*([#|]|[-*+] |\d+[.)] |  )"
    return sum(len(line.split()) for line in text.splitlines() if not re.match(left_out, line))


# --- Rules for every notebook -------------------------------------------------------------------


def code_cells_are_short(notebook):
    lengths = [len(source_lines(cell)) for _, cell in code_cells(notebook)]
    for number, length in enumerate(lengths, 1):
        if length > 25 or length == 0:
            yield f"[{number}] has {length} lines; 1 to 25 are allowed"
    if statistics.median(lengths) > 6:
        yield f"the median of the code cells has {statistics.median(lengths)} lines, over 6"
    long = [number for number, length in enumerate(lengths, 1) if length > 12]
    if len(long) > len(lengths) / 10:
        yield f"more than one code cell in ten is over 12 lines: {long}"


def prose_comes_before_code(notebook):
    for number, _, since in prose_before_code(notebook):
        if since > 3:
            yield f"[{number}] is code cell {since} in a row without a word between"


def prose_is_brief(notebook):
    counts = [words(text) for _, text, _ in prose_before_code(notebook) if text.strip()]
    if not 30 <= statistics.median(counts) <= 90:
        yield f"the median text before code has {statistics.median(counts)} words, not 30 to 90"
    for cell in notebook.cells:
        count = words(cell.source, lists=False)
        if cell.cell_type == "markdown" and count > 120:
            yield f"{count} words of prose, over 120, in the cell {cell.source[:40]!r}"


def prose_repeats_no_printed_number(notebook):
    """Decimals and long counts belong to the outputs: in prose they would grow old."""
    number = r"(?<![\d.,])(?:\d+\.\d{2,}|\d{1,3}(?:,\d{3})+|\d{5,})(?![\d.,]*\d)"
    outputs = "\n".join(text for _, cell in code_cells(notebook) for text in texts(cell))
    printed = set(re.findall(number, outputs))
    for said in sorted(set(re.findall(number, markdown(notebook))) & printed):
        yield f"the text says {said}, which a cell prints"


def has_figures(notebook):
    shown = sum(bool(pictures(cell)) for _, cell in code_cells(notebook))
    cells = sum(1 for _ in code_cells(notebook))
    if shown * 6 < cells:
        yield f"{shown} figures in {cells} code cells; at least one in 6"


def figures_are_not_blank(notebook):
    for number, cell in code_cells(notebook):
        for picture in pictures(cell):
            image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
            pixels = np.asarray(image).reshape(-1, 3)
            if (pixels != pixels[0]).any(axis=1).mean() < 0.01:
                yield f"[{number}] stores a blank figure"


def was_run_from_top_to_bottom(notebook):
    for number, cell in code_cells(notebook):
        counts = [o.execution_count for o in cell.outputs if o.output_type == "execute_result"]
        for count in [cell.execution_count, *counts]:
            if count != number:
                yield f"[{number}] has the execution count {count}: store with run.py --store"


def has_no_stderr(notebook):
    for number, cell in code_cells(notebook):
        if any(output.get("name") == "stderr" for output in cell.outputs):
            yield f"[{number}] stores stderr: store with run.py --store"


def has_no_error(notebook):
    for number, cell in code_cells(notebook):
        if any(output.output_type == "error" for output in cell.outputs):
            yield f"[{number}] stores an error; show an expected one with try and except"


def outputs_are_the_same_everywhere(notebook):
    """No folder of one person, no address in memory, no bar that redraws itself."""
    for number, cell in code_cells(notebook):
        own = "/content/" if "colab" in tags(cell) else None  # Colab's folder, the same for all
        source = cell.source.replace(own, "") if own else cell.source
        shown = "\n".join([source, *texts(cell), *html(cell)])
        for pattern in (HOME_PATH, ADDRESS):
            if found := pattern.search(shown):
                yield f"[{number}] holds {found[0]!r}"
        if any(re.search(r"[\b\r]", t) for t in texts(cell)):
            yield f"[{number}] stores a progress bar, drawn over and over"


def outputs_are_short(notebook):
    for number, cell in code_cells(notebook):
        lines = sum(len(text.splitlines()) for text in texts(cell))
        if lines > 100:
            yield f"[{number}] stores {lines} lines of text, over 100"


def file_is_small(notebook):
    size = len(nbformat.writes(notebook).encode())
    if size > MAX_BYTES:
        yield f"{size / 1e6:.1f} MB, over {MAX_BYTES / 1e6} MB"


def is_in_stored_form(notebook):
    if run.stored_form(copy.deepcopy(notebook)) != notebook:
        yield "has other metadata than run.py --store writes"
    ids = [cell.get("id") for cell in notebook.cells]
    if None in ids or len(set(ids)) < len(ids):
        yield "has cells without an id of their own"


def has_no_shell_line(notebook):
    for number, cell in code_cells(notebook):
        if "colab" not in tags(cell) and "get_ipython" in python(cell):
            yield f"[{number}] has a line that is not Python (!, % or ?)"


def installs_nothing(notebook):
    """The cell tagged colab may, and only there."""
    for number, cell in code_cells(notebook):
        if "colab" in tags(cell):
            if "google.colab" not in cell.source:
                yield f"[{number}] is tagged colab and does not ask for google.colab"
        elif INSTALL.search(cell.source):
            yield f"[{number}] installs something outside the cell tagged colab"


def begins_with_the_cell_for_colab(notebook):
    cells = [cell for _, cell in code_cells(notebook)]
    if ["colab" in tags(cell) for cell in cells] != [True] + [False] * (len(cells) - 1):
        yield "the first code cell, and no other, must have the tag colab"
    elif cells[0].source != colab_cell():
        yield "the cell tagged colab is not that of the first lesson"


def downloads_nothing(notebook):
    for number, cell in code_cells(notebook):
        if found := DOWNLOAD.search(cell.source):
            yield f"[{number}] downloads: {found[0]}"


def runs_the_same_everywhere(notebook):
    """A lesson that asks where it runs could do less there."""
    for number, cell in code_cells(notebook):
        found = READS_ENVIRONMENT.search(cell.source)
        if found and "colab" not in tags(cell):
            yield f"[{number}] asks where it runs: {found[0]}"


def nbval_skips_nothing(notebook):
    """Misspelt markers do nothing at all, and these tags and markers switch a check off."""
    for number, cell in code_cells(notebook):
        for line in cell.source.splitlines():
            if "nbval" in line.lower() and line.strip() != "# NBVAL_CHECK_OUTPUT":
                yield f"[{number}] has {line.strip()!r}; only # NBVAL_CHECK_OUTPUT counts"
        for tag in tags(cell):
            if tag.startswith("nbval") or tag in ("raises-exception", "skip-execution"):
                yield f"[{number}] is tagged {tag}"


def checked_cells_hold_text(notebook):
    """nbval compares text: a cell that prints nothing, or was never run, passes silently."""
    checked = [(n, c) for n, c in code_cells(notebook) if "# NBVAL_CHECK_OUTPUT" in c.source]
    if not checked:
        yield "no cell is checked: mark one that prints a fact with # NBVAL_CHECK_OUTPUT"
    for number, cell in checked:
        if not any(t.strip() and not t.startswith("<Figure") for t in texts(cell)):
            yield f"[{number}] is checked and has no text to compare"
        if re.search(r"^\s*(import|from) ", cell.source, re.MULTILINE):
            yield f"[{number}] is checked and imports: what TensorFlow says at import differs"


def asserts_give_a_reason(notebook):
    found = 0
    for number, cell in code_cells(notebook):
        for node in ast.walk(ast.parse(python(cell))):
            if isinstance(node, ast.Assert):
                found += 1
                if node.msg is None:
                    yield f"[{number}] asserts without a reason: assert ..., 'reason'"
    if not found:
        yield "no cell asserts anything, such as a score above a baseline"


# --- Rules for the parts of a notebook ----------------------------------------------------------


def opens_with_title_and_promise(notebook):
    first = notebook.cells[0]
    lines = [line for line in first.source.splitlines() if line.strip()]
    if first.cell_type != "markdown" or not lines or not lines[0].startswith("# "):
        yield "the first cell must start with the title, '# ...'"
    elif len(lines) < 2 or lines[1].startswith("#"):
        yield "the line below the title must be the promise"


def follows_the_skeleton(notebook):
    headings = [h.lower() for h in re.findall(r"^## (.*)", markdown(notebook), re.MULTILINE)]
    for name in SKELETON:
        found = [i for i, heading in enumerate(headings) if name in heading]
        if not found:
            yield f"no heading '## ... {name} ...' in its place"
        else:
            headings = headings[found[0] + 1 :]


def sums_up_in_three_to_five(notebook):
    bullets = len(re.findall(r"^[-*] ", section(notebook, "summary"), re.MULTILINE))
    if not 3 <= bullets <= 5:
        yield f"the summary has {bullets} bullets, not 3 to 5"


def has_three_exercises(notebook):
    body = section(notebook, "exercises")
    headings = re.findall(r"^### ", body, re.MULTILINE)
    exercises = headings or re.findall(r"^\d+[.)] ", body, re.MULTILINE)
    if len(exercises) != 3:
        yield f"{len(exercises)} exercises, not 3 (### headings, or else a numbered list)"
    if not re.search(r"\bwrit|\bown words|\bsentences?\b", body, re.IGNORECASE):
        yield "no exercise says that it is answered in writing"


def has_three_folded_answers(notebook):
    body = section(notebook, "check yourself")
    for tag in ("<details>", "</details>", "<summary>", "</summary>"):
        if body.count(tag) != 3:
            yield f"check yourself has {body.count(tag)} {tag}, not 3"
    if body.count("?") < 3:
        yield "check yourself asks fewer than 3 questions"


def has_one_main_score(notebook):
    found = [(n, c) for n, c in code_cells(notebook) if "main-score" in tags(c)]
    if len(found) != 1:
        yield f"{len(found)} code cells are tagged main-score, not 1"
    for number, _ in found:
        if run.main_score(notebook) == "-":
            yield f"[{number}] is tagged main-score and prints nothing"


RULES = [
    code_cells_are_short,
    prose_comes_before_code,
    prose_is_brief,
    prose_repeats_no_printed_number,
    has_figures,
    figures_are_not_blank,
    was_run_from_top_to_bottom,
    has_no_stderr,
    has_no_error,
    outputs_are_the_same_everywhere,
    outputs_are_short,
    file_is_small,
    is_in_stored_form,
    has_no_shell_line,
    installs_nothing,
    begins_with_the_cell_for_colab,
    downloads_nothing,
    runs_the_same_everywhere,
    nbval_skips_nothing,
    checked_cells_hold_text,
    asserts_give_a_reason,
    opens_with_title_and_promise,
    follows_the_skeleton,
    sums_up_in_three_to_five,
    has_three_exercises,
    has_three_folded_answers,
    has_one_main_score,
]


# --- The tests ----------------------------------------------------------------------------------


def rule_name(value):
    return value.__name__ if callable(value) else value.stem


@pytest.mark.parametrize(
    "path, rule",
    [(path, rule) for path in LESSONS + SOLUTIONS for rule in RULES],
    ids=rule_name,
)
def test_notebook(path, rule):
    complaints = list(rule(nbformat.read(path, as_version=4)))
    assert not complaints, f"{path.name}: " + "; ".join(complaints)


@pytest.mark.parametrize("path", LESSONS + SOLUTIONS, ids=rule_name)
def test_file_is_written_as_run_writes_it(path):
    stored = path.read_bytes().decode("utf-8")
    assert stored == nbformat.writes(nbformat.reads(stored, as_version=4)) + "\n"


def test_there_are_lessons_and_they_are_numbered():
    assert LESSONS, "no notebook in notebooks/"
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem) for path in LESSONS)


def test_code_is_tidy():
    """ruff, over the modules and the notebooks, with the settings of pyproject.toml."""
    command = [sys.executable, "-m", "ruff", "check", "--output-format=concise", "."]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


# --- The cell for Colab -------------------------------------------------------------------------


def test_the_cell_for_colab_does_nothing_elsewhere(monkeypatch, capfd):
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    before = Path.cwd(), list(sys.path), set(os.environ)
    exec(colab_cell(), {"input": None})  # None cannot be called
    assert (Path.cwd(), sys.path, set(os.environ)) == before
    assert capfd.readouterr() == ("", "")


def test_the_cell_for_colab_names_the_packages_of_the_course():
    course = (ROOT / "requirements.txt").read_text(encoding="utf-8").split("\n\n")[1]
    needs = re.search(r'needs = "(.*)"', colab_cell())[1].split()
    assert needs == re.findall(r"(?m)^\w[\w-]*", course)


ON_COLAB = """
import os, pkgutil, sys, types

address, cell = sys.argv[1:]
sys.modules["google.colab"] = types.ModuleType("google.colab")
exec(cell, {"input": lambda question: address})
exec(cell, {"input": None})  # once more, as a learner may: nothing is asked again

import lab, segmentation_tf
from segmentation_tf.datasets.folders import REPOSITORY
from segmentation_tf.drawn.drawing import draw_parallel
found = draw_parallel(pkgutil.resolve_name, [("segmentation_tf:__file__",)], "another process")
print(os.getcwd(), lab.__file__, REPOSITORY, *found, sep="\\n")
"""


def write_wheel(folder, name, version):
    """A package with nothing in it, for pip to choose from."""
    about = f"{name}-{version}.dist-info"
    texts = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for file, text in texts.items():
            wheel.writestr(f"{about}/{file}", text)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no clone of the repository to clone")
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_on_colab_the_cell_fetches_the_course_and_replaces_no_package(tmp_path):
    """The last commit stands for the course on the web. pip only says what it would install."""
    content = tmp_path.resolve()
    cell = colab_cell().replace("/content/", f"{content.as_posix()}/")
    write_wheel(content, "tensorflow", "99.0")
    pip = {
        "PIP_DRY_RUN": "1",
        "PIP_REPORT": str(content / "report.json"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": content.as_uri(),
        "PIP_CONFIG_FILE": os.devnull,
    }
    # The repository may belong to somebody else, as in a container.
    git = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    done = subprocess.run(
        [sys.executable, "-c", ON_COLAB, ROOT.as_uri(), cell],
        cwd=content,
        env=os.environ | pip | git,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((content / "report.json").read_text(encoding="utf-8"))["install"] == []
    course = content / "segmentation"
    package = course / "segmentation_tf" / "__init__.py"
    places = [course / "notebooks", course / "lab" / "__init__.py", course, package]
    assert [Path(line) for line in done.stdout.splitlines()[-4:]] == places


# --- Tests of the rules -------------------------------------------------------------------------


def png(value):
    """A small grey picture; with `value` None one that is not blank."""
    pixels = np.arange(400) % 256 if value is None else np.full(400, value)
    buffer = io.BytesIO()
    Image.fromarray(pixels.reshape(20, 20).astype(np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def printed(text):
    return new_output("stream", name="stdout", text=text)


def figure(value=None):
    data = {"image/png": png(value), "text/plain": "<Figure size 20x20>"}
    return new_output("display_data", data=data)


PROSE = "A word of prose that says why the next few lines of code are worth your time. " * 3
QUESTION = "<details>\n<summary>Why?</summary>\n\nBecause.\n\n</details>\n\n"


def good_notebook():
    """The smallest notebook that no rule complains about. Its code cells are 1, 2, 4, 6 and 8."""
    cells = [
        new_markdown_cell(
            "# Title\n\nA promise.\n\n## What you will learn\n\n## Set-up\n\n" + PROSE
        ),
        new_code_cell(colab_cell(), metadata={"tags": ["colab"]}),
        new_code_cell("import numpy as np"),
        new_markdown_cell("## The data\n\n" + PROSE),
        new_code_cell("# NBVAL_CHECK_OUTPUT\nprint(2 * 2)", outputs=[printed("4\n")]),
        new_markdown_cell("## Look at the data\n\n## The model\n\n## Train it\n\n" + PROSE),
        new_code_cell("np.ones(3)", outputs=[figure()]),
        new_markdown_cell("## Judge\n\n" + PROSE),
        new_code_cell(
            "score = 0.93\nassert score > 0.8, 'beat the threshold'\nprint('Dice', score)",
            metadata={"tags": ["main-score"]},
            outputs=[printed("Dice 0.93\n")],
        ),
        new_markdown_cell(
            "## Where it fails\n\n## Summary\n\n- One.\n- Two.\n- Three.\n\n"
            "## Exercises\n\n1. Do.\n2. Try.\n3. Write why.\n\n"
            "## Check yourself\n\n" + QUESTION * 3 + "## Next\n\nMore."
        ),
    ]
    notebook = run.stored_form(new_notebook(cells=cells))
    for number, cell in code_cells(notebook):
        cell.execution_count = number
    return notebook


def test_rules_have_no_complaint_about_a_good_notebook():
    notebook = good_notebook()
    nbformat.validate(notebook)
    assert [c for rule in RULES for c in rule(notebook)] == []


def replaced(index, old, new):
    def plant(notebook):
        assert old in notebook.cells[index].source
        notebook.cells[index].source = notebook.cells[index].source.replace(old, new)

    return plant


def code(source):
    """Plant a line of code at the end of the fourth code cell."""

    def plant(notebook):
        notebook.cells[6].source += "\n" + source

    return plant


def output(*outputs):
    def plant(notebook):
        notebook.cells[6].outputs.extend(outputs)

    return plant


def tagged(*new):
    def plant(notebook):
        notebook.cells[6].metadata["tags"] = list(new)

    return plant


def counted(count):
    def plant(notebook):
        notebook.cells[6].execution_count = count

    return plant


def with_metadata(notebook):
    notebook.cells[6].metadata["execution"] = {"iopub.status.busy": "2026-01-01"}


def with_own_kernel(notebook):
    notebook.metadata.kernelspec.name = "my-venv"


def with_twin_ids(notebook):
    notebook.cells[4].id = notebook.cells[6].id


def without(index):
    return lambda notebook: notebook.cells.pop(index)


def without_outputs(index):
    return lambda notebook: notebook.cells[index].outputs.clear()


def many(source, count):
    cells = [new_code_cell(source) for _ in range(count)]
    return lambda notebook: notebook.cells.extend(cells)


def all_lines(notebook):
    for _, cell in code_cells(notebook):
        cell.source += "\npass" * 7


def all_prose(text):
    def plant(notebook):
        for cell in notebook.cells:
            cell.source = cell.source.replace(PROSE, text)

    return plant


FAULTS = [
    (code_cells_are_short, code("x = 1\n" * 25)),
    (code_cells_are_short, code("x = 1\n" * 13)),
    (code_cells_are_short, all_lines),
    (code_cells_are_short, many("", 1)),
    (prose_comes_before_code, many("x = 1", 4)),
    (prose_is_brief, all_prose("Few words.")),
    (prose_is_brief, all_prose("many words " * 50)),
    (prose_is_brief, replaced(5, PROSE, "many words " * 61)),
    (prose_repeats_no_printed_number, replaced(7, PROSE, PROSE + "It reaches 0.93.")),
    (has_figures, without_outputs(6)),
    (has_figures, many("x = 1", 3)),
    (figures_are_not_blank, output(figure(255))),
    (was_run_from_top_to_bottom, counted(None)),
    (was_run_from_top_to_bottom, counted(17)),
    (was_run_from_top_to_bottom, output(new_output("execute_result", execution_count=9))),
    (has_no_stderr, output(new_output("stream", name="stderr", text="W0000 noise"))),
    (has_no_error, output(new_output("error", ename="E", evalue="", traceback=[]))),
    (outputs_are_the_same_everywhere, output(printed("/home/ana/course/data"))),
    (outputs_are_the_same_everywhere, output(printed("/root/x"))),
    (outputs_are_the_same_everywhere, output(printed("/Users/ana/x"))),
    (outputs_are_the_same_everywhere, output(printed("C:\\Users\\ana\\x"))),
    (outputs_are_the_same_everywhere, output(printed("/tmp/x"))),
    (outputs_are_the_same_everywhere, output(printed("/work/x"))),
    (
        outputs_are_the_same_everywhere,
        output(new_output("display_data", data={"text/html": "/tmp/"})),
    ),
    (outputs_are_the_same_everywhere, code("data = '/home/ana/data'")),
    (outputs_are_the_same_everywhere, code("data = '/content/segmentation/data'")),
    (outputs_are_the_same_everywhere, replaced(1, "/content/", "/root/")),
    (outputs_are_the_same_everywhere, output(printed("<keras.Model object at 0x7f12ab>"))),
    (outputs_are_the_same_everywhere, output(printed("1/9 [==]\b\b\b2/9"))),
    (outputs_are_the_same_everywhere, output(printed("10%\r20%"))),
    (outputs_are_short, output(printed("line\n" * 101))),
    (file_is_small, output(printed("x" * MAX_BYTES))),
    (is_in_stored_form, with_metadata),
    (is_in_stored_form, with_own_kernel),
    (is_in_stored_form, with_twin_ids),
    (has_no_shell_line, code("!ls")),
    (has_no_shell_line, code("%matplotlib inline")),
    (has_no_shell_line, code("files = !ls")),
    (has_no_shell_line, code("np.ones?")),
    (has_no_shell_line, replaced(6, "np.ones(3)", "%%time\nnp.ones(3)")),
    (installs_nothing, code("%pip install x")),
    (installs_nothing, code("subprocess.run(['pip', 'install', 'x'])")),
    (installs_nothing, tagged("colab")),
    (begins_with_the_cell_for_colab, tagged("colab")),
    (begins_with_the_cell_for_colab, without(1)),
    (begins_with_the_cell_for_colab, replaced(1, "-q", "--upgrade")),
    (downloads_nothing, code("urllib.request.urlretrieve(x)")),
    (downloads_nothing, code("keras.utils.get_file(x)")),
    (downloads_nothing, code("requests.get(x)")),
    (downloads_nothing, code("!wget x")),
    (downloads_nothing, code("keras.datasets.mnist.load_data()")),
    (downloads_nothing, code("keras.applications.MobileNetV2(weights='imagenet')")),
    (runs_the_same_everywhere, code("epochs = 1 if os.environ.get('CI') else 9")),
    (runs_the_same_everywhere, code("epochs = 1 if 'CI' in os.environ else 9")),
    (runs_the_same_everywhere, code("fast = os.environ['FAST'] == '1'")),
    (runs_the_same_everywhere, code("fast = os.getenv('FAST')")),
    (runs_the_same_everywhere, code("fast = 'pytest' in sys.modules")),
    (nbval_skips_nothing, code("# NBVAL_SKIP")),
    (nbval_skips_nothing, code("# NBVAL_RAISES_EXCEPTION")),
    (nbval_skips_nothing, code("# nbval_check_output")),
    (nbval_skips_nothing, tagged("raises-exception")),
    (nbval_skips_nothing, tagged("nbval-ignore-output")),
    (checked_cells_hold_text, replaced(4, "# NBVAL_CHECK_OUTPUT\n", "")),
    (checked_cells_hold_text, without_outputs(4)),
    (checked_cells_hold_text, code("# NBVAL_CHECK_OUTPUT")),
    (checked_cells_hold_text, replaced(4, "print", "import keras\nprint")),
    (asserts_give_a_reason, replaced(8, ", 'beat the threshold'", "")),
    (asserts_give_a_reason, replaced(8, "assert score > 0.8, 'beat the threshold'\n", "")),
    (opens_with_title_and_promise, without(0)),
    (opens_with_title_and_promise, replaced(0, "A promise.\n\n", "")),
    (opens_with_title_and_promise, replaced(0, "# Title", "Title")),
    (follows_the_skeleton, replaced(0, "## What you will learn", "## Other")),
    (follows_the_skeleton, replaced(0, "## Set-up", "## Other")),
    (follows_the_skeleton, replaced(3, "## The data", "## Other")),
    (follows_the_skeleton, replaced(5, "## Look", "## Other")),
    (follows_the_skeleton, replaced(5, "## The model", "## Other")),
    (follows_the_skeleton, replaced(5, "## Train", "## Other")),
    (follows_the_skeleton, replaced(7, "## Judge", "## Other")),
    (follows_the_skeleton, replaced(9, "## Where it fails", "## Other")),
    (follows_the_skeleton, replaced(9, "## Summary", "## Other")),
    (follows_the_skeleton, replaced(9, "## Exercises", "## Other")),
    (follows_the_skeleton, replaced(9, "## Check yourself", "## Other")),
    (follows_the_skeleton, replaced(9, "## Next", "## Other")),
    (
        follows_the_skeleton,
        replaced(5, "## The model\n\n## Train it", "## Train it\n\n## The model"),
    ),
    (follows_the_skeleton, replaced(5, "## The model", "```\n## The model\n```")),
    (sums_up_in_three_to_five, replaced(9, "- Three.\n", "")),
    (sums_up_in_three_to_five, replaced(9, "- Three.\n", "- x\n" * 4)),
    (has_three_exercises, replaced(9, "2. Try.\n", "")),
    (has_three_exercises, replaced(9, "2. Try.\n", "2. Try.\n3. Again.\n")),
    (has_three_exercises, replaced(9, "1. Do.", "### One\n\n1. Do.")),
    (has_three_exercises, replaced(9, "Write why.", "Do this.")),
    (has_three_folded_answers, replaced(9, QUESTION * 3, QUESTION * 2)),
    (has_three_folded_answers, replaced(9, QUESTION * 3, "Why? How? What for? Because.\n")),
    (has_three_folded_answers, replaced(9, "Why?", "Because.")),
    (has_one_main_score, tagged("main-score")),
    (has_one_main_score, without(8)),
    (has_one_main_score, without_outputs(8)),
]


@pytest.mark.parametrize("rule, plant", FAULTS, ids=lambda v: getattr(v, "__name__", ""))
def test_rule_finds_the_planted_fault(rule, plant):
    notebook = good_notebook()
    plant(notebook)
    assert list(rule(notebook))


def test_every_rule_has_been_shown_to_fail():
    assert {rule for rule, _ in FAULTS} == set(RULES)


def test_a_cell_tagged_colab_may_install():
    notebook = good_notebook()
    notebook.cells[1].source = "if 'google.colab' in sys.modules:\n    %pip install x"
    for rule in (has_no_shell_line, installs_nothing, runs_the_same_everywhere):
        assert not list(rule(notebook))


def test_lines_are_counted_without_the_text_of_a_task_and_marks():
    source = 'def f():\n    """Get\n\n    and return."""\n    ### BEGIN SOLUTION\n    return 1\n'
    task = new_code_cell(source + "    ### END SOLUTION", metadata={"nbgrader": {"solution": True}})
    assert source_lines(task) == ["def f():", "    return 1"]
    assert len(source_lines(new_code_cell(source))) == 4


def test_prose_is_counted_without_headings_lists_and_code():
    text = "# Not me\n\nOne two.\n\n- three\n\n```\nnot me\n```\n\n"
    text += "<details>\nnot me\n</details>\n\n| not | me |\n"
    assert (words(text), words(text, lists=False)) == (4, 2)
