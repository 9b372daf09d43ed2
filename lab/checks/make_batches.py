"""Task 3: batches of the right form, shuffled and augmented in training only."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from lab.checks.common import Hint, call, report

OUT_OF_STEP = "In {count} of {total} augmented pairs the mask is not on the person:"

HINTS = {
    "no dataset": """
        make_batches returned a {kind}, not a tf.data.Dataset. Begin with
        tf.data.Dataset.from_tensor_slices((images, masks)).""",
    "no pairs": """
        An element of the dataset is not a pair (image, mask). Keras takes the first of a pair
        as input and the second as ground truth. Give from_tensor_slices a tuple of the two, and
        let functions in map return a tuple.""",
    "endless": """
        With training={training} the dataset never ends: repeat() does that. An epoch would have
        no length. Leave repeat out: the course's function `train`, used after task 5, adds it.""",
    "unknown length": """
        The dataset does not know its length, by which the course's function `train`, used after
        task 5, plans the learning rate. A generator or filter does that. Start from
        from_tensor_slices, then shuffle, batch and map.""",
    "no batches": """
        With training={training} an element is one image, {shape}: there are no batches. Add
        .batch(batch_size).""",
    "last dropped": """
        With training={training}, {count} frames in batches of {size} come back as {found}: the
        short last batch was dropped. In validation these frames would never be scored. Leave
        drop_remainder out.""",
    "lengths": """
        With training={training}, {count} frames in batches of {size} come back as batches of
        {lengths}. An epoch shows every frame once, batch_size at a time; only the last batch
        may be short.""",
    "no channel": """
        With training={training} a batch of masks has the shape {shape}, without a channel. The
        network's output is (N, H, W, 1), and against (N, H, W) a loss may compare every image
        with every mask. Add the axis: masks[..., None].""",
    "shape": """
        With training={training} a batch has the shapes {found}; {expected} were expected. Take
        the size from the images, not from the notebook's constants.""",
    "not scaled": """
        With training={training} images have values up to {top:.0f}. A network's weights are
        made for inputs near 1, and the package's prediction scales to [0, 1], so training must
        too. Cast to float32 and divide by 255.""",
    "scaled twice": """
        With training={training} no image value is above {top:.4f}. Either they were divided by
        255 twice, and tf.image.convert_image_dtype scales already, or // left only zeros. Scale
        once, by / 255.""",
    "not float32": """
        With training={training} images are {image} and masks {mask}. The network computes in
        float32, and a loss multiplies the mask by what the network returns, so both must be
        float32. Use tf.cast(..., tf.float32).""",
    "out of range": """
        With training={training} image values run from {low:.4f} to {top:.4f}, and not all of
        them are in [0, 1]. Changes of brightness and contrast do that, and so does scaling to
        [-1, 1]. Clip with tf.clip_by_value(image, 0, 1) after the last change of colours.""",
    "mask divided": """
        With training={training} the largest value of a mask is {top:.4f}: True became 1, and
        was divided by 255 together with the image. Divide the image alone.""",
    "mask of 255": """
        With training={training} masks go up to {top:.0f}. The ground truth of a pixel is 0 or
        1. The masks come in as bool: tf.cast(mask, tf.float32) is all they need.""",
    "mask recoloured": """
        With training={training} the background of a mask is {value:.2f} instead of 0: the
        change of colours was applied to the mask too. Change the colours of the image alone;
        only what moves pixels is done to both.""",
    "mask grey": """
        With training={training} masks hold values between 0 and 1, such as {value:.2f}.
        Rotating, zooming or resizing a mask with bilinear interpolation makes them. Use
        interpolation='nearest' for masks.""",
    "validation augmented": """
        With training=False, {count} of {total} images differ from every given image divided by
        255. Either they were augmented, and validation must stay the same from epoch to epoch,
        or they were scaled in another way. Augment only if training, and divide by 255.""",
    "validation shuffled": """
        With training=False, only {count} of {total} images are in the place where they were
        given: the frames are shuffled. Scores and pictures are matched to names by their place.
        Shuffle only if training.""",
    "validation masks": """
        With training=False the images are as given, but the masks are not those given with
        them. Pass both through every step as one pair.""",
    "persons lost": """
        With training=True, in several epochs together, only {count} of {total} masks hold a
        person that covers less than half of them; {expected} were expected. Cropping, zooming
        or shifting goes too far, or the masks got lost. Make the changes smaller.""",
    "image moved": f"""{OUT_OF_STEP}
        the masks are where they were given, so the images alone were moved, or the two were
        shuffled apart. The network would learn that the person is in the wrong place. Move
        image and mask by the same draw, and shuffle them as pairs.""",
    "mask moved": f"""{OUT_OF_STEP}
        the masks were moved, the images never. Whatever moves pixels is done to image and mask,
        by the same draw.""",
    "two draws": f"""{OUT_OF_STEP}
        both were moved, by different draws, or the two were shuffled apart. Two calls of a
        random function draw twice. Join image and mask with tf.concat(..., axis=-1), flip once
        and split them again, or give a stateless function the same seed for both, and a new one
        for each frame.""",
    "not augmented": """
        In {epochs} epochs with training=True, every frame came as it was given: there is no
        augmentation. The network would learn a small set by heart. Flip left and right at
        least, image and mask by one draw.""",
    "never flipped": """
        The person stood at the left, and in {total} augmented frames never at the right: there
        is no left-right flip, or the wrong axis is turned. Python's or NumPy's random inside
        map draws once, when map is called, and a stateless function with a fixed seed draws the
        same each time. Use tf.image.random_flip_left_right, or draw with tf.random.""",
    "always flipped": """
        The person stood at the left, and in {total} augmented frames always at the right: every
        frame is mirrored. Python's or NumPy's random inside map draws once, when map is called,
        and a stateless function with a fixed seed draws the same each time. Use
        tf.image.random_flip_left_right, or draw with tf.random.""",
    "not shuffled": """
        With training=True the frames come in the order in which they were given. They are
        sorted by film, so every batch would hold one person in one room. Add
        .shuffle(len(images), seed=seed) before batch.""",
    "small buffer": """
        In {epochs} epochs no frame of the second half came among the first {first}: the buffer
        of shuffle is smaller than the set, and sorted films stay sorted. Let it hold all
        frames: .shuffle(len(images)).""",
    "same order": """
        The frames are shuffled, but in the same order in {epochs} epochs, so the same frames
        meet in a batch each time. Arrays shuffled beforehand, reshuffle_each_iteration=False,
        or cache() after shuffle do that. Let the dataset shuffle, after cache().""",
    "same company": """
        In {epochs} epochs each batch held the same frames together: whole batches were
        shuffled, not frames. batch(...) before shuffle(...) does that. Shuffle first, then make
        batches.""",
    "same augmentation": """
        {epochs} epochs showed exactly the same augmented images: each frame was changed only
        once. cache() after the augmentation does that, and so does a seed that never changes.
        Augment after cache(), with a new draw each time.""",
}

