"""The course's networks: functional Keras models that return logits."""

import keras
from keras import Input, Model, layers, ops


def build_unet(
    input_shape,
    classes=1,
    filters=(16, 32, 64, 128, 256),
    convolutions=1,
    stem_stride=2,
    skips=True,
    momentum=0.9,
    synchronized=False,
):
    """Build a U-Net: images `(N, H, W, C)` in, logits `(N, H, W, classes)` out.

    `filters` gives the channels of each level; each level below the first halves the size, and
    each has a block of `convolutions`. A stem convolution takes every `stem_stride`-th position,
    and the logits are enlarged by as much. The original has two convolutions a block and no stem
    stride; on small data, the time these take is better spent on more steps. Without `skips` the
    decoder is on its own. `momentum` is batch normalisation's: how much of its running mean one
    step keeps. Small sets make few steps, so it is low. Where a batch is spread over several
    devices (a `tf.distribute` strategy), each normalises its own part of it, or with
    `synchronized`, all of them the whole batch, as one device would.
    Raises ValueError where H or W cannot be halved that often.
    Source: O. Ronneberger, P. Fischer, T. Brox, "U-Net", MICCAI 2015, arXiv:1505.04597; with
    padded convolutions, batch normalisation, and bilinear enlarging in the up-convolutions.
    """
    _check_divisible(input_shape, stem_stride * 2 ** (len(filters) - 1))
    norm = {"momentum": momentum, "synchronized": synchronized}
    inputs = Input(input_shape, name="image")
    x = _block(inputs, filters[0], "stem", 1, norm, strides=stem_stride)
    encoded = []
    for level, channels in enumerate(filters[:-1], start=1):
        x = _block(x, channels, f"encoder{level}", convolutions, norm)
        encoded.append(x)
        x = layers.MaxPooling2D(name=f"encoder{level}_pool")(x)
    x = _block(x, filters[-1], "bottleneck", convolutions, norm)
    for level in range(len(encoded), 0, -1):
        # The original's up-convolution: as many channels as the skip brings, on the small grid.
        x = layers.Conv2D(filters[level - 1], 1, name=f"decoder{level}_narrow")(x)
        x = layers.UpSampling2D(interpolation="bilinear", name=f"decoder{level}_up")(x)
        if skips:
            x = layers.Concatenate(name=f"decoder{level}_skip")([x, encoded[level - 1]])
        x = _block(x, filters[level - 1], f"decoder{level}", convolutions, norm)
    return Model(inputs, _head(x, classes, stem_stride), name="unet")


def build_segnet(
    input_shape,
    classes=1,
    filters=(16, 32, 64, 128, 256),
    convolutions=1,
    stem_stride=2,
    momentum=0.9,
    synchronized=False,
):
    """Build a SegNet: images `(N, H, W, C)` in, logits `(N, H, W, classes)` out.

    Each encoder level ends in a pooling that remembers where each maximum was, and its decoder
    level puts the values back there. Arguments and ValueError as for `build_unet`; the original
    has the 13 convolutions of VGG16 on either side and no stem stride.
    Source: V. Badrinarayanan, A. Kendall, R. Cipolla, "SegNet", PAMI 2017, arXiv:1511.00561.
    """
    _check_divisible(input_shape, stem_stride * 2 ** len(filters))
    norm = {"momentum": momentum, "synchronized": synchronized}
    inputs = Input(input_shape, name="image")
    x = _block(inputs, filters[0], "stem", 1, norm, strides=stem_stride)
    places = []
    for level, channels in enumerate(filters, start=1):
        x = _block(x, channels, f"encoder{level}", convolutions, norm)
        x, where = MaxPoolingWithPlaces(name=f"encoder{level}_pool")(x)
        places.append(where)
    for level in range(len(filters), 0, -1):
        x = MaxUnpooling(name=f"decoder{level}_unpool")([x, places[level - 1]])
        # The last convolution of a level leaves as many channels as the next unpooling has places.
        narrow = filters[max(level - 2, 0)]
        x = _block(x, filters[level - 1], f"decoder{level}", convolutions - 1, norm)
        x = _block(x, narrow, f"decoder{level}_out", 1, norm)
    return Model(inputs, _head(x, classes, stem_stride), name="segnet")


@keras.saving.register_keras_serializable("segmentation_tf")
class MaxPoolingWithPlaces(layers.Layer):
    """2 x 2 max pooling that remembers where: `(N, H, W, C)` in, H and W even.

    Returns the maxima `(N, H/2, W/2, C)` and their places `(N, H, W, C)`: 1 at the maximum of
    each window, 0 elsewhere. Of equal values the first counts, so each window has one place.
    """

    def call(self, x):
        windows = _to_windows(x)
        equal = ops.cast(windows == ops.max(windows, axis=(2, 4), keepdims=True), x.dtype)
        rank = equal * ops.reshape(ops.cast([4, 3, 2, 1], x.dtype), (1, 1, 2, 1, 2, 1))
        places = ops.cast(rank == ops.max(rank, axis=(2, 4), keepdims=True), x.dtype)
        # A sum over the one place is the maximum, and sends the gradient there alone.
        return ops.sum(windows * places, axis=(2, 4)), ops.reshape(places, ops.shape(x))

    def compute_output_shape(self, shape):
        n, height, width, channels = shape
        return (n, height // 2, width // 2, channels), shape


@keras.saving.register_keras_serializable("segmentation_tf")
class MaxUnpooling(layers.Layer):
    """Puts values `(N, H/2, W/2, C)` back to their places `(N, H, W, C)`; 0 everywhere else."""

    def call(self, inputs):
        x, places = inputs
        spread = ops.expand_dims(ops.expand_dims(x, 2), 4) * _to_windows(places)
        return ops.reshape(spread, ops.shape(places))

    def compute_output_shape(self, shapes):
        return shapes[1]


def _to_windows(x):
    """`(N, H, W, C)` as 2 x 2 windows: `(N, H/2, 2, W/2, 2, C)`."""
    _, height, width, channels = x.shape
    return ops.reshape(x, (-1, height // 2, 2, width // 2, 2, channels))


def _block(x, channels, name, count, norm, strides=1):
    """`count` times a 3 x 3 convolution, batch normalisation with `norm`, and ReLU."""
    for i in range(1, count + 1):
        x = layers.Conv2D(
            channels, 3, strides, padding="same", use_bias=False, name=f"{name}_conv{i}"
        )(x)
        x = layers.BatchNormalization(**norm, name=f"{name}_norm{i}")(x)
        x = layers.Activation("relu", name=f"{name}_relu{i}")(x)
    return x


def _head(x, classes, stem_stride):
    """One logit a class and position, enlarged to the image's size."""
    x = layers.Conv2D(classes, 1, name="head")(x)
    return layers.UpSampling2D(
        stem_stride, interpolation="bilinear", dtype="float32", name="logits"
    )(x)


def _check_divisible(input_shape, factor):
    for side in input_shape[:2]:
        if side is not None and side % factor:
            raise ValueError(
                f"input_shape {tuple(input_shape)}: height and width must be multiples of "
                f"{factor}, so that they can be halved down to the bottleneck and doubled back"
            )
