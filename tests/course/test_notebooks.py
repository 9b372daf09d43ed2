"""Every stored notebook keeps to the style of the course (whether it runs, nbval tests).

Every rule of tests/helpers/notebook_rules.py is also shown a bad notebook: it must be able to fail.
"""

import base64
import io
import re
from functools import cache

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

import notebook_rules as rules
import run
from notebook_rules import ANSWERS, CHECKS, LAB, LESSONS, OPTIONAL, code_cells, colab_cell


def rule_name(value):
    return value.__name__ if callable(value) else value.stem


@cache
def read(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path, rule", CHECKS, ids=rule_name)
def test_notebook(path, rule):
    complaints = list(rule(read(path)))
    assert not complaints, f"{path.name}: " + "; ".join(complaints)


@pytest.mark.parametrize("path", LESSONS + ANSWERS + OPTIONAL + LAB, ids=rule_name)
def test_file_is_written_as_run_writes_it(path):
    stored = path.read_bytes().decode("utf-8")
    assert stored == nbformat.writes(nbformat.reads(stored, as_version=4)) + "\n"


def test_there_are_lessons_and_they_are_numbered():
    assert LESSONS, "no notebook in notebooks/"
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem) for path in LESSONS)


def test_every_lesson_has_solutions_of_its_exercises():
    assert [path.name for path in ANSWERS] == [path.name for path in LESSONS]


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


FOLDED = {"tags": ["colab"], "jupyter": {"source_hidden": True}, "cellView": "form"}