EPOCHS = 5
MEETINGS = 10  # epochs; by chance, the persons hardly spread alike over the batches in all of them


def check_make_batches(make_batches: Callable, seed: int = 0) -> None:
    """Check form and values of the batches, then shuffling and augmentation over several epochs."""
    images, masks, size = _film(seed)
    for training in (False, True):
        data = call(make_batches, images.copy(), masks.copy(), size, training=training, seed=seed)
        _check_dataset(data, training)
        # Errors inside map show when batches are made. Endless data were refused before.
        epochs = call(_read_epochs, data, EPOCHS if training else 1)
        image, mask = _check_form(epochs[0], images, size, training)
        _check_values(image, training)
        _check_dtypes(image, mask, training)
        _check_mask_values(mask, training)
        if not training:
            _check_validation(image, mask, images, masks)
    _check_training([_joined(epoch) for epoch in epochs], images)
    _check_company(epochs + call(_read_epochs, data, MEETINGS - EPOCHS))
    report("Task 3 passed", "image and mask move together, and validation stays as it is", seed)


def _film(seed):
    """Frames without a person, then as many with one and the same person, who stands at the left.

    Each frame's background has another shade, and the last batch will be short.
    """
    rng = np.random.default_rng(seed)
    size = int(rng.integers(3, 7))
    half = size * 2 + size // 2 + 1
    height, width = ((32, 48), (40, 56))[seed % 2]
    images = np.repeat(rng.integers(30, 60, (1, height, width, 3), np.uint8), 2 * half, axis=0)
    images += np.arange(2 * half, dtype=np.uint8)[:, None, None, None]
    masks = np.zeros(images.shape[:3], bool)
    top, left = rng.integers(7, 10), rng.integers(8, 11)
    masks[half:, top : top + 13, left : left + 8] = True
    images[masks] += 120
    return images, masks, size


