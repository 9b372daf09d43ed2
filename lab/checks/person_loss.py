"""Task 5: cheap where the logits are right, with a way to get there, however small the person."""

from collections.abc import Callable

import numpy as np

from lab.checks.common import Hint, ask, report
from lab.checks.values import kind_of

EVERYWHERE = np.arange(-5, 1, 0.5)  # single logits for all pixels
PLAIN = 0.243  # what marking nobody costs by cross-entropy, if logits of 0 cost 1


def check_person_loss(person_loss: Callable, seed: int = 0) -> None:
    """Check the shape of the loss, what it costs, its gradient, and extreme cases."""
    cases = _cases(seed)
    tried = ask(_try, person_loss, list(cases.values()))
    if not isinstance(tried, dict) or "tried" not in tried:
        raise Hint(f"""person_loss returned a {kind_of(tried)}, not a tensor. Training makes one
            number smaller. Add up the parts of the loss, and return their sum.""")
    mask, tried = cases["mild"][0], dict(zip(cases, tried["tried"]))
    _check_shape(tried["mild"][0], len(mask))
    try:
        _check(tried, mask)
    except Hint as hint:
        if not _exchanged(person_loss, cases):
            raise
        raise Hint("""Mask and logits are exchanged. Keras gives the ground truth first and the
            output second, to a loss and to its own functions. Write person_loss(mask, logits), and
            pass them on in this order.""") from hint
    report("Task 5 passed", "right is cheap, missing the person is not, and nothing is nan", seed)


def _cases(seed):
    """Pairs (mask, logits). A number stands for right logits of this size, or wrong ones below 0.

    All masks but "large" and "empty" have a person on one pixel in 25.
    """
    mask, large, empty = _person(4, seed), _person(12, seed), np.zeros((3, 20, 20, 1), "float32")
    cases = {"mild": (mask, np.random.default_rng(seed).uniform(-2, 2, mask.shape))}
    cases |= {size: (mask, size * (2 * mask - 1)) for size in (6, 1.5, 0, -1.5, -6, 200, -200)}
    cases |= {"small": (mask, 60 * mask - 30), "large": (large, 60 * large - 30)}
    cases |= {"deep": (mask, 100 * mask - 60)}
    flat = [(f"all {logit}", mask, logit) for logit in (6, -6, *EVERYWHERE)]
    flat += [(f"empty {logit}", empty, logit) for logit in (-200, -6, 6)]
    cases |= {name: (mask, np.full_like(mask, logit)) for name, mask, logit in flat}
    # In an order that nobody knows when it is graded: which case is which, the logits tell.
    names = list(cases)
    return {names[i]: cases[names[i]] for i in np.random.default_rng(seed).permutation(len(names))}


