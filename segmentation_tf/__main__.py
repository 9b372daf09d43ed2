"""The command segmentation-tf: check a folder of pictures, train a network on it, predict masks.

    segmentation-tf check my_pictures
    segmentation-tf fit my_pictures
    segmentation-tf predict my_pictures_network/model.keras photo.jpg

It exits with 0, with 1 if something could not be read, or with 2 if it was used in a wrong way.
"""

import argparse
import contextlib
import json
import os
import sys
import warnings
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's notes on the processor
os.environ.setdefault("MPLBACKEND", "agg")  # figures go to files

# Modules that take seconds to import are imported where they are used, so that --help is quick.
from segmentation_tf.cases import DatasetError, divide_parts  # noqa: E402

FILES = ("model.keras", "training.json", "scores.csv", "scores.txt", "curves.png", "worst.png")
MANY = 10  # test pictures from which on their interval says something
EPOCHS = 30  # parts of a training after which it is validated, if the set is small
KINDS = ("mask", "overlay")  # what predict writes for each photo
WORST = 6  # cases on the page of worst cases


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status. `arguments` are those of the process by default."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # names may have letters that it cannot show
    options = make_parser().parse_args(arguments)
    try:
        return options.run(options)
    except (DatasetError, OSError, ImportError) as error:
        return _complain(error, 1)
    except ValueError as error:
        return _complain(error, 2)
    except KeyboardInterrupt:
        return _complain("stopped", 1)


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
    fit.add_argument("--steps", type=_positive_number, help="of the training (default: 1500)")
    fit.add_argument("--seed", type=int, default=0, help="of the split and the training")

    predict = verbs.add_parser("predict", help="write the masks of photos")
    predict.set_defaults(run=run_predict)
    predict.add_argument("model", type=Path, metavar="MODEL", help=".keras, .tflite or .onnx")
    predict.add_argument("photos", type=Path, metavar="PHOTO", nargs="+", help="or folder")
    predict.add_argument("--out", type=Path, help="folder of the masks (default: beside the photo)")
    predict.add_argument("--tiles", action="store_true", help="cut large photos into tiles")
    predict.add_argument(
        "--scale",
        type=float,
        help="with --tiles: how much to shrink photos, so that objects are as large as in training",
    )
    for verb in (check, fit, predict):
        verb.add_argument("--overwrite", action="store_true", help="replace files of earlier runs")
    return parser


def _add_folder_options(parser):
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="holds images and masks")
    parser.add_argument("--images", help="name of the folder of images, or ending of their names")
    parser.add_argument("--masks", help="the same for masks")
    parser.add_argument("--group", help="regular expression: the patient or film in a name")
    parser.add_argument(
        "--classes",
        type=_value_or_colour,
        action="append",
        help="value (2) or colour (255,0,0) of the object in the masks; may be given several times",
    )


