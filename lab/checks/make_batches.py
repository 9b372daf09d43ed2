"""Task 3: batches of the right form, shuffled and augmented in training only."""

import re
from collections.abc import Callable

import numpy as np

from lab.checks.common import Hint, Stopped, ask, report
from lab.checks.values import kind_of

EPOCHS = 5
CALLS = 9  # more calls of make_batches, to see whether a draw is made once a call
DRAWS = ("RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal")


def check_make_batches(make_batches: Callable, seed: int = 0) -> None:
    """Check form and values of the batches, then shuffling and augmentation over several epochs."""
    images, masks, size = _film(seed)
    for training in (False, True):
        data = _ask(_read, make_batches, images, masks, size, training, seed)
        _check_dataset(data, training)
        _check_form(data["epochs"][0], images, size, training)
        image, mask = _joined(data["epochs"][0])
        _check_images(image, mask, training)
        _check_mask_values(mask, training)
        if not training:
            _check_validation(image, mask, images, masks)
    epochs = [_joined(epoch) for epoch in data["epochs"]]
    given = images[len(images) // 2 :].astype("float32") / 255  # those with a person
    pairs = _pairs_with_a_person(epochs)
    _check_in_step(pairs, data["draws"])
    _check_upright(pairs)
    _check_flips(pairs, lambda: _ask(_sides, make_batches, images, masks, size, seed))
    _check_shuffling(data["epochs"])
    _check_changes(epochs, pairs, given, masks[-1])
    report("Task 3 passed", "image and mask move together, and validation stays as it is", seed)


def _film(seed):
    """Frames without a person, then as many with one, who stands in the upper left corner.

    The person's upper half is the lighter one. Each frame's background has another shade. The
    last batch will be short.
    """
    rng = np.random.default_rng(seed)
    half = int(rng.integers(21, 25))
    size = next(size for size in rng.permutation([4, 5, 6, 7]).tolist() if 2 * half % size)
    height, width = ((32, 48), (40, 56))[seed % 2]
    images = np.repeat(rng.integers(30, 60, (1, height, width, 3), np.uint8), 2 * half, axis=0)
    images += np.arange(2 * half, dtype=np.uint8)[:, None, None, None]
    masks = np.zeros(images.shape[:3], bool)
    top, left = rng.integers(4, 7), rng.integers(5, 8)
    masks[half:, top : top + 12, left : left + 8] = True
    images[masks] += 100
    images[half:, top : top + 6, left : left + 8] += 40
    return images, masks, size


# --- Beside the learner's function ----------------------------------------------------------------


def _read(make_batches, images, masks, size, training, seed):
    """Facts of the dataset; the batches of its epochs, if it holds pairs and has an end."""
    import tensorflow as tf

    data = make_batches(images.copy(), masks.copy(), size, training=training, seed=seed)
    if not isinstance(data, tf.data.Dataset):
        return data
    spec, length = data.element_spec, int(data.cardinality())
    pairs = isinstance(spec, tuple) and [type(part) for part in spec] == 2 * [tf.TensorSpec]
    facts = {"pairs": pairs, "length": length, "epochs": [], "draws": []}
    if pairs and length >= 0:
        some, count = data.take(len(images) + 1), EPOCHS if training else 1
        facts["epochs"] = [list(some.as_numpy_iterator()) for _ in range(count)]
        facts["draws"] = _draws(data)
    return facts


def _sides(make_batches, images, masks, size, seed):
    """The masks of an epoch for each of several calls of make_batches."""
    calls = []
    for more in range(1, CALLS + 1):
        data = make_batches(images.copy(), masks.copy(), size, training=True, seed=seed + more)
        calls.append(np.concatenate([mask[..., 0] > 0.5 for _, mask in data.as_numpy_iterator()]))
    return calls


def _draws(data):
    """For each parallel map: the seeds of draws for images alone, and of those for masks alone."""
    import tensorflow as tf

    variant = tf.data.experimental.to_variant(data)
    text = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=1).numpy()
    graph = tf.compat.v1.GraphDef.FromString(text)
    functions = {function.signature.name: function for function in graph.library.function}
    maps = [node.attr["f"].func.name for node in graph.node if node.op.startswith("ParallelMap")]
    return [_seeds(functions[name]) for name in maps if len(functions[name].ret) == 2]


