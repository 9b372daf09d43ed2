"""Task 4: a Keras model from images to logits of the same size, with skips and a wide view."""

import re
from collections.abc import Callable
from math import log2

import numpy as np

from lab.checks.common import Hint, Stopped, ask, report
from lab.checks.values import as_array, kind_of

VIEW = 40  # pixels across and down that a logit must depend on
MOMENTUM = 0.97  # of batch normalisation, at most: the 0.95 of the docstring, and some tolerance
EPOCH = 300 * 4 * 160 * 160  # pixels of an epoch of the lab: steps, windows in a step, their size
PACE = 30e9  # multiplications a second in training, of a machine with two cores
MANY_WEIGHTS, LONG_EPOCH = 6_000_000, 60  # what is too slow for the lab


def check_build_network(build_network: Callable, seed: int = 0) -> None:
    """Check the form of the model, its outputs, its skip connections and its receptive field.

    A network that is right but slow passes with a warning.
    """
    height, width = ((96, 160), (160, 96))[seed % 2]
    form = _ask(_form, build_network, height, width)
    if not isinstance(form, dict) or "graph" not in form:
        raise Hint(f"""build_network returned a {kind_of(form)}, not a keras.Model. End with: return
            keras.Model(image, logits)""")
    _check_input(form["input"], height, width)
    _check_momenta(form["momenta"])
    if form["shapes"] != form["other shapes"]:
        raise Hint(f"""Built for {height} x {width} and for 64 x 64 pixels, the network has weights
            of different shapes. A Dense layer after Flatten ties it to the size, and so do filters
            or layers whose number is computed from it. Convolutions fit any size, and
            training on parts of the frames needs that.""")
    facts = _ask(_run, build_network, height, width, seed)
    _check_logits(facts["logits"], facts["stronger"], (4, height, width, 1))
    if form["rows"] and min(form["rows"]) == height:
        raise Hint("""No layer halves the grid. A wide view at full size takes much time. One wide
            filter is no substitute for layers that build on each other. Halve
            several times, by MaxPooling2D or strides=2, and double as often on the way up.""")
    _check_skips(form["graph"], form["outputs"])
    _check_gradients(facts["learns"], facts["view"])
    count = sum(int(np.prod(shape)) for shape in form["shapes"])
    report("Task 4 passed", f"{count:,} weights, logits out, and a wide view", seed)
    _warn_if_slow(count, EPOCH * form["work"] / (height * width) / PACE)


# --- Beside the learner's function ----------------------------------------------------------------


def _form(build_network, height, width):
    """How the model is built, and which shapes its weights have for another size."""
    import keras

    model = build_network(height, width)
    if not isinstance(model, keras.Model):
        return model
    layers = list(model._flatten_layers(include_self=False))
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    shape = getattr(model, "input_shape", (None, height, width, 3))
    return {
        "input": tuple(shape),
        "momenta": [float(layer.momentum) for layer in norms],
        "shapes": [tuple(one.shape) for one in model.weights],
        "other shapes": [tuple(one.shape) for one in build_network(64, 64).weights],
        "work": sum(map(_work, layers)),
        "rows": _rows(layers),
        **_graph(model),
    }


def _work(layer):
    """The multiplications of a convolution for an image; 0 where its grids are not known."""
    nodes = [node for node in layer._inbound_nodes if "Conv" in type(layer).__name__]
    sizes = [one.shape[1:3] for node in nodes for one in node.input_tensors + node.output_tensors]
    if not sizes or None in sum(sizes, ()):
        return 0
    return min(map(np.prod, sizes)) * sum(np.prod(one.shape) for one in layer.weights)


def _rows(layers):
    """The rows of all grids that the layers make, as far as they are known."""
    nodes = [node for layer in layers for node in layer._inbound_nodes]
    shapes = [one.shape for node in nodes for one in node.output_tensors]
    return [shape[1] for shape in shapes if len(shape) == 4 and shape[1]]


def _graph(model):
    """Tensors by id: the rows of each, if it is a grid, and the tensors it is made from.

    A subclassed model does not show them.
    """
    model = getattr(model, "_functional", None) or model  # of a Sequential
    nodes = [node for layer in getattr(model, "operations", ()) for node in layer._inbound_nodes]
    graph = {
        id(tensor): (tensor.shape[1] if len(tensor.shape) == 4 else None, before)
        for node in nodes
        for before in [[id(one) for one in node.input_tensors]]
        for tensor in node.output_tensors
    }
    return {"graph": graph, "outputs": [id(one) for one in model.outputs] if graph else []}


