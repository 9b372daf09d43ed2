"""A page for the learner: points, hints and the notebook as it ran, in one file without scripts."""

import html
import re
from copy import deepcopy

import bleach
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from pygments.formatters import HtmlFormatter

from lab.grading.course import task_name

# What a learner's text and outputs may bring along; everything else is shown as the text it is.
TAGS = """a abbr b blockquote br code dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5
h6 hr i img kbd li ol p pre s small span strong sub summary sup table tbody td th thead tr tt u
ul""".split()
LONGEST = 50_000  # characters of a cell

# The browser itself refuses scripts, and anything that is not in the file.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
 style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
{highlighting}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; color: #222; background: #fff; }}
pre {{ margin: .5rem 0; overflow-x: auto; font-size: .85rem; line-height: 1.35;
      white-space: pre-wrap; overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; }}
th, td {{ border-bottom: 1px solid #ccc; padding: .3rem .8rem .3rem 0; text-align: left;
         vertical-align: top; }}
img {{ max-width: 100%; }}
.input_area {{ background: #f5f5f5; padding: .1rem .8rem; margin: .5rem 0; }}
.output_subarea {{ padding: 0 .8rem; }}
.output_error pre {{ border-left: 4px solid #c33; padding-left: .6rem; }}
.notebook {{ border-top: 2px solid #888; margin-top: 2rem; }}
.ansi-red-fg, .ansi-red-intense-fg {{ color: #b22; }}
.ansi-green-fg, .ansi-green-intense-fg {{ color: #070; }}
.ansi-blue-fg, .ansi-cyan-fg, .ansi-blue-intense-fg {{ color: #169; }}
.ansi-bold {{ font-weight: bold; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{points}</p>
<table>
<tr><th>Task<th>Points<th>Of<th>What the check says</tr>
{rows}
</table>
{remarks}
<div class="notebook">
{notebook}
</div>
</body>
</html>
"""


def make_page(
    title: str, rows: list[dict], remarks: list[str], notebook: NotebookNode | None = None
) -> str:
    """Make the page. `rows` and `remarks` are those of lab.grading.submission.grade."""
    return PAGE.format(
        title=html.escape(title),
        highlighting=HtmlFormatter().get_style_defs(".highlight"),
        points=html.escape(summary(rows)),
        rows="\n".join(map(table_row, rows)),
        remarks="".join(f"<p>{html.escape(remark)}</p>\n" for remark in remarks),
        notebook=show(notebook, rows) if notebook else "",
    )


def summary(rows: list[dict]) -> str:
    """Return a line such as '85 of 100 points; explain: to read'."""
    automatic = [row for row in rows if not row["by_hand"]]
    got, most = (sum(row[part] for row in automatic) for part in ("points", "of"))
    unread = [f"; {row['task']}: to read" for row in rows if row["points"] is None]
    return f"{got:g} of {most:g} points{''.join(unread)}"


def table_row(row):
    points = "to read" if row["points"] is None else f"{row['points']:g}"
    cells = [row["task"], points, f"{row['of']:g}", row["note"]]
    return "<tr>" + "".join(f"<td>{html.escape(str(cell))}" for cell in cells) + "</tr>"


def show(notebook, rows):
    """The notebook as HTML, with the points above the cells that bring them."""
    notebook, rows, cells = deepcopy(notebook), {row["task"]: row for row in rows}, []
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("grade"):
            row = rows[task_name(cell)]
            points = "to read" if row["points"] is None else f"{row['points']:g} points"
            cells.append(new_markdown_cell(f"**{row['task']}: {points}, of {row['of']:g}**"))
        if len(cell.source) > LONGEST:
            cell.source = cell.source[:LONGEST] + "\n... cut off here ..."
        for output in cell.get("outputs", []):
            if output.get("ename") == "NotImplementedError" and not output.evalue:
                output.traceback = ["Task not done yet"]
        cells.append(cell)
    notebook.cells = cells
    exporter = HTMLExporter(
        template_name="basic",
        sanitize_html=True,
        filters={"clean_html": clean},
        exclude_raw=True,
        exclude_anchor_links=True,
    )
    text, _ = exporter.from_notebook_node(notebook)
    return text


def clean(markup: str) -> str:
    """Return harmless HTML: the known tags, no styles, only addresses of the web and of mail."""
    return bleach.clean(str(markup), TAGS, attributes, {"http", "https", "mailto", "data"})


def attributes(tag, name, value):
    if name == "src":
        return tag == "img" and value.startswith(("data:image/png;", "data:image/jpeg;"))
    if name == "href":
        return tag == "a" and not value.strip().lower().startswith("data:")
    if name == "class":  # the colours of code
        return all(re.fullmatch(r"highlight|hl-\w+|[a-z]{1,2}\d?", part) for part in value.split())
    return name in ("alt", "title", "colspan", "rowspan")