def _seeds(function):
    """The seeds of the draws for the first result alone, and of those for the second alone."""
    inner = {node.name: node for node in function.node_def}
    first, second = (
        _used_for(function.ret[one.name], inner) for one in function.signature.output_arg
    )
    draws = {name: node.attr["seed2"].i for name, node in inner.items() if node.op in DRAWS}
    alone = first - second, second - first
    return [[seed for name, seed in draws.items() if name in used] for used in alone]


def _used_for(result, inner):
    """The names of all that a function computes, or gets, for this result."""
    used, todo = set(), [result]
    while todo:
        name = todo.pop().split(":")[0]
        if name not in used and not name.startswith("^"):
            used.add(name)
            todo += inner[name].input if name in inner else []
    return used


# --- Form and values ------------------------------------------------------------------------------


def _ask(probe, make_batches, *arguments):
    """Ask, and explain the errors of the package's recolour."""
    try:
        return ask(probe, make_batches, *arguments)
    except Stopped as stopped:
        error, lines = stopped.failure.message, stopped.failure.lines
        text = "\n".join([error, *lines])
        if not re.search(r"in recolour\b|recolour\(\) missing", text):
            raise
        if re.search(r"shapes: \[(\?,)?\d+,\d+(,1|,4)?\]|are 4 and 3", error):
            raise Hint(
                """recolour stopped because it got a mask, alone or joined with the image. It
                    changes the three colours of an image. Separate the two first:
                    recolour(both[..., :3], draw), and leave the mask both[..., 3:] as it is.""",
                lines,
            ) from None
        if "reduction dimension" in text:
            raise Hint(
                """recolour stopped because it got one frame, (H, W, 3). It changes the images of a
                    batch, (N, H, W, 3). Put .batch(batch_size) before this map, or give it
                    image[None] and take [0] of what comes out.""",
                lines,
            ) from None
        if "seed" in error.lower() or "StatelessRandom" in error:
            raise Hint(
                """recolour stopped because of its second argument, the draw. It takes two whole
                    numbers, new ones for each batch. Draw them inside map: tf.random.uniform([2],
                    maxval=2**31 - 1, dtype=tf.int32).""",
                lines,
            ) from None
        raise


def _joined(batches):
    """All images and all masks of a list of batches."""
    return [np.concatenate(part) for part in zip(*batches)]


def _check_dataset(data, training):
    if not isinstance(data, dict) or "epochs" not in data:
        raise Hint(f"""make_batches returned a {kind_of(data)}, not a tf.data.Dataset. Begin with
            tf.data.Dataset.from_tensor_slices((images, masks)).""")
    if not data["pairs"]:
        raise Hint("""An element of the dataset is not a tuple of two tensors, (image, mask). Keras
            takes the first of a pair as input and the second as ground truth. Give
            from_tensor_slices a tuple of the two, and let functions in map return a tuple.""")
    if data["length"] < 0:
        raise Hint(f"""With training={training} the dataset has no known length: repeat() makes it
            endless, and a generator or filter hides the length. The course's function `train` plans
            by it, and repeats the dataset. Start from from_tensor_slices, then shuffle, batch and
            map.""")


def _check_form(batches, images, size, training):
    """Check the number of frames, and the shapes of all batches."""
    first_image, first_mask = batches[0]
    if np.ndim(first_image) == 3:
        raise Hint(f"""With training={training} an element is one image, {first_image.shape}: there
            are no batches. Add .batch(batch_size).""")
    lengths = [len(image) for image, _ in batches]
    if sum(lengths) != len(images) or max(lengths) != size:
        raise Hint(f"""With training={training}, {len(images)} frames in batches of {size} come back
            as {sum(lengths)} frames in {len(lengths)} batches of up to {max(lengths)}. An epoch
            shows every frame once, and the last batch may be short: batch by batch_size, without
            drop_remainder.""")
    if first_mask.shape == first_image.shape[:3]:
        raise Hint(f"""With training={training} a batch of masks has the shape {first_mask.shape},
            without a channel. The network's output is (N, H, W, 1), and against (N, H, W) a loss
            may compare every image with every mask. Add the axis: masks[..., None].""")
    expected = (*images.shape[1:3], 3), (*images.shape[1:3], 1)
    for batch in batches:
        found = tuple(part.shape[1:] for part in batch)
        if found != expected:
            raise Hint(f"""With training={training} image and mask have the shapes {found} after the
                first axis; {expected} were expected. recolour and a change from grey to RGB make
                three channels of one: leave the mask out. Take the size from the images, and keep
                it through every step.""")