def _read_epochs(data, count):
    return [list(data.as_numpy_iterator()) for _ in range(count)]


def _joined(batches):
    """All images and all masks of a list of batches."""
    return [np.concatenate(part) for part in zip(*batches)]


def _check_dataset(data, training):
    if not isinstance(data, tf.data.Dataset):
        raise Hint(HINTS["no dataset"], kind=type(data).__name__)
    if not isinstance(data.element_spec, tuple) or len(data.element_spec) != 2:
        raise Hint(HINTS["no pairs"])
    if data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise Hint(HINTS["endless"], training=training)
    if data.cardinality() == tf.data.UNKNOWN_CARDINALITY:
        raise Hint(HINTS["unknown length"])


def _check_form(batches, images, size, training):
    """Check shapes and lengths; return all images and all masks."""
    asked = {"training": training, "count": len(images), "size": size}
    first_image, first_mask = batches[0]
    if np.ndim(first_image) == 3:
        raise Hint(HINTS["no batches"], training=training, shape=first_image.shape)
    lengths = [len(image) for image, _ in batches]
    if sum(lengths) < len(images) and set(lengths) == {size}:
        raise Hint(HINTS["last dropped"], found=sum(lengths), **asked)
    if sum(lengths) != len(images) or max(lengths) != size:
        raise Hint(HINTS["lengths"], lengths=lengths, **asked)
    if first_mask.shape == first_image.shape[:3]:
        raise Hint(HINTS["no channel"], training=training, shape=first_mask.shape)
    expected = (size, *images.shape[1:]), (size, *images.shape[1:3], 1)
    found = first_image.shape, first_mask.shape
    if found != expected:
        raise Hint(HINTS["shape"], training=training, found=found, expected=expected)
    return _joined(batches)


def _check_values(image, training):
    low, top = image.min(), image.max()
    if top > 1.5:
        raise Hint(HINTS["not scaled"], training=training, top=top)
    if top < 0.02:
        raise Hint(HINTS["scaled twice"], training=training, top=top)
    if not (low >= -1e-3 and top <= 1 + 1e-3):  # so that nan fails too
        raise Hint(HINTS["out of range"], training=training, low=low, top=top)


def _check_dtypes(image, mask, training):
    if image.dtype != np.float32 or mask.dtype != np.float32:
        raise Hint(HINTS["not float32"], training=training, image=image.dtype, mask=mask.dtype)


def _check_mask_values(mask, training):
    if 0 < mask.max() < 0.02:
        raise Hint(HINTS["mask divided"], training=training, top=mask.max())
    if mask.max() > 1.5:
        raise Hint(HINTS["mask of 255"], training=training, top=mask.max())
    between = mask[(mask != 0) & (mask != 1)]
    usual = np.median(mask.reshape(len(mask), -1), axis=1)  # the background: persons are small
    if between.size and usual.any():
        raise Hint(HINTS["mask recoloured"], training=training, value=max(usual, key=abs))
    if between.size:
        raise Hint(HINTS["mask grey"], training=training, value=between[0])