def _person(size, seed):
    """Three masks float32 (3, 20, 20, 1) with a square person, each in another place."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((3, 20, 20, 1), "float32")
    for one, (top, left) in zip(mask, rng.integers(0, 20 - size, (3, 2))):
        one[top : top + size, left : left + size] = 1
    return mask


def _try(person_loss, pairs, swap=False):
    """For each (mask, logits): the shape of the loss, its mean, and the gradient of its sum."""
    import tensorflow as tf

    tried = []
    for pair in pairs:
        mask, logits = (tf.constant(part, tf.float32) for part in pair)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = person_loss(logits, mask) if swap else person_loss(mask, logits)
            if loss is None or isinstance(loss, (tuple, list, dict, str)):
                return loss
            total = tf.reduce_sum(loss)
        slope = tape.gradient(total, logits)
        slope = slope if slope is None else np.asarray(slope)
        tried.append((tuple(np.shape(loss)), float(np.mean(loss)), slope))
    return {"tried": tried}


def _exchanged(person_loss, cases):
    """Whether the loss makes sense with mask and logits exchanged."""
    try:
        tried = ask(_try, person_loss, list(cases.values()), swap=True)["tried"]
        costs = {name: cost for name, (_, cost, _) in zip(cases, tried)}
        _check_costs(costs)
        _check_perfect(costs)
    except Hint:
        return False
    return not _takes_raw_logits(costs)


def _check(tried, mask):
    """tried: for each case its shape, cost and gradient; mask: that of most cases."""
    costs = {name: cost for name, (_, cost, _) in tried.items()}
    slope = tried["mild"][2]
    if slope is None or not np.any(slope):
        raise Hint("""The loss has no gradient: there is no way from it back to the logits, and
            nothing is learned. A threshold (>, round) blocks it, and so does NumPy. Compute
            with the probabilities, ops.sigmoid(logits), in place of thresholded logits, and with
            ops in place of NumPy.""")
    _check_costs(costs)
    _check_influence(slope, mask)
    _check_perfect(costs)
    _check_nobody(costs)
    _check_extremes(tried, costs)


def _check_shape(shape, count):
    if shape not in ((), (count,)):
        raise Hint(f"""The loss has the shape {shape}; one number for each image, ({count},), or one
            for the batch was expected. Functions of keras.losses average over the last axis,
            and ops.binary_crossentropy over none. Average over every axis but the first:
            ops.mean(..., axis=(1, 2, 3)), or axis=(1, 2) where only three are left.""")


def _check_costs(costs):
    right, nothing, wrong = costs[6], costs[0], costs[-6]
    rises = right < nothing < wrong
    seen = f"Right logits cost {right:.3f}, logits of 0 {nothing:.3f} and wrong ones {wrong:.3f}"
    mild_right, mild, far = costs[1.5], costs[-1.5], costs[-200]
    clipped, too_steep = wrong - mild < 0.01 * (mild - mild_right), np.inf > far > 100 * wrong > 0
    if not np.isfinite(right + nothing + wrong) or rises and (clipped or too_steep):
        raise Hint(f"""Wrong logits of size 1.5 cost {mild:.3f}, of size 6 {wrong:.3f} and of size
            200 {far:.3f}. Most likely logits were taken for probabilities. Functions for
            cross-entropy and focal loss need from_logits=True; a formula that you write needs
            ops.sigmoid(logits).""")
    if not rises and _takes_raw_logits(costs):
        _refuse_raw_logits(f"{seen}: each should cost more than the one before.")
    if not rises:
        raise Hint(f"""{seen}: the loss, or a part of it, is upside down. Dice is a score, which
            grows as things get better, and training makes the loss small. Return 1 - Dice, and
            cross-entropy as it is.""")


def _takes_raw_logits(costs):
    """Whether perfect logits still count by their size: sigmoids of -30 and -60 are near 0."""
    return abs(costs["deep"] - costs["small"]) > 1e-4 * abs(costs[0] - costs["small"])


def _refuse_raw_logits(seen):
    raise Hint(f"""{seen} A part of the loss adds up or multiplies logits as they are, or it has
        mask and logits exchanged. Give such a part ops.sigmoid(logits), and the mask first.""")


def _check_influence(slope, mask):
    for value, everything in ((0, "a person"), (1, "background")):
        if np.abs(slope[mask == value]).max() < 1e-5 * np.abs(slope).max():
            raise Hint(f"""The logits where the mask is {value} have no influence on the loss. A
                network that calls every pixel {everything} would be perfect. Count false positives
                and false negatives: Dice has both in its denominator, and cross-entropy is a mean
                over all pixels.""")


def _check_perfect(costs):
    """Perfect logits cost the same for every person, unless probabilities stay off 0 and 1."""
    small, large = costs["small"], costs["large"]
    if not abs(small - large) > 0.02 * abs(costs[0] - small):  # nan comes later
        return
    seen = f"""Perfect logits, 30 on the person and -30 elsewhere, cost {small:.3f} for a small
        person and {large:.3f} for a large one. Both should cost the same."""
    if _takes_raw_logits(costs):
        _refuse_raw_logits(seen)
    if 0 <= large < 0.2 * small:  # nearly in proportion to one over the area
        raise Hint(f"""{seen} Most likely a constant such as 1 was added below a fraction bar alone.
            Add it above too: (2 * shared + 1) / (areas + 1).""")
    raise Hint(f"""{seen} Most likely a sigmoid is applied twice, and then it never gets near 0 or
        1. Give logits to functions that expect logits (from_logits=True), and apply one sigmoid for
        those that expect probabilities.""")


def _check_nobody(costs):
    """Refuse a loss for which one logit for all pixels is about as cheap as for cross-entropy."""
    best = min(costs[f"all {logit}"] for logit in EVERYWHERE)
    share = (best - costs["small"]) / (costs[0] - costs["small"])
    if share < 1.1 * PLAIN:
        raise Hint(f"""Marking nobody costs only {share:.0%} of the cost of a network that
            knows nothing (logits of 0). With plain cross-entropy it pays {PLAIN:.0%}; if yours is
            far below, the background has the weight (or mask and output are exchanged). Add a Dice
            loss, or weight the person's pixels: mask, not 1 - mask.""")


def _check_extremes(tried, costs):
    for name in (200, -200):
        _, cost, slope = tried[name]
        if not np.isfinite([cost, *np.ravel(slope)]).all():
            raise Hint("""For logits of 200 and -200 the loss or its gradient is not finite. In
                float32 the sigmoid is exactly 1 or 0 there, the logarithm of 0 is infinite, and
                exp(200) is too. Give the logits to ops.binary_crossentropy(..., from_logits=True),
                which stays finite.""")
    for name in ("empty -200", "empty -6", "empty 6"):
        slope = tried[name][2]
        if not np.isfinite([costs[name], *np.ravel(slope)]).all():
            raise Hint(f"""Without a person the loss is {costs[name]}; it or its gradient
                is not finite. Something is divided by an area, and the area is 0. One such frame
                makes all weights nan. Add one pixel to both parts of a fraction: Dice of two areas
                a and b that share c becomes (2 * c + 1) / (a + b + 1).""")
