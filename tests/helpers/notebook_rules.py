"""The style of the course's notebooks, as rules.

A rule is a function that takes a notebook and yields its complaints, each naming the cell: code
cells by the number of their order, [1], [2], ...; a notebook is good if no rule complains.
"""

import ast
import base64
import copy
import io
import re
import statistics
from functools import cache
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from PIL import Image

import run

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ANSWERS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
OPTIONAL = sorted((ROOT / "notebooks" / "optional").glob("*.ipynb"))
LAB = sorted((ROOT / "lab" / "solution").glob("*.ipynb"))

# What a '## ' heading must contain, in this order; other headings may stand between.
SKELETON = [
    "what you will learn",
    "set-up",
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
MAX_CELLS, MAX_WORDS = 70, 2400  # of a lesson
# A decimal such as 0.93 or .93, or a percentage such as 64 %. Versions (3.11.2) are neither.
NUMBER = re.compile(r"(?<![\w.,])(\d*\.\d+|\d+(?= ?%))(?!\.?\w)(?!\.\d)( ?%)?")
TAGS = ("nbval-check-output", "main-score", "colab")
# A cell of the lab that may stop with one line where a task is not done; tests switch it off.
MAY_STOP = "raises-exception"
WHOLE = ("what you will learn", "summary", "exercises", "check yourself", "next")
# Decimals in prose that no cell prints, and what they are.
CONSTANTS = {
    "0.5": "the threshold of a probability",
    "95 %": "the level of confidence intervals",
}


# --- Reading a notebook -------------------------------------------------------------------------


def code_cells(notebook):
    """Yields (number, cell), the number being the execution count the cell should have."""
    return enumerate((c for c in notebook.cells if c.cell_type == "code"), 1)


def tags(cell):
    return cell.metadata.get("tags", [])


def source_lines(cell):
    """The lines of code. Of the lab's tasks, neither the marks nor the function's text count."""
    source = re.sub(r"(?m)^\s*### (BEGIN|END) .*", "", cell.source)
    if source != cell.source:
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


@cache
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


def numbers_in_prose_are_printed(notebook):
    """A decimal or percentage in the text is one of CONSTANTS, or a cell of its section prints it.

    A cell prints it if some number of its stored output gives it when rounded. The sections WHOLE
    speak of the whole notebook.
    """
    everything = printed_numbers(notebook.cells)
    for heading, cells in sections(notebook):
        printed = everything if heading.startswith(WHOLE) else printed_numbers(cells)
        for cell in cells:
            if cell.cell_type == "markdown":
                for said, value, digits in numbers(plain(cell.source)):
                    if said not in CONSTANTS and not is_among(value, digits, printed):
                        yield f"the text says {said}, but no cell of '{heading}' prints it"


def sections(notebook):
    """Yields (heading in small letters, its cells) for each '## ' heading; the first has none."""
    heading, cells = "", []
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            cells.append(cell)
            continue
        for part in re.split(r"(?m)^(?=## )", cell.source):  # a heading may stand within a cell
            if part.startswith("## "):
                yield heading, cells
                heading, cells = part[3:].partition("\n")[0].lower(), []
            cells.append(nbformat.v4.new_markdown_cell(part))
    yield heading, cells


def plain(text):
    """Text without code, formulas, and what links lead to."""
    hidden = r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)|https?://\S+|arXiv:\S+"
    return re.sub(hidden, " ", text, flags=re.DOTALL)


def numbers(text):
    """Yields (as written, value, digits behind the point) for each NUMBER; 64 % is 0.64."""
    for match in NUMBER.finditer(text):
        digits = len(match[1].partition(".")[2])
        percent = match[2] is not None
        yield match[0], float(match[1]) / (100 if percent else 1), digits + 2 * percent


def printed_numbers(cells):
    """All numbers in the stored outputs, as values; 64% counts as 64 and as 0.64."""
    found = []
    for cell in cells:
        for text in texts(cell):
            for number, percent in re.findall(r"(\d+\.?\d*|\.\d+) ?(%?)", text.replace(",", "")):
                found.append(float(number))
                if percent:
                    found.append(float(number) / 100)
    return found


def is_among(value, digits, printed):
    """Whether one of the printed numbers gives `value` when it is rounded to so many digits."""
    return any(abs(value - number) <= 0.5 * 10**-digits + 1e-9 for number in printed)


def is_not_too_long(notebook):
    count = words(markdown(notebook))
    if len(notebook.cells) > MAX_CELLS or count > MAX_WORDS:
        yield f"{len(notebook.cells)} cells and {count} words, over {MAX_CELLS} and {MAX_WORDS}"


def has_figures(notebook):
    shown = sum(bool(pictures(cell)) for _, cell in code_cells(notebook))
    cells = sum(1 for _ in code_cells(notebook))
    if shown * 6 < cells:
        yield f"{shown} figures in {cells} code cells; at least one in 6"


def figures_are_not_blank(notebook):
    for number, cell in code_cells(notebook):
        for picture in pictures(cell):
            counts = Image.open(io.BytesIO(base64.b64decode(picture))).convert("L").histogram()
            if max(counts) > 0.99 * sum(counts):
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
    elif not cells[0].metadata.get("jupyter", {}).get("source_hidden"):
        yield "the cell tagged colab is not folded"


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
    """Misspelt tags do nothing at all, and some tags and comments switch a check off."""
    for number, cell in code_cells(notebook):
        if "nbval" in cell.source.lower():
            yield f"[{number}] has a marker of nbval in its code; tag it nbval-check-output"
        may_stop = re.search(r"(?m)^(needs\(|checks\.check_)", cell.source)
        for tag in tags(cell):
            if tag not in TAGS and not (tag == MAY_STOP and may_stop):
                yield f"[{number}] is tagged {tag}; only {', '.join(TAGS)} are known"


def checked_cells_hold_text(notebook):
    """nbval compares text: a cell that prints nothing, or was never run, passes silently."""
    checked = [(n, c) for n, c in code_cells(notebook) if "nbval-check-output" in tags(c)]
    if not checked:
        yield "no cell is checked: tag one that prints a fact with nbval-check-output"
    for number, cell in checked:
        if not any(text.strip() for text in texts(cell)):
            yield f"[{number}] is checked and has no text to compare"
        if any(text.startswith("<Figure") for text in texts(cell)):
            yield f"[{number}] is checked and shows a figure, which nbval may miss when it is busy"
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


def answers_three_exercises(notebook):
    found = re.findall(r"^## (\d)\.", markdown(notebook), re.MULTILINE)
    if found != ["1", "2", "3"]:
        yield f"the headings '## 1. ...' to '## 3. ...' are {found}"


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


# Of every notebook.
RULES = [
    code_cells_are_short,
    prose_comes_before_code,
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
]
# Of what learners step through: lessons, and the lab with its solutions.
RULES_OF_LESSONS = [
    prose_is_brief,
    has_figures,
    follows_the_skeleton,
    sums_up_in_three_to_five,
    has_three_exercises,
    has_three_folded_answers,
    has_one_main_score,
]

CHECKS = [
    *[(path, rule) for path in LESSONS + ANSWERS + OPTIONAL + LAB for rule in RULES],
    *[(path, rule) for path in LESSONS + LAB for rule in RULES_OF_LESSONS],
    *[(path, is_not_too_long) for path in LESSONS],
    *[(path, numbers_in_prose_are_printed) for path in LESSONS + ANSWERS + OPTIONAL],
    *[(path, answers_three_exercises) for path in ANSWERS],
]
ALL_RULES = {rule for _, rule in CHECKS}