def _run(build_network, height, width, seed):
    """Logits for strange images; what a gradient gets to, and the view of a logit."""
    import tensorflow as tf

    model, rng = build_network(height, width), np.random.default_rng(seed)
    for weights in model.trainable_variables:
        if not np.any(weights):  # such a layer would hide what comes before it
            weights.assign(rng.normal(0, 0.05, weights.shape))
    images = tf.constant(rng.random((4, height, width, 3)), tf.float32)
    # With inputs in a wide range, no logits stay in [0, 1] by chance or by a division by 255.
    wide = 255 * (100 * images - 50)
    facts = {"logits": model(wide, training=False), "stronger": np.inf}
    facts |= {"view": None, "learns": [("the image", False)]}
    if not tf.is_tensor(facts["logits"]) or tuple(facts["logits"].shape) != (4, height, width, 1):
        return facts
    image, weights = images[:1], model.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(image)
        logits = model(image, training=False)
        middle = logits[:, height // 2, width // 2, 0]
        mixed = tf.reduce_sum(logits * rng.normal(size=logits.shape))
    view = tape.gradient(middle, image)
    slopes = [view, *tape.gradient(mixed, [one.value for one in weights])]
    facts["view"] = view if view is None else np.abs(view).max(axis=(0, 3))
    facts["learns"] = [
        (name, slope is not None and bool(np.any(slope)))
        for name, slope in zip(["the image", *(one.path for one in weights)], slopes)
        if "bias" not in name  # it may do nothing: normalisation removes it again
    ]
    for one in weights:
        one.assign(-10 * one)  # logits grow and change sign; what an activation returns may not
    return facts | {"stronger": model(wide[:1], training=False)}


# --- Judging --------------------------------------------------------------------------------------


def _ask(probe, build_network, *arguments):
    """Ask, and explain the errors of grids that do not fit."""
    try:
        return ask(probe, build_network, *arguments)
    except Stopped as stopped:
        _explain(stopped.failure, *arguments[:2])
        raise


def _explain(failure, height, width):
    """Raise a Hint if the error says that axes or grids do not fit."""
    message, lines = failure.message, failure.lines
    if "found ndim=3" in message:
        _refuse_input(f"A layer got three axes, not four, for {height} x {width}.", lines)
    if "zero or negative" in message:
        _refuse_borders("build_network stopped where nothing was left of the grid:", lines)
    joins = re.search("incompatible shapes|matching shapes|same shape|broadcast|Concat", message)
    sizes = re.findall(r"[\[(](?:(?:None|\d+), ?)?(\d+), ?(\d+), ?(\d+)[\])]", message)
    if not joins or len(sizes) < 2:
        return
    (rows, columns, channels), (rows_2, columns_2, channels_2) = np.array(sizes[:2], int).tolist()
    seen = f"build_network stopped where {rows} x {columns} meets {rows_2} x {columns_2}:"
    halvings = abs(log2(rows / rows_2))
    if rows * columns_2 != rows_2 * columns or halvings != int(halvings):
        _refuse_borders(seen, lines)
    if halvings == 0:
        raise Hint(
            f"""build_network stopped because layers of {channels} and {channels_2} channels cannot
                be added up, or joined along any axis but the last. Give both the same number
                of filters, or use layers.Concatenate()([x, skip]).""",
            lines,
        )
    if halvings == 1:
        raise Hint(
            f"""{seen} they are one halving apart. Either a doubling is missing, or the skip is
                of another size, for example stored after the pooling. Double first, and join with
                what the encoder had at that size.""",
            lines,
        )
    raise Hint(
        f"""{seen} they are {halvings:.0f} halvings apart: likely the skips are in the wrong
            order. The decoder begins with the smallest grid, and the encoder's list with the
            largest. Go through it backwards: reversed(skips).""",
        lines,
    )


def _refuse_borders(seen, lines):
    raise Hint(
        f"""{seen} the sizes are not halvings of the input. Convolutions without padding='same'
            cut the border off, and transposed ones add to it. Give each convolution and each
            transposed one padding='same', and halve five times at most.""",
        lines,
    )


def _refuse_input(seen, lines=()):
    raise Hint(
        f"""{seen} Keras' shapes are (height, width, channels), and Keras adds the axis of the batch
            in front. Write keras.Input((height, width, 3)), with the two arguments of the function
            and not with the notebook's constants.""",
        lines,
    )


def _check_input(shape, height, width):
    expected = None, height, width, 3
    if len(shape) != 4 or any(a not in (b, None) for a, b in zip(shape[1:], expected[1:])):
        _refuse_input(f"build_network({height}, {width}) has the input {shape}, not {expected}.")


def _check_momenta(momenta):
    slow = [momentum for momentum in momenta if momentum > MOMENTUM]
    if slow:
        raise Hint(f"""{len(slow)} layers of batch normalisation have the momentum {slow[0]}. With
            0.99, Keras' default, 37% of the initial statistics are still there after a hundred
            steps, so validation may lag while training goes well. Write
            layers.BatchNormalization(momentum=0.9).""")


def _check_logits(logits, stronger, expected):
    logits, (_, height, width, _) = as_array(logits), expected
    shape = () if logits is None else logits.shape
    if len(shape) == 4 and shape[1] < height:
        raise Hint(f"""For an image of {height} x {width} the output is {shape[1]} x {shape[2]}.
            Either the decoder doubles less often than the encoder halves, or convolutions without
            padding='same' cut the border off. Give every pooling and every stride of 2 a doubling
            on the way up, and every convolution padding='same'.""")
    if shape != expected:
        raise Hint(f"""The output has the shape {shape}, and {expected} was expected. Person or not
            is one question, so one output with one logit for each pixel is enough. End with a
            convolution of 1 filter, without activation, at full height and width.""")
    low, top, stronger = logits.min(), logits.max(), as_array(stronger)
    rectified = [one.min() >= 0 and (one == 0).mean() > 0.01 for one in (logits, stronger)]
    if any(rectified) or (low >= 0 and top <= 1) or np.abs(stronger).max() <= 2:
        raise Hint(f"""For 4 images the outputs lie between {low:.2f} and {top:.2f}, as after a
            sigmoid, tanh, ReLU or argmax (or a softmax over one channel, which is always 1). A
            logit may be any number, and below 0 it means background. The loss and the prediction of
            this course apply the sigmoid themselves. Leave the last activation out.""")


def _check_skips(graph, outputs):
    rows = [rows for rows, _ in graph.values() if rows]
    if rows and min(rows) < max(rows) and not _avoids(min(rows), outputs[0], graph, set()):
        raise Hint(f"""Every way from the image to the logits leads through the coarsest grid,
            {min(rows)} rows high. The exact place of an edge gets lost there: one cell stands for a
            block of pixels. Pass the encoder's result of each size to the decoder:
            layers.Concatenate()([x, skip]).""")


def _avoids(rows, tensor, graph, seen):
    """Whether some way from the tensor back to the image meets no grid of that many rows."""
    found, before = graph[tensor]
    if tensor in seen or found == rows:
        return False
    seen.add(tensor)
    return not before or any(_avoids(rows, one, graph, seen) for one in before)


def _check_gradients(learns, view):
    """learns: names, and whether a gradient gets there; view: of the logit in the middle."""
    if dead := [name for name, learns in learns if not learns]:
        raise Hint(f"""No gradient gets from the logits to {len(dead)} of {len(learns)} places, for
            example {dead[-1]}. What is there would never learn. Something cuts the way from the
            output back to it: stop_gradient, rounding, argmax or a product with 0. Or a layer is
            not called on what came before.""")
    rows, columns = (np.ptp(where) + 1 for where in np.nonzero(view > 1e-7 * view.max()))
    if min(rows, columns) < VIEW:
        raise Hint(f"""A logit sees {rows} x {columns} pixels; it needs 40 x 40. Such a view
            shows a piece of cloth, and cannot tell a person from a mannequin. Halve more often:
            every halving doubles what each 3 x 3 convolution sees.""")


def _warn_if_slow(count, seconds):
    if count > MANY_WEIGHTS or seconds > LONG_EPOCH:
        print(
            f"But an epoch will take about {seconds:.0f} seconds on two cores, if nothing else\n"
            "runs (300 steps of 4 windows of 160 x 160). A million weights are enough here. Use\n"
            "fewer filters, above all at full size, or begin with strides=2."
        )
