"""The course's numbers, measured side by side in one run: make bench.

Each part runs in a separate process, so that its peak memory can be told apart. Wall times
differ between machines and hours: compare the ratios. PH2_ROOT measures on real images.

    python tests/benchmark/bench.py                  every part, an hour and a quarter on two cores
    python tests/benchmark/bench.py reading speed    only these
"""

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import segmentation_tf  # noqa: F401  (before TensorFlow)

# isort: split
import keras
import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import tensorflow as tf
from keras import layers
from skimage import io, transform

from segmentation_tf.cases import fold_cases, split_cases
from segmentation_tf.datasets import ph2
from segmentation_tf.datasets.folders import REPOSITORY
from segmentation_tf.drawn import dancers, dermoscopy, meadow
from segmentation_tf.evaluation import (
    PACKAGES,
    Exported,
    bootstrap,
    evaluate,
    evaluate_masks,
    load_exported,
    otsu_mask,
    predict_masks,
)
from segmentation_tf.images import read_image
from segmentation_tf.models import build_segnet, build_unet
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.training import STEPS, bce_dice_loss, dice, make_optimizer, train

RUN = REPOSITORY / "notebooks" / "run.py"
SOLUTION = REPOSITORY / "lab" / "solution" / "BodySegmentation.ipynb"
GOAL = 0.85  # mean Dice on the test cases
CUT_OFF = 20 * 60  # seconds of training
SAMPLE = os.environ.get("PH2_SAMPLE")
SKIPPED = {"skipped": "PH2_SAMPLE names no folder with real cases"}


def main(names):
    if names[:1] == ["--part"]:
        return print(json.dumps(PARTS[names[1]]()))
    if unknown := sorted(set(names) - PARTS.keys()):
        sys.exit(f"No part {', '.join(unknown)}. The parts: {', '.join(PARTS)}")
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
    for name in names or PARTS:
        print(f"\n{name}: {PARTS[name].__doc__}", flush=True)
        command = [sys.executable, __file__, "--part", name]
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=environment
        )
        for what, value in json.loads(done.stdout.splitlines()[-1]).items():
            print(f"    {what:<58} {value}", flush=True)


# --- Folder to batches --------------------------------------------------------------------------


def reading():
    """PH2 into batches of 128 px; checking every file is part of the course's way."""
    cases = ph2.load_cases()
    root = cases[0].image.parents[2]
    make_dataset(cases[:2], 128, 2)  # TensorFlow starts up outside of the clocks
    course = fastest(lambda: drain(make_dataset(ph2.load_cases(root), 128, 8)))
    loop = fastest(lambda: read_with_loop(cases))
    data = make_dataset(cases, 128, 8, training=True)
    later = fastest(lambda: drain(data))
    return {
        "the course, first epoch, images/s": round(len(cases) / course),
        "the course, later epochs, augmented, images/s": round(len(cases) / later),
        "a scikit-image loop, every epoch, images/s": round(len(cases) / loop),
        "first epoch, times as fast as the loop": round(loop / course, 1),
        **peak_memory(),
    }


def drain(data):
    for _ in data:
        pass


def read_with_loop(cases):
    images = [transform.resize(io.imread(c.image), (128, 128), anti_aliasing=True) for c in cases]
    # One mask of the real set has three channels.
    masks = [transform.resize(io.imread(c.mask, as_gray=True), (128, 128), order=0) for c in cases]
    for start in range(0, len(cases), 8):
        np.stack(images[start : start + 8]), np.stack(masks[start : start + 8])


# --- Scores without and with training -----------------------------------------------------------


def threshold():
    """Otsu's threshold on all cases at full resolution: what every network must beat."""
    cases, table = ph2.load_cases(), {}
    for name, clean in (("plain", False), ("cleaned", True)):
        masks = [otsu_mask(read_image(case.image), clean) for case in cases]
        mean = evaluate_masks(cases, masks).means["dice"].mean
        table[f"{name}, mean Dice"] = round(mean, 3)
    return table


def recipe():
    """build_unet with train's defaults: training time and Dice on the test cases."""
    return {**train_and_score([split_cases(ph2.load_cases())]), **peak_memory()}


