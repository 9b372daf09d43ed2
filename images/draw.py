"""Draw the pictures of the lecture, from the course's own code, data and models.

python images/draw.py              all but the training strip
python images/draw.py unet nevi    only these
python images/draw.py training     the training strip, which takes a few minutes
python images/draw.py --language hi    with Hindi words, the training strip too: seconds
"""

import argparse
import json
from pathlib import Path

import matplotlib
from PIL import Image

import segmentation_tf  # noqa: F401  before keras: it switches on faster kernels

# isort: split
from drawing import flock, idea, networks, nevi, strip
from drawing.sheet import STYLE, as_notes, save_png, save_svg
from drawing.words import font_version, hindi_fault, put_into_hindi

FOLDER = Path(__file__).resolve().parent
DIAGRAMS = {
    "instances": flock.draw_instances,
    "encoder_decoder": idea.draw_encoder_decoder,
    "segnet": networks.draw_segnet,
    "unet": networks.draw_unet,
}


def main(arguments=None):
    known = (*DIAGRAMS, "nevi", "training")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", help=", ".join(known))
    parser.add_argument("--language", choices=("en", "hi"), default="en", help="of the words")
    options = parser.parse_args(arguments)
    names = options.pictures or (known if options.language == "hi" else known[:-1])
    unknown = sorted({*names} - {*known})
    if unknown:
        parser.error(f"there is no picture {', '.join(unknown)}; there are {', '.join(known)}")
    for name in names:
        for path in draw(name, FOLDER, options.language):
            print(f"{path.relative_to(FOLDER.parent)}: {path.stat().st_size / 1000:.0f} kB")


@matplotlib.rc_context(STYLE)
def draw(name, folder, language="en"):
    """Draw one picture into a folder; returns the paths of what was written."""
    hindi = language == "hi"
    if hindi and (fault := hindi_fault()):
        raise SystemExit(fault)
    if name == "training":
        return relabel_training(folder) if hindi else draw_training(folder)
    sheet, record = nevi.draw_nevi() if name == "nevi" else (DIAGRAMS[name](), {})
    stem = name
    if hindi:
        put_into_hindi(sheet)
        record["font"] = font_version()
        stem = f"{name}.hi"
    if name == "nevi":
        return [save_png(sheet, folder / f"{stem}.png", record)]
    return [save_svg(sheet, folder / f"{stem}.svg", record.get("font"))]


def draw_training(folder):
    sheet, recipe = strip.draw_training()
    notes = folder / "training.json"
    notes.write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8", newline="\n")
    return [save_png(sheet, folder / "training.png", {"recipe": strip.digest(recipe)}), notes]


def relabel_training(folder):
    """The stored strip with Hindi labels: the same network's masks, without a second training."""
    stored = Image.open(FOLDER / "training.png")
    recipe = json.loads((FOLDER / "training.json").read_text(encoding="utf-8"))
    sheet = strip.draw_labels(recipe["shown_after_epochs"])
    put_into_hindi(sheet)
    record = {"recipe": stored.info["recipe"], "font": font_version()}
    path = folder / "training.hi.png"
    strip.relabel(stored, sheet).save(path, pnginfo=as_notes(record), optimize=True)
    return [path]


if __name__ == "__main__":
    main()