def good_notebook():
    """The smallest notebook that no rule complains about. Its code cells are 1, 2, 4, 6 and 8."""
    cells = [
        new_markdown_cell(
            "# Title\n\nA promise.\n\n## What you will learn\n\n## Set-up\n\n" + PROSE
        ),
        new_code_cell(colab_cell(), metadata=FOLDED),
        new_code_cell("import numpy as np"),
        new_markdown_cell("## The data\n\n" + PROSE),
        new_code_cell(
            "print(2 * 2)",
            metadata={"tags": ["nbval-check-output"]},
            outputs=[printed("4\n")],
        ),
        new_markdown_cell(PROSE),
        new_code_cell("np.ones(3)", outputs=[figure()]),
        new_markdown_cell("## Judge\n\n" + PROSE + "It reaches 0.9, or 93 %, or .93."),
        new_code_cell(
            "score = 0.93\nassert score > 0.8, 'beat the threshold'\nprint('Dice', score)",
            metadata={"tags": ["main-score"]},
            outputs=[printed("Dice 0.93\n")],
        ),
        new_markdown_cell(
            "## Summary\n\n- One.\n- Two.\n- Three.\n\n"
            "## Exercises\n\n1. Do.\n2. Try.\n3. Write why.\n\n"
            "## 1. Do\n\n## 2. Try\n\n## 3. Write\n\n"
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
    assert [c for rule in rules.ALL_RULES for c in rule(notebook)] == []


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


def unfolded(notebook):
    del notebook.cells[1].metadata["jupyter"]


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


def all_codes(*sources):
    return [code(source) for source in sources]


def all_printed(*texts):
    return [output(printed(text)) for text in texts]


def all_replaced(index, *pairs):
    return [replaced(index, old, new) for old, new in pairs]


FAULTS = {
    rules.code_cells_are_short: [
        *all_codes("x = 1\n" * 25, "x = 1\n" * 13), all_lines, many("", 1)
    ],
    rules.prose_comes_before_code: [many("x = 1", 4)],
    rules.prose_is_brief: [
        all_prose("Few words."), all_prose("many words " * 50),
        replaced(5, PROSE, "many words " * 61),
    ],
    rules.numbers_in_prose_are_printed: all_replaced(
        7, ("0.9,", "0.8,"), ("0.9,", "0.94,"), ("or .93", "or .935"), ("93 %", "92 %"),
        ("0.9,", "0.9 or 4.0,"),
    ),
    rules.is_not_too_long: [many("", rules.MAX_CELLS), all_prose("many words " * 600)],
    rules.has_figures: [without_outputs(6), many("x = 1", 3)],
    rules.figures_are_not_blank: [output(figure(255))],
    rules.was_run_from_top_to_bottom: [
        counted(None), counted(17), output(new_output("execute_result", execution_count=9))
    ],
    rules.has_no_stderr: [output(new_output("stream", name="stderr", text="W0000 noise"))],
    rules.has_no_error: [output(new_output("error", ename="E", evalue="", traceback=[]))],
    rules.outputs_are_the_same_everywhere: [
        *all_printed("/home/ana/data", "/root/x", "/Users/ana/x", "C:\\Users\\ana\\x", "/tmp/x"),
        *all_printed("/work/x", "<keras.Model object at 0x7f12ab>", "1/9 [=]\b\b2/9", "10%\r20%"),
        output(new_output("display_data", data={"text/html": "/tmp/"})),
        *all_codes("data = '/home/ana/data'", "data = '/content/segmentation/data'"),
        replaced(1, "/content/", "/root/"),
    ],
    rules.outputs_are_short: all_printed("line\n" * 101),
    rules.file_is_small: all_printed("x" * rules.MAX_BYTES),
    rules.is_in_stored_form: [with_metadata, with_own_kernel, with_twin_ids],
    rules.has_no_shell_line: [
        *all_codes("!ls", "%matplotlib inline", "files = !ls", "np.ones?"),
        replaced(6, "np.ones(3)", "%%time\nnp.ones(3)"),
    ],
    rules.installs_nothing: [
        *all_codes("%pip install x", "subprocess.run(['pip', 'install', 'x'])"), tagged("colab")
    ],
    rules.begins_with_the_cell_for_colab: [
        tagged("colab"), without(1), replaced(1, "-q", "--upgrade"), unfolded
    ],
    rules.downloads_nothing: all_codes(
        "urllib.request.urlretrieve(x)", "keras.utils.get_file(x)", "requests.get(x)", "!wget x",
        "keras.datasets.mnist.load_data()", "keras.applications.MobileNetV2(weights='imagenet')",
    ),
    rules.runs_the_same_everywhere: all_codes(
        "epochs = 1 if os.environ.get('CI') else 9", "epochs = 1 if 'CI' in os.environ else 9",
        "fast = os.environ['FAST'] == '1'", "fast = os.getenv('FAST')",
        "fast = 'pytest' in sys.modules",
    ),
    rules.nbval_skips_nothing: [
        *all_codes("# NBVAL_SKIP", "# NBVAL_RAISES_EXCEPTION", "# NBVAL_CHECK_OUTPUT"),
        tagged("raises-exception"), tagged("nbval-check-outputs"),
    ],
    rules.checked_cells_hold_text: [
        without(4), without_outputs(4), tagged("nbval-check-output"),
        replaced(4, "print", "import keras\nprint"),
        lambda notebook: notebook.cells[4].outputs.append(figure()),
    ],
    rules.asserts_give_a_reason: all_replaced(
        8, (", 'beat the threshold'", ""), ("assert score > 0.8, 'beat the threshold'\n", "")
    ),
    rules.opens_with_title_and_promise: [
        without(0), *all_replaced(0, ("A promise.\n\n", ""), ("# Title", "Title"))
    ],
    rules.follows_the_skeleton: [
        *all_replaced(0, ("## What you will learn", "## Other"), ("## Set-up", "## Other")),
        *[
            replaced(9, f"## {name}", "## Other")
            for name in ("Summary", "Exercises", "Check yourself", "Next")
        ],
        replaced(0, "## What you will learn\n\n## Set-up", "## Set-up\n\n## What you will learn"),
        replaced(9, "## Exercises", "```\n## Exercises\n```"),
    ],
    rules.sums_up_in_three_to_five: all_replaced(
        9, ("- Three.\n", ""), ("- Three.\n", "- x\n" * 4)
    ),
    rules.has_three_exercises: all_replaced(
        9, ("2. Try.\n", ""), ("2. Try.\n", "2. Try.\n3. Again.\n"),
        ("1. Do.", "### One\n\n1. Do."), ("Write why.", "Do this."),
    ),
    rules.answers_three_exercises: all_replaced(9, ("## 2. Try\n\n", ""), ("## 3.", "## 4.")),
    rules.has_three_folded_answers: all_replaced(
        9, (QUESTION * 3, QUESTION * 2), (QUESTION * 3, "Why? How? What for? Because.\n"),
        ("Why?", "Because."),
    ),
    rules.has_one_main_score: [tagged("main-score"), without(8), without_outputs(8)],
}  # fmt: skip
PLANTED = [(rule, plant) for rule, plants in FAULTS.items() for plant in plants]


@pytest.mark.parametrize("rule, plant", PLANTED, ids=lambda v: getattr(v, "__name__", ""))
def test_rule_finds_the_planted_fault(rule, plant):
    notebook = good_notebook()
    plant(notebook)
    assert list(rule(notebook))


def test_every_rule_has_been_shown_to_fail():
    assert set(FAULTS) == rules.ALL_RULES


def test_a_cell_tagged_colab_may_install():
    notebook = good_notebook()
    notebook.cells[1].source = "if 'google.colab' in sys.modules:\n    %pip install x"
    for rule in (
        rules.has_no_shell_line,
        rules.installs_nothing,
        rules.runs_the_same_everywhere,
    ):
        assert not list(rule(notebook))


def test_lines_are_counted_without_the_text_of_a_task_and_marks():
    source = 'def f():\n    """Get\n\n    and return."""\n    ### BEGIN SOLUTION\n    return 1\n'
    task = new_code_cell(source + "    ### END SOLUTION")
    assert rules.source_lines(task) == ["def f():", "    return 1"]
    assert len(rules.source_lines(new_code_cell(re.sub("### .*", "", source)))) == 4


def test_decimals_and_percentages_are_numbers_and_versions_formulas_and_addresses_are_not():
    text = "It rose by .02 (0.91 to 0.93), 12 %, not `x = 0.5`, $p = 0.9$, 3.11.2 or [a](b/1.5)."
    found = [said for said, _, _ in rules.numbers(rules.plain(text))]
    assert found == [".02", "0.91", "0.93", "12 %"]


def test_a_number_is_looked_for_in_its_own_section():
    notebook = good_notebook()
    notebook.cells[3].source += "\n\nIt reaches 0.93."
    assert list(rules.numbers_in_prose_are_printed(notebook))
    notebook.cells[3].source = "Text.\n\n## Next\n\nIt reaches 0.93."
    assert not list(rules.numbers_in_prose_are_printed(notebook))


def test_prose_is_counted_without_headings_lists_and_code():
    text = "# Not me\n\nOne two.\n\n- three\n\n```\nnot me\n```\n\n"
    text += "<details>\nnot me\n</details>\n\n| not | me |\n"
    assert (rules.words(text), rules.words(text, lists=False)) == (4, 2)
