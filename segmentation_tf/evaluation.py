"""From logits to masks at the image's own size, and how good they are."""

from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from keras import ops
from PIL import Image
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.filters import threshold_otsu

from segmentation_tf.images import read_image, read_mask, resize_image

METRICS = ("dice", "iou", "hd95", "precision", "recall", "accuracy")


class Interval(NamedTuple):
    """A mean with the ends of its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


class Evaluation(NamedTuple):
    """`rows`: one dict a case (name, label and METRICS); `means`: an Interval a metric."""

    rows: list
    means: dict

    def __str__(self):
        return "\n".join(
            f"{name:<10} {mean:6.3f}  (95 %: {low:.3f} to {high:.3f})"
            for name, (mean, low, high) in self.means.items()
        )


def predict_logits(model, image, flips=False):
    """Logits of one uint8 RGB image `(H, W, 3)`, float32 `(H, W)`, at the image's own size.

    The image is shrunk to the network's input, scaled to [0, 1], and the logits are enlarged:
    thresholding last keeps the outline smooth. With `flips`, the logits of the image and its
    three mirror images are averaged.
    """
    return next(_logits_of_each(model, [image], flips))


def predict_mask(model, image, threshold=0.5, flips=False):
    """Segment one uint8 RGB image `(H, W, 3)`: bool `(H, W)` at its own size.

    `threshold` is a probability in (0, 1): 0.5 is the logit 0. `flips` as in `predict_logits`.
    """
    return next(predict_masks(model, [image], threshold, flips))


def predict_masks(model, images, threshold=0.5, flips=False):
    """Yield `predict_mask` of each image, several at a time, which is faster."""
    if not 0 < threshold < 1:
        raise ValueError(f"threshold is {threshold}; it is a probability, between 0 and 1")
    for logits in _logits_of_each(model, images, flips):
        yield logits > np.log(threshold / (1 - threshold))


def evaluate(model, cases, threshold=0.5, flips=False):
    """Score a model on cases at full resolution: an `Evaluation`."""
    images = (read_image(case.image) for case in cases)
    return evaluate_masks(cases, predict_masks(model, images, threshold, flips))


def evaluate_masks(cases, predictions):
    """Score predicted masks, bool `(H, W)` each at its image's own size: an `Evaluation`."""
    rows = [
        {"name": case.name, "label": case.label, **score(read_mask(case.mask), predicted)}
        for case, predicted in zip(cases, predictions, strict=True)
    ]
    return Evaluation(rows, {name: bootstrap([row[name] for row in rows]) for name in METRICS})


def score(mask, predicted):
    """Compare a predicted mask with the true one, bool `(H, W)` both: a dict of METRICS.

    Two empty masks agree: Dice, IoU, precision and recall are 1 and HD95 is 0. Where only one is
    empty, the four are 0.
    """
    if mask.shape != predicted.shape:
        raise ValueError(f"mask is {mask.shape}, prediction {predicted.shape}: resize it first")
    hit = np.count_nonzero(mask & predicted)
    missed = np.count_nonzero(mask) - hit
    false = np.count_nonzero(predicted) - hit
    both_empty = float(hit + missed + false == 0)
    return {
        "dice": 2 * hit / (2 * hit + missed + false) if hit else both_empty,
        "iou": hit / (hit + missed + false) if hit else both_empty,
        "hd95": hd95(mask, predicted),
        "precision": hit / (hit + false) if hit else both_empty,
        "recall": hit / (hit + missed) if hit else both_empty,
        "accuracy": 1 - (missed + false) / mask.size,
    }


def hd95(mask, predicted):
    """95th percentile Hausdorff distance of two outlines, in pixels; bool `(H, W)` both.

    Of each outline's distances to the other the 95th percentile, then the larger of the two.
    0 where both masks are empty and the image's diagonal where one is: this course's own rule.
    Source: D. Huttenlocher, G. Klanderman, W. Rucklidge, IEEE PAMI 1993.
    """
    if not mask.any() or not predicted.any():
        return 0.0 if mask.any() == predicted.any() else float(np.hypot(*mask.shape))
    window = ndimage.find_objects((mask | predicted).astype(np.uint8))[0]
    a, b = _outline(mask[window]), _outline(predicted[window])
    to_b, to_a = KDTree(b).query(a)[0], KDTree(a).query(b)[0]
    return float(max(np.percentile(to_b, 95), np.percentile(to_a, 95)))


