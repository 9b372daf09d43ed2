"""Answers to the lab's task person_loss: right ones, written in several ways, and mistakes."""

import keras
import tensorflow as tf
from keras import ops

from segmentation_tf.training import bce_dice_loss, bce_loss, dice_loss


def total(x):
    return ops.sum(x, axis=(1, 2, 3))


def soft_dice(mask, p, smooth=1.0):
    return (2 * total(mask * p) + smooth) / (total(mask) + total(p) + smooth)


# --- Right answers --------------------------------------------------------------------------------


def clipped_log_and_dice(mask, logits):
    """Cross-entropy by hand, kept away from the logarithm of 0; Dice of the whole batch."""
    p = ops.clip(ops.sigmoid(logits), 1e-6, 1 - 1e-6)
    return ops.mean(log_by_hand(mask, p)) + keras.losses.Dice()(mask, p)


def weighted_bce(mask, logits):
    """TensorFlow's, with the person ten times as heavy, one number for the batch."""
    return tf.reduce_mean(tf.nn.weighted_cross_entropy_with_logits(mask, logits, 10.0))


def focal_and_dice(mask, logits):
    focal = keras.losses.BinaryFocalCrossentropy(from_logits=True)
    return focal(mask, logits) + 1 - soft_dice(mask, ops.sigmoid(logits))


def tversky(mask, logits):
    p = ops.sigmoid(logits)
    tp, fn, fp = total(mask * p), total(mask * (1 - p)), total((1 - mask) * p)
    return 1 - (tp + 1e-3) / (tp + 0.7 * fn + 0.3 * fp + 1e-3)


def balanced_bce(mask, logits):
    """Person and background weigh half each, whatever their areas."""
    cost = ops.binary_crossentropy(mask, logits, from_logits=True)
    person, other = total(mask), total(1 - mask)
    return total(cost * mask) / (person + 1) + total(cost * (1 - mask)) / (other + 1)


# --- Mistakes -------------------------------------------------------------------------------------


def pixels(mask, logits):
    return ops.binary_crossentropy(mask, logits, from_logits=True)


def log_by_hand(mask, p):
    return -ops.mean(mask * ops.log(p) + (1 - mask) * ops.log(1 - p), axis=(1, 2, 3))


def dice_of_masks(mask, logits):
    return 1 - soft_dice(mask, ops.cast(logits > 0, "float32"))


def bce_without_from_logits(mask, logits):
    return ops.mean(ops.binary_crossentropy(mask, logits), axis=(1, 2, 3))


def dice_of_logits(mask, logits):
    return 1 - soft_dice(mask, logits)


def one_below_the_bar(mask, logits):
    p = ops.sigmoid(logits)
    return 1 - 2 * total(mask * p) / (total(mask) + total(p) + 1)


def unclipped_log(mask, logits):
    return log_by_hand(mask, ops.sigmoid(logits)) + dice_loss(mask, logits)


def swapped(loss):
    return lambda mask, logits: loss(logits, mask)


def plus(*losses):
    return lambda mask, logits: sum(loss(mask, logits) for loss in losses)


def after_own_sigmoid(loss):
    """Keras' cross-entropy finds the logits behind ops.sigmoid, and forgives the second one."""
    return lambda mask, logits: loss(mask, 1 / (1 + ops.exp(-logits)))


def each_image(x):
    return ops.mean(x, axis=(1, 2, 3))


BCE = keras.losses.BinaryCrossentropy(from_logits=True)
FOCAL = keras.losses.BinaryFocalCrossentropy(from_logits=True)
RIGHT = [
    bce_dice_loss,
    weighted_bce,
    clipped_log_and_dice,
    focal_and_dice,
    tversky,
    balanced_bce,
    FOCAL,
    lambda m, x: dice_loss(m, x) + keras.losses.MeanSquaredError()(m, ops.sigmoid(x)),
]
WRONG = [
    ("not a tensor", lambda mask, logits: (bce_loss(mask, logits), dice_loss(mask, logits))),
    ("over every axis but the first", pixels),
    ("over every axis but the first", keras.losses.binary_crossentropy),
    ("likely logits were taken", log_by_hand),
    ("The loss has no gradient", dice_of_masks),
    ("a part of it, is upside down", lambda mask, logits: 1 - dice_loss(mask, logits)),
    (
        "a part of it, is upside down",
        lambda mask, logits: bce_loss(mask, logits) - dice_loss(mask, logits),
    ),
    ("likely logits were taken", bce_without_from_logits),
    ("likely logits were taken", plus(bce_without_from_logits, dice_loss)),
    ("multiplies logits as they are", dice_of_logits),
    ("multiplies logits as they are", plus(bce_loss, dice_of_logits)),
    ("multiplies logits as they are", plus(swapped(bce_loss), dice_loss)),
    ("Mask and logits are exchanged", swapped(bce_dice_loss)),
    ("Mask and logits are exchanged", swapped(dice_loss)),
    ("Mask and logits are exchanged", swapped(BCE)),
    ("Mask and logits are exchanged", swapped(FOCAL)),
    ("Mask and logits are exchanged", swapped(weighted_bce)),
    ("have no influence on the loss", lambda m, x: each_image(m * pixels(m, x))),
    ("have no influence on the loss", lambda m, x: each_image((1 - m) * pixels(m, x))),
    ("a constant such as 1 was added", one_below_the_bar),
    ("a sigmoid is applied twice", lambda m, x: dice_loss(m, ops.sigmoid(x))),
    ("a sigmoid is applied twice", lambda m, x: bce_dice_loss(m, ops.sigmoid(x))),
    ("a sigmoid is applied twice", plus(after_own_sigmoid(bce_loss), dice_loss)),
    ("Marking nobody costs only", bce_loss),
    ("Marking nobody costs only", lambda m, x: each_image((20 - 19 * m) * pixels(m, x))),
    ("Something is divided by an area", lambda m, x: 1 - soft_dice(m, ops.sigmoid(x), smooth=0)),
    ("exp(200) is too", unclipped_log),
    ("exp(200) is too", lambda m, x: each_image(ops.log(1 + ops.exp(x)) - m * x) + dice_loss(m, x)),
]