def _positive_number(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _value_or_colour(text):
    numbers = tuple(map(int, text.split(",")))
    return numbers[0] if len(numbers) == 1 else numbers


# --- check


def run_check(options: argparse.Namespace) -> int:
    """Print the check-up of a folder and write its page; 1 if something must be mended."""
    page = options.out or _beside(options.folder, "_check.html")
    _refuse_overwriting([page], options.overwrite)

    from segmentation_tf.datasets import checkup

    report = checkup.check_folder(**_folder_arguments(options))
    print(report)
    report.write_page(page)
    print(f"with pictures: {page}")
    return 1 if report.faults else 0


# --- fit


def run_fit(options: argparse.Namespace) -> int:
    """Train with the recipe; write the network, its scores, curves and worst cases."""
    out = options.out or _beside(options.folder, "_network")
    _refuse_overwriting([out / name for name in FILES], options.overwrite)

    train_cases, validation_cases, test_cases = _read_parts(options)
    _make_writable(out)  # before the training, which would be lost
    model, history = _train(train_cases, validation_cases, options)
    _save_network(model, train_cases, out)
    evaluation = _score(model, test_cases)
    _write_scores(evaluation, out)
    _draw(model, history, evaluation, test_cases, out)
    print(f"written to {out}: {', '.join(FILES)}")
    return 0


def _read_parts(options):
    """The cases to train, to validate and to test; every file is read to its end."""
    from segmentation_tf.datasets import pairs

    print(f"reading {options.folder}")
    arguments = _folder_arguments(options)
    # The first call reads every file; the second one needs none.
    parts = pairs.load_splits(**arguments) or {"": pairs.find_pairs(**arguments)[0]}
    train_cases, validation_cases, test_cases = divide_parts(parts, options.seed)
    counts = f"{len(train_cases)} to train, {len(validation_cases)} to validate"
    print(f"{counts}, {len(test_cases)} to test")
    return train_cases, validation_cases, test_cases


def _train(train_cases, validation_cases, options):
    """The trained network and its history."""
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
        history = train(model, data, validation_data, epochs=epochs, callbacks=[StepBar()])
    return model, history


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
    keras.Model(model.inputs, model.outputs, name=model.name).save(out / "model.keras")
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


def _write_scores(evaluation, out):
    evaluation.write_csv(out / "scores.csv")
    count = len(evaluation.rows)
    worst = min(evaluation.rows, key=lambda row: row["dice"])
    text = (
        f"test pictures, not seen in training: {count}\n{evaluation}\n"
        f"worst: {worst['name']}, Dice {worst['dice']:.3f}\n{_what_it_shows(count)}\n"
    )
    (out / "scores.txt").write_text(text, encoding="utf-8")
    print(text)


def _what_it_shows(count):
    if count == 1:
        return (
            "One test picture shows whether the network works at all, not how well: another "
            "picture can score quite differently. Label more pictures."
        )
    if count < MANY:
        return (
            f"{count} test pictures show roughly how well the network works. Their interval is too "
            "narrow, and small differences mean nothing. Label more pictures."
        )
    return "The interval says how much the mean can change with other pictures of the same kind."


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
    photos = [photo for path in options.photos for photo in _photos_in(path)]
    targets = _find_targets(photos, options.out)
    _refuse_overwriting([file for files in targets for file in files], options.overwrite)
    if options.scale and not options.tiles:
        raise ValueError("--scale belongs to --tiles")

    from PIL import Image
    from tqdm import tqdm

    from segmentation_tf.images import read_image
    from segmentation_tf.plotting import error_overlay

    predict, status = _make_predictor(options), 0
    for photo, files in zip(tqdm(photos, "predicting", unit="photo"), targets):
        try:
            image = read_image(photo)
        except DatasetError as error:
            tqdm.write(f"segmentation-tf: {error}", file=sys.stderr)
            status = 1
            continue
        mask = predict(image)
        files[0].parent.mkdir(parents=True, exist_ok=True)
        for file, picture in zip(files, (mask, error_overlay(image, mask, mask))):
            Image.fromarray(picture).save(file)
    return status


def _photos_in(path):
    """The photos in a folder, without what this command has written; otherwise the path itself."""
    from segmentation_tf.images import is_picture

    if not path.is_dir():
        return [path]
    photos = [
        file
        for file in sorted(path.iterdir())
        if is_picture(file) and not file.stem.endswith(tuple(f"_{kind}" for kind in KINDS))
    ]
    if not photos:
        raise DatasetError(f"{path}: there are no photos in this folder")
    return photos


def _find_targets(photos, out):
    """The files to write for each photo, in the order of KINDS."""
    stems = [(out or photo.parent) / photo.stem for photo in photos]
    (most, count), *_ = Counter(stems).most_common(1)
    if count > 1:
        raise ValueError(f"{most}_mask.png would be the mask of two photos; rename one of them")
    return [[stem.with_name(f"{stem.name}_{kind}.png") for kind in KINDS] for stem in stems]


def _make_predictor(options):
    from segmentation_tf.evaluation import load_network, predict_mask, predict_tiles

    model = load_network(options.model)
    if not options.tiles:
        return lambda image: predict_mask(model, image)
    scale = options.scale or _trained_scale(options.model, model.input_shape[1:3])
    return lambda image: predict_tiles(model, image, scale=scale)


def _trained_scale(model_path, tile):
    """What `fit` has noted beside the network: a tile covers as much as a picture in training."""
    notes = model_path.with_name("training.json")
    if not notes.is_file():
        raise ValueError(f"{notes} is not there: give --scale, for example 96 / 600 = 0.16")
    height, width = json.loads(notes.read_text())["photo"]
    print(f"a tile covers {width:.0f} x {height:.0f} pixels, like the pictures of the training")
    return tile[0] / height, tile[1] / width


# --- files


def _folder_arguments(options):
    return {
        "root": options.folder.expanduser(),
        "images": options.images,
        "masks": options.masks,
        "group": options.group,
        "classes": options.classes,
    }


def _beside(folder, ending):
    folder = folder.expanduser().resolve()
    return folder.with_name(folder.name + ending)


def _refuse_overwriting(paths, overwrite):
    there = [path for path in paths if path.exists()]
    if there and not overwrite:
        others = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise ValueError(f"{there[0]}{others} is there already; give --out, or --overwrite")


def _make_writable(folder):
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise DatasetError(f"{folder}: nothing can be written there; check its permissions")


def _complain(error, status):
    print(f"segmentation-tf: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
