"""From logits to masks at the image's own size, and how good these masks are."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from itertools import islice, product
from pathlib import Path
from typing import NamedTuple
from zipfile import is_zipfile

import keras
import numpy as np
from keras import Model, ops
from keras.activations import linear, sigmoid
from keras.saving import load_model
from PIL import Image
from scipy import ndimage, stats
from scipy.spatial import KDTree
from skimage.filters import threshold_otsu

from segmentation_tf.cases import Case, DatasetError
from segmentation_tf.images import (
    MAX_PIXELS,
    largest_component,
    read_image,
    read_mask,
    resize_image,
)

# hd95 and nsd are explained at the functions of these names.
METRICS = ("dice", "iou", "hd95", "nsd", "precision", "recall", "accuracy")
TOLERANCE = 2.0  # pixels by which outlines may differ, for nsd


class Interval(NamedTuple):
    """A mean with the ends of its 95 % confidence interval."""

    mean: float
    low: float
    high: float


class Evaluation(NamedTuple):
    """One dict for each case (name, label, METRICS), and an Interval for each metric."""

    rows: list[dict]
    means: dict[str, Interval]

    def __str__(self) -> str:
        lines = []
        for name, (mean, low, high) in self.means.items():
            # One case has no interval.
            interval = f"  (95 %: {low:.3f} to {high:.3f})" if len(self.rows) > 1 else ""
            lines.append(f"{name:<10} {mean:6.3f}{interval}")
        return "\n".join(lines)

    def write_csv(self, path: Path | str) -> None:
        """Write a table with a row for each case, and below it the means with their intervals."""
        ends = [
            {"name": name, **{metric: interval[i] for metric, interval in self.means.items()}}
            for i, name in enumerate(("mean", "95 % from", "95 % to"))
        ]
        rows = self.rows + ends[: 3 if len(self.rows) > 1 else 1]
        columns = [name for name in self.rows[0] if any(row.get(name) is not None for row in rows)]
        with open(path, "w", newline="", encoding="utf-8-sig") as file:  # so that Excel knows UTF-8
            writer = csv.writer(file)
            writer.writerow(columns)
            for row in rows:
                values = (row.get(name) for name in columns)
                writer.writerow(round(v, 4) if isinstance(v, float) else v for v in values)


# --- predictions


def predict_logits(model: Callable, image: np.ndarray, flips: bool = False) -> np.ndarray:
    """Predict the logits of one image at its own size: float32 `(H, W)`.

    The image is shrunk to the network's input and the logits are enlarged. A threshold comes
    after that, so the outline stays smooth.

    Args:
        model: A Keras model, or a network from `load_exported`, with one output channel.
        image: uint8 RGB `(H, W, 3)`.
        flips: Average the logits of the image, its two mirror images, and the image turned by 180
            degrees.

    Raises:
        ValueError: The image's type or shape is wrong; or the network has several channels or
            no fixed size.
    """
    return next(_each_logits(model, [image], flips))


def predict_mask(
    model: Callable, image: np.ndarray, threshold: float = 0.5, *, flips: bool = False
) -> np.ndarray:
    """Predict the mask of one image at its own size: bool `(H, W)`.

    Args:
        model, image, flips: As in `predict_logits`.
        threshold: A probability above 0 and below 1; 0.5 is a logit of 0.

    Raises:
        ValueError: As in `predict_logits`, or `threshold` is not above 0 and below 1.
    """
    return next(predict_masks(model, [image], threshold, flips=flips))


def predict_masks(
    model: Callable, images: Iterable[np.ndarray], threshold: float = 0.5, *, flips: bool = False
) -> Iterator[np.ndarray]:
    """Yield `predict_mask` of each image, faster than one image after another."""
    cut = _as_logit(threshold)
    for logits in _each_logits(model, images, flips):
        yield logits > cut


def predict_tiles(
    model: Callable,
    image: np.ndarray,
    threshold: float = 0.5,
    *,
    scale: float | tuple[float, float],
    overlap: float = 0.5,
    flips: bool = False,
) -> np.ndarray:
    """Predict the mask of an image that is larger than the network, tile by tile: bool `(H, W)`.

    Arguments and errors are those of `predict_mask` and `predict_tile_logits`.
    """
    cut = _as_logit(threshold)
    logits = predict_tile_logits(model, image, scale=scale, overlap=overlap, flips=flips)
    return logits > cut


def predict_tile_logits(
    model: Callable,
    image: np.ndarray,
    *,
    scale: float | tuple[float, float],
    overlap: float = 0.5,
    flips: bool = False,
) -> np.ndarray:
    """Predict the logits of an image tile by tile, at its own size: float32 `(H, W)`.

    The image is resized by `scale` and cut into tiles of the network's size that overlap. Where
    they do, their logits are averaged, and each counts less the nearer its tile's edge is. So the
    seams do not show. A side shorter than a tile is filled up with its mirror image.

    Args:
        model, image, flips: As in `predict_logits`.
        scale: An object must be as large in a tile as it was in training. A network of 96 px that
            was trained on whole photographs of 400 x 400 px has seen objects at a scale of
            96 / 400. Two numbers scale height and width: (96 / 450, 96 / 600) for photographs of
            450 x 600 px.
        overlap: Share of a tile's side that its neighbour covers too, from 0 to 0.75. At 0.5 each
            pixel lies in about four tiles; 0.25 takes less than half the time, but seams show
            faintly.

    Raises:
        ValueError: As in `predict_logits`, or `scale` or `overlap` are out of range.
    """
    _check_image(image)
    if not np.min(scale) > 0:
        raise ValueError(f"scale is {scale}; it must be above 0")
    if not 0 <= overlap <= 0.75:
        raise ValueError(f"overlap is {overlap}; it must be from 0 to 0.75")
    sides = np.multiply(image.shape[:2], scale)
    if np.prod(sides) > MAX_PIXELS:
        raise ValueError(
            f"scale {scale} makes the image {sides[1]:,.0f} x {sides[0]:,.0f} pixels; give a "
            "smaller one"
        )
    tile = _network_size(model)
    size = [max(1, round(side)) for side in sides]
    small = resize_image(image, size)
    missing = [(0, max(0, side - length)) for side, length in zip(tile, size)]
    small = np.pad(small, [*missing, (0, 0)], mode="symmetric")
    starts = [_tile_starts(*pair, overlap) for pair in zip(small.shape, tile)]
    windows = [(slice(y, y + tile[0]), slice(x, x + tile[1])) for y, x in product(*starts)]
    weight = np.outer(*(_tile_weight(side, overlap) for side in tile))
    total, weights = np.zeros((2, *small.shape[:2]), np.float32)
    tiles = (small[window] for window in windows)
    for window, logits in zip(windows, _each_logits(model, tiles, flips)):
        total[window] += weight * logits
        weights[window] += weight
    return _enlarge((total / weights)[: size[0], : size[1]], image.shape[:2])


def _tile_starts(length, tile, overlap):
    """Where tiles begin along one side: evenly spaced, the last one ends where the side ends."""
    step = max(1, round(tile * (1 - overlap)))
    count = 1 + -(-(length - tile) // step)
    return np.linspace(0, length - tile, count).round().astype(int).tolist()


def _tile_weight(tile, overlap):
    """Weight along one side of a tile: it rises from both edges over the overlap, up to 1."""
    from_edge = np.minimum(np.arange(tile), np.arange(tile)[::-1]) + 0.5
    return np.minimum(from_edge / max(0.5, tile * overlap), 1)


def predict_classes(model: Callable, image: np.ndarray) -> np.ndarray:
    """Predict the class of each pixel, from 0, at the image's own size: int64 `(H, W)`.

    It is the class of the largest logit (argmax). The model has one output channel for each
    class. Otherwise model and image are as in `predict_logits`.

    Raises:
        ValueError: The image has another type or shape, or the network only one output channel.
    """
    (logits,) = _run(model, [_network_input(model, image)])
    if logits.shape[-1] == 1:
        raise ValueError(
            "the network has one output channel, so there is no class to choose; use predict_mask"
        )
    size = image.shape[:2]
    return np.argmax([_enlarge(channel, size) for channel in np.moveaxis(logits, -1, 0)], axis=0)


def _each_logits(model, images, flips, batch_size=8):
    """Yield the logits of each image at its own size; with `flips`, as in `predict_logits`."""
    axes = [(), (0,), (1,), (0, 1)] if flips else [()]
    # Large images are not kept until their batch is full.
    inputs = ((_network_input(model, image), image.shape[:2]) for image in images)
    while batch := list(islice(inputs, batch_size)):
        small = [np.flip(one, axis) for one, _ in batch for axis in axes]
        logits = _run(model, small)
        if logits.shape[-1] != 1:
            raise ValueError(
                f"the network has {logits.shape[-1]} output channels, and a mask needs one: use "
                "predict_classes, or build the network with classes=1"
            )
        for i, (_, size) in enumerate(batch):
            mirrored = logits[i * len(axes) : (i + 1) * len(axes), ..., 0]
            upright = [np.flip(one, axis) for one, axis in zip(mirrored, axes, strict=True)]
            yield _enlarge(np.mean(upright, axis=0), size)


def _as_logit(threshold):
    if not 0 < threshold < 1:
        raise ValueError(f"threshold is {threshold}; it must be above 0 and below 1")
    return np.log(threshold / (1 - threshold))


def _network_input(model, image):
    _check_image(image)
    return resize_image(image, _network_size(model)).astype("float32") / 255


def _network_size(model):
    shape = getattr(model, "input_shape", None)
    if shape is None or None in shape[1:3]:
        raise ValueError(
            f"the network's input shape is {shape}, so it is not known to which size to shrink an "
            "image. Set the size of its training, for example: images = keras.Input((96, 96, 3)); "
            "model = keras.Model(images, model(images))"
        )
    return shape[1:3]


def _check_image(image):
    if not isinstance(image, np.ndarray) or not image.size:
        raise ValueError(f"give an image as an array, as read_image reads it, not {image!r:.80}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"give uint8 RGB (H, W, 3), not {image.dtype} {image.shape}")


def _run(model, images):
    """Logits at the network's size, float32 `(n, h, w, classes)`."""
    return ops.convert_to_numpy(model(np.stack(images), training=False))


