"""Answers to the lab's task build_network: right ones, written in several ways, and mistakes."""

from functools import partial

import keras
import numpy as np
from keras import layers, ops

from segmentation_tf.models import build_segnet, build_unet


def batch_norm():
    return layers.BatchNormalization(momentum=0.9)


def concatenate(x, encoded):
    return layers.Concatenate()([x, encoded])


def unchanged(x):
    return x


def logits(x):
    return layers.Conv2D(1, 1)(x)


def network(
    height,
    width,
    filters=(8, 16, 24, 32, 40),
    norm=batch_norm,
    join=concatenate,
    bottom=unchanged,
    head=logits,
):
    """A U-Net without a stem; transposed convolutions on the way up."""

    def block(x, channels):
        return layers.ReLU()(norm()(layers.Conv2D(channels, 3, padding="same")(x)))

    image = keras.Input((height, width, 3))
    x, encoded = image, []
    for channels in filters[:-1]:
        encoded.append(block(x, channels))
        x = layers.MaxPooling2D()(encoded[-1])
    x = bottom(block(x, filters[-1]))
    for channels, side in zip(filters[-2::-1], encoded[::-1]):
        x = layers.Conv2DTranspose(channels, 2, 2)(x)
        x = block(join(x, side), channels)
    return keras.Model(image, head(x))


# --- Other right answers --------------------------------------------------------------------------


def with_attention(height, width):
    """Gates decide what of a skip passes; residual sums, group normalisation, a head of zeros."""

    def gated(x, side):
        gate = layers.Conv2D(1, 1, activation="sigmoid")(layers.Concatenate()([x, side]))
        return layers.Add()([x, layers.Multiply()([side, gate])])

    minus_three = keras.initializers.Constant(-3)
    head = layers.Conv2D(1, 1, kernel_initializer="zeros", bias_initializer=minus_three)
    norm = partial(layers.GroupNormalization, 4)
    return network(height, width, norm=norm, join=gated, head=head)


def encoder_as_a_model(height, width):
    """The encoder is a separate model with several outputs, as pretrained ones are used."""
    image = keras.Input((height, width, 3))
    x, sides = image, []
    for channels in (8, 16, 32, 32):
        x = layers.SeparableConv2D(channels, 3, strides=2, padding="same", activation="relu")(x)
        sides.append(x)
    encoder = keras.Model(image, sides, name="encoder")
    inputs = keras.Input((height, width, 3))
    *sides, x = encoder(layers.Rescaling(2.0, -1.0)(inputs))
    for side in sides[::-1]:
        x = layers.Concatenate()([layers.UpSampling2D()(x), side])
        x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    return keras.Model(inputs, layers.Conv2DTranspose(1, 2, 2)(x))


def subclassed(height, width):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = network(height, width)

        def call(self, x, training=False):
            return self.inner(x, training=training)

    net = Net()
    net(np.zeros((1, height, width, 3)))
    return net


def segnet(height, width):
    return build_segnet((height, width, 3), filters=(16, 32, 64, 128))


def unet_of_any_size(height, width):
    return build_unet((None, None, 3), filters=(8, 16, 32), convolutions=2)


# --- Mistakes -------------------------------------------------------------------------------------


def sequential(height, width):
    """A chain of layers has no way around."""
    down = [layers.Conv2D(16, 3, 2, padding="same", activation="relu") for _ in range(4)]
    up = [layers.Conv2DTranspose(16, 3, 2, padding="same", activation="relu") for _ in range(4)]
    return keras.Sequential([keras.Input((height, width, 3)), *down, *up, layers.Conv2D(1, 1)])


def tensor(height, width):
    return network(height, width).output


def frozen(height, width):
    model = network(height, width)
    model.layers[1].trainable = False
    return model


def two_outputs(height, width):
    model = network(height, width)
    return keras.Model(model.input, [model.output, ops.sigmoid(model.output)])


def width_first(height, width):
    return network(width, height)


def size_of_the_notebook(height, width):
    return network(192, 256)


def of_one_size(height, width):
    """A bottleneck that sees everything through a Dense layer, whose weights count positions."""

    def dense(x):
        flat = layers.Dense(x.shape[1] * x.shape[2])(layers.Flatten()(x))
        return layers.Multiply()([x, layers.Reshape((*x.shape[1:3], 1))(flat)])

    return network(height, width, bottom=dense)


def ending_in(activation):
    return partial(network, head=lambda x: layers.Conv2D(1, 1, activation=activation)(x))


def without_channel(x):
    return layers.Reshape(x.shape[1:3])(logits(x))