def transfer():
    """The same, trained on the drawn cases alone, on the real ones that PH2_SAMPLE names."""
    if not SAMPLE:
        return SKIPPED
    return train_and_score([(ph2.load_cases(ph2.drawn_folder()), ph2.load_cases(SAMPLE))])


def folds():
    """The same by 5-fold cross-validation on the real cases that PH2_SAMPLE names."""
    if not SAMPLE:
        return SKIPPED
    return train_and_score(fold_cases(ph2.load_cases(SAMPLE), 5))


def train_and_score(splits):
    """build_unet by train's defaults for each (train, test); one score over all test cases."""
    seconds, scores = [], []
    for seed, (train_cases, test_cases) in enumerate(splits):
        keras.utils.set_random_seed(seed)
        model = build_unet((128, 128, 3))
        data = make_dataset(train_cases, 128, 8, training=True, seed=seed)
        start = time.perf_counter()
        train(model, data, verbose=False)
        seconds.append(time.perf_counter() - start)
        scores += [row["dice"] for row in evaluate(model, test_cases).rows]
    found = bootstrap(scores)
    return {
        "s of training, each": round(np.mean(seconds)),
        f"mean Dice of {len(scores)} cases (95 %)": f"{found.mean:.3f} "
        f"({found.low:.3f} to {found.high:.3f})",
    }


def goal_course():
    """Seconds of training until the test cases reach a mean Dice of .85, by train's defaults."""
    train_cases, test_cases = split_cases(ph2.load_cases())
    data, clock = make_dataset(train_cases, 128, 8, training=True), Clock(test_cases)
    train(build_unet((128, 128, 3)), data, verbose=False, callbacks=[clock])
    return clock.result()


def goal_textbook():
    """The same for a textbook recipe: 256 px, 16-256 channels, batch 64, Adam 3e-4."""
    train_cases, test_cases = split_cases(ph2.load_cases())
    data, clock = make_dataset(train_cases, 256, 64, training=True), Clock(test_cases)
    model = textbook_unet((256, 256, 3))
    model.compile(
        keras.optimizers.Adam(3e-4),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[dice],
        jit_compile=keras.backend.backend() == "jax",
    )
    model.fit(data, epochs=200, callbacks=[clock], verbose=0, shuffle=False)
    return clock.result()


class Clock(keras.callbacks.Callback):
    """Adds up seconds of training and scores after each epoch, until GOAL or CUT_OFF."""

    def __init__(self, test_cases):
        super().__init__()
        self.test_cases, self.seconds, self.best = test_cases, 0, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds += time.perf_counter() - self.start
        self.best = max(self.best, evaluate(self.model, self.test_cases).means["dice"].mean)
        self.model.stop_training = self.best >= GOAL or self.seconds > CUT_OFF

    def result(self):
        over = "" if self.best >= GOAL else "over "
        return {
            "s of training": f"{over}{self.seconds:.0f}",
            "best mean Dice until then": round(self.best, 3),
            **peak_memory(),
        }


def textbook_unet(shape, filters=(16, 32, 64, 128, 256)):
    """The plain Keras U-Net of tutorials: two convolutions a block, no stem, default settings."""

    def block(x, channels):
        for _ in range(2):
            x = layers.Conv2D(channels, 3, padding="same")(x)
            x = layers.BatchNormalization()(x)
            x = layers.Activation("relu")(x)
        return x

    inputs = keras.Input(shape)
    x, skips = inputs, []
    for channels in filters[:-1]:
        x = block(x, channels)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = block(x, filters[-1])
    for channels, skip in zip(filters[-2::-1], skips[::-1], strict=True):
        x = layers.Conv2DTranspose(channels, 2, strides=2)(x)
        x = block(layers.Concatenate()([x, skip]), channels)
    return keras.Model(inputs, layers.Conv2D(1, 1)(x))


# --- Speed of the networks ----------------------------------------------------------------------


