"""The course's networks: functional Keras models that return logits."""

from keras import Input, Model, layers


def build_unet(
    input_shape,
    classes=1,
    filters=(16, 32, 64, 128, 256),
    convolutions=1,
    stem_stride=2,
    momentum=0.9,
):
    """Build a U-Net: images `(N, H, W, C)` in, logits `(N, H, W, classes)` out.

    `filters` gives the channels of each level; each level below the first halves the size, and
    each has a block of `convolutions`. A stem convolution takes every `stem_stride`-th position,
    and the logits are enlarged by as much. The original has two convolutions a block and no stem
    stride; on small data, the time these take is better spent on more steps. `momentum` is batch
    normalisation's: how much of its running mean one step keeps. Small sets make few steps, so
    it is low.
    Raises ValueError where H or W cannot be halved that often.
    Source: O. Ronneberger, P. Fischer, T. Brox, "U-Net", MICCAI 2015, arXiv:1505.04597; with
    padded convolutions and batch normalisation.
    """
    _check_divisible(input_shape, stem_stride * 2 ** (len(filters) - 1))

    def block(x, channels, name, count=convolutions, strides=1):
        for i in range(1, count + 1):
            x = layers.Conv2D(
                channels, 3, strides, padding="same", use_bias=False, name=f"{name}_conv{i}"
            )(x)
            x = layers.BatchNormalization(momentum=momentum, name=f"{name}_norm{i}")(x)
            x = layers.Activation("relu", name=f"{name}_relu{i}")(x)
        return x

    inputs = Input(input_shape, name="image")
    x = block(inputs, filters[0], "stem", count=1, strides=stem_stride)
    skips = []
    for level, channels in enumerate(filters[:-1], start=1):
        x = block(x, channels, f"encoder{level}")
        skips.append(x)
        x = layers.MaxPooling2D(name=f"encoder{level}_pool")(x)
    x = block(x, filters[-1], "bottleneck")
    for level in range(len(skips), 0, -1):
        x = layers.UpSampling2D(interpolation="bilinear", name=f"decoder{level}_up")(x)
        x = layers.Concatenate(name=f"decoder{level}_skip")([x, skips[level - 1]])
        x = block(x, filters[level - 1], f"decoder{level}")
    x = layers.Conv2D(classes, 1, name="head")(x)
    logits = layers.UpSampling2D(
        stem_stride, interpolation="bilinear", dtype="float32", name="logits"
    )(x)
    return Model(inputs, logits, name="unet")


def _check_divisible(input_shape, factor):
    for side in input_shape[:2]:
        if side is not None and side % factor:
            raise ValueError(
                f"input_shape {tuple(input_shape)}: height and width must be multiples of "
                f"{factor}, so that they can be halved down to the bottleneck and doubled back"
            )