def _enlarge(logits, size):
    height, width = size
    return np.asarray(Image.fromarray(logits).resize((width, height), Image.Resampling.BICUBIC))


# --- scores


def evaluate(
    model: Callable, cases: Sequence[Case], threshold: float = 0.5, *, flips: bool = False
) -> Evaluation:
    """Score a model on cases at full resolution.

    Arguments and errors are those of `predict_mask`. An empty list of cases is a ValueError, too.
    """
    images = (read_image(case.image) for case in cases)
    return evaluate_masks(cases, predict_masks(model, images, threshold, flips=flips))


def evaluate_masks(cases: Sequence[Case], predictions: Iterable[np.ndarray]) -> Evaluation:
    """Score predicted masks, bool `(H, W)`, each at the size of its case's image."""
    rows = [
        {
            "name": case.name,
            "label": case.label,
            **score(read_mask(case.mask, case.classes), prediction),
        }
        for case, prediction in zip(cases, predictions, strict=True)
    ]
    return Evaluation(rows, {name: bootstrap([row[name] for row in rows]) for name in METRICS})


def score(mask: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    """Compare a prediction with the ground truth, both bool `(H, W)`: a dict of METRICS.

    Two empty masks agree: hd95 is 0 and the other scores are 1. If only one of them is empty, dice,
    iou, nsd, precision and recall are 0, and hd95 is the image's diagonal.

    Raises:
        ValueError: They are not bool, or have different sizes.
    """
    check_masks(mask, prediction)
    tp = np.count_nonzero(mask & prediction)
    fn = np.count_nonzero(mask) - tp
    fp = np.count_nonzero(prediction) - tp
    both_empty = float(tp + fn + fp == 0)
    distances = surface_distances(mask, prediction)
    return {
        "dice": 2 * tp / (2 * tp + fn + fp) if tp else both_empty,
        "iou": tp / (tp + fn + fp) if tp else both_empty,
        "hd95": _hd95(distances, mask.shape),
        "nsd": _nsd(distances, TOLERANCE),
        "precision": tp / (tp + fp) if tp else both_empty,
        "recall": tp / (tp + fn) if tp else both_empty,
        "accuracy": 1 - (fn + fp) / mask.size,
    }


def check_masks(mask: np.ndarray, prediction: np.ndarray) -> None:
    """Raise a ValueError unless both are bool `(H, W)` of one size."""
    for name, one in (("mask", mask), ("prediction", prediction)):
        if one.dtype != bool or one.ndim != 2:
            raise ValueError(
                f"{name} is {one.dtype} {one.shape}; give bool (H, W), for example {name} > 0"
            )
    if mask.shape != prediction.shape:
        raise ValueError(
            f"mask is {mask.shape}, prediction {prediction.shape}: resize the prediction first"
        )


def hd95(mask: np.ndarray, prediction: np.ndarray) -> float:
    """95th percentile Hausdorff distance of two outlines in pixels; both masks bool `(H, W)`.

    It is the larger of two directed percentiles: one over the distances from the mask's outline
    to the prediction's, one over the distances back. Other definitions are in use, so scores from
    elsewhere may differ. MedPy pools both sets of distances before it takes the percentile.

    By this course's own rule it is 0 for two empty masks, and the image's diagonal if only one is
    empty.

    Source:
        D. Huttenlocher, G. Klanderman, W. Rucklidge, "Comparing images using the Hausdorff
        distance", IEEE PAMI 1993.
    """
    return _hd95(surface_distances(mask, prediction), mask.shape)


def nsd(mask: np.ndarray, prediction: np.ndarray, tolerance: float = TOLERANCE) -> float:
    """Normalised surface distance: the share of both outlines that is close to the other, 0 to 1.

    It counts the pixels of both outlines that are at most `tolerance` pixels from the other
    outline, and divides by the pixels of both. It is 1 for two empty masks and 0 if only one is
    empty. The source measures the length of outlines between pixels, where we count pixels.

    Args:
        mask, prediction: bool `(H, W)`.
        tolerance: In pixels. The usual distance between two raters' outlines is a good choice.

    Source:
        S. Nikolov and others, "Clinically applicable segmentation of head and neck anatomy for
        radiotherapy", J Med Internet Res 2021, arXiv:1809.04430.
    """
    return _nsd(surface_distances(mask, prediction), tolerance)


def surface_distances(mask: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances in pixels between the outlines of two masks, bool `(H, W)`.

    An outline is made of the pixels of a mask that have at least one of their four neighbours
    outside the mask. Outside the image counts as outside the mask.

    Returns:
        For each pixel of the mask's outline the distance to the prediction's outline, then the
        same in the other direction; inf if there is nothing to measure to.
    """
    check_masks(mask, prediction)
    union = ndimage.find_objects((mask | prediction).astype(np.uint8))
    window = union[0] if union else ...
    outlines = [
        np.argwhere(m & ~ndimage.binary_erosion(m)) for m in (mask[window], prediction[window])
    ]
    if not all(map(len, outlines)):
        return tuple(np.full(len(outline), np.inf) for outline in outlines)
    there, back = (KDTree(outline) for outline in outlines)
    return back.query(outlines[0])[0], there.query(outlines[1])[0]


def _hd95(distances, shape):
    if not any(map(len, distances)):
        return 0.0
    if not all(map(len, distances)):
        return float(np.hypot(*shape))
    return float(max(np.percentile(way, 95) for way in distances))


def _nsd(distances, tolerance):
    both = np.concatenate(distances)
    return float(np.mean(both <= tolerance)) if len(both) else 1.0


def bootstrap(values: Sequence[float], draws: int = 2000, seed: int = 0) -> Interval:
    """Mean of `values` with its 95 % confidence interval, by the percentile bootstrap.

    It takes the values as independent. If several cases belong to one group, the interval is too
    narrow. With one value both ends are that value, and say nothing.

    Raises:
        ValueError: There are no values.

    Source:
        B. Efron, "Bootstrap methods: another look at the jackknife", 1979.
    """
    values = np.asarray(values, float)
    if values.size == 0:
        raise ValueError("there are no values to average; is the list of cases empty?")
    mean = float(values.mean())
    if values.size == 1:
        return Interval(mean, mean, mean)
    result = stats.bootstrap(
        (values,), np.mean, n_resamples=draws, method="percentile", rng=np.random.default_rng(seed)
    )
    return Interval(mean, *map(float, result.confidence_interval))


# --- a baseline that learns nothing


def otsu_mask(image: np.ndarray, channel: int | None = 2, *, clean: bool = True) -> np.ndarray:
    """Segment uint8 RGB `(H, W, 3)` by darkness: bool `(H, W)`. Every network must beat it.

    The threshold splits the values of one channel so that the variance within the two sides,
    weighted by their sizes, is as small as possible.

    Args:
        channel: 0 is red, 1 green, 2 blue, and None is grey. Lesion and skin differ most in blue.
        clean: Keep only the largest connected part, and fill its holes.

    Source:
        N. Otsu, "A threshold selection method from gray-level histograms", 1979.
    """
    values = np.asarray(Image.fromarray(image).convert("L"))
    if channel is not None:
        values = image[..., channel]
    dark = values <= threshold_otsu(values)
    return ndimage.binary_fill_holes(largest_component(dark)) if clean else dark


# --- networks from files, some of them computed by another runtime

# The runtimes are not among the course's packages. Keras needs tf2onnx to write ONNX.
PACKAGES = {".tflite": "ai-edge-litert", ".onnx": "onnxruntime tf2onnx"}
FORMATS = {".tflite": "litert", ".onnx": "onnx"}  # Keras' names


class Exported:
    """A network from a file: images `(N, H, W, C)` in, logits `(N, H, W, classes)` out.

    It has a Keras model's `input_shape` and is called like one, so that the functions above take
    either.
    """

    def __init__(self, input_shape: Sequence, run: Callable):
        self.input_shape, self._run = (None, *map(int, input_shape[1:])), run

    def __call__(self, images: np.ndarray, training: bool = False) -> np.ndarray:
        if training:
            raise ValueError("an exported network cannot be trained: train in Keras, export again")
        return self._run(images)


def export_network(model: Model, path: Path | str, **options) -> None:
    """Write a network for other runtimes: a .tflite file for LiteRT, a .onnx file for ONNX Runtime.

    Args:
        model: A Keras model that takes images of one size. Train it with logits.
        path: It ends in .tflite or .onnx.
        options: For `model.export`, such as `optimizations=[tf.lite.Optimize.DEFAULT]`, which
            stores the weights of a .tflite file in 8 bits.

    Raises:
        ValueError: The path has another suffix, Keras' backend is not TensorFlow, or the network
            takes images of any size.
        ImportError: Keras is too old, or a package is missing; the message says what to install.
    """
    path = Path(path)
    _check_suffix(path)
    if (backend := keras.backend.backend()) != "tensorflow":
        raise ValueError(
            f"Keras' backend is {backend}, but this needs TensorFlow: save the network as a "
            ".keras file, set KERAS_BACKEND=tensorflow, restart Python, and load the file"
        )
    shape = getattr(model, "input_shape", None)  # only known to models that are built from layers
    if shape is None or len(shape) != 4 or None in shape[1:]:
        raise ValueError(
            f"{path.name}: the network's input shape is {shape}, but the export needs one image "
            "size. Set it, for example: images = keras.Input((96, 96, 3)); "
            "model = keras.Model(images, model(images))"
        )
    if path.suffix == ".onnx":
        _runtime("tf2onnx", ".onnx")
    elif tuple(map(int, keras.__version__.split(".")[:2])) < (3, 13):
        raise ImportError(
            f".tflite files need Keras 3.13 or later, and this is {keras.__version__}: "
            "pip install -U keras, and restart Python"
        )
    model(np.zeros((1, *shape[1:]), np.float32))  # Keras writes no ONNX of a model never called
    model.export(path, format=FORMATS[path.suffix], verbose=False, **options)


def load_network(path: Path | str) -> Callable:
    """Load a network from a .keras file, or an exported one: RGB images in, logits out.

    A Keras model may end in a sigmoid; the loaded network then leaves it out. Exported networks do
    not tell: train and export them with logits.

    Raises:
        DatasetError: The file cannot be read as a network, or this one takes other images or does
            not return a map of their size.
        ImportError: As in `load_exported`.
    """
    path = Path(path)
    if path.is_dir():
        raise DatasetError(f"{path}: is a folder; give the file of a network, as in model.keras")
    if not path.is_file():
        raise DatasetError(f"{path}: there is no such file; give the file of a trained network")
    if path.suffix == ".keras" and not is_zipfile(path):
        raise DatasetError(f"{path}: is damaged, or is not a Keras model; copy or save it again")
    try:
        model = load_exported(path) if path.suffix in LOADERS else _load_keras(path)
        shape = tuple(model.input_shape)
        if len(shape) != 4 or shape[3] != 3 or None in shape[1:3]:
            raise DatasetError(f"{path}: takes inputs of shape {shape}, not RGB images of one size")
        outputs = model(np.zeros((1, *shape[1:]), np.float32), training=False)
    except (ImportError, DatasetError):
        raise
    except Exception as error:  # damaged files raise many kinds
        reason = str(error).strip().splitlines()[0][:200]
        raise DatasetError(f"{path}: cannot be loaded as a network ({reason})") from error
    found = tuple(getattr(outputs, "shape", ()))
    if len(found) != 4 or found[1:3] != shape[1:3]:
        seen = f"its output has the shape {found}" if found else "it has several outputs"
        raise DatasetError(
            f"{path}: does not predict a mask: {seen}, and it needs one of "
            f"(1, {shape[1]}, {shape[2]}, channels), with a logit for each pixel"
        )
    return model


def _load_keras(path):
    """A Keras model without its last sigmoid, if it has one: so it returns logits."""
    model = load_model(path, compile=False)
    last = model.layers[-1]
    if getattr(last, "activation", None) is sigmoid:
        last.activation = linear
    if len(model.inputs) == len(model.outputs) == 1:  # they may be lists of one
        model = Model(model.inputs[0], model.outputs[0], name=model.name)
    return model


def load_exported(path: Path | str, threads: int = 1) -> Exported:
    """Load a network that `export_network` has written.

    Raises:
        ValueError: The file has another suffix.
        FileNotFoundError: There is no such file.
        DatasetError: The network takes images of any size.
        ImportError: The runtime is not installed; the message says how to install it.
    """
    path = Path(path)
    _check_suffix(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: export a model to it first")
    shape, run = LOADERS[path.suffix](str(path), threads)
    # LiteRT has -1 for an unknown size, and ONNX a name.
    if not all(isinstance(side, int | np.integer) and side > 0 for side in shape[1:]):
        raise DatasetError(
            f"{path}: takes images of any size; export the network with export_network, which "
            "says how to set one"
        )
    return Exported(shape, run)


def _check_suffix(path):
    if path.suffix not in FORMATS:
        raise ValueError(f"{path.name}: give the name of a .tflite or .onnx file")


def _load_litert(path, threads):
    interpreter = _runtime("ai_edge_litert.interpreter", ".tflite").Interpreter
    # A signature's runner takes batches of any size; the bare interpreter does not.
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