def _check_images(image, mask, training):
    low, top, kinds = image.min(), image.max(), (image.dtype.name, mask.dtype.name)
    if kinds != ("float32", "float32") or not (low >= -1e-3 and 0.02 < top <= 1 + 1e-3):  # or nan
        raise Hint(f"""With training={training} images are {kinds[0]} with values from {low:.4f} to
            {top:.4f}, and masks {kinds[1]}. Both must be float32, and images from about 0 to 1.
            Cast both, and divide images by 255, once: tf.image.convert_image_dtype divides already.
            After changes of colours, clip with tf.clip_by_value(image, 0, 1).""")


def _check_mask_values(mask, training):
    between = mask[(mask != 0) & (mask != 1)]
    plain = np.mean([len(np.unique(one)) <= 2 for one in mask]) > 0.9
    if between.size and plain:  # two levels, but others than 0 and 1
        raise Hint(f"""With training={training} a mask has two levels, but one is {between[0]:.4g}
            instead of 0 or 1. It was scaled, or its colours were changed, like the image's.
            Masks come in as bool: tf.cast(mask, tf.float32) is all they need. Only what moves
            pixels is done to both.""")
    if between.size:
        raise Hint(f"""With training={training} masks hold more than 0 and 1, such as
            {between[0]:.2f}. Rotating, zooming or resizing a mask with bilinear interpolation makes
            them. Use interpolation='nearest' for masks.""")


def _check_validation(image, mask, images, masks):
    expected = images.astype("float32") / 255
    known = [np.abs(expected - one).max(axis=(1, 2, 3)).min() < 1e-3 for one in image]
    if not all(known):
        raise Hint(f"""With training=False, {known.count(False)} of {len(known)} images differ from
            every given image divided by 255. Either they were augmented, and validation must stay
            the same from epoch to epoch, or they were scaled in another way. Augment only if
            training, and divide by 255.""")
    in_place = np.abs(expected - image).max(axis=(1, 2, 3)) < 1e-3
    if not in_place.all():
        raise Hint(f"""With training=False, only {in_place.sum()} of {len(in_place)} images are in
            the place where they were given: the frames are in another order. Scores and pictures
            are matched to names by their place. Shuffle only if training.""")
    wrong = (mask[..., 0] != masks).mean()
    if wrong:
        raise Hint(f"""With training=False the images are as given, but {wrong:.0%} of the pixels of
            the masks are not; 100% means that they are inverted. True must become 1, as
            tf.cast(mask, tf.float32) makes it. Pass image and mask through every step as one
            pair.""")


# --- Augmentation ---------------------------------------------------------------------------------


def _pairs_with_a_person(epochs):
    """Image (H, W, 3) and mask (H, W) of all frames with a person."""
    pairs = [(i, m[..., 0]) for epoch in epochs for i, m in zip(*epoch) if 0 < m.mean() < 0.5]
    total = sum(len(images) for images, _ in epochs)
    if len(pairs) < total / 4:
        raise Hint(f"""With training=True, in several epochs together, only {len(pairs)} of {total}
            masks hold a person that covers less than half; {total // 2} were expected.
            Cropping, zooming or shifting goes too far, or the masks got lost. Make the changes
            smaller.""")
    return pairs


def _check_in_step(pairs, draws):
    """draws: as _draws returns them."""
    apart = sum(_overlap(*pair) < 0.6 for pair in pairs)
    if any(set(image) & set(mask) - {0} for image, mask in draws):
        raise Hint(f"""Image and mask are moved by two draws that have the same seed; in {apart} of
            {len(pairs)} pairs they moved apart. With num_parallel_calls several frames draw at
            a time: an image may get the draw of another's mask. Join image and mask with
            tf.concat(..., axis=-1), flip once and split them again.""")
    if apart <= len(pairs) / 10:
        return
    raise Hint(f"""In {apart} of {len(pairs)} augmented pairs the mask is not on the person. Either
        only one of the two was moved, or they were shuffled apart, or two calls of a random
        function differed. Join both with tf.concat(..., axis=-1), flip once and split them again.
        Stateless functions need the same seed for both, and another one for each frame.""")


def _overlap(image, mask):
    """Of as many lightest pixels (the person's) as the mask has, the share that it marks."""
    lightest = np.argsort(image.sum(axis=-1), axis=None)[-np.count_nonzero(mask) :]
    return np.mean(mask.ravel()[lightest] > 0.5)


