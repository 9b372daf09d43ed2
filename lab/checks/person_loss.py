"""Task 5: cheap where the logits are right, with a way to get there, however small the person."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from keras import ops

from lab.checks.common import Hint, call, report

HINTS = {
    "a number a pixel": """
        The loss has the shape {shape}, and one number for each image was expected. A loss of
        keras.losses averages over the last axis alone, and ops.binary_crossentropy over none.
        Average over every axis but the first: ops.mean(..., axis=(1, 2, 3)), or axis=(1, 2)
        where only three are left.""",
    "shape": """
        The loss has the shape {shape}; one number for each image, ({count},), or one for the
        batch was expected. Sum and average over the axes 1, 2 and 3.""",
    "log of negative": """
        For logits between -6 and 6 the loss is {value}. The logarithm of a negative number is
        nan: logits were taken for probabilities. Use from_logits=True, or ops.sigmoid first.""",
    "no gradient": """
        The loss has no gradient: there is no way from it back to the logits, and nothing is
        learned. A threshold (>, round) cuts this way, and so does NumPy. Compute with the
        probabilities, ops.sigmoid(logits), in place of thresholded logits, and with ops in
        place of NumPy.""",
    "upside down": """
        Right logits cost {right:.3f} and wrong ones {wrong:.3f}: the loss is upside down. Dice
        is a score, which grows as things get better, and training makes the loss small. Return
        1 - Dice.""",
    "clipped": """
        Wrong logits of size 1.5 cost {mild:.3f}, and of size 6 {wrong:.3f}, not clearly more.
        As a rule logits were taken for probabilities, and all outside of [0, 1] was clipped.
        Cross-entropy needs from_logits=True; a formula that you write needs
        ops.sigmoid(logits).""",
    "raw logits": """
        Right logits cost {right:.3f}, logits of 0 {nothing:.3f} and wrong ones {wrong:.3f}:
        each should cost more than the one before. Logits may be negative, so their sum is not
        an area. Make probabilities of them, ops.sigmoid(logits), before you compute with them.""",
    "swapped": """
        With mask and logits exchanged the loss does what it should, so they are exchanged
        inside. Keras gives the ground truth first and the output second, to a loss and to its
        own functions. Write person_loss(mask, logits), and pass them on in this order.""",
    "background ignored": """
        The logits of the background have no influence on the loss. A network that calls every
        pixel a person would be perfect. Count false positives too: in Dice they are in the
        denominator, in cross-entropy they are the pixels with mask 0.""",
    "sigmoid twice": """
        Perfect logits, 30 on the person and -30 elsewhere, cost {small:.3f} for a small person
        and {large:.3f} for a large one; both should cost the same, the least possible. As a
        rule a sigmoid is applied twice, and then it never gets near 0 or 1. Give logits to
        functions that expect logits (from_logits=True), and apply one sigmoid for those that
        expect probabilities.""",
    "empty mask cheap": """
        The best answer with the same logit everywhere costs {share:.0%} of what logits of 0
        cost, counted from perfect logits: one pixel in 25 is a person, and a mean over all
        pixels hardly notices who marks nobody. Plain cross-entropy is like that. Add a Dice
        loss, or weight the person's pixels.""",
    "empty frame": """
        For a frame without a person the loss is {value}: something is divided by an area, and
        the area is 0. One such frame makes all weights nan. Add one pixel: Dice of two areas a
        and b that share c becomes (2 * c + 1) / (a + b + 1), and a weighted mean is divided by
        area + 1.""",
    "large logits": """
        For logits of 200 and -200 the loss or its gradient is not finite. In float32 the
        sigmoid is exactly 1 or 0 there, the logarithm of 0 is infinite, and exp(200) is too.
        Give the logits to ops.binary_crossentropy(..., from_logits=True), which stays finite.""",
}


def check_person_loss(person_loss: Callable, seed: int = 0) -> None:
    """Check the shape of the loss, what it costs, its gradient, and extreme cases."""
    mask = _person(4, seed)  # one pixel in 25
    mild = np.random.default_rng(seed).uniform(-2, 2, mask.shape).astype("float32")
    _check_shape(np.shape(call(person_loss, tf.constant(mask), tf.constant(mild))), len(mask))
    for logits in (mild, 6, -6):
        if not np.isfinite(cost := _cost(person_loss, mask, logits)):
            raise Hint(HINTS["log of negative"], value=cost)
    slope = _slope(person_loss, mask, mild)
    if slope is None or not np.any(slope):
        raise Hint(HINTS["no gradient"])
    _check_costs(person_loss, mask)
    if not np.any(slope[mask == 0]):
        swapped = _rises(_costs(_swap(person_loss), mask))
        raise Hint(HINTS["swapped" if swapped else "background ignored"])
    _check_perfect(person_loss, seed)
    _check_nobody(person_loss, mask)
    _check_extremes(person_loss, mask)
    report("Task 5 passed", "right is cheap, missing the person is not, and nothing is nan", seed)