def unet(height, width, order=reversed, padding="same", halvings=3, double=None, join=concatenate):
    """A U-Net whose skips are in a list, with a doubling before each."""
    image = keras.Input((height, width, 3))
    x, skips = image, []
    for _ in range(halvings):
        x = layers.Conv2D(8, 3, padding=padding, activation="relu")(x)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    for skip in order(skips):
        x = join((double or layers.UpSampling2D())(x), skip)
        x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    return keras.Model(image, logits(x))


def stored_after_pooling(height, width):
    image = keras.Input((height, width, 3))
    x, skips = image, []
    for _ in range(3):
        x = layers.MaxPooling2D()(layers.Conv2D(8, 3, padding="same", activation="relu")(x))
        skips.append(x)
    for skip in reversed(skips):
        x = layers.Concatenate()([layers.UpSampling2D()(x), skip])
    return keras.Model(image, logits(x))


def joined_by_plus(x, encoded):
    return x + encoded


def widened(x):
    return layers.Conv2D(x.shape[-1] + 1, 1)(x)


def halved(x):
    return layers.Conv2D(1, 1, strides=2)(x)


def along_rows(x, encoded):
    return layers.Concatenate(axis=1)([x, encoded])


def grey(height, width):
    image = keras.Input((height, width, 1))
    return keras.Model(image, logits(image))


def colours_first(height, width):
    image = keras.Input((3, height, width))
    return keras.Model(image, logits(image))


def double_by_3(x):
    return layers.Conv2DTranspose(8, 3, 2)(x)


RIGHT = [
    network,
    with_attention,
    encoder_as_a_model,
    subclassed,
    segnet,
    unet_of_any_size,
    partial(unet, halvings=5, join=joined_by_plus),
]
SLOW = [
    partial(network, filters=(16, 32, 64, 512, 1024)),
    partial(network, filters=(32, 16, 16, 16, 16)),
]
WRONG = [
    ("not a keras.Model", tensor),
    ("not a keras.Model", lambda height, width: network),
    ("width and height are exchanged", width_first),
    ("its colours come last", grey),
    ("its colours come last", colours_first),
    ("not the notebook's constants", size_of_the_notebook),
    ("have the momentum", partial(network, norm=layers.BatchNormalization)),
    ("trainable is False", frozen),
    ("of different shapes", of_one_size),
    ("the wrong order", partial(unet, order=list)),
    ("the wrong order", partial(unet, order=list, join=joined_by_plus)),
    ("the wrong order", partial(unet, order=list, join=lambda *pair: layers.Add()(pair))),
    ("the wrong order", partial(unet, order=list, join=lambda *x: ops.concatenate(x, axis=-1))),
    ("one halving apart", partial(unet, double=unchanged)),
    ("one halving apart", stored_after_pooling),
    ("one halving apart", partial(unet, order=list, halvings=2)),
    ("by halving. Convolutions", partial(unet, padding="valid")),
    ("by halving. Convolutions", partial(unet, padding="valid", join=joined_by_plus)),
    ("by halving. Convolutions", partial(unet, double=double_by_3)),
    ("can be halved five times", partial(unet, halvings=6)),
    ("cannot be added up", partial(network, join=lambda x, side: widened(x) + side)),
    ("cannot be added up", partial(network, join=lambda x, y: layers.Add()([widened(x), y]))),
    ("cannot be added up", partial(network, join=lambda x, side: along_rows(widened(x), side))),
    ("the decoder doubles less often", partial(network, head=halved)),
    ("End with a convolution of 1 filter", partial(network, head=lambda x: layers.Conv2D(2, 1)(x))),
    ("up to the end", partial(network, head=without_channel)),
    ("up to the end", partial(network, head=lambda x: layers.UpSampling2D()(logits(x)))),
    ("compares one output with the mask", two_outputs),
    ("softmax over a single channel", ending_in("softmax")),
    ("as after a sigmoid", ending_in("sigmoid")),
    ("ends in a ReLU", ending_in("relu")),
    ("leads through the coarsest grid", partial(network, join=lambda x, encoded: x)),
    ("leads through the coarsest grid", sequential),
    ("Follow x from layer to layer", partial(network, head=lambda x: logits(ops.stop_gradient(x)))),
    ("Follow x from layer to layer", partial(network, head=lambda x: ops.round(logits(x)))),
    ("Such a narrow view", partial(network, filters=(8, 8))),
    ("get no gradient from the logits", partial(network, bottom=ops.stop_gradient)),
]
