"""A U-Net learns: what it predicts for held-out cases after more and more epochs."""

import hashlib
import inspect
import json

import keras

from drawing.sheet import PIXELS, WIDTH, add_picture, few_colours, new_sheet, render, text
from segmentation_tf import pipeline, training
from segmentation_tf.cases import split_cases
from segmentation_tf.datasets import ph2
from segmentation_tf.evaluation import predict_mask
from segmentation_tf.images import read_image, read_mask
from segmentation_tf.models import build_unet
from segmentation_tf.pipeline import make_dataset

NAMES = ("IMD285", "IMD394", "IMD301", "IMD245")
SEED, SIZE, BATCH = 0, training.RECIPE.size, training.RECIPE.batch_size
EARLY = (1, 2, 5, 10)  # epochs; the last row is the end of the run
LABELS, MARGIN, SPACE = 66, 16, 8
PAUSE = 12  # between what is given and what is predicted
AUGMENTATION = ("MAX_ROTATION", "ZOOM", "MAX_SHIFT", "BRIGHTNESS", "CONTRAST", "TINT")


def draw_training():
    """Train a U-Net, which takes two minutes, and draw it learning: `(sheet, recipe)`."""
    recipe, (fit, watch, shown) = make_recipe(), split_drawn_cases()
    images = [read_image(case.image) for case in shown]
    keras.utils.set_random_seed(SEED)
    model, keeper = build_unet((SIZE, SIZE, 3)), KeepPredictions(images, EARLY)
    data = make_dataset(fit, SIZE, BATCH, training=True), make_dataset(watch, SIZE, BATCH)
    history = training.train(model, *data, epochs=recipe["epochs"], callbacks=[keeper])
    if len(history.epoch) < recipe["epochs"]:
        raise KeyboardInterrupt  # a run that was stopped is not the one that the recipe tells of
    keeper.kept[recipe["epochs"]] = predict(model, images)
    return draw_strip(images, [read_mask(case.mask) for case in shown], keeper.kept), recipe


def make_recipe():
    """All that decides how the strip looks, in words and numbers: a dict that JSON can hold."""
    fit, _, shown = split_drawn_cases()
    steps_an_epoch = len(fit) // BATCH  # only full batches
    epochs = training.default_epochs(steps_an_epoch)
    parameters = inspect.signature(training.train).parameters.values()
    optimizer = training.make_optimizer(epochs * steps_an_epoch)
    recipe = {
        "data": ph2.drawn_folder().name,
        "cases": [case.name for case in shown],
        "trained_on": digest([case.name for case in fit]),
        "seed": SEED,
        "size": SIZE,
        "batch_size": BATCH,
        "epochs": epochs,
        "steps": epochs * steps_an_epoch,
        "shown_after_epochs": [*EARLY, epochs],
        "augmentation": {name: getattr(pipeline, name) for name in AUGMENTATION},
        "train": {p.name: p.default for p in parameters if p.default is not p.empty},
        # Keras numbers the names of optimizers.
        "optimizer": digest({**optimizer.get_config(), "name": None}),
        "model": digest(build_unet((SIZE, SIZE, 3)).get_config()),
    }
    return json.loads(json.dumps(recipe))  # tuples become lists, as in the file


def split_drawn_cases():
    """The drawn cases as in the lesson on the U-Net: to train on, to watch, and those shown."""
    rest, test = split_cases(ph2.load_cases(ph2.drawn_folder()), test_fraction=0.2)
    fit, watch = split_cases(rest, test_fraction=0.1)
    by_name = {case.name: case for case in test}
    return fit, watch, [by_name[name] for name in NAMES]


def digest(config):
    """A short name for a nested structure: another structure, another name."""
    words = json.dumps(config, sort_keys=True, default=repr)
    return hashlib.sha256(words.encode()).hexdigest()[:16]


class KeepPredictions(keras.callbacks.Callback):
    """Keeps what the network predicts for some images after some epochs.

    It is the network of that moment. The running average of the weights, which is what `train`
    leaves at the end, still remembers its random beginning in the first epochs.
    """

    def __init__(self, images, epochs):
        super().__init__()
        self.images, self.epochs, self.kept = images, epochs, {}

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 in self.epochs:
            self.kept[epoch + 1] = predict(self.model, self.images)


def predict(model, images):
    return [predict_mask(model, image) for image in images]


def draw_strip(images, masks, kept):
    """A column a case: image, mask, and the masks `kept` after each number of epochs."""
    return draw_rows({"image": images, "mask": masks, **kept}, len(images))


def draw_labels(epochs):
    """The strip without its pictures."""
    return draw_rows({"image": [], "mask": [], **{n: [] for n in epochs}}, len(NAMES))


def draw_rows(rows, columns):
    width = (WIDTH - 2 * MARGIN - LABELS - SPACE * (columns - 1)) / columns
    step = 0.75 * width + SPACE
    sheet = new_sheet(2 * MARGIN + len(rows) * step - SPACE + PAUSE)
    for i, (name, pictures) in enumerate(rows.items()):
        y = MARGIN + i * step + PAUSE * (i > 1)
        middle = y + 0.375 * width
        text(sheet, MARGIN + LABELS / 2 - 5, middle, name, weight="bold")
        if i == 2:
            text(sheet, MARGIN + LABELS / 2 - 5, middle - 24, "epoch")
        for j, picture in enumerate(pictures):
            add_picture(sheet, MARGIN + LABELS + j * (width + SPACE), y, width, picture)
    return sheet


def relabel(strip, sheet):
    """A stored strip with the labels of another sheet; the pictures are those that are stored."""
    scale = PIXELS / WIDTH
    left, right, top = (round(scale * x) for x in (3, MARGIN + LABELS - 3, MARGIN))
    column = render(sheet).crop((left, top, right, strip.height - top))
    relabelled = strip.convert("RGBA")
    relabelled.paste(column, (left, top))
    return few_colours(relabelled)