def _check_upright(pairs):
    turned = sum(_head_below(*pair) for pair in pairs)
    if turned > len(pairs) / 20:
        raise Hint(f"""In {turned} of {len(pairs)} augmented frames the person's head points down:
            they were flipped upside down, or turned too far. People stand upright in all films, so
            the network would learn what never comes. Flip left and right only, and turn by a few
            degrees at most.""")


def _head_below(image, mask):
    """Whether the person's lower half is the lighter one."""
    rows = np.nonzero(mask > 0.5)[0]
    lights = image[mask > 0.5].mean(axis=-1)
    upper, lower = lights[rows < rows.mean()], lights[rows >= rows.mean()]
    return lower.mean() > upper.mean() + 0.05 if upper.size else False


def _at_right(masks):
    """For each mask with a person, whether it is in the right half."""
    return [np.nonzero(mask)[1].mean() > mask.shape[1] / 2 for mask in masks if mask.any()]


def _check_flips(pairs, masks_of_more_calls):
    """masks_of_more_calls: asks for the masks of an epoch of several more datasets."""
    flipped = _at_right(mask for _, mask in pairs)
    if any(flipped) and not all(flipped):
        return
    share = "every" if all(flipped) else "no"
    sides = {all(_at_right(masks)) for masks in masks_of_more_calls()}
    if sides == {True, False}:
        raise Hint(f"""With one call of make_batches {share} frame is mirrored, with another call it
            is the other way round: the draw is made once. Python's and NumPy's random do that
            inside map, as does any draw outside of map. Use tf.image.random_flip_left_right, or
            draw with tf.random, inside map.""")
    raise Hint(f"""In {EPOCHS} epochs with training=True {share} frame is mirrored. Either the
        left-right flip is missing, or it goes without a draw, or its seed is always the same. Use
        tf.image.random_flip_left_right, or draw with tf.random, inside map; image and mask by one
        draw.""")


def _check_shuffling(epochs):
    """Check where persons are: in the frames given, all are in the second half."""
    with_person = [[m.any(axis=(1, 2, 3)).tolist() for _, m in epoch] for epoch in epochs]
    orders = [sum(epoch, []) for epoch in with_person]
    first = min(order.index(True) for order in orders)
    if first > len(orders[0]) // 4:
        raise Hint(f"""In {EPOCHS} epochs with training=True, no frame of the second half came among
            the first {first}. Either nothing is shuffled, or the buffer of shuffle is smaller than
            the set. Frames are sorted by film, so a batch would hold one person in one room. Add
            .shuffle(len(images), seed=seed) before batch.""")
    # How many persons meet in a batch tells whether the same frames always do.
    met = [sorted((len(batch), sum(batch)) for batch in epoch) for epoch in with_person]
    if all(one == met[0] for one in met):
        raise Hint(f"""In {EPOCHS} epochs the same frames met in a batch each time. batch(...)
            before shuffle(...) does that, and so do arrays shuffled beforehand,
            reshuffle_each_iteration=False, or cache() after shuffle. Cache, then shuffle, then make
            batches.""")


def _check_changes(epochs, pairs, given, first_mask):
    """Check that flips and colours are drawn in each epoch, not once."""
    seen = [sorted(image.tobytes() for image in images) for images, _ in epochs]
    first = _colours(given, np.repeat(first_mask[None, ..., None], len(given), axis=0))
    colours = [_colours(*epoch) for epoch in epochs]
    if any(one.shape != first.shape for one in colours):
        colours = [first]  # persons were shifted out, so that frames cannot be compared
    spread = max(np.abs(one - colours[0]).max() for one in colours)
    change = np.abs(colours[0] - first).max()
    sides = first_mask, first_mask[:, ::-1]
    flips_alone = all(any((m == side).all() for side in sides) for _, m in pairs)
    least = 0.003 if flips_alone else 0.06  # zooming and turning change them a little
    if all(epoch == seen[0] for epoch in seen) or change > least + 8 * spread:
        raise Hint(f"""In {EPOCHS} epochs the frames came with the same changes each time: these
            were drawn once. A draw outside of map does that, and so do NumPy's random inside map, a
            fixed seed, or cache() or shuffle() after the change. Cache, then shuffle, then draw
            with tf.random inside map.""")


def _colours(images, masks):
    """Typical levels of background and person, over all frames with a person, each sorted."""
    levels = [
        [*np.median(image[mask[..., 0] == 0], 0), *np.quantile(image[mask[..., 0] == 1], 0.75, 0)]
        for image, mask in zip(images, masks)
        if 0 < mask.mean() < 0.5
    ]
    return np.sort(levels, axis=0)
