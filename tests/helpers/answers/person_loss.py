"""Answers to the lab's task person_loss: right ones, written in several ways, and mistakes."""

import keras
import numpy as np
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


def negative_dice(mask, logits):
    return -soft_dice(mask, ops.sigmoid(logits), smooth=1e-6)


def log_iou(mask, logits):
    p = ops.sigmoid(logits)
    both = total(mask * p)
    return -ops.log((both + 1) / (total(mask) + total(p) - both + 1))


def balanced_bce(mask, logits):
    """Person and background weigh half each, whatever their areas."""
    cost = ops.binary_crossentropy(mask, logits, from_logits=True)
    person, other = total(mask), total(1 - mask)
    return total(cost * mask) / (person + 1) + total(cost * (1 - mask)) / (other + 1)


# --- Mistakes -------------------------------------------------------------------------------------


def bce_of_each_pixel(mask, logits):
    return ops.binary_crossentropy(mask, logits, from_logits=True)


def rows_of_numbers(mask, logits):
    return ops.mean(bce_dice_loss(mask, logits)[:, None] * mask[:, :, 0, 0])[None]


def log_by_hand(mask, p):
    return -ops.mean(mask * ops.log(p) + (1 - mask) * ops.log(1 - p), axis=(1, 2, 3))


def dice_of_masks(mask, logits):
    return 1 - soft_dice(mask, ops.cast(logits > 0, "float32"))


def with_numpy(mask, logits):
    return tf.constant(np.mean((np.asarray(logits) - np.asarray(mask)) ** 2, axis=(1, 2, 3)))


def dice(mask, logits):
    return soft_dice(mask, ops.sigmoid(logits))


def bce_without_from_logits(mask, logits):
    return ops.mean(ops.binary_crossentropy(mask, logits), axis=(1, 2, 3))


def bce_without_from_logits_and_dice(mask, logits):
    return bce_without_from_logits(mask, logits) + dice_loss(mask, logits)


def dice_of_logits(mask, logits):
    return 1 - soft_dice(mask, logits)


def recall(mask, logits):
    return 1 - total(mask * ops.sigmoid(logits)) / (total(mask) + 1)


def dice_of_two_sigmoids(mask, logits):
    return 1 - soft_dice(mask, ops.sigmoid(ops.sigmoid(logits)))


def sigmoid_before_the_package(mask, logits):
    return bce_dice_loss(mask, ops.sigmoid(logits))


def sigmoid_before_one_part(mask, logits):
    return bce_loss(mask, 1 / (1 + ops.exp(-logits))) + dice_loss(mask, logits)


def weighted_by_area(mask, logits):
    cost = ops.binary_crossentropy(mask, logits, from_logits=True)
    return total(cost * mask) / total(mask) + total(cost * (1 - mask)) / total(1 - mask)


def dice_without_smoothing(mask, logits):
    return 1 - soft_dice(mask, ops.sigmoid(logits), smooth=0)


def unclipped_log(mask, logits):
    return log_by_hand(mask, ops.sigmoid(logits)) + dice_loss(mask, logits)


def swapped(loss):
    return lambda mask, logits: loss(logits, mask)


RIGHT = [
    bce_dice_loss,
    dice_loss,
    weighted_bce,
    clipped_log_and_dice,
    focal_and_dice,
    tversky,
    negative_dice,
    log_iou,
    balanced_bce,
]
WRONG = [
    ("a number a pixel", bce_of_each_pixel),
    ("shape", rows_of_numbers),
    ("log of negative", log_by_hand),
    ("no gradient", dice_of_masks),
    ("no gradient", with_numpy),
    ("upside down", dice),
    ("clipped", bce_without_from_logits),
    ("clipped", bce_without_from_logits_and_dice),
    ("raw logits", dice_of_logits),
    ("swapped", swapped(bce_dice_loss)),
    ("swapped", swapped(bce_loss)),
    ("background ignored", recall),
    ("sigmoid twice", dice_of_two_sigmoids),
    ("sigmoid twice", sigmoid_before_the_package),
    ("sigmoid twice", sigmoid_before_one_part),
    ("empty mask cheap", bce_loss),
    ("empty mask cheap", lambda mask, logits: 400 * bce_loss(mask, logits)),
    ("empty frame", weighted_by_area),
    ("empty frame", dice_without_smoothing),
    ("large logits", unclipped_log),
]