def _check_shape(shape, count):
    if len(shape) > 2:
        raise Hint(HINTS["a number a pixel"], shape=shape)
    if shape not in ((), (count,)):
        raise Hint(HINTS["shape"], shape=shape, count=count)


def _person(size, seed):
    """Three masks float32 (3, 20, 20, 1) with a square person, each in another place."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((3, 20, 20, 1), "float32")
    for one, (top, left) in zip(mask, rng.integers(0, 20 - size, (3, 2))):
        one[top : top + size, left : left + size] = 1
    return mask


def _cost(person_loss, mask, logits):
    """The mean loss of a batch; logits may be one number for all pixels."""
    logits = tf.constant(np.broadcast_to(logits, mask.shape), tf.float32)
    return float(np.mean(call(person_loss, tf.constant(mask), logits)))


def _costs(person_loss, mask, sizes=(6, 0, -6)):
    """What right logits cost (of the first size), logits of 0, and wrong ones."""
    return [_cost(person_loss, mask, size * (2 * mask - 1)) for size in sizes]


def _rises(costs):
    return all(a < b for a, b in zip(costs, costs[1:]))


def _swap(person_loss):
    return lambda mask, logits: person_loss(logits, mask)


def _slope(person_loss, mask, logits):
    logits = tf.constant(logits, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = tf.reduce_sum(call(person_loss, tf.constant(mask), logits))
    gradient = tape.gradient(total, logits)
    return None if gradient is None else np.asarray(gradient)


def _check_costs(person_loss, mask):
    right, nothing, wrong = costs = _costs(person_loss, mask)
    if _rises(costs[::-1]):
        raise Hint(HINTS["upside down"], right=right, wrong=wrong)
    if not _rises(costs) and _rises(_costs(_swap(person_loss), mask)):
        raise Hint(HINTS["swapped"])
    if not _rises(costs):
        raise Hint(HINTS["raw logits"], right=right, nothing=nothing, wrong=wrong)
    mild_right, mild = _costs(person_loss, mask, sizes=(1.5, -1.5))
    if wrong - mild < 0.01 * (mild - mild_right):
        raise Hint(HINTS["clipped"], mild=mild, wrong=wrong)


def _check_perfect(person_loss, seed):
    """Perfect logits cost the same for every person, unless something keeps them from 0 and 1."""
    masks = _person(4, seed), _person(12, seed)
    small, large = (_cost(person_loss, mask, 60 * mask - 30) for mask in masks)
    if abs(small - large) > 0.05 * abs(_cost(person_loss, masks[0], 0) - small):
        raise Hint(HINTS["sigmoid twice"], small=small, large=large)


def _check_nobody(person_loss, mask):
    """Refuse a loss for which one logit for all pixels is about as cheap as for cross-entropy."""
    share = _share_for_nobody(person_loss, mask)
    if share < 1.1 * _share_for_nobody(_plain, mask):
        raise Hint(HINTS["empty mask cheap"], share=share)


def _share_for_nobody(loss, mask):
    """Cost of the best single logit for all pixels: 0 like perfect logits, 1 like logits of 0."""
    best = min(_cost(loss, mask, logit) for logit in np.arange(-5, 1, 0.5))
    perfect, ignorant = _cost(loss, mask, 60 * mask - 30), _cost(loss, mask, 0)
    return (best - perfect) / (ignorant - perfect)


def _plain(mask, logits):
    return ops.mean(ops.binary_crossentropy(mask, logits, from_logits=True), axis=(1, 2, 3))


def _check_extremes(person_loss, mask):
    for size in (200, -200):
        logits = size * (2 * mask - 1)
        slope = _slope(person_loss, mask, logits)
        if not np.isfinite([_cost(person_loss, mask, logits), *slope.ravel()]).all():
            raise Hint(HINTS["large logits"])
    for logits in (-200, -6, 6):
        if not np.isfinite(cost := _cost(person_loss, np.zeros_like(mask), logits)):
            raise Hint(HINTS["empty frame"], value=cost)
