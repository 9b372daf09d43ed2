"""The course's networks: functional Keras models.

They return logits: outputs before the sigmoid or softmax that would make probabilities of them.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import Input, Model, layers, ops

# Images have their channels last here. The file ~/.keras/keras.json may say otherwise.
keras.config.set_image_data_format("channels_last")


def build_unet(
    input_shape: tuple[int | None, int | None, int],
    classes: int = 1,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    *,
    convolutions: int = 1,
    stem_stride: int = 2,
    skips: bool = True,
    momentum: float = 0.9,
) -> Model:
    """Build a U-Net: images `(N, H, W, C)` in, logits `(N, H, W, classes)` out.

    The original has two convolutions in a block, and its first convolution keeps the full size.
    Both cost time, which we spend on more training steps.

    Args:
        input_shape: `(H, W, C)`. H and W may be None, but then `predict_mask` refuses the model,
            because it does not know the size to shrink an image to.
        classes: Output channels. One is enough to tell an object from its background.
        filters: Channels of each level; each level below the first halves the size.
        convolutions: Convolutions in each block of encoder and decoder.
        stem_stride: Stride of the first convolution; the logits are enlarged by as much.
        skips: Whether the decoder sees the encoder's feature maps.
        momentum: Of batch normalisation. Small data sets make few steps, so it is lower than
            Keras' default of 0.99.

    Raises:
        ValueError: H or W is not a multiple of the total reduction by `stem_stride` and levels.

    Source:
        O. Ronneberger, P. Fischer, T. Brox, "U-Net", MICCAI 2015, arXiv:1505.04597. Here with
        padded convolutions, batch normalisation and bilinear enlarging.
    """
    _check_divisible(input_shape, stem_stride * 2 ** (len(filters) - 1))
    inputs = Input(input_shape, name="image")
    x = _block(inputs, filters[0], "stem", 1, momentum, strides=stem_stride)
    encoded = []
    for level, channels in enumerate(filters[:-1], start=1):
        x = _block(x, channels, f"encoder{level}", convolutions, momentum)
        encoded.append(x)
        x = layers.MaxPooling2D(name=f"encoder{level}_pool")(x)
    x = _block(x, filters[-1], "bottleneck", convolutions, momentum)
    for level in range(len(encoded), 0, -1):
        # The original enlarges, then reduces the channels to those of the skip. On the small grid
        # this takes a quarter of the time.
        x = layers.Conv2D(filters[level - 1], 1, name=f"decoder{level}_narrow")(x)
        x = layers.UpSampling2D(interpolation="bilinear", name=f"decoder{level}_up")(x)
        if skips:
            x = layers.Concatenate(name=f"decoder{level}_skip")([x, encoded[level - 1]])
        x = _block(x, filters[level - 1], f"decoder{level}", convolutions, momentum)
    return Model(inputs, _head(x, classes, stem_stride), name="unet")


def build_segnet(
    input_shape: tuple[int, int, int],
    classes: int = 1,
    filters: Sequence[int] = (16, 32, 128, 256),
    *,
    convolutions: int = 1,
    stem_stride: int = 2,
    momentum: float = 0.9,
) -> Model:
    """Build a SegNet: images `(N, H, W, C)` in, logits `(N, H, W, classes)` out.

    Each encoder level ends in a pooling that remembers where each maximum was. The decoder level
    of the same size puts its values back there. The original has the 13 convolutions of VGG16 on
    either side, and its first convolution keeps the full size.

    Args:
        input_shape, classes, filters, convolutions, stem_stride, momentum: As for `build_unet`, but
            H and W must be given.

    Raises:
        ValueError: H or W is None, or not a multiple of the total reduction by `stem_stride` and
            levels.

    Source:
        V. Badrinarayanan, A. Kendall, R. Cipolla, "SegNet", PAMI 2017, arXiv:1511.00561.
    """
    if None in input_shape[:2]:
        raise ValueError(
            f"input_shape {tuple(input_shape)}: unpooling needs height and width, as in (96, 96, 3)"
        )
    _check_divisible(input_shape, stem_stride * 2 ** len(filters))
    inputs = Input(input_shape, name="image")
    x = _block(inputs, filters[0], "stem", 1, momentum, strides=stem_stride)
    places = []
    for level, channels in enumerate(filters, start=1):
        x = _block(x, channels, f"encoder{level}", convolutions, momentum)
        x, where = _in_built_ins(MaxPoolingWithPlaces(name=f"encoder{level}_pool"), x)
        places.append(where)
    for level in range(len(filters), 0, -1):
        x = _in_built_ins(MaxUnpooling(name=f"decoder{level}_unpool"), [x, places[level - 1]])
        # The last convolution of a level has as many channels as the places of the next unpooling.
        narrow = filters[max(level - 2, 0)]
        x = _block(x, filters[level - 1], f"decoder{level}", convolutions - 1, momentum)
        x = _block(x, narrow, f"decoder{level}_out", 1, momentum)
    return Model(inputs, _head(x, classes, stem_stride), name="segnet")


class _Unmasked(layers.Layer):
    """A layer that may take the place of a nested model, to which Keras hands an empty mask."""

    def __call__(self, inputs, mask=None, **options):
        return super().__call__(inputs, **options)


@keras.saving.register_keras_serializable("segmentation_tf")
class MaxPoolingWithPlaces(_Unmasked):
    """2 x 2 max pooling that remembers where each maximum was.

    In come feature maps `(N, H, W, C)`, H and W even. Out come the maxima `(N, H/2, W/2, C)` and
    their places `(N, H, W, C)`: 1 at the maximum of each window, 0 elsewhere. Of equal values the
    first one counts, so each window has one place.
    """

    def call(self, x):
        windows = _to_windows(x)
        equal = ops.cast(ops.equal(windows, ops.max(windows, axis=(2, 4), keepdims=True)), x.dtype)
        # A NumPy array, because the export to ONNX would make a tensor a second input.
        order = np.array([4, 3, 2, 1], keras.backend.standardize_dtype(x.dtype))
        rank = ops.multiply(equal, order.reshape(1, 1, 2, 1, 2, 1))
        places = ops.cast(ops.equal(rank, ops.max(rank, axis=(2, 4), keepdims=True)), x.dtype)
        # A sum over the one place is the maximum, and sends the gradient there alone.
        return ops.sum(windows * places, axis=(2, 4)), ops.reshape(places, (-1, *x.shape[1:]))

    def compute_output_shape(self, shape):
        n, height, width, channels = shape
        return (n, height // 2, width // 2, channels), shape


@keras.saving.register_keras_serializable("segmentation_tf")
class MaxUnpooling(_Unmasked):
    """Puts values `(N, H/2, W/2, C)` back to their places `(N, H, W, C)`; 0 everywhere else."""

    def call(self, inputs):
        x, places = inputs
        spread = ops.expand_dims(ops.expand_dims(x, 2), 4) * _to_windows(places)
        return ops.reshape(spread, (-1, *places.shape[1:]))

    def compute_output_shape(self, shapes):
        return shapes[1]


def _in_built_ins(layer, inputs):
    """Apply a layer as a nested model of Keras' own operations, so that a plain Keras can load it.

    With the layer itself in the network, `keras.saving.load_model` would fail in a process that has
    not imported this module.
    """
    own_inputs = keras.tree.map_structure(lambda x: Input(x.shape[1:], dtype=x.dtype), inputs)
    return Model(own_inputs, layer.call(own_inputs), name=layer.name)(inputs)


def _to_windows(x):
    """`(N, H, W, C)` as 2 x 2 windows: `(N, H/2, 2, W/2, 2, C)`."""
    _, height, width, channels = x.shape
    return ops.reshape(x, (-1, height // 2, 2, width // 2, 2, channels))


def _block(x, channels, name, count, momentum, strides=1):
    """`count` times a 3 x 3 convolution, batch normalisation and ReLU.

    Batch normalisation has no scale, because the next convolution can scale its inputs itself.
    Leaving it out saves a tenth of the time of a training step.
    """
    for i in range(1, count + 1):
        x = layers.Conv2D(
            channels, 3, strides, padding="same", use_bias=False, name=f"{name}_conv{i}"
        )(x)
        x = layers.BatchNormalization(momentum=momentum, scale=False, name=f"{name}_norm{i}")(x)
        x = layers.Activation("relu", name=f"{name}_relu{i}")(x)
    return x


def _head(x, classes, stem_stride):
    """One logit for each class and position, enlarged to the image's size."""
    x = layers.Conv2D(classes, 1, name="head")(x)
    return layers.UpSampling2D(
        stem_stride, interpolation="bilinear", dtype="float32", name="logits"
    )(x)


def _check_divisible(input_shape, factor):
    if len(input_shape) != 3 or 0 in input_shape:
        raise ValueError(
            f"input_shape is {tuple(input_shape)}; give height, width and channels, as (96, 96, 3)"
        )
    for side in input_shape[:2]:
        if side is not None and side % factor:
            raise ValueError(
                f"input_shape {tuple(input_shape)}: height and width must be multiples of "
                f"{factor}, so that they can be halved down to the bottleneck and doubled back"
            )
