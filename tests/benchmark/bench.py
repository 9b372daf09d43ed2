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
from collections import defaultdict
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
    export_network,
    load_exported,
    otsu_mask,
    predict_masks,
)
from segmentation_tf.images import read_image
from segmentation_tf.models import build_segnet, build_unet
from segmentation_tf.pipeline import make_dataset
from segmentation_tf.training import (
    RECIPE,
    Recipe,
    WarmCosine,
    bce_dice_loss,
    dice,
    train,
)

RUN = REPOSITORY / "notebooks" / "run.py"
SOLUTION = REPOSITORY / "lab" / "solution" / "BodySegmentation.ipynb"
SHAPE = (RECIPE.size, RECIPE.size, 3)
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
    """PH2 into batches; checking every file is part of the course's way."""
    cases = ph2.load_cases()
    root = cases[0].image.parents[2]
    make_dataset(cases[:2], RECIPE.size, 2)  # TensorFlow starts up outside of the clocks
    course = fastest(lambda: drain(make_dataset(ph2.load_cases(root), RECIPE.size, 8)))
    loop = fastest(lambda: read_with_loop(cases))
    data = recipe_data(cases)
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
    images = [transform.resize(io.imread(c.image), SHAPE[:2], anti_aliasing=True) for c in cases]
    # One mask of the real set has three channels.
    masks = [transform.resize(io.imread(c.mask, as_gray=True), SHAPE[:2], order=0) for c in cases]
    for start in range(0, len(cases), 8):
        np.stack(images[start : start + 8]), np.stack(masks[start : start + 8])


# --- Scores without and with training -----------------------------------------------------------


def threshold():
    """Otsu's threshold on all cases at full resolution: what every network must beat."""
    cases, table = ph2.load_cases(), {}
    for name, clean in (("plain", False), ("cleaned", True)):
        masks = [otsu_mask(read_image(case.image), clean=clean) for case in cases]
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
        start = cpu_seconds()
        model, data = build_unet(SHAPE), recipe_data(train_cases, seed)
        train(model, data, verbose=False)
        seconds.append(cpu_seconds() - start)
        scores += [row["dice"] for row in evaluate(model, test_cases).rows]
    found = bootstrap(scores)
    return {
        "CPU s of reading and training, mean of the splits": round(np.mean(seconds), 1),
        f"mean Dice of {len(scores)} cases (95 %)": f"{found.mean:.3f} "
        f"({found.low:.3f} to {found.high:.3f})",
    }


def recipe_data(cases, seed=0):
    return make_dataset(cases, RECIPE.size, RECIPE.batch_size, training=True, seed=seed)


def goal_course():
    """Seconds of training until the test cases reach a mean Dice of .85, by train's defaults."""
    train_cases, test_cases = split_cases(ph2.load_cases())
    clock = Clock(test_cases)
    train(build_unet(SHAPE), recipe_data(train_cases), verbose=False, callbacks=[clock])
    return clock.result()


def goal_textbook():
    """The same for a textbook recipe: 256 px, 16-256 channels, batch 64, Adam 3e-4."""
    train_cases, test_cases = split_cases(ph2.load_cases())
    data, clock = make_dataset(train_cases, 256, 64, training=True), Clock(test_cases)
    fit_as_a_textbook(textbook_unet((256, 256, 3)), data, epochs=200, callbacks=[clock])
    return clock.result()


def fit_as_a_textbook(model, data, epochs, callbacks=()):
    model.compile(
        keras.optimizers.Adam(3e-4),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[dice],
        jit_compile=keras.backend.backend() == "jax",
    )
    model.fit(data, epochs=epochs, callbacks=callbacks, verbose=0, shuffle=False)


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


# --- The cost of a training ---------------------------------------------------------------------


