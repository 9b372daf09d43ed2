"""Task 4: a Keras model from images to logits of the same size, with skips and a wide view."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from lab.checks.common import Hint, call, report

HINTS = {
    "no model": """
        build_network returned a {kind}, not a keras.Model. End with: return keras.Model(image,
        logits)""",
    "width first": """
        The input is {shape}: width and height are exchanged. Keras' shapes are (height, width,
        channels).""",
    "input": """
        build_network({height}, {width}) has the input {shape}. It must be (None, {height},
        {width}, 3): use the two arguments, not the notebook's constants.""",
    "momentum": """
        {count} layers of batch normalisation have the momentum {momentum}. With 0.99, Keras'
        default, 37% of the initial statistics are still there after a hundred steps, and
        validation fails while training looks well. Write
        layers.BatchNormalization(momentum=0.9).""",
    "frozen": """
        {count} of {total} layers cannot learn, for example {name}: trainable is False. No layer
        has pretrained weights here, so these would keep their random start. Leave trainable as
        it is.""",
    "small output": """
        For an image of {height} x {width} the output is {found}. Either the decoder doubles
        less often than the encoder halves, or convolutions without padding='same' cut the
        border off. Give every pooling and every stride of 2 a doubling on the way up, and every
        convolution padding='same'.""",
    "classes": """
        The output has {count} channels. Person or not is one question, so one logit for each
        pixel is enough. End with a convolution of 1 filter, without activation.""",
    "outputs": """
        The network has {count} outputs. `train` compares one output with the mask. Return the
        logits at full size alone.""",
    "output": """
        The output has the shape {shape}, and {expected} was expected: one logit for each pixel
        of each image. Keep height, width and one channel up to the end.""",
    "weights of one size": """
        Built for {height} x {width} and for 64 x 64 pixels, the network has weights of
        different shapes. A Dense layer after Flatten ties it to the size, and so do filters or
        layers whose number is computed from it. Convolutions alone fit any size, and training
        on parts of the frames needs that.""",
    "softmax": """
        The output is exactly 1 for every image. A softmax over a single channel is always 1: it
        makes shares that sum to 1, and here there is only one. Leave the last activation out.""",
    "sigmoid": """
        All outputs lie between {low:.2f} and {top:.2f}, as after a sigmoid, argmax or a product
        with 0. A logit may be any number: the loss and the prediction of this course apply the
        sigmoid themselves, and it would act twice. Leave the last activation out.""",
    "relu": """
        No output is below 0 and many are exactly 0: the last layer ends in a ReLU. A logit
        below 0 means background, so no pixel could be background. Leave the last activation
        out.""",
    "no skips": """
        Every way from the image to the logits leads through the coarsest grid, {rows} rows
        high. The exact place of an edge gets lost there: one cell stands for a block of pixels.
        Pass the encoder's result of each size to the decoder: layers.Concatenate()([x, skip]).""",
    "blind": """
        No gradient gets from the logit in the middle back to the image, so the layers between
        would not learn. Somewhere this way is cut, for example by rounding, argmax or
        stop_gradient. Follow x from layer to layer: each must be called on what came before.""",
    "narrow view": """
        A logit depends on {rows} x {columns} pixels around it. Such a narrow view shows a piece
        of cloth, and cannot tell a person from a mannequin. Halve more often: every halving
        doubles what each 3 x 3 convolution sees.""",
    "dead weights": """
        {count} of {total} kernels (arrays of weights) get no gradient from the logits, for
        example {name}. They would never learn. Something cuts the way from the output back to
        them: stop_gradient, a rounding, a product with 0.""",
}

VIEW = 40  # pixels across and down that a logit must depend on
MOMENTUM = 0.97  # of batch normalisation, at most: the 0.95 of the docstring, and some tolerance


def check_build_network(build_network: Callable, seed: int = 0) -> None:
    """Check the form of the model, its outputs, its skip connections and its receptive field."""
    height, width = ((96, 160), (160, 96))[seed % 2]
    model = call(build_network, height, width)
    _check_model(model, height, width)
    _check_layers(model)
    if _shapes(model) != _shapes(call(build_network, 64, 64)):
        raise Hint(HINTS["weights of one size"], height=height, width=width)
    rng = np.random.default_rng(seed)
    _fill_zeros(model, rng)
    image = tf.constant(rng.random((4, height, width, 3)), tf.float32)
    # With inputs in a wide range, no logits stay in [0, 1] by chance or by a division by 255.
    _check_logits(call(model, 255 * (100 * image - 50), training=False), height, width)
    _check_skips(model)
    _check_gradients(model, image, rng)
    found = f"{model.count_params():,} weights, logits out, and a wide view"
    report("Task 4 passed", found, seed)