def bootstrap(values, draws=2000, seed=0):
    """Mean of `values` with a 95 % percentile bootstrap interval, an `Interval`.

    Source: B. Efron, "Bootstrap methods: another look at the jackknife", 1979.
    """
    values = np.asarray(values, float)
    if values.size == 0:
        raise ValueError("there are no values to average: the list of cases is empty")
    picks = np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def _logits_of_each(model, images, flips, batch_size=8):
    images = iter(images)
    axes = [(), (0,), (1,), (0, 1)] if flips else [()]
    while batch := list(islice(images, batch_size)):
        small = [np.flip(_network_input(model, image), a) for image in batch for a in axes]
        logits = ops.convert_to_numpy(model(np.stack(small), training=False))[..., 0]
        for i, image in enumerate(batch):
            turned = logits[i * len(axes) : (i + 1) * len(axes)]
            upright = [np.flip(one, a) for one, a in zip(turned, axes, strict=True)]
            mean = Image.fromarray(np.mean(upright, axis=0))
            yield np.asarray(mean.resize(image.shape[1::-1], Image.Resampling.BICUBIC))


def _network_input(model, image):
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"give uint8 RGB (H, W, 3), not {image.dtype} {image.shape}")
    return resize_image(image, model.input_shape[1:3]).astype("float32") / 255


def _outline(mask):
    """The pixels of a mask that have a neighbour outside: `(n, 2)`."""
    return np.argwhere(mask & ~ndimage.binary_erosion(mask))


# --- a baseline without a network


def otsu_mask(image, clean=True):
    """Segment uint8 RGB `(H, W, 3)` by darkness: bool `(H, W)`, at the image's own size.

    The threshold splits the grey values so that each side varies least. With `clean`, only the
    largest connected part stays and its holes are filled.
    Source: N. Otsu, "A threshold selection method from gray-level histograms", 1979.
    """
    grey = np.asarray(Image.fromarray(image).convert("L"))
    dark = grey <= threshold_otsu(grey)
    return ndimage.binary_fill_holes(_largest_part(dark)) if clean else dark


def _largest_part(mask):
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])


# --- exported networks

# What to install: to export, and to run. Keras needs tf2onnx to write ONNX.
PACKAGES = {".tflite": "ai-edge-litert", ".onnx": "onnxruntime tf2onnx"}


class Exported:
    """A network from a file: images `(N, H, W, C)` in, logits `(N, H, W, classes)` out.

    It has a Keras model's `input_shape` and is called like one, so that `evaluation` can use
    either.
    """

    def __init__(self, input_shape, run):
        self.input_shape, self._run = (None, *map(int, input_shape[1:])), run

    def __call__(self, images, training=False):
        if training:
            raise ValueError("an exported network cannot be trained: train in Keras, export again")
        return self._run(images)


def load_exported(path, threads=1):
    """Load a `.tflite` or `.onnx` file as an `Exported`; it computes with so many `threads`.

    Raises ImportError where its runtime is not installed.
    """
    path = Path(path)
    if path.suffix not in LOADERS:
        raise ValueError(f"{path.name}: give a .tflite or .onnx file, as model.export writes them")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: export a model to it first")
    return Exported(*LOADERS[path.suffix](str(path), threads))


def _load_litert(path, threads):
    interpreter = _runtime("ai_edge_litert.interpreter", ".tflite").Interpreter
    # A signature's runner, unlike the bare interpreter, takes batches of any size.
    run = interpreter(path, num_threads=threads).get_signature_runner()
    ((name, details),) = run.get_input_details().items()
    return details["shape_signature"], lambda images: next(iter(run(**{name: images}).values()))


def _load_onnx(path, threads):
    runtime = _runtime("onnxruntime", ".onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    return image.shape, lambda images: session.run(None, {image.name: images})[0]


LOADERS = {".tflite": _load_litert, ".onnx": _load_onnx}


def _runtime(module, suffix):
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{suffix} files need packages that are not installed: pip install {PACKAGES[suffix]}"
        ) from error
