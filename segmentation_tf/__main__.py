"""The command segmentation-tf: check a folder of pictures, train a network on it, predict masks.

    segmentation-tf check my_pictures
    segmentation-tf fit my_pictures
    segmentation-tf predict my_pictures_network/model.keras photo.jpg

It exits with 0 if all is well, with 2 if it was used in a wrong way, and otherwise with 1.
"""

import argparse
import contextlib
import json
import os
import re
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's notes on the processor
os.environ.setdefault("MPLBACKEND", "agg")  # figures go to files

# Modules that take seconds to import are imported where they are used, so that --help is quick.
from segmentation_tf.cases import MANY_GROUPS, DatasetError, divide_parts  # noqa: E402

FILES = ("model.keras", "training.json", "scores.csv", "scores.txt", "curves.png", "worst.png")
MANY = 10  # test pictures from which on their interval says something
EPOCHS = 30  # parts of a training after which it is validated, if the set is small
KINDS = ("predicted", "overlay")  # what predict writes for each photo; pairs passes it over
WORST = 6  # cases on the page of worst cases
MEANINGS = {
    "dice": "0 to 1: twice the area that mask and prediction share, by the sum of their areas",
    "iou": "0 to 1: the area that they share, divided by the area that they cover together",
    "hd95": "pixels: at least 95 % of each outline lies no farther than this from the other one",
    "nsd": "0 to 1: share of both outlines that lies at most 2 pixels from the other one",
    "precision": "0 to 1: share of the pixels predicted as object that are object",
    "recall": "0 to 1: share of the object's pixels that are predicted",
    "accuracy": "0 to 1: share of all pixels that are right; high wherever objects are small",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status. `arguments` are those of the process by default."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # names may have letters that it cannot show
    options = make_parser().parse_args(
        _join_values(sys.argv[1:] if arguments is None else arguments)
    )
    try:
        return options.run(options)
    except (DatasetError, OSError, ImportError) as error:
        return _complain(error, 1)
    except ValueError as error:
        return _complain(error, 2)
    except KeyboardInterrupt:
        return _complain("stopped", 1)


def _join_values(arguments):
    """Write --masks -cut as --masks=-cut: argparse takes -cut for an option."""
    joined = []
    for argument in arguments:
        if joined and joined[-1] in ("--images", "--masks", "--group") and argument[:2] != "--":
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the three verbs."""
    parser = argparse.ArgumentParser(
        prog="segmentation-tf",
        description="From a folder of pictures and masks to a network, and to masks of new photos.",
    )
    verbs = parser.add_subparsers(required=True, metavar="check | fit | predict")

    check = verbs.add_parser("check", help="say what is wrong with a folder of pictures and masks")
    check.set_defaults(run=run_check)
    _add_folder_options(check)
    check.add_argument("--out", type=Path, help="the page (default: FOLDER_check.html)")

    fit = verbs.add_parser("fit", help="train a network on a folder of pictures and masks")
    fit.set_defaults(run=run_fit)
    _add_folder_options(fit)
    fit.add_argument("--out", type=Path, help="folder of the results (default: FOLDER_network)")
    fit.add_argument("--steps", type=_steps, help="rough number of training steps (default: 1500)")
    fit.add_argument(
        "--seed",
        type=int,
        default=0,
        help="number that fixes the split and the training (default: 0)",
    )

    predict = verbs.add_parser("predict", help="write the masks of photos")
    predict.set_defaults(run=run_predict)
    predict.add_argument("model", type=Path, metavar="MODEL", help=".keras, .tflite or .onnx")
    predict.add_argument(
        "photos", type=Path, metavar="PHOTO", nargs="+", help="a photo, or a folder of photos"
    )
    predict.add_argument("--out", type=Path, help="folder of the masks (default: beside the photo)")
    predict.add_argument("--tiles", action="store_true", help="cut large photos into tiles")
    predict.add_argument(
        "--scale",
        type=_scale,
        help="with --tiles: factor that resizes the photos, such as 0.16 (default: makes "
        "objects as large as in training)",
    )
    for verb in (check, fit, predict):
        verb.add_argument("--overwrite", action="store_true", help="replace files of earlier runs")
    return parser


def _add_folder_options(parser):
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="holds images and masks")
    parser.add_argument("--images", help="name of the folder of images, or ending of their names")
    parser.add_argument("--masks", help="the same for masks")
    parser.add_argument(
        "--group",
        help="regular expression that finds the patient or film in a name, such as ^p[0-9]+",
    )
    parser.add_argument(
        "--classes",
        type=_value_or_colour,
        action="append",
        help="value (2) or colour (255,0,0) of the object in the masks, or any; may be given "
        "several times",
    )


def _steps(text):
    return _above_0(text, int, "a whole number above 0, such as 1500")


def _scale(text):
    return _above_0(text, float, "a number above 0, such as 0.16")


def _above_0(text, kind, wanted):
    with contextlib.suppress(ValueError):
        if kind(text) > 0:
            return kind(text)
    raise argparse.ArgumentTypeError(f"give {wanted}")


def _value_or_colour(text):
    if text == "any":
        return text
    with contextlib.suppress(ValueError):
        numbers = tuple(map(int, text.split(",")))
        if len(numbers) in (1, 3):
            return numbers[0] if len(numbers) == 1 else numbers
    raise argparse.ArgumentTypeError("give a number such as 2, a colour such as 255,0,0, or any")


# --- check


def run_check(options: argparse.Namespace) -> int:
    """Print the check-up of a folder and write its page; 1 if something must be mended."""
    from segmentation_tf.datasets import checkup

    page = options.out or _beside(options.folder, "_check.html")
    if page.is_dir():
        raise ValueError(f"{page}: is a folder; name a page, such as {page / 'check.html'}")
    _refuse_overwriting([page], options.overwrite or _is_report(page, checkup.GENERATOR))
    _check_place(page.parent)
    report = checkup.check_folder(**_folder_arguments(options))
    print(report)
    page.parent.mkdir(parents=True, exist_ok=True)
    report.write_page(page)
    print(f"with pictures: {page}")
    return 1 if report.faults else 0


def _is_report(page, mark):
    """Whether an earlier check has written this file."""
    if not page.is_file():
        return False
    with page.open("rb") as file:
        return mark.encode() in file.read(200)


# --- fit


def run_fit(options: argparse.Namespace) -> int:
    """Train with the recipe; write the network, its scores, curves and worst cases."""
    out = options.out or _beside(options.folder, "_network")
    _refuse_overwriting([out / name for name in FILES], options.overwrite)

    _check_place(out)  # before the training, which would be lost
    start = time.time()
    try:
        _fit(options, out)
    except KeyboardInterrupt:
        kept = [name for name in FILES if _is_newer(out / name, start)]
        what = f"{', '.join(kept)} kept in {out}" if kept else "nothing was written"
        return _complain(f"stopped; {what}", 1)
    print(f"written to {out}: {', '.join(FILES)}")
    return 0


def _is_newer(path, start):
    return path.is_file() and path.stat().st_mtime >= start


def _fit(options, out):
    train_cases, validation_cases, test_cases = _read_parts(options)
    model, history, steps = _train(train_cases, validation_cases, options)
    out.mkdir(parents=True, exist_ok=True)
    _save_network(model, train_cases, out)
    evaluation = _score(model, test_cases)
    _write_scores(evaluation, steps, out)
    _draw(model, history, evaluation, test_cases, out)


def _read_parts(options):
    """The cases to train, to validate and to test; every file is read to its end."""
    from segmentation_tf.datasets import pairs

    print(f"reading {options.folder}")
    arguments = _folder_arguments(options)
    try:
        # load_splits reads every file; find_pairs opens none of them again.
        parts = pairs.load_splits(**arguments) or {"": pairs.find_pairs(**arguments)[0]}
    except DatasetError as error:
        if " more case" in str(error):
            hint = (
                f"\nsegmentation-tf check {options.folder}, with the same options, shows them all"
            )
            raise DatasetError(f"{error}{hint}") from error
        raise
    _warn_of_faults([case for part in parts.values() for case in part], options.folder)
    train_cases, validation_cases, test_cases = divide_parts(parts, options.seed)
    counts = f"{len(train_cases)} to train, {len(validation_cases)} to validate"
    print(f"{counts}, {len(test_cases)} to test")
    if not validation_cases:
        print(
            f"none to validate: that takes {MANY_GROUPS} groups or more to train (without "
            "--group, pictures)"
        )
    return train_cases, validation_cases, test_cases


def _warn_of_faults(cases, folder):
    """Print in short what a check-up finds; the training goes on."""
    from segmentation_tf.datasets import checkup

    if faults := checkup.check_up(cases).faults:
        print("the training goes on, but the scores may mislead until this is mended:")
        for finding in faults:
            print(f"- {finding.text}")
        print(f"segmentation-tf check {folder}, with the same options, shows them")


def _train(train_cases, validation_cases, options):
    """The trained network, its history, and how many steps were made, in words."""
    _import_tensorflow()
    import keras
    from tqdm.contrib import DummyTqdmFile

    from segmentation_tf.models import build_unet
    from segmentation_tf.pipeline import make_dataset
    from segmentation_tf.training import RECIPE, StepBar, train

    keras.utils.set_random_seed(options.seed)
    size = RECIPE.size
    data = make_dataset(train_cases, size, RECIPE.batch_size, training=True, seed=options.seed)
    validation_data = make_dataset(validation_cases, size, 8) if validation_cases else None
    model = build_unet((size, size, 3))
    data, epochs = _plan(data, options.steps, RECIPE.steps)
    with contextlib.redirect_stdout(DummyTqdmFile(sys.stdout)):  # lines go above the bar
        shown = StepBar()
        history = train(model, data, validation_data, epochs=epochs, callbacks=[shown])
    done, planned = shown.bar.n, shown.bar.total
    steps = f"{done:,} steps" if done == planned else f"stopped after {done:,} of {planned:,} steps"
    return model, history, steps


def _plan(data, steps, usual_steps):
    """The data of one epoch, and how many epochs make about as many steps as were asked for."""
    if steps and steps < len(data):
        data = data.take(steps)
    steps = steps or usual_steps
    # A validation costs as much as some steps, so a small set is repeated in each epoch.
    data = data.repeat(max(1, steps // EPOCHS // len(data)))
    return data, max(1, round(steps / len(data)))


def _save_network(model, train_cases, out):
    import keras

    # Without the optimizer's variables the file has a quarter of the size.
    keras.Model(model.input, model.output, name=model.name).save(out / "model.keras")
    (out / "training.json").write_text(json.dumps({"photo": _usual_size(train_cases)}))


def _usual_size(cases):
    """Height and width in the middle of some of the pictures' sizes."""
    from statistics import median

    from segmentation_tf.images import open_image

    sizes = [open_image(case.image).size for case in cases[:: -(-len(cases) // 20)]]
    return [median(height for _, height in sizes), median(width for width, _ in sizes)]


def _score(model, cases):
    from tqdm import tqdm

    from segmentation_tf.evaluation import evaluate_masks, predict_masks
    from segmentation_tf.images import read_image

    images = (read_image(case.image) for case in tqdm(cases, "scoring", unit="picture"))
    return evaluate_masks(cases, predict_masks(model, images))


def _write_scores(evaluation, steps, out):
    evaluation.write_csv(out / "scores.csv")
    count = len(evaluation.rows)
    worst = min(evaluation.rows, key=lambda row: row["dice"])
    meanings = "\n".join(f"{name:<10} {meaning}" for name, meaning in MEANINGS.items())
    text = (
        f"training: {steps}\ntest pictures, not seen in training: {count}\n{evaluation}\n"
        f"worst: {worst['name']}, Dice {worst['dice']:.3f}\n{_what_it_shows(count)}\n\n{meanings}\n"
    )
    (out / "scores.txt").write_text(text, encoding="utf-8")
    print(text)


def _what_it_shows(count):
    if count == 1:
        return (
            "One test picture gives a first hint of whether the network works, not how well: "
            "another picture can score quite differently. Label more pictures."
        )
    if count < MANY:
        return (
            f"{count} test pictures show roughly how well the network works. The range in "
            "brackets is too narrow, and small differences mean nothing. Label more pictures."
        )
    return "In brackets: a range that is likely to hold the true mean of pictures of this kind."


def _draw(model, history, evaluation, cases, out):
    import matplotlib.pyplot as plt

    from segmentation_tf import plotting

    warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
    ranked = sorted(zip(evaluation.rows, cases), key=lambda pair: pair[0]["dice"])
    plotting.set_style()
    plotting.show_history(history)
    plt.savefig(out / "curves.png", bbox_inches="tight")
    plotting.show_model(model, [case for _, case in ranked[:WORST]])
    plt.savefig(out / "worst.png", bbox_inches="tight")
    plt.close("all")


# --- predict


def run_predict(options: argparse.Namespace) -> int:
    """Write the mask of each photo and an overlay; 1 if one of them could not be read."""
    if options.scale and not options.tiles:
        raise ValueError("--scale works only with --tiles; add --tiles, or leave --scale out")
    photos = [photo for path in options.photos for photo in _photos_in(path)]
    targets = _find_targets(photos, options.out)
    for folder in {files[0].parent for files in targets}:
        _check_place(folder)
    tasks = [
        (photo, files)
        for photo, files in zip(photos, targets)
        if options.overwrite or not all(file.exists() for file in files)
    ]
    if done := len(photos) - len(tasks):
        print(f"photos that have masks already: {done}; --overwrite makes them again")
    return _predict_photos(tasks, options) if tasks else 0


def _predict_photos(tasks, options):
    from PIL import Image
    from tqdm import tqdm

    from segmentation_tf.images import object_overlay, read_image

    predict, written = _make_predictor(options), 0
    try:
        for photo, files in tqdm(tasks, "predicting", unit="photo"):
            try:
                image = read_image(photo)
            except DatasetError as error:
                tqdm.write(f"segmentation-tf: {error}", file=sys.stderr)
                continue
            mask = predict(image)
            files[0].parent.mkdir(parents=True, exist_ok=True)
            for file, picture in zip(files, (mask, object_overlay(image, mask))):
                Image.fromarray(picture).save(file)
            written += 1
    finally:  # after Ctrl-C, too
        where = f"in {options.out}" if options.out else "beside the photos"
        print(f"written {where}: {written} of {len(tasks)} masks, each with an overlay")
    return int(written < len(tasks))


def _photos_in(path):
    """The photos in a folder, without predictions and masks; otherwise the path itself."""
    from segmentation_tf.datasets import pairs
    from segmentation_tf.images import is_picture

    if not path.is_dir():
        return [path]
    files = sorted(filter(is_picture, path.iterdir()))
    stems = {file.stem.lower() for file in files}
    endings = re.compile(f"{pairs.MASK_ENDINGS}|({'|'.join(pairs.PREDICTIONS)})$")
    photos = [
        file
        for file in files
        if endings.sub("", file.stem.lower()) not in stems - {file.stem.lower()}
    ]
    if not photos:
        inside = [one for one in sorted(path.iterdir()) if one.is_dir()]
        way_out = f"; name one of its subfolders, such as {inside[0]}" if inside else ""
        raise DatasetError(f"{path}: there are no photos in this folder{way_out}")
    return photos


def _find_targets(photos, out):
    """The files to write for each photo, in the order of KINDS."""
    stems = [(out or photo.parent) / photo.stem for photo in photos]
    (most, count), *_ = Counter(stems).most_common(1)
    if count > 1:
        raise ValueError(f"{most}_{KINDS[0]}.png would belong to two photos; rename or move one")
    return [[stem.with_name(f"{stem.name}_{kind}.png") for kind in KINDS] for stem in stems]


def _make_predictor(options):
    _import_tensorflow()
    import numpy as np

    from segmentation_tf.evaluation import load_network, predict_mask, predict_tiles

    model = load_network(options.model)
    try:
        predict_mask(model, np.zeros((8, 8, 3), np.uint8))
    except ValueError as error:  # several classes
        raise DatasetError(f"{options.model}: {error}") from error
    if not options.tiles:
        return lambda image: predict_mask(model, image)
    scale = options.scale or _trained_scale(options.model, model.input_shape[1:3])
    return lambda image: predict_tiles(model, image, scale=scale)


def _trained_scale(model_path, tile):
    """What `fit` has noted beside the network: a tile covers as much as a picture in training."""
    notes = model_path.with_name("training.json")
    if not notes.is_file():
        raise ValueError(
            f"{notes} is missing; give --scale: width of a tile / width of a training photo, "
            "such as 96 / 600 = 0.16"
        )
    height, width = json.loads(notes.read_text())["photo"]
    print(f"a tile covers {width:.0f} x {height:.0f} pixels, like the pictures of the training")
    return tile[0] / height, tile[1] / width


def _import_tensorflow():
    """Import it without its notes on the processor, which 2.21 prints at every log level."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow

        tensorflow.config.list_logical_devices()  # has notes, too
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


# --- files


def _folder_arguments(options):
    return {
        "root": options.folder.expanduser(),
        "images": options.images,
        "masks": options.masks,
        "group": options.group,
        "classes": "any" if "any" in (options.classes or ()) else options.classes,
    }


def _beside(folder, ending):
    folder = folder.expanduser().resolve()
    return folder.with_name(folder.name + ending)


def _refuse_overwriting(paths, overwrite):
    there = [path for path in paths if path.exists()]
    if there and not overwrite:
        others = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise ValueError(
            f"{there[0]}{others} is there already; give another --out, or --overwrite to replace it"
        )


def _check_place(folder):
    """Refuse a folder in which nothing can be written; it is made later, if it is not there."""
    folder = folder.resolve()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise DatasetError(f"{there}: is a file, not a folder; give another --out")
    if not os.access(there, os.W_OK):
        raise DatasetError(f"{there}: nothing can be written there; give --out another folder")


def _complain(error, status):
    print(f"segmentation-tf: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
