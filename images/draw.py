"""Draw the pictures of the lecture, from the course's own code, data and models.

python images/draw.py              all but the training strip
python images/draw.py unet nevi    only these
python images/draw.py training     the training strip, which takes a few minutes
"""

import argparse
import json
from pathlib import Path

import matplotlib

import segmentation_tf  # noqa: F401  before keras: it switches on faster kernels

# isort: split
from drawing import flock, idea, networks, nevi, strip
from drawing.sheet import STYLE, save_png, save_svg

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
    names = parser.parse_args(arguments).pictures or known[:-1]
    unknown = sorted({*names} - {*known})
    if unknown:
        parser.error(f"there is no picture {', '.join(unknown)}; there are {', '.join(known)}")
    for name in names:
        for path in draw(name, FOLDER):
            print(f"{path.relative_to(FOLDER.parent)}: {path.stat().st_size / 1000:.0f} kB")


@matplotlib.rc_context(STYLE)
def draw(name, folder):
    """Draw one picture into a folder; returns the paths of what was written."""
    if name in DIAGRAMS:
        return [save_svg(DIAGRAMS[name](), folder / f"{name}.svg")]
    if name == "nevi":
        sheet, record = nevi.draw_nevi()
        return [save_png(sheet, folder / "nevi.png", record)]
    sheet, recipe = strip.draw_training()
    notes = folder / "training.json"
    notes.write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8", newline="\n")
    return [save_png(sheet, folder / "training.png", {"recipe": strip.digest(recipe)}), notes]


if __name__ == "__main__":
    main()