def training():
    """A training by three recipes in CPU seconds: its start, a step, and (computed) all of it."""
    cases, _ = split_cases(ph2.load_cases())
    peak = matrix_multiply_peak()
    table = {
        "matrix multiply, all cores, GFLOP/s": round(peak / 1e9),
        "": "start, s  step, ms  all, s  images/s  share of the peak",
    }
    for name, recipe, build, fit in RECIPES:
        data = make_dataset(cases, recipe.size, recipe.batch_size, training=True)
        start, step, images = cost(build, fit, data, recipe)
        # Three passes: forward, gradients of inputs, gradients of weights.
        share = 3 * flops(build((recipe.size, recipe.size, 3))) * images / peak
        total = start + recipe.steps * step
        what = f"{name}: {recipe.size} px, batch {recipe.batch_size}, {recipe.steps} steps"
        table[what] = f"{start:8.2f} {1000 * step:9.1f} {total:7.0f} {images:9.0f} {share:8.0%}"
    return {**table, **where_a_step_goes(cases), **peak_memory()}


def cost(build, fit, data, recipe, images=160):
    """CPU seconds of a start with one step and of each further step; images a second."""
    steps = images // recipe.batch_size

    def measure(count):
        keras.utils.set_random_seed(0)
        cpu, wall = cpu_seconds(), time.perf_counter()
        fit(build((recipe.size, recipe.size, 3)), data.repeat().take(count), epochs=1)
        return cpu_seconds() - cpu, time.perf_counter() - wall

    measure(1)  # TensorFlow starts up outside of the clocks
    start, wall_of_start = measure(1)
    cpu, wall = measure(1 + steps)
    return start, (cpu - start) / steps, steps * recipe.batch_size / (wall - wall_of_start)


def fit_by_default(model, data, epochs):
    train(model, data, epochs=epochs, verbose=False)


def fit_as_first_edition(model, data, epochs):
    """The recipe of the course's first edition: Keras' AdamW, a metric that is a function."""
    steps = epochs * int(data.cardinality())
    optimizer = keras.optimizers.AdamW(
        WarmCosine(4e-3, steps),
        weight_decay=1e-3,
        use_ema=True,
        ema_momentum=max(0, 1 - 16 / steps),
    )
    model.compile(optimizer, bce_dice_loss, metrics=[dice], jit_compile=False)
    optimizer.build(model.trainable_variables)
    callbacks = [keras.callbacks.SwapEMAWeights()]
    model.fit(data, epochs=epochs, callbacks=callbacks, verbose=0, shuffle=False)


# Kinds of operations, and what their names in TensorFlow's profile contain.
KINDS = {
    "convolutions": ("Conv2D",),
    "augmentation": ("ImageProjective", "StatelessRandom"),
    "bilinear enlarging": ("ResizeBilinear",),
    "pooling": ("MaxPool",),
    "moving data": ("Concat", "Slice", "Tile", "Split", "Reshape", "Transpose", "Pad"),
    "arithmetic (normalisation, loss, optimizer)": (
        *("Mul", "Sub", "Add", "Div", "Sqrt", "Square", "Pow", "Log", "Mean", "Sum", "Max", "Min"),
        *("Relu", "Sigmoid", "Select", "Cast", "Assign"),
    ),
}


def where_a_step_goes(cases, steps=40):
    """Shares of the time of TensorFlow's operations in steps of train's recipe."""
    model, data = build_unet(SHAPE), recipe_data(cases).repeat().take(steps)
    with TemporaryDirectory() as folder:
        recorder = Profile(folder)
        train(model, data, epochs=2, verbose=False, callbacks=[recorder])
        seconds = seconds_by_operation(Path(folder))
    kinds = dict.fromkeys(KINDS, 0)
    for operation, value in seconds.items():
        for kind, names in KINDS.items():
            if any(name in operation for name in names):
                kinds[kind] += value
                break
    total = sum(kinds.values())
    return {f"share of a step: {kind}": f"{value / total:.0%}" for kind, value in kinds.items()}


class Profile(keras.callbacks.Callback):
    """Records the second epoch with TensorFlow's profiler: the first one begins with tracing."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            tf.profiler.experimental.start(self.folder)

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            tf.profiler.experimental.stop()


def seconds_by_operation(folder):
    """The seconds of each kind of TensorFlow's operations in a recorded profile."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space, seconds = xplane_pb2.XSpace(), defaultdict(float)
    (file,) = folder.rglob("*.xplane.pb")
    space.ParseFromString(file.read_bytes())
    for plane in space.planes:
        names = {number: event.name for number, event in plane.event_metadata.items()}
        for event in (event for line in plane.lines for event in line.events):
            name, _, operation = names[event.metadata_id].rpartition(":")
            if name:  # operations are called "name:Type"
                seconds[operation] += event.duration_ps / 1e12
    return seconds


