"""How far the scores that the notebooks assert lie from their bounds, over several seeds.

Runs every lesson and the lab's solution as they are, but with other seeds for the training, and
notes both sides of every comparison (<, >, <=, >=) of numbers in an assert. It takes ten to fifteen
minutes a seed on two cores, and is not run in CI. The seed replaces the 0 in
`keras.utils.set_random_seed(0)`, also inside of functions: it changes the first weights. As
TensorFlow mixes it with the seeds of datasets, it also changes the order of the cases and how they
are augmented. The split into training and test stays.

    python tests/benchmark/margins.py                           all, ten seeds
    python tests/benchmark/margins.py --seeds 1-4,0 04_unet     only these

What was noted lies in build/margins.jsonl, and a later run goes on with what is missing there:
delete the file after changes in a notebook or in the package. The standard deviation is that of
the margin, so of the left side where the bound stays; the last column is the mean margin over it.
"""

import argparse
import ast
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import nbformat
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "notebooks"))

import run  # noqa: E402

NOTES = ROOT / "build" / "margins.jsonl"
SOLUTION = ROOT / "lab" / "solution" / "BodySegmentation.ipynb"
SEED = "set_random_seed({})"
SIGNS = {ast.Gt: 1, ast.GtE: 1, ast.Lt: -1, ast.LtE: -1}
HEAD = """
notebook | comparison | seeds | mean of left | standard deviation | bound (mean) | least margin |\
 margin in standard deviations
---|---|---|---|---|---|---|---"""
# Goes into the notebook as its first cell.
NOTE = """
def note_margin(text, left, right, sign):
    import json
    try:
        left, right = float(left), float(right)
    except TypeError:  # sets can be compared too
        return
    row = {{"notebook": {name!r}, "seed": {seed}, "comparison": text}}
    row.update(left=left, right=right, margin=sign * (left - right))
    with open({file!r}, "a") as file:
        file.write(json.dumps(row) + "\\n")
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", help="default: every lesson and the lab's solution")
    parser.add_argument("--seeds", type=numbers, default=numbers("0-9"), help="or such as 1-4,0")
    parser.add_argument("--budget", type=float, help="minutes after which no run is started")
    parser.add_argument("--order", choices=("breadth", "depth"), default="breadth")
    options = parser.parse_args()
    paths = run.find_lessons(options.notebooks, ROOT / "notebooks")
    if not options.notebooks:
        paths.append(SOLUTION)
    runs = [(path, seed) for seed in options.seeds for path in paths]
    if options.order == "depth":
        runs = [(path, seed) for path in paths for seed in options.seeds]
    NOTES.parent.mkdir(exist_ok=True)
    run.load_data(paths)
    try:
        measure_all(runs, options.budget)
    except KeyboardInterrupt:
        print("\nStopped: a later run goes on from here.")
    print_table([path.stem for path in paths], options.seeds)


def numbers(text):
    """The numbers in a text such as 1-4,0, in its order."""
    ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return [number for end in ends for number in range(end[0], end[-1] + 1)]


def read(what):
    """The rows with the key `what`: comparison, or error for the ends of the runs."""
    lines = NOTES.read_text().splitlines() if NOTES.is_file() else []
    return [row for row in map(json.loads, lines) if what in row]


def measure_all(runs, budget):
    """Measure what is missing of the runs, as long as the budget of minutes lasts."""
    start = time.monotonic()
    done = {(row["notebook"], row["seed"]) for row in read("error")}
    for path, seed in runs:
        if (path.stem, seed) in done:
            continue
        if budget is not None and time.monotonic() - start > 60 * budget:
            return print("The rest was not run: the budget is used up.")
        measure(path, seed)


def measure(path, seed):
    """Run one notebook with one seed; its comparisons and its end are added to NOTES."""
    start = time.monotonic()
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = noting(cell.source.replace(SEED.format(0), SEED.format(seed)))
    first = NOTE.format(name=path.stem, seed=seed, file=str(NOTES))
    notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
    error = run.execute(notebook, path.parent, lambda words: None)
    with NOTES.open("a") as file:
        file.write(json.dumps({"notebook": path.stem, "seed": seed, "error": error}) + "\n")
    seconds = time.monotonic() - start
    outcome = f"failed at {error}" if error else ""
    print(f"{path.stem}, seed {seed}: {seconds:.0f} s", outcome, flush=True)


def noting(source):
    """The cell with its asserts of comparisons replaced by notes, which never stop the run."""
    return ast.unparse(Noting().visit(ast.parse(source))) if "assert " in source else source


class Noting(ast.NodeTransformer):
    def visit_Assert(self, node):
        both = isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.And)
        return [self.noted(part) for part in (node.test.values if both else [node.test])]

    def noted(self, test):
        if not isinstance(test, ast.Compare) or len(test.ops) > 1 or type(test.ops[0]) not in SIGNS:
            return ast.Assert(test)
        left, right = ast.unparse(test.left), ast.unparse(test.comparators[0])
        sign = SIGNS[type(test.ops[0])]
        return ast.parse(f"note_margin({ast.unparse(test)!r}, {left}, {right}, {sign})").body[0]


def print_table(names, seeds):
    found = defaultdict(dict)  # (notebook, comparison) -> seed -> row
    for row in read("comparison"):
        of_one = found[row["notebook"], row["comparison"]]
        # In a loop the same comparison is made several times: the closest counts.
        if row["seed"] in seeds and row["margin"] <= of_one.get(row["seed"], row)["margin"]:
            of_one[row["seed"]] = row
    exact = 0
    print(HEAD)
    for (name, comparison), of_one in sorted(found.items()):
        if name not in names or not of_one:
            continue
        table = [(row["left"], row["right"], row["margin"]) for row in of_one.values()]
        left, right, margin = np.array(table).T
        if len(table) > 1 and np.ptp(margin) < 1e-9:
            exact += 1
            continue
        spread = margin.std(ddof=1) if len(table) > 1 else np.nan
        print(f"{name} | `{comparison}` | {len(table)} | {left.mean():.4f} | {spread:.4f}", end="")
        print(f" | {right.mean():.4f} | {margin.min():.4f} | {margin.mean() / spread:.1f}")
    print(f"\nThe same with every seed, and left out: {exact}")
    for row in read("error"):
        if row["error"] and row["notebook"] in names:
            print(f"{row['notebook']}, seed {row['seed']}: failed at {row['error']}")


if __name__ == "__main__":
    main()
