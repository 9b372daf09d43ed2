"""Answers to the lab's task build_network: right ones, written in several ways, and mistakes."""

import operator
from functools import partial

import keras
import numpy as np
from keras import layers, ops

from segmentation_tf.models import build_segnet, build_unet

FILTERS = 8, 16, 24, 32, 40
batch_norm = partial(layers.BatchNormalization, momentum=0.9)


def unchanged(x):
    return x


def logits(x):
    return layers.Conv2D(1, 1)(x)


def joined(x, encoded):
    return layers.Concatenate()([x, encoded])


def network(
    height, width, filters=FILTERS, norm=batch_norm, join=joined, bottom=unchanged, head=logits
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


# --- Mistakes -------------------------------------------------------------------------------------


def of_one_size(height, width):
    """A bottleneck that sees everything through a Dense layer, whose weights count positions."""

    def dense(x):
        flat = layers.Dense(x.shape[1] * x.shape[2])(layers.Flatten()(x))
        return layers.Multiply()([x, layers.Reshape((*x.shape[1:3], 1))(flat)])

    return network(height, width, bottom=dense)


def doubled(x):
    return layers.UpSampling2D()(x)


def unet(height, width, order=reversed, padding="same", halvings=3, double=doubled, join=joined):
    """A U-Net whose skips are in a list, with a doubling before each."""
    image = keras.Input((height, width, 3))
    x, skips = image, []
    for _ in range(halvings):
        x = layers.Conv2D(8, 3, padding=padding, activation="relu")(x)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    for skip in order(skips):
        x = join(double(x), skip)
        x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    return keras.Model(image, logits(x))


def head_of(head):
    return partial(network, head=head)


def ending_in(activation):
    return head_of(lambda x: layers.Conv2D(1, 1, activation=activation)(x))


RIGHT = [
    network,
    with_attention,
    encoder_as_a_model,
    subclassed,
    lambda height, width: build_segnet((height, width, 3), filters=(16, 32, 64, 128)),
    lambda height, width: build_unet((None, None, 3), filters=(8, 16, 32), convolutions=2),
    partial(unet, halvings=5, join=operator.add),
]
SLOW = [
    partial(network, filters=(16, 32, 64, 512, 1024)),
    partial(network, filters=(64, 128, 64, 64, 64)),
]


def one_filter(height, width):
    image = keras.Input((height, width, 3))
    return keras.Model(image, layers.Conv2D(1, 41, padding="same")(image))


WRONG = [
    ("not a keras.Model", lambda height, width: network(height, width).output),
    ("Keras' shapes are", lambda height, width: network(width, height)),
    ("Keras' shapes are", lambda height, width: network(192, 256)),
    ("Keras' shapes are", lambda height, width: logits(keras.Input((height, width)))),
    ("have the momentum", partial(network, norm=layers.BatchNormalization)),
    ("of different shapes", of_one_size),
    ("the wrong order", partial(unet, order=list)),
    ("the wrong order", partial(unet, order=list, join=operator.add)),
    ("one halving apart", partial(unet, double=unchanged)),
    ("are not halvings of the input", partial(unet, padding="valid")),
    ("are not halvings of the input", partial(unet, padding="valid", halvings=6)),
    (
        "are not halvings of the input",
        partial(unet, double=lambda x: layers.Conv2DTranspose(8, 3, 2)(x)),
    ),
    ("are not halvings of the input", partial(unet, halvings=6)),
    ("cannot be added up", partial(network, join=lambda x, side: layers.Conv2D(7, 1)(x) + side)),
    ("the decoder doubles less often", head_of(lambda x: layers.Conv2D(1, 1, 2)(x))),
    ("so one output with one logit", head_of(lambda x: layers.Conv2D(2, 1)(x))),
    ("so one output with one logit", head_of(lambda x: [logits(x), logits(x)])),
    ("tanh, ReLU or argmax", ending_in("softmax")),
    ("tanh, ReLU or argmax", ending_in("sigmoid")),
    ("tanh, ReLU or argmax", ending_in("tanh")),
    ("tanh, ReLU or argmax", ending_in("relu")),
    ("No layer halves the grid", one_filter),
    ("leads through the coarsest grid", partial(network, join=lambda x, encoded: x)),
    ("it needs 40 x 40", partial(network, filters=(8, 8))),
    ("No gradient gets from the logits", head_of(lambda x: ops.round(logits(x)))),
    ("No gradient gets from the logits", partial(network, bottom=ops.stop_gradient)),
]