def _shapes(model):
    return [weights.shape for weights in model.weights]


def _fill_zeros(model, rng):
    """Give random values to weights that are all 0: such a layer hides what comes before it."""
    for weights in model.trainable_variables:
        if not np.any(weights):
            weights.assign(rng.normal(0, 0.05, weights.shape))


def _check_model(model, height, width):
    if not isinstance(model, keras.Model):
        raise Hint(HINTS["no model"], kind=type(model).__name__)
    shape = tuple(getattr(model, "input_shape", (None, height, width, 3)))  # if it is known
    if shape[1:] == (width, height, 3):
        raise Hint(HINTS["width first"], shape=shape)
    if len(shape) != 4 or any(a not in (b, None) for a, b in zip(shape[1:], (height, width, 3))):
        raise Hint(HINTS["input"], shape=shape, height=height, width=width)


def _check_layers(model):
    layers = list(model._flatten_layers(include_self=False))
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    slow = [layer.momentum for layer in norms if layer.momentum > MOMENTUM]
    if slow:
        raise Hint(HINTS["momentum"], count=len(slow), momentum=slow[0])
    learners = [layer for layer in layers if layer.weights]
    if frozen := [layer.name for layer in learners if not layer.trainable]:
        raise Hint(HINTS["frozen"], count=len(frozen), total=len(learners), name=frozen[0])


def _check_logits(logits, height, width):
    if not tf.is_tensor(logits):
        raise Hint(HINTS["outputs"], count=len(logits))
    logits = logits.numpy()
    _check_output_shape(logits.shape, (4, height, width, 1))
    if (logits == 1).all():
        raise Hint(HINTS["softmax"])
    if logits.min() >= 0 and logits.max() <= 1:
        raise Hint(HINTS["sigmoid"], low=logits.min(), top=logits.max())
    if logits.min() >= 0 and (logits == 0).mean() > 0.01:
        raise Hint(HINTS["relu"])


def _check_output_shape(shape, expected):
    _, height, width, _ = expected
    if len(shape) == 4 and shape[1] < height:
        found = f"{shape[1]} x {shape[2]}"
        raise Hint(HINTS["small output"], height=height, width=width, found=found)
    if len(shape) == 4 and shape[:3] == expected[:3] and shape[3] != 1:
        raise Hint(HINTS["classes"], count=shape[3])
    if shape != expected:
        raise Hint(HINTS["output"], shape=shape, expected=expected)


def _check_skips(model):
    """Look at how the layers are joined; a subclassed model does not show it, and passes."""
    model = getattr(model, "_functional", None) or model  # of a Sequential
    nodes = [node for layer in getattr(model, "operations", ()) for node in layer._inbound_nodes]
    tensors = [tensor for node in nodes for tensor in node.output_tensors]
    rows = [tensor.shape[1] for tensor in tensors if len(tensor.shape) == 4 and tensor.shape[1]]
    if rows and min(rows) < max(rows) and not _avoids(min(rows), model.outputs[0], set()):
        raise Hint(HINTS["no skips"], rows=min(rows))


def _avoids(rows, tensor, seen):
    """Whether a way back from the tensor to the image never meets a grid with that many rows."""
    if id(tensor) in seen or (len(tensor.shape) == 4 and tensor.shape[1] == rows):
        return False
    seen.add(id(tensor))
    layer, node, _ = tensor._keras_history
    before = layer._inbound_nodes[node].input_tensors
    return not before or any(_avoids(rows, one, seen) for one in before)


def _check_gradients(model, image, rng):
    weights = model.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(image)
        logits = model(image, training=False)
        middle = logits[:, image.shape[1] // 2, image.shape[2] // 2, 0]
        mixed = tf.reduce_sum(logits * rng.normal(size=logits.shape))
    _check_view(tape.gradient(middle, image))
    slopes = tape.gradient(mixed, [one.value for one in weights])
    # A bias may do nothing (normalisation removes it again), a kernel may not.
    kernels = [(one.path, slope) for one, slope in zip(weights, slopes) if len(one.shape) > 1]
    dead = [path for path, slope in kernels if slope is None or not np.any(slope)]
    if dead:
        raise Hint(HINTS["dead weights"], count=len(dead), total=len(kernels), name=dead[0])


def _check_view(slope):
    """slope: how the logits in the middle change with each value of the images."""
    if slope is None or not np.any(slope):
        raise Hint(HINTS["blind"])
    size = np.abs(slope).max(axis=(0, 3))
    rows, columns = (np.ptp(where) + 1 for where in np.nonzero(size > 1e-7 * size.max()))
    if min(rows, columns) < VIEW:
        raise Hint(HINTS["narrow view"], rows=rows, columns=columns)