def speed():
    """Images a second at 128 px, batch 8; training as a share of this CPU's matrix multiply."""
    peak = matrix_multiply_peak()
    table = {"matrix multiply, GFLOP/s": round(peak / 1e9)}
    for name, build in (
        ("build_unet", build_unet),
        ("build_segnet", build_segnet),
        ("plain Keras U-Net", textbook_unet),
    ):
        model = build((128, 128, 3))
        training, inference = images_a_second(model)
        share = 3 * flops(model) * training / peak  # forward, and back to inputs and to weights
        table[f"{name}, {model.count_params():,} parameters: training"] = round(training, 1)
        table[f"{name}: share of the peak"] = f"{share:.0%}"
        table[f"{name}: inference"] = round(inference)
    return {**table, **peak_memory()}


def images_a_second(model, batch=8, steps=10):
    rng = np.random.default_rng(0)
    images = rng.random((batch, 128, 128, 3), "float32")
    masks = (images[..., :1] > 0.5).astype("float32")
    model.compile(
        make_optimizer(STEPS), bce_dice_loss, jit_compile=keras.backend.backend() == "jax"
    )
    model.train_on_batch(images, masks)
    model.predict_on_batch(images)
    training = fastest(lambda: [model.train_on_batch(images, masks) for _ in range(steps)])
    inference = fastest(lambda: [model.predict_on_batch(images) for _ in range(steps)])
    return batch * steps / training, batch * steps / inference


def flops(model):
    """Multiplications and additions of the convolutions for one image."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):
            transposed = isinstance(layer, layers.Conv2DTranspose)
            positions = (layer.input if transposed else layer.output).shape[1:3]
            total += 2 * int(np.prod(positions)) * int(np.prod(layer.kernel.shape))
    return total


def matrix_multiply_peak(n=2048):
    a = keras.random.normal((n, n))
    keras.ops.matmul(a, a)
    return 2 * n**3 / fastest(lambda: np.asarray(keras.ops.matmul(a, a)), times=5)


# --- Export -------------------------------------------------------------------------------------

EXPORTS = {
    "LiteRT": ("moles.tflite", {"format": "litert"}),
    "LiteRT, weights of 8 bits": (
        "small.tflite",
        {"format": "litert", "optimizations": [tf.lite.Optimize.DEFAULT]},
    ),
    "ONNX Runtime": ("moles.onnx", {"format": "onnx"}),
}


def export():
    """Lesson 4's U-Net exported: ms for one image of 128 px, and its masks against Keras' own."""
    if keras.backend.backend() != "tensorflow":
        return {"skipped": "TensorFlow is the backend that exports to both"}
    cases, test_cases = split_cases(ph2.load_cases())
    model = train_as_lesson_4(cases)
    photos = [read_image(case.image) for case in test_cases]
    expected = list(predict_masks(model, photos))
    table = {"one thread; Keras: all cores, optimizer in its file": "  MB     ms   differ   Dice"}
    with TemporaryDirectory() as folder:
        networks, missing = save_and_export(model, Path(folder))
        times = milliseconds({name: run for name, (_, run) in networks.items()})
        for name, (file, run) in networks.items():
            masks = list(predict_masks(run, photos))
            differ = sum(np.count_nonzero(a != b) for a, b in zip(masks, expected))
            share = differ / sum(mask.size for mask in expected)
            mean = evaluate_masks(test_cases, masks).means["dice"].mean
            megabytes = file.stat().st_size / 1e6
            table[name] = f"{megabytes:4.1f} {times[name]:6.1f} {share:8.3%} {mean:6.3f}"
    return {**table, **missing}


def save_and_export(model, folder):
    """Two dicts by name: a file and what computes with it; what to install for the others."""
    kept, shape = folder / "moles.keras", model.input_shape
    model.save(kept)
    networks = {
        "Keras, model(x)": (kept, Exported(shape, lambda x: np.asarray(model(x)))),
        "Keras, predict_on_batch": (kept, Exported(shape, model.predict_on_batch)),
    }
    missing = {}
    for name, (file, options) in EXPORTS.items():
        path = folder / file
        try:
            model.export(path, verbose=False, **options)
            networks[name] = path, load_exported(path)
        except ImportError:
            missing[name] = f"not installed: pip install {PACKAGES[path.suffix]}"
    return networks, missing


def train_as_lesson_4(cases):
    keras.utils.set_random_seed(0)
    train_cases, validation_cases = split_cases(cases, test_fraction=0.1)
    model = build_unet((128, 128, 3))
    train_data = make_dataset(train_cases, 128, 8, training=True)
    validation_data = make_dataset(validation_cases, 128, 8)
    loss, epochs = keras.losses.BinaryCrossentropy(from_logits=True), round(540 / len(train_data))
    train(model, train_data, validation_data, loss=loss, epochs=epochs, verbose=False)
    return model


def milliseconds(runs, turns=20, calls=10):
    """Median time of a call on one image, in the fastest turn of each: others are disturbed."""
    image = np.random.default_rng(0).random((1, 128, 128, 3), "float32")
    times = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            run(image)  # the first call of a turn finds the caches cold
            times[name].append(np.median([fastest(partial(run, image), 1) for _ in range(calls)]))
    return {name: 1000 * min(medians) for name, medians in times.items()}


# --- Drawing, the lab and the lessons -----------------------------------------------------------


def drawing():
    """The three built-in data sets, drawn into a folder that is then thrown away."""
    measured = {}
    for draw in (dermoscopy.draw_ph2, dancers.draw_mads, meadow.draw_meadows):
        with TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
            start = time.perf_counter()
            drawn = draw(Path(folder) / "drawn")
            measured[f"{draw.__name__}, s"] = round(time.perf_counter() - start)
            size = sum(file.stat().st_size for file in drawn.rglob("*") if file.is_file())
            measured[f"{draw.__name__}, MB"] = round(size / 1e6)
    return measured


def lab():
    """The lab's solution with five splits: Dice and IoU on sequences, and seconds of training."""
    rows = [run_lab(seed) for seed in range(5)]
    values = np.array([row.pop("values") for row in rows])
    table = {f"split {seed}, {what}": v for seed, row in enumerate(rows) for what, v in row.items()}
    for place, what in enumerate(("new, Dice", "new, IoU", "known less new, Dice", "and IoU")):
        mean, spread = values[:, place].mean(), values[:, place].std(ddof=1)
        table[f"{what}: mean and deviation"] = f"{mean:.3f} {spread:.3f}"
    return {**table, **peak_memory()}