def speed():
    """Images a second in prediction, in batches of 8."""
    images, table = np.random.default_rng(0).random((8, *SHAPE), "float32"), {}
    for name, build in (
        ("build_unet", build_unet),
        ("build_segnet", build_segnet),
        ("plain Keras U-Net", textbook_unet),
    ):
        model = build(SHAPE)
        model.predict_on_batch(images)  # the first call traces the graph
        seconds = fastest(partial(predict_often, model, images))
        what = f"{name}, {model.count_params():,} parameters, {RECIPE.size} px"
        table[what] = round(8 * 10 / seconds)
    return {**table, **peak_memory()}


def predict_often(model, images, times=10):
    for _ in range(times):
        model.predict_on_batch(images)


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
    "LiteRT": ("moles.tflite", {}),
    "LiteRT, weights of 8 bits": (
        "small.tflite",
        {"optimizations": [tf.lite.Optimize.DEFAULT]},
    ),
    "ONNX Runtime": ("moles.onnx", {}),
}


def export():
    """A trained U-Net exported: ms for one image, and its masks against Keras' own."""
    if keras.backend.backend() != "tensorflow":
        return {"skipped": "TensorFlow is the backend that exports to both"}
    cases, test_cases = split_cases(ph2.load_cases())
    model = train_by_default(cases)
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
            export_network(model, path, **options)
            networks[name] = path, load_exported(path)
        except ImportError:
            missing[name] = f"not installed: pip install {PACKAGES[path.suffix]}"
    return networks, missing


def train_by_default(cases):
    keras.utils.set_random_seed(0)
    model = build_unet(SHAPE)
    train(model, recipe_data(cases), verbose=False)
    return model


def milliseconds(runs, turns=20, calls=10):
    """Median time of a call on one image, in the fastest turn of each: others are disturbed."""
    image = np.random.default_rng(0).random((1, *SHAPE), "float32")
    times = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            run(image)  # the first call of a turn finds the caches cold
            times[name].append(np.median([fastest(partial(run, image), 1) for _ in range(calls)]))
    return {name: 1000 * min(medians) for name, medians in times.items()}


# --- Drawing, the lab and the lessons -----------------------------------------------------------


def drawing():
    """CPU seconds and MB of drawing the three built-in data sets, in a temporary folder."""
    measured = {}
    for draw in (dermoscopy.draw_ph2, dancers.draw_mads, meadow.draw_meadows):
        with TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
            start = cpu_seconds()
            drawn = draw(Path(folder) / "drawn")
            measured[f"{draw.__name__}, CPU s"] = round(cpu_seconds() - start)
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
    """Peak memory of the kernel of each lesson in GB, run as make run does."""
    table = {}
    for path in sorted(RUN.parent.glob("[0-9]*.ipynb")):
        lesson = subprocess.Popen([sys.executable, RUN, path.name], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(lesson.pid, 0)
        table[path.stem] = "failed" if status else gigabytes(used)
    return table


# --- Clocks and memory --------------------------------------------------------------------------


def cpu_seconds():
    """User and system time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def fastest(work, times=3):
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def peak_memory():
    return {"peak memory, GB": gigabytes(resource.getrusage(resource.RUSAGE_SELF))}


def gigabytes(used):
    """Peak memory of a process, or of the largest of those it waited for."""
    unit = 1e9 if sys.platform == "darwin" else 1e6  # bytes there, kilobytes on Linux
    return round(used.ru_maxrss / unit, 2)


RECIPES = (
    ("train", RECIPE, build_unet, fit_by_default),
    ("first edition", Recipe(128, 8, 900), build_unet, fit_as_first_edition),
    ("textbook", Recipe(256, 64, 900), textbook_unet, fit_as_a_textbook),
)
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
        training,
        speed,
        export,
        drawing,
        lab,
        lessons,
    )
}

if __name__ == "__main__":
    main(sys.argv[1:])
