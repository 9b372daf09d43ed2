"""What a class gets back: a page for each learner, and the table grades.csv.

A page shows a stranger's text and pictures. All text is escaped and nothing is rendered, so a page
has no scripts and no markup but ours, and links only within itself.
"""

import base64
import binascii
import csv
import html
import os
import re
import sys
from pathlib import Path

from lab.grading.submission import Cell, plain

WRITTEN = "answer-7"
PIXELS = 25_000_000  # of a picture
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
CONTROLS = [*range(9), *range(11, 32), 127, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]

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
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto;
       padding: 0 1rem; color: #222; background: #fff; }}
pre {{ margin: .5rem 0; font-size: .85rem; line-height: 1.4; white-space: pre-wrap;
      overflow-wrap: anywhere; }}
pre.code {{ background: #f5f5f5; padding: .6rem .8rem; }}
pre.error {{ border-left: 4px solid #c33; padding-left: .6rem; }}
pre.text {{ font: inherit; border-left: 4px solid #59c; padding-left: .6rem; }}
table {{ border-collapse: collapse; }}
th, td {{ border-bottom: 1px solid #ccc; padding: .3rem .8rem .3rem 0; text-align: left;
         vertical-align: top; }}
img {{ max-width: 100%; }}
h2 {{ border-top: 2px solid #888; margin-top: 2rem; padding-top: .5rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p><strong>{points}</strong></p>
<table>
<tr><th>Check<th>Points<th>Of<th>What the check says</tr>
{rows}
</table>
{remarks}
{answer}
{notebook}
</body>
</html>
"""


NOTEBOOK = """<h2>The notebook as it ran</h2>
<p>The lab's own texts are left out.</p>
"""


def summary(rows: list[dict]) -> str:
    """Return a line such as '85 of 100 points; answer-7: to read'."""
    automatic = [row for row in rows if row["points"] is not None and not row["by_hand"]]
    got, most = (sum(row[part] for row in automatic) for part in ("points", "of"))
    unread = [f"; {row['task']}: to read" for row in rows if row["points"] is None]
    return f"{got:g} of {most:g} points{''.join(unread)}"


def make_page(
    student: str,
    rows: list[dict],
    remarks: list[str],
    *,
    answer: str = "",
    cells: list[Cell] = (),
    outputs: list[list[tuple[str, str]]] = (),
    given: set[str] = frozenset(),
) -> str:
    """Return the page of a learner.

    Args:
        rows, remarks: as lab.grading.grade makes them.
        answer: the written answer.
        cells, outputs: the notebook, and for each code cell its outputs, (kind, text).
        given: the lab's own texts; only the headings of tasks are shown.
    """
    outputs = iter(outputs)
    parts = []
    for cell in cells:
        if cell.kind == "code":
            parts.append(show_code(cell.source, next(outputs, [])))
        elif cell.source.strip() in given:
            parts += [f"<h3>{escape(line)}</h3>" for line in headings(cell.source)]
        else:
            parts.append(f'<pre class="text">{escape(cell.source)}</pre>')
    notebook = NOTEBOOK + "\n".join(parts) if cells else ""
    written = (
        f'<h2 id="{WRITTEN}">Your answer to task 7</h2>\n<pre class="text">{escape(answer)}</pre>'
    )
    return PAGE.format(
        title=escape(student),
        points=escape(summary(rows)),
        rows="\n".join(map(table_row, rows)),
        remarks="".join(f"<p>{escape(remark)}</p>\n" for remark in remarks),
        answer=written if answer else "",
        notebook=notebook,
    )


def escape(text: object) -> str:
    """Return a text for HTML, without signs that control a terminal or turn the direction.

    The teacher's folders are left out too: tracebacks name those of Python and its packages.
    """
    text = str(text).replace(sys.prefix, ".venv").replace(sys.base_prefix, "python")
    return html.escape(COLOURS.sub("", text).translate(dict.fromkeys(CONTROLS)))


def headings(markdown):
    return [line.lstrip("# ") for line in markdown.splitlines() if re.match("#+ Task", line)]


def table_row(row):
    points = "to read" if row["points"] is None else f"{row['points']:g}"
    title = f'<a href="#{row["anchor"]}">{escape(row["title"])}</a>'
    cells = [title, points, f"{row['of']:g}", escape(row["note"])]
    return "<tr>" + "".join(f"<td>{cell}" for cell in cells) + "</tr>"


def show_code(source, outputs):
    defined = re.match(r"(?a)(?:\s*#.*\n)*\s*def (\w{1,50})\(", source)
    anchor = f' id="{defined[1]}"' if defined else ""
    shown = [f'<pre class="code"{anchor}>{escape(source)}</pre>'] if source.strip() else []
    for kind, text in outputs:
        if kind in ("text", "error"):
            shown.append(f'<pre class="{kind if kind == "error" else "out"}">{escape(text)}</pre>')
        elif picture := png_of(text):
            shown.append(f'<img alt="" src="data:image/png;base64,{picture}">')
    return "\n".join(shown)


def png_of(text):
    """The picture in base64, if it is a PNG that a browser can show with ease, else nothing."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    height, width = (int.from_bytes(data[at : at + 4]) for at in (20, 16))
    is_png = data.startswith(b"\x89PNG\r\n\x1a\n") and height * width <= PIXELS
    return base64.b64encode(data).decode() if is_png else ""


# --- The table ------------------------------------------------------------------------------------


class TableError(ValueError):
    """What is wrong with an earlier table, and the way out."""


class Table:
    """grades.csv: complete after each student, whatever happens to the next one."""

    def __init__(self, folder: Path, names: list[str]):
        self.folder, self.path, self.rows = folder, folder / "grades.csv", {}
        self.columns = ["student", *names, "total", "maximum", "to read", "remarks"]

    def read(self) -> None:
        """Take over the rows of an earlier run.

        Raises:
            TableError: the file has other columns.
        """
        if not self.path.is_file():
            return
        with open(self.path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        if any(list(row) != self.columns for row in rows):
            raise TableError(f"{self.path}: has other columns than this lab; move it away first")
        self.rows = {row["student"]: row for row in rows}

    def add(self, student: str, rows: list[dict], remarks: list[str]) -> None:
        """Set the row of a student, and write the table."""
        automatic = [row for row in rows if not row["by_hand"]]
        line = {"student": student} | {row["task"]: f"{row['points']:g}" for row in automatic}
        line["total"] = f"{sum(row['points'] for row in automatic):g}"
        line["maximum"] = f"{sum(row['of'] for row in automatic):g}"
        line["to read"] = ", ".join(row["task"] for row in rows if row["points"] is None)
        line["remarks"] = " | ".join(filter(None, remarks))
        self.rows[student] = {name: plain(text) for name, text in line.items()}
        self.write()

    def write(self) -> None:
        """Write the table in one step."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(self.path.name + ".part")
        with open(unfinished, "w", encoding="utf-8-sig", newline="") as file:
            # In quotes, since some spreadsheets split at semicolons.
            writer = csv.DictWriter(file, self.columns, quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(row for _, row in sorted(self.rows.items()))
        os.replace(unfinished, self.path)