def _check_validation(image, mask, images, masks):
    expected = images.astype("float32") / 255
    known = [np.abs(expected - one).max(axis=(1, 2, 3)).min() < 1e-3 for one in image]
    if not all(known):
        raise Hint(HINTS["validation augmented"], count=known.count(False), total=len(known))
    in_place = np.abs(expected - image).max(axis=(1, 2, 3)) < 1e-3
    if not in_place.all():
        raise Hint(HINTS["validation shuffled"], count=in_place.sum(), total=len(in_place))
    if (mask[..., 0] != masks).any():
        raise Hint(HINTS["validation masks"])


def _check_training(epochs, images):
    """epochs: for each, all images and all masks in the order in which they came."""
    given = images[len(images) // 2 :] / 255  # those with a person
    pairs = [(i, m[..., 0]) for epoch in epochs for i, m in zip(*epoch) if 0 < m.mean() < 0.5]
    total = EPOCHS * len(images)
    if len(pairs) < total / 4:
        raise Hint(HINTS["persons lost"], count=len(pairs), total=total, expected=total // 2)
    _check_in_step(pairs, first_mask=given[0].mean(axis=-1) > 0.5)
    if all(np.abs(given - image).max(axis=(1, 2, 3)).min() < 1e-3 for image, _ in pairs):
        raise Hint(HINTS["not augmented"], epochs=EPOCHS)
    _check_flips(mask for _, mask in pairs)
    _check_shuffling([[bool(mask.any()) for mask in masks] for _, masks in epochs])
    seen = [sorted(image.tobytes() for image in epoch[0]) for epoch in epochs]
    if all(epoch == seen[0] for epoch in seen):
        raise Hint(HINTS["same augmentation"], epochs=EPOCHS)


def _check_in_step(pairs, first_mask):
    """first_mask: where the person stands before any change."""
    apart = sum(_overlap(*pair) < 0.6 for pair in pairs)
    if apart <= len(pairs) / 10:
        return
    hint = "two draws"
    if all((mask == first_mask).all() for _, mask in pairs):
        hint = "image moved"
    elif all(_overlap(image, first_mask) > 0.6 for image, _ in pairs):
        hint = "mask moved"
    raise Hint(HINTS[hint], count=apart, total=len(pairs))


def _overlap(image, mask):
    """Which share of the mask is among as many of the lightest pixels, which are the person's."""
    lightest = np.argsort(image.sum(axis=-1), axis=None)[-np.count_nonzero(mask) :]
    return np.mean(mask.ravel()[lightest] > 0.5)


def _check_flips(masks):
    flipped = [np.nonzero(mask)[1].mean() > mask.shape[1] / 2 for mask in masks]
    if not any(flipped):
        raise Hint(HINTS["never flipped"], total=len(flipped))
    if all(flipped):
        raise Hint(HINTS["always flipped"], total=len(flipped))


def _check_shuffling(orders):
    """orders: for each epoch, which frames hold a person; given were first all those without."""
    if all(order == sorted(order) for order in orders):
        raise Hint(HINTS["not shuffled"])
    first = min(order.index(True) for order in orders)
    if first > len(orders[0]) // 4:
        raise Hint(HINTS["small buffer"], epochs=EPOCHS, first=first)
    if all(order == orders[0] for order in orders):
        raise Hint(HINTS["same order"], epochs=EPOCHS)


def _check_company(epochs):
    """How many frames and persons meet in a batch tells whether the same ones always do."""
    met = [sorted((len(m), int(m.any(axis=(1, 2, 3)).sum())) for _, m in epoch) for epoch in epochs]
    if all(one == met[0] for one in met):
        raise Hint(HINTS["same company"], epochs=MEETINGS)