def run_lab(seed):
    """What the cells of the solution compute, up to the scores, with another split."""
    matplotlib.use("Agg")
    space = {}
    with redirect_stdout(sys.stderr):
        for cell in nbformat.read(SOLUTION, as_version=4).cells:
            if cell.cell_type == "code":
                start = time.perf_counter()
                exec(cell.source.replace("validation=0.1)", f"validation=0.1, seed={seed})"), space)
                plt.close("all")
                if "history = train(" in cell.source:
                    seconds = time.perf_counter() - start
            if "main-score" in cell.metadata.get("tags", []):
                break
    *_, known, new = space["scores"].values()
    shown = {name: " ".join(f"{v:.3f}" for v in pair) for name, pair in space["scores"].items()}
    return {**shown, "training, s": round(seconds), "values": [*new, *(known - new)]}


def lessons():
    """Peak memory of the hungriest lesson, run as make run does, with its kernel."""
    subprocess.run([sys.executable, RUN], check=True, stdout=subprocess.DEVNULL)
    return peak_memory(resource.RUSAGE_CHILDREN)


# --- Clocks and memory --------------------------------------------------------------------------


def fastest(work, times=3):
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def peak_memory(who=resource.RUSAGE_SELF):
    unit = 1e9 if sys.platform == "darwin" else 1e6  # bytes there, kilobytes on Linux
    return {"peak memory, GB": round(resource.getrusage(who).ru_maxrss / unit, 2)}


PARTS = {
    part.__name__: part
    for part in (
        reading,
        threshold,
        recipe,
        transfer,
        folds,
        goal_course,
        goal_textbook,
        speed,
        export,
        drawing,
        lab,
        lessons,
    )
}

if __name__ == "__main__":
    main(sys.argv[1:])
